"""The one registry of flags: every code, its level, and what it means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from nta.errors import printable

Level = Literal["info", "warn", "fail"]

FLAGS: Final[dict[str, tuple[Level, str]]] = {
    "assumed": ("info", "a value that the size depends on was not stated and had to be assumed"),
    "relative_concentration": ("info", "the depth of the volume is nominal, so only ratios are meaningful"),
    "pixel_size_unverified": ("info", "the pixel size is the instrument's own and no bead has confirmed it"),
    "dilution_in_name": ("info", "no dilution is recorded and a name may state one"),
    "sidecar_unused": ("warn", "a file beside the capture could not be used, or a value in it cannot be right"),
    "unlikely_frame_rate": ("warn", "the file states a frame rate that such a recording hardly has"),
    "tracks_from_table": ("info", "positions and links are another program's, and the field is not known"),
    "imported": ("info", "the numbers are another program's, as its file states them"),
    "import_inconsistent": ("warn", "numbers of an imported file contradict each other"),
    "maker_alert": ("info", "the maker's program has an alert for the capture"),
    "calibration_mismatch": ("warn", "the depth was calibrated at another optical setting"),
    "calibration_old": ("warn", "the calibration is older than it was meant to serve"),
    "calibration_unsuitable": ("warn", "the calibration's own suitability test failed"),
    "below_detection": ("warn", "fewer particles than a size distribution needs: a blank, or too dilute"),
    "few_tracks": ("warn", "spots were seen but too few could be followed long enough"),
    "valid_tracks": ("warn", "most spots are in no track that is long enough"),
    "volume_uncertain": ("info", "a tenth of the volume rests on fewer than five particles"),
    "comparison_method": ("info", "the curve is another program's read-out, not corrected for what a video misses"),
    "sampling_disagrees": ("warn", "two ways to correct for particles that leave and come back disagree"),
    "outside_range": ("warn", "hardly any particle lies in the size range asked for"),
    "sparse": ("warn", "fewer than 15 particles per frame in all captures together"),
    "crowded": ("warn", "more than 100 particles per frame"),
    "saturated": ("warn", "a part of the picture is at the top of the camera's range"),
    "threshold_sensitive": ("warn", "a threshold a fifth lower or higher would have given another answer"),
    "noisy": ("warn", "the camera's noise hides all but the bright particles"),
    "focus": ("warn", "the spots are wider than the optics make them, or of many widths"),
    "short_lags": ("warn", "steps that are not neighbours correlate, which neither blur nor localisation can cause"),
    "wrong_exposure": ("warn", "neighbouring steps correlate by more than motion blur of this exposure can cause"),
    "exposure_unknown": ("info", "the exposure had to be assumed, and motion blur moves sizes by that of it"),
    "vibration": ("warn", "all particles jump together from frame to frame"),
    "stage_jump": ("warn", "the picture moved between two frames"),
    "drift": ("warn", "the flow carries particles through the field in less than 30 frames"),
    "size_limit": ("warn", "a part of the particles moves too fast for the search range of the linker"),
    "below_blank": ("warn", "the sample does not hold more particles than its blank by more than the errors"),
    "blank_high": ("warn", "the blank holds a large part of the particles that were counted"),
    "blank_mismatch": ("warn", "the blank was measured otherwise than the sample"),
    "capture_outlier": ("warn", "one capture of the sample stands apart from the others"),
    "captures_disagree": ("warn", "the captures differ by more than each one's own error explains"),
    "duplicate_content": ("warn", "a capture holds the same bytes as one of another sample"),
    "capture_rejected": ("warn", "one capture of the sample could not be used"),
    "fps_conflict": ("warn", "two parts of the file state different frame rates"),
    "fps_overridden": ("info", "another frame rate was asked for than the file states"),
    "frame_count": ("warn", "the file holds another number of frames than it states"),
    "dropped_frames": ("warn", "time stamps show that frames are missing"),
    "duplicated_frames": ("warn", "frames repeat the one before, bit for bit, as no camera's do"),
    "lossy_source": ("warn", "the codec threw detail away, which moves centroids"),
    "partial": ("warn", "only a part of a damaged file was read"),
    "pixel_size": ("warn", "the file states a pixel size that cannot be right"),
}
"""Every flag that a result can carry: its level and what it means. A test raises each one."""

_MOST_NAMES: Final = 3


@dataclass(frozen=True, slots=True)
class Flag:
    """One remark on a measurement.

    Parameters
    ----------
    code : str
        A key of :data:`FLAGS`.
    level : {"info", "warn", "fail"}
        ``warn`` makes the status ``warn``; ``info`` does not.
    message : str
        What it means and what to do, with the numbers of this measurement.
    """

    code: str
    level: Level
    message: str


def flag(code: str, message: str) -> Flag:
    """Return a flag of the registry with the sentence for this measurement."""
    return Flag(code, FLAGS[code][0], printable(message))


def listed(names: Sequence[str]) -> str:
    """Return the names of captures for a sentence, three at most."""
    shown = ", ".join(names[:_MOST_NAMES])
    return shown if len(names) <= _MOST_NAMES else f"{shown} and {len(names) - _MOST_NAMES} more"
