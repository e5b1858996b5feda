"""What `log` costs its caller beside packing the same dict, and what starting costs."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING

import ormsgpack

import steplog
from machine import describe, spread

if TYPE_CHECKING:
    from collections.abc import Callable

IMPORT = "import time; t=time.perf_counter(); import steplog; print(time.perf_counter()-t)"
INIT = """
import sys, time, steplog
t = time.perf_counter()
run = steplog.init(mode="offline", dir=sys.argv[1], settings={"quiet": True})
print(time.perf_counter() - t)
run.finish()
"""
FINISH = """
import sys, time, steplog
run = steplog.init(mode="offline", dir=sys.argv[1], settings={"quiet": True})
run.log({"a": 1})
run.flush()
t = time.perf_counter()
run.finish()
print(time.perf_counter() - t)
"""


def micros_of_a_call(call: Callable[[dict[str, object]], object], dicts: list) -> float:
    start = time.perf_counter_ns()
    for data in dicts:
        call(data)
    return (time.perf_counter_ns() - start) / len(dicts) / 1e3


def dicts_of(width: int, calls: int) -> list[dict[str, object]]:
    names = [f"key/{number}" for number in range(width)]
    return [{name: call + at / 7 for at, name in enumerate(names)} for call in range(calls)]


def check(folder: str, width: int) -> None:
    """Everything that was logged is in the log, bit for bit."""
    dicts = dicts_of(width, 1000)
    with steplog.init(mode="offline", dir=folder, settings={"quiet": True}) as run:
        for data in dicts:
            run.log(data)
    command = [sys.executable, "-m", "steplog._cli", "cat", run.sync_dir]
    lines = subprocess.run(command, capture_output=True, check=True).stdout.splitlines()
    rows = [json.loads(line) for line in lines]
    assert [{key: row[key] for key in dicts[0]} for row in rows] == dicts


def bench(folder: str, width: int, calls: int, *, rounds: int) -> None:
    check(folder, width)
    dicts = dicts_of(width, calls)
    logged, packed, flushed = [], [], []
    with steplog.init(mode="offline", dir=folder, settings={"quiet": True}) as run:
        micros_of_a_call(run.log, dicts)
        for _ in range(rounds):
            packed.append(micros_of_a_call(ormsgpack.packb, dicts))
            logged.append(micros_of_a_call(run.log, dicts))
            start = time.perf_counter_ns()
            run.flush()
            flushed.append((time.perf_counter_ns() - start) / calls / 1e3)
        assert run.status()["rows"] == calls * (rounds + 1), run.status()
        assert run.status()["lost"] == 0
    print(spread(f"log, {width} floats", logged, "us a call"))
    print(spread(f"ormsgpack.packb, {width} floats", packed, "us a call"))
    print(spread("flush (fsync) after, by call", flushed, "us a call"))
    print(f"ratio {statistics.median(logged) / statistics.median(packed):.2f}")


def fresh(name: str, code: str, folder: str, *, rounds: int) -> None:
    """Time in a new process, whose modules are compiled as an installed package's are."""
    command = [sys.executable, "-c", code, folder]
    environ = {**os.environ, "PYTHONPYCACHEPREFIX": f"{folder}/compiled"}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    times = [
        float(subprocess.run(command, capture_output=True, check=True, env=environ).stdout) * 1e3
        for _ in range(rounds + 1)
    ]
    print(spread(name, times[1:], "ms"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=21)
    rounds = parser.parse_args().rounds
    print(describe("ormsgpack"))
    with tempfile.TemporaryDirectory() as folder:
        bench(folder, 4, 20_000, rounds=rounds)
        bench(folder, 100, 2_000, rounds=rounds)
        fresh("import steplog", IMPORT, folder, rounds=rounds)
        fresh("init(mode='offline')", INIT, folder, rounds=rounds)
        fresh("finish, nothing waiting", FINISH, folder, rounds=rounds)


if __name__ == "__main__":
    main()
