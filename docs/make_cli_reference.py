"""Write docs/cli.md from what the commands say of themselves with --help."""

from __future__ import annotations

import inspect
from pathlib import Path

import click

from nta_cli.main import COMMANDS, cli

TARGET = Path(__file__).with_name("cli.md")


def reference() -> str:
    """Return the whole reference as Markdown, whatever the width of the terminal."""
    parts = [
        "# Command line",
        "Made by `python docs/make_cli_reference.py` from the `--help` of each command.",
        "Exit codes: 0 measured, also with warnings; 1 an input was rejected or failed; 2 wrong use; 3 the results "
        "store cannot be used; 130 interrupted.",
    ]
    context = click.Context(cli, info_name="nta")
    for name in COMMANDS:
        command = cli.get_command(context, name)
        if command is None:
            raise LookupError(f"nta {name} is listed and cannot be loaded")
        parts += section(command, click.Context(command, info_name=name, parent=context))
    return "\n\n".join(parts) + "\n"


def section(command: click.Command, context: click.Context) -> list[str]:
    """Return the heading, usage, text and options of one command."""
    usage = " ".join(command.collect_usage_pieces(context))
    parts = [f"## {context.command_path}", f"```\n{context.command_path} {usage}\n```"]
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        if paragraph.startswith("\b\n"):  # click's mark for lines that stay as they are
            parts.append("```\n" + inspect.cleandoc(paragraph.removeprefix("\b\n")) + "\n```")
        else:
            parts.append(" ".join(paragraph.split()))
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    rows = [option.get_help_record(context) for option in options]
    lines = [f"| `{cell(names)}` | {prose(text)} |" for names, text in filter(None, rows)]
    return [*parts, "\n".join(["| option | meaning |", "|---|---|", *lines])]


def cell(text: str) -> str:
    """Return text for a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def prose(text: str) -> str:
    """Return text for a cell in which ``<video>`` must not be taken for HTML."""
    return cell(text).replace("<", "&lt;")


if __name__ == "__main__":
    TARGET.write_text(reference(), encoding="utf-8")
