"""Runs that go on where an earlier attempt ended, whatever the server says of them."""

from __future__ import annotations

import contextlib
import itertools
import pathlib
import socket
import subprocess
import sys
import threading
import time

import msgpack  # type: ignore[import-untyped]  # it has no stubs
import pytest

import steplog
from steplog import _runs
from steplog._core import RunLog


def steps(run):
    return [(row["_step"], row["a"]) for row in RunLog(run.sync_dir).rows()]


def first_attempt(start, **arguments):
    with start(id="r", name="first", tags=["t"], config={"lr": 0.1, "n": 1}, **arguments) as run:
        run.define_metric("a", summary="min,max,mean")
        for number in range(5):
            run.log({"a": number})
        run.summary["best"] = 7
    return run


def test_a_run_goes_on_in_its_folder_with_all_that_was_known(start):
    before = first_attempt(start)
    with start(id="r", resume="must", config={"lr": 0.2}) as run:
        assert (run.sync_dir, run.resumed, run.starting_step) == (before.sync_dir, True, 5)
        assert (run.name, run.tags, run.step) == ("first", ("t",), 5)
        assert run.config.as_dict() == {"lr": 0.2, "n": 1}
        assert run.summary["a"].as_dict() == {"min": 0, "max": 4, "mean": 2.0}
        run.log({"a": 8})
        assert run.summary["a"].as_dict() == {"min": 0, "max": 8, "mean": 3.0}
        assert run.summary["best"] == 7
        assert run.summary["_runtime"] >= before.summary["_runtime"]
    assert steps(run) == [*((number, number) for number in range(5)), (5, 8)]
    found = _runs.read(pathlib.Path(run.sync_dir))
    assert (found.state(), found.log.config()["lr"]) == (("finished", 0), 0.2)
    with start(id="r", resume="allow") as again:
        assert again.starting_step == 6


