"""``.nano``: the experiment file of NanoSight NTA 3.x, which holds what its videos lack.

The layout is that of docs/formats.md: an INI text with one list of captures and lists of one value a capture.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PureWindowsPath
from typing import Final

from nta.errors import SettingsError
from nta.formats.text import TextFile, damaged, number, read_text, shown, truncated
from nta.settings import Settings

SUFFIX: Final = ".nano"
_MAX_BYTES: Final = 4 << 20
_HEADINGS: Final = ("[filenames]", "[details]", "[capturesettings]")
# The last one tells that nothing is cut off.
_SECTIONS: Final = ("Filenames", "CaptureSettings", "CurrentView")
_STAMP: Final = re.compile(r"\s*\d{4}-\d{2}-\d{2} \d{2}-\d{2}-\d{2}$")
_TIMES: Final = ("%H:%M:%S %d/%m/%Y", "%d/%m/%Y %H:%M:%S", "%H:%M:%S %Y-%m-%d")

# Name in the file -> name of the setting and the factor to its unit. The unit of PixelSize is stated nowhere: nm per
# pixel fits every figure that was seen.
_VALUES: Final[dict[str, tuple[str, float]]] = {
    "pixelsize": ("mpp", 1e-3),
    "framespersecond": ("fps", 1.0),
    "shutter": ("exposure_ms", 1.0),
    "temperature": ("temperature_c", 1.0),
    "viscosity": ("viscosity_mpas", 1.0),
    "dilutionfactor": ("dilution", 1.0),
}
# Values that nobody typed in: 0 means that none was recorded.
_ZERO_IS_MISSING: Final = ("mpp", "fps", "exposure_ms", "viscosity_mpas", "dilution")
_DETAILS: Final = {
    "samplename": "sample_name",
    "diluent": "diluent",
    "operator": "operator",
    "pretreatment": "pretreatment",
    "remarks": "remarks",
    "captureappbuild": "program",
}


@dataclass(frozen=True, slots=True)
class NanoCapture:
    """One capture of an experiment.

    Parameters
    ----------
    name : str
        Name of its video, without folders.
    values : dict of float
        By the names of :class:`nta.settings.Settings`; what was not recorded is not there.
    n_frames : int or None
        Frames as the experiment states them.
    """

    name: str
    values: Mapping[str, float]
    n_frames: int | None = None


@dataclass(frozen=True, slots=True)
class Experiment:
    """What a ``.nano`` file states.

    Parameters
    ----------
    path : Path
        The file.
    sha256 : str
        Of its bytes.
    captures : tuple of NanoCapture
        In the order of the file.
    details : dict of str
        ``sample_name``, ``diluent``, ``operator``, ``pretreatment``, ``remarks``, ``program``, ``time_captured`` (ISO
        8601, local time), those that are stated.
    complaints : tuple of str
        Values that cannot be right and are therefore not used.
    """

    path: Path
    sha256: str
    captures: tuple[NanoCapture, ...]
    details: Mapping[str, str] = field(default_factory=dict)
    complaints: tuple[str, ...] = ()

    @property
    def sample(self) -> str:
        """The name of the sample as it was typed in, else that of the file without its time stamp."""
        return self.details.get("sample_name") or _STAMP.sub("", self.path.stem) or self.path.stem

    def capture(self, name: str) -> NanoCapture | None:
        """Return the capture whose video has this name, whatever the case of its letters."""
        return next((one for one in self.captures if one.name.lower() == name.lower()), None)


def is_nano(head: str) -> bool:
    """Return whether a text begins as a ``.nano`` file does; its name does not matter."""
    first = next((line.strip().lower() for line in head.splitlines() if line.strip()), "")
    return first in _HEADINGS


def read_nano(path: str | Path) -> Experiment:
    """Read a ``.nano`` file.

    Raises
    ------
    UsageError
        If there is no such file.
    RejectedError
        ``damaged`` when it contradicts its own layout, ``truncated`` without its last section, and as
        :func:`nta.formats.text.read_text`.
    """
    file = read_text(Path(path), _MAX_BYTES)
    sections = _sections(file)
    for needed in _SECTIONS:
        if needed.lower() not in sections:
            raise truncated(file.path, f"it ends before its section [{needed}]")
    names = [PureWindowsPath(line.replace("/", "\\")).name for line in sections.get("filenames", {})]
    if not names or not all(names):
        raise damaged(file.path, "it lists no captures under [Filenames]")
    if len({name.lower() for name in names}) < len(names):
        raise damaged(file.path, "it lists a capture twice")
    complaints: list[str] = []
    columns = _columns(file, sections.get("capturesettings", {}), names, complaints)
    frames = columns.pop("totalframes", [math.nan] * len(names))
    captures = tuple(
        NanoCapture(
            name,
            {key: column[place] for key, column in columns.items() if math.isfinite(column[place])},
            int(frames[place]) if frames[place] > 0 else None,
        )
        for place, name in enumerate(names)
    )
    return Experiment(file.path, file.sha256, captures, _details(sections.get("details", {})), tuple(complaints))


def _sections(file: TextFile) -> dict[str, dict[str, str]]:
    """Return ``{section: {key: value}}``, names in lower case; a file name is a key without a value."""
    sections: dict[str, dict[str, str]] = {}
    current: dict[str, str] | None = None
    for line_number, line in enumerate(file.lines, 1):
        text = line.strip()
        if not text:
            continue
        if text.startswith("[") and text.endswith("]"):
            name = text[1:-1].strip().lower()
            if name in sections:
                raise damaged(file.path, f"the section [{name}] stands in it twice")
            current = sections[name] = {}
            continue
        if current is None:
            raise damaged(file.path, f"line {line_number} stands before every section")
        is_name = current is sections.get("filenames")
        key, equals, value = (text, "", "") if is_name else text.partition("=")
        if not is_name and not equals:
            raise damaged(file.path, f"line {line_number}, {shown(text)}, is no KEY=VALUE")
        key = key.strip() if is_name else key.strip().lower()
        if key in current:
            raise damaged(file.path, f"{shown(key)} is stated twice")
        current[key] = value.strip()
    return sections


def _columns(
    file: TextFile, stated: Mapping[str, str], names: list[str], complaints: list[str]
) -> dict[str, list[float]]:
    """Return a list of one value a capture for each setting that is stated; NaN where it is not."""
    columns: dict[str, list[float]] = {}
    for key, text in stated.items():
        if key not in _VALUES and key != "totalframes":
            continue
        cells = text.split(",")
        while len(cells) > len(names) and not cells[-1].strip():
            cells.pop()  # lists end with a comma in some versions
        if len(cells) != len(names):
            raise damaged(file.path, f"it states {len(cells)} values of {key} for {len(names)} captures")
        if key == "totalframes":
            columns[key] = [number(file.path, cell, key) for cell in cells]
            continue
        name, factor = _VALUES[key]
        values = [number(file.path, cell, key) for cell in cells]
        columns[name] = [_possible(file, name, key, value, factor, complaints) for value in values]
    return columns


def _possible(file: TextFile, name: str, key: str, stated: float, factor: float, complaints: list[str]) -> float:
    """Return a value in the unit of the setting; NaN where none was recorded, or where it cannot be right."""
    if math.isnan(stated) or (stated == 0.0 and name in _ZERO_IS_MISSING):
        return math.nan
    value = round(stated * factor, 9)
    try:
        Settings(**{name: value})
    except SettingsError as error:
        complaint = f"{file.path.name}: {key} = {stated:g} is not used ({error})"
        if complaint not in complaints:
            complaints.append(complaint)
        return math.nan
    return value


def _details(stated: Mapping[str, str]) -> dict[str, str]:
    found = {name: stated[key] for key, name in _DETAILS.items() if stated.get(key)}
    time = iso_time(stated.get("timecaptured", ""))
    if time is not None:
        found["time_captured"] = time
    return found


def iso_time(text: str) -> str | None:
    """Return ``15:28:16  01/04/2021`` (day before month) as ISO 8601, ``None`` for anything else."""
    cell = " ".join(text.split())
    for form in _TIMES:
        try:
            return datetime.strptime(cell, form).isoformat()  # the instrument's clock has no zone
        except ValueError:
            continue
    return None
