"""Result folder -> Measurement, equal to the one that was saved."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import pandas as pd

from nta.agreement import Agreement
from nta.blank import Blank
from nta.concentration import Concentration, Parts
from nta.diffusion import Diffusion
from nta.distribution import SizeDistribution, WindowShare
from nta.errors import RejectedError, UsageError
from nta.estimate import Estimate
from nta.measurement import SCHEMA, Capture, Counts, Measurement, Provenance
from nta.mixture import Component, Mixture
from nta.quality import Flag
from nta.report.folder import DIFFUSION, DISTRIBUTION, SUMMARY, TRACKS
from nta.report.tables import distribution_of, read_distribution, read_noun
from nta.sensitivity import ThresholdSensitivity
from nta.settings import Sourced
from nta.size_statistics import Peak, SizeStatistics
from nta.tracking import Tracks
from nta.weighting import VolumeSizes


def load(directory: str | Path) -> Measurement:
    """Return the measurement that :func:`nta.report.save` wrote into ``directory``.

    Raises
    ------
    UsageError
        If it is not a result folder, or one of another version of the schema.
    RejectedError
        If one of its files is damaged.
    """
    folder = Path(directory)
    summary = _read_summary(folder)
    for name in (DISTRIBUTION, TRACKS, DIFFUSION):
        if not (folder / name).is_file():
            raise UsageError(f"the result folder {str(folder)!r} lacks {name!r}; run nta analyze again")
    tracks, beside = read_noun(folder / TRACKS, Tracks)
    diffusion, _ = read_noun(folder / DIFFUSION, Diffusion)
    return _measurement(summary, read_distribution(folder / DISTRIBUTION), tracks, diffusion, beside)


def from_record(summary: dict[str, Any], distribution_csv: str) -> Measurement:
    """Return a measurement from what a store keeps of it: its tracks, and the n behind its numbers, are not there.

    Parameters
    ----------
    summary : dict
        ``summary.json``.
    distribution_csv : str
        Text of ``distribution.csv``.

    Raises
    ------
    UsageError
        If it is a record of another version of the schema.
    RejectedError
        If the distribution is not the table that nta writes.
    """
    if summary.get("schema") != SCHEMA:
        raise UsageError(f"a record has the schema {summary.get('schema')!r}; this version of nta reads {SCHEMA!r}")
    n_peaks = len(summary["size_nm"]["peaks"])
    sizes = dict.fromkeys(SizeStatistics.STATISTICS)
    beside = {
        "observations": {"size": sizes, "peaks": [None] * n_peaks, "stock": None, "measured": None},
        "distribution": {
            "n_tracks": summary["counts"]["tracks_used"] or 0,
            "n_lines": summary["size_nm"]["lines"],
            "method": summary["size_nm"]["method"],
        },
        "mixture": {"bic": (), "n_effective": 0.0},
        "volume_reason": None,
        "ledger": {},
    }
    table = distribution_of(io.StringIO(distribution_csv, newline=""))
    return _measurement(summary, table, Tracks(Tracks.empty_table()), Diffusion(Diffusion.empty_table()), beside)


def _measurement(
    summary: dict[str, Any], table: pd.DataFrame, tracks: Tracks, diffusion: Diffusion, beside: dict[str, Any]
) -> Measurement:
    observations = beside["observations"]
    size = _size(summary["size_nm"], observations)
    return Measurement(
        status=summary["status"],
        status_code=summary["status_code"],
        message=summary["message"],
        sample=summary["sample"],
        captures=tuple(_capture(row) for row in summary["captures"]),
        size=size,
        concentration=_concentration(summary["concentration_per_ml"], observations),
        distribution=_distribution(table, size, summary["size_nm"], beside),
        tracks=tracks,
        diffusion=diffusion,
        counts=Counts(**summary["counts"]),
        values={name: Sourced(row["value"], row["origin"]) for name, row in summary["values"].items()},
        flags=tuple(Flag(**row) for row in summary["flags"]),
        provenance=Provenance(**summary["provenance"]),
        ledger=beside["ledger"],
        agreement=Agreement.from_dict(summary["agreement"]) if summary["agreement"]["between"] else Agreement(),
        blank=None if summary["blank"] is None else Blank.from_dict(summary["blank"]),
        sensitivity=ThresholdSensitivity.from_dict(summary["threshold"]),
    )


def _read_summary(folder: Path) -> dict[str, Any]:
    path = folder / SUMMARY
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"{str(folder)!r} is not a result folder of nta: cannot read {SUMMARY!r} in it ({error.strerror})"
        ) from None
    except ValueError as error:
        raise RejectedError(f"{str(path)!r} is not JSON ({error}); run nta analyze again", code="unreadable") from None
    schema = summary.get("schema") if isinstance(summary, dict) else None
    if schema != SCHEMA:
        raise UsageError(f"{str(path)!r} has the schema {schema!r}; this version of nta reads {SCHEMA!r}")
    return dict(summary)


def _estimate(row: dict[str, float | None], n: int | None) -> Estimate:
    estimate = Estimate.from_dict(row)
    return Estimate(estimate.value, estimate.low, estimate.high, n)


def _float(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _size(row: dict[str, Any], observations: dict[str, Any]) -> SizeStatistics:
    statistics = {name: _estimate(row[name], observations["size"][name]) for name in SizeStatistics.STATISTICS}
    peaks = tuple(
        Peak(
            _estimate(peak["diameter"], n),
            _float(peak["fraction"]),
            _float(peak.get("fraction_low")),
            _float(peak.get("fraction_high")),
        )
        for peak, n in zip(row["peaks"], observations["peaks"], strict=True)
    )
    return SizeStatistics(**statistics, peaks=peaks)


def _distribution(
    table: pd.DataFrame, size: SizeStatistics, row: dict[str, Any], beside: dict[str, Any]
) -> SizeDistribution:
    """Return the distribution without its bootstrap draws, which are not saved."""
    n = beside["distribution"]["n_tracks"]
    components = tuple(Component(**part) for part in row["mixture"])
    return SizeDistribution(
        table,
        size,
        **beside["distribution"],
        mixture=Mixture(components, tuple(beside["mixture"]["bic"]), beside["mixture"]["n_effective"]),
        volume=_volume(row["volume"], n, beside["volume_reason"]),
        windows=tuple(
            WindowShare(
                window["low_nm"],
                math.inf if window["high_nm"] is None else window["high_nm"],
                _estimate(window["by_number"], n),
                _estimate(window["by_volume"], n),
            )
            for window in row["windows"]
        ),
    )


def _volume(row: dict[str, Any], n: int, reason: str | None) -> VolumeSizes:
    statistics = {name: _estimate(row[name], n) for name in SizeStatistics.STATISTICS}
    missing = statistics["mode"].is_missing
    return VolumeSizes(
        SizeStatistics.missing() if missing else SizeStatistics(**statistics, peaks=()),
        _float(row["particles_above_d90"]),
        _float(row["n_effective"]),
        reason,
    )


def _concentration(row: dict[str, Any], observations: dict[str, Any]) -> Concentration:
    stock = None if row["stock"] is None else _estimate(row["stock"], observations["stock"])
    measured = _estimate(row["measured"], observations["measured"])
    return Concentration(
        measured,
        stock,
        row["volume_source"],
        _float(row["depth_um"]),
        Parts.from_dict(row.get("parts", {})),
        tuple(row.get("captures", ())),
    )


def _capture(row: dict[str, Any]) -> Capture:
    x, y = row["flow_um_s"]
    flow = None if x is None and y is None else (_float(x), _float(y))
    return Capture(**{**row, "flow_um_s": flow})
