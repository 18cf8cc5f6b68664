"""`nta report`: the report of a lot, or of a range of days, from a store."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nta_cli import options
from nta_cli.records import store_argument

if TYPE_CHECKING:
    from nta.batch.recorded import Recorded
    from nta.report.lot import Dossier
    from nta.store import Store


def parse_forecast(text: str) -> tuple[float, float]:
    """Return the particles ``LOW:HIGH``. Raises ValueError with the form to use."""
    try:
        low, high = (float(part) for part in text.split(":"))
    except ValueError:
        raise ValueError(f"{text!r} is not LOW:HIGH; give particles a day such as 1e12:4e12") from None
    return low, high


def parse_day(text: str) -> date:
    """Return a date. Raises ValueError with the form to use."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a date; write it like 2026-11-01") from None


@click.command()
@store_argument
@click.option("--lot", metavar="NAME", help="The lot; needed where the store holds several.")
@click.option(
    "--from", "first", metavar="DATE", callback=options.parsed_with(parse_day), help="First day, such as 2026-11-01."
)
@click.option("--to", "last", metavar="DATE", callback=options.parsed_with(parse_day), help="Last day.")
@click.option(
    "--spec",
    "specification",
    type=click.Path(path_type=Path),
    metavar="FILE.toml",
    help="Limits of a release: each attribute then has a verdict.",
)
@click.option(
    "--forecast",
    metavar="LOW:HIGH",
    callback=options.parsed_with(parse_forecast),
    help="Particles expected of a day; a day whose whole interval is outside is flagged.",
)
@click.option("--baseline", "baseline_lot", metavar="LOT", help="Lot whose samples give the trend charts their limits.")
@click.option("--title", metavar="TEXT", help="Title of the report; else the lot's name.")
@click.option("--paper", type=click.Choice(["a4", "letter"]), default="a4", show_default=True, help="Paper of the PDF.")
@click.option(
    "-o",
    "--output",
    "directory",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of the report, else report-LOT; an earlier report there is replaced.",
)
@options.json_option
@options.quiet_option
@options.debug_option
def report(
    location: str,
    lot: str | None,
    first: date | None,
    last: date | None,
    specification: Path | None,
    forecast: tuple[float, float] | None,
    baseline_lot: str | None,
    title: str | None,
    paper: str,
    directory: Path | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Write the report of a lot, or of the days of a range, from what is on record.

    STORE is a file, the folder of a batch, or postgresql://user@host/name. The folder gets report.html (one file, opens
    from a mail), report.pdf (with lines to sign on), report.csv and report.json with the same numbers: particles by day
    with their intervals, the pooled distribution, verdicts, all that was assumed, flagged or left out, a page for each
    sample, assays, trends, settings and the hashes of all sources. No video is needed.

    \b
      nta report campaign_nta --forecast 1e12:4e12
      nta report nta.sqlite --lot LOT-7 --spec limits.toml --paper letter -o LOT-7
      nta report nta.sqlite --from 2026-11-01 --to 2026-11-04
    """  # noqa: D301  # \b keeps lines as they are
    from nta.batch.dossiers import dossier_of
    from nta.production.specification import Specification
    from nta.report.lot import check_report_directory, save_report
    from nta.store import Store

    store = Store.open(location, read_only=True)
    records, name = _chosen(store, lot, first, last)
    target = directory if directory is not None else Path("report-" + (re.sub(r"[^\w.-]+", "_", name)[:80] or "lot"))
    check_report_directory(target)
    dossier = dossier_of(
        store,
        records,
        name,
        title=title,
        specification=None if specification is None else Specification.load(specification),
        forecast=forecast,
        baseline_lot=baseline_lot,
    )
    save_report(dossier, target, paper)
    if as_json:
        click.echo((target / "report.json").read_text(encoding="utf-8"), nl=False)
    elif not quiet:
        for line in summary_lines(dossier):
            click.echo(line)
        click.echo(f"Report: {target / 'report.html'}, {target / 'report.pdf'}")
    return 0


def _chosen(store: Store, lot: str | None, first: date | None, last: date | None) -> tuple[tuple[Recorded, ...], str]:
    """Return the samples that were asked for, and by which name they go."""
    from nta.batch.recorded import of_days, of_lot

    if first is None and last is None:
        records = of_lot(store, lot)
        return records, records[0].outcome.sample.lot
    start, end = first or date.min, last or date.max
    records = of_days(store, start, end, lot)
    days = " to ".join(dict.fromkeys(_ends(records)))
    return records, f"{lot}, {days}" if lot is not None else days


def _ends(records: tuple[Recorded, ...]) -> tuple[Any, Any]:
    days = sorted(one.outcome.sample.day.rpartition(" / ")[2] for one in records)
    return days[0], days[-1]


def summary_lines(dossier: Dossier) -> list[str]:
    """Return the report in short: days, sum, verdict, findings."""
    from nta.errors import printable
    from nta_cli.console import number_text

    yields = dossier.lot.yields
    n_known = len(yields.days) - len(yields.missing_days)
    sum_of = f"sum of {n_known} of {len(yields.days)} days" if yields.missing_days else "sum"
    lines = [f"{dossier.title}: {yields.message}"]
    for label, estimate in [*((f"day {day.day}", day.particles) for day in yields.days), (sum_of, yields.total)]:
        ends = f"{number_text(estimate.low, '.3g')} to {number_text(estimate.high, '.3g')}"
        known = f"{number_text(estimate.value, '.3g')} particles ({ends})"
        lines.append(f"  {label}: {'no number of particles' if estimate.is_missing else known}")
    if dossier.assessment is not None:
        lines.append(f"verdict: {dossier.assessment.overall}")
        lines += [f"  {one.result}: {one.limit.rule}: {one.reason}" for one in dossier.assessment.verdicts]
    lines += [f"{found.level}: {found.message}" for found in dossier.findings if found.level != "info"]
    return [printable(line) for line in lines]
