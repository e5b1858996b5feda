"""Signals that end a process, and the processes that a run is handed to."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from steplog import _runs
from steplog._core import RunLog

KILLED = """
import os, signal, sys, threading, time, steplog
{before}
run = steplog.init(mode="offline", dir=sys.argv[1], settings={{"quiet": True}})
def work():
    while True:
        run.log({{"a": 1}})
threads = [threading.Thread(target=work, daemon=True) for _ in range({threads})]
for thread in threads:
    thread.start()
time.sleep(0.05)
run.log({{"last": 1}}, step=1 << 40)
{after}
os.kill(os.getpid(), signal.{signal})
time.sleep(30)
"""
RESTORED = """
before = signal.signal(signal.SIGTERM, lambda *_: None)
signal.signal(signal.SIGTERM, before)
def is_caught():
    with open("/proc/self/status") as status:
        (mask,) = [line.split()[1] for line in status if line.startswith("SigCgt")]
    return int(mask, 16) >> (signal.SIGTERM - 1) & 1
assert before == signal.SIG_DFL and not is_caught()
while not is_caught():
    time.sleep(0.01)
"""
HANDLER = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))"


@pytest.mark.parametrize(
    ("how", "state"),
    [
        ({"signal": "SIGTERM"}, ("killed", -15)),
        ({"signal": "SIGTERM", "threads": 4}, ("killed", -15)),
        ({"signal": "SIGHUP"}, ("killed", -1)),
        ({"signal": "SIGKILL"}, ("crashed", None)),
        ({"signal": "SIGTERM", "after": "run.mark_preempting()"}, ("preempted", -15)),
        ({"signal": "SIGKILL", "after": "run.mark_preempting()"}, ("preempted", None)),
        ({"signal": "SIGTERM", "after": "run.mark_preempting(); sys.exit(0)"}, ("finished", 0)),
        ({"signal": "SIGTERM", "before": HANDLER}, ("failed", 7)),
        ({"signal": "SIGTERM", "after": HANDLER}, ("failed", 7)),
        ({"signal": "SIGTERM", "after": RESTORED}, ("killed", -15)),
    ],
)
def test_a_signal_that_ends_the_process_is_in_its_log(run_program, how, state):
    code = KILLED.format(**{"before": "", "after": "", "threads": 0, **how})
    folder, errors = run_program(code)
    assert errors == ""
    assert _runs.read(folder).state() == state
    assert RunLog(str(folder)).summary()["last"] == 1


def test_a_signal_has_its_default_end_and_a_child_leaves_the_log_alone(tmp_path):
    program = """
import os, signal, sys, time, steplog
run = steplog.init(mode="offline", dir=sys.argv[1], settings={"quiet": True})
if os.fork() == 0:
    time.sleep(30)
run.log({"a": 1})
os.killpg(0, signal.SIGTERM)
time.sleep(30)
"""
    process = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], check=False, start_new_session=True
    )
    assert process.returncode == -15
    (folder,) = (tmp_path / "steplog-runs").glob("2*")
    (writer,) = RunLog(str(folder)).writers()
    assert (writer["exit_code"], writer["records"], writer["damage"]) == (-15, 3, [])


SPAWNED = """
import concurrent.futures, copy, multiprocessing, pickle, sys
import steplog

def work(run, number):
    run.log({"child": number, "lr": run.config.lr})
    return run.id

if __name__ == "__main__":
    run = steplog.init(
        mode="offline", dir=sys.argv[1], config={"lr": 0.5}, settings={"quiet": True}
    )
    assert copy.deepcopy(run) is run and pickle.loads(pickle.dumps(run)) is run
    run.log({"parent": 1})
    for method in ("spawn", "forkserver", "fork"):
        context = multiprocessing.get_context(method)
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
            ids = set(pool.map(work, [run] * 40, range(40)))
        assert ids == {run.id}
        child = context.Process(target=work, args=(run, 40))
        child.start()
        child.join()
    run.finish()
"""


def test_a_run_can_be_handed_to_other_processes(run_program):
    folder, errors = run_program(SPAWNED)
    assert errors == ""
    log = RunLog(str(folder))
    rows: list[dict[str, Any]] = [row for row in log.rows() if "child" in row]
    assert sorted(row["child"] for row in rows) == sorted([*range(41)] * 3)
    assert {row["lr"] for row in rows} == {0.5}
    assert {row["_label"].split("-")[0] for row in rows} == {"spawn", "fork"}
    assert len({row["_label"] for row in rows}) <= 9
    assert _runs.read(folder).state() == ("finished", 0)
    assert json.loads((folder / "files" / "summary.json").read_text())["parent"] == 1


DAEMON = """
import sys, threading, time, steplog
run = steplog.init(mode="offline", dir=sys.argv[1], settings={"quiet": True})

