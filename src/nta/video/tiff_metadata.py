"""What a TIFF says of itself: frame time, pixel size and exposure, in ImageJ's and OME's words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape
from typing import Any, Final

import tifffile

from nta.video.model import Fault

_LENGTH_UM: Final[dict[str, float]] = {
    "m": 1e6,
    "cm": 1e4,
    "mm": 1e3,
    "µm": 1.0,
    "um": 1.0,
    "micron": 1.0,
    "microns": 1.0,
    "micrometer": 1.0,
    "micrometre": 1.0,
    "nm": 1e-3,
    "pm": 1e-6,
    "inch": 25_400.0,
    "in": 25_400.0,
}
_TIME_S: Final[dict[str, float]] = {
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "seconds": 1.0,
    "ms": 1e-3,
    "msec": 1e-3,
    "µs": 1e-6,
    "us": 1e-6,
    "ns": 1e-9,
    "min": 60.0,
    "h": 3600.0,
}
# Resolution tags carry the printer's 72 dpi more often than a scale: only a microscope's scale is believed.
_MPP_RANGE: Final = (0.005, 10.0)
_ANISOTROPY: Final = 0.01


@dataclass(frozen=True, slots=True)
class TiffMetadata:
    """What the tags state, ``None`` where they are silent."""

    fps: float | None = None
    mpp: float | None = None
    exposure_ms: float | None = None
    n_frames: int | None = None
    faults: tuple[Fault, ...] = ()


def read(tiff: tifffile.TiffFile) -> TiffMetadata:
    """Return what a TIFF states, OME before ImageJ before the bare resolution tags."""
    if tiff.is_ome and tiff.ome_metadata:
        return _ome(tiff.ome_metadata)
    if tiff.is_imagej and tiff.imagej_metadata:
        return _imagej(tiff.imagej_metadata, tiff.pages.first)
    mpp, faults = _resolution(tiff.pages.first, None)
    shaped = tiff.shaped_metadata
    shape = shaped[0].get("shape") if shaped else None
    return TiffMetadata(mpp=mpp, faults=faults, n_frames=_leading(shape, tiff.pages.first))


def _leading(shape: Any, page: tifffile.TiffPage) -> int | None:  # noqa: ANN401  # JSON from a file
    """Return the frames in a shape that tifffile itself wrote down, when the rest of it is one page."""
    if not isinstance(shape, list) or len(shape) != 3 or shape[1:] != [page.imagelength, page.imagewidth]:
        return None
    return int(shape[0])


def _imagej(metadata: dict[str, Any], page: tifffile.TiffPage) -> TiffMetadata:
    interval = _number(metadata.get("finterval"))
    seconds = _TIME_S.get(_unit(metadata.get("tunit", "sec")))
    mpp, faults = _resolution(page, _unit(metadata.get("unit", "")))
    return TiffMetadata(
        fps=None if interval is None or seconds is None else 1.0 / (interval * seconds),
        mpp=mpp,
        exposure_ms=_number(metadata.get("exposure_ms")),
        n_frames=int(count) if (count := _number(metadata.get("images"))) is not None else None,
        faults=faults,
    )


def _resolution(page: tifffile.TiffPage, unit: str | None) -> tuple[float | None, tuple[Fault, ...]]:
    """Return µm per pixel from the resolution tags; ``unit`` is ImageJ's, ``None`` means the tag's own."""
    x, y = page.tags.get("XResolution"), page.tags.get("YResolution")
    if x is None or y is None:
        return None, ()
    if unit is None:
        tag = page.tags.get("ResolutionUnit")
        unit = "cm" if tag is not None and int(tag.value) == 3 else ""
    factor = _LENGTH_UM.get(unit)
    if factor is None or not all(x.value) or not all(y.value):
        return None, ()
    across, down = (factor * value[1] / value[0] for value in (x.value, y.value))
    return _square(across, down)


def _square(across: float, down: float) -> tuple[float | None, tuple[Fault, ...]]:
    if not _MPP_RANGE[0] <= across <= _MPP_RANGE[1]:
        return None, ()
    if abs(across - down) > _ANISOTROPY * across:
        message = f"pixels of {across:.4g} x {down:.4g} µm are not square; give the right size with --mpp"
        return None, (Fault("pixel_size", message),)
    return across, ()


def _ome(xml: str) -> TiffMetadata:
    """Read the first image of an OME-XML block; only the start tags are looked at, no entity is expanded."""
    pixels = _attributes(xml, "Pixels")
    across = _ome_length(pixels, "PhysicalSizeX")
    down = _ome_length(pixels, "PhysicalSizeY")
    mpp, faults = (None, ()) if across is None else _square(across, across if down is None else down)
    interval = _ome_time(pixels, "TimeIncrement")
    exposure = _ome_time(_attributes(xml, "Plane"), "ExposureTime")
    count = 1.0
    for axis in ("SizeT", "SizeZ"):
        count *= _number(pixels.get(axis)) or 1.0
    return TiffMetadata(
        fps=None if interval is None else 1.0 / interval,
        mpp=mpp,
        exposure_ms=None if exposure is None else exposure * 1e3,
        n_frames=int(count),
        faults=faults,
    )


def _attributes(xml: str, element: str) -> dict[str, str]:
    start = re.search(rf"<(?:\w+:)?{element}\b([^>]*)>", xml)
    if start is None:
        return {}
    return {key: unescape(value) for key, _, value in re.findall(r"(\w+)\s*=\s*(['\"])(.*?)\2", start[1])}


def _ome_length(attributes: dict[str, str], name: str) -> float | None:
    value, factor = _number(attributes.get(name)), _LENGTH_UM.get(_unit(attributes.get(f"{name}Unit", "µm")))
    return None if value is None or factor is None else value * factor


def _ome_time(attributes: dict[str, str], name: str) -> float | None:
    value, factor = _number(attributes.get(name)), _TIME_S.get(_unit(attributes.get(f"{name}Unit", "s")))
    return None if value is None or factor is None else value * factor


def _unit(text: object) -> str:
    """Return a unit in one spelling: ImageJ escapes the micro sign, and Unicode has two of them."""
    return str(text).strip().replace("\\u00B5", "µ").replace("\u03bc", "µ").lower()


def _number(value: object) -> float | None:
    """Return a positive finite number, or ``None`` for anything else: zero is how software says "not set"."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if 0.0 < number < float("inf") else None
