"""Particles per millilitre: from counts in the field to the liquid in the vial."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from nta.counting import (
    COUNTED_TRACK,
    coincidence_factor,
    depth_share_behind,
    mean_share_in_tracks,
    memory_frames,
    positions_per_frame,
    relative_variance_of_mean,
    sizes_and_weights,
)
from nta.diffusion import Diffusion
from nta.distribution import SizeDistribution
from nta.estimate import NORMAL_95, Estimate
from nta.media import UM3_PER_ML
from nta.tracking import LinkedCapture, Tracks

Floats = NDArray[np.float64]

NOMINAL_DEPTH_RELATIVE_SD: Final = 0.25
"""Standard uncertainty of a depth that nobody calibrated: instruments differ by up to a factor of 2."""

_UPPER_TAIL: Final = 0.975


@dataclass(frozen=True, slots=True)
class Parts:
    """What the uncertainty of a concentration is made of: relative standard uncertainties, NaN where not known.

    Parameters
    ----------
    counting : float
        Particles come and go: the error of the mean count of all captures, and of the share of them that their sizes
        let see.
    captures : float
        By how much captures differ beyond that, over the root of their number; NaN for one capture.
    volume : float
        The depth in view.
    dilution : float
        The dilution, in the stock alone; NaN where nobody stated it, and it is then taken as exact.
    blank : float
        The count of the blank that was subtracted: one for all samples from which it was; NaN without a blank.
    """

    counting: float = math.nan
    captures: float = math.nan
    volume: float = math.nan
    dilution: float = math.nan
    blank: float = math.nan

    def to_dict(self) -> dict[str, float | None]:
        """Return the parts by name, ``None`` for NaN."""
        each = {part.name: getattr(self, part.name) for part in fields(self)}
        return {name: value if math.isfinite(value) else None for name, value in each.items()}

    @classmethod
    def from_dict(cls, mapping: Mapping[str, float | None]) -> Self:
        """Return the parts that :meth:`to_dict` wrote."""
        return cls(**{name: math.nan if value is None else float(value) for name, value in mapping.items()})


@dataclass(frozen=True, slots=True)
class Concentration:
    """Number concentration of particles.

    Parameters
    ----------
    measured : Estimate
        Particles per mL in the measuring cell.
    stock : Estimate or None
        Particles per mL in the undiluted sample; ``None`` when the dilution is not known.
    volume_source : {"calibration", "nominal"}
        Where the depth of the volume comes from. ``nominal`` makes the result *relative*.
    depth_um : float
        Depth used, µm: the full width at half maximum of the sheet's light, nominal or what beads say of it.
    parts : Parts
        What the intervals are made of.
    captures_per_ml : tuple of float
        ``measured`` of each capture whose volume is known.
    """

    measured: Estimate
    stock: Estimate | None
    volume_source: Literal["calibration", "nominal"]
    depth_um: float
    parts: Parts = field(default_factory=Parts)
    captures_per_ml: tuple[float, ...] = ()

    @property
    def is_relative(self) -> bool:
        """Whether only ratios between samples of one instrument are meaningful."""
        return self.volume_source == "nominal"

    @classmethod
    def missing(cls) -> Self:
        """Return the concentration of something that was not measured."""
        return cls(Estimate.missing(), None, "nominal", math.nan)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a sample's sizes say of its count: the share seen, the depth (over the nominal one), sizes and weights."""

    share: float
    depth_share: float
    diameter_nm: Floats
    weights: Floats