def work():
    while True:
        run.log({"a": 2})

for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.1)
"""


@pytest.mark.parametrize("value", ["2", "np.zeros(2)"])
def test_daemon_threads_that_log_at_exit_are_no_error(run_program, value):
    program = DAEMON.replace('run.log({"a": 2})', f'run.log({{"a": {value}}})')
    folder, errors = run_program("import numpy as np" + program, returncode=0)
    assert errors == ""
    assert _runs.read(folder).state() == ("finished", 0)
    assert RunLog(str(folder)).row_count > 100


@pytest.mark.parametrize(
    "call",
    [
        'run.summary["a"] = next(count)',
        'run.config.update({"a": next(count)}, allow_val_change=True)',
        'run.define_metric("a")',
        "run.name = str(next(count))",
        "run.mark_preempting()",
    ],
)
def test_daemon_threads_that_record_something_else_at_exit_are_no_error(run_program, call):
    program = DAEMON.replace('run.log({"a": 2})', call)
    folder, errors = run_program("import itertools\ncount = itertools.count()" + program, 0)
    assert errors == ""
    assert _runs.read(folder).state() == ("finished", 0)


AFTERWARDS = """
import atexit, sys, steplog
def late():
    try:
        run.log({"a": 2})
    except steplog.RunClosedError as error:
        print("refused:", error, file=sys.stderr)
atexit.register(late)  # runs after what is registered later
run = steplog.init(mode="offline", dir=sys.argv[1], settings={"quiet": True})
run.log({"a": 1})
"""


def test_a_log_after_the_end_of_all_runs_is_refused(run_program):
    folder, errors = run_program(AFTERWARDS, returncode=0)
    assert "refused: the run is finished" in errors
    assert [row["a"] for row in RunLog(str(folder)).rows()] == [1]


BEGIN = "import atexit, sys, steplog\n"
START = "run = steplog.init(mode='offline', dir=sys.argv[1], settings={'quiet': True})\n"
FINALLY = """
def main():
    run = steplog.init(mode='offline', dir=sys.argv[1], settings={'quiet': True})
    try:
        sys.exit(3)
    finally:
        steplog.finish()
main()
"""
CAUGHT = """
try:
    sys.exit(3)
except SystemExit:
    pass
steplog.finish()
"""


DIES = """
try:
    1 / 0
finally:
    steplog.finish()
"""
WRAPPED = """
try:
    try:
        1 / 0
    finally:
        run.finish()
except ZeroDivisionError as error:
    raise RuntimeError("wrapped") from error
"""
HANDLED = """
try:
    1 / 0
except ZeroDivisionError:
    run.finish()
"""
HOOK = """
def hook(kind, error, traceback):
    run.finish()
    sys.__excepthook__(kind, error, traceback)
sys.excepthook = hook
"""
INTERRUPTED = """
import asyncio, os, signal
async def main():
    async with steplog.init(mode="offline", dir=sys.argv[1], settings={"quiet": True}):
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(60)
asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("program", "ends"),
    [
        (f"{START}atexit.register(steplog.finish)\nraise RuntimeError", (1, "failed", 1)),
        (f"{START}atexit.register(run.finish)\nsys.exit(4)", (4, "failed", 4)),
        (f"{START}atexit.register(run.finish)", (0, "finished", 0)),
        (FINALLY, (3, "failed", 3)),
        (START + CAUGHT, (0, "finished", 0)),
        (f"{START}sys.exit(-1)", (255, "failed", 255)),
        (f"{START}sys.exit(256)", (0, "finished", 0)),
        (f"{START}run.finish(-15)", (0, "killed", -15)),
        (f"{START}{DIES}", (1, "failed", 1)),
        (f"{START}{DIES.replace('1 / 0', 'raise KeyboardInterrupt')}", (-2, "failed", 255)),
        (f"{START}{WRAPPED}", (1, "failed", 1)),
        (f"{START}{HANDLED}", (0, "finished", 0)),
        (f"{START}{HANDLED}[].pop()", (1, "finished", 0)),
        (f"{START}{HOOK}1 / 0", (1, "failed", 1)),
        (INTERRUPTED, (-2, "failed", 255)),
    ],
)
def test_finish_without_a_code_takes_what_is_known_of_the_end(run_program, program, ends):
    returncode, *state = ends
    folder, _ = run_program(BEGIN + program, returncode=returncode)
    assert [*_runs.read(folder).state()] == state
