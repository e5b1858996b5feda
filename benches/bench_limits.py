"""The writer at its limits: slowest calls, `alog`, threads, CPU of a row, memory, large arrays."""

from __future__ import annotations

import argparse
import asyncio
import functools
import pathlib
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import steplog
from bench_server import ask, server
from machine import describe, spread
from steplog._core import RunLog

if TYPE_CHECKING:
    from collections.abc import Callable

ROW = {"loss": 0.5, "acc": 0.25, "lr": 0.1, "grad_norm": 2.5}


def start(folder: str, **settings: object) -> steplog.Run:
    mode = "online" if "base_url" in settings else "offline"
    run = steplog.init(project="bench", dir=folder, mode=mode, settings={"quiet": True, **settings})
    # What is gathered at the start takes turns with the caller: `bench_capture.py` has that.
    time.sleep(1.0)
    return run


def slowest(name: str, call: Callable[[dict[str, float]], object], calls: int) -> None:
    """The 99.9th percentile and the worst of many calls, each timed by itself."""
    times = np.empty(calls, np.int64)
    now = time.perf_counter_ns
    for at in range(calls):
        before = now()
        call(ROW)
        times[at] = now() - before
    micros = np.sort(times) / 1e3
    print(
        f"{name:34} p50 {micros[calls // 2]:.2f}  p99.9 {micros[-calls // 1000]:.2f}  "
        f"max {micros[-1]:.0f} us of {calls:,} calls"
    )


def nothing(_: dict[str, float]) -> None:
    """The floor: an empty call."""


def bench_slowest(folder: str, calls: int) -> None:
    slowest("an empty call", nothing, calls)
    with start(folder) as run:
        slowest("log, 4 floats", run.log, calls)
    assert RunLog(run.sync_dir).row_count == calls


def bench_alog(folder: str, calls: int, rounds: int) -> None:
    """What `await` costs over `log`, in turns."""
    extra = []

    async def main() -> None:
        run = start(folder)
        for _ in range(rounds):
            before = time.perf_counter()
            for _ in range(calls):
                run.log(ROW)
            between = time.perf_counter()
            for _ in range(calls):
                await run.alog(ROW)
            after = time.perf_counter()
            extra.append(((after - between) - (between - before)) / calls * 1e6)
        await run.afinish()
        assert RunLog(run.sync_dir).row_count == calls * rounds * 2

    asyncio.run(main())
    print(spread("await alog over log", extra, "us a call"))


def log_often(run: steplog.Run, calls: int) -> None:
    for _ in range(calls):
        run.log(ROW)


def bench_threads(folder: str, calls: int, rounds: int) -> None:
    """Rows a second of one thread and of four."""
    rates: dict[int, list[float]] = {1: [], 4: []}
    for _ in range(rounds):
        for count, found in rates.items():
            with start(folder) as run:
                work = functools.partial(log_often, run, calls // count)
                threads = [threading.Thread(target=work) for _ in range(count)]
                before = time.perf_counter()
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                found.append(calls / (time.perf_counter() - before) / 1e6)
            assert RunLog(run.sync_dir).row_count == calls
    for count, found in rates.items():
        print(spread(f"log, {count} threads", found, "million rows/s"))


def bench_cpu(folder: str, rows: int) -> None:
    """All CPU of the process for a row of 4: log, merge, summary, upload."""
    with server(Path(folder)) as (url, key):
        run = start(folder, base_url=url, api_key=key, finish_timeout_secs=300.0)
        before = time.process_time()
        for _ in range(rows):
            run.log(ROW)
        run.finish()
        micros = (time.process_time() - before) / rows * 1e6
        found = ask(f"{url}/api/v1/projects/local/bench/runs/{run.id}/keys", key)["keys"]
        assert {one["n"] for one in found} == {rows}
    print(f"{'CPU of a row of 4, upload included':34} {micros:.2f} us")


def anonymous_bytes() -> int:
    status = pathlib.Path("/proc/self/status").read_text("utf-8")
    (line,) = [line for line in status.splitlines() if line.startswith("RssAnon")]
    return int(line.split()[1]) << 10


def bench_memory(folder: str, rows: int) -> None:
    """Memory after many rows that no server takes, and what a row takes on the disk."""
    settings = {"base_url": "http://127.0.0.1:9", "api_key": "k", "finish_timeout_secs": 1.0}
    run = start(folder, silent=True, **settings)
    before = anonymous_bytes()
    for _ in range(rows):
        run.log(ROW)
    grown = anonymous_bytes() - before
    run.finish()
    size = sum(path.stat().st_size for path in Path(run.sync_dir).glob("wal/*/*.wal"))
    assert run.status()["rows"] == rows
    print(f"{'RssAnon after ' + format(rows, ',') + ' unsent rows':34} +{grown / 1e6:.1f} MB")
    print(f"{'disk, a row of loss acc lr grad_norm':34} {size / rows:.1f} bytes")


def bench_array(folder: str, rounds: int) -> None:
    """`log` of a million floats, in its caller."""
    array = np.random.default_rng(0).standard_normal(1_000_000)
    times = []
    with start(folder) as run:
        for _ in range(rounds):
            before = time.perf_counter()
            run.log({"weights": array})
            times.append((time.perf_counter() - before) * 1e3)
            run.flush()
    assert sum(run.summary["weights"]["values"]) == array.size
    print(spread("log of 1 M floats", times, "ms"))


def bench_stalls(folder: str, rounds: int) -> None:
    """How long the event loop is held up while arrays are logged, beside an idle loop."""
    array = np.random.default_rng(0).standard_normal(1_000_000)

    async def late(seconds: float) -> list[float]:
        """How much later than asked for a task wakes, milliseconds, again and again."""
        found, end = [], time.perf_counter() + seconds
        while (before := time.perf_counter()) < end:
            await asyncio.sleep(0.001)
            found.append((time.perf_counter() - before) * 1e3 - 1.0)
        return found

    async def main() -> None:
        async with start(folder) as run:
            idle = await late(rounds * 0.1)
            ticker = asyncio.create_task(late(rounds * 0.1))
            for _ in range(rounds):
                run.log({"weights": array})
                await asyncio.sleep(0.1)
            busy = await ticker
        assert RunLog(run.sync_dir).row_count == rounds
        for name, found in (("idle", idle), ("1 M floats each 0.1 s", busy)):
            millis = np.sort(found)
            label = f"loop late, {name}"
            print(
                f"{label:34} p50 {np.percentile(millis, 50):.2f}  "
                f"p99 {np.percentile(millis, 99):.2f}  max {millis[-1]:.2f} ms"
            )

    asyncio.run(main())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=11)
    options = parser.parse_args()
    print(describe("numpy"))
    with tempfile.TemporaryDirectory() as folder:
        bench_slowest(folder, options.calls)
        bench_alog(folder, 20_000, options.rounds)
        bench_threads(folder, 200_000, options.rounds)
        bench_cpu(folder, 500_000)
        bench_memory(folder, options.rows)
        bench_array(folder, options.rounds)
        bench_stalls(folder, options.rounds * 4)


if __name__ == "__main__":
    main()