def particle_concentration(
    tracks: Tracks,
    diffusion: Diffusion,
    distribution: SizeDistribution,
    *,
    dilution: float | None = None,
    dilution_relative_sd: float | None = None,
    masked_px: tuple[int, ...] | None = None,
    spot_diameter_px: tuple[int, ...] | None = None,
    depth_relative_sd: float | None = None,
) -> Concentration:
    """Return the number concentration: centres per frame in tracks over the share caught and the volume.

    c = N' / (q W H h), N' the mean number of positions per frame that lie in tracks of two or more, with those that
    other spots hide, q their share times the depth of each size over h (the ``seen_share`` of the distribution, for
    tracks of two), W and H the field without the detector's margin and masked areas, h the depth of the sheet at half
    its light (docs/method.md). The interval multiplies relative errors of a positive number: the count's fluctuation in
    time, what captures differ by beyond it, and the depth's uncertainty.

    Parameters
    ----------
    tracks : Tracks
        All links; gives the captures.
    diffusion : Diffusion
        The tracks that were sized.
    distribution : SizeDistribution
        Gives the share seen, and the sizes on which the memory of the count depends.
    dilution : float, optional
        Factor by which the sample was diluted; without it ``stock`` is ``None``.
    dilution_relative_sd : float, optional
        Relative standard uncertainty of that factor; without it the factor is taken as exact.
    masked_px : tuple of int, optional
        Area left out of each capture's field, px².
    spot_diameter_px : tuple of int, optional
        The detector's spot diameter of each capture, px; without it no spot is taken to hide another.
    depth_relative_sd : float, optional
        Relative standard uncertainty of a depth that beads calibrated; without it the depth is nominal.

    Returns
    -------
    Concentration
        Missing where nothing was sized or the field is not known.
    """
    captures = tracks.captures
    if not len(diffusion.table) or not captures or not math.isfinite(distribution.seen_share):
        return Concentration.missing()
    seen = _seen(captures, diffusion, distribution)
    per_ml, variances = [], []
    for number, capture in enumerate(captures):
        n_frames = capture.acquisition.n_frames or 0
        area_px = capture.field_px[2] * capture.field_px[3] - (masked_px[number] if masked_px is not None else 0)
        volume_um3 = area_px * capture.acquisition.mpp**2 * capture.acquisition.depth_um
        if n_frames == 0 or not 0.0 < volume_um3 < math.inf:
            continue
        counts = positions_per_frame(tracks, number, n_frames, min(COUNTED_TRACK, diffusion.min_track))
        hidden = 1.0
        if spot_diameter_px is not None:
            spots = int((tracks.table["capture"] == number).sum()) / n_frames
            hidden = coincidence_factor(spots, area_px, spot_diameter_px[number])
        # Dropped frames have numbers but were not looked at: the mean is over those that were.
        in_tracks = counts.sum() / n_frames * hidden
        rate = in_tracks / seen.share / volume_um3 * UM3_PER_ML
        per_ml.append(rate)
        # A capture in which nothing was sized counts as none, not as unknown.
        variances.append(_relative_variance(capture, counts, in_tracks, seen) * rate**2 if rate > 0 else 0.0)
    if not per_ml or not np.mean(per_ml) > 0:
        return Concentration.missing()
    seen_sd = distribution.seen_relative_sd if math.isfinite(distribution.seen_relative_sd) else 0.0
    parts = Parts(
        counting=math.hypot(math.sqrt(float(np.sum(variances))) / float(np.sum(per_ml)), seen_sd),
        captures=_beyond_counting(np.array(per_ml), np.array(variances)),
        volume=NOMINAL_DEPTH_RELATIVE_SD if depth_relative_sd is None else depth_relative_sd,
        dilution=math.nan if dilution_relative_sd is None else dilution_relative_sd,
    )
    sizes = len(per_ml), len(diffusion.table)
    measured = _estimate(float(np.mean(per_ml)), (parts.counting, parts.volume), parts.captures, *sizes)
    stock = None if dilution is None else measured.scaled(dilution)
    if stock is not None and dilution_relative_sd is not None:
        stock = _estimate(stock.value, (parts.counting, parts.volume, parts.dilution), parts.captures, *sizes)
    return Concentration(
        measured=measured,
        stock=stock,
        volume_source="nominal" if depth_relative_sd is None else "calibration",
        depth_um=captures[0].acquisition.depth_um,
        parts=parts,
        captures_per_ml=tuple(float(rate) for rate in per_ml),
    )


def _seen(known: tuple[LinkedCapture, ...], diffusion: Diffusion, distribution: SizeDistribution) -> _Seen:
    """Return the share of the positions that counted tracks catch, from the one that sized tracks catch."""
    table = distribution.table
    per_nm = distribution.liquid_per_nm if distribution.liquid_per_nm.size else table["density_per_nm"]
    sizes, weights = sizes_and_weights(
        diffusion, table["diameter_nm"].to_numpy(np.float64), np.asarray(per_nm, dtype=np.float64)
    )
    if not sizes.size:
        return _Seen(distribution.seen_share, math.nan, sizes, weights)
    # The depth is that of the sizes reported: the share seen of them, not what their share of all divides it by.
    of_range = distribution.seen_share * distribution.share_within
    depth = depth_share_behind(of_range, known, sizes, weights, diffusion.min_track)
    counted = min(COUNTED_TRACK, diffusion.min_track)
    ratio = mean_share_in_tracks(known, sizes, weights, depth, counted) / mean_share_in_tracks(
        known, sizes, weights, depth, diffusion.min_track
    )
    return _Seen(distribution.seen_share * ratio, depth, sizes, weights)


def _relative_variance(capture: LinkedCapture, counts: Floats, in_tracks: float, seen: _Seen) -> float:
    """Return Var(mean)/mean² of a capture's count: tau_c/(N F), or from the count itself where sizes are not known."""
    if not seen.diameter_nm.size:
        return relative_variance_of_mean(counts)
    n_frames = capture.acquisition.n_frames or 0
    depth_um = capture.acquisition.depth_um * seen.depth_share
    memory = memory_frames(capture, n_frames, depth_um, seen.diameter_nm, seen.weights)
    return memory / (n_frames * in_tracks / (seen.share / seen.depth_share))


def _beyond_counting(per_ml: Floats, variances: Floats) -> float:
    """Return by how much captures differ beyond what counting explains, over the root of their number, relative."""
    n = per_ml.size
    if n < 2:
        return math.nan
    excess = float(np.var(per_ml, ddof=1)) - float(np.mean(variances))
    return math.sqrt(max(excess, 0.0) / n) / float(per_ml.mean())


def _estimate(
    value: float, known_sds: tuple[float, ...], captures_sd: float, n_captures: int, n_tracks: int
) -> Estimate:
    """Return a positive number with the 95 % interval of its relative errors.

    What captures differ by is known from n - 1 differences only: Student's t with the effective degrees of freedom of
    Welch and Satterthwaite (GUM, G.4.1).
    """
    known = sum(sd**2 for sd in known_sds if math.isfinite(sd))
    between = captures_sd**2 if math.isfinite(captures_sd) else 0.0
    total = known + between
    freedom = (n_captures - 1) * (total / between) ** 2 if between > 0.0 else math.inf
    width = NORMAL_95 if math.isinf(freedom) else float(stdtrit(freedom, _UPPER_TAIL))
    spread = math.exp(width * math.sqrt(total))
    return Estimate(value, value / spread, value * spread, n_tracks)
