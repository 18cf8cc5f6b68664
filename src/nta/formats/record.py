"""What another program measured -> Measurement: the same kind of record as our own, its origin stated.

Numbers of the file stay as they are. What it does not state is missing, and nothing is assumed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from nta.agreement import Agreement, CaptureResult, Reading, agreement_of
from nta.concentration import Concentration
from nta.diffusion import Diffusion
from nta.distribution import SizeDistribution
from nta.errors import NTAError
from nta.estimate import Estimate
from nta.formats.foreign import STATISTICS, Floats, ForeignCapture, ForeignResult, Stated
from nta.formats.names import dilution_flag, proposed_dilution
from nta.measurement import Capture, Counts, Measurement, Status
from nta.quality import Flag, by_gravity, flag
from nta.quality.registry import listed
from nta.record import hash_of, provenance_of, refused, status_of
from nta.settings import Scalar, Settings, Sourced
from nta.size_statistics import SizeStatistics, cumulative_share
from nta.tracking import Tracks

_UPPER_TAIL: Final = 0.975
_VALUES: Final = ("mpp", "fps", "exposure_ms", "temperature_c", "viscosity_mpas")


def record_of(result: ForeignResult) -> Measurement:
    """Return the record of what another program measured.

    Parameters
    ----------
    result : ForeignResult
        From :func:`nta.formats.read_foreign`.

    Returns
    -------
    Measurement
        ``measured`` without the dilution, ``stock`` with it, whichever of them the file states. Intervals are those of
        Student's t from the scatter of the captures: they hold neither depth nor temperature.
    """
    started = datetime.now(UTC)
    distribution = _distribution(result)
    flags = by_gravity(_flags(result))
    status, code, message = _verdict(result, flags)
    return Measurement(
        status=status,
        status_code=code,
        message=message,
        sample=result.sample,
        captures=tuple(_capture(result, number) for number in range(len(result.captures))),
        size=distribution.size,
        concentration=_concentration(result),
        distribution=distribution,
        tracks=Tracks(Tracks.empty_table()),
        diffusion=Diffusion(Diffusion.empty_table()),
        counts=_counts(result),
        values=_values(result),
        flags=flags,
        provenance=provenance_of(Settings(), started),
        agreement=_agreement(result),
    )


def mean_of(result: ForeignResult, name: str) -> Estimate:
    """Return the mean of a quantity over the captures, with the interval of its standard error.

    As the file states it; from the captures where it does not, or where one of them failed and counts as zero in the
    file's own mean.
    """
    stated = result.averages.get(name, Stated())
    good = [_quantity(result.captures[number], name) for number in result.good]
    known = [value for value in good if math.isfinite(value)]
    n = len(known)
    value, error = stated.value, stated.standard_error
    if not math.isfinite(value) or len(result.good) < len(result.captures):
        value = float(np.mean(known)) if known else math.nan
        error = float(np.std(known, ddof=1)) / math.sqrt(n) if n > 1 else math.nan
    elif not math.isfinite(error) and n > 1:
        error = float(np.std(known, ddof=1)) / math.sqrt(n)
    return _with_interval(value, error, n)


def _with_interval(value: float, error: float, n: int) -> Estimate:
    if not math.isfinite(error) or n < 2:
        return Estimate(value, math.nan, math.nan, n if math.isfinite(value) else None)
    half = float(stdtrit(n - 1, _UPPER_TAIL)) * error
    return Estimate(value, max(value - half, 0.0), value + half, n)


def _quantity(capture: ForeignCapture, name: str) -> float:
    if name in STATISTICS:
        return capture.size_nm.get(name, math.nan)
    return capture.per_ml if name == "per_ml" else capture.per_frame


def _distribution(result: ForeignResult) -> SizeDistribution:
    """Return sizes and curve; the curve is the file's mean of the captures, made to integrate to 1."""
    tracks = _sum([result.captures[number].tracks_used for number in result.good])
    means = {name: replace(mean_of(result, name), n=tracks) for name in STATISTICS}
    middle, width = means["d50"], means["d90"].value - means["d10"].value
    span = width / middle.value if math.isfinite(width) and middle.value > 0 else math.nan
    size = SizeStatistics(
        mode=means["mode"],
        mean=means["mean"],
        sd=means["sd"],
        d10=means["d10"],
        d50=middle,
        d90=means["d90"],
        span=Estimate(span, math.nan, math.nan),
    )
    return SizeDistribution(_curve(result), size, tracks or 0, method=result.method)


