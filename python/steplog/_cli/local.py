"""`steplog ls` and `steplog cat`: what is in run folders, without a server."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any, Literal

import click

from steplog import _runs
from steplog._cli.form import explain, warn_of_damage
from steplog._errors import SteplogError, StorageError
from steplog._states import LIVE
from steplog._terminal import printable, say

_LEAST_WIDTHS = {"NAME": 6, "PROJECT": 7, "STATE": 10, "STARTED": 10}

_MOST_PADDED = 40
"""Columns that a cell is padded to where the output is no terminal; a longer one is whole."""


@click.command()
@click.argument("dir", required=False, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per run.")
def ls(dir: Path | None, *, as_json: bool) -> None:
    """List the runs in a folder, by default in steplog-runs below STEPLOG_DIR, or right here."""
    failed = False
    entries = []
    for folder in _runs.find(dir or _runs.default_folder(), may_be_none=True):
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
        "synced_in_part": run.synced_in_part(),
        "damaged": bool(run.damage),
        "torn": bool(run.torn),
        "started": run.started,
        "dir": str(run.dir),
    }


def _print_table(entries: list[dict[str, Any]]) -> None:
    head = ["RUN", "NAME", "PROJECT", "STATE", "ROWS", "SYNCED", "STARTED"]
    lines = [
        [
            printable(entry["run"]),
            printable(entry["name"]),
            printable(entry["project"]),
            entry["state"] + _remark(entry),
            f"{entry['rows']:,}",
            _synced(entry),
            _local_time(entry["started"]),
        ]
        for entry in entries
    ]
    if sys.stdout.isatty():
        _print_rich(head, lines)
        return
    # One long name must not push all other rows' columns away.
    widths = [min(max(map(len, column)), _MOST_PADDED) for column in zip(head, *lines, strict=True)]
    for line in [head, *lines]:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip())


def _synced(entry: dict[str, Any]) -> str:
    if entry["synced_in_part"]:
        return "in part"
    return "yes" if entry["synced"] else "no"


def _remark(entry: dict[str, Any]) -> str:
    if entry["damaged"]:
        return " (damaged)"
    return " (torn tail)" if entry["torn"] else ""


def _print_rich(head: list[str], lines: list[list[str]]) -> None:
    from rich.console import Console  # noqa: PLC0415  # slow to import, and only for terminals
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    colours = {"finished": "green", "failed": "red", "crashed": "red"}
    colours |= dict.fromkeys(LIVE, "blue")
    table = Table(box=None, pad_edge=False)
    for number, name in enumerate(head):
        justify: Literal["left", "right"] = "right" if name == "ROWS" else "left"
        widest = max(len(line[number]) for line in [head, *lines])
        # On a narrow terminal names are folded, and the others broken between their words.
        least = min(widest, _LEAST_WIDTHS.get(name, widest))
        table.add_column(
            name, justify=justify, no_wrap=least == widest, min_width=least, overflow="fold"
        )
    for line in lines:
        cells = [Text(cell) for cell in line]
        cells[3].stylize(colours.get(line[3].split()[0], ""))
        table.add_row(*cells)
    Console().print(table)


def _local_time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


@click.command()
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option("--summary", is_flag=True, help="Print the summary instead.")
@click.option("--config", is_flag=True, help="Print the config instead.")
def cat(run_dir: Path, *, summary: bool, config: bool) -> None:
    """Print a run's rows as JSON lines.

    Damage in the log is reported on stderr and gives exit code 1; everything around it is printed.
    A last record that was cut off is reported too, and is no damage. The rows that a fork took over
    are in the folder of the run that it was forked from.
    """
    if summary and config:
        raise click.UsageError("--summary and --config exclude each other")
    # A logged integer may have more digits than Python converts unasked.
    sys.set_int_max_str_digits(0)
    run = _runs.read(run_dir)
    warn_of_damage(run)
    failed = bool(run.damage)
    if summary or config:
        print(json.dumps(run.log.summary() if summary else run.log.config()))
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
