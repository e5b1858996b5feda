"""Copies of arrays that wait on disk."""

from __future__ import annotations

import contextlib
import functools
import gc
import io
import os
import pathlib
import threading
from typing import Any, cast

import numpy as np
import PIL.Image
import pytest

import steplog
from steplog import _arrays, _later, _run, _spool
from steplog._later_pool import POOL
from steplog._writer import RunLog


@pytest.fixture(autouse=True)
def spool(monkeypatch):
    """Copies of which few are in memory."""
    monkeypatch.setattr(_spool, "MOST_HELD_BYTES", 100_000)
    monkeypatch.setattr(_spool, "_FILE_BYTES", 300_000)
    spool = _spool.Spool()
    for module in (_arrays, _run):
        monkeypatch.setattr(module, "SPOOL", spool)
    return spool


def _wait(event):
    event.wait()


@pytest.fixture
def held_up():
    """Keeps the threads of the pool busy until it is called, or the test is over."""
    go_on = threading.Event()
    for _ in range(2):
        POOL.submit(functools.partial(_wait, go_on))
    yield go_on.set
    go_on.set()


def pictures(count):
    rng = np.random.default_rng(5)
    return [rng.integers(0, 256, (100, 100, 3)).astype(np.uint8) for _ in range(count)]


def open_files(folder):
    """Files without a name in a folder that this process has open."""
    names = []
    for entry in pathlib.Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # that of this very list
            names.append(str(entry.readlink()))
    return [name for name in names if name.startswith(folder) and "deleted" in name]


def test_what_is_over_the_bound_waits_on_disk_and_is_kept(start, spool, media_of, *, held_up):
    logged = pictures(40)
    with start() as run:
        waiting = [steplog.Image(one) for one in logged]
        assert spool._held_bytes <= 100_000
        assert len(open_files(run.sync_dir)) == 4
        assert sum(one.size_bytes for one in waiting) <= 100_000
        for one in waiting:
            run.log({"picture": one})
        for one in logged:
            one[:] = 0  # whatever becomes of it
        del waiting, one
        held_up()
    files = media_of(run.sync_dir)
    rows = cast("list[dict[str, Any]]", list(RunLog(run.sync_dir).rows()))
    assert len(rows) == 40
    for row, picture in zip(rows, pictures(40), strict=True):
        found = PIL.Image.open(io.BytesIO(files[row["picture"]["path"]]))
        assert np.array_equal(np.asarray(found), picture)
    gc.collect()
    assert spool._held_bytes == 0
    assert len(open_files(run.sync_dir)) <= 1  # that which would be written to next
    assert not list(pathlib.Path(run.sync_dir).glob("tmp*"))


def test_without_room_on_disk_it_is_in_memory(start, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_spool, "_write_all", full)
    with start() as run:
        run.log({"pictures": [steplog.Image(one) for one in pictures(10)]})
    (row,) = RunLog(run.sync_dir).rows()
    assert cast("dict[str, Any]", row["pictures"])["count"] == 10


def test_other_values_wait_there_too(start, held_up):
    rng = np.random.default_rng(1)
    numbers = rng.normal(size=(200, 300))
    with start() as run:
        run.log({"whole": steplog.Histogram(numbers), "part": steplog.Histogram(numbers[::2, ::3])})
        assert open_files(run.sync_dir)
        numbers[:] = 0
        held_up()
    (row,) = cast("list[dict[str, Any]]", RunLog(run.sync_dir).rows())
    numbers = np.random.default_rng(1).normal(size=(200, 300))
    assert row["whole"]["values"] == np.histogram(numbers, 64)[0].tolist()
    assert row["part"]["values"] == np.histogram(numbers[::2, ::3], 64)[0].tolist()


def test_a_forked_child_writes_into_files_of_its_own(start, spool):
    logged = pictures(12)
    with start() as run:
        kept = [spool.copy(one, one.nbytes)[0] for one in logged]
        if (child := os.fork()) == 0:
            status = 1
            try:
                own = [spool.copy(one[::-1], one.nbytes)[0] for one in logged]
                is_right = all(
                    np.array_equal(a(), b[::-1]) for a, b in zip(own, logged, strict=True)
                )
                status = 0 if is_right else 2
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert all(np.array_equal(a(), b) for a, b in zip(kept, logged, strict=True))
        del kept
        run.log({"a": 1})


def test_what_cannot_be_read_back_costs_only_itself(start, capfd, held_up, *, monkeypatch):
    with start() as run:
        images = [steplog.Image(one) for one in pictures(8)]
        monkeypatch.setattr(os, "preadv", lambda *_: 0)
        for image in images:
            run.log({"picture": image})
        del images, image
        held_up()
    rows = list(RunLog(run.sync_dir).rows())
    assert 0 < sum("picture" in row for row in rows) < 8
    assert "the copy of an array on disk is not whole" in capfd.readouterr().err


def test_the_bound_of_what_waits_is_not_reached(start, held_up, monkeypatch):
    monkeypatch.setattr(_later, "MAX_WAITING_BYTES", 150_000)
    before = threading.active_count()
    with start() as run:
        for one in pictures(30):
            run.log(
                {"picture": steplog.Image(one)}
            )  # it would wait for the pool if it encoded here
        assert run.status()["deferred"] == 30
        assert threading.active_count() <= before + 3
        held_up()
