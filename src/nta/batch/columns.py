"""The columns of a manifest: what each means, in which unit, and what may stand in it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

from nta.errors import SettingsError
from nta.media import MEDIA
from nta.settings import Settings

Group = Literal["capture", "sample", "measuring", "collection", "assay"]
Kind = Literal["text", "number", "choice", "paths"]

PENDING: Final = "pending"
"""What stands in place of an assay's value until it is there."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Parameters
    ----------
    name : str
        Heading, with its unit.
    group : {"capture", "sample", "measuring", "collection", "assay"}
        What it speaks of. A column of the group ``capture`` may differ between the rows of a sample; those of
        ``measuring`` are settings of the same name.
    kind : {"text", "number", "choice", "paths"}
        What may stand in it; ``paths`` are separated by semicolons and may be patterns.
    help : str
        What it means.
    example : str
        A value for the template.
    choices : tuple of str
        The words of a ``choice``.
    may_be_zero : bool
        Whether a number may be 0.
    most : float
        Largest number.
    """

    name: str
    group: Group
    kind: Kind
    help: str
    example: str = ""
    choices: tuple[str, ...] = ()
    may_be_zero: bool = False
    most: float = math.inf

    def value(self, text: str) -> float | str:
        """Return what a cell says.

        Raises
        ------
        ValueError
            With what is wrong and what to do.
        """
        if self.group == "assay" and text == PENDING:
            return text
        if self.kind == "choice" and text not in self.choices:
            raise ValueError(f"{text!r} is not one of {', '.join(self.choices)}")
        return self._number(text) if self.kind == "number" else text

    def _number(self, text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            or_pending = f", or {PENDING}" if self.group == "assay" else ""
            raise ValueError(
                f"{text!r} is not a number; write it like 1000 or 12.5{or_pending}, or leave it empty"
            ) from None
        if not math.isfinite(value) or "_" in text:
            raise ValueError(f"{text!r} is not a finite number; leave it empty when it is not known")
        if self.group == "measuring":
            _check_setting(self.name, value)
        elif value < 0 or (value == 0 and not self.may_be_zero):
            limit = "is negative" if self.may_be_zero else "is not positive"
            raise ValueError(f"{value:g} {limit}; leave it empty when it is not known")
        elif value > self.most:
            raise ValueError(f"{value:g} is above {self.most:g}")
        return value


def _check_setting(name: str, value: float) -> None:
    try:
        Settings(**{name: value})
    except SettingsError as error:
        raise ValueError(str(error).removeprefix(f"{name}: ")) from None


def _number(name: str, group: Group, text: str, example: str, *, zero: bool = False, most: float = math.inf) -> Column:
    return Column(name, group, "number", text, example, may_be_zero=zero, most=most)


_OUTCOMES: Final = ("pass", "fail", PENDING)

ALL: Final[tuple[Column, ...]] = (
    Column("day", "sample", "text", "Collection day, any label.", "1"),
    Column("sample", "sample", "text", "Name of the sample; rows with the same name are its captures.", "harvest 1"),
    Column(
        "video",
        "capture",
        "paths",
        "Captures, relative to this file: a path, a pattern, a .nano, or a folder of images.",
        "day1_*.avi",
    ),
    Column("exclude", "capture", "text", "Why this capture is left out; listed, never measured.", ""),
    Column("lot", "sample", "text", "Lot to which the sample belongs; else the name of the folder.", "LOT-7"),
    Column(
        "role",
        "sample",
        "choice",
        "sample (counted in the yield, the default), blank, beads, pool or fluorescence.",
        "sample",
        choices=("sample", "blank", "beads", "pool", "fluorescence"),
    ),
    _number("dilution", "measuring", "Factor by which it was diluted for the measurement; 1 = undiluted.", "1000"),
    _number("dilution_sd_percent", "measuring", "Standard uncertainty of the dilution, %.", "2", zero=True),
    _number("volume_ml", "sample", "Volume of the undiluted liquid that it stands for, mL.", "350"),
    Column("blank", "measuring", "paths", "Captures of the diluent, to be subtracted; separated by semicolons.", ""),
    Column("calibration", "measuring", "text", "Calibration file of nta calibrate, relative to this file.", ""),
    _number("temperature_c", "measuring", "Temperature of the sample, °C.", "23.4"),
    _number("viscosity_mpas", "measuring", "Viscosity, mPa·s.", ""),
    Column("medium", "measuring", "choice", "Liquid in which it was measured.", "water", choices=MEDIA),
    Column("bioreactor", "collection", "text", "Which one.", "HF-1"),
    Column("cell_source", "collection", "text", "Which cells.", "MSC-12"),
    _number("passage", "collection", "Passage of the cells.", "5", zero=True),
    _number("cells_seeded", "collection", "Number of cells.", "3e8"),
    _number("culture_area_m2", "collection", "Culture area, m².", "2.1"),
    Column("culture_medium", "collection", "text", "Which medium.", "serum-free"),
    _number("inlet_ml_per_h", "collection", "Rate at which medium flows in, mL/h.", "15"),
    _number("hours_since_medium", "collection", "Hours since the medium was replaced.", "24", zero=True),
    Column("step", "collection", "text", "Process step after which it was taken.", "concentration"),
    _number("volume_in_ml", "collection", "Volume that went into the step, mL.", "350"),
    _number("volume_out_ml", "collection", "Volume that came out of it, mL.", "12"),
    _number("volume_sd_percent", "collection", "Standard uncertainty of volume_ml, %.", "1", zero=True),
    Column(
        "marker",
        "collection",
        "choice",
        "What a sample of the role fluorescence carries.",
        "",
        choices=("cd9", "cd63", "cd81"),
    ),
    Column("scatter_sample", "collection", "text", "The sample in scatter to which its fluorescence belongs.", ""),
    _number("protein_sd_percent", "collection", "Standard uncertainty of protein_ug_per_ml, %.", "", zero=True),
    Column("operator", "collection", "text", "Who measured.", ""),
    _number("protein_ug_per_ml", "assay", "Protein of the undiluted liquid, µg/mL, or pending.", "", zero=True),
    _number("lipid_ug_per_ml", "assay", "Lipid, µg/mL, or pending.", "", zero=True),
    _number("rna_ng_per_ml", "assay", "RNA, ng/mL, or pending.", "", zero=True),
    _number("endotoxin_eu_per_ml", "assay", "Endotoxin, EU/mL, or pending.", "", zero=True),
    *(
        _number(f"{marker}_percent", "assay", f"{marker.upper()}-positive, %, or pending.", "", zero=True, most=100.0)
        for marker in ("cd9", "cd63", "cd81")
    ),
    Column("sterility", "assay", "choice", "pass, fail or pending.", "", choices=_OUTCOMES),
    Column("mycoplasma", "assay", "choice", "pass, fail or pending.", "", choices=_OUTCOMES),
    _number("potency_percent", "assay", "Potency, % of the reference, or pending.", "", zero=True),
)

COLUMNS: Final[dict[str, Column]] = {column.name: column for column in ALL}
"""Every column by its name, in the order of the template."""

REQUIRED: Final = ("day", "sample", "video")


def assay_name_and_unit(column: str) -> tuple[str, str]:
    """Return ``("protein", "ug_per_ml")`` for ``protein_ug_per_ml``; the unit is empty for a verdict."""
    name, _, unit = column.partition("_")
    return name, unit