def _curve(result: ForeignResult) -> pd.DataFrame:
    """Return the density on a grid of 1 nm with its band where the file states the standard error of each bin."""
    bins = result.histogram
    good = [number for number in result.good if number < len(bins.per_ml)]
    if not good:
        return SizeDistribution.missing().table
    has_average = bins.average_per_ml.size > 0 and len(good) == len(result.captures)
    average = bins.average_per_ml if has_average else bins.per_ml[good].mean(axis=0)
    total = float(np.trapezoid(average, bins.diameter_nm))
    if not total > 0:
        return SizeDistribution.missing().table
    first, last = bins.diameter_nm[0], bins.diameter_nm[-1]
    grid: Floats = first + np.arange(round(last - first) + 1.0)

    def on_grid(values: Floats) -> Floats:
        return np.asarray(np.interp(grid, bins.diameter_nm, values / total), dtype=np.float64)

    density = on_grid(average)
    error = bins.standard_error_per_ml
    half = np.full(len(grid), math.nan)
    if has_average and error.size and np.isfinite(error).all() and len(good) > 1:
        half = float(stdtrit(len(good) - 1, _UPPER_TAIL)) * on_grid(error)
    columns = (grid, density, np.maximum(density - half, 0.0), density + half, cumulative_share(grid, density))
    return pd.DataFrame(dict(zip(SizeDistribution.COLUMNS, columns, strict=True)))


def _factor(result: ForeignResult) -> float:
    """Return what takes a stated concentration to that of the cell; NaN where only the stock is known."""
    if not result.is_adjusted:
        return 1.0
    return 1.0 / result.dilution if math.isfinite(result.dilution) else math.nan


def _concentration(result: ForeignResult) -> Concentration:
    stated = mean_of(result, "per_ml")
    if stated.is_missing:
        return Concentration.missing()
    factor = _factor(result)
    measured = stated.scaled(factor) if math.isfinite(factor) else Estimate.missing()
    stock = stated if result.is_adjusted else None
    if stock is None and math.isfinite(result.dilution):
        stock = measured.scaled(result.dilution)
    each = (result.captures[number].per_ml * factor for number in result.good)
    return Concentration(
        measured=measured,
        stock=stock,
        # The maker's own: it is not relative to a nominal depth, and the flag `imported` says whose it is.
        volume_source="calibration",
        depth_um=math.nan,
        captures_per_ml=tuple(value for value in each if math.isfinite(value)),
    )


def _capture(result: ForeignResult, number: int) -> Capture:
    one = result.captures[number]
    has_failed = number not in result.good
    return Capture(
        path=one.name,
        frames=one.n_frames,
        fps=one.values.get("fps"),
        mpp=one.values.get("mpp"),
        exposure_ms=one.values.get("exposure_ms"),
        particles_per_frame=one.per_frame if math.isfinite(one.per_frame) and not has_failed else None,
        tracks=one.tracks,
        status="failed" if has_failed else "ok",
    )


def _counts(result: ForeignResult) -> Counts:
    good = [result.captures[number] for number in result.good]
    per_frame = mean_of(result, "per_frame").value
    return Counts(
        particles_per_frame=per_frame if math.isfinite(per_frame) else None,
        tracks=_sum([one.tracks for one in good]),
        tracks_used=_sum([one.tracks_used for one in good]),
    )


