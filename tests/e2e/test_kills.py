"""Processes that are killed at any moment of whatever they do: 0 rows lost, 0 doubled."""

from __future__ import annotations

import collections
import json
import os
import random
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

KILLS = int(os.environ.get("STEPLOG_KILLS", "24"))
"""Over all scenarios; `make crash` sets more."""

# Each thread of each process logs rows of its own, and writes down those whose call has returned:
# what is written to a file outlives the process as the log does.
CHILD = """
import os, sys, threading, steplog
_, run_id, mode, threads, forks, rows, pad, ends = sys.argv
run = steplog.init(project="p", id=run_id, mode=mode)
said = os.open(f"said-{run_id}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

def log(thread):
    who = f"{os.getpid()}:{thread}"
    for n in range(int(rows)):
        row = {"who": who, "n": n}
        if n < 12 and pad != "0":
            row["pad"] = "x" * int(pad)
        run.log(row)
        os.write(said, f"{who} {n}\\n".encode())

for _ in range(int(forks)):
    if os.fork() == 0:
        break
workers = [threading.Thread(target=log, args=(n,)) for n in range(int(threads))]
os.write(1, b"ready\\n")
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
if ends == "yes":
    run.finish()
threading.Event().wait()
"""

SCENARIOS: dict[str, dict[str, Any]] = {
    "online": {"mode": "online"},
    "offline": {"mode": "offline"},
    # The first segments hold 1 and 2 MiB: the log goes on to the next one several times.
    "rotation": {"mode": "online", "pad": 300_000, "rows": 40},
    "finish": {"mode": "online", "rows": 20, "ends": "yes"},
    "threads": {"mode": "offline", "threads": 4},
    "forks": {"mode": "online", "forks": 2},
}


def kill_one(server, folder, run, *, chance, **what):
    """Start a child and kill it, its children too, a moment after it is ready."""
    options = {"threads": 1, "forks": 0, "rows": 1500, "pad": 0, "ends": "no", **what}
    order = [options[name] for name in ("mode", "threads", "forks", "rows", "pad", "ends")]
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, run, *map(str, order)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=folder,
        env=server.environ,
        start_new_session=True,
    )
    assert child.stdout is not None
    for _ in range(1 + options["forks"]):
        assert child.stdout.readline() == "ready\n"
    # Not to wait for anything: the moment is what is tried.
    time.sleep(chance.uniform(0, 0.08))
    os.killpg(child.pid, signal.SIGKILL)
    child.communicate()
    assert child.returncode == -signal.SIGKILL


def sync(server, folder):
    done = server.cli("sync", str(folder / "steplog-runs"), "--json")
    assert done.returncode == 0, done.stderr
    assert "damage" not in done.stderr
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    return {report["run"]: report["records_sent"] for report in reports}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_kill_loses_and_doubles_nothing(server, tmp_path, scenario):
    chance = random.Random(scenario)
    runs = [f"{scenario}-{number}" for number in range(-(-KILLS // len(SCENARIOS)))]
    for run in runs:
        kill_one(server, tmp_path, run, chance=chance, **SCENARIOS[scenario])
    assert set(sync(server, tmp_path)) == set(runs)
    assert sync(server, tmp_path) == dict.fromkeys(runs, 0)
    logged = segments = 0
    for run in runs:
        said = set((tmp_path / f"said-{run}").read_text().splitlines())
        found = collections.Counter(f"{row['who']} {row['n']}" for row in server.rows(run))
        assert [row for row, count in found.items() if count > 1] == []
        assert said - set(found) == set()
        # At most the one that was being logged when the thread died.
        more = collections.Counter(row.split()[0] for row in set(found) - said)
        assert set(more.values()) <= {1}
        logged += len(said)
        segments += len(list(tmp_path.glob(f"steplog-runs/*-{run}/wal/*/*.wal")))
    assert logged > len(runs)
    # Beside those that are written and those that are prepared.
    assert (segments > 2 * len(runs)) == (scenario in {"rotation", "forks"})
