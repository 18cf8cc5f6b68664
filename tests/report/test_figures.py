"""The figure: what it marks, what it says when there is nothing, and that it never varies."""

from dataclasses import replace

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from nta.report import figures, plot_distribution


def _texts(figure: Figure) -> str:
    return " | ".join(text.get_text() for text in figure.findobj(matplotlib.text.Text))


def test_mode_and_quantiles_are_marked_where_they_are(example):
    measurement = example("ok")
    figure = plot_distribution(measurement)
    (axes,) = figure.axes
    lines = {line.get_label().split()[0]: line for line in axes.lines}
    for name in ("d10", "d50", "d90"):
        assert lines[name.upper()].get_xdata()[0] == getattr(measurement.size, name).value
    assert lines["Mode"].get_xdata()[0] == measurement.size.mode.value
    assert "Number-weighted" in axes.get_ylabel()
    assert "(nm)" in axes.get_xlabel()


def test_lines_differ_by_more_than_colour(example):
    (axes,) = plot_distribution(example("ok")).axes
    styles = [line._unscaled_dash_pattern for line in axes.lines if line.get_label().startswith("D")]
    assert len({str(style) for style in styles}) == 4


def test_the_curve_is_the_density_in_percent(example):
    measurement = example("ok")
    (axes,) = plot_distribution(measurement).axes
    curve = next(line for line in axes.lines if line.get_label() == "Density")
    assert np.trapezoid(curve.get_ydata(), curve.get_xdata()) == pytest.approx(100.0, abs=1e-4)


def test_peaks_are_labelled_only_where_there_are_several(example):
    assert "100 nm · 55 %" in _texts(plot_distribution(example("two_peaks")))
    assert "%" not in "".join(t.get_text() for t in plot_distribution(example("ok")).axes[0].texts)


@pytest.mark.parametrize("name", ["blank", "rejected", "nothing"])
def test_without_a_distribution_the_figure_says_so(example, name):
    assert "Nothing was sized" in _texts(plot_distribution(example(name)))


def test_the_axis_shows_nearly_all_particles(example):
    measurement = example("narrow")
    left, right = plot_distribution(measurement).axes[0].get_xlim()
    table = measurement.distribution.table
    inside = table["diameter_nm"].between(left, right)
    shown = np.trapezoid(table.loc[inside, "density_per_nm"], table.loc[inside, "diameter_nm"])
    assert shown > 0.99
    assert right - left >= 100


def test_the_same_bytes_whatever_the_users_style(example):
    expected = figures.figure_png(example("ok")), figures.figure_svg(example("ok"))
    with matplotlib.rc_context({"font.size": 23, "axes.facecolor": "red", "svg.hashsalt": None, "savefig.dpi": 30}):
        assert (figures.figure_png(example("ok")), figures.figure_svg(example("ok"))) == expected


def test_no_date_and_no_program_in_the_files(example):
    png, svg = figures.figure_png(example("ok")), figures.figure_svg(example("ok"))
    assert png.startswith(b"\x89PNG")
    assert b"tEXt" not in png
    assert b"<dc:date>" not in svg
    assert b"<script" not in svg


def test_drawing_leaves_the_global_state_alone(example):
    before = dict(matplotlib.rcParams)
    plot_distribution(example("ok"))
    assert dict(matplotlib.rcParams) == before


def test_a_name_is_text_and_never_mathematics(example):
    measurement = replace(example("ok"), sample="$\\frac{1}{0}$ 試料\n\U0001f9ea " + "y" * 300)
    title = plot_distribution(measurement).axes[0].get_title(loc="left")
    # Letters that the font lacks are numbers: a box would be any of them.
    assert title.startswith("$\\frac{1}{0}$ <U+8A66 U+6599> <U+1F9EA> yyy")
    assert len(title) == 60
    figures.figure_png(measurement)
