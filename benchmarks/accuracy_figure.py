"""Draw what the tables of docs/accuracy.md say: python benchmarks/accuracy_figure.py writes docs/accuracy.png."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

DOCS: Final = Path(__file__).parent.parent / "docs"
_METHODS: Final = (("nta", "o", "#1b5e9b"), ("adjusted", "s", "#c77700"), ("raw", "^", "#777777"))


def sections(text: str) -> dict[str, list[list[str]]]:
    """Return the rows of each section's table, cells stripped, by the section's title."""
    found: dict[str, list[list[str]]] = {}
    for part in text.split("\n### ")[1:]:
        title, *lines = part.split("\n## ")[0].splitlines()
        found[title] = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line[:1] == "|"]
    return found


def scenes(tables: dict[str, list[list[str]]]) -> dict[str, np.ndarray]:
    """Return W1 of ours, the adjustment and the histogram, (n_seeds, 3) nm, by the name of the scene."""
    found = {}
    for title, rows in tables.items():
        if match := re.fullmatch(r"(.+), \d+ captures of \d+ s", title):
            readings = [row for row in rows if row[0].isdigit()]
            found[match[1]] = np.array([[float(r[4]), float(r[6]), float(r[5].split(",")[1])] for r in readings])
    return found


def draw_scenes(axes: Axes, found: dict[str, np.ndarray]) -> None:
    """Draw each seed, and the mean as a line, on a logarithmic axis."""
    for at, (_, readings) in enumerate(reversed(found.items())):
        for column, (_, marker, colour) in enumerate(_METHODS):
            values = readings[:, column]
            axes.plot(values, np.full(values.size, at), marker, color=colour, markersize=3.5, alpha=0.5, linestyle="")
            axes.plot([values.mean()] * 2, [at - 0.3, at + 0.3], color=colour, linewidth=2.0)
    for name, marker, colour in _METHODS:
        axes.plot([], [], marker, color=colour, label=name)
    axes.set_yticks(range(len(found)), list(reversed(found)))
    axes.set_xscale("log")
    axes.set_xticks([1, 3, 10, 30], ["1", "3", "10", "30"])
    axes.set_xlabel("Wasserstein-1 distance to what was in view, nm")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)


def draw_coverage(axes: Axes, rows: list[list[str]]) -> None:
    """Draw how often each interval held the truth, with two standard errors of the count, over the bar's band."""
    covered = {row[0]: float(row[5].rstrip(" %")) for row in rows if row[5].endswith("%")}
    at, values = np.arange(len(covered)), np.array(list(covered.values()))
    axes.axhspan(91.0, 98.5, color="#dfe8f1", label="bar")
    axes.axhline(95.0, color="#777777", linewidth=0.8, linestyle="--")
    errors = 2.0 * np.sqrt(values * (100.0 - values) / 400.0)
    axes.errorbar(at, values, errors, fmt="o", color="#1b5e9b", capsize=3)
    axes.set_xticks(at, [name.upper() if name[1:].isdigit() else name for name in covered])
    axes.set_ylim(85.0, 100.0)
    axes.set_ylabel("95 % intervals that hold the truth, %")
    axes.legend(loc="lower right", frameon=False)


def main() -> None:
    """Draw both from the tables as they stand."""
    tables = sections((DOCS / "accuracy.md").read_text(encoding="utf-8"))
    figure = Figure(figsize=(9.5, 4.6), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=(1.9, 1.0))
    draw_scenes(left, scenes(tables))
    (coverage,) = (rows for title, rows in tables.items() if title.startswith("400 sets"))
    draw_coverage(right, coverage)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(DOCS / "accuracy.png", dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main()
