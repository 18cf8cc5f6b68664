"""Two videos that differ only in their ending share a default folder; a result is not replaced unasked."""

import json

import pytest

from nta.errors import UsageError
from nta_cli.analyze import check_same_capture, default_directory


def result_of(folder, name):
    folder.mkdir()
    (folder / "summary.json").write_text(json.dumps({"captures": [{"path": f"anywhere/{name}"}]}), encoding="utf-8")


def test_the_result_of_another_video_is_kept(tmp_path):
    folder = default_directory(tmp_path / "v.tif")
    result_of(folder, "v.avi")
    with pytest.raises(UsageError, match=r"holds the result of 'v\.avi', not of 'v\.tif'"):
        check_same_capture(folder, tmp_path / "v.tif")


def test_the_result_of_the_same_video_may_be_replaced(tmp_path):
    folder = default_directory(tmp_path / "v.avi")
    check_same_capture(folder, tmp_path / "v.avi")  # nothing there yet
    result_of(folder, "v.avi")
    check_same_capture(folder, tmp_path / "v.avi")
    assert folder.name == "v_nta"
