"""`nta trends`: an attribute of the samples in a store over time, and where it leaves what a stated lot allows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from nta_cli import options
from nta_cli.records import store_argument

if TYPE_CHECKING:
    from nta.report.lot import Trend


@click.command()
@store_argument
@click.option(
    "--attribute",
    default="d50_nm",
    show_default=True,
    metavar="NAME",
    help="mode_nm, d10_nm, d50_nm, d90_nm, span, measured_per_ml or stock_per_ml.",
)
@click.option(
    "--role",
    type=click.Choice(["sample", "beads", "blank", "pool", "fluorescence"]),
    default="sample",
    show_default=True,
    help="Which samples are followed.",
)
@click.option("--baseline", "baseline_lot", metavar="LOT", help="Lot that is stated to be good: it gives the limits.")
@click.option(
    "--ewma-weight",
    type=click.FloatRange(0.0, 1.0, min_open=True),
    default=0.2,
    show_default=True,
    help="Weight of the newest value in the moving average.",
)
@options.json_option
@options.debug_option
def trends(
    location: str, attribute: str, role: str, baseline_lot: str | None, ewma_weight: float, as_json: bool
) -> int:
    """Follow an attribute over the days and lots of a store; name the rule at each point that breaks one.

    Individuals, moving range and EWMA charts with limits from the baseline lot, and Nelson's eight rules. Without a
    baseline the values alone are listed. An analysis that is excluded, rejected or failed has no value.

    \b
      nta trends nta.sqlite --baseline LOT-7
      nta trends nta.sqlite --attribute d50_nm --role beads --baseline LOT-7 --json
    """  # noqa: D301  # \b keeps lines as they are
    from nta.batch.recorded import of_lot, recorded_samples
    from nta.batch.trending import trend_of
    from nta.report.lot.numbers import trend_document
    from nta.store import Store
    from nta.trends import Ewma

    store = Store.open(location, read_only=True)
    baseline = () if baseline_lot is None else of_lot(store, baseline_lot)
    found = trend_of(recorded_samples(store), attribute, role, baseline, Ewma(ewma_weight))
    if as_json:
        document = {"schema": "nta.trend/1", **trend_document(found)}
        click.echo(json.dumps(document, allow_nan=False, ensure_ascii=False, indent=2))
    else:
        _print(found)
    return 0


def _print(found: Trend) -> None:
    from rich.table import Table

    from nta.errors import printable
    from nta_cli.console import make_console, number_text

    series, chart = found.series, found.chart
    console = make_console()
    unit = f", {series.unit}" if series.unit else ""
    table = Table(title=f"{series.attribute}{unit}", title_justify="left", header_style="bold")
    for heading in ("day", "record", "value", "moving range", "EWMA", "what it breaks"):
        table.add_column(heading, justify="right" if heading in ("value", "moving range", "EWMA") else "left")
    if chart is None:
        for at in series.points:
            table.add_row(printable(at.place), printable(at.record), number_text(at.value, ".4g"), "", "", "")
        console.print(table)
        console.print("no baseline is stated, so there are no limits; name a lot with --baseline")
        return
    for at, one in zip(series.measured, chart.points, strict=True):
        numbers = (number_text(number, ".4g") for number in (one.value, one.moving_range, one.ewma))
        table.add_row(printable(at.place), printable(one.record), *numbers, "; ".join(one.reasons))
    console.print(table)
    provisional = "; fewer than 20: provisional" if chart.baseline.is_provisional else ""
    console.print(
        f"limits {chart.low:.4g} to {chart.high:.4g}, centre {chart.centre:.4g}, from {len(chart.baseline.records)} "
        f"records{provisional}; {len(chart.signals)} of {len(chart.points)} points break a rule"
    )
    for record in series.missing:
        console.print(f"no value: {printable(record)}")
