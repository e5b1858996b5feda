"""What is written to the numbers of stdout and stderr while a run goes on, whoever writes it."""

from __future__ import annotations

import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import time
from typing import NamedTuple

import pytest

from steplog._core import RunLog, take_rests

OUTPUT = 11
PRELUDE = """
import os, signal, subprocess, sys, steplog
SETTINGS = {"quiet": True}
def init(**more):
    return steplog.init(mode="offline", dir=sys.argv[1], settings=SETTINGS, **more)
run = init()
"""
LINES = "for number in range(%d): print(number%s)\n"


class Ended(NamedTuple):
    """How a program ended, what it said, and the folders of its runs."""

    returncode: int
    out: bytes
    err: bytes
    folders: list[pathlib.Path]


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Runs code in a process that redirects; gives how it ended, what it said, and its runs."""
    monkeypatch.setenv("STEPLOG_CONSOLE", "redirect")
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)

    def run(code, *, prelude=PRELUDE, **how):
        path = tmp_path / "program.py"
        path.write_text(prelude + code)
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how}
        process = subprocess.Popen([sys.executable, str(path), str(tmp_path)], **streams)
        out, err = process.communicate()
        folders = sorted((tmp_path / "steplog-runs").glob("2*"))
        assert process.returncode is not None
        return Ended(process.returncode, out, err, folders)

    return run


@pytest.fixture
def texts(records_of):
    """Gives what is in a run's log of each stream; after a kill its rest as well."""

    def read(folder, *, after_kill=False):
        if after_kill:
            take_rests(folder)
            assert take_rests(folder) == (0, 0)
        found = {1: "", 2: ""}
        for record in records_of(folder):
            if record[0] == OUTPUT:
                found[record[2]] += record[3]
        (writer, *_) = RunLog(folder).writers()
        assert (writer["damage"], writer["incomplete"]) == ([], [])
        return found

    return read


def lines(count):
    return "".join(f"{number}\n" for number in range(count))


def test_whoever_writes_is_forwarded_in_order_and_recorded(program, records_of):
    ended = program(
        "import ctypes\n"
        "for number in range(200):\n"
        "    print('out', number)\n"
        "    print('err', number, file=sys.stderr)\n"
        "subprocess.run(['sh', '-c', 'echo child; echo of it >&2'])\n"
        "os.write(1, b'number\\n')\n"
        "sys.stdout.buffer.write(b'caf\\xe9\\n')\n"
        "sys.stdout.buffer.flush()\n"
        "ctypes.CDLL(None).printf(b'library\\n')\n"
        "run.finish()\n"
        "print('after')\n",
        stderr=subprocess.STDOUT,
    )
    both = "".join(f"out {number}\nerr {number}\n" for number in range(200))
    rest = b"child\nnumber\ncaf\xe9\nlibrary\nafter\n"
    assert ended.returncode == 0
    # Of what children print to two streams the order is not certain.
    assert ended.out.replace(b"of it\n", b"") == both.encode() + rest
    assert ended.out.count(b"of it\n") == 1
    (folder,) = ended.folders
    printed = [record for record in records_of(folder) if record[0] == OUTPUT]
    whole = "".join(record[3] for record in printed)
    assert whole.replace("of it\n", "") == both + "child\nnumber\ncafé\nlibrary\n"
    errors = "".join(record[3] for record in printed if record[2] == 2)
    assert errors == "".join(f"err {number}\n" for number in range(200)) + "of it\n"
    assert sorted(path.name for path in folder.glob("wal/*/*")) == ["00000001.wal", "lock"]


def test_streams_are_what_they_were(program, tmp_path):
    code = (
        "print(sys.stdout.isatty(), sys.stdout.encoding, sys.stdout.fileno(), end=' ')\n"
        "import stat\n"
        "print(oct(stat.S_IMODE(os.fstat(1).st_mode)))\n"
        "run.finish()\n"
        "print(os.fstat(1).st_ino)\n"
    )
    with (tmp_path / "out").open("wb") as out:
        ended = program(code, stdout=out, env={**os.environ, "PYTHONIOENCODING": "latin-1"})
    assert ended.returncode == 0, ended.err
    inode = (tmp_path / "out").stat().st_ino
    assert (tmp_path / "out").read_text() == f"False iso8859-1 1 0o600\n{inode}\n"


