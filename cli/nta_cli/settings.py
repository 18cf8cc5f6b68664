"""`nta settings`: write a commented settings file, or check one."""

from __future__ import annotations

from pathlib import Path

import click

from nta_cli import options


@click.command()
@click.option("--template", is_flag=True, help="Print a settings file with every setting, commented out.")
@click.option(
    "--check",
    "to_check",
    type=click.Path(path_type=Path),
    metavar="FILE.toml",
    help="Say what is wrong with a file.",
)
@options.debug_option
def settings(template: bool, to_check: Path | None) -> None:
    """Write or check a settings file.

    \b
      nta settings --template > my.toml
      nta settings --check my.toml
      nta analyze capture.avi --settings my.toml
    """  # noqa: D301  # \b keeps lines as they are
    if template == (to_check is not None):
        raise click.UsageError("give --template or --check FILE.toml, and only one of them")
    if to_check is None:
        click.echo(template_text(), nl=False)
        return
    checked = options.settings_from(to_check, {})
    stated = sorted(checked.model_fields_set)
    click.echo(f"{to_check}: {', '.join(f'{name} = {getattr(checked, name)}' for name in stated) or 'sets nothing'}")


def template_text() -> str:
    """Return a TOML file in which every setting is explained and commented out."""
    lines = ["# Settings of nta. Remove the # before a line to set it; the values are examples.", ""]
    for option in options.SETTING_OPTIONS:
        lines += [f"# {option.help}", f"# {option.field} = {option.example}", ""]
    return "\n".join(lines[:-1]) + "\n"
