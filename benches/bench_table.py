"""What a table costs: in the caller, in the event loop beside it, and until its file is there."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pyarrow as pa

import steplog
from machine import describe
from steplog._core import RunLog

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 5
IDLE_SECS = 1.0
COLUMNS = [f"c{at}" for at in range(10)]


def rows_of(count: int) -> list[list[Any]]:
    """Rows of ten columns: integers, floats, texts, flags, gaps."""
    return [
        [
            *(n, n / 7, f"text {n}", n % 2 == 0, n * 0.5),
            *(f"l{n % 10}", n * n, None if n % 7 else 1.5, n / 3, "x"),
        ]
        for n in range(count)
    ]


def plain_loop(rows: list[list[Any]]) -> bytes:
    """What a tracker in Python does: looks at each cell, then has json write them."""
    kinds: list[type | None] = [None] * len(COLUMNS)
    data = []
    for row in rows:
        for at, cell in enumerate(row):
            if cell is None:
                continue
            if kinds[at] is None:
                kinds[at] = type(cell)
            elif not isinstance(cell, (kinds[at], int, float)):  # type: ignore[arg-type]
                raise TypeError(cell)
        data.append(list(row))
    return json.dumps({"columns": COLUMNS, "data": data}).encode()


def stored(run: steplog.Run, value: object) -> tuple[float, float]:
    """Seconds that the caller waits, and until the value is in the log."""
    began = time.perf_counter()
    run.log({"t": value})
    called = time.perf_counter() - began
    run.flush()
    return called, time.perf_counter() - began


def check(run: steplog.Run, rows: list[list[Any]]) -> None:
    """Every table that was logged holds the rows."""
    folder = Path(run.sync_dir)
    for row in RunLog(run.sync_dir).rows():
        value: Any = row["t"]
        (path,) = folder.glob(f"wal/*/blobs/{value['sha256']}")
        table = json.loads(path.read_bytes())
        # pandas has NaN where a number is missing.
        got = [[None if cell != cell else cell for cell in one] for one in table["data"]]  # noqa: PLR0124
        assert got == rows, "a table differs"


def measure(name: str, make: Callable[[], object], rows: list[list[Any]]) -> None:
    called, there = [], []
    with tempfile.TemporaryDirectory() as folder:
        settings = {"quiet": True, "strict": True}
        with steplog.init(mode="offline", dir=folder, settings=settings) as run:
            for _ in range(ROUNDS):
                began = time.perf_counter()
                value = make()
                made = time.perf_counter() - began
                log, file = stored(run, value)
                called.append((made + log) * 1000)
                there.append((made + file) * 1000)
        check(run, rows)
    called.sort()
    there.sort()
    middle = ROUNDS // 2
    print(
        f"{name:<34} caller p50 {called[middle]:7.1f}  max {called[-1]:7.1f} ms"
        f"   in the log p50 {there[middle]:7.0f}  max {there[-1]:7.0f} ms"
    )


async def stalls(until: Callable[[], bool]) -> list[float]:
    """How late an event loop comes round, in ms, while something goes on."""
    late = []
    while not until():
        began = time.perf_counter()
        await asyncio.sleep(0.001)
        late.append((time.perf_counter() - began) * 1000 - 1)
    return sorted(late)


def stall_beside(rows: list[list[Any]]) -> None:
    """The event loop's stalls while tables are encoded, beside those of an idle one."""

    async def main(folder: str) -> None:
        end = time.perf_counter() + IDLE_SECS
        idle = await stalls(lambda: time.perf_counter() > end)
        settings = {"quiet": True, "strict": True}
        async with steplog.init(mode="offline", dir=folder, settings=settings) as run:
            tables = [steplog.Table(COLUMNS, rows) for _ in range(ROUNDS)]
            for table in tables:
                run.log({"t": table})
            busy = await stalls(lambda: run.status()["deferred"] == 0)
        for what, late in (("idle", idle), ("while 5 tables are encoded", busy)):
            p99 = late[int(len(late) * 0.99)]
            print(f"event loop, {what:<27} late p50 {late[len(late) // 2]:.2f}  p99 {p99:.2f} ms")

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(folder))


def main() -> None:
    print(describe("pandas", "polars", "pyarrow"))
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    rows = rows_of(count)
    print(f"{count:,} rows of {len(COLUMNS)} cells")
    columns = {name: [row[at] for row in rows] for at, name in enumerate(COLUMNS)}
    measure("Table(columns, lists)", lambda: steplog.Table(COLUMNS, rows), rows)
    for name, frame in (
        ("DataFrame of pandas", pd.DataFrame(columns)),
        ("DataFrame of polars", pl.DataFrame(columns)),
        ("Table of Arrow", pa.table(columns)),
    ):
        measure(name, lambda frame=frame: frame, rows)  # type: ignore[misc]
    loops = []
    assert json.loads(plain_loop(rows))["data"] == rows
    for _ in range(ROUNDS):
        began = time.perf_counter()
        plain_loop(rows)
        loops.append((time.perf_counter() - began) * 1000)
    print(f"{'a loop and json.dumps':<34} caller p50 {sorted(loops)[ROUNDS // 2]:7.1f} ms")
    stall_beside(rows)


if __name__ == "__main__":
    main()
