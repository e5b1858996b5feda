"""A clock that jumps: times follow it, and nothing else does."""

from __future__ import annotations

import pathlib
import shutil
import subprocess

import pytest

DAY_SECS = 86_400
# The system's clock, from some moment on by a day ahead or behind.
JUMPING = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(clock, at);
    if (clock == CLOCK_REALTIME && access(getenv("JUMPED"), F_OK) == 0)
        at->tv_sec += atol(getenv("JUMP_SECS"));
    return failed;
}
"""
CHILD = """
import asyncio, os, pathlib, time, steplog

async def main():
    before = time.time()
    async with steplog.init(project="p", id="r", settings={"heartbeat_secs": 0.2}) as run:
        await run.alog({"a": 0}, ack="server")
        pathlib.Path(os.environ["JUMPED"]).touch()
        assert abs(time.time() - before) > 80_000
        for number in range(1, 400):
            await run.alog({"a": number}, ack="server" if number % 100 == 0 else "log")
            if number % 2:
                run.write_logs(f"line {number}")
            await asyncio.sleep(0.005)
        run.summary["best"] = 1

asyncio.run(main())
"""


@pytest.fixture
def jumping(tmp_path):
    """The library that makes a process's clock jump."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler: get one with `apt-get install gcc`")
    source, library = tmp_path / "jumping.c", tmp_path / "jumping.so"
    source.write_text(JUMPING)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


@pytest.mark.parametrize("days", [1, -1])
def test_a_clock_that_jumps_changes_times_and_nothing_else(server, tmp_path, jumping, *, days):
    jumped = {
        "LD_PRELOAD": str(jumping),
        "JUMPED": str(tmp_path / "jumped"),
        "JUMP_SECS": str(days * DAY_SECS),
    }
    server.environ = {**server.environ, **jumped}
    child = server.python(tmp_path, CHILD)
    child.communicate(timeout=60)
    assert child.returncode == 0
    rows = server.rows("r")
    assert [(row["_step"], row["a"]) for row in rows] == [(number, number) for number in range(400)]
    runtimes = [row["_runtime"] for row in rows]
    assert runtimes == sorted(runtimes)
    assert runtimes[-1] < 60
    # The clock is looked at every now and then, not for each row.
    shift = rows[-1]["_timestamp"] - rows[0]["_timestamp"]
    assert shift == pytest.approx(days * DAY_SECS, abs=60)
    found = server.get("/projects/local/p/runs/r")
    assert (found["state"], found["summary"]["a"], found["summary"]["best"]) == ("finished", 399, 1)
    (folder,) = (pathlib.Path(tmp_path) / "steplog-runs").glob("2*")

    lines = server.get("/projects/local/p/runs/r/logs")["lines"]
    assert len(lines) == 200
    walls = [line[1] for line in lines]
    assert (walls == sorted(walls)) is (days > 0)
    for wall in [*walls[::7], min(walls) - 1e3, (walls[50] + walls[150]) / 2, max(walls) + 1e3]:
        found = server.get(f"/projects/local/p/runs/r/logs/at?wall={wall:.6f}")
        apart = min(abs(one - wall) for one in walls)
        assert abs(walls[found["number"]] - wall) == pytest.approx(apart, abs=1e-3)

    server.environ = {key: value for key, value in server.environ.items() if key not in jumped}
    done = server.cli("sync", "--json", str(folder))
    assert (done.returncode, '"records_sent": 0' in done.stdout) == (0, True)
