"""How a program ends, and what its run says of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from steplog import _runs
from steplog._core import RunLog

PROGRAM = """
import sys, steplog
run = steplog.init(mode="offline", dir=sys.argv[1], settings={"quiet": True})
run.log({"a": 1})
"""

IN_A_THREAD = """
import threading
thread = threading.Thread(target=sys.exit, args=[3])
thread.start()
thread.join()
"""

CHILDREN = """
import multiprocessing, sys
import steplog

def work(number):
    for step in range(100):
        steplog.log({"child": number})
    if number == 1:
        raise ValueError

if __name__ == "__main__":
    run = steplog.init(mode="offline", dir=sys.argv[1], settings={"quiet": True})
    run.log({"parent": 1})
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=work, args=(number,)) for number in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    run.finish()
"""

FINALIZER = """
class Trainer:
    def __del__(self):
        run.log({"closed": 1})

trainer = Trainer()
"""


@pytest.mark.parametrize(
    ("end", "exit_code"),
    [
        ("", 0),
        ("sys.exit(0)", 0),
        ("sys.exit(3)", 3),
        ("sys.exit('no')", 1),
        ("1 / 0", 1),
        ("raise KeyboardInterrupt", 255),
        ("try:\n    sys.exit(3)\nexcept SystemExit:\n    pass\n1 / 0", 1),
        (IN_A_THREAD, 0),
        ("raise SystemExit(4)", 4),
        ("raise SystemExit('boom')", 1),
        ("exit(3)", 3),
        ("sys.exit(-1)", 255),
        ("try:\n    sys.exit(3)\nexcept SystemExit:\n    pass", 0),
    ],
)
def test_a_run_that_nobody_finishes_knows_how_its_program_ended(run_program, end, exit_code):
    folder, _ = run_program(PROGRAM + end)
    (writer,) = RunLog(str(folder)).writers()
    assert (writer["exit_code"], writer["damage"]) == (exit_code, [])


@pytest.mark.parametrize("hook", ["", "sys.excepthook = lambda *_: exec('')\n"])
def test_ctrl_c_ends_the_process_as_without_a_run(run_program, hook):
    """Code that runs meanwhile, as on a thread of ours, makes the interpreter forget it."""
    run_program(f"{PROGRAM}{hook}raise KeyboardInterrupt", returncode=-signal.SIGINT)


@pytest.mark.parametrize("end", ["", "run.finish()"])
def test_a_finalizer_that_logs_when_all_is_over_ends_no_process(run_program, end):
    run_program(PROGRAM + FINALIZER + end, returncode=0)


def test_children_of_multiprocessing_finish_their_logs(run_program):
    folder, errors = run_program(CHILDREN)
    assert "ValueError" in errors
    codes = sorted(str(writer["exit_code"]) for writer in RunLog(str(folder)).writers())
    assert codes == ["0", "0", "1"]
    assert RunLog(str(folder)).row_count == 201
    assert json.loads((folder / "files" / "summary.json").read_text())["parent"] == 1


IMPATIENT = """
import os, signal, socket, sys, threading, time, steplog
silent = socket.create_server(("127.0.0.1", 0))
url = f"http://127.0.0.1:{silent.getsockname()[1]}"
run = steplog.init(dir=sys.argv[1], settings={"base_url": url, "api_key": "k" * 40})
run.log({"a": 1})
threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGINT]).start()
run.finish()
"""


def test_ctrl_c_in_finish_still_says_where_the_run_is(run_program):
    folder, errors = run_program(IMPATIENT)
    assert f"send it with: steplog sync {folder}" in errors
    assert "KeyboardInterrupt" in errors
    (writer,) = RunLog(str(folder)).writers()
    assert (writer["exit_code"], writer["records"]) == (0, 4)


FULL = """
import resource, sys, steplog
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
run = steplog.init(mode="offline", dir=sys.argv[1], settings={"quiet": True})
while not run.status()["lost"]:
    for step in range(1_000):
        run.log({"a": step, "text": "x" * 100})
run.config["late"] = 1
run.summary["late"] = 2
run.finish()
print("went on")
"""


def test_a_full_disk_never_raises_into_the_program(run_program):
    folder, errors = run_program(FULL)
    assert "Traceback" not in errors, errors
    assert "values are lost" in errors
    rows = [row["a"] for row in RunLog(str(folder)).rows()]
    assert len(rows) > 1_000
    assert rows[:1_000] == list(range(1_000))


FORKED = """
import os, resource, sys, time, steplog
run = steplog.init(mode="offline", dir=sys.argv[1], settings={"quiet": True})
run.log({"parent": 1})
if os.fork() == 0:
    most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, most))
    for step in range(100):
        run.log({"child": step})
        run.summary["kept"] = step
    run.config["kept"] = 1
    run.define_metric("child", summary="max")
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    time.sleep(0.3)
    run.log({"child": 100})
    run.log({"child": 5})
    run.finish()
    os._exit(0)