@pytest.mark.parametrize("who", ["python", "child"])
def test_a_kill_loses_nothing_that_was_written(program, texts, who):
    code = {
        "python": LINES % (3000, ""),
        "child": "subprocess.run(['seq', '0', '2999'])\n",
    }
    ended = program(code[who] + "os.kill(os.getpid(), signal.SIGKILL)\n")
    assert ended.returncode == -signal.SIGKILL
    (folder,) = ended.folders
    assert texts(folder, after_kill=True)[1] == lines(3000)


@pytest.mark.slow
def test_kills_at_any_time_lose_and_double_nothing(tmp_path, monkeypatch, texts):
    monkeypatch.setenv("STEPLOG_CONSOLE", "redirect")
    # A child keeps its own account of what it has written.
    child = (
        "import os, sys\n"
        "n, account = 0, int(sys.argv[1])\n"
        "while True:\n"
        "    os.write(1, b'%d\\n' % n); os.write(account, b'%d\\n' % n); n += 1\n"
    )
    (tmp_path / "child.py").write_text(child)
    code = (
        "account = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT)\n"
        "command = [sys.executable, sys.argv[3], str(account)]\n"
        "child = subprocess.Popen(command, pass_fds=[account])\n"
        "print(child.pid, file=sys.stderr)\n"
        "while True: print('parent', file=sys.stderr)\n"
    )
    (tmp_path / "program.py").write_text(PRELUDE + code)
    chance = random.Random(7)
    for attempt in range(25):
        home = tmp_path / str(attempt)
        home.mkdir()
        command = [sys.executable, tmp_path / "program.py", home, home / "account"]
        with (home / "err").open("wb") as err, (home / "out").open("wb") as out:
            process = subprocess.Popen(
                [*map(str, command), str(tmp_path / "child.py")], stdout=out, stderr=err
            )
            while not (home / "account").exists() or not (home / "account").stat().st_size:
                assert process.poll() is None
            wait_secs = chance.random() * 0.05
            until = time.monotonic() + wait_secs
            while time.monotonic() < until:
                pass
            process.kill()
            process.wait()
        (folder,) = (home / "steplog-runs").glob("2*")
        # The child lives on, and what it writes is taken by whoever comes next.
        take_rests(folder)
        pid = texts(folder)[2].splitlines()[0]
        os.kill(int(pid), signal.SIGKILL)
        while (
            pathlib.Path(f"/proc/{pid}").exists()
            and "Z" not in pathlib.Path(f"/proc/{pid}/stat").read_text().split(")")[1]
        ):
            pass
        found = texts(folder, after_kill=True)
        account = (home / "account").read_text()
        count = found[1].count("\n")
        assert found[1] == lines(count)
        assert count - account.count("\n") in {0, 1}
        parent = found[2].splitlines()[1:]
        assert set(parent) <= {"parent"}, set(parent)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGTERM, signal.SIGBUS])
@pytest.mark.parametrize("faulthandler", ["", "before", "after"])
def test_a_signal_that_ends_the_process_forwards_the_rest(program, texts, *, number, faulthandler):
    dump = "import faulthandler\nfaulthandler.enable()\n"
    code = (
        dump * (faulthandler == "after")
        + "subprocess.run(['seq', '0', '29999'])\n"
        + "os.write(2, b'last words\\n')\n"
        + f"os.kill(os.getpid(), {int(number)})\n"
    )
    prelude = dump * (faulthandler == "before") + PRELUDE
    ended = program(code, prelude=prelude)
    assert ended.returncode == -number
    assert ended.out.decode() == lines(30_000)
    said = ended.err.decode()
    assert said.startswith("last words\n")
    assert ("Fatal Python error" in said) == bool(faulthandler and number != signal.SIGTERM)
    (folder,) = ended.folders
    assert texts(folder, after_kill=True) == {1: lines(30_000), 2: said}


KILLING = [
    *("SIGALRM", "SIGIO", "SIGPROF", "SIGQUIT", "SIGSYS", "SIGTRAP", "SIGUSR1", "SIGUSR2"),
    *("SIGVTALRM", "SIGXCPU", "SIGRTMIN", "SIGRTMAX"),
]


@pytest.mark.parametrize("name", KILLING)
def test_another_signal_that_ends_the_process_forwards_the_rest(program, texts, *, name):
    number = getattr(signal, name)
    ended = program(
        "import resource\n"
        "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n"
        f"print(signal.getsignal({int(number)}))\n"
        "subprocess.run(['seq', '0', '199999'])\n"
        f"os.kill(os.getpid(), {int(number)})\n"
    )
    assert (ended.returncode, ended.err) == (-number, b"")
    assert ended.out.decode() == "0\n" + lines(200_000)
    assert texts(ended.folders[0], after_kill=True)[1] == ended.out.decode()


