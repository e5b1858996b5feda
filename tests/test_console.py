"""What is printed while a run goes on."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys

import pytest

import steplog
from steplog import _streams
from steplog._core import RunLog

OUTPUT = 11
ON = {"console": "wrap"}


@pytest.fixture
def printed(records_of):
    """Gives (stream, text) of each piece in the log of a run's folder."""

    def read(folder):
        return [tuple(record[2:]) for record in records_of(folder) if record[0] == OUTPUT]

    return read


@pytest.fixture
def program(run_program, printed, monkeypatch):
    monkeypatch.setenv("STEPLOG_CONSOLE", "wrap")

    def run(code, returncode=0):
        prelude = (
            "import os, signal, steplog, sys\n"
            "run = steplog.init(mode='offline', dir=sys.argv[1], settings={'quiet': True})\n"
        )
        folder, said = run_program(prelude + code, returncode)
        return printed(folder), said

    return run


def test_what_is_printed_is_printed_and_in_the_log(program):
    pieces, said = program("print('a', end='')\nprint('b')\nprint('é', file=sys.stderr)")
    assert pieces == [(1, "a"), (1, "b"), (1, "\n"), (2, "é"), (2, "\n")]
    assert said == "é\n"


def test_a_kill_right_after_print_loses_nothing(program):
    code = "for n in range(500): print(n)\nos.kill(os.getpid(), signal.SIGKILL)"
    pieces, _ = program(code, -9)
    assert "".join(text for _, text in pieces) == "".join(f"{n}\n" for n in range(500))


def test_the_traceback_of_the_end_is_in_the_log(program):
    pieces, _ = program("def f(): raise ValueError('boom')\nf()", 1)
    text = "".join(text for stream, text in pieces if stream == 2)
    assert text.startswith("Traceback (most recent call last):\n")
    assert text.endswith("ValueError: boom\n")


def test_the_traceback_of_a_block_that_fails_is_in_the_log_and_printed_once(program):
    pieces, said = program("with run:\n    print('in')\n    1 / 0", 1)
    text = "".join(text for stream, text in pieces if stream == 2)
    assert text.endswith("ZeroDivisionError: division by zero\n")
    assert text.count("Traceback") == said.count("Traceback") == 1


def test_what_cannot_be_text_or_is_long_does_no_harm(program):
    pieces, _ = program(
        "import io\n"
        "sys.stdout = None\n"
        "print('to nobody')\n"
        "sys.stderr.write('\\udc80x\\n')\n"
        "sys.stderr.write('y' * 2_500_000)\n"
    )
    assert [(stream, len(text)) for stream, text in pieces] == [
        *((2, 3), (2, 1 << 20), (2, 1 << 20), (2, 2_500_000 - (2 << 20)))
    ]


def test_a_forked_child_prints_and_the_log_is_its_parents(program):
    pieces, said = program(
        "print('parent', file=sys.stderr)\n"
        "if os.fork() == 0:\n"
        "    print('child', file=sys.stderr)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
    )
    assert pieces == [(2, "parent"), (2, "\n")]
    assert said == "parent\nchild\n"


def test_streams_are_as_before_when_the_last_run_ends(start, printed):
    kept = io.BytesIO()
    stream = io.TextIOWrapper(kept, "cp1252", write_through=True)
    with contextlib.redirect_stdout(stream):
        one = start(settings=ON)
        two = start(settings=ON, reinit="create_new")
        wrapped = sys.stdout.write
        one.finish()
        assert sys.stdout.write == wrapped
        print("é")
        with pytest.raises(UnicodeEncodeError):
            print("☃")
        two.finish()
        assert "write" not in vars(stream)
        print("after")
    assert printed(one.sync_dir) == []
    assert printed(two.sync_dir) == [(1, "é"), (1, "\n")]
    assert kept.getvalue() == b"\xe9\nafter\n"


def test_whoever_wraps_the_stream_once_more_keeps_it(start):
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream):
        run = start(settings=ON)
        ours = sys.stdout.write
        sys.stdout.write = lambda text: ours(text.upper())  # type: ignore[method-assign]
        run.finish()
        print("after")
    assert stream.getvalue() == "AFTER\n"


def test_off_is_off_and_write_logs_adds(start, printed):
    with start() as run:
        print("nothing of this")
        run.write_logs("text")
        with pytest.raises(steplog.ArgumentTypeError, match="takes text, got int"):
            run.write_logs(1)
    assert printed(run.sync_dir) == [(1, "text\n")]
    assert _streams.STREAMS._takers == ()
    with pytest.raises(steplog.RunClosedError):
        run.write_logs("late")


def test_a_full_disk_warns_once_and_prints_go_on(start, capfd):
    settings = {**ON, "max_unsent_bytes": 1 << 20}
    with start(settings=settings) as run:
        for _ in range(40):
            sys.stderr.write("x" * 100_000 + "\n")
    said = capfd.readouterr().err
    assert said.count("what is printed is not recorded") == 1
    assert said.count("x" * 100_000) == 40
    assert RunLog(run.sync_dir).writers()[0]["exit_code"] == 0


def test_progress_bars_and_logging_go_on_as_before(tmp_path, printed):
    code = (
        "import logging, steplog, sys\n"
        "run = steplog.init(mode='offline', dir=sys.argv[1], settings={'quiet': True})\n"
        "logging.basicConfig(level='INFO')\n"
        "logging.info('hello')\n"
        "print(sys.stdout.isatty(), sys.stdout.encoding, sys.stdout.fileno())\n"
    )
    environ = {**os.environ, "STEPLOG_CONSOLE": "wrap", "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        env=environ,
    )
    assert done.stdout == "False iso8859-1 1\n"
    assert done.stderr == "INFO:root:hello\n"
    (folder,) = (tmp_path / "steplog-runs").glob("2*")
    assert "".join(text for stream, text in printed(folder) if stream == 2) == "INFO:root:hello\n"


CELLS = """
import steplog, sys; run = steplog.init(id="one"); print("same cell")
print("next cell"); print("wrong", file=sys.stderr)
%run script.py
1 / 0
run.finish(); print("in the last cell")
import atexit; atexit.register(lambda out=sys.stdout: print("behind", type(out.write).__name__))
run = steplog.init(id="two"); print("again")
print("and next")
run.finish()
"""


def test_what_is_printed_in_cells_of_ipython_is_in_the_log(tmp_path, printed, monkeypatch):
    for name, value in {"MODE": "offline", "QUIET": "1", "CONSOLE": "auto"}.items():
        monkeypatch.setenv(f"STEPLOG_{name}", value)
    (tmp_path / "script.py").write_text("print('by a script')")
    command = [sys.executable, "-m", "IPython", "--simple-prompt", "--no-banner", "--quick"]
    done = subprocess.run(
        [*command, "--colors=NoColor"],
        check=True,
        input=CELLS,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "behind builtin_function_or_method" in done.stdout
    one, two = (
        ["".join(text for stream, text in printed(folder) if stream == wanted) for wanted in (1, 2)]
        for folder in sorted((tmp_path / "steplog-runs").glob("2*-*"))
    )
    for said in ("same cell\n", "next cell\n", "by a script\n", "ZeroDivisionError: division"):
        assert one[0].count(said) == done.stdout.count(said), said
    assert one[1].count("wrong\n") == 1
    assert "last cell" not in one[0]
    for said in ("again\n", "and next\n"):
        assert two[0].count(said) == 1
