"""A terminal that is redirected: children get one of their own."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import threading

import pytest

OUTPUT = 11
PRELUDE = """
import os, signal, subprocess, sys, steplog
run = steplog.init(mode="offline", dir=sys.argv[1], settings={"quiet": True})
"""


@pytest.fixture
def on_terminal(tmp_path, records_of, monkeypatch):
    """Runs code on a terminal; gives its exit status, what was shown, and what is in the log."""

    def run(code, *, console="redirect"):
        monkeypatch.setenv("STEPLOG_CONSOLE", console)
        monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)  # then it writes line by line
        (tmp_path / "program.py").write_text(PRELUDE + code)
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", 33, 77, 0, 0))
        process = subprocess.Popen(
            [sys.executable, str(tmp_path / "program.py"), str(tmp_path)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "xterm-256color"},
        )
        shown = []

        def read():
            try:
                while data := os.read(master, 1 << 16):
                    shown.append(data)
            except OSError:
                pass  # nobody has the terminal any more

        reader = threading.Thread(target=read)
        reader.start()
        process.wait()
        os.close(slave)
        reader.join()
        os.close(master)
        (folder,) = (tmp_path / "steplog-runs").glob("2*")
        printed = [record for record in records_of(folder) if record[0] == OUTPUT]
        texts = {n: "".join(text for _, _, of, text, *_ in printed if of == n) for n in (1, 2)}
        return process.returncode, b"".join(shown).decode(), texts

    return run


def test_children_have_a_terminal_and_python_has_its_own(on_terminal):
    status, shown, texts = on_terminal(
        "print(sys.stdout.isatty(), os.get_terminal_size())\n"
        "subprocess.run(['sh', '-c', 'test -t 1 && test -t 2 && stty size <&1; echo é >&2'])\n"
        "run.finish()\n"
        "print('after', os.ttyname(1) == os.ttyname(0))\n"
    )
    out = "True os.terminal_size(columns=77, lines=33)\n33 77\n"
    assert status == 0
    assert texts == {1: out, 2: "é\n"}
    assert sorted(shown.split("\r\n")) == sorted((out + "é\nafter True\n").split("\n"))


def test_a_kill_loses_nothing_that_python_printed(on_terminal):
    status, shown, texts = on_terminal(
        "for number in range(500): print(number)\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert status == -signal.SIGKILL
    assert texts[1] == "".join(f"{number}\n" for number in range(500))
    assert shown == texts[1].replace("\n", "\r\n")


def test_lines_of_several_processes_and_threads_are_whole(on_terminal):
    _, shown, texts = on_terminal(
        "import threading\n"
        "child = 'for i in range(300): print(\"child\", i, flush=True)'\n"
        "def say(name):\n"
        "    for i in range(300): print(f'{name}', i)\n"
        "process = subprocess.Popen([sys.executable, '-c', child])\n"
        "threads = [threading.Thread(target=say, args=('main',))]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()\n"
        "process.wait()\n"
    )
    wished = [f"{name} {number}" for name in ("child", "main") for number in range(300)]
    assert sorted(shown.split("\r\n")) == sorted([*wished, ""])
    assert sorted("".join(texts[1]).split("\n")) == sorted([*wished, ""])


def test_what_others_wrote_before_a_print_is_shown_before_it(on_terminal):
    # As GNU readline writes the line's end, before the program answers.
    status, shown, _ = on_terminal(
        "for number in range(30):\n"
        "    os.write(1, b'typed\\n')\n"
        "    print('got', number)\n"
        "os.write(2, b'typed ')\n"
        "print('end', end='', flush=True)\n"
    )
    assert status == 0
    assert shown == "".join(f"typed\r\ngot {number}\r\n" for number in range(30)) + "typed end"


@pytest.mark.parametrize("console", ["off", "wrap", "redirect"])
def test_a_stream_that_the_program_moves_goes_where_it_says(on_terminal, console, tmp_path):
    file = tmp_path / "moved.txt"
    status, shown, _ = on_terminal(
        "kept = os.dup(1)\n"
        f"file = os.open({str(file)!r}, os.O_CREAT | os.O_WRONLY)\n"
        "os.dup2(file, 1)\n"
        "print('to the file', flush=True)\n"
        "os.write(1, b'raw\\n')\n"
        "os.dup2(kept, 1)\n"
        "print('back', flush=True)\n",
        console=console,
    )
    assert (status, file.read_text()) == (0, "to the file\nraw\n")
    assert shown == "back\r\n"


def test_half_a_line_is_shown_when_it_is_flushed(on_terminal):
    _, shown, texts = on_terminal(
        "print('a', end='')\n"
        "os.write(0, b'|')\n"
        "print('b', end='', flush=True)\n"
        "os.write(0, b'|')\n"
        "print('c')\n"
    )
    assert (shown, texts[1]) == ("|ab|c\r\n", "abc\n")


@pytest.mark.parametrize("console", ["off", "wrap", "redirect"])
def test_a_stream_that_the_program_closes_is_closed(on_terminal, console):
    _, shown, _ = on_terminal(
        "os.close(1)\n"
        "try: print('lost', flush=True)\n"
        "except OSError as error: os.write(2, str(error.errno).encode())\n",
        console=console,
    )
    assert "9" in shown
    assert "lost" not in shown


def test_the_terminal_of_children_follows_the_size(on_terminal):
    status, _, texts = on_terminal(
        "import fcntl, struct, termios\n"
        "fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('4H', 11, 22, 0, 0))\n"
        "size = None\n"
        "while size != (22, 11): size = os.get_terminal_size(1)\n"
        "subprocess.run(['sh', '-c', 'stty size <&1'])\n"
    )
    assert (status, texts[1]) == (0, "11 22\n")


def test_much_that_children_print_is_shown_and_recorded(on_terminal):
    status, shown, texts = on_terminal("subprocess.run(['seq', '0', '29999'])\n")
    assert status == 0
    assert texts[1] == "".join(f"{number}\n" for number in range(30_000))
    assert shown == texts[1].replace("\n", "\r\n")


@pytest.mark.parametrize("console", ["auto", "redirect"])
def test_progress_bars_are_drawn_as_before(on_terminal, console):
    status, shown, texts = on_terminal(
        "from rich.progress import track\n"
        "for _ in track(range(3), 'working'): pass\n"
        "from rich.console import Console\n"
        "Console().print('[bold red]red[/]')\n"
        "from tqdm import tqdm\n"
        "for _ in tqdm(range(3), desc='bar', file=sys.stdout): pass\n",
        console=console,
    )
    assert status == 0
    assert "\rbar: 100%" in shown
    assert "\x1b[1;31mred\x1b[0m" in shown
    assert "100%" in shown
    assert texts[1] == shown.replace("\r\n", "\n")


def test_by_itself_a_terminal_is_only_wrapped(on_terminal):
    status, _, texts = on_terminal(
        "print('python')\nsubprocess.run(['echo', 'child'])\n", console="auto"
    )
    assert (status, texts[1]) == (0, "python\n")
