"""`steplog verify`: whether everything in a run's folder is as it was written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from steplog import _runs
from steplog._cli.form import cut_off, explain
from steplog._errors import SteplogError
from steplog._terminal import count, printable, say


@click.command()
@click.argument("dir", required=False, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per run.")
def verify(dir: Path | None, *, as_json: bool) -> None:
    """Read every record of a run, or of all runs in a folder, and say what is damaged.

    The folder is by default steplog-runs below STEPLOG_DIR, or right here. Ends with 1 when
    anything is damaged. What a kill or a power failure has left of a last record that was being
    written, a torn tail, is told, and no damage.
    """
    failed = False
    for folder in _runs.find(dir or _runs.default_folder()):
        try:
            report = _report(_runs.read(folder))
        except (SteplogError, OSError) as error:
            say(f"{folder}: {explain(error)}")
            failed = True
            continue
        failed |= bool(report["damage"])
        if as_json:
            print(json.dumps(report), flush=True)
        else:
            _print(report)
    if failed:
        raise click.exceptions.Exit(1)


def _report(run: _runs.LocalRun) -> dict[str, Any]:
    state, exit_code = run.state()
    return {
        "run": run.id,
        "dir": str(run.dir),
        "state": state,
        "exit_code": exit_code,
        "rows": run.log.row_count,
        "synced": run.synced(),
        "synced_in_part": run.synced_in_part(),
        "writers": [
            {
                "writer": writer["writer"],
                "label": writer["label"],
                "records": writer["records"],
                "last_step": writer["last_step"] if writer["last_step"] >= 0 else None,
                "live": writer["live"],
                "exit_code": writer["exit_code"],
            }
            for writer in run.writers
        ],
        "torn": [
            {"file": path, "offset": offset, "bytes": size} for path, offset, size in run.torn
        ],
        "damage": [
            {"file": path, "offset": offset, "what": what} for path, offset, what in run.damage
        ],
    }


def _print(report: dict[str, Any]) -> None:
    verdict = "torn tail" if report["torn"] else "sound"
    if report["damage"]:
        verdict = count(len(report["damage"]), "damage")
    rows, writers = count(report["rows"], "row"), count(len(report["writers"]), "writer")
    print(f"{printable(report['run'])}: {verdict}, {report['state']}, {rows} of {writers}")
    for torn in report["torn"]:
        print(f"  {cut_off(torn['file'], torn['offset'], torn['bytes'])}")
    for damage in report["damage"]:
        print(f"  {damage['what']} at byte {damage['offset']} of {damage['file']}")
