"""`steplog sync`: runs from their folders to the server."""

from __future__ import annotations

import contextlib
import functools
import json
import math
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from steplog import _runs, _settings
from steplog._cli.form import explain, warn_of_damage
from steplog._cli.left_out import LeftOut
from steplog._cli.standing import Server
from steplog._cli.uploads import Uploads
from steplog._errors import SteplogError
from steplog._left_files import take_left_files
from steplog._terminal import count, printable, say
from steplog._writer import take_rests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Show = Callable[[int], None]

# Pause between two looks of `--watch`.
_WATCH_SECS = 2.0


def _check_number(_context: click.Context, _option: click.Parameter, value: float) -> float:
    """Refuse NaN, which lies in every range."""
    if math.isnan(value):
        raise click.BadParameter("must be a number")
    return value


@click.command()
@click.argument("dirs", metavar="DIR...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--base-url", help="The server; STEPLOG_BASE_URL by default.")
@click.option("--api-key", help="The server's key; STEPLOG_API_KEY or the key file by default.")
@click.option(
    "--timeout-secs",
    type=click.FloatRange(min=0, max=1e9, min_open=True),
    default=120.0,
    callback=_check_number,
    show_default=True,
    help="Give a run up after this long without progress.",
)
@click.option(
    "--partial",
    is_flag=True,
    help="Send runs of which a log file is missing or incomplete; all anew when it is back.",
)
@click.option("--watch", is_flag=True, help="Go on with what appears, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per run.")
def sync(
    dirs: tuple[Path, ...],
    *,
    base_url: str | None,
    api_key: str | None,
    timeout_secs: float,
    partial: bool,
    watch: bool,
    as_json: bool,
) -> None:
    """Send runs to the server: run folders, or folders of them.

    What the server has is not sent again. A run that fails does not keep the others back.
    """
    settings = _settings.resolve(None, base_url=base_url, api_key=api_key)
    send = functools.partial(
        _sync_run, settings=settings, timeout_secs=timeout_secs, partial=partial
    )
    if watch:
        _watch(dirs, send, as_json=as_json)
    folders, missing = _find_all(dirs)
    for report in missing:
        _tell(report, as_json=as_json)
    failed = bool(missing)
    for folder in folders:
        report = send(folder)
        _tell(report, as_json=as_json)
        failed |= report["error"] is not None
    if failed:
        raise click.exceptions.Exit(1)


def _tell(report: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(report), flush=True)
    elif report["error"] is None:
        sent, already = report["records_sent"], report["records_already"]
        what = f"{count(sent, 'record')} sent, {already:,} already there"
        print(f"{report['run']}: {what} ({report['dir']})", flush=True)
    if report["error"] is not None:
        say(f"{report['run'] or report['dir']} is not synced: {report['error']}")


def _watch(
    dirs: Sequence[Path], send: Callable[[Path], dict[str, Any]], *, as_json: bool
) -> NoReturn:
    """Send what appears in the folders, again and again; one that fails is tried again later.

    Only what is new is said: records that were sent, and an error that was not there before.
    """
    done: dict[Path, object] = {}
    failed: dict[Path, object] = {}
    while True:
        # A folder may come later.
        for folder in _find_all(dirs)[0]:
            seen = _size_of(folder)
            # What a live process writes into its map may change neither size nor time.
            if done.get(folder) == seen and not _runs.is_live(folder):
                continue
            report = send(folder)
            if report["records_sent"] or report["error"] != failed.get(folder):
                _tell(report, as_json=as_json)
            failed[folder] = report["error"]
            if report["error"] is None:
                done[folder] = seen
        time.sleep(_WATCH_SECS)


def _size_of(folder: Path) -> object:
    """What tells whether a run's logs have changed since nobody writes them."""
    found = []
    for segment in sorted((folder / "wal").glob("*/*.[wr]a[lw]")):  # logs, and what is printed
        with contextlib.suppress(FileNotFoundError):
            stat = segment.stat()
            found.append((segment, stat.st_size, stat.st_mtime_ns))
    return found


def _find_all(dirs: Sequence[Path]) -> tuple[list[Path], list[dict[str, Any]]]:
    """The runs of all folders, each once, and a report on each folder that has none."""
    folders: dict[Path, Path] = {}
    missing = []
    for given in dirs:
        try:
            for folder in _runs.find(given):
                folders.setdefault(folder.resolve(), folder)
        except (SteplogError, OSError) as error:
            missing.append(_report_on(given, error=explain(error)))
    return list(folders.values()), missing


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
        task = progress.add_task(escape(printable(name)), total=total)
        yield lambda done: progress.update(task, completed=done)


def _report_on(folder: Path, error: str | None = None) -> dict[str, Any]:
    return {
        "run": None,
        "dir": str(folder),
        "state": "failed",
        "records_sent": 0,
        "records_already": 0,
        "error": error,
    }


def _sync_run(
    folder: Path, settings: _settings.Settings, timeout_secs: float, *, partial: bool
) -> dict[str, Any]:
    """Send one run, and report on it; failures are in the report."""
    report = _report_on(folder)
    try:
        _, untaken = take_rests(folder)
        if untaken:
            say(
                f"{folder} is a copy: what was printed last, {count(untaken, 'byte')}, is sent "
                "from the folder itself, once nobody writes it any more"
            )
        run = _runs.read(folder)
        if take_left_files(folder, run.writers, say, config=run.log.config()):
            run = _runs.read(folder)
        report["run"] = run.id
        warn_of_damage(run)
        filled = [writer for writer in run.writers if writer["records"]]
        if not filled and run.damage:
            report["error"] = "no record can be read"
        server = Server(settings, timeout_secs)
        left = [LeftOut.of(run, writer, server) for writer in filled]
        gone = [one.dir / name for one in left for name in one.gone]
        if gone and not partial:
            # A server takes a log in order: what is missing now could not be sent later.
            what = "is incomplete" if gone[0].exists() else "is missing"
            report["error"] = f"{gone[0]} {what}: put it back, or send the rest with --partial"
            return report
        for one in left:
            one.note()
        with _progress(run.name, run.records) as show:
            uploads = Uploads(run, server, report, show)
            uploads.send(filled)
            if report["error"] is None:
                anew = uploads.complete(filled)
                left = [one for one in left if one.dir.name not in anew]
                uploads.tell_hidden(filled)
            if report["error"] is None and not partial:
                report["error"] = "; ".join(text for one in left for text in one.told()) or None
    except (SteplogError, OSError) as error:
        report["error"] = explain(error)
    if report["error"] is None:
        report["state"] = "synced"
        _remove_drafts(folder)
    return report


def _remove_drafts(folder: Path) -> None:
    """Remove what killed processes of a run have left of drafts of artifacts."""
    if (folder / "staging").is_dir():
        from steplog.artifacts import drafts  # noqa: PLC0415  # for runs that have some

        drafts.remove_left(folder)
