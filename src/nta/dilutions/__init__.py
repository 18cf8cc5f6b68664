"""A sample at several dilutions: is what was measured proportional to it, and over which range.

Crowding reads low at the concentrated end, the diluent's own particles read high at the dilute end. Between the two a
count can be trusted, and the stock follows from all dilutions there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from nta.dilutions.linearity import line_of
from nta.dilutions.noun import SCHEMA, Dilution, DilutionSeries, Line, UsableRange
from nta.dilutions.sentence import message_of
from nta.dilutions.usable import TOLERANCE, UNUSABLE, deviation, usable_range
from nta.errors import UsageError
from nta.estimate import NORMAL_95, Estimate
from nta.measurement import Measurement, Status
from nta.progress import Progress, silent
from nta.settings import Settings
from nta.settings.checks import check_dilution

__all__ = [
    "SCHEMA",
    "TOLERANCE",
    "UNUSABLE",
    "Dilution",
    "DilutionSeries",
    "Line",
    "UsableRange",
    "captures_by_dilution",
    "dilution_series",
    "measure_dilutions",
]

_ROUNDS: Final = 20
"""Of weights that hang on what they weigh: more than enough for four digits."""


def captures_by_dilution(
    inputs: Sequence[str | Path], dilutions: Sequence[float], settings: Settings | None = None
) -> dict[float, tuple[Path, ...]]:
    """Return the captures of each dilution, from the most concentrated to the most dilute.

    Parameters
    ----------
    inputs : sequence of paths
        The captures.
    dilutions : sequence of float
        The dilution of each, in the same order; equal ones are captures of one sample.
    settings : Settings, optional
        Must not hold a dilution of its own.

    Raises
    ------
    UsageError
        If the numbers differ, a dilution is below 1 or stated twice, or a file is missing.
    """
    if settings is not None and settings.dilution is not None:
        raise UsageError(
            f"a dilution of {settings.dilution:g} and --dilution-series are both given; leave --dilution out, "
            "the series has one for each capture"
        )
    if len(inputs) != len(dilutions):
        raise UsageError(
            f"--dilution-series has {len(dilutions)} dilutions for {len(inputs)} captures; "
            "give one a capture, in their order"
        )
    for factor in dilutions:
        try:
            check_dilution(factor)
        except ValueError as error:
            raise UsageError(f"--dilution-series: {error}") from None
        if not math.isfinite(factor):
            raise UsageError(f"--dilution-series: a dilution of {factor} is no number; give one such as 1000")
    paths = [Path(path) for path in inputs]
    for path in paths:
        if not path.exists():
            raise UsageError(f"there is no file {str(path)!r}")
    return {
        factor: tuple(path for path, own in zip(paths, dilutions, strict=True) if own == factor)
        for factor in sorted(set(dilutions))
    }


def measure_dilutions(
    inputs: Sequence[str | Path],
    dilutions: Sequence[float],
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> tuple[Measurement, ...]:
    """Measure each dilution of a sample, from the most concentrated to the most dilute.

    Parameters
    ----------
    inputs, dilutions, settings
        As in :func:`captures_by_dilution`; all other settings are those of every dilution.
    progress : callable, optional
        Told ``(stage, done, total)``; the stage ``samples`` counts dilutions.

    Raises
    ------
    UsageError
        As :func:`captures_by_dilution` and :func:`nta.analyze`.
    """
    settings = Settings() if settings is None else settings
    groups = captures_by_dilution(inputs, dilutions, settings)
    listen = silent if progress is None else progress
    # Here and not above: wrong use is said before the libraries that measure have loaded.
    from nta.pipeline import analyze

    measured: list[Measurement] = []
    for factor, paths in groups.items():
        listen("samples", len(measured), len(groups))
        own = settings.updated("command_line", {"dilution": factor})
        measured.append(analyze(paths, settings=own, progress=progress))
    listen("samples", len(measured), len(groups))
    return tuple(measured)


def dilution_series(measurements: Sequence[Measurement], sample: str = "") -> DilutionSeries:
    """Return how linear the dilutions of a sample are, the range that can be used, and the stock from it.

    Every dilution is weighted by the errors that it does not share with the others: counting, captures, and the
    dilution's own where it is stated. What captures differ by beyond counting is taken as the same share at all
    dilutions, and told by all captures together. The error of a blank is taken as each dilution's own as well: it
    weighs at the dilute end alone.

    Parameters
    ----------
    measurements : sequence of Measurement
        One for each dilution, each with a dilution among its values.
    sample : str, optional
        Name of the sample; that of the first measurement when not given.

    Raises
    ------
    UsageError
        If there is none, one has no dilution, or two have the same.
    """
    by_factor = {_factor(one): one for one in measurements}
    if not measurements or len(by_factor) != len(measurements):
        raise UsageError("a dilution series needs one measurement for each dilution; pool the captures of equal ones")
    excess, excess_error = _excess_of_captures(measurements)
    dilutions = [_dilution(factor, by_factor[factor], excess) for factor in sorted(by_factor)]
    line = line_of([one for one in dilutions if one.is_known], excess_error)
    usable = usable_range(dilutions, excess_error)
    if usable is not None:
        dilutions = [_placed(one, usable) for one in dilutions]
    return DilutionSeries(
        sample=sample or measurements[0].sample,
        status=_status(dilutions, usable),
        message=message_of(dilutions, line, usable, any(one.blank is not None for one in measurements)),
        dilutions=tuple(dilutions),
        line=line,
        usable=usable,
        is_relative=any(one.is_relative for one in dilutions),
    )


def _factor(measurement: Measurement) -> float:
    factor = measurement.values["dilution"].value if "dilution" in measurement.values else None
    if not isinstance(factor, int | float):
        raise UsageError(f"the dilution of {measurement.sample!r} is not known; give it with --dilution-series")
    return float(factor)


def _excess_of_captures(measurements: Sequence[Measurement]) -> tuple[float, float]:
    """Return the relative variance between captures of one dilution beyond counting, and its standard error."""
    spreads = [one.agreement.spreads["per_ml"] for one in measurements if "per_ml" in one.agreement.spreads]
    told = [one for one in spreads if math.isfinite(one.between_sd) and one.within_sd > 0.0 and one.mean.value > 0.0]
    more = [(one.mean.n or 1) - 1 for one in told]
    if not sum(more):
        return 0.0, 0.0
    between = [one.between_sd / one.mean.value for one in told]
    within = [one.within_sd / one.mean.value for one in told]
    terms = [b**2 - w**2 for b, w in zip(between, within, strict=True)]
    excess, weights = 0.0, [0.0]
    for _ in range(_ROUNDS):
        # A variance from n - 1 differences has the standard error sqrt(2/(n - 1)) of itself.
        weights = [n / (2.0 * (excess + w**2) ** 2) for n, w in zip(more, within, strict=True)]
        # Each term may be negative: only their mean must not be.
        excess = max(sum(v * term for v, term in zip(weights, terms, strict=True)) / sum(weights), 0.0)
    return excess, 1.0 / math.sqrt(sum(weights))


def _dilution(factor: float, measurement: Measurement, excess: float) -> Dilution:
    concentration = measurement.concentration
    measured, parts = concentration.measured, concentration.parts
    # A capture's own factor moves what was counted, the blank's particles with it.
    counted = measured.value if measurement.blank is None else measurement.blank.before.value
    per_excess = (counted / measured.value) ** 2 / (len(concentration.captures_per_ml) or 1)
    captures_sd = math.sqrt(excess * per_excess)
    counting = parts.counting if math.isfinite(parts.counting) else _relative_sd(measured)
    stated, blank = (part if math.isfinite(part) else 0.0 for part in (parts.dilution, parts.blank))
    return Dilution(
        factor=factor,
        status=measurement.status,
        status_code=measurement.status_code,
        message=measurement.message,
        flags=tuple(flag.code for flag in measurement.flags),
        n_captures=len(measurement.captures),
        particles_per_frame=_known(measurement.counts.particles_per_frame),
        measured=measured,
        stock=Estimate.missing() if concentration.stock is None else concentration.stock,
        own_sd=math.hypot(counting, captures_sd, stated, blank),
        captures_sd=captures_sd,
        per_excess=per_excess,
        volume_sd=parts.volume if math.isfinite(parts.volume) else 0.0,
        is_relative=concentration.is_relative and not measured.is_missing,
    )


def _relative_sd(measured: Estimate) -> float:
    """Return all of the error of a result that does not say what its interval is made of; NaN where there is none."""
    return math.log(measured.high / measured.low) / (2.0 * NORMAL_95) if measured.low > 0.0 else math.nan


def _known(number: float | None) -> float:
    return math.nan if number is None else number


def _placed(one: Dilution, usable: UsableRange) -> Dilution:
    is_usable = usable.first <= one.factor <= usable.last
    return replace(one, deviation=deviation(one, usable.stock.value), is_usable=is_usable)


def _status(dilutions: Sequence[Dilution], usable: UsableRange | None) -> Status:
    refused = [one.status for one in dilutions if one.status in ("rejected", "failed")]
    if len(refused) == len(dilutions):
        return "failed" if "failed" in refused else "rejected"
    is_linear = usable is not None and usable.n_dilutions == len(dilutions) >= 3
    return "ok" if is_linear and usable is not None and usable.is_within_errors else "warn"
