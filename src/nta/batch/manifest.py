"""A manifest: which videos are which sample, of which day and lot, how diluted, for how much liquid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from nta.batch.columns import COLUMNS, PENDING, REQUIRED, assay_name_and_unit
from nta.batch.rows import Row, csv_header, csv_rows, toml_rows
from nta.batch.sources import VIDEO_SUFFIXES, day_and_sample, expand, find_videos, same_content
from nta.errors import UsageError
from nta.store import Assay, CollectionRecord, Role, SampleIdentity

MANIFEST_NAME: Final = "manifest.csv"
TOML_NAME: Final = "manifest.toml"

_NAMES_SHOWN: Final = 3
_SHEETS: Final = (".xlsx", ".xls", ".ods", ".numbers")


@dataclass(frozen=True, slots=True)
class Excluded:
    """A capture that is left out, and why."""

    video: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample of a manifest.

    Parameters
    ----------
    day : str
        Label of the day, as written.
    name : str
        Name of the sample; unique in its manifest.
    videos : tuple of Path
        Its captures, in the order of the rows.
    dilution : float or None
        Factor by which it was diluted before the measurement; ``None`` when not stated.
    volume_ml : float or None
        Volume of the undiluted liquid that it stands for, mL; ``None`` when not stated.
    lot : str
        Lot to which it belongs.
    role : {"sample", "blank", "beads", "pool", "fluorescence"}
        What it is for; only ``sample`` counts in the yield.
    settings : dict
        Values of other measuring columns, by the names of :class:`nta.settings.Settings`.
    facts : dict
        Values of the collection columns, as written.
    assays : tuple of Assay
        Companion assays.
    excluded : tuple of Excluded
        Captures left out.
    """

    day: str
    name: str
    videos: tuple[Path, ...]
    dilution: float | None = None
    volume_ml: float | None = None
    lot: str = ""
    role: Role = "sample"
    settings: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    assays: tuple[Assay, ...] = ()
    excluded: tuple[Excluded, ...] = ()

    @property
    def identity(self) -> SampleIdentity:
        """By which the store knows it."""
        return SampleIdentity(self.lot, self.day, self.name)

    @property
    def collection(self) -> CollectionRecord:
        """What goes into the store of the liquid."""
        return CollectionRecord(self.identity, self.role, self.volume_ml, self.facts, self.assays)


@dataclass(frozen=True, slots=True)
class Repeat:
    """A video with the same bytes as one of another sample: its liquid would be counted twice."""

    video: Path
    sample: str
    first: Path
    first_sample: str
    place: str

    @property
    def message(self) -> str:
        """Which is the same as which, and what to do."""
        return (
            f"{self.video.name!r} of sample {self.sample!r} holds the same bytes as {self.first.name!r} of sample "
            f"{self.first_sample!r}; take one of them out, or the same liquid is counted twice"
        )


@dataclass(frozen=True, slots=True)
class Manifest:
    """The samples of a batch, in the order in which they are first named, and the videos that two of them share."""

    path: Path
    samples: tuple[Sample, ...]
    repeats: tuple[Repeat, ...] = ()


def find_manifest(location: Path) -> Path | None:
    """Return the manifest: the file itself, or the one in a folder; ``None`` for a folder without any.

    Raises
    ------
    UsageError
        If there is no such place, or more than one manifest in it.
    """
    if location.is_file():
        return location
    if not location.is_dir():
        raise UsageError(f"{str(location)!r} does not exist; give a folder with a {MANIFEST_NAME}, or the file itself")
    files = sorted(path for path in location.iterdir() if path.is_file())
    named = [path for path in files if path.name.lower() in (MANIFEST_NAME, TOML_NAME)]
    tables = (path for path in files if path.suffix.lower() == ".csv" and not path.name.startswith("."))
    found = named or [path for path in tables if set(REQUIRED) <= set(csv_header(path))]
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise UsageError(f"{str(location)!r} holds {len(found)} manifests ({names}); give one of them by its path")
    sheets = [path.name for path in files if path.stem.lower() == "manifest" and path.suffix.lower() in _SHEETS]
    if sheets and not found:
        raise UsageError(f"{sheets[0]!r} in {str(location)!r} is a spreadsheet; save it as CSV UTF-8, {MANIFEST_NAME}")
    return found[0] if found else None


