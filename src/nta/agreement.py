"""The captures of one sample, each judged by itself: how far they agree, and which one stands apart.

The sample's distribution is one fit to the tracks of all captures and its concentration their mean; what stands here
judges whether that was allowed. No capture is ever left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, stdtrit

from nta.concentration import particle_concentration
from nta.diffusion import Diffusion
from nta.distribution import SizeDistribution, size_distribution
from nta.estimate import Estimate
from nta.settings import Settings
from nta.size_statistics import point_statistics
from nta.tracking import Tracks

Floats = NDArray[np.float64]

QUANTITIES: Final[dict[str, str]] = {
    "d50_nm": "D50",
    "mode_nm": "mode",
    "per_ml": "concentration",
    "particles_per_frame": "number of spots per frame",
}
"""What is compared between captures, with its name for people."""

LEAST_EXCESS: Final[dict[str, float]] = {"d50_nm": 0.02, "per_ml": 0.10}
"""Quantities whose scatter is judged, and the relative scatter beyond their errors that changes no decision. Mode and
spots per frame say the same again."""

DISAGREEMENT_LEVEL: Final = 0.005
OUTLIER_LEVEL: Final = 0.05
OUTLIER_SDS: Final = 3.5
"""How far beyond the captures' own errors an outlier must lie too: Grubbs alone cries in every fifth good sample of
four quantities."""

_UPPER_TAIL: Final = 0.975


@dataclass(frozen=True, slots=True)
class Reading:
    """A quantity of one capture and its standard error within that capture; NaN where not known."""

    value: float = math.nan
    sd: float = math.nan

    def to_dict(self) -> dict[str, float | None]:
        """Return ``{"value", "sd"}``, ``None`` for NaN."""
        return {"value": _finite(self.value), "sd": _finite(self.sd)}

    @classmethod
    def from_dict(cls, mapping: Mapping[str, float | None]) -> Self:
        """Return the reading that :meth:`to_dict` wrote."""
        return cls(*(math.nan if (number := mapping[name]) is None else float(number) for name in ("value", "sd")))


@dataclass(frozen=True, slots=True)
class CaptureResult:
    """What one capture says by itself.

    Parameters
    ----------
    name : str
        Name of the capture.
    tracks, tracks_used : int
        Linked tracks, and those long enough to be sized.
    d50_nm, mode_nm : Reading
        From the distribution of its own tracks, nm; missing with fewer than 10 of them.
    per_ml : Reading
        Particles per mL in the measuring cell; its error is that of counting, the depth being the same for all.
    particles_per_frame : Reading
        Mean number of spots in a frame.
    """

    name: str
    tracks: int
    tracks_used: int
    d50_nm: Reading = field(default_factory=Reading)
    mode_nm: Reading = field(default_factory=Reading)
    per_ml: Reading = field(default_factory=Reading)
    particles_per_frame: Reading = field(default_factory=Reading)


@dataclass(frozen=True, slots=True)
class Spread:
    """How one quantity differs between captures.

    Parameters
    ----------
    mean : Estimate
        Mean of the captures that have it, with the 95 % interval of Student's t (n - 1 degrees of freedom) from their
        scatter; the interval is NaN with fewer than two.
    between_sd, standard_error : float
        Standard deviation between captures, and that over the root of their number.
    within_sd, within_standard_error : float
        What the captures' own errors alone would make of the two: the root mean square error of one capture, and the
        error of the mean.
    excess : float
        Relative standard deviation between captures beyond their own errors, 0 where there is none.
    p_disagree : float
        Probability of so much scatter or more from the captures' own errors alone (chi-square, n - 1 degrees of
        freedom).
    outlier : int or None
        Number of the capture that stands apart, counted from 0.
    """

    mean: Estimate = field(default_factory=Estimate.missing)
    between_sd: float = math.nan
    standard_error: float = math.nan
    within_sd: float = math.nan
    within_standard_error: float = math.nan
    excess: float = math.nan
    p_disagree: float = math.nan
    outlier: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name, ``None`` for NaN."""
        numbers = ("between_sd", "standard_error", "within_sd", "within_standard_error", "excess", "p_disagree")
        return {
            "mean": self.mean.to_dict(),
            "n_captures": self.mean.n or 0,
            **{name: _finite(getattr(self, name)) for name in numbers},
            "outlier": self.outlier,
        }


