"""Stores with the records of lots, written straight into them: no video is filmed and nothing is measured."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nta.csvtable import csv_text
from nta.store import Assay, CaptureRecord, CollectionRecord, MeasurementRecord, SampleIdentity, Store

PARTS = {"counting": 0.03, "captures": 0.02, "volume": 0.05, "dilution": 0.02}
VALUES = {
    "mpp": {"value": 0.14, "origin": "command_line"},
    "temperature_c": {"value": 25.0, "origin": "command_line"},
    "calibration_sha256": {"value": "c" * 64, "origin": "command_line"},
}
FACTS = {"volume_sd_percent": 1.0, "bioreactor": "HF-1"}


def estimate(value: float | None, relative: float = 0.12) -> dict[str, float | None]:
    if value is None:
        return {"value": None, "low": None, "high": None}
    return {"value": value, "low": value * (1.0 - relative), "high": value * (1.0 + relative)}


@dataclass(frozen=True)
class Made:
    """One sample; ``stock_per_ml`` of ``None`` is a dilution that is not known."""

    day: str
    name: str
    stock_per_ml: float | None = 1e11
    role: str = "sample"
    volume_ml: float | None = 12.0
    lot: str = "LOT-7"
    status: str = "ok"
    d50_nm: float = 107.0
    videos: Sequence[str] = ()
    dilution: float | None = 1000.0
    facts: Mapping[str, Any] = field(default_factory=lambda: FACTS)
    assays: tuple[Assay, ...] = ()
    flags: Sequence[tuple[str, str, str]] = ()
    values: Mapping[str, Any] = field(default_factory=lambda: VALUES)
    volume_source: str = "calibration"
    message: str = "nothing looks wrong"
    excluded: Sequence[tuple[str, str]] = ()

    @property
    def captures(self) -> list[dict[str, Any]]:
        names = self.videos or (f"{self.name}.avi",)
        return [
            {
                "path": f"/data/{name}",
                "sha256": hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest(),
                "frames": 1498,
                "particles_per_frame": 50.0,
                "tracks": 500,
                "status": self.status,
            }
            for name in names
        ]

    def summary(self) -> dict[str, Any]:
        is_good = self.status in ("ok", "warn")
        scale = {"mode": 0.95, "mean": 1.05, "sd": 0.2, "d10": 0.75, "d50": 1.0, "d90": 1.4, "span": 0.65 / self.d50_nm}
        measured = None if self.stock_per_ml is None else self.stock_per_ml / (self.dilution or 1000.0)
        return {
            "schema": "nta.measurement/1",
            "status": self.status,
            "status_code": None,
            "message": self.message,
            "sample": self.name,
            "captures": self.captures,
            "size_nm": {name: estimate(part * self.d50_nm if is_good else None, 0.05) for name, part in scale.items()},
            "concentration_per_ml": {
                "measured": estimate((measured or 1e8) if is_good else None),
                "stock": None if self.stock_per_ml is None else estimate(self.stock_per_ml if is_good else None),
                "volume_source": self.volume_source if is_good else None,
                "depth_um": 10.0,
                "parts": PARTS,
                "captures": [1e8, 1.05e8, 0.95e8],
            },
            "counts": {"particles_per_frame": 50.0, "tracks_used": 250},
            "dilution": self.dilution,
            "values": self.values,
            "flags": [{"code": code, "level": level, "message": text} for code, level, text in self.flags],
            "provenance": {"nta": "0.1.0", "settings_sha256": "5" * 64, "started_utc": "2026-11-01T10:00:00Z"},
        }

    def distribution_csv(self) -> str:
        columns = ("diameter_nm", "density_per_nm", "density_low_per_nm", "density_high_per_nm", "cumulative")
        if self.status not in ("ok", "warn"):
            return csv_text(columns, [])
        grid = np.arange(40.0, 260.0)
        density = np.exp(-0.5 * ((grid - self.d50_nm) / 20.0) ** 2)
        density /= np.trapezoid(density, grid)
        rows = np.array([grid, density, 0.9 * density, 1.1 * density, np.linspace(0.0, 1.0, grid.size)]).T
        return csv_text(columns, [dict(zip(columns, map(float, row), strict=True)) for row in rows])


def record(store: Store, *samples: Made) -> Store:
    """Put samples on record as a batch does."""
    for one in samples:
        identity = SampleIdentity(one.lot, one.day, one.name)
        with store.writing() as writer:
            writer.collection(CollectionRecord(identity, one.role, one.volume_ml, one.facts, one.assays))
            for path, reason in one.excluded:
                writer.exclusion(identity, path, None, reason)
            keys = []
            for capture in one.captures:
                keys.append(capture["sha256"])
                writer.capture(
                    CaptureRecord(capture["sha256"], capture["path"], {}, one.status, None, "", capture["sha256"], 10)
                )
            writer.measurement(
                MeasurementRecord(
                    identity,
                    hashlib.sha256(repr((identity, one)).encode("utf-8", "surrogatepass")).hexdigest(),
                    {"captures": keys, "method": "1", "settings": {}},
                    json.dumps(one.summary()),
                    one.distribution_csv(),
                    {"summary.json": "0" * 64},
                    tuple(keys),
                    "{}",
                )
            )
    return store


def lot_of_days(*stocks_per_ml: float, **values: Any) -> tuple[Made, ...]:
    """Return one harvest and one bead check a day."""
    days = [f"2026-11-{number:02d}" for number in range(1, len(stocks_per_ml) + 1)]
    # Sizes differ a little: a baseline of equal values has no limits.
    harvests = [
        Made(day, f"harvest {day}", per_ml, d50_nm=107.0 + number % 2, **values)
        for number, (day, per_ml) in enumerate(zip(days, stocks_per_ml, strict=True))
    ]
    beads = [
        Made(
            day,
            f"beads {day}",
            1e9,
            "beads",
            None,
            values.get("lot", "LOT-7"),
            d50_nm=100.0 + 0.5 * (number % 2),
            facts={},
        )
        for number, day in enumerate(days)
    ]
    return (*harvests, *beads)


def new_store(folder: Path) -> Store:
    """Return an empty store in a folder."""
    return Store.open(folder / "nta.sqlite")