def read_manifest(location: str | Path) -> Manifest:
    """Read a manifest and check it as a whole, the files it names included.

    Parameters
    ----------
    location : path
        A CSV or TOML file, the folder that holds it, or a folder tree of videos without any. Paths in a manifest are
        relative to its folder.

    Raises
    ------
    UsageError
        With every fault at once, one a line, each with its row (the header is row 1) and column.
    """
    place = Path(location)
    path = find_manifest(place)
    if path is None:
        return manifest_of_tree(place, find_videos(place))
    faults: list[str] = []
    rows = toml_rows(path, faults) if path.suffix.lower() == ".toml" else csv_rows(path, faults)
    collector = _Collector(path.parent, path.resolve().parent.name, faults)
    for row in rows:
        collector.add(row)
    if not rows and not faults:
        faults.append("there is no row below the header; write one for each video")
    repeats = collector.repeats()
    if faults:
        raise UsageError("\n".join([f"the manifest {str(path)!r} cannot be used:", *faults]))
    return Manifest(path, collector.samples(), repeats)


def manifest_of_tree(folder: Path, videos: Iterable[Path]) -> Manifest:
    """Return the samples that the places and names of videos in a folder tree show.

    Raises
    ------
    UsageError
        If there are none, or a capture stands twice in one sample.
    """
    collector = _Collector(folder, folder.resolve().name, [])
    for video in videos:
        day, name = day_and_sample(video, folder)
        place = str(video.relative_to(folder))
        collector.add_video(collector.draft(name, day, place), video, place)
    samples = collector.samples()
    if not samples:
        raise UsageError(
            f"{str(folder)!r} holds no video and no manifest, {_what_it_holds(folder)}; give a folder with videos "
            f"({', '.join(VIDEO_SUFFIXES)}, folders of numbered images), or write a {MANIFEST_NAME} that says where "
            "they are (nta batch --template shows how)"
        )
    repeats = collector.repeats()
    if collector.faults:
        raise UsageError("\n".join([f"the folder {str(folder)!r} cannot be used:", *collector.faults]))
    return Manifest(folder, samples, repeats)


def _what_it_holds(folder: Path) -> str:
    names = sorted(path.name for path in folder.iterdir())
    if not names:
        return "it is empty"
    return f"but {', '.join(map(repr, names[:_NAMES_SHOWN]))}{', …' if len(names) > _NAMES_SHOWN else ''}"


@dataclass
class _Draft:
    """A sample while its rows are being collected; ``stated`` holds where each value was first said."""

    name: str
    day: str
    first: str
    videos: list[Path] = field(default_factory=list)
    excluded: list[Excluded] = field(default_factory=list)
    values: dict[str, float | str] = field(default_factory=dict)
    stated: dict[str, str] = field(default_factory=dict)


