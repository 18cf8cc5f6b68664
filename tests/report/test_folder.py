"""A result folder is written whole or not at all, and never over anything else."""

import errno
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from nta.errors import FailedError, UsageError
from nta.report import check_directory, folder, save
from nta.report import figures as figures_module

FILES = {
    "summary.json",
    "distribution.csv",
    "tracks.parquet",
    "diffusion.parquet",
    "figure.png",
    "report.html",
}


def _contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_every_kind_of_measurement_gets_every_file(tmp_path, measurement):
    target = tmp_path / "a" / "b" / "out"
    assert save(measurement, target) == target
    assert set(_contents(target)) == FILES
    assert [path.name for path in target.parent.iterdir()] == ["out"]


def test_two_runs_differ_in_provenance_only(tmp_path, example):
    one = example("warn_two_captures")
    later = replace(one, provenance=replace(one.provenance, started_utc="2027-01-01T00:00:00Z", host="other-host"))
    first, second = (_contents(save(m, tmp_path / name)) for m, name in ((one, "1"), (later, "2")))
    for name in FILES - {"summary.json", "report.html"}:
        assert first[name] == second[name], name
    summaries = [json.loads(files["summary.json"]) for files in (first, second)]
    assert summaries[0].pop("provenance") != summaries[1].pop("provenance")
    assert summaries[0] == summaries[1]
    pages = [files["report.html"].decode().partition('<section id="provenance">') for files in (first, second)]
    assert pages[0][0] == pages[1][0]
    assert pages[0][2].partition("</section>")[2] == pages[1][2].partition("</section>")[2]
    assert "lab-3" not in pages[0][0]


def test_the_same_measurement_gives_the_same_bytes(tmp_path, measurement):
    assert _contents(save(measurement, tmp_path / "1")) == _contents(save(measurement, tmp_path / "2"))


def test_an_earlier_result_is_replaced_whole(tmp_path, example):
    target = save(example("ok"), tmp_path / "out")
    (target / "report.pdf").write_bytes(b"of an earlier version")
    save(example("rejected"), target)
    assert set(_contents(target)) == FILES
    assert json.loads((target / "summary.json").read_text())["status"] == "rejected"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_empty_folder_is_used(tmp_path, example):
    (tmp_path / "out").mkdir()
    assert set(_contents(save(example("ok"), tmp_path / "out"))) == FILES


def test_a_link_to_a_result_stays_a_link(tmp_path, example):
    real = save(example("ok"), tmp_path / "real")
    link = tmp_path / "latest"
    link.symlink_to(real, target_is_directory=True)
    save(example("blank"), link)
    assert link.is_symlink()
    assert json.loads((real / "summary.json").read_text())["status_code"] == "below_detection"


@pytest.mark.parametrize("text", [None, "{", "[]", '{"schema": "other/1"}', '{"schema": null}'])
def test_any_other_folder_is_refused_and_untouched(tmp_path, example, text):
    target = tmp_path / "thesis"
    target.mkdir()
    (target / "chapter.txt").write_text("years of work")
    if text is not None:
        (target / "summary.json").write_text(text)
    before = _contents(target)
    with pytest.raises(UsageError, match=r"thesis.* is not empty and is not an nta result .*-o"):
        save(example("ok"), target)
    assert _contents(target) == before


def test_a_file_in_the_way_is_refused(tmp_path, example):
    (tmp_path / "notes").write_text("x")
    with pytest.raises(UsageError, match=r"notes' is a file, not a folder; .*-o"):
        save(example("ok"), tmp_path / "notes")
    with pytest.raises(UsageError, match=r"notes' is a file, so .*-o"):
        save(example("ok"), tmp_path / "notes" / "out")
    assert (tmp_path / "notes").read_text() == "x"


def test_a_result_folder_that_holds_the_input_is_not_replaced(tmp_path, example):
    target = save(example("ok"), tmp_path / "out")
    video = target / "capture.avi"
    video.write_bytes(b"pixels")
    measurement = replace(example("ok"), captures=(replace(example("ok").captures[0], path=str(video)),))
    with pytest.raises(UsageError, match=r"holds the input 'capture\.avi' and would be replaced"):
        save(measurement, target)
    assert video.read_bytes() == b"pixels"


def test_the_check_alone_makes_nothing(tmp_path):
    check_directory(tmp_path / "deep" / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "free some space"),
        (OSError(errno.EACCES, "Permission denied"), "check its permissions"),
        (KeyboardInterrupt(), ""),
        (RuntimeError("bug"), ""),
    ],
)
@pytest.mark.parametrize("has_old", [False, True])
def test_a_failing_step_leaves_the_old_result_and_no_litter(tmp_path, example, monkeypatch, error, advice, has_old):
    target = tmp_path / "out"
    if has_old:
        save(example("ok"), target)
    before = _contents(target) if has_old else None

    def fail(_measurement):
        raise error

    monkeypatch.setattr(figures_module, "figure_png", fail)
    expected = FailedError if isinstance(error, OSError) else type(error)
    with pytest.raises(expected) as caught:
        save(example("blank"), target)
    if isinstance(error, OSError):
        assert str(error.strerror) in str(caught.value)
        assert f"{advice} or choose another folder" in str(caught.value)
        assert caught.value.code == "not_writable"
    assert [path.name for path in tmp_path.iterdir()] == (["out"] if has_old else [])
    assert (_contents(target) if has_old else None) == before


@pytest.mark.parametrize("failing_call", [1, 2])
def test_a_failing_rename_puts_the_old_result_back(tmp_path, example, monkeypatch, failing_call):
    target = save(example("ok"), tmp_path / "out")
    before = _contents(target)
    rename, calls = Path.rename, []

    def fail_once(self, other):
        calls.append(self)
        if len(calls) == failing_call:
            raise OSError(5, "Input/output error")
        return rename(self, other)

    monkeypatch.setattr(Path, "rename", fail_once)
    with pytest.raises(FailedError, match="Input/output error"):
        save(example("blank"), target)
    assert _contents(target) == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_read_only_place_is_one_clear_line(tmp_path, example, monkeypatch):
    def refuse(self, *arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)  # root, as in a container, could write everywhere
    with pytest.raises(FailedError, match=r"cannot write the result folder .*Permission denied; .*-o"):
        save(example("ok"), tmp_path / "out")


def test_everything_is_flushed_before_the_rename(tmp_path, example, monkeypatch):
    events: list[str] = []
    fsync, rename = os.fsync, Path.rename
    monkeypatch.setattr(folder.os, "fsync", lambda descriptor: (events.append("fsync"), fsync(descriptor))[1])
    monkeypatch.setattr(Path, "rename", lambda self, other: (events.append("rename"), rename(self, other))[1])
    save(example("ok"), tmp_path / "out")
    assert events[: len(FILES) + 1] == ["fsync"] * (len(FILES) + 1)
    assert events[len(FILES) + 1] == "rename"


def test_a_very_long_folder_name_works(tmp_path, example):
    name = "n" * 250
    assert set(_contents(save(example("blank"), tmp_path / name))) == FILES
    shutil.rmtree(tmp_path / name)
