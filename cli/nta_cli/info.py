"""`nta info`: what is in a file, and what a measurement of it would assume."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nta_cli import options

if TYPE_CHECKING:
    from nta.settings import Settings

_OFFERED = frozenset(
    ("mpp", "fps", "exposure_ms", "temperature_c", "viscosity_mpas", "medium", "instrument", "allow_partial")
)


@click.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@options.measuring_options(without=options.fields_but(_OFFERED))
@options.json_option
@options.debug_option
def info(file: Path, settings: Settings, as_json: bool) -> int:
    """Read a file to its end and say what it holds, what it states, and what would be assumed.

    A video, a folder of images, a table of tracks, a .nano experiment, or an export of NanoSight or ZetaView. Ends with
    1 where it cannot be read.

    \b
      nta info capture.avi
      nta info "harvest 2021-04-01 15-28-16.nano" --json
    """  # noqa: D301  # \b keeps lines as they are
    import nta
    from nta_cli import console

    found = nta.inspect_file(file, settings)
    if as_json:
        click.echo(json.dumps(found.to_dict(), allow_nan=False, ensure_ascii=False, indent=2))
    else:
        console.print_info(found)
    return console.EXIT_CODES[found.status]
