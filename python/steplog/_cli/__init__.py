"""The `steplog` command: its group, and how errors and closed pipes end it."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from steplog._cli import artifact, local, serve, sync, verify
from steplog._cli.form import explain, one_line
from steplog._errors import SteplogError
from steplog._terminal import say
from steplog._writer import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

_INTERRUPTED = 128 + signal.SIGINT
_PIPE_CLOSED = 128 + signal.SIGPIPE
_LAST_STREAM = 2


class _Group(click.Group):
    """Turns everything that can go wrong into one line on stderr and an exit code."""

    def main(self, *args: Any, **extra: Any) -> Any:  # noqa: ANN401  # click's own signature
        """Run the command and end the process: 0, 1 for a failure, 2 for wrong usage."""
        extra["standalone_mode"] = False
        sys.exit(_run(lambda: super(_Group, self).main(*args, **extra)))

    def invoke(self, ctx: click.Context) -> object:
        """Run the chosen command; click has other codes for a closed pipe and for Ctrl-C."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            ctx.exit(_PIPE_CLOSED)
        except KeyboardInterrupt:
            ctx.exit(_INTERRUPTED)
        return result


def _run(command: Callable[[], object]) -> int:
    """Run a command, and say in one line what was wrong with it."""
    code, message = 0, ""
    try:
        result = command()
        code = result if isinstance(result, int) else 0
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = error.exit_code
    except click.ClickException as error:
        code, message = error.exit_code, one_line(error.format_message())
    except (click.Abort, KeyboardInterrupt):
        code = _INTERRUPTED
    except BrokenPipeError:
        code = _PIPE_CLOSED
    except (SteplogError, OSError) as error:
        code, message = 1, explain(error)
    if message:
        say(message)
    _abandon_stdout()
    return code


def _abandon_stdout() -> None:
    """Let what cannot be written go nowhere, where it would end in a traceback at exit."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="steplog", message="%(prog)s %(version)s")
def cli() -> None:
    """Record experiments, and see them."""


for command in (serve.server, serve.login_link, sync.sync, local.ls, local.cat, verify.verify):
    cli.add_command(command)
cli.add_command(artifact.artifact)


def _nowhere() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")


def _fill_streams() -> None:
    """Open nothing of ours under the number of a stream that is closed: libraries print to it."""
    while True:
        opened = os.open(os.devnull, os.O_RDWR)
        if opened > _LAST_STREAM:
            os.close(opened)
            return


def main() -> None:
    """Run the command line."""
    _fill_streams()
    # Python has no file for what the shell closed (`>&-`): what goes there goes nowhere.
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # What a terminal cannot show is spelled, and what says that it knows ASCII gets UTF-8: the
        # rows that `cat` prints are JSON, whatever the locale.
        is_ascii = codecs.lookup(sys.stdout.encoding).name == "ascii"
        sys.stdout.reconfigure(encoding="utf-8" if is_ascii else None, errors="backslashreplace")
    cli.main(prog_name="steplog")
