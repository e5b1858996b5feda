"""Measures one tracker in this process: `python measure.py PEER WIDTH SECS`, prints JSON.

Run by the interpreter of the peer's own environment: nothing but the standard library and the peer.
What was logged is read back, and its values compared, before a figure is printed.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import struct
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

LEAST_CALLS = 100
MOST_CALLS = 200_000
MOST_PROBES = 200


def row_of(width: int, step: int) -> dict[str, float]:
    return {f"key/{number}": step + number / 7 for number in range(width)}


def cpu_secs() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def disk_bytes(folder: str) -> int:
    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


def narrowed(value: float) -> float:
    return float(struct.unpack("f", struct.pack("f", value))[0])


def check(peer, folder: str, *, width: int, calls: int) -> int:
    """The rows that come back with every value; a wrong value ends the measurement."""
    kept = narrowed if peer.IS_FLOAT32 else float
    whole = 0
    for step, row in peer.read(folder):
        wanted = {key: kept(value) for key, value in row_of(width, step).items()}
        found = {key: row[key] for key in wanted if key in row}
        assert all(found[key] == wanted[key] for key in found), (step, found)
        whole += len(found) == width
    assert whole <= calls
    return whole


def measure(name: str, width: int, secs: float) -> dict[str, object]:
    sys.path.insert(0, str(Path(__file__).parent))
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    began = time.perf_counter()
    peer = importlib.import_module(name)
    start = imported = time.perf_counter()
    log, finish = peer.start(folder)
    started = time.perf_counter()
    probe = 0
    while probe < MOST_PROBES and time.perf_counter() - started < secs / 4:
        log(row_of(width, probe))
        probe += 1
    each = (time.perf_counter() - started) / probe
    most = getattr(peer, "MOST_CALLS", MOST_CALLS)
    calls = int(min(max(secs / each, LEAST_CALLS), most)) // 2
    rows = [row_of(width, probe + step) for step in range(2 * calls)]
    cpu = cpu_secs()
    before = time.perf_counter()
    for row in rows[:calls]:
        log(row)
    looped = time.perf_counter() - before
    times = []
    clock = time.perf_counter_ns
    for row in rows[calls:]:
        then = clock()
        log(row)
        times.append(clock() - then)
    before = time.perf_counter()
    finish()
    finished = time.perf_counter() - before
    total = probe + 2 * calls
    times.sort()
    return {
        "version": version(peer.PACKAGE),
        "rows": total,
        "log_us": looped / calls * 1e6,
        "p999_us": times[int(len(times) * 0.999)] / 1e3,
        "worst_us": times[-1] / 1e3,
        "cpu_us": (cpu_secs() - cpu) / (2 * calls) * 1e6,
        "import_ms": (imported - began) * 1e3,
        "init_ms": (started - start) * 1e3,
        "finish_ms": finished * 1e3,
        "disk_bytes": disk_bytes(folder) / total,
        "back": check(peer, folder, width=width, calls=total),
        "is_float32": peer.IS_FLOAT32,
    }


if __name__ == "__main__":
    found = measure(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
    print("FOUND " + json.dumps(found))
    sys.stdout.flush()
    os._exit(0)  # nobody's threads are measured beyond this
