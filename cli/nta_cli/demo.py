"""`nta demo`: a simulated campaign with known truth, from the videos to the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nta_cli import options

if TYPE_CHECKING:
    from nta.report.lot import Dossier
    from nta.settings import Settings
    from nta.simulation.campaign import Campaign
    from nta.store import Store


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path), default=Path("nta-demo"))
@click.option(
    "--frames",
    "n_frames",
    type=click.IntRange(60, 2000),
    default=200,
    show_default=True,
    help="Frames of each capture; longer ones take longer and have narrower intervals.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Same seed, same campaign.")
@options.jobs_option
@options.json_option
@options.quiet_option
@options.debug_option
def demo(directory: Path, n_frames: int, seed: int, n_jobs: int, as_json: bool, quiet: bool) -> int:
    """Simulate a campaign of four days, measure it, report it, and compare each day with what was put in.

    DIR (nta-demo) gets the videos with their manifest, the calibration from the bead captures, the results with their
    store, and the report. Particles of 107 nm, 1e12 to 4e12 a day but for a bad third day; a blank; beads every day.
    Takes about two minutes. Ends with 1 where a day is further from the truth than three standard uncertainties.

    \b
      nta demo
      nta demo /tmp/demo --frames 400 -j 2
    """  # noqa: D301  # \b keeps lines as they are
    from nta.simulation.campaign import make_campaign
    from nta_cli import console

    with console.progress_bar(quiet=quiet or as_json) as progress:
        campaign = make_campaign(directory / "campaign", n_frames=n_frames, seed=seed, progress=progress)
        settings = _calibrated(campaign, directory / "calibration.toml", progress)
    store = _measured(campaign, directory / "results", settings, n_jobs, quiet=quiet or as_json)
    dossier = _reported(store, directory / "report")
    rows = compared(campaign, dossier)
    if as_json:
        findings = [found.code for found in dossier.findings if found.level != "info"]
        click.echo(json.dumps({"schema": "nta.demo/1", "days": rows, "findings": findings}, allow_nan=False, indent=2))
    elif not quiet:
        _print(rows, dossier, directory)
    is_true = all(row["z"] is not None and abs(row["z"]) < 3.0 for row in rows)
    return console.EXIT_CODES["ok" if is_true else "rejected"]


def _calibrated(campaign: Campaign, file: Path, progress: Any) -> Settings:  # noqa: ANN401  # a Progress
    """Return how the campaign was filmed, with the depth that its beads say."""
    from nta.settings import Settings
    from nta.standards import Beads, calibrate

    taken = Settings().updated("command_line", {**campaign.acquisition, "medium": "water", "instrument": "ns300"})
    beads = Beads(campaign.beads, 100.0, campaign.beads_per_ml, 1.0, 0.5, 2.0)
    calibrate((beads,), taken, progress=progress).save(file)
    return taken.updated("command_line", {"calibration": str(file)})


def _measured(campaign: Campaign, directory: Path, settings: Settings, n_jobs: int, *, quiet: bool) -> Store:
    """Run the batch and return its store."""
    from nta.batch import read_manifest, run_batch
    from nta_cli import batch_console
    from nta_cli.batch import open_executor, open_store

    store = open_store(directory, None)
    with batch_console.listener(quiet=quiet, json_lines=False) as listen:
        run_batch(
            read_manifest(campaign.folder),
            directory,
            settings,
            store=store,
            executor=open_executor(None, n_jobs, 3600.0),
            listen=listen,
        )
    return store


def _reported(store: Store, directory: Path) -> Dossier:
    from nta.batch.dossiers import dossier_of
    from nta.batch.recorded import of_lot
    from nta.report.lot import save_report
    from nta.simulation.campaign import FORECAST

    records = of_lot(store, None)
    dossier = dossier_of(store, records, records[0].outcome.sample.lot, forecast=FORECAST)
    save_report(dossier, directory)
    return dossier


def compared(campaign: Campaign, dossier: Dossier) -> list[dict[str, Any]]:
    """Return each day beside the truth: ``z`` is the distance in standard uncertainties of its own interval."""
    rows = []
    for truth, day in zip(campaign.days, dossier.lot.yields.days, strict=True):
        z = truth.z(day.particles)
        rows.append({"day": day.day, "true": truth.particles, **day.particles.to_dict(), "z": z})
    return rows


def _print(rows: list[dict[str, Any]], dossier: Dossier, directory: Path) -> None:
    click.echo("day          particles    95 % interval          put in     z")
    for row in rows:
        if row["value"] is None:
            click.echo(f"{row['day']:<12} missing      {'':<22} {row['true']:<10.3g}")
            continue
        interval = f"{row['low']:.3g} to {row['high']:.3g}"
        click.echo(f"{row['day']:<12} {row['value']:<12.3g} {interval:<22} {row['true']:<10.3g} {row['z']:+.1f}")
    for found in dossier.findings:
        if found.level != "info":
            click.echo(f"{found.code}: {found.message}")
    click.echo(f"Report: {directory / 'report' / 'report.html'}, {directory / 'report' / 'report.pdf'}")
