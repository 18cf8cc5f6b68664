"""How sure the detector is: the share of dim spots that it misses, and what it makes of noise alone.

Spots of known height, as wide as the video's own, are added to frames of the video's illumination and noise, and the
video's own detector looks for them with the video's own threshold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from nta.detection.appearance import Appearance, Frame
from nta.detection.engines import DEFAULT_ENGINE, Finder, spot_finder
from nta.detection.trackpy_engine import margin_px
from nta.estimate import NORMAL_95, Estimate
from nta.settings import Engine, Sourced

Floats = NDArray[np.float64]

REFERENCE_PEAK_SD: Final = 5.0
"""Height over the noise, in standard deviations, at which the share of missed spots is stated."""

PEAKS_SD: Final = (2.0, 3.0, 4.0, REFERENCE_PEAK_SD, 6.0, 8.0)
"""Heights of the spots that are added, in noise standard deviations; the reference height three times as often."""

_SEED: Final = 211
_CROP_DIAMETERS: Final = (27, 36)  # height and width of what is searched
_SPACING_DIAMETERS: Final = 3.0
_N_SPOTS: Final = 1400
_N_FRAMES: Final = (12, 64)
_N_TAIL: Final = 40
_FEW: Final = 10


@dataclass(frozen=True)
class Detectability:
    """What the detector finds of spots in noise, and of noise.

    Parameters
    ----------
    peaks_sd : (n,) tuple of float
        Heights of spots, in standard deviations of a pixel's noise, ascending.
    detected : (n,) tuple of Estimate
        Share of them that was found, 0 to 1; ``n`` is how many there were.
    false_per_frame : float
        False features that noise makes in a frame of the video. Where there were fewer than ten to count, an
        exponential tail continues the masses of the 40 heaviest: noise falls off faster, so this is an upper estimate.
    """

    peaks_sd: tuple[float, ...]
    detected: tuple[Estimate, ...]
    false_per_frame: float

    def detected_share(self, peak_sd: Floats) -> Floats:
        """Return the share of the spots of any height that is found: a probit line between the heights that were tried.

        Parameters
        ----------
        peak_sd : (n,) float64
            Heights in noise sd; beyond the heights that were tried, the share at the nearest one.
        """
        # Half a spot more and less: a share of 1 out of n is not infinitely many sd from one half.
        shares = [((found.n or 0) * found.value + 0.5) / ((found.n or 0) + 1.0) for found in self.detected]
        probits: Floats = ndtri(np.maximum.accumulate(np.array(shares)))
        return np.asarray(ndtr(np.interp(peak_sd, self.peaks_sd, probits)))

    @property
    def missed_share(self) -> Estimate:
        """The share of spots of 5 noise sd that is missed, 0 to 1."""
        found = self.detected[self.peaks_sd.index(REFERENCE_PEAK_SD)]
        return Estimate(1.0 - found.value, 1.0 - found.high, 1.0 - found.low, found.n)

    def values(self) -> dict[str, Sourced]:
        """Return what the result states of it."""
        return {
            "false_per_frame": Sourced(float(f"{self.false_per_frame:.3g}"), "video"),
            "missed_share_at_5_sd": Sourced(round(self.missed_share.value, 4), "video"),
        }


def detectability(
    appearance: Appearance,
    diameter_px: int,
    min_mass: float,
    dtype: np.dtype[Any],
    *,
    engine: Engine = DEFAULT_ENGINE,
    gain: int | None = None,
    roughness: float = 1.0,
) -> Detectability:
    """Return what the detector finds of spots in noise, and of noise alone; the same every time.

    Parts of the frame from all over the field are searched, 27 by 36 diameters each, with a spot every three diameters.
    The shot noise of the spots' own light, spots that touch, and a brighter one that hides them are left out: this is
    about a spot that stands alone.

    Parameters
    ----------
    appearance : Appearance
        What the video looks like.
    diameter_px : int
        Odd spot diameter of the detector.
    min_mass : float
        Its threshold, grey levels.
    dtype : uint8 or uint16
        Type of the video's pixels.
    engine : {"fused", "trackpy"}
        Which program finds the spots.
    gain : int, optional
        Factor on the pixels before the search; the appearance's own when not given.
    roughness : float
        How much rougher the video's ground is at the size of a spot than noise of single pixels makes it; the masses
        of false features grow with it.
    """
    random = np.random.default_rng(_SEED)
    height, width = appearance.background.shape
    shape = min(_CROP_DIAMETERS[0] * diameter_px, height), min(_CROP_DIAMETERS[1] * diameter_px, width)
    gain = appearance.detector_gain if gain is None else gain
    find = spot_finder(engine, shape, dtype, diameter_px, invert=appearance.inverted, gain=gain)
    illumination = appearance.illumination
    places = _places(shape, diameter_px)
    order = np.array([*range(len(PEAKS_SD)), *[PEAKS_SD.index(REFERENCE_PEAK_SD)] * 2])
    n_frames = min(max(math.ceil(_N_SPOTS / len(places)), _N_FRAMES[0]), _N_FRAMES[1])
    masses, kinds, found = [], [], []
    for number in range(n_frames):
        top, left = (
            int(random.integers(0, full - part + 1)) for full, part in zip((height, width), shape, strict=True)
        )
        window = slice(top, top + shape[0]), slice(left, left + shape[1])
        noise_sd = appearance.noise_map[window]
        ground = illumination[window] + noise_sd * random.standard_normal(shape, dtype=np.float32)
        masses.append(find(_as_pixels(ground, appearance, dtype), 0.0)[:, 2])
        # Spots of one height stand next to all others, and in other places from frame to frame.
        kind = order[(np.arange(len(places)) + number) % order.size]
        centres = places + random.uniform(-0.5, 0.5, places.shape)
        lit = ground + _light(shape, centres, np.array(PEAKS_SD)[kind], noise_sd, appearance)
        kinds.append(kind)
        found.append(_found(find, _as_pixels(lit, appearance, dtype), min_mass, centres, diameter_px))
    margin = margin_px(diameter_px)
    in_a_frame = (height - 2 * margin) * (width - 2 * margin) / ((shape[0] - 2 * margin) * (shape[1] - 2 * margin))
    rate = _false_rate(np.concatenate(masses), min_mass / roughness, n_frames)
    kind_of_all, found_of_all = np.concatenate(kinds), np.concatenate(found)
    shares = tuple(_share(found_of_all[kind_of_all == number]) for number in range(len(PEAKS_SD)))
    return Detectability(PEAKS_SD, shares, rate * in_a_frame)


def _places(shape: tuple[int, int], diameter_px: int) -> Floats:
    """Return the centres of a lattice of spots, clear of the edges, (n, 2), y and x, px."""
    spacing = _SPACING_DIAMETERS * diameter_px
    edge = margin_px(diameter_px) + diameter_px / 2.0
    axes = []
    for side in shape:
        room = max(side - 1 - 2 * edge, 0.0)
        n = math.floor(room / spacing) + 1
        axes.append((side - 1) / 2.0 + spacing * (np.arange(n) - (n - 1) / 2.0))
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)


def _light(
    shape: tuple[int, int], centres: Floats, peaks_sd: Floats, noise_sd: NDArray[np.float32], appearance: Appearance
) -> NDArray[np.float32]:
    """Return the light of Gaussian spots that are so many noise sd of their place high, grey levels; signed."""
    light = np.zeros(shape, dtype=np.float32)
    reach = math.ceil(4.0 * appearance.spot_sd_px) + 1
    steps = np.arange(-reach, reach + 1)
    for (y, x), peak_sd in zip(centres, peaks_sd, strict=True):
        row, column = round(y), round(x)
        down = np.exp(-0.5 * ((row + steps - y) / appearance.spot_sd_px) ** 2)
        across = np.exp(-0.5 * ((column + steps - x) / appearance.spot_sd_px) ** 2)
        rows, columns = (
            (steps + centre >= 0) & (steps + centre < side) for centre, side in zip((row, column), shape, strict=True)
        )
        part = np.ix_(row + steps[rows], column + steps[columns])
        light[part] += peak_sd * noise_sd[row, column] * np.outer(down[rows], across[columns])
    return -light if appearance.inverted else light


def _as_pixels(grey: NDArray[np.float32], appearance: Appearance, dtype: np.dtype[Any]) -> Frame:
    frame: Frame = np.rint(np.clip(grey, 0, appearance.full_scale)).astype(dtype)
    return frame


def _found(find: Finder, frame: Frame, min_mass: float, centres: Floats, diameter_px: int) -> NDArray[np.bool_]:
    """Return of each centre whether a spot was reported within its radius."""
    spots = find(frame, min_mass)[:, :2]
    distance = np.hypot(centres[:, None, 0] - spots[None, :, 0], centres[:, None, 1] - spots[None, :, 1])
    return np.asarray(np.min(distance, axis=1, initial=np.inf) <= diameter_px / 2.0)


def _false_rate(masses: Floats, least: float, n_frames: int) -> float:
    """Return the features of noise heavier than ``least`` in one of the parts that were searched."""
    heaviest = np.sort(masses)[::-1]
    n_above = int(np.sum(heaviest > least))
    if n_above >= _FEW or heaviest.size <= _N_TAIL:
        return n_above / n_frames
    # Mean excess over the 40th: the exponential tail (a generalised Pareto one of shape 0).
    start = heaviest[_N_TAIL]
    scale = float(np.mean(heaviest[:_N_TAIL] - start))
    return _N_TAIL / n_frames * math.exp(-(least - start) / scale) if scale > 0.0 else n_above / n_frames


def _share(found: NDArray[np.bool_]) -> Estimate:
    """Return the share that is true with Wilson's 95 % interval (1927)."""
    n = found.size
    if n == 0:
        return Estimate.missing()
    share, z2 = float(found.mean()), NORMAL_95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = NORMAL_95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return Estimate(share, max(min(middle - half, share), 0.0), min(max(middle + half, share), 1.0), n)
