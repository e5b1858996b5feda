"""Tight loops of `alog` leave their event loop time for others."""

from __future__ import annotations

import itertools
import time

import anyio
import anyio.lowlevel
import pytest

import steplog
from steplog._turns import TURNS

CALLS_PER_ROUND = 100


@pytest.mark.parametrize(("tasks", "runs"), [(1, 1), (10, 1), (10, 10), (50, 2)])
async def test_the_loop_comes_round_however_many_tasks_log(tmp_path, monkeypatch, *, tasks, runs):
    # Time is what calls take: a hundred of them a millisecond.
    ticks, start = itertools.count(), time.perf_counter()
    secs = 0.001 / CALLS_PER_ROUND
    monkeypatch.setattr(TURNS, "since", start)
    monkeypatch.setattr(time, "perf_counter", lambda: start + next(ticks) * secs)
    opened = [
        steplog.init(mode="offline", dir=str(tmp_path), reinit="create_new") for _ in range(runs)
    ]
    calls = [0] * tasks
    between: list[int] = []

    async def log(number):
        while len(between) < 60:
            await opened[number % runs].alog({"a": 1.0})
            calls[number] += 1

    async def watch():
        seen = 0
        while len(between) < 60:
            between.append(sum(calls) - seen)
            seen = sum(calls)
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        for number in range(tasks):
            group.start_soon(log, number)
    # At first each task has its own first turn; from then on they share one.
    assert max(between[20:]) <= 2 * CALLS_PER_ROUND + 2 * tasks
    assert sum(between[20:]) > 40 * CALLS_PER_ROUND / 4
    assert min(calls) * 5 > max(calls)
    for run in opened:
        await run.afinish()