def test_signals_that_are_ignored_or_handled_stay_so(program):
    ended = program(
        "signal.signal(signal.SIGUSR2, lambda *_: print('handled'))\n"
        "for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGXFSZ):\n"
        "    os.kill(os.getpid(), number)\n"
        "subprocess.run('cat /proc/self/status | grep SigCgt', shell=True)\n",
        prelude="import signal\nsignal.signal(signal.SIGUSR1, signal.SIG_IGN)\n" + PRELUDE,
    )
    assert (ended.returncode, ended.err) == (0, b"")
    assert ended.out == b"handled\nSigCgt:\t0000000000000000\n"


def test_a_forked_child_that_a_signal_ends_forwards_nothing(program, texts):
    ended = program(
        "print('parent')\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os.write(1, b'child\\n')\n"
        "    os.kill(os.getpid(), signal.SIGUSR1)\n"
        "print(os.waitpid(child, 0)[1])\n"
    )
    assert (ended.returncode, ended.err) == (0, b"")
    assert ended.out.decode() == f"parent\nchild\n{int(signal.SIGUSR1)}\n"
    assert texts(ended.folders[0])[1] == ended.out.decode()


def test_signals_at_once_forward_the_rest_once(program):
    ended = program(
        "import threading, time\n"
        "subprocess.run(['seq', '0', '199999'])\n"
        "numbers = [signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM]\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, numbers)\n"
        "for number in numbers: os.kill(os.getpid(), number)\n"
        "signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)\n"
    )
    assert ended.returncode in {-signal.SIGUSR1, -signal.SIGUSR2, -signal.SIGTERM}
    assert ended.out.decode() == lines(200_000)


def test_a_program_that_takes_its_place_has_the_streams(program, texts):
    ended = program(
        "print('before')\n"
        "try:\n"
        "    os.execvp('no-such-program', ['x'])\n"
        "except FileNotFoundError:\n"
        "    print('goes on')\n"
        "subprocess.run(['echo', 'child'])\n"
        "os.execvp('sh', ['sh', '-c', 'echo after; readlink /proc/self/fd/1'])\n"
    )
    assert ended.out.startswith(b"before\ngoes on\nchild\nafter\npipe:")
    (folder,) = ended.folders
    assert texts(folder, after_kill=True)[1] == "before\ngoes on\nchild\n"


def test_a_process_that_leaves_at_once_has_forwarded_all(program, texts):
    ended = program("subprocess.run(['seq', '0', '99999'])\nos._exit(3)\n")
    assert (ended.returncode, ended.out.decode()) == (3, lines(100_000))
    assert texts(ended.folders[0], after_kill=True)[1] == lines(100_000)


def test_functions_of_os_can_be_pickled_as_before(program, texts):
    ended = program(
        "import pickle\n"
        "for name in ('_exit', 'execv', 'execve'):\n"
        "    function = getattr(os, name)\n"
        "    assert pickle.loads(pickle.dumps(function)) is function\n"
        "print('yes')\n"
    )
    assert texts(ended.folders[0])[1] == "yes\n"


def test_forked_children_print_into_their_parents_run(program, texts):
    ended = program(
        "sys.stdout.write('half ')\n"
        "if os.fork() == 0:\n"
        "    print('child', flush=True)\n"
        "    subprocess.run(['echo', 'grandchild'])\n"
        "    print('kept', end=' ')\n"  # lines of several children are whole
        "    os.write(1, b'at once\\n')\n"
        "    print('until now', flush=True)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "print('parent')\n"
    )
    assert (ended.returncode, ended.err) == (0, b"")
    assert ended.out == b"half child\ngrandchild\nat once\nkept until now\nparent\n"
    assert texts(ended.folders[0])[1] == ended.out.decode()


def test_a_forked_child_whose_parent_is_gone_prints_to_where_the_stream_led(program):
    ended = program(
        "sys.stdout.flush()\n"
        "if os.fork() == 0:\n"
        "    while os.getppid() == int(open(sys.argv[1] + '/pid').read() or 0): pass\n"
        "    print('child', flush=True)\n"
        "    os._exit(0)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n",
        prelude="import os, sys\nopen(sys.argv[1] + '/pid', 'w').write(str(os.getpid()))\n"
        + PRELUDE,
    )
    assert (ended.returncode, ended.out) == (-signal.SIGKILL, b"child\n")


