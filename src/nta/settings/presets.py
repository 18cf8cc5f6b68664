"""Instrument presets: what is taken when neither the settings nor the video state it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from nta.media import Medium


@dataclass(frozen=True, slots=True)
class Preset:
    """What an instrument does when nothing else is known.

    Parameters
    ----------
    mpp : float
        Micrometres per pixel.
    fps : float
        Frames per second.
    exposure_ms : float
        Exposure of one frame, ms.
    depth_um : float
        Nominal depth of the volume in view, µm; not a calibration.
    """

    mpp: float
    fps: float
    exposure_ms: float
    depth_um: float
    temperature_c: float = 25.0
    medium: Medium = "water"


PRESETS: Final[dict[str, Preset]] = {
    # Pixel size, frame rate and shutter as 152 real NS300 captures state them; 10 µm is the maker's
    # nominal thickness of the laser beam in the cell.
    "ns300": Preset(mpp=0.14, fps=24.9825, exposure_ms=32.5, depth_um=10.0),
}
DEFAULT_INSTRUMENT: Final = "ns300"