@dataclass(frozen=True, slots=True)
class Agreement:
    """The captures of one sample and the spread of every quantity, by the keys of :data:`QUANTITIES`."""

    captures: tuple[CaptureResult, ...] = ()
    spreads: Mapping[str, Spread] = field(default_factory=dict)

    @property
    def outliers(self) -> dict[int, tuple[str, ...]]:
        """The quantities in which a capture stands apart, by the number of the capture."""
        found: dict[int, tuple[str, ...]] = {}
        for quantity, spread in self.spreads.items():
            if spread.outlier is not None:
                found[spread.outlier] = (*found.get(spread.outlier, ()), quantity)
        return found

    @property
    def disagreements(self) -> tuple[str, ...]:
        """The quantities that scatter between captures beyond what each capture's error explains."""
        return tuple(
            quantity
            for quantity, least in LEAST_EXCESS.items()
            if quantity in self.spreads
            and self.spreads[quantity].p_disagree < DISAGREEMENT_LEVEL
            and self.spreads[quantity].excess > least
        )

    def to_dict(self) -> dict[str, Any]:
        """Return ``{"captures", "between"}`` as strict JSON; :meth:`from_dict` reads it."""
        rows = [
            {
                "name": one.name,
                "tracks": one.tracks,
                "tracks_used": one.tracks_used,
                **{quantity: getattr(one, quantity).to_dict() for quantity in QUANTITIES},
            }
            for one in self.captures
        ]
        return {"captures": rows, "between": {name: spread.to_dict() for name, spread in self.spreads.items()}}

    @classmethod
    def from_dict(cls, mapping: Mapping[str, Any]) -> Agreement:
        """Return the agreement that :meth:`to_dict` wrote; the spreads follow from the captures."""
        return agreement_of(
            [
                CaptureResult(
                    name=row["name"],
                    tracks=row["tracks"],
                    tracks_used=row["tracks_used"],
                    **{quantity: Reading.from_dict(row[quantity]) for quantity in QUANTITIES},
                )
                for row in mapping["captures"]
            ]
        )


def agreement_of(captures: Sequence[CaptureResult]) -> Agreement:
    """Return how far the captures of a sample agree.

    Parameters
    ----------
    captures : sequence of CaptureResult
        From :func:`capture_results`.
    """
    spreads = {quantity: spread_of([getattr(one, quantity) for one in captures]) for quantity in QUANTITIES}
    return Agreement(tuple(captures), spreads)


def capture_results(
    names: Sequence[str],
    tracks: Tracks,
    diffusion: Diffusion,
    distribution: SizeDistribution,
    settings: Settings | None = None,
    *,
    masked_px: tuple[int, ...] | None = None,
    spot_diameter_px: tuple[int, ...] | None = None,
) -> tuple[CaptureResult, ...]:
    """Return what each capture of a sample says by itself.

    Sizes come from a fit to the capture's own tracks; their errors are those of the sample's bootstrap, times the root
    of the sample's positions over the capture's. The concentration divides by the share seen that the whole sample
    tells: a capture of a second cannot tell it.

    Parameters
    ----------
    names : sequence of str
        Name of each capture.
    tracks, diffusion, distribution
        Those of the whole sample.
    settings : Settings, optional
        What was asked for; the read-out is the default one whatever ``method`` says.
    masked_px, spot_diameter_px : tuple of int, optional
        As in :func:`nta.concentration.particle_concentration`.

    Returns
    -------
    tuple of CaptureResult
        One for each capture, in order; the sample's own sizes where there is only one.
    """
    settings = Settings() if settings is None else settings
    plain = settings.model_copy(update={"method": None, "windows_nm": ()})
    relative_sds = _drawn_relative_sds(distribution)
    n_positions = float(diffusion.table["n_positions"].sum())
    results = []
    for number, name in enumerate(names):
        one_tracks, one_diffusion = _tracks_of(tracks, number), _diffusion_of(diffusion, number)
        alone = distribution if len(names) == 1 else size_distribution(one_diffusion, plain, n_draws=0)
        share = float(one_diffusion.table["n_positions"].sum()) / n_positions if n_positions else 0.0
        errors = {key: sd / math.sqrt(share) if share > 0.0 else math.nan for key, sd in relative_sds.items()}
        count = particle_concentration(
            one_tracks,
            one_diffusion,
            distribution,
            masked_px=None if masked_px is None else (masked_px[number],),
            spot_diameter_px=None if spot_diameter_px is None else (spot_diameter_px[number],),
        )
        n_frames = tracks.captures[number].acquisition.n_frames
        per_frame = len(one_tracks.table) / n_frames if n_frames else math.nan
        results.append(
            CaptureResult(
                name=name,
                tracks=one_tracks.n_tracks,
                tracks_used=len(one_diffusion.table),
                d50_nm=_reading(alone.size.d50.value, errors["d50"]),
                mode_nm=_reading(alone.size.mode.value, errors["mode"]),
                per_ml=_reading(count.measured.value, count.parts.counting),
                particles_per_frame=_reading(per_frame, count.parts.counting),
            )
        )
    return tuple(results)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _reading(value: float, relative_sd: float) -> Reading:
    return Reading(value, value * relative_sd)


def _drawn_relative_sds(distribution: SizeDistribution) -> dict[str, float]:
    """Return the relative standard errors of D50 and mode from the bootstrap; NaN where nothing was drawn."""
    if len(distribution.drawn) < 2:
        return {"d50": math.nan, "mode": math.nan}
    diameter_nm = distribution.table["diameter_nm"].to_numpy(np.float64)
    drawn = [point_statistics(diameter_nm, row) for row in distribution.drawn]
    columns = {key: np.array([one[key] for one in drawn]) for key in ("d50", "mode")}
    return {key: float(np.std(values, ddof=1) / values.mean()) for key, values in columns.items()}


