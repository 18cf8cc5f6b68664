"""What a batch would do: every capture and every sample with a status, and why each one runs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from nta.batch import keys
from nta.batch.manifest import Manifest, Sample
from nta.batch.outcomes import folder_names
from nta.batch.sources import captures_of_experiment, content_sha256, is_capture, sidecar_sha256
from nta.errors import UsageError
from nta.formats import experiments_in
from nta.settings import Settings
from nta.store import KnownSource, SampleIdentity, Store, storable

State = Literal["done", "run", "excluded"]

ALL_EXCLUDED: Final = "every capture of it is excluded"
NOT_STORED: Final = "its tracks are not in the folder of objects"


@dataclass(frozen=True, slots=True)
class CaptureJob:
    """One capture of one sample.

    Parameters
    ----------
    path : Path
        The video.
    sample : int
        Number of its sample.
    position : int
        Its place among the captures of the sample.
    settings : Settings
        Those that touch a capture.
    sidecar : str or None
        Hash of the ``.nano`` beside it.
    state : {"done", "run"}
        Whether its result is in the store.
    reason : str
        Why it runs.
    key : str or None
        Its content key; ``None`` while the file has not been read.
    inputs : dict or None
        What the key is made of.
    is_blank : bool
        Whether it is one of the sample's blank, measured because a sample asked for it.
    """

    path: Path
    sample: int
    position: int
    settings: Settings
    sidecar: str | None
    state: State
    reason: str = ""
    key: str | None = None
    inputs: Mapping[str, Any] | None = None
    is_blank: bool = False


@dataclass(frozen=True, slots=True)
class SampleJob:
    """One sample, put together from its captures.

    Parameters
    ----------
    sample : Sample
        What the manifest says of it.
    folder : Path
        Where its result goes.
    settings : Settings
        All of them.
    calibration : str or None
        Text of the calibration file.
    blank : tuple of str
        Hashes of the blank's captures.
    remarks : tuple of (code, message)
        Flags that only the batch can raise.
    state : {"done", "run", "excluded"}
        Whether its result is in the store and its folder, or every capture of it is left out.
    reason : str
        Why it runs.
    """

    sample: Sample
    folder: Path
    settings: Settings
    calibration: str | None
    blank: tuple[str, ...]
    remarks: tuple[tuple[str, str], ...]
    state: State = "run"
    reason: str = ""

    def inputs(self, capture_keys: Sequence[str], remarks: Sequence[tuple[str, str]] = ()) -> dict[str, Any]:
        """Return what the result depends on, once the keys of the captures are known."""
        calibration = None if self.calibration is None else hashlib.sha256(self.calibration.encode()).hexdigest()
        words = [message for _, message in (*self.remarks, *remarks)]
        return keys.sample_inputs(capture_keys, self.settings, calibration, self.blank, words)


@dataclass(frozen=True)
class Plan:
    """Everything that a batch found, each with its state."""

    captures: tuple[CaptureJob, ...]
    samples: tuple[SampleJob, ...]

    @property
    def is_done(self) -> bool:
        """Whether nothing has to be computed."""
        states = [*(job.state for job in self.captures), *(job.state for job in self.samples)]
        return "run" not in states


def make_plan(manifest: Manifest, directory: Path, settings: Settings, store: Store) -> Plan:
    """Compare a manifest with what is in the store.

    A file that looks as it did when its hash was taken is not read again.

    Parameters
    ----------
    manifest : Manifest
        What to measure.
    directory : Path
        Where the result folders are.
    settings : Settings
        For all samples; the manifest ranks above a settings file and below the command line.
    store : Store
        What was measured before.

    Raises
    ------
    UsageError
        If a calibration or a blank cannot be used.
    """
    hashes = _Hashes(store)
    others = {sample.identity for sample in manifest.samples}
    samples = [
        _sample_job(manifest, sample, directory / folder, settings, hashes)
        for sample, folder in zip(manifest.samples, folder_names(manifest.samples), strict=True)
    ]
    experiments_of = cache(experiments_in)  # a folder may hold thousands of captures: it is looked into once
    drafts = [
        _draft(video, number, position, job.settings, hashes, sidecar_sha256(video, experiments_of))
        for number, job in enumerate(samples)
        for position, video in enumerate(job.sample.videos)
    ]
    # All at once: a campaign has thousands of captures, and each question costs a millisecond.
    rows = store.known_captures(draft.key for draft in drafts if draft.key is not None)
    captures = [_capture_job(draft, rows.get(draft.key or ""), store) for draft in drafts]
    own: list[list[CaptureJob]] = [[] for _ in samples]
    for capture in captures:
        own[capture.sample].append(capture)
    stated = [_with_state(job, captures_of, store, others) for job, captures_of in zip(samples, own, strict=True)]
    hashes.remember()
    return Plan(tuple(captures), tuple(stated))


def _sample_job(manifest: Manifest, sample: Sample, folder: Path, settings: Settings, hashes: _Hashes) -> SampleJob:
    # The manifest lies beside the videos and speaks of them, as a sidecar does.
    stated = {name: value for name, value in sample.settings.items() if settings.origin(name) != "command_line"}
    chosen = settings.updated("sidecar", {"dilution": sample.dilution, **stated})
    calibration = None
    if chosen.calibration is not None:
        try:
            calibration = Path(chosen.calibration).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read the calibration {chosen.calibration!r}: {error}") from None
    chosen = _with_captures_of_blank(chosen)
    blank = tuple(hashes.of(Path(path)) for path in chosen.blank)
    involved = (repeat for repeat in manifest.repeats if sample.name in (repeat.sample, repeat.first_sample))
    remarks = tuple(("duplicate_content", repeat.message) for repeat in involved)
    return SampleJob(sample, folder, chosen, calibration, blank, remarks)


def _with_captures_of_blank(settings: Settings) -> Settings:
    """Return the settings with every capture of the blank; a ``.nano`` means those that it lists."""
    paths: list[Path] = []
    for path in map(Path, settings.blank):
        if not is_capture(path):
            raise UsageError(f"there is no file {str(path)!r} to take as the blank")
        try:
            paths += captures_of_experiment(path) if path.suffix.lower() == ".nano" else [path]
        except ValueError as error:
            raise UsageError(f"the blank cannot be used: {error}") from None
    named = tuple(str(path) for path in paths)
    return settings if named == settings.blank else settings.model_copy(update={"blank": named})


def _draft(
    video: Path, sample: int, position: int, settings: Settings, hashes: _Hashes, sidecar: str | None
) -> CaptureJob:
    """Return a capture as it would have to run, with its key if its hash is known."""
    touching = keys.for_capture(with_depth(settings))
    sha256 = hashes.known(video)
    inputs = None if sha256 is None else keys.capture_inputs(sha256, touching, sidecar)
    return CaptureJob(
        video,
        sample,
        position,
        touching,
        sidecar,
        "run",
        key=None if inputs is None else keys.key_of(inputs),
        inputs=inputs,
    )


def _capture_job(draft: CaptureJob, row: Mapping[str, Any] | None, store: Store) -> CaptureJob:
    """Return a capture with its state and reason."""
    if row is not None:
        if objects_there(row, store):
            return replace(draft, state="done")
        return replace(draft, reason=NOT_STORED)
    if draft.inputs is None:
        before = store.last_capture(path=str(draft.path))
        return replace(draft, reason="new" if before is None else "the file has changed")
    last = store.last_capture(sha256=draft.inputs["sha256"])
    return replace(draft, reason=keys.why(None if last is None else keys.read(last["inputs"]), draft.inputs))


def objects_there(row: Mapping[str, Any], store: Store) -> bool:
    """Whether the files of a capture are there; one that was refused has none."""
    if row["tracks_sha256"] is None:
        return True
    return store.objects.has(row["spots_sha256"]) and store.objects.has(row["tracks_sha256"])


def with_depth(settings: Settings) -> Settings:
    """Return the settings with the depth of their calibration: a capture depends on that, not on the file."""
    if settings.calibration is None:
        return settings
    from nta.calibration import with_calibration

    return with_calibration(settings)[0]


def _with_state(job: SampleJob, own: list[CaptureJob], store: Store, others: set[SampleIdentity]) -> SampleJob:
    """Return the job with its state: done only if its captures are, its analysis is current and its folder is whole."""
    last = store.current(job.sample.identity)
    running = sum(capture.state == "run" for capture in own)
    if not own:
        return replace(job, state="excluded", reason=ALL_EXCLUDED)
    if running:
        reason = f"{running} of its {len(own)} captures run"
    else:
        capture_keys = [capture.key or "" for capture in own]
        inputs = job.inputs(capture_keys, remarks_of_store(job, capture_keys, store, others))
        if last is None or last["key"] != keys.key_of(inputs):
            reason = keys.why(None if last is None else keys.read(last["inputs"]), inputs)
        elif not folder_is_whole(job.folder, last):
            reason = "its result folder is missing or has been changed"
        else:
            return replace(job, state="done")
    return replace(job, state="run", reason=reason)


def remarks_of_store(
    job: SampleJob, capture_keys: Iterable[str], store: Store, others: set[SampleIdentity]
) -> tuple[tuple[str, str], ...]:
    """Return a flag for every capture whose bytes an earlier batch measured as another sample."""
    remarks = []
    rows = [row for row in store.known_captures(capture_keys).values() if row["sha256"]]
    holders = store.samples_with({row["sha256"] for row in rows})
    for row in rows:
        for found in holders.get(row["sha256"], ()):
            if found not in others and found != job.sample.identity:
                words = (
                    f"{Path(row['path']).name!r} holds the same bytes as a capture of sample {found.name!r}, day "
                    f"{found.day!r}, lot {found.lot!r} in this store; take one of them out, or the same liquid is "
                    "counted twice"
                )
                remarks.append(("duplicate_content", words))
    return tuple(sorted(remarks))


def folder_is_whole(folder: Path, measurement: dict[str, Any]) -> bool:
    """Whether a result folder holds the files of an analysis, and its very summary."""
    files = keys.read(measurement["files"])
    try:
        summary = (folder / "summary.json").read_bytes()
    except OSError:
        return False
    same = hashlib.sha256(summary).hexdigest() == files["summary.json"]
    return same and all((folder / name).is_file() for name in files)


class _Hashes:
    """Hashes of files, read only where the store does not remember one for what the file looks like."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._remembered = store.known_sources()
        self._sizes = {source.n_bytes for source in self._remembered.values()}
        self._new: list[KnownSource] = []

    def known(self, path: Path) -> str | None:
        """Return the hash of a file if it is remembered, or if a file of this length is: it may have been moved."""
        source = self._looking_the_same(path)
        if source is not None:
            return source.sha256
        look = KnownSource.at(path, "")
        return self.of(path) if look is not None and look.n_bytes in self._sizes else None

    def of(self, path: Path) -> str:
        """Return the hash of a file, read now if need be."""
        source = self._looking_the_same(path)
        if source is not None:
            return source.sha256
        read = KnownSource.at(path, content_sha256(path))
        if read is None:
            raise UsageError(f"there is no file {str(path)!r}")
        self._new.append(read)
        self._remembered[read.path] = read
        return read.sha256

    def _looking_the_same(self, path: Path) -> KnownSource | None:
        """Return what is remembered of a file if it has the length, time and number that it had."""
        source = self._remembered.get(storable(str(path.resolve())))
        return source if source is not None and KnownSource.at(path, source.sha256) == source else None

    def remember(self) -> None:
        """Keep what was read."""
        if self._new and not self._store.is_read_only:
            self._store.remember(self._new)
