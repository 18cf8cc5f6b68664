"""The contract of ``summary.json`` as a JSON Schema, shipped with the package."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any


def summary_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) that every ``summary.json`` of ``nta.measurement/1`` satisfies."""
    text = files("nta.report").joinpath("summary.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema
