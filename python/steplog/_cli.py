"""The `steplog` command."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

import click

from steplog import _runs, _settings
from steplog._errors import ServerError, SteplogError, StorageError, UsageError
from steplog._terminal import say
from steplog._writer import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from steplog._writer import SyncJob

    Show = Callable[[int], None]

# Longest wait for the upload's thread before Ctrl-C and the progress bar are looked after.
_LOOK_SECS = 0.1
# Time that an upload may take in all: the time without progress ends it long before.
_UPLOAD_SECS = 30 * 86_400.0
# Uploads of one run at a time: enough to hide the way to the server, little for the server.
_UPLOADS = 8
_REQUEST_SECS = 30
_INTERRUPTED = 128 + signal.SIGINT
_PIPE_CLOSED = 128 + signal.SIGPIPE


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
        code, message = error.exit_code, _one_line(error.format_message())
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


def _one_line(text: str) -> str:
    return " ".join(text.split())


def explain(error: Exception) -> str:
    """The error in one line: what failed, why, where."""
    if isinstance(error, OSError) and not isinstance(error, SteplogError):
        reason = error.strerror or str(error) or type(error).__name__
        where = f": {error.filename}" if error.filename else ""
        return _one_line(f"{reason}{where}")
    if isinstance(error, StorageError) and error.strerror:
        return _one_line(error.strerror)
    return _one_line(str(error)) or type(error).__name__


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="steplog", message="%(prog)s %(version)s")
def cli() -> None:
    """Record experiments, and see them."""


# ---- sync ----------------------------------------------------------------------------------


@cli.command()
@click.argument("dirs", metavar="DIR...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--base-url", help="The server; STEPLOG_BASE_URL by default.")
@click.option("--api-key", help="The server's key; STEPLOG_API_KEY or the key file by default.")
@click.option(
    "--timeout-secs",
    type=click.FloatRange(min=0, min_open=True),
    default=120.0,
    show_default=True,
    help="Give a run up after this long without progress.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per run.")
def sync(
    dirs: tuple[Path, ...],
    *,
    base_url: str | None,
    api_key: str | None,
    timeout_secs: float,
    as_json: bool,
) -> None:
    """Send runs to the server: run folders, or folders of them.

    What the server has is not sent again. A run that fails does not keep the others back.
    """
    settings = _settings.resolve(None, base_url=base_url, api_key=api_key)
    folders, failed = _find_all(dirs)
    for folder in folders:
        report = _sync_run(folder, settings, timeout_secs)
        failed |= report["error"] is not None
        if as_json:
            print(json.dumps(report), flush=True)
        elif report["error"] is None:
            sent, already = report["records_sent"], report["records_already"]
            what = f"{_count(sent, 'record')} sent, {already:,} already there"
            print(f"{report['run']}: {what} ({folder})", flush=True)
        if report["error"] is not None:
            say(f"{report['run'] or folder} is not synced: {report['error']}")
    if failed:
        raise click.exceptions.Exit(1)


def _find_all(dirs: Sequence[Path]) -> tuple[list[Path], bool]:
    """The runs of all folders, each once, and whether a folder had none."""
    folders: dict[Path, Path] = {}
    failed = False
    for given in dirs:
        try:
            for folder in _runs.find(given):
                folders.setdefault(folder.resolve(), folder)
        except (SteplogError, OSError) as error:
            say(explain(error))
            failed = True
    return list(folders.values()), failed


@contextlib.contextmanager
def _progress(name: str, total: int) -> Iterator[Show]:
    """A progress bar on stderr, where that is a terminal: gives show(records done)."""
    if not sys.stderr.isatty():
        yield lambda _done: None
        return
    from rich.console import Console  # noqa: PLC0415  # slow to import, and only for terminals
    from rich.markup import escape  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    # Redirected, our own stdout would end up on stderr as well.
    with Progress(
        *columns,
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as progress:
        task = progress.add_task(escape(_printable(name)), total=total)
        yield lambda done: progress.update(task, completed=done)


def _sync_run(folder: Path, settings: _settings.Settings, timeout_secs: float) -> dict[str, Any]:
    """Send one run, and report on it; failures are in the report."""
    report: dict[str, Any] = {
        "run": None,
        "dir": str(folder),
        "state": "failed",
        "records_sent": 0,
        "records_already": 0,
        "error": None,
    }
    try:
        run = _runs.read(folder)
        report["run"] = run.id
        _warn_of_damage(run)
        filled = [writer for writer in run.writers if writer["records"]]
        if not filled and run.damage:
            report["error"] = "no record can be read"
        with _progress(run.name, run.records) as show:
            for at in range(0, len(filled), _UPLOADS):
                some = filled[at : at + _UPLOADS]
                _sync_writers(
                    run, some, settings, timeout_secs=timeout_secs, report=report, show=show
                )
    except (SteplogError, OSError) as error:
        report["error"] = explain(error)
    if report["error"] is None:
        report["state"] = "synced"
    return report


def _sync_writers(
    run: _runs.LocalRun,
    writers: list[dict[str, Any]],
    settings: _settings.Settings,
    *,
    timeout_secs: float,
    report: dict[str, Any],
    show: Show,
) -> None:
    """Upload some writers' logs at the same time, and add to the report."""
    jobs = [
        run.log.sync(
            writer["writer"],
            base_url=settings.base_url,
            entity=run.identity["entity"],
            project=run.identity["project"],
            run=run.id,
            api_key=settings.api_key,
            keys_file=_settings.keys_file(),
            timeout_secs=_UPLOAD_SECS,
        )
        for writer in writers
    ]
    before = int(report["records_sent"]) + int(report["records_already"])
    progressing = _wait(jobs, timeout_secs, lambda sent: show(before + sent))
    for writer, job in zip(writers, jobs, strict=True):
        status: dict[str, Any] = job.status()
        report["records_sent"] += status["sent"]
        if status["server"]:
            _note_cursor(run.writer_dir(writer["writer"]), status)
        if status["acknowledged"] >= writer["last"]:
            # What came from another upload meanwhile may have been sent by both.
            report["records_already"] += max(0, writer["records"] - status["sent"])
        else:
            reason = status["upload_reason"]
            if not progressing:
                reason = f"no progress for {timeout_secs:g} s ({reason or 'the server is silent'})"
            report["error"] = f"{reason or 'not everything was taken'}: {settings.base_url}"


def _wait(jobs: list[SyncJob], timeout_secs: float, show: Show) -> bool:
    """Wait for the uploads; false when they have stopped moving before their end."""
    moved_at, moved = time.monotonic(), -1
    for job in jobs:
        while not job.wait(_LOOK_SECS):
            sent = _total(jobs, "sent")
            show(sent)
            acknowledged = _total(jobs, "acknowledged")
            if acknowledged != moved:
                moved_at, moved = time.monotonic(), acknowledged
            elif time.monotonic() - moved_at > timeout_secs:
                return False
    show(_total(jobs, "sent"))
    return True


def _total(jobs: list[SyncJob], what: str) -> int:
    statuses: list[dict[str, Any]] = [job.status() for job in jobs]
    return sum(int(status[what]) for status in statuses)


def _note_cursor(writer_dir: Path, status: dict[str, Any]) -> None:
    """Remember how far the server is; a folder that cannot be written only forgets it."""
    with contextlib.suppress(OSError):
        _runs.write_cursor(writer_dir, status["server"], status["acknowledged"])


def _warn_of_damage(run: _runs.LocalRun) -> None:
    for path, offset, what in run.damage:
        say(f"warning: damage in the log: {what} at byte {offset} of {path}")


# ---- ls, cat -------------------------------------------------------------------------------


@cli.command()
@click.argument("dir", default="steplog-runs", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per run.")
def ls(dir: Path, *, as_json: bool) -> None:
    """List the runs in a folder, ./steplog-runs by default."""
    failed = False
    entries = []
    for folder in _runs.find(dir):
        try:
            entry = _entry(_runs.read(folder))
        except (SteplogError, OSError) as error:
            say(explain(error))
            failed = True
            continue
        if as_json:
            print(json.dumps(entry), flush=True)
        entries.append(entry)
    if not as_json:
        _print_table(sorted(entries, key=lambda entry: entry["started"] or 0.0))
    if failed:
        raise click.exceptions.Exit(1)


def _entry(run: _runs.LocalRun) -> dict[str, Any]:
    state, exit_code = run.state()
    return {
        "run": run.id,
        "name": run.name,
        "entity": run.identity["entity"],
        "project": run.identity["project"],
        "state": state,
        "exit_code": exit_code,
        "rows": run.log.row_count,
        "synced": run.synced(),
        "damaged": bool(run.damage),
        "started": run.started,
        "dir": str(run.dir),
    }


def _print_table(entries: list[dict[str, Any]]) -> None:
    head = ["RUN", "NAME", "PROJECT", "STATE", "ROWS", "SYNCED", "STARTED"]
    lines = [
        [
            _printable(entry["run"]),
            _printable(entry["name"]),
            _printable(entry["project"]),
            entry["state"] + (" (damaged)" if entry["damaged"] else ""),
            f"{entry['rows']:,}",
            "yes" if entry["synced"] else "no",
            _local_time(entry["started"]),
        ]
        for entry in entries
    ]
    if sys.stdout.isatty():
        _print_rich(head, lines)
        return
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
    for line in [head, *lines]:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip())


def _print_rich(head: list[str], lines: list[list[str]]) -> None:
    from rich.console import Console  # noqa: PLC0415  # slow to import, and only for terminals
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    colours = {"running": "blue", "finished": "green", "failed": "red", "crashed": "red"}
    table = Table(box=None, pad_edge=False)
    for name in head:
        justify: Literal["left", "right"] = "right" if name == "ROWS" else "left"
        # On a narrow terminal the names give way.
        shrinks = name in {"NAME", "PROJECT"}
        width = None if shrinks else max(len(line[len(table.columns)]) for line in [head, *lines])
        table.add_column(name, justify=justify, no_wrap=not shrinks, min_width=width)
    for line in lines:
        cells = [Text(cell) for cell in line]
        cells[3].stylize(colours.get(line[3].split()[0], ""))
        table.add_row(*cells)
    Console().print(table)


def _printable(text: object) -> str:
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in str(text)
    )


def _local_time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


@cli.command()
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option("--summary", "what", flag_value="summary", help="Print the summary instead.")
@click.option("--config", "what", flag_value="config", help="Print the config instead.")
def cat(run_dir: Path, what: str | None) -> None:
    """Print a run's rows as JSON lines.

    Damage in the log is reported on stderr and gives exit code 1; everything around it is printed.
    """
    # A logged integer may have more digits than Python converts unasked.
    sys.set_int_max_str_digits(0)
    run = _runs.read(run_dir)
    _warn_of_damage(run)
    failed = bool(run.damage)
    if what is not None:
        print(json.dumps(run.log.summary() if what == "summary" else run.log.config()))
    else:
        failed |= not _print_rows(run)
    if failed:
        raise click.exceptions.Exit(1)


def _print_rows(run: _runs.LocalRun) -> bool:
    """Print the rows; false when one could not be read."""
    rows = run.log.rows()
    write, readable = sys.stdout.write, True
    # One more turn than there are rows: the one that finds the end.
    for _ in range(run.log.row_count + 1):
        try:
            row = next(rows)
        except StopIteration:
            break
        except StorageError as error:
            say(f"warning: a row is left out: {explain(error)}")
            readable = False
            continue
        write(json.dumps(row) + "\n")
    return readable


# ---- the server ----------------------------------------------------------------------------


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=7837,
    show_default=True,
    help="Port to listen at; 0 takes any that is free.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Folder of the data; ~/.local/share/steplog by default.",
)
def server(host: str, port: int, data: Path | None) -> None:
    """Run the server until it is interrupted."""
    try:
        run_server = importlib.import_module("steplog.server.app").run_server
    except ModuleNotFoundError as error:
        raise ServerError(
            f"the server cannot start, {error.name} is missing: pip install 'steplog[server]'"
        ) from error
    run_server(host=host, port=port, data=data or Path.home() / ".local" / "share" / "steplog")


@cli.command("login-link")
@click.option("--base-url", help="The server; STEPLOG_BASE_URL by default.")
@click.option("--api-key", help="The server's key; STEPLOG_API_KEY or the key file by default.")
def login_link(base_url: str | None, api_key: str | None) -> None:
    """Print a link that logs a browser in, once."""
    settings = _settings.resolve(None, base_url=base_url, api_key=api_key)
    base = settings.base_url.rstrip("/")
    key = settings.api_key or _settings.key_from_file(base)
    if not base.startswith(("http://", "https://")):
        raise UsageError(f"the server's address must begin with http:// or https://, got {base!r}")
    answer = _post(f"{base}/api/v1/login-links", key)
    link = answer.get("url") if isinstance(answer, dict) else None
    if not isinstance(link, str):
        raise ServerError(f"the answer holds no link: {base}")
    print(link)


def _post(url: str, key: str) -> object:
    """Send an empty request with the key, and read the JSON answer.

    Raises:
        ServerError: The server refused, could not be reached, or answered something else.
    """
    from http.client import HTTPException  # noqa: PLC0415  # 20 ms that other commands need not wait
    from urllib.error import HTTPError, URLError  # noqa: PLC0415
    from urllib.request import Request, urlopen  # noqa: PLC0415

    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    try:
        request = Request(url, data=b"{}", headers=headers, method="POST")  # noqa: S310  # checked by the caller
        with urlopen(request, timeout=_REQUEST_SECS) as answer:  # noqa: S310
            return json.loads(answer.read())
    except HTTPError as error:
        raise ServerError(f"the server refused: {_problem(error.read(), error)}: {url}") from None
    except URLError as error:
        raise ServerError(f"the server cannot be reached: {error.reason}: {url}") from None
    except (OSError, HTTPException) as error:
        raise ServerError(f"the server cannot be reached: {error}: {url}") from None
    except ValueError as error:
        raise ServerError(f"the server cannot be understood: {error}: {url}") from None


def _problem(body: bytes, error: Exception) -> str:
    """What the problem document says, or the status."""
    with contextlib.suppress(ValueError, AttributeError):
        problem = json.loads(body)
        said = problem.get("detail") or problem.get("title")
        if said:
            return str(said)
    return str(error)


def _nowhere() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")


def main() -> None:
    """Run the command line."""
    # Python has no file for what the shell closed (`>&-`): what goes there goes nowhere.
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    cli.main(prog_name="steplog")


if __name__ == "__main__":
    main()