def test_a_killed_run_goes_on_and_its_end_is_forgotten(tmp_path, start):
    code = """
import os, signal, sys, steplog
run = steplog.init(id="r", mode="offline", dir=sys.argv[1], settings={"quiet": True})
for number in range(100):
    run.log({"a": number})
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    (folder,) = (tmp_path / "steplog-runs").glob("2*")
    assert _runs.read(folder).state()[0] == "crashed"
    with start(id="r", resume="must") as run:
        run.log({"a": 100})
    assert steps(run) == [(number, number) for number in range(101)]
    assert _runs.read(folder).state() == ("finished", 0)


def test_what_is_asked_for_must_be_so(start):
    with pytest.raises(steplog.UsageError, match="there is no run local/uncategorized/r"):
        start(id="r", resume="must")
    with start(id="r", resume="allow") as run:
        assert (run.resumed, run.starting_step) == (False, 0)
        run.log({"a": 1})
    with pytest.raises(steplog.UsageError, match="there is a run local/uncategorized/r already"):
        start(id="r", resume="never")
    with start(id="r", resume="never", project="other") as run:
        assert not run.resumed
    with pytest.raises(steplog.UsageError, match="resume must be one of"):
        start(id="r", resume="perhaps")
    with start(id="live") as run:
        run.log({"a": 1})
        with pytest.raises(steplog.UsageError, match="is still running"):
            start(id="live", resume="allow", reinit="create_new")


def test_auto_goes_on_until_the_run_ends_well(start, monkeypatch):
    run = start(resume=True)
    run.log({"a": 1})
    run.finish(exit_code=3)
    with start(resume="auto") as again:
        assert (again.id, again.resumed, again.starting_step) == (run.id, True, 1)
    with start(resume="auto") as other:
        assert other.id != run.id
    monkeypatch.setenv("WANDB_RESUME", "must")
    with pytest.raises(steplog.UsageError, match="there is no run"):
        start(id="none")


def test_without_resume_the_same_id_is_another_folder(start):
    before = first_attempt(start)
    with start(id="r") as run:
        assert (run.resumed, run.step) == (False, 0)
    assert run.sync_dir != before.sync_dir


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/msgpack\r\n"
RUN: dict[str, object] = {"writers": [], "summary_states": [], "config": {}}
WRITER = {"label": "", "writer": "w", "next_step": 3, "start_step": 0, "generation": 0}


def said(value):
    """What a server sends to say this."""
    body = value if isinstance(value, bytes) else msgpack.packb(value)
    return [HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body]


@contextlib.contextmanager
def answering(parts, *, pause_secs=0.0):
    """The address of a server that sends these parts to whoever asks it."""
    over = threading.Event()

    def answer(connected):
        with connected, contextlib.suppress(OSError):
            connected.recv(65536)
            for part in parts():
                connected.sendall(part)
                if over.wait(pause_secs):
                    return

    def accept():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def online(folder, url, **arguments):
    settings = {"base_url": url, "api_key": "k" * 40, "quiet": True, "finish_timeout_secs": 0.1}
    settings["resume_timeout_secs"] = arguments.pop("timeout_secs", 30.0)
    return steplog.init(dir=str(folder), settings=settings, **arguments)


def goes_on_alone(folder, url, *, text, capfd, **options):
    """The folder decides, with a warning, where it may; elsewhere an error is raised."""
    with online(folder, url, id="r", resume="allow", **options) as run:
        assert run.starting_step == 0
    warnings = [line for line in capfd.readouterr().err.splitlines() if "what the server" in line]
    assert len(warnings) == 1
    assert text in warnings[0]
    for asked in ({"resume": "must", "id": "s"}, {"fork_from": "s?_step=1"}):
        with pytest.raises(steplog.ServerError, match=text):
            online(folder, url, **asked, **options)


@pytest.mark.parametrize(
    "parts",
    [
        lambda: itertools.chain([HEAD], itertools.repeat(b"X: 1\r\n")),
        lambda: itertools.chain([HEAD + b"Content-Length: 9999\r\n\r\n"], itertools.repeat(b"x")),
        lambda: itertools.repeat(b""),
    ],
    ids=["head", "body", "nothing"],
)
def test_a_server_that_says_little_at_a_time_is_waited_for_no_longer(tmp_path, capfd, parts):
    with answering(parts, pause_secs=0.05) as url:
        since = time.monotonic()
        goes_on_alone(tmp_path, url, text="no answer within 0.3 s", capfd=capfd, timeout_secs=0.3)
        assert time.monotonic() - since < 4


def test_an_answer_without_end_is_not_read_to_it(tmp_path, capfd):
    def parts():
        yield HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
        yield from itertools.repeat(b"100000\r\n" + b"a" * 0x100000 + b"\r\n")

    with answering(parts) as url:
        goes_on_alone(tmp_path, url, text="answers more than 64 MiB", capfd=capfd)


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>",
        b"\xc1",
        b"\xdd\xff\xff\xff\xff",
        5,
        {},
        {**RUN, "writers": "abc"},
        {**RUN, "writers": [5]},
        {**RUN, "writers": [{"label": ""}]},
        {**RUN, "writers": [{**WRITER, "next_step": "3"}]},
        {**RUN, "writers": [{**WRITER, "next_step": 1 << 63}]},
        {**RUN, "summary_states": [["", 5]]},
        {**RUN, "summary_states": [["", "no hex"]]},
        {**RUN, "summary_states": [["", "c1"]]},
        {**RUN, "summary_states": [["other", "c1"]]},
        {**RUN, "config": None},
        {**RUN, "config": {5: 5}},
        {**RUN, "tags": "abc"},
        {**RUN, "name": 5},
    ],
    ids=repr,
)
def test_an_answer_that_is_no_run_is_as_none(tmp_path, capfd, answer):
    with answering(lambda: said(answer)) as url:
        goes_on_alone(tmp_path, url, text="the server cannot be understood", capfd=capfd)


def test_an_answer_that_is_cut_off_is_as_none(tmp_path, capfd):
    with answering(lambda: [HEAD + b"Content-Length: 9\r\n\r\n\x80"]) as url:
        goes_on_alone(tmp_path, url, text="IncompleteRead", capfd=capfd)


def test_what_the_server_knows_of_a_run_is_taken_over(tmp_path):
    known = {**RUN, "writers": [WRITER], "config": {"lr": 0.1}, "name": "n", "tags": ["t"]}
    with (
        answering(lambda: said(known)) as url,
        online(tmp_path, url, id="r", resume="must") as run,
    ):
        assert (run.starting_step, run.name, run.tags) == (3, "n", ("t",))
        assert run.config.as_dict() == {"lr": 0.1}


ENDS = {
    "raise SystemExit(3)": True,
    "raise SystemExit(0)": False,
    "try: 1/0\nfinally: run.finish()": True,
    "try: 1/0\nexcept ArithmeticError:\n    run.finish()\n    raise": True,
    "run.finish()": False,
}


@pytest.mark.parametrize("end", ENDS)
def test_auto_goes_on_unless_the_program_ended_well(tmp_path, start, end):
    code = f"import steplog, sys\nrun = steplog.init(dir=sys.argv[1], resume='auto')\n{end}\n"
    command = [sys.executable, "-c", code, str(tmp_path)]
    environ = {"PATH": "", "STEPLOG_MODE": "offline", "HOME": str(tmp_path)}
    subprocess.run(command, env=environ, stderr=subprocess.DEVNULL, check=False)
    (folder,) = (tmp_path / "steplog-runs").glob("2*")
    with start(resume="auto") as run:
        assert (run.sync_dir == str(folder)) is ENDS[end]


def test_without_a_key_the_folder_decides(tmp_path, start, capfd, *, monkeypatch):
    monkeypatch.setenv("STEPLOG_CONFIG_DIR", str(tmp_path / "none"))
    first_attempt(start)
    settings = {"base_url": "http://127.0.0.1:1", "finish_timeout_secs": 0.0}
    with steplog.init(
        project="uncategorized", dir=str(tmp_path), id="r", resume="allow", settings=settings
    ) as run:
        assert run.starting_step == 5
    assert "there is no key for http://127.0.0.1:1" in capfd.readouterr().err
    with pytest.raises(steplog.ServerError, match="there is no key"):
        steplog.init(dir=str(tmp_path), id="other", resume="must", settings=settings)
