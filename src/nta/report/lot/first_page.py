"""The first page of a report: what the lot holds, what it is like, the verdicts, everything assumed or flagged."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from nta.estimate import Estimate
from nta.report import formatting as fmt
from nta.report.lot import charts
from nta.report.lot.blocks import Block, Column, Level, Note, Notes, Picture, Pictures, Section, Table, Text
from nta.report.lot.noun import Dossier
from nta.report.lot.numbers import PER, SIZES
from nta.report.page import value_row
from nta.settings import Sourced

_OVERALL: dict[str, tuple[Level, str]] = {
    "pass": ("ok", "Pass"),
    "fail": ("fail", "Fail"),
    "cannot tell": ("warn", "Cannot tell"),
}
_SIZE_WORDS = {"mode": "Mode", "mean": "Mean", "sd": "Standard deviation", "span": "Span = (D90 − D10)/D50"}


_OF_A_BLANK = ("few_tracks", "below_detection")
"""Flags that say of a blank that it is one."""


def first_page(dossier: Dossier) -> Section:
    """Return the first page; its heading is the title of the document."""
    return Section(
        "",
        tuple(
            block for part in (_attention, _pictures, _days, _recoveries, _verdicts, _sizes) for block in part(dossier)
        ),
    )


def verdict_of(dossier: Dossier) -> tuple[Level, str, str]:
    """Return level, word and sentence of the whole: the verdict where there is a specification, else completeness."""
    yields = dossier.lot.yields
    total = f"{fmt.scientific(yields.total.value)} particles (95 % interval {fmt.scientific_interval(yields.total)})"
    total = "No number of particles" if yields.total.is_missing else total
    sentence = f"{total}; {yields.message}."
    if dossier.assessment is not None:
        level, word = _OVERALL[dossier.assessment.overall]
        return level, word, sentence
    return ("warn", "Incomplete", sentence) if yields.missing_days else ("ok", "Complete", sentence)


def _attention(dossier: Dossier) -> Iterator[Block]:
    notes = [*_of_chain(dossier), *_of_lot(dossier), *_of_samples(dossier), *_of_exclusions(dossier)]
    notes += [*_of_assumptions(dossier), *_of_remarks(dossier)]
    yield Notes(tuple(notes)) if notes else Text("Nothing was assumed, and nothing is flagged.")


def _of_chain(dossier: Dossier) -> list[Note]:
    broken = dossier.chain.broken
    return [] if broken is None else [Note("fail", "The record is broken", f"{broken}; nothing here can be relied on")]


def _of_lot(dossier: Dossier) -> list[Note]:
    notes: list[Note] = [
        Note(found.level, fmt.words(found.code), found.message) for found in dossier.findings if found.level != "info"
    ]
    if dossier.lot.yields.is_relative:
        text = "the depth in view is nominal, not calibrated: ratios between days hold, absolute numbers may be off"
        notes.append(Note("warn", "Relative", f"{text} by a common factor"))
    return notes


def _of_samples(dossier: Dossier) -> list[Note]:
    """Return the warnings of measurements, each once for all samples that have it."""
    found: dict[tuple[Level, str], list[str]] = {}
    for one in dossier.by_day:
        if one.status in ("rejected", "failed"):
            found.setdefault(("warn", f"{fmt.words(one.status)}: {one.message}"), []).append(one.name)
        for flag in (one.summary or {}).get("flags", []):
            if flag["level"] != "info" and not (one.role == "blank" and flag["code"] in _OF_A_BLANK):
                text = f"{fmt.words(flag['code'])}: {flag['message']}"
                found.setdefault((flag["level"], text), []).append(one.name)
    return [Note(level, _names(names), text) for (level, text), names in found.items()]


def _of_remarks(dossier: Dossier) -> list[Note]:
    """Return which samples have notes on their pages, in one line: each of them is there with what to do."""
    found: dict[str, list[str]] = {}
    for one in dossier.by_day:
        for flag in (one.summary or {}).get("flags", []):
            if flag["level"] == "info":
                found.setdefault(fmt.words(flag["code"]).lower(), []).append(one.name)
    texts = [f"{words} ({_names(list(dict.fromkeys(names)))})" for words, names in found.items()]
    return [Note("info", "Noted on the pages of samples", "; ".join(texts))] if texts else []


def _of_exclusions(dossier: Dossier) -> list[Note]:
    notes = [
        Note("warn", one.name, f"the analysis is excluded: {one.reason}")
        for one in dossier.by_day
        if one.decision == "excluded"
    ]
    n = sum(len(one.excluded) for one in dossier.by_day)
    if n:
        notes.append(Note("info", "Left out", f"{n} capture{'s' if n != 1 else ''}; the reasons stand at the end"))
    return notes


def _of_assumptions(dossier: Dossier) -> list[Note]:
    """Return what nobody stated of how captures were taken, each value once for all samples that rest on it."""
    found: dict[str, list[str]] = {}
    for one in dossier.by_day:
        for name, entry in (one.summary or {}).get("values", {}).items():
            row = value_row(name, Sourced(entry["value"], entry["origin"]))
            if row.is_assumed and one.status in ("ok", "warn"):
                found.setdefault(f"{row.label} {row.text} {row.unit}".strip(), []).append(one.name)
    texts = [Note("info", "Assumed, not read", f"{text} ({_names(names)})") for text, names in found.items()]
    exact = [found for found in dossier.findings if found.level == "info"]
    return texts + [Note("info", fmt.words(one.code), one.message) for one in exact]


def _names(names: list[str]) -> str:
    return ", ".join(names) if len(names) < 5 else f"{len(names)} samples ({names[0]} to {names[-1]})"


def _pictures(dossier: Dossier) -> Iterator[Block]:
    words = ", ".join(f"day {day.day}: {fmt.scientific(day.particles.value)}" for day in dossier.lot.yields.days)
    yield Pictures(
        (
            Picture(lambda: charts.yield_figure(dossier), f"Particles by day with their 95 % intervals; {words}."),
            Picture(
                lambda: charts.pool_figure(dossier),
                "Pooled number-weighted size distribution with its 95 % band (sampling error alone).",
            ),
        )
    )


def _days(dossier: Dossier) -> Iterator[Block]:
    yields = dossier.lot.yields
    known = [(name, unit) for name, unit in PER if any(not getattr(day, name).is_missing for day in yields.days)]
    columns = [Column("Day", weight=1.6), Column("Particles", is_number=True), Column("95 % interval", True, 2.0)]
    columns += [Column("Sum to this day", is_number=True), *(Column(unit, is_number=True) for _, unit in known)]
    rows = []
    for day, up_to in zip(yields.days, yields.cumulative, strict=True):
        cells = [day.day, fmt.scientific(day.particles.value), fmt.scientific_interval(day.particles)]
        cells += [fmt.scientific(up_to.value), *(fmt.scientific(getattr(day, name).value) for name, _ in known)]
        rows.append(tuple(cells))
    total = ("Sum", fmt.scientific(yields.total.value), fmt.scientific_interval(yields.total), *[""] * (1 + len(known)))
    yield Table(tuple(columns), (*rows, total), "Particles = concentration of the undiluted liquid × volume")


def _recoveries(dossier: Dossier) -> Iterator[Block]:
    """Yield what each step kept, and the whole chain of a day; nothing where no step was measured on both sides."""
    lot = dossier.lot
    each = [*((one, one.name) for one in lot.step_recoveries), *((one, f"{one.name}, all") for one in lot.recoveries)]
    if all(one.share.is_missing for one, _ in each):
        return
    columns = (
        Column("Step", weight=2.0),
        Column("Recovery, %", True),
        Column("95 % interval", True),
        Column("", weight=3.0),
    )
    rows = []
    for one, name in each:
        percent = one.share.scaled(100.0)
        rows.append((name, fmt.fixed(percent.value), fmt.interval(percent), "; ".join(one.reasons)))
    yield Table(columns, tuple(rows), "Recovery: particles after a step over those before it")


def _verdicts(dossier: Dossier) -> Iterator[Block]:
    assessment = dossier.assessment
    if assessment is None:
        yield Text("No specification was given, so nothing is judged.")
        return
    columns = (Column("Rule", weight=3.0), Column("Verdict"), Column("Of", weight=1.4), Column("Why", weight=4.0))
    rows = tuple((one.limit.rule, one.result, one.seen.of, one.reason) for one in assessment.verdicts)
    rules = assessment.specification
    yield Table(columns, rows, f"Specification {rules.name}, version {rules.version}, SHA-256 {rules.sha256}")
    still_open = tuple(Note("warn", "Keeps the lot from passing", text) for text in assessment.open)
    if still_open:
        yield Notes(still_open)


def size_table(caption: str, size: Callable[[str], Estimate]) -> Table:
    """Return the table of size statistics, number-weighted."""
    columns = (
        Column("By number", weight=2.0),
        Column("Value", is_number=True),
        Column(""),
        Column("95 % interval", True, 2.0),
    )
    rows = []
    for name, unit in SIZES:
        estimate, decimals = size(name), 2 if name == "span" else 1
        label = _SIZE_WORDS.get(name, name.upper())
        cells = (fmt.fixed(estimate.value, decimals), unit.partition(",")[0], fmt.interval(estimate, decimals))
        rows.append((label, *cells))
    return Table(columns, tuple(rows), caption)


def _sizes(dossier: Dossier) -> Iterator[Block]:
    pool = dossier.lot.pool
    if pool is not None:
        yield size_table("Pooled distribution: the days, weighted by their particles", lambda name: pool.size[name])
    lot = dossier.lot
    if lot.purity is not None:
        text = f"{fmt.scientific(lot.purity.per_ug.value)} particles per µg of protein ({lot.purity.band})"
        yield Text(lot.purity.reason or f"{text}, 95 % interval {fmt.scientific_interval(lot.purity.per_ug)}.")
