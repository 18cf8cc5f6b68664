"""A campaign from the simulator to the yield by one command; again, nothing; with another setting, what it touches."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from nta.simulation import Scene, simulate
from nta.store import Store
from nta_cli.main import cli


@pytest.fixture
def simulated(tmp_path: Path, long_run) -> tuple[Path, int, int]:
    """4 days x 3 samples x 5 captures, or 2 x 1 x 2 where the long run is not asked for; a manifest of patterns."""
    days, samples, captures = (4, 3, 5) if long_run else (2, 1, 2)
    folder = tmp_path / "campaign"
    rows = ["day,sample,video,dilution,volume_ml"]
    for day in range(days):
        for sample in range(samples):
            for capture in range(captures):
                seed = (day * samples + sample) * captures + capture
                scene = Scene(width_px=128, height_px=96, n_frames=40, particles_per_frame=10.0, seed=seed)
                simulate(scene, folder / f"d{day}_s{sample}_{capture}.avi")
            rows.append(f"{day},d{day} s{sample},d{day}_s{sample}_*.avi,1000,350")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    return folder, days * samples, days * samples * captures


def test_a_campaign_runs_by_one_command_and_again_only_what_has_changed(simulated):
    folder, n_samples, n_captures = simulated

    def run(*options: str) -> dict[str, object]:
        result = CliRunner().invoke(cli, ["batch", str(folder), "-j", "2", "--json", *options])
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    first = run()
    assert first["jobs_run"] == n_samples + n_captures
    assert first["yield"][-1]["status"] == "ok"
    again = run()
    assert again["jobs_run"] == 0
    assert again["samples"] == first["samples"]
    manifest = folder / "manifest.csv"
    manifest.write_text(manifest.read_text().replace("d1 s0,d1_s0_*.avi,1000", "d1 s0,d1_s0_*.avi,500"))
    assert run()["jobs_run"] == 1  # one dilution: that sample, and none of its captures
    assert run("--seed", "5")["jobs_run"] == n_samples
    assert run("--seed", "5", "--temperature", "24")["jobs_run"] == n_samples + n_captures
    store = Store.open(folder.with_name("campaign_nta"))
    assert store.verify().holds
    assert list(store.object_faults()) == []
    assert len(store.rows()) == n_samples