def test_a_forked_child_may_have_a_run_of_its_own(program, texts):
    ended = program(
        "print('parent')\n"
        "if os.fork() == 0:\n"
        "    with init(id='child', reinit='create_new'):\n"
        "        print('child')\n"
        "        subprocess.run(['echo', 'grandchild'])\n"
        "    print('child after')\n"
        "    sys.exit()\n"
        "os.wait()\n"
        "print('end')\n"
    )
    assert (ended.returncode, ended.err) == (0, b"")
    assert ended.out == b"parent\nchild\ngrandchild\nchild after\nend\n"
    mine, childs = (
        next(folder for folder in ended.folders if folder.name.endswith("child") == is_child)
        for is_child in (False, True)
    )
    assert texts(mine)[1] == ended.out.decode()
    assert texts(childs)[1] == "child\ngrandchild\n"


@pytest.mark.parametrize("buffering", [{}, {"PYTHONUNBUFFERED": "1"}])
def test_lines_of_threads_are_whole(program, texts, buffering):
    # Threads change places only where one lets others go on: without redirection in no line.
    code = (
        "import threading, time\n"
        "sys.setswitchinterval(100)\n"
        "def say(name):\n"
        "    for number in range(200):\n"
        "        print('worker', name, 'step', number, 'ok')\n"
        "        time.sleep(0)\n"
        "threads = [threading.Thread(target=say, args=(name,)) for name in range(4)]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = program(code, env={**os.environ, **buffering})
    wished = {f"worker {name} step {number} ok" for name in range(4) for number in range(200)}
    found = texts(ended.folders[0], after_kill=True)[1].splitlines()
    assert (len(found), set(found)) == (800, wished)


def test_what_python_prints_after_the_number_was_moved_goes_there(program, tmp_path):
    code = (
        f"file = os.open({str(tmp_path / 'moved')!r}, os.O_CREAT | os.O_WRONLY)\n"
        "print('a', 'b')\n"
        "kept = os.dup(1)\n"
        "os.dup2(file, 1)\n"
        "print('c', 'd')\n"
        "os.dup2(kept, 1)\n"
        "print('e' * 100_000)\n"
        "run.finish()\n"
        "print('write' in vars(sys.stdout.buffer.raw))\n"
    )
    ended = program(code)
    assert (tmp_path / "moved").read_text() == "c d\n"
    assert ended.out.decode() == "a b\n" + "e" * 100_000 + "\nFalse\n"


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_print_as_before(program, texts, method):
    code = (
        "import multiprocessing, os, subprocess, sys, steplog\n"
        "def work(number):\n"
        "    print('worker', number, flush=True)\n"
        "    return number\n"
        "if __name__ == '__main__':\n"
        "    run = steplog.init(mode='offline', dir=sys.argv[1], settings={'quiet': True})\n"
        f"    context = multiprocessing.get_context('{method}')\n"
        "    with context.Pool(3) as pool:\n"
        "        assert pool.map(work, range(30)) == list(range(30))\n"
        "    print('end')\n"
    )
    ended = program(code, prelude="")
    assert (ended.returncode, ended.err) == (0, b"")
    told = sorted(f"worker {number}" for number in range(30))
    assert sorted(ended.out.decode().splitlines()[:-1]) == told
    assert texts(ended.folders[0])[1] == ended.out.decode()


def test_a_fork_during_heavy_output_harms_nobody(program, texts):
    ended = program(
        "import threading\n"
        "threads = [\n"
        "    threading.Thread(target=lambda: [print('x' * 99) for _ in range(2000)])\n"
        "    for _ in range(2)\n"
        "]\n"
        "for thread in threads: thread.start()\n"
        "for _ in range(50):\n"
        "    if os.fork() == 0:\n"
        "        os.write(1, b'child\\n')\n"
        "        os._exit(0)\n"
        "    os.wait()\n"
        "for thread in threads: thread.join()\n"
    )
    assert (ended.returncode, ended.err) == (0, b"")
    assert ended.out.count(b"child") == 50
    assert ended.out.count(b"x") == 2 * 2000 * 99
    assert texts(ended.folders[0])[1] == ended.out.decode()


def test_two_runs_at_once_and_one_after_the_other(program, texts):
    ended = program(
        "print('one')\n"
        "two = init(id='two', reinit='create_new')\n"
        "subprocess.run(['echo', 'both'])\n"
        "run.finish()\n"
        "print('two')\n"
        "two.finish()\n"
        "subprocess.run(['echo', 'nobody'])\n"
        "with init(id='three'):\n"
        "    subprocess.run(['echo', 'three'])\n"
        "print(os.listdir('/proc/self/task'), file=sys.stderr)\n"
    )
    assert ended.out == b"one\nboth\ntwo\nnobody\nthree\n"
    printed = {folder.name.rpartition("-")[2]: texts(folder)[1] for folder in ended.folders}
    assert printed.pop("two") == "both\ntwo\n"
    assert printed.pop("three") == "three\n"
    assert list(printed.values()) == ["one\nboth\n"]
    assert ended.err.count(b",") == 0  # no thread is left


def test_a_kill_of_two_runs_at_once_leaves_each_its_own(program, texts):
    ended = program(
        "subprocess.run(['seq', '0', '999'])\n"
        "two = init(id='two', reinit='create_new')\n"
        "subprocess.run(['seq', '0', '999'])\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    found = {folder.name.rpartition("-")[2]: folder for folder in ended.folders}
    assert texts(found.pop("two"), after_kill=True)[1] == lines(1000)
    (first,) = found.values()
    assert texts(first, after_kill=True)[1] == lines(1000) * 2


def test_what_children_print_after_the_run_goes_where_it_would_have_gone(program):
    ended = program(
        "child = subprocess.Popen(['sh', '-c', 'echo in; read go; echo after'], stdin=-1)\n"
        "run.finish()\n"
        "child.communicate(b'go\\n')\n"
        "with init(id='two'):\n"
        "    print('two')\n"
        "os.close(1)\n"
    )
    assert (ended.returncode, ended.out.splitlines()[-2:]) == (0, [b"after", b"two"])


def test_a_stream_that_the_program_leads_elsewhere_stays_there(program, texts, tmp_path):
    ended = program(
        "print('one')\n"
        "kept = os.dup(1)\n"
        "file = os.open(sys.argv[1] + '/file', os.O_CREAT | os.O_WRONLY)\n"
        "os.dup2(file, 1)\n"
        "os.write(1, b'file\\n')\n"
        "run.finish()\n"
        "os.write(1, b'still file\\n')\n"
        "os.dup2(kept, 1)\n"
        "os.write(1, b'two\\n')\n"
    )
    assert (tmp_path / "file").read_bytes() == b"file\nstill file\n"
    assert ended.out == b"one\ntwo\n"
    assert texts(ended.folders[0])[1] == "one\n"


def test_a_stream_that_is_closed_does_no_harm(texts, tmp_path, monkeypatch):
    monkeypatch.setenv("STEPLOG_CONSOLE", "redirect")
    shell = f"exec {sys.executable} {tmp_path}/program.py {tmp_path} >&- 2>/dev/null"
    (tmp_path / "program.py").write_text(
        PRELUDE + "print('nobody')\nprint('error', file=sys.stderr)\n"
        "subprocess.run(['echo', 'child'])\nopen(sys.argv[1] + '/done', 'w')\n"
    )
    subprocess.run(["sh", "-c", shell], check=True)
    assert (tmp_path / "done").exists()
    (folder,) = (tmp_path / "steplog-runs").glob("2*")
    found = texts(folder)
    assert (found[1], found[2].startswith("error\n")) == ("", True)


CLOSED = """
import contextlib, os, sys, steplog
if sys.argv[2] == "program":
    os.closerange(0, 3)  # a daemon of its own making
with steplog.init(mode="offline", dir=sys.argv[1]) as run:
    for number in range(500):
        run.log({"number": number})
        with contextlib.suppress(OSError):
            print("step", number, flush=True)
        for stream, use in ((0, os.read), (1, os.write), (2, os.write)):
            try:
                use(stream, b"of a library" if stream else 1)
            except OSError as error:
                assert error.errno == 9, error
            else:
                raise AssertionError(stream)
    pipe, end = os.pipe()
    os.set_inheritable(end, True)
    os.spawnl(os.P_WAIT, sys.executable, "python", "-c", f"import os; os.write({end}, str("
        "[number for number in range(3) if os.path.exists(f'/proc/self/fd/{number}')]).encode())")
    with open(sys.argv[1] + "/child", "w") as file:
        file.write(os.read(pipe, 100).decode())
"""


@pytest.fixture(params=["wrap", "redirect"])
def _console(request, monkeypatch):
    monkeypatch.setenv("STEPLOG_CONSOLE", request.param)


@pytest.mark.usefixtures("_console")
@pytest.mark.parametrize("closed_by", ["program", "shell"])
def test_without_streams_nothing_is_printed_into_the_log(tmp_path, closed_by):
    (tmp_path / "program.py").write_text(CLOSED)
    closing = " <&- >&- 2>&-" if closed_by == "shell" else ""
    shell = f"exec {sys.executable} {tmp_path}/program.py {tmp_path} {closed_by}{closing}"
    subprocess.run(["sh", "-c", shell], check=True)
    (folder,) = (tmp_path / "steplog-runs").glob("2*")
    log = RunLog(folder)
    assert [row["number"] for row in log.rows()] == list(range(500))
    assert [writer["damage"] for writer in log.writers()] == [[]]
    assert (tmp_path / "child").read_text() == "[]"


def test_what_a_stopped_reader_has_not_got_is_told(program, texts):
    reader, writer = os.pipe()
    code = "print('x' * 2_000_000)\nrun.finish(timeout_secs=0.4)\nos._exit(0)\n"
    ended = program(code, stdout=writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        read = pipe.read()
    assert ended.returncode == 0
    assert 0 < len(read) < 2_000_001
    said = re.findall(rb"gets lost there; the run has it: ([0-9,]+) bytes to stdout\n", ended.err)
    assert [int(number.replace(b",", b"")) for number in said] == [2_000_001 - len(read)]
    assert texts(ended.folders[0])[1] == "x" * 2_000_000 + "\n"


def test_a_reader_that_goes_ends_the_program_as_before(program, texts):
    reader, writer = os.pipe()
    head = subprocess.Popen(["head", "-1"], stdin=reader, stdout=subprocess.DEVNULL)
    os.close(reader)
    ended = program("while True: print('y')\n", stdout=writer)
    os.close(writer)
    assert head.wait() == 0
    assert ended.returncode == 120  # of an interpreter whose stdout fails to the end
    assert b"BrokenPipeError" in ended.err
    assert ended.err.count(b"steplog: warning: what was printed did not all get there: ") == 1
    assert b" bytes to stdout (Broken pipe)\n" in ended.err
    found = texts(ended.folders[0])[1]
    assert found.rstrip("\n") == "\n".join("y" * found.count("y"))


def test_a_program_that_dies_of_sigpipe_does_so(program, texts):
    reader, writer = os.pipe()
    os.close(reader)
    code = "signal.signal(signal.SIGPIPE, signal.SIG_DFL)\nwhile True: print('y')\n"
    ended = program(code, stdout=writer)
    os.close(writer)
    assert (ended.returncode, ended.err) == (-signal.SIGPIPE, b"")
    found = texts(ended.folders[0], after_kill=True)[1]
    assert found.rstrip("\n") == "\n".join("y" * found.count("y"))


def test_a_full_device_fails_at_the_next_print(program, texts):
    code = (
        "print('one')\n"
        "run._console.flush(5)\n"
        "try:\n"
        "    print('two')\n"
        "except OSError as error:\n"
        "    print(error, file=sys.stderr)\n"
        "print(os.readlink('/proc/self/fd/1'), file=sys.stderr)\n"
        "command = ['sh', '-c', 'exec 3>&1; readlink /proc/self/fd/3 >&2']\n"
        "subprocess.run(command)\n"
        "run.finish()\n"
        "os._exit(0)\n"  # Python would try once more to write
    )
    with pathlib.Path("/dev/full").open("wb") as full:
        ended = program(code, stdout=full)
    lost = "what was printed did not all get there: 4 bytes to stdout (No space left on device)"
    assert ended.returncode == 0
    assert ended.err.decode().splitlines() == [
        "[Errno 28] No space left on device",
        "/dev/full",
        "/dev/full",
        f"steplog: warning: {lost}",
    ]
    assert texts(ended.folders[0])[1].startswith("one\ntwo")


def test_what_is_lost_last_is_told_at_the_end(program, texts):
    with pathlib.Path("/dev/full").open("wb") as full:
        ended = program("subprocess.run(['seq', '0', '9'])\n", stdout=full)
    assert ended.err.count(b"20 bytes to stdout (No space left on device)") == 1
    assert texts(ended.folders[0])[1] == lines(10)


def test_python_is_recorded_where_the_original_fails(program, texts, tmp_path):
    code = (
        "print('one')\n"
        "run._console.flush(5)\n"
        "try: print('two')\n"
        "except OSError: pass\n"
        "file = os.open(sys.argv[1] + '/file', os.O_CREAT | os.O_WRONLY)\n"
        "os.dup2(file, 1)\n"
        "print('three', flush=True)\n"
        "two = init(id='two', reinit='create_new')\n"
        "print('both')\n"
        "subprocess.run(['echo', 'child'])\n"
    )
    prelude = (
        "import sys\n"
        "class Tee:\n"
        "    def __init__(self, stream): self.stream = stream\n"
        "    def write(self, text): return self.stream.write(text)\n"
        "    def flush(self): self.stream.flush()\n"
        "sys.stdout = Tee(sys.stdout)\n"
    )
    with pathlib.Path("/dev/full").open("wb") as full:
        ended = program(code, stdout=full, prelude=prelude + PRELUDE)
    assert ended.returncode == 0, ended.err
    assert (tmp_path / "file").read_text().endswith("three\nboth\nchild\n")
    found = {folder.name.rpartition("-")[2]: texts(folder)[1] for folder in ended.folders}
    assert found.pop("two") == "both\nchild\n"
    (first,) = found.values()
    assert first.startswith("one\ntwo")
    assert first.endswith("three\nboth\n")
    assert first.count("three") == 1


def test_a_reader_that_has_stopped_holds_the_end_up_until_its_deadline(program, texts):
    reader, writer = os.pipe()
    ended = program(
        "import time\n"
        "subprocess.run(['seq', '0', '99999'])\n"
        "began = time.monotonic()\n"
        "run.finish(timeout_secs=1)\n"
        "print(time.monotonic() - began, file=sys.stderr)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n",
        stdout=writer,
    )
    os.close(writer)
    os.close(reader)
    warning, took, *_ = ended.err.splitlines()
    assert b"is not all read yet" in warning
    assert 0.4 < float(took) < 3
    assert texts(ended.folders[0])[1] == lines(100_000)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGSEGV])
def test_a_reader_that_has_stopped_keeps_no_process_alive(program, number):
    reader, writer = os.pipe()
    ended = program(
        f"subprocess.run(['seq', '0', '99999'])\nos.kill(os.getpid(), {int(number)})\n",
        stdout=writer,
    )
    os.close(writer)
    os.close(reader)
    assert ended.returncode == -number


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_a_run_that_ends_in_an_event_loop_has_all_of_it(program, texts, loop):
    prelude = (
        "import anyio, subprocess, sys, steplog\n"
        "async def main():\n"
        "    settings = {'quiet': True}\n"
        "    async with steplog.init(mode='offline', dir=sys.argv[1], settings=settings):\n"
        "        print('one')\n"
        "        await anyio.run_process(['seq', '0', '9999'], stdout=None)\n"
        "    print('after')\n"
    )
    ended = program(f"anyio.run(main, backend={loop!r})\n", prelude=prelude)
    assert (ended.returncode, ended.err) == (0, b"")
    assert ended.out.decode() == "one\n" + lines(10_000) + "after\n"
    assert texts(ended.folders[0])[1] == "one\n" + lines(10_000)


def test_a_reader_that_has_stopped_holds_neither_log_nor_other_stream_up(program, texts):
    reader, writer = os.pipe()
    ended = program(
        "subprocess.run(['seq', '0', '99999'])\n"
        "print('error', file=sys.stderr)\n"
        "run._console.flush(0.5)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n",
        stdout=writer,
    )
    os.close(writer)
    os.close(reader)
    assert ended.err == b"error\n"
    assert texts(ended.folders[0])[1] == lines(100_000)


def test_a_pipe_that_does_not_block_gets_everything(program, tmp_path):
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with (tmp_path / "out").open("wb") as out:
        cat = subprocess.Popen(["cat"], stdin=reader, stdout=out)
    os.close(reader)
    program("subprocess.run(['seq', '0', '199999'])\n", stdout=writer)
    os.close(writer)
    assert cat.wait() == 0
    assert (tmp_path / "out").read_text() == lines(200_000)


def test_a_child_that_empties_its_stream_breaks_nothing(program, texts):
    ended = program(
        "import time\n"
        "print('one, which is longer')\n"
        "run._console.flush(5)\n"
        "subprocess.run(['sh', '-c', 'echo two > /dev/stdout'])\n"
        "run._console.flush(5)\n"
        "print('three')\n"
    )
    assert ended.out == b"one, which is longer\ntwo\nthree\n"
    assert texts(ended.folders[0])[1] == ended.out.decode()


@pytest.mark.parametrize("mode", ["", "-u"])
def test_a_full_disk_of_the_run_does_not_stop_prints(program, mode):
    ended = program(
        f"if {mode!r}: sys.stdout.reconfigure(write_through=True)\n"
        "import resource\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
        "for number in range(3000): print(number)\n"
        "sys.stdout.flush()\n"
        "subprocess.run(['echo', 'child'])\n"
    )
    assert ended.returncode == 0, ended.err
    assert ended.out.decode() == lines(3000) + "child\n"
    assert ended.err.count(b"what children print there is not recorded any more") == 1


def test_a_long_text_that_the_disk_does_not_take_is_printed(program):
    ended = program(
        "import resource\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
        "print('x' * 100_000 + 'y')\n"
    )
    assert ended.returncode == 0, ended.err
    # What the file had taken of it is there twice.
    assert ended.out.endswith(b"x" * 100_000 + b"y\n")


def test_without_inotify_files_are_looked_at(program, texts):
    prelude = (
        "import ctypes\n"
        "library = ctypes.CDLL(None, use_errno=True)\n"
        "while library.inotify_init1(0o2000000) >= 0: pass\n"
    )
    code = "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (400, 400))\n"
    ended = program("subprocess.run(['seq', '0', '99'])\n", prelude=prelude + PRELUDE)
    assert (ended.returncode, ended.err) == (0, b""), code
    assert ended.out.decode() == texts(ended.folders[0])[1] == lines(100)


@pytest.mark.slow
def test_a_hundred_megabytes_without_a_line_end_take_little_memory_and_disk(program, texts):
    ended = program(
        "import resource\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "subprocess.run('head -c 100000000 /dev/zero | tr \"\\\\0\" x', shell=True)\n"
        "run._console.flush(60)\n"
        "(raw,) = __import__('pathlib').Path(run.sync_dir).glob('wal/*/stdout.raw')\n"
        "print(raw.stat().st_blocks * 512, file=sys.stderr)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, file=sys.stderr)\n"
    )
    assert ended.out == b"x" * 100_000_000
    freed, kilobytes = map(int, ended.err.split())
    assert freed < 80 << 20
    # The log's own segments are mapped, and count as this process's memory.
    assert kilobytes < 200_000
    assert texts(ended.folders[0])[1] == "x" * 100_000_000


def test_a_stream_in_front_of_the_first_one_is_recorded_once(program, texts):
    prelude = (
        "import sys\n"
        "class Tee:\n"
        "    def __init__(self, stream): self.stream = stream\n"
        "    def write(self, text): return self.stream.write(text)\n"
        "    def flush(self): self.stream.flush()\n"
        "sys.stdout = Tee(sys.stdout)\n"
    )
    ended = program("print('one')\nsubprocess.run(['echo', 'two'])\n", prelude=prelude + PRELUDE)
    assert ended.out == b"one\ntwo\n"
    assert texts(ended.folders[0])[1] == "one\ntwo\n"


def test_a_stream_that_has_no_number_is_recorded_as_well(program, texts):
    prelude = "import io, sys\nsys.stdout = io.StringIO()\n"
    ended = program("print('one')\nsubprocess.run(['echo', 'two'])\n", prelude=prelude + PRELUDE)
    assert ended.out == b"two\n"
    assert texts(ended.folders[0])[1] == "one\ntwo\n"


def test_where_no_file_can_be_made_python_is_recorded_and_children_print(program, texts):
    prelude = (
        "from steplog import _process_writer\n"
        "open_writer = _process_writer.open_writer\n"
        "def in_the_way(folder, identity, *args, **kwargs):\n"
        "    writer = open_writer(folder, identity, *args, **kwargs)\n"
        "    (folder / 'wal' / identity['writer'] / 'stdout.raw').mkdir()\n"
        "    return writer\n"
        "_process_writer.open_writer = in_the_way\n"
    )
    code = (
        "print('one', flush=True)\n"
        "subprocess.run(['sh', '-c', 'echo two; echo error >&2'])\n"
        "run.finish()\n"
    )
    ended = program(code, prelude=prelude + PRELUDE)
    assert (ended.returncode, ended.out) == (0, b"one\ntwo\n")
    assert ended.err.startswith(b"steplog: warning: what children print to stdout is not recorded")
    assert ended.err.endswith(b"error\n")
    found = texts(ended.folders[0])
    assert (found[1], found[2].endswith("error\n")) == ("one\n", True)