def _tracks_of(tracks: Tracks, number: int) -> Tracks:
    mine = tracks.table[tracks.table["capture"] == number]
    return Tracks(mine.assign(capture=np.int64(0)), (tracks.captures[number],))


def _diffusion_of(diffusion: Diffusion, number: int) -> Diffusion:
    mine = (diffusion.table["capture"] == number).to_numpy()
    return replace(
        diffusion,
        table=diffusion.table[mine].assign(capture=np.int64(0)).reset_index(drop=True),
        log_likelihood=diffusion.log_likelihood[mine],
        captures=(diffusion.captures[number],),
    )


def spread_of(readings: Sequence[Reading]) -> Spread:
    """Return how one quantity differs between captures; captures without a value are passed over.

    Parameters
    ----------
    readings : sequence of Reading
        One for each capture.
    """
    known = [number for number, reading in enumerate(readings) if math.isfinite(reading.value)]
    if not known:
        return Spread()
    n = len(known)
    values = np.array([readings[number].value for number in known])
    sds = _completed(np.array([readings[number].sd for number in known]))
    mean, within = float(values.mean()), float(np.sum(sds**2))
    spread = Spread(
        mean=Estimate(mean, math.nan, math.nan, n),
        within_sd=math.sqrt(within / n),
        within_standard_error=math.sqrt(within) / n,
    )
    if n < 2:
        return spread
    between = float(np.std(values, ddof=1))
    error = between / math.sqrt(n)
    half = float(stdtrit(n - 1, _UPPER_TAIL)) * error
    beyond = math.sqrt(max(between**2 - within / n, 0.0))
    outlier = _outlier(values, sds)
    return replace(
        spread,
        mean=Estimate(mean, mean - half, mean + half, n),
        between_sd=between,
        standard_error=error,
        excess=math.nan if math.isnan(within) or mean == 0.0 else beyond / abs(mean),
        p_disagree=_p_disagree(values, sds),
        outlier=None if outlier is None else known[outlier],
    )


def _completed(sds: Floats) -> Floats:
    """Return the errors, those that are missing or 0 (nothing counted) taken as the root mean square of the others."""
    good = np.isfinite(sds) & (sds > 0.0)
    typical = math.sqrt(float(np.mean(sds[good] ** 2))) if good.any() else math.nan
    return np.where(good, sds, typical)


def _p_disagree(values: Floats, sds: Floats) -> float:
    """Return the tail probability of the chi-square of the values about their weighted mean."""
    if not np.all(sds > 0.0):
        return math.nan
    weights = sds**-2.0
    mean = float(weights @ values) / float(weights.sum())
    return float(chdtrc(values.size - 1, float(weights @ (values - mean) ** 2)))


def _outlier(values: Floats, sds: Floats) -> int | None:
    """Return which value Grubbs' test finds, where it also lies beyond its own error and that of the others."""
    found = grubbs_outlier(values)
    if found is None:
        return None
    others = np.arange(values.size) != found
    error = math.sqrt(float(sds[found] ** 2 + np.sum(sds[others] ** 2) / (values.size - 1) ** 2))
    # Where no error is known, Grubbs alone decides.
    return None if abs(float(values[found] - values[others].mean())) <= OUTLIER_SDS * error else found


def grubbs_outlier(values: Floats, level: float = OUTLIER_LEVEL) -> int | None:
    """Return the number of the one value that Grubbs' two-sided test calls an outlier, or ``None``.

    max|x - mean|/s above :func:`grubbs_critical` (Grubbs 1969, Technometrics 11, 1-21).

    Parameters
    ----------
    values : (n,) float64
        At least three; fewer hold no outlier.
    level : float
        Probability of finding one among normal values.
    """
    sd = float(np.std(values, ddof=1)) if values.size >= 3 else 0.0
    if sd == 0.0:
        return None
    distance = np.abs(values - values.mean()) / sd
    furthest = int(np.argmax(distance))
    return furthest if distance[furthest] > grubbs_critical(values.size, level) else None


def grubbs_critical(n: int, level: float = OUTLIER_LEVEL) -> float:
    """Return the two-sided critical value of Grubbs' test: (n - 1)/sqrt(n) sqrt(t²/(n - 2 + t²)).

    t is Student's upper level/(2n) point with n - 2 degrees of freedom.

    Parameters
    ----------
    n : int
        Number of values, at least 3.
    level : float
        Probability of finding an outlier among normal values.
    """
    t_squared = float(stdtrit(n - 2, 1.0 - level / (2.0 * n))) ** 2
    return (n - 1) / math.sqrt(n) * math.sqrt(t_squared / (n - 2 + t_squared))
