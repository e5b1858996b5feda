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

from steplog import _closing, _keys, _runs, _settings
from steplog._cli.form import explain, warn_of_damage
from steplog._cli.left_out import LeftOut
from steplog._errors import SteplogError
from steplog._terminal import count, printable, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from steplog._writer import SyncJob

    Show = Callable[[int], None]

# Longest wait for the upload's thread before Ctrl-C and the progress bar are looked after.
_LOOK_SECS = 0.1
# Time that an upload may take in all: the time without progress ends it long before.
_UPLOAD_SECS = 30 * 86_400.0
# Uploads of one run at a time: enough to hide the way to the server, little for the server.
_UPLOADS = 8
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
    help="Send runs of which a log file is missing or incomplete; it cannot be sent later then.",
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
    for segment in sorted((folder / "wal").glob("*/*.wal")):
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
        run = _runs.read(folder)
        report["run"] = run.id
        warn_of_damage(run)
        filled = [writer for writer in run.writers if writer["records"]]
        if not filled and run.damage:
            report["error"] = "no record can be read"
        left = [LeftOut.of(run, writer, settings, timeout_secs=timeout_secs) for writer in filled]
        gone = [one.dir / name for one in left for name in one.gone]
        if gone and not partial:
            # A server takes a log in order: what is missing now could not be sent later.
            what = "is incomplete" if gone[0].exists() else "is missing"
            report["error"] = f"{gone[0]} {what}: put it back, or send the rest with --partial"
            return report
        for one in left:
            one.note()
        with _progress(run.name, run.records) as show:
            for at in range(0, len(filled), _UPLOADS):
                some = filled[at : at + _UPLOADS]
                _sync_writers(
                    run, some, settings, timeout_secs=timeout_secs, report=report, show=show
                )
            _subtract(left, report, partial=partial)
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
            ca_file=settings.ca_file or None,
            keys_file=_keys.keys_file(),
            timeout_secs=_UPLOAD_SECS,
            start=run.stand_in(writer),
            revive=True,
        )
        for writer in writers
    ]
    before = int(report["records_sent"]) + int(report["records_already"])
    records = sum(int(writer["records"]) for writer in writers)
    progressing = _wait(jobs, timeout_secs, lambda sent: show(before + sent))
    if progressing:
        show(before + records)  # also those that were there already
    for writer, job in zip(writers, jobs, strict=True):
        status: dict[str, Any] = job.status()
        report["records_sent"] += status["sent"]
        # A folder that cannot be written only forgets how far the server is.
        with contextlib.suppress(OSError):
            _closing.note_cursor(run.dir, writer["writer"], status)
        if status["acknowledged"] >= writer["last"]:
            # What came from another upload meanwhile may have been sent by both.
            report["records_already"] += max(0, writer["records"] - status["sent"])
        else:
            reason = status["upload_reason"]
            if not progressing:
                reason = f"no progress for {timeout_secs:g} s ({reason or 'the server is silent'})"
            report["error"] = f"{reason or 'not everything was taken'}: {settings.base_url}"


def _subtract(left: Iterable[LeftOut], report: dict[str, Any], *, partial: bool) -> None:
    """Take what a server is past without having it out of the report on a run that has gone well.

    A file that is missing is no error where that is asked for; one that has come back is.
    """
    if report["error"] is not None:
        return
    said: list[str] = []
    for one in left:
        records, lacks = one.lacking(partial=partial)
        report["records_already"] = max(0, report["records_already"] - records)
        said += lacks
    if said:
        report["error"] = "; ".join(said)


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
