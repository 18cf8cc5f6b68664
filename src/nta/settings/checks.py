"""What a value can be: each check returns the value, or says the value, the limit and the way out.

All raise :class:`ValueError`; :class:`nta.settings.Settings` makes a SettingsError of it.
"""

from __future__ import annotations

from typing import Final

from nta.media import ZERO_CELSIUS_K

# A frame rate is written with four digits or fewer; an exposure equal to the frame time must not fail on them.
_FRAME_TIME_TOLERANCE: Final = 1.001


def check_mpp(mpp: float) -> float:
    """Refuse a pixel size that is not one in µm; it may be in nm."""
    if not mpp > 0:
        raise ValueError(f"{mpp:g} µm per pixel must be positive, such as 0.14")
    if mpp > 10:
        raise ValueError(f"{mpp:g} µm per pixel is above 10: is it in nm? Then give {mpp / 1000:g}")
    if mpp < 0.005:
        raise ValueError(f"{mpp:g} µm per pixel is below 0.005; a scatter microscope has 0.05 to 1")
    return mpp


def check_fps(fps: float) -> float:
    """Refuse a frame rate outside 0 to 100000 per second."""
    if not 0 < fps <= 100_000:
        raise ValueError(f"{fps:g} frames per second is outside 0 to 100000; give the camera's rate, such as 25")
    return fps


def check_exposure_ms(exposure_ms: float) -> float:
    """Refuse a negative exposure, or one in s."""
    if exposure_ms < 0:
        raise ValueError(f"{exposure_ms:g} ms is negative; give the shutter time of one frame, such as 32.5")
    if 0 < exposure_ms < 0.1:
        raise ValueError(
            f"{exposure_ms:g} ms is too short to see a particle: is it in s? Then give {exposure_ms * 1e3:g}"
        )
    return exposure_ms


def check_temperature(temperature_c: float) -> float:
    """Refuse a temperature outside -20 to 110 °C; it may be in kelvin."""
    if 253.15 <= temperature_c <= 373.15:
        given = f"{temperature_c:.1f}" if round(temperature_c, 1) == temperature_c else f"{temperature_c:g}"
        raise ValueError(f"{given} °C: is it in kelvin? Then give {temperature_c - ZERO_CELSIUS_K:.1f}")
    if not -20 <= temperature_c <= 110:
        raise ValueError(f"{temperature_c:g} °C is outside -20 to 110 °C")
    return temperature_c


def check_viscosity(viscosity_mpas: float) -> float:
    """Refuse a viscosity that no liquid has in mPa·s; it may be in Pa·s."""
    if not viscosity_mpas > 0:
        raise ValueError(f"{viscosity_mpas:g} mPa·s must be positive; water at 25 °C has 0.89")
    if viscosity_mpas < 0.1:
        raise ValueError(
            f"{viscosity_mpas:g} mPa·s is thinner than any liquid: is it in Pa·s? Then give {viscosity_mpas * 1000:g}"
        )
    if viscosity_mpas > 1e5:
        raise ValueError(f"{viscosity_mpas:g} mPa·s is above 100000: nothing moves in it")
    return viscosity_mpas


def check_dilution(dilution: float) -> float:
    """Refuse a dilution factor below 1."""
    if dilution < 1:
        raise ValueError(
            f"a dilution of {dilution:g} is below 1; give the factor by which the sample was diluted, "
            "such as 1000 (1 = undiluted)"
        )
    return dilution


def check_size_range(size_range_nm: tuple[float, float | None]) -> tuple[float, float | None]:
    """Refuse an empty range of diameters, nm, or one that starts outside 1 to 10000 nm."""
    low, high = size_range_nm
    if not 1 <= low <= 10_000:
        raise ValueError(f"a smallest size of {low:g} nm is outside 1 to 10000 nm")
    if high is not None and not low + 2.0 <= high:
        raise ValueError(f"the size range {low:g}:{high:g} nm is empty; give MIN:MAX with MIN below MAX")
    return size_range_nm


def check_frames(frames: tuple[int, int | None]) -> tuple[int, int | None]:
    """Refuse an empty range of frames."""
    start, stop = frames
    if start < 0 or (stop is not None and stop <= start):
        raise ValueError(f"frames {start}:{stop} is empty; give A:B with 0 <= A < B")
    return frames


def check_diameter_px(diameter_px: int) -> int:
    """Refuse a spot diameter that trackpy does not take, px."""
    if diameter_px < 3 or diameter_px > 101 or diameter_px % 2 == 0:
        raise ValueError(f"a spot diameter of {diameter_px} px must be an odd number from 3 to 101")
    return diameter_px


def check_exposure_within_frame(exposure_ms: float, fps: float) -> None:
    """Refuse an exposure that is longer than a frame."""
    frame_ms = 1000.0 / fps
    if exposure_ms > frame_ms * _FRAME_TIME_TOLERANCE:
        raise ValueError(
            f"an exposure of {exposure_ms:g} ms is longer than a frame ({frame_ms:.4g} ms at {fps:g} fps); "
            "check --exposure-ms and --fps"
        )
