"""`nta batch`: what it prints, what it writes, how it ends."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
import time

import psutil
import pytest
from click.testing import CliRunner

from nta.batch import Event, Outcome, Sample
from nta_cli import batch_console
from nta_cli.main import cli


def run(*args: object):
    return CliRunner().invoke(cli, [str(arg) for arg in args])


def test_the_command_writes_tables_page_store_and_folders(campaign, cheap_jobs):
    campaign.write("1,x,a.avi,1000,350\n2,y,b.avi,1000,410\n")
    result = run("batch", campaign.folder)
    assert result.exit_code == 0, result.output
    names = {path.name for path in campaign.out.iterdir()}
    assert names == {"batch.csv", "yield.csv", "yield.html", "nta.sqlite", "objects", "x", "y"}
    assert "7.6e+13" in result.stdout
    assert "none missing" in result.stdout
    assert result.stderr == "2 captures run: new\n"


def test_a_second_run_says_that_there_is_nothing_to_do(campaign, cheap_jobs):
    campaign.write("1,x,a.avi,1000,350\n2,y,b.avi,1000,410\n")
    run("batch", campaign.folder)
    result = run("batch", campaign.folder)
    assert result.exit_code == 0
    assert "nothing to do: all 2 captures and 2 samples are on record, unchanged" in result.stdout
    assert cheap_jobs()[-1].calls == []
    result = run("batch", campaign.folder, "--mpp", "0.2")
    assert "2 captures run: mpp not stated -> 0.2" in result.stderr


def test_it_ends_with_1_when_a_sample_failed_and_with_2_for_a_wrong_manifest(campaign, cheap_jobs, tmp_path):
    (campaign.folder / "text.avi").write_text("text")
    campaign.write("1,x,text.avi,1000,350\n2,y,b.avi,1000,\n")
    result = run("batch", campaign.folder, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "no day has a number" in result.stdout
    assert "capture text.avi: rejected: it is not a video" in result.stderr
    assert run("batch", campaign.folder, "-o", tmp_path / "out2", "--quiet").output == ""
    campaign.write("1,x,none.avi,1000,350\n")
    result = run("batch", campaign.folder, "-o", tmp_path / "out3")
    assert result.exit_code == 2
    assert "row 2, column video" in result.stderr
    assert not (tmp_path / "out3").exists()


def test_a_store_that_cannot_be_used_ends_with_3_in_one_line_before_anything_runs(campaign, cheap_jobs, tmp_path):
    campaign.write("1,x,a.avi,1000,350\n")
    store = tmp_path / "foreign.sqlite"
    store.write_text("no database, but long enough to look like one")
    before = store.read_bytes()
    result = run("batch", campaign.folder, "--store", store)
    assert result.exit_code == 3
    assert len(result.stderr.splitlines()) == 1
    assert "not a database" in result.stderr
    assert store.read_bytes() == before
    assert cheap_jobs() == []


def test_it_prints_strict_json_alone(campaign, cheap_jobs):
    (campaign.folder / "text.avi").write_text("text")
    campaign.write("1,=x,a.avi,1000,350\n2,y,text.avi,1000,410\n")
    result = run("batch", campaign.folder, "--json")
    document = json.loads(result.stdout, parse_constant=lambda name: math.nan if name else None)
    assert (document["schema"], document["jobs_run"]) == ("nta.batch/1", 4)
    first, second = document["samples"]
    assert first["sample"] == "=x"  # JSON keeps the raw text
    assert (first["d50_nm"], second["d50_nm"], second["status"]) == (115.0, None, "rejected")
    assert document["yield"][-1]["level"] == "sum"
    assert "NaN" not in result.stdout
    assert result.stderr == ""


def test_json_lines_are_one_event_each_and_the_result_last(campaign, cheap_jobs):
    campaign.write("1,x,a.avi,1000,350\n")
    result = run("batch", campaign.folder, "--json-lines")
    *events, last = [json.loads(line) for line in result.stdout.splitlines()]
    assert [event["kind"] for event in events if event["job"] == "capture" and event["kind"] != "progress"] == [
        "planned",
        "started",
        "finished",
    ]
    assert [event["reason"] for event in events if event["kind"] == "planned"] == ["1 of its 1 captures run", "new"]
    assert last["schema"] == "nta.batch/1"


def test_a_dry_run_lists_everything_with_its_status_and_touches_nothing(campaign, cheap_jobs):
    (campaign.folder / "copy.avi").write_text("video a")
    header = "day,sample,video,dilution,exclude\n"
    campaign.write("1,x,a.avi,1000,\n1,x,b.avi,,bubble\n2,y,copy.avi,1000,\n", header=header)
    result = run("batch", campaign.folder, "--dry-run")
    assert result.exit_code == 0, result.output
    assert "run      capture" in result.stdout
    assert "b.avi: bubble" in result.stdout
    assert "duplicate_content" in result.stdout
    assert "2 of 2 captures and 2 of 2 samples run" in result.stdout
    assert not campaign.out.exists()
    assert cheap_jobs() == []
    run("batch", campaign.folder)
    before = (campaign.out / "nta.sqlite").read_bytes()
    assert "nothing to do" in run("batch", campaign.folder, "--dry-run").stdout
    result = run("batch", campaign.folder, "--dry-run", "--seed", "5")
    assert "0 of 2 captures and 2 of 2 samples run" in result.stdout
    assert "seed not stated -> 5" in result.stdout
    lines = run("batch", campaign.folder, "--dry-run", "--json").stdout.splitlines()
    listed = [json.loads(line) for line in lines]
    assert {event["status"] for event in listed} == {"done", "excluded", "warn"}
    (warning,) = [event for event in listed if event["kind"] == "warned"]
    assert "'copy.avi' of sample 'y' holds the same bytes as 'a.avi' of sample 'x'" in warning["reason"]
    assert (campaign.out / "nta.sqlite").read_bytes() == before


def test_a_dry_run_lists_the_blanks_and_says_that_there_is_no_manifest(campaign, cheap_jobs):
    result = run("batch", campaign.folder, "--dry-run")
    assert "there is no manifest in" in result.stderr
    named = set(re.findall(r"--[a-z-]+", result.stderr))
    assert named == {"--settings", "--template"}
    assert named <= set(re.findall(r"--[a-z-]+", run("batch", "--help").stdout))
    assert len(result.stderr.splitlines()) == 1
    campaign.write("1,x,a.avi,10,e.avi\n", header="day,sample,video,dilution,blank\n")
    result = run("batch", campaign.folder, "--dry-run")
    assert result.stderr == ""
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("run      blank")]
    assert line.endswith("e.avi: unless it is on record; once for all samples")
    listed = [json.loads(line) for line in run("batch", campaign.folder, "--dry-run", "--json").stdout.splitlines()]
    assert [(event["job"], event["status"]) for event in listed] == [
        ("sample", "run"),
        ("capture", "run"),
        ("blank", "run"),
    ]
    assert listed[-1]["name"].endswith("e.avi")
    assert run("batch", campaign.folder, "--quiet").output == ""
    assert "done     blank" in run("batch", campaign.folder, "--dry-run").stdout


def test_a_sample_of_which_every_capture_is_left_out_does_not_run(campaign, cheap_jobs):
    campaign.write("1,x,a.avi,\n2,y,b.avi,bubble\n", header="day,sample,video,exclude\n")
    assert "1 of 1 captures and 1 of 2 samples run" in run("batch", campaign.folder, "--dry-run").stdout
    run("batch", campaign.folder)
    shown = run("batch", campaign.folder, "--dry-run").stdout
    assert "excluded sample  y: every capture of it is excluded" in shown
    assert "nothing to do" in shown
    assert "nothing to do" in run("batch", campaign.folder).stdout
    assert cheap_jobs()[-1].calls == []


def test_no_word_of_the_table_is_broken_at_80_columns(campaign, cheap_jobs, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    (campaign.folder / "copy.avi").write_text("video a")
    campaign.write("2026-11-01,harvest 1,a.avi,1000,350\n2026-11-02,harvest 2,copy.avi,1000,410\n")
    shown = run("batch", campaign.folder).stdout
    assert max(map(len, shown.split("Particles per day")[0].splitlines())) <= 80
    assert shown.count("duplicate_content") >= 2
    assert "2026-11-01" in shown


def test_a_fault_that_several_captures_have_is_named_once_in_the_table():
    sample = Sample("1", "x", ())
    outcome = Outcome(sample, "warn", None, "", flags=("capture_rejected", "capture_rejected", "few_tracks"))
    assert batch_console._message(outcome) == "capture_rejected few_tracks"


def test_the_template_goes_to_stdout_and_needs_no_folder(campaign, cheap_jobs):
    result = run("batch", "--template")
    assert result.exit_code == 0
    assert result.stdout.startswith("# Manifest")
    assert result.stdout.splitlines()[-1].startswith("day,sample,video,")


def test_one_store_may_serve_many_batches(campaign, cheap_jobs, location_of_server):
    campaign.write("1,x,a.avi,1000,350\n")
    result = run("batch", campaign.folder, "--store", location_of_server)
    assert result.exit_code == 0, result.output
    assert not (campaign.out / "nta.sqlite").exists()
    listed = json.loads(run("list", location_of_server, "--json").stdout)
    assert [row["sample"] for row in listed] == ["x"]


@pytest.fixture
def location_of_server(postgres) -> str:
    return postgres.new_database()


def test_the_bars_follow_every_event(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with batch_console._Bars() as bars:
        bars.listen(Event("planned", "capture", "/d/a.avi", "x", "run", "new"))
        bars.listen(Event("started", "capture", "/d/a.avi", "x", done=0, total=2))
        bars.listen(Event("progress", "capture", "/d/a.avi", "x", stage="detect", done=5, total=10))
        bars.listen(Event("retried", "capture", "/d/a.avi", "x", "worker_died", "killed", done=0, total=2))
        bars.listen(Event("started", "capture", "/d/a.avi", "x", done=0, total=2))
        bars.listen(Event("finished", "capture", "/d/a.avi", "x", "failed", "killed", done=1, total=2))
    shown = capsys.readouterr().err
    assert "tried again" in shown
    assert "a.avi: failed: killed" in shown


CAMPAIGN = """
import sys
sys.path.insert(0, sys.argv[1])
if __name__ == "__main__":
    import nta.batch.run
    from batch_work import WORK
    nta.batch.run.Work = lambda: WORK
    from nta_cli.main import cli
    cli(["batch", sys.argv[2], "-j", "2"])
"""


def living(group: int) -> list[str]:
    """Return the command lines of the processes of a group that have not ended."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        try:
            if os.getpgid(process.pid) == group and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.info["cmdline"] or []))
        except ProcessLookupError:
            continue
    return found


def test_ctrl_c_ends_with_130_leaves_no_process_and_a_rerun_goes_on(campaign, tmp_path):
    (campaign.folder / "hang.avi").write_text("hang")
    campaign.write("1,x,a.avi,1000,350\n2,y,hang.avi,1000,350\n")
    script = tmp_path / "command.py"
    script.write_text(CAMPAIGN)
    tests = os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120
    process = subprocess.Popen(
        [sys.executable, script, tests, campaign.folder],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not (campaign.out / "x" / "summary.json").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the coordinator and its workers
    _, error = process.communicate(timeout=30)
    assert process.returncode == 130, error
    assert "Traceback" not in error
    assert "the same command goes on from there" in error
    assert error.splitlines()[-1] == "Error: interrupted"
    deadline = time.monotonic() + 10
    while living(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not living(process.pid)
    (campaign.folder / "hang.avi").write_text("video")
    campaign.run()
    assert sorted(campaign.ran) == ["hang.avi", "y"]
