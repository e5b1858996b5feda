"""The config's file in the run's folder: there early, never waited for, never a reason to fail."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import threading

import pytest
import yaml

from steplog._core import RunLog

pytestmark = pytest.mark.usefixtures("own_directory")


def stored(run):
    return RunLog(run.sync_dir).config()


def file_of(run):
    tree = yaml.safe_load(pathlib.Path(run.dir, "config.yaml").read_text("utf-8"))
    return {key: described["value"] for key, described in tree.items()}


KILLED = """
import os, signal, sys, threading, steplog
run = steplog.init(mode="offline", dir=sys.argv[1], settings={"quiet": True}, config={"lr": 0.1})
if sys.argv[2] == "later":
    run.config.update({"b": float("nan")})
    for thread in threading.enumerate():
        if thread.name == "steplog-config":
            thread.join()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("when", ["at once", "later"])
def test_a_run_that_is_killed_has_its_file(tmp_path, when):
    command = [sys.executable, "-c", KILLED, str(tmp_path), when]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    text = (tmp_path / "steplog-runs/latest/files/config.yaml").read_text()
    assert text == "b:\n    value: .nan\n" * (when == "later") + "lr:\n    value: 0.1\n"


async def test_a_change_does_not_wait_for_the_disk(start):
    async with start(config={"k0": 0}) as run:
        for number in range(300):
            run.config[f"k{number}"] = number
    assert file_of(run) == {f"k{number}": number for number in range(300)}
    assert not [one for one in threading.enumerate() if one.name == "steplog-config"]


def test_a_forked_child_leaves_the_file_to_its_parent(start):
    run = start(config={"lr": 0.1})
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            run.config.child = 1
            run.finish()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0
    run.config.parent = 1
    run.finish()
    assert file_of(run) == {"lr": 0.1, "parent": 1}
    assert stored(run) == {"lr": 0.1, "parent": 1, "child": 1}


def test_a_file_that_cannot_be_written_is_a_warning(start, capsys):
    run = start()
    folder = pathlib.Path(run.dir)
    folder.rename(folder.with_name("away"))
    run.config.lr = 0.1
    run.finish()
    said = capsys.readouterr().err
    assert said.count("config.yaml cannot be written: ") == 1
    assert said.count("the run's folder cannot be closed: ") == 1
    assert stored(run) == {"lr": 0.1}
