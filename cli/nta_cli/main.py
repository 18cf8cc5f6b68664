"""The command `nta`: a group whose commands are loaded when they are used.

Only click and the error classes are imported here, so that ``nta --help`` answers at once. What every command
shares lives here too: exit codes and one-line errors.
"""

from __future__ import annotations

import errno
import gc
import importlib
import sys
import traceback
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, NamedTuple

import click

from nta import __version__
from nta.errors import NTAError, StoreError, UsageError, printable

DEBUG: Final = "nta_cli.debug"
"""Key of click's shared ``meta`` under which ``--debug`` is remembered."""

EXIT_REJECTED: Final = 1
EXIT_USAGE: Final = 2
EXIT_STORE: Final = 3
EXIT_INTERRUPTED: Final = 130


class LazyCommand(NamedTuple):
    """Where a command lives, and what the list of commands says of it."""

    module: str
    attribute: str
    short_help: str


COMMANDS: Final[dict[str, LazyCommand]] = {
    "analyze": LazyCommand("nta_cli.analyze", "analyze", "Measure one sample: a video, or several captures of it."),
    "batch": LazyCommand(
        "nta_cli.batch", "batch", "Measure the samples of a manifest; particles per day and their sum."
    ),
    "watch": LazyCommand("nta_cli.watch", "watch", "Measure captures as an instrument writes them into a folder."),
    "report": LazyCommand("nta_cli.report", "report", "Write the report of a lot, or of days, from a store."),
    "trends": LazyCommand(
        "nta_cli.trends", "trends", "Follow an attribute over the samples of a store; control charts."
    ),
    "list": LazyCommand("nta_cli.records", "list_records", "List the samples of a results store."),
    "show": LazyCommand("nta_cli.records", "show", "Show what is on record of one measurement."),
    "mark": LazyCommand("nta_cli.records", "mark", "Exclude a measurement, or include it again, with a reason."),
    "verify": LazyCommand("nta_cli.records", "verify", "Walk the audit chain of a store."),
    "calibrate": LazyCommand("nta_cli.calibrate", "calibrate", "Calibrate the depth in view from captures of beads."),
    "export": LazyCommand("nta_cli.export", "export", "Write a result, or the records of a store, for other programs."),
    "import": LazyCommand("nta_cli.imports", "import_", "Read results of NanoSight and ZetaView; compare them."),
    "compare": LazyCommand("nta_cli.compare", "compare", "Say what two samples or groups differ by."),
    "info": LazyCommand("nta_cli.info", "info", "Say what is in a file, and what would be assumed."),
    "settings": LazyCommand("nta_cli.settings", "settings", "Write or check a settings file."),
    "simulate": LazyCommand("nta_cli.simulate", "simulate", "Make a scatter video with known truth."),
    "demo": LazyCommand("nta_cli.demo", "demo", "Simulate a campaign of four days, measure it, and write its report."),
}


def print_error(message: str) -> None:
    """Print an error to stderr, with control characters other than the newline shown, never sent."""
    lines = [printable(line) for line in message.split("\n")]
    click.echo("Error: " + "\n".join(lines), err=True)


class LazyGroup(click.Group):
    """A click group that lists its commands from :data:`COMMANDS` and imports the one that is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """Return the names of all commands, in the order of the help page."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import and return a command, or ``None`` for a name that is not known."""
        if cmd_name not in COMMANDS:
            return None
        entry = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(entry.module), entry.attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.short_help) for name, entry in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say in one line which ones there are."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            raise click.UsageError(f"no such command {name!r}; there are {', '.join(COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  # click's signature
        """Run the command and turn a known error into one line and an exit code."""
        try:
            return super().invoke(ctx)
        except (NTAError, OSError) as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise  # the reader of a pipe has gone; click ends quietly
            if ctx.meta.get(DEBUG):
                traceback.print_exc()
            print_error(str(error))
            return _exit_code(error)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401  # click's signature
        """Run the program; a command may return its exit code."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        _accept_any_terminal()
        if args is None:  # the program itself, not a test that calls it
            sys.excepthook = _report_breakdown
            _collect_seldom()
        try:
            code = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except click.ClickException as error:
            _print_click_error(error)
            code = error.exit_code
        except click.Abort:
            print_error("interrupted")
            code = EXIT_INTERRUPTED
        sys.exit(code if isinstance(code, int) else 0)


def _collect_seldom() -> None:
    """Let Python look for garbage a hundredth as often.

    Imports alone make a quarter of a million objects that stay, and looking through them took 0.3 s of an analysis.
    Garbage that holds itself is some hundred objects a figure or table; arrays are returned as soon as nobody has them.
    """
    first, *others = gc.get_threshold()
    gc.set_threshold(100 * first, *others)


def _exit_code(error: Exception) -> int:
    if isinstance(error, StoreError):
        return EXIT_STORE
    return EXIT_USAGE if isinstance(error, UsageError) else EXIT_REJECTED


def _accept_any_terminal() -> None:
    """Let a terminal that cannot show µ or ± print a question mark rather than break."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def _print_click_error(error: click.ClickException) -> None:
    """Print what is wrong with the command line and where help is, in one line."""
    context = getattr(error, "ctx", None)
    program = context.command_path if context is not None else "nta"
    print_error(f"{error.format_message().rstrip('.')} (see {program} --help)".replace("\n", " "))


def _report_breakdown(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print a fault of the program itself in one line; the trace is for ``--debug``."""
    if "--debug" in sys.argv:
        traceback.print_exception(kind, error, trace)
    last = traceback.extract_tb(trace)[-1] if trace is not None else None
    where = f" in {last.name}, line {last.lineno}" if last is not None else ""
    print_error(f"nta broke down: {kind.__name__}{where}: {error}; run again with --debug and report the trace")


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    invoke_without_command=True,
)
@click.version_option(__version__, prog_name="nta", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Nanoparticle tracking analysis: from scatter videos to sizes, concentrations and daily yields.

    `nta COMMAND --help` explains a command. Exit codes: 0 measured (also with warnings), 1 an input was
    rejected or failed, 2 wrong use, 3 the results store cannot be used, 130 interrupted.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(EXIT_USAGE)