def _sum(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _values(result: ForeignResult) -> dict[str, Sourced]:
    """Return every value of the file; where captures differ in one, the list of their values."""
    values: dict[str, Sourced] = {
        "program": Sourced(result.program, "import"),
        "export": Sourced(result.path.name, "import"),
        "export_kind": Sourced(result.kind, "import"),
        "export_sha256": Sourced(result.sha256, "import"),
    }
    for name in _VALUES:
        each: list[Scalar] = [one.values.get(name) for one in result.captures]
        if any(value is not None for value in each):
            values[name] = Sourced(each[0] if each.count(each[0]) == len(each) else each, "import")
    values["dilution"] = Sourced(result.dilution if math.isfinite(result.dilution) else None, "import")
    for name, detail in result.details.items():
        values[name] = Sourced(detail, "import")
    return values


def _agreement(result: ForeignResult) -> Agreement:
    factor = _factor(result)
    rows = [
        CaptureResult(
            name=one.name,
            tracks=one.tracks or 0,
            tracks_used=one.tracks_used or 0,
            d50_nm=Reading(one.size_nm.get("d50", math.nan)),
            mode_nm=Reading(one.size_nm.get("mode", math.nan)),
            per_ml=Reading(one.per_ml * factor),
            particles_per_frame=Reading(one.per_frame),
        )
        for one in (result.captures[number] for number in result.good)
    ]
    has_results = any(math.isfinite(row.d50_nm.value) or math.isfinite(row.per_ml.value) for row in rows)
    return agreement_of(rows) if has_results else Agreement()


def _flags(result: ForeignResult) -> list[Flag]:
    found = [_imported(result)]
    found += [flag("import_inconsistent", f"{result.path.name}: {sentence}") for sentence in result.complaints]
    failed = [one.name for one in result.captures if one.has_failed]
    if failed:
        found.append(
            flag(
                "capture_rejected",
                f"{listed(failed)} of {result.path.name} holds zeros in place of results: the maker's program failed "
                "on it; it is left out of the means",
            )
        )
    alerts: dict[str, list[str]] = {}
    for one in result.captures:
        for alert in one.alerts:
            alerts.setdefault(alert, []).append(one.name)
    found += [
        flag("maker_alert", f"{result.program} says of {listed(names)}: {alert}") for alert, names in alerts.items()
    ]
    proposal = proposed_dilution([result.sample, result.path.stem, *(one.name for one in result.captures)])
    if not math.isfinite(result.dilution) and not result.is_adjusted and proposal is not None:
        found.append(dilution_flag(*proposal))
    return found


def _imported(result: ForeignResult) -> Flag:
    has_sizes = any(one.size_nm for one in result.captures)
    held = (
        "intervals are those of its captures alone, and its depth and sizing are the maker's"
        if has_sizes
        else "it states how the captures were taken and holds no result: measure them with nta analyze"
    )
    return flag("imported", f"these are the numbers of {result.program}, read from {result.path.name}; {held}")


def _verdict(result: ForeignResult, flags: tuple[Flag, ...]) -> tuple[Status, str | None, str]:
    if result.captures and not result.good:
        return (
            "rejected",
            "no_result",
            f"{result.path.name} holds no result: the maker's program failed on every capture of it; measure the "
            "sample again",
        )
    warnings = [found for found in flags if found.level != "info"]
    if warnings:
        return "warn", warnings[0].code, warnings[0].message
    counted = f"{len(result.good)} capture{'' if len(result.good) == 1 else 's'}"
    return "ok", None, f"{counted} of {result.program} read from {result.path.name}"


def refused_record(path: Path, error: NTAError) -> Measurement:
    """Return the record of an export that could not be read."""
    capture = Capture(str(path), hash_of(path), status=status_of(error))
    return refused(path.stem, [capture], error, Settings(), provenance_of(Settings(), datetime.now(UTC)))