assert os.wait()[1] == 0
run.finish()
"""


def test_a_child_that_finds_the_disk_full_goes_on_and_logs_when_it_is_not(run_program):
    folder, errors = run_program(FORKED)
    assert "Traceback" not in errors, errors
    # Rows are lost; what the run is set to and has come to is recorded when there is room again.
    assert "not recorded: 100 lost" in errors
    log = RunLog(str(folder))
    assert [row.get("child") for row in log.rows()] == [None, 100, 5]
    assert log.config() == {"kept": 1}
    assert (log.summary()["kept"], log.summary()["child"]) == (99, {"max": 100})
    parent, child = sorted(log.writers(), key=lambda writer: str(writer["label"]))
    assert isinstance(child["start"], dict)
    assert child["start"]["parent"] == parent["writer"]
    assert len(list(folder.glob("wal/*"))) == 2


SEVERAL = """
import os, signal, socket, sys, threading, steplog
silent = socket.create_server(("127.0.0.1", 0))
url = f"http://127.0.0.1:{silent.getsockname()[1]}"
settings = {"base_url": url, "api_key": "k" * 40, "exit_timeout_secs": 5}
for number in range(3):
    run = steplog.init(dir=sys.argv[1], settings=settings, reinit="create_new")
    run.log({"a": number})
threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGINT]).start()
"""


def test_ctrl_c_while_runs_are_finished_at_exit_ends_all_of_them(tmp_path):
    program = [sys.executable, "-c", SEVERAL, str(tmp_path)]
    process = subprocess.run(program, capture_output=True, text=True, check=False, timeout=60)
    folders = list((tmp_path / "steplog-runs").glob("2*"))
    assert len(folders) == 3
    for folder in folders:
        assert f"send it with: steplog sync {folder}" in process.stderr
        (writer,) = RunLog(str(folder)).writers()
        assert (writer["exit_code"], writer["records"]) == (0, 4)


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of its own; gives a function that makes it that large."""
    folder = tmp_path / "small"
    folder.mkdir()

    def mount(size):
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
            check=False,
            capture_output=True,
        )
        if mounted.returncode:
            pytest.skip("no right to mount a small disk")
        return folder

    yield mount
    subprocess.run(["umount", str(folder)], check=False, capture_output=True)


def test_init_on_a_full_disk_takes_the_temporary_folder(tmp_path, small_disk):
    small = small_disk("256k")
    (small / "filler").write_bytes(b"x" * (200 << 10))
    code = PROGRAM.replace("sys.argv[1]", "sys.argv[2]") + "print(run.sync_dir)"
    process = subprocess.run(
        [sys.executable, "-c", code, "", str(small)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert process.stdout.startswith(str(tmp_path / f"steplog-runs-{os.getuid()}")), process.stderr
    assert f"cannot write {small}/steplog-runs" in process.stderr
    assert RunLog(process.stdout.strip()).row_count == 1
    assert list((small / "steplog-runs").iterdir()) == []


@pytest.mark.parametrize("mapped", [True, False])
def test_a_disk_is_filled_to_its_end_and_the_run_still_ends_well(small_disk, mapped):
    small = small_disk("6m")
    code = f"""
import os, sys, steplog
run = steplog.init(mode="offline", dir=sys.argv[1], settings=dict(quiet=True, mapped={mapped}))
for number in range(300_000):
    run.log({{"a": number}})
    if number == 100_000:
        import time; time.sleep(0.2)
run.finish()
print(run.status()["lost"] > 0, os.statvfs(sys.argv[1]).f_bavail * 4096 < 500_000)
"""
    process = subprocess.run(
        [sys.executable, "-c", code, str(small)], capture_output=True, text=True, check=False
    )
    assert process.stdout.split() == ["True", "True"], process.stderr
    (folder,) = (small / "steplog-runs").glob("2*")
    found = _runs.read(folder)
    assert (found.state(), found.damage) == (("finished", 0), [])
    assert list((folder / "files").glob(".*")) == []
    assert [row["a"] for row in found.log.rows()][:1000] == list(range(1000))


def test_daemon_threads_that_log_at_exit_print_nothing(run_program):
    folder, said = run_program(
        "import steplog, sys, threading, time\n"
        "steplog.init(mode='offline', dir=sys.argv[1], settings={'quiet': True})\n"
        "def work():\n"
        "    while True:\n"
        "        steplog.log({'a': 1})\n"
        "for _ in range(3):\n"
        "    threading.Thread(target=work, daemon=True).start()\n"
        "time.sleep(0.2)\n",
        returncode=0,
    )
    assert said == ""
    assert RunLog(folder).row_count > 0


def test_without_stderr_nothing_is_said_on_stdout(tmp_path):
    code = (
        "import steplog, sys; sys.stderr = None\n"
        "steplog.init(mode='offline', dir=sys.argv[1]).finish()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