class _Collector:
    """Rows -> samples; what is wrong is added to ``faults``."""

    def __init__(self, folder: Path, lot: str, faults: list[str]) -> None:
        self.folder = folder
        self.lot = lot
        self.faults = faults
        self._drafts: dict[str, _Draft] = {}
        self._places: dict[Path, tuple[str, str, Path]] = {}

    def draft(self, name: str, day: str, place: str) -> _Draft:
        """Return the sample of a name, new or begun."""
        return self._drafts.setdefault(name, _Draft(name, day, place))

    def add(self, row: Row) -> None:
        """Take one row."""
        empty = [name for name in REQUIRED if row.cells.get(name) == ""]
        self.faults += [f"{row.at(name)}: is empty; every row needs one" for name in empty]
        # The other cells of a row without a sample are looked at too: every fault is said at once.
        draft = self.draft(row.cells.get("sample") or row.place, row.cells.get("day", ""), row.place)
        day = row.cells.get("day", "")
        if day and day != draft.day:
            # Taken as two samples, a mistyped day would count one harvest twice.
            self.faults.append(
                f"{row.at('day')}: {day!r}, but sample {draft.name!r} is of day {draft.day!r} in {draft.first}; give "
                "each day's sample its own name"
            )
        self._add_videos(draft, row)
        for name, text in row.cells.items():
            if text and name not in (*REQUIRED, "exclude"):
                self._add_value(draft, row, name, text)

    def _add_videos(self, draft: _Draft, row: Row) -> None:
        try:
            videos = expand(row.cells.get("video", ""), self.folder)
        except (ValueError, OSError) as error:
            self.faults.append(f"{row.at('video')}: {error}")
            return
        for video in videos:
            if row.cells.get("exclude"):
                draft.excluded.append(Excluded(video, row.cells["exclude"]))
            else:
                self.add_video(draft, video, row.at("video"))

    def add_video(self, draft: _Draft, video: Path, place: str) -> None:
        """Take one capture of a sample."""
        _, first, _ = self._places.setdefault(video.resolve(), (draft.name, place, video))
        if first != place or video in draft.videos:
            self.faults.append(f"{place}: {str(video.name)!r} stands in {first.partition(',')[0]} already")
            return
        draft.videos.append(video)

    def _add_value(self, draft: _Draft, row: Row, name: str, text: str) -> None:
        try:
            value = COLUMNS[name].value(text)
            if name in ("blank", "calibration"):
                value = ";".join(str(path) for path in expand(text, self.folder))
        except (ValueError, OSError) as error:
            self.faults.append(f"{row.at(name)}: {error}")
            return
        if draft.values.setdefault(name, value) != value:
            said = draft.values[name]
            self.faults.append(
                f"{row.at(name)}: {_shown(value)}, but {draft.stated[name]} of sample {draft.name!r} says "
                f"{_shown(said)}; one sample has one"
            )
        draft.stated.setdefault(name, row.place)

    def repeats(self) -> tuple[Repeat, ...]:
        """Return the videos that two samples share by content; within one sample that is a fault."""
        found = []
        readable = (video for _, _, video in self._places.values() if video.exists())
        for video, first in same_content(readable):
            sample, place, _ = self._places[video.resolve()]
            first_sample, first_place, _ = self._places[first.resolve()]
            repeat = Repeat(video, sample, first, first_sample, place)
            if sample == first_sample:
                self.faults.append(
                    f"{place}: {video.name!r} holds the same bytes as {first.name!r} of {first_place}; a capture "
                    "counts once"
                )
            else:
                found.append(repeat)
        return tuple(found)

    def samples(self) -> tuple[Sample, ...]:
        """Return the samples in the order in which they were first named."""
        return tuple(_sample(draft, self.lot) for draft in self._drafts.values())


def _shown(value: float | str) -> str:
    return f"{value:g}" if isinstance(value, float) else repr(value)


def _sample(draft: _Draft, lot: str) -> Sample:
    def of(group: str, but: Sequence[str] = ()) -> dict[str, Any]:
        return {name: value for name, value in draft.values.items() if COLUMNS[name].group == group and name not in but}

    measuring = of("measuring", but=("dilution",))
    if "blank" in measuring:
        measuring["blank"] = tuple(str(measuring["blank"]).split(";"))
    return Sample(
        day=draft.day,
        name=draft.name,
        videos=tuple(draft.videos),
        dilution=_number(draft, "dilution"),
        volume_ml=_number(draft, "volume_ml"),
        lot=str(draft.values.get("lot", lot)),
        role=draft.values.get("role", "sample"),  # type: ignore[arg-type]  # one of the column's choices
        settings=measuring,
        facts=of("collection"),
        assays=tuple(_assay(name, value) for name, value in of("assay").items()),
        excluded=tuple(draft.excluded),
    )


def _number(draft: _Draft, name: str) -> float | None:
    value = draft.values.get(name)
    return value if isinstance(value, float) else None


def _assay(column: str, value: float | str) -> Assay:
    name, unit = assay_name_and_unit(column)
    if value == PENDING:
        return Assay(name, unit, None, "pending")
    return Assay(name, unit, repr(value) if isinstance(value, float) else value)
