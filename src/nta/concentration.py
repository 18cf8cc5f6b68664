"""Particles per millilitre: from counts in the field to the liquid in the vial."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

from nta.diffusion import Diffusion
from nta.distribution import SizeDistribution
from nta.estimate import NORMAL_95, Estimate
from nta.media import UM3_PER_ML
from nta.tracking import LinkedCapture, Tracks

NOMINAL_DEPTH_RELATIVE_SD: Final = 0.25
"""Standard uncertainty of a depth that nobody calibrated: instruments differ by up to a factor of 2."""

_MAX_LAG_SHARE: Final = 0.25


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
        Depth used, µm.
    """

    measured: Estimate
    stock: Estimate | None
    volume_source: Literal["calibration", "nominal"]
    depth_um: float

    @property
    def is_relative(self) -> bool:
        """Whether only ratios between samples of one instrument are meaningful."""
        return self.volume_source == "nominal"

    @classmethod
    def missing(cls) -> Self:
        """Return the concentration of something that was not measured."""
        return cls(Estimate.missing(), None, "nominal", math.nan)


def particle_concentration(
    tracks: Tracks,
    diffusion: Diffusion,
    distribution: SizeDistribution,
    *,
    dilution: float | None = None,
    masked_px: tuple[int, ...] | None = None,
) -> Concentration:
    """Return the number concentration: centres per frame in tracks over the share caught and the volume.

    c = N / (q W H h), N the mean number of positions per frame that lie in tracks of the length used, q their
    share (the ``seen_share`` of the distribution), W and H the field without the detector's margin and masked
    areas, h the nominal depth (docs/method.md). The interval holds the count's own fluctuation in time
    and the depth's uncertainty, multiplied as relative errors of a positive number.

    Parameters
    ----------
    tracks : Tracks
        All links; gives the captures.
    diffusion : Diffusion
        The tracks that were used.
    distribution : SizeDistribution
        Gives the share seen.
    dilution : float, optional
        Factor by which the sample was diluted; without it ``stock`` is ``None``.
    masked_px : tuple of int, optional
        Area left out of each capture's field, px².

    Returns
    -------
    Concentration
        Missing where nothing was sized or the field is not known.
    """
    captures = tracks.captures
    if not len(diffusion.table) or not captures or not math.isfinite(distribution.seen_share):
        return Concentration.missing()
    masked = masked_px if masked_px is not None else (0,) * len(captures)
    per_ml, variances = [], []
    for number, capture in enumerate(captures):
        n_frames = capture.acquisition.n_frames or 0
        volume_um3 = _volume_um3(capture, masked[number])
        if n_frames == 0 or not 0.0 < volume_um3 < math.inf:
            continue
        counts = _positions_per_frame(tracks, diffusion, number, n_frames)
        # Dropped frames have numbers but were not looked at: the mean is over those that were.
        rate = counts.sum() / n_frames / distribution.seen_share / volume_um3 * UM3_PER_ML
        per_ml.append(rate)
        # A capture in which nothing was sized counts as none, not as unknown.
        variances.append(_relative_variance_of_mean(counts) * rate**2 if rate > 0 else 0.0)
    if not per_ml or not np.mean(per_ml) > 0:
        return Concentration.missing()
    value = float(np.mean(per_ml))
    statistical = math.sqrt(float(np.sum(variances))) / len(per_ml) / value
    spread = math.exp(NORMAL_95 * math.hypot(statistical, NOMINAL_DEPTH_RELATIVE_SD))
    measured = Estimate(value, value / spread, value * spread, len(diffusion.table))
    return Concentration(
        measured=measured,
        stock=None if dilution is None else measured.scaled(dilution),
        volume_source="nominal",
        depth_um=captures[0].acquisition.depth_um,
    )


def _positions_per_frame(tracks: Tracks, diffusion: Diffusion, capture: int, n_frames: int) -> NDArray[np.float64]:
    """Return how many positions of used tracks each frame number holds, from the capture's first spot on."""
    used = diffusion.table.loc[diffusion.table["capture"] == capture, "particle"]
    table = tracks.table[tracks.table["capture"] == capture]
    frames = table.loc[table["particle"].isin(used), "frame"].to_numpy(np.int64)
    if frames.size == 0:
        return np.zeros(n_frames)
    return np.bincount(frames - table["frame"].min(), minlength=n_frames).astype(np.float64)


def _volume_um3(capture: LinkedCapture, masked_px: int) -> float:
    """Return the volume in which particles are counted, µm³; infinite where the field is not known."""
    _, _, width_px, height_px = capture.field_px
    return (width_px * height_px - masked_px) * capture.acquisition.mpp**2 * capture.acquisition.depth_um


def _relative_variance_of_mean(counts: NDArray[np.float64]) -> float:
    """Return Var(mean)/mean² of a count that remembers itself: Var = N tau_c/F.

    Successive frames show the same particles: counting them as independent is wrong by a factor of 20. tau_c
    is the sum of the autocorrelation up to its first negative value or a quarter of the video.
    """
    mean = float(counts.mean())
    deviation = counts - mean
    variance = float(np.mean(deviation**2))
    if variance == 0.0:
        return 1.0 / (mean * counts.size)
    total = 1.0
    for lag in range(1, int(counts.size * _MAX_LAG_SHARE)):
        correlation = float(np.mean(deviation[lag:] * deviation[:-lag])) / variance
        if correlation <= 0.0:
            break
        total += 2.0 * correlation
    # A count of independent particles is a Poisson number at each moment: its variance is its mean.
    return max(variance, mean) * total / counts.size / mean**2
