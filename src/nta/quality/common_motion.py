"""What all particles of a capture do at once after the smoothed drift is taken out: vibration, jumps, flow through."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nta.tracking import FlatTracks, LinkedCapture, Tracks

Floats = NDArray[np.float64]

_JUMP_SDS: Final = 8.0
_JUMP_LEAST: Final = 0.5  # of the rms step: smaller jumps move no size and break no track
_JUMP_LINKS: Final = 5
_BREAK_SDS: Final = 6.0
_BREAK_SHARE: Final = 0.5
_BREAK_SPOTS: Final = 10
_BREAK_MOST: Final = 0.95  # a share of links nearer to 1 would make chance look impossible
_MANY_JUMPS: Final = 5  # more are no jumps but a vibration
_SMOOTHING_S: Final = 1.0  # of the drift: so far around it a jump is smeared
_SD_PER_MAD: Final = 1.4826
# Localisation noise alone makes neighbouring steps correlate by -1/2 and so their products by 1/4.
_NEIGHBOURS: Final = 1.5


@dataclass(frozen=True, slots=True)
class CommonMotion:
    """Steps that the particles of a capture share.

    Parameters
    ----------
    products, pairs : float
        Sum over both axes and all frames of the products of two particles' steps (m²), and their number. Steps of
        independent particles have the mean product 0, whatever their sizes; a common step has its variance.
    products_variance : float
        Variance of ``products`` for independent particles, m⁴.
    squares, steps : float
        Sum of the squared steps (m²), and their number.
    jumps : tuple of int
        Frames into which all particles jumped, or no track goes on.
    """

    products: float = 0.0
    pairs: float = 0.0
    products_variance: float = 0.0
    squares: float = 0.0
    steps: float = 0.0
    jumps: tuple[int, ...] = ()

    @property
    def rms_um(self) -> float:
        """Root mean square of the common step per axis, µm; 0 where the products give none."""
        return math.sqrt(max(self.products, 0.0) / self.pairs) * 1e6 if self.pairs else 0.0

    @property
    def share(self) -> float:
        """Variance of the common step over the mean square step: by so much sizes read too small."""
        return self.products / self.pairs / (self.squares / self.steps) if self.pairs and self.squares else 0.0

    @property
    def z(self) -> float:
        """The same in standard errors."""
        return self.products / math.sqrt(self.products_variance) if self.products_variance > 0.0 else 0.0


def common_motions(tracks: Tracks) -> list[CommonMotion]:
    """Return the common motion of each capture."""
    found = []
    for number, (capture, flat) in enumerate(tracks.flat(min_track=2)):
        mine = (tracks.table["capture"] == number).to_numpy()
        spots = np.bincount(tracks.table["frame"].to_numpy(np.int64)[mine], minlength=1)
        found.append(_common_motion(capture, flat, spots.astype(np.float64)))
    return found


def together(motions: Sequence[CommonMotion]) -> CommonMotion:
    """Return the common motion of all captures: many short ones tell what none of them can."""
    return CommonMotion(
        products=sum(one.products for one in motions),
        pairs=sum(one.pairs for one in motions),
        products_variance=sum(one.products_variance for one in motions),
        squares=sum(one.squares for one in motions),
        steps=sum(one.steps for one in motions),
    )


def frames_in_field(capture: LinkedCapture) -> float:
    """Return in how many frames the flow carries a particle through the field; infinite where it is not known."""
    if len(capture.drift_px) < 2:
        return math.inf
    flow = np.abs(capture.drift_px[-1] - capture.drift_px[0]) / (len(capture.drift_px) - 1)
    return min(
        (side / float(speed) for side, speed in zip(capture.field_px[2:], flow, strict=True) if speed > 0.0),
        default=math.inf,
    )


def _common_motion(capture: LinkedCapture, flat: FlatTracks, spots: Floats) -> CommonMotion:
    into, steps = _steps(flat)
    if not into.size:
        return CommonMotion()
    n_frames = max(spots.size, int(into.max()) + 1)
    links = np.bincount(into, minlength=n_frames).astype(np.float64)
    sums, squares, fourths = (_summed(into, steps**power, n_frames) for power in (1, 2, 4))
    rms = math.sqrt(float(np.mean(steps**2)))
    jumps = sorted({*_jumps(sums, links, rms), *_breaks(links, np.pad(spots, (0, n_frames - spots.size)))})
    kept = _undisturbed(jumps if len(jumps) <= _MANY_JUMPS else (), n_frames, capture.acquisition.fps)
    return CommonMotion(
        products=float(np.sum((sums**2 - squares)[:, kept])),
        pairs=2.0 * float(np.sum((links * (links - 1.0))[kept])),
        products_variance=_NEIGHBOURS * 2.0 * float(np.sum((squares**2 - fourths)[:, kept])),
        squares=float(np.sum(squares[:, kept])),
        steps=2.0 * float(np.sum(links[kept])),
        jumps=tuple(jumps) if len(jumps) <= _MANY_JUMPS else (),
    )


def _steps(flat: FlatTracks) -> tuple[NDArray[np.int64], Floats]:
    """Return the frame into which each step of one frame leads, and the steps (2, n) without the drift, m."""
    track = np.repeat(np.arange(len(flat.particles)), np.diff(flat.offsets))
    linked = (np.diff(track) == 0) & (np.diff(flat.frames) == 1)
    moved = np.stack(
        [
            np.diff(place) - np.diff(drift[flat.frames])
            for place, drift in ((flat.x_m, flat.drift_x_m), (flat.y_m, flat.drift_y_m))
        ]
    )
    return flat.frames[1:][linked], moved[:, linked]


def _summed(into: NDArray[np.int64], values: Floats, n_frames: int) -> Floats:
    """Return the sum (2, n_frames) of what leads into each frame, by axis."""
    return np.array([np.bincount(into, weights=axis, minlength=n_frames) for axis in values], dtype=np.float64)


def _jumps(sums: Floats, links: Floats, rms: float) -> list[int]:
    """Return the frames whose mean step is far beyond those of the other frames, and no small part of a step."""
    seen = links >= _JUMP_LINKS
    if not seen.any():
        return []
    scaled = np.abs(sums[:, seen]) / np.sqrt(links[seen])
    typical = np.maximum(_SD_PER_MAD * np.median(scaled, axis=1, keepdims=True), 1e-12)
    far = (scaled > _JUMP_SDS * typical) & (np.abs(sums[:, seen]) / links[seen] > _JUMP_LEAST * rms)
    return [int(frame) for frame in np.flatnonzero(seen)[far.any(axis=0)]]


def _breaks(links: Floats, spots: Floats) -> list[int]:
    """Return the frames into which hardly any track goes on, though spots are there before and after."""
    fewer = np.minimum(spots[1:], spots[:-1])
    seen = fewer >= _BREAK_SPOTS
    if not seen.any():
        return []
    share = links[1:][seen] / fewer[seen]
    typical = min(float(np.median(share)), _BREAK_MOST)
    error = np.sqrt(typical * (1.0 - typical) / fewer[seen])
    broken = (share < _BREAK_SHARE * typical) & (share < typical - _BREAK_SDS * error)
    return [int(frame) + 1 for frame in np.flatnonzero(seen)[broken]]


def _undisturbed(jumps: Sequence[int], n_frames: int, fps: float) -> NDArray[np.bool_]:
    """Return which frames lie further from every jump than its trace in the smoothed drift reaches."""
    kept = np.ones(n_frames, dtype=bool)
    reach = round(_SMOOTHING_S * fps) // 2 + 1
    for jump in jumps:
        kept[max(0, jump - reach) : jump + reach + 1] = False
    return kept
