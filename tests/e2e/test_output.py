"""What is printed, at the server: as lines, in pages, by search."""

from __future__ import annotations

import contextlib
import io
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import sys

import pytest
from tests.e2e.conftest import RunningServer

import steplog

BAR = "".join(f"\r{percent:3}%|{'█' * (percent // 10)}" for percent in range(0, 101, 10))


@pytest.fixture
def shown(server, online):
    """Runs something that prints; gives the answers of the API about it."""

    def run(act, **settings):
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            online("r", settings={"console": "wrap", **settings}),
        ):
            act()
        return lambda path: server.get(f"/projects/local/p/runs/r/{path}")

    return run


def texts(answer):
    return [line[4] for line in answer["lines"]]


def test_lines_are_what_a_terminal_would_show(shown):
    def act():
        sys.stderr.write(f"{BAR}\n")
        print("\x1b[32mgreen\x1b[0m")
        print("no end", end="")

    ask = shown(act)
    answer = ask("logs")
    assert (answer["total"], answer["first"], answer["labels"]) == (3, 0, [""])
    assert texts(answer) == ["100%|██████████", "\x1b[0;32mgreen\x1b[0m", "no end"]
    (bar, green, _) = answer["lines"]
    assert (bar[0], bar[2], bar[5]) == (0, "e", 10)
    assert green[1] == pytest.approx(bar[1], abs=60_000)
    assert ask("logs?raw=1")["lines"][0][6][:2] == ["  0%|", " 10%|█"]
    assert texts(ask("logs?stream=err")) == texts(answer)[:1]
    assert texts(ask("logs?stream=out&from=-1")) == ["no end"]


def test_lines_are_shown_by_the_level_that_they_name(shown):
    lines = {
        "error": [
            "2026-01-02 03:04:05 - app - ERROR - no \x1b[31mroute\x1b[0m",
            "\x1b[1;31mCRITICAL\x1b[0m:root:over",
            "Traceback (most recent call last):",
            "ValueError: 7",
            "KeyboardInterrupt",
            "  + Exception Group Traceback (most recent call last):",
            "  | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)",
            "    | Traceback (most recent call last):",
            "    | ValueError: bad batch",
            "torch.cuda.OutOfMemoryError: CUDA out of memory",
            "error: no such file",
            '{"level": "fatal", "msg": "x"}',
            "E0102 15:04:05.678901 1234 file.cc:12] lost",
            "INFO: then ERROR",
        ],
        "warn": [
            "WARNING:root:slow",
            "a.py:1: UserWarning: this is old",
            "time=1 level=warn msg=x",
            "[warning] x",
            "W0102 15:04:05.678901 1234 file.cc:12] x",
        ],
        "info": ["INFO:     Started server process [1]", "[info] x", "lvl=notice"],
        "debug": ["DEBUG:asyncio:Using selector", "severity: trace"],
        "": [
            "loss 0.5, error 0.01",
            "an info desk, no warning",
            "ERRORS and TERROR",
            '  File "a.py", line 1, in <module>',
            "MyError was not met",
            "  +-+---------------- 1 ----------------",
        ],
    }

    def act():
        # Shuffled in, so that those of a level do not lie together.
        rows = [line for level in lines.values() for line in level]
        sys.stdout.write("".join(f"{line}\n" for line in rows[::2] + rows[1::2]))
        sys.stderr.write("ERROR at the end of stderr")  # a line that is still open

    ask = shown(act)
    wanted = {"ERROR at the end of stderr"}
    for level in ("error", "warn", "info", "debug"):
        wanted |= {re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines[level]}
        answer = ask(f"logs?level={level}")
        found = [re.sub(r"\x1b\[[0-9;]*m", "", text) for text in texts(answer)]
        assert set(found) == wanted, level
        assert answer["total"] == len(found) == len(wanted)
        numbers = [line[0] for line in answer["lines"]]
        assert numbers == sorted(numbers)
    assert texts(ask("logs?level=error&stream=err")) == ["ERROR at the end of stderr"]
    page = ask("logs?level=warn&from=3&limit=2")
    assert (page["first"], texts(page)) == (3, texts(ask("logs?level=warn"))[3:5])
    assert ask("logs:search?q=x&level=info")["matched"] == sum(
        "x" in line for level in ("error", "warn", "info") for line in lines[level]
    )


def test_pages_searches_and_times_of_many_lines(shown, server):
    def act():
        for number in range(3000):
            print(f"line {number}" if number % 100 else f"\x1b[31mEr\x1b[0mror {number}")

    ask = shown(act)
    last = ask("logs?limit=10")
    assert (last["total"], last["first"]) == (3000, 2990)
    assert texts(last)[-1] == "line 2999"
    assert texts(ask("logs?from=1000&limit=2")) == ["\x1b[0;31mEr\x1b[0mror 1000", "line 1001"]
    assert ask("logs?from=5000")["lines"] == []
    found = ask("logs:search?q=ERROR&limit=3")
    assert (found["matched"], found["lines"]) == (30, [0, 100, 200])
    assert (sum(found["map"]), len(found["map"]), found["map"][0]) == (30, 400, 1)
    for asked, first, lines in (
        ("from=150&limit=2", 2, [200, 300]),
        ("from=2900&limit=2", 29, [2900]),
        ("from=2901&limit=2", 30, []),
        ("to=150&limit=2", 0, [0, 100]),
        ("to=200&limit=2", 1, [100, 200]),
        ("to=99999&limit=2", 28, [2800, 2900]),
    ):
        found = ask(f"logs:search?q=ERROR&{asked}")
        assert (found["matched"], found["first"], found["lines"]) == (30, first, lines), asked
    assert ask("logs:search?q=ERROR&case=1")["matched"] == 0
    assert ask("logs:search?q=%5Eline%20%5Cd%7B2%7D%24&regex=1")["matched"] == 90
    assert ask("logs:search?q=2999")["lines"] == [2999]
    status, headers, body = server.ask("/api/v1/projects/local/p/runs/r/logs.txt")
    assert (status, headers.get_content_type()) == (200, "text/plain")
    assert body.decode().splitlines()[100:102] == ["Error 100", "line 101"]


def test_the_line_nearest_to_a_time_is_found(shown):
    def act():
        for number in range(2000):
            print(f"line {number}" if number % 7 else f"ERROR {number}")
            if number % 100 == 0:
                print(f"note {number}", file=sys.stderr)
        print("no end", end="")

    ask = shown(act)
    for asked in ("", "&stream=err", "&level=error", "&stream=out&level=error"):
        lines = ask(f"logs?limit=5000{asked}")["lines"]
        assert len(lines) > 10
        walls = [line[1] for line in lines]
        times = [walls[0] - 1e6, *walls[::37], walls[-1] + 1e6]
        times += [(a + 2 * b) / 3 for a, b in zip(walls[::41], walls[1::41], strict=False)]
        for wall in times:
            found = ask(f"logs/at?wall={wall:.6f}{asked}")
            apart = min(abs(one - wall) for one in walls)
            (own,) = (line for line in lines if line[0] == found["number"])
            assert found["wall"] == own[1]
            # A float of milliseconds is a quarter of a microsecond off.
            assert abs(own[1] - wall) == pytest.approx(apart, abs=1e-3), (asked, wall)
    assert ask("logs/at?wall=1&level=error")["number"] == 0
    assert ask("logs/at?wall=1&stream=err")["number"] == 1
    for nothing in ("level=warn&stream=err", "label=none"):
        found = ask(f"logs/at?wall=1&{nothing}")
        assert (found["number"], found["wall"]) == (None, None)


def test_lines_that_may_still_change_are_shown_while_the_run_lives(server, tmp_path):
    code = (
        "import steplog, sys\n"
        "run = steplog.init(project='p', id='r')\n"
        "print('one')\n"
        "print('\\r 50%', end='')\n"
        "run.log({'a': 1})\n"
        "sys.stdin.readline()\n"
        "print('\\r100%')\n"
        "run.finish()\n"
    )
    server.environ["STEPLOG_CONSOLE"] = "wrap"
    child = server.python(tmp_path, code, stdin=-1)
    while True:
        status, _, body = server.ask("/api/v1/projects/local/p/runs/r/logs")
        if status == 200 and b" 50%" in body:
            break
    server.kill()
    server.start()
    assert texts(server.get("/projects/local/p/runs/r/logs")) == ["one", " 50%"]
    assert server.get("/projects/local/p/runs/r/logs:search?q=50")["lines"] == [1]
    child.communicate("\n")
    answer = server.get("/projects/local/p/runs/r/logs")
    assert [(line[4], line[5]) for line in answer["lines"]] == [("one", 0), ("100%", 1)]


def test_lines_of_a_killed_program_come_by_sync_and_attempts_follow_each_other(server, tmp_path):
    server.environ["STEPLOG_CONSOLE"] = "wrap"
    code = (
        "import os, signal, steplog, sys\n"
        "run = steplog.init(project='p', id='r', mode='offline', resume='allow')\n"
        "for n in range(int(sys.argv[1])): print(n)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    for count in (300, 2):
        child = server.python(tmp_path, code, count)
        child.communicate()
        assert child.returncode == -signal.SIGKILL
    assert server.cli("sync", str(tmp_path / "steplog-runs")).returncode == 0
    answer = server.get("/projects/local/p/runs/r/logs?limit=5000")
    assert texts(answer) == [*map(str, range(300)), "0", "1"]
    assert [line[0] for line in answer["lines"]] == list(range(302))
    assert texts(server.get("/projects/local/p/runs/r/logs?from=-3")) == ["299", "0", "1"]


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize(
    "how", ["offline python", "offline child", "online python", "online child"]
)
def test_what_was_printed_before_a_kill_is_at_the_server_after_sync(server, tmp_path, *, how, end):
    """Each line once, also those that no thread of the program had seen."""
    mode, who = how.split()
    server.environ["STEPLOG_CONSOLE"] = "redirect"
    code = (
        "import os, signal, steplog, subprocess, sys\n"
        "run = steplog.init(project='p', id=sys.argv[1], mode=sys.argv[2])\n"
        "count = int(sys.argv[4])\n"
        "if sys.argv[3] == 'child': subprocess.run(['seq', '0', str(count - 1)])\n"
        "else:\n"
        "    for n in range(count): print(n)\n"
        f"os.kill(os.getpid(), {int(end)})\n"
    )
    counts = [1, 7, 100, 1000, 5000]
    for count in counts:
        child = server.python(tmp_path, code, f"r{count}", mode, who, count)
        said = child.communicate()[0].splitlines()
        assert child.returncode == -end
        if end == signal.SIGTERM:
            assert said == [*map(str, range(count))]
    for _ in range(2):
        done = server.cli("sync", str(tmp_path / "steplog-runs"))
        assert done.returncode == 0, done.stderr
    for count in counts:
        answer = server.get(f"/projects/local/p/runs/r{count}/logs?limit=5000")
        assert texts(answer) == [*map(str, range(count))]


def test_of_a_copy_no_rest_is_taken_while_the_original_goes_on(server, tmp_path):
    """What the copy has of the log must be what the original's log comes to."""
    server.environ["STEPLOG_CONSOLE"] = "redirect"
    code = (
        "import steplog, subprocess, sys\n"
        "run = steplog.init(project='p', id='r', mode='offline')\n"
        "subprocess.run(['seq', '0', '99'])\n"
        "run._console.flush(60)\n"
        "input()\n"
        "subprocess.run(['seq', '100', '199'])\n"
    )
    with server.python(tmp_path, code, stdin=subprocess.PIPE) as child:
        lines = [child.stdout.readline() for _ in range(100)]
        (folder,) = (tmp_path / "steplog-runs").glob("2*")
        child.send_signal(signal.SIGSTOP)
        os.waitpid(child.pid, os.WUNTRACED)
        (stream,) = folder.glob("wal/*/stdout.raw")
        with stream.open("a") as raw:
            raw.write("not taken yet\n")
        shutil.copytree(folder, tmp_path / "copy")
        child.send_signal(signal.SIGCONT)
        done = server.cli("sync", str(tmp_path / "copy"))
        assert done.returncode == 0, done.stderr
        assert "is a copy: what was printed last, 14 bytes," in done.stderr
        child.communicate("\n")
    shutil.copytree(folder, tmp_path / "copy", dirs_exist_ok=True)
    assert server.cli("sync", str(tmp_path / "copy")).returncode == 0
    shown = texts(server.get("/projects/local/p/runs/r/logs?stream=out&limit=5000"))
    assert shown == [*map(str, range(100)), "not taken yet", *map(str, range(100, 200))]
    assert lines == [f"{number}\n" for number in range(100)]


def test_an_attempt_that_goes_on_sends_what_the_killed_one_had_printed(server, tmp_path):
    server.environ["STEPLOG_CONSOLE"] = "redirect"
    code = (
        "import os, signal, steplog, subprocess, sys\n"
        "run = steplog.init(project='p', id='r', resume='allow')\n"
        "subprocess.run(['seq', '1', sys.argv[1]])\n"
        "if sys.argv[2] == 'kill': os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    for count, end in ((900, "kill"), (2, "")):
        child = server.python(tmp_path, code, count, end)
        child.communicate()
        assert child.returncode == (-signal.SIGKILL if end else 0)
    answer = server.get("/projects/local/p/runs/r/logs?limit=5000")
    assert texts(answer) == [*map(str, range(1, 901)), "1", "2"]


@pytest.mark.parametrize(
    "asked",
    [
        *(
            "logs?stream=in",
            "logs?level=loud",
            "logs?limit=0",
            "logs?limit=x",
            "logs?from=1e9",
            "logs:search",
        ),
        *("logs:search?q=(&regex=1", "logs:search?q=a&limit=100000", "logs/at?wall=-1"),
        *("logs/at", "logs/at?wall=1e3", "logs/at?wall=1&level=loud"),
    ],
)
def test_what_is_asked_wrongly_is_refused(shown, server, asked):
    shown(lambda: None)
    assert server.ask(f"/api/v1/projects/local/p/runs/r/{asked}")[0] == 400
    assert server.ask(f"/api/v1/projects/local/p/runs/none/{asked}")[0] == 404


def test_a_run_that_printed_nothing_has_no_lines(shown):
    ask = shown(lambda: None)
    assert ask("logs") == {**ask("logs"), "total": 0, "lines": [], "labels": []}
    assert ask("logs:search?q=a")["matched"] == 0


def test_a_writer_of_which_a_killed_server_had_taken_nothing_goes_on(server, start):
    with start(project="p", id="r", settings={"console": "wrap"}) as run:
        print("one")
        run.log({"a": 1})
    assert server.cli("sync", run.sync_dir).returncode == 0
    server.stop()
    # As it is known before its first batch is acknowledged: the points may be stored by then.
    with sqlite3.connect(server.folder / "data" / "meta.db") as database:
        names = [row[1] for row in database.execute("PRAGMA table_info(writers)")]
        kept = ", ".join(name for name in names if name != "console")
        database.execute(f"CREATE TEMP TABLE known AS SELECT {kept} FROM writers")  # noqa: S608
        database.execute("DELETE FROM writers")
        database.execute(f"INSERT INTO writers ({kept}) SELECT {kept} FROM known")  # noqa: S608
        database.execute("UPDATE writers SET acknowledged = 0, summary = x'', records = 0")
    server.start()
    assert server.get("/projects/local/p/runs/r/logs")["labels"] == []
    for cursor in pathlib.Path(run.sync_dir).glob("wal/*/cursor.json"):
        cursor.unlink()
    assert server.cli("sync", run.sync_dir).returncode == 0
    assert [row["a"] for row in server.rows("r")] == [1]
    assert texts(server.get("/projects/local/p/runs/r/logs")) == ["one"]


class LimitedServer(RunningServer):
    """Keeps 1 MiB of each process's output."""

    options = ("--max-log-mib", "1")


def write_lines(run, numbers):
    for number in numbers:
        run.write_logs(f"line {number:06} {'x' * 85}")


def test_of_a_long_output_the_middle_is_left_out(tmp_path, monkeypatch):
    """A line counts for some 160 bytes: half of a MiB is 3,200 lines."""
    server = LimitedServer(tmp_path)
    try:
        for name, value in server.environ.items():
            monkeypatch.setenv(name, value)
        run = steplog.init(project="p", id="r", settings={"quiet": True})
        write_lines(run, range(20_000))
        run.finish()

        def shown(what):
            return server.get(f"/projects/local/p/runs/r/{what}")

        total = shown("logs")["total"]
        assert total == 20_000
        lines = [
            line
            for first in range(0, total, 5000)
            for line in shown(f"logs?from={first}&limit=5000")["lines"]
        ]
        assert [line[0] for line in lines] == list(range(total))
        (mark,) = (line for line in lines if line[4].startswith("["))
        cut = int(mark[4][1:].split(" lines")[0].replace(",", ""))
        kept = [*range(mark[0]), *range(mark[0] + cut, total)]
        assert 2_500 < mark[0] < 4_000
        assert 1_000 < total - mark[0] - cut < 6_500
        assert all(lines[number][4].startswith(f"line {number:06}") for number in kept)
        assert {line[4] for line in lines[mark[0] + 1 : mark[0] + cut]} == {""}
        assert mark[1] == pytest.approx(lines[0][1], abs=60_000)
        found = shown("logs:search?q=line&limit=5000")
        assert found["matched"] == len(kept)
        for line in (lines[0], mark, lines[-1]):
            assert shown(f"logs/at?wall={line[1]:.6f}")["number"] == line[0]
        behind = lines[mark[0] + cut]
        assert shown(f"logs/at?wall={behind[1]:.6f}")["number"] == behind[0]
        _, _, text = server.ask("/api/v1/projects/local/p/runs/r/logs.txt")
        assert len(text.splitlines()) == len(kept) + 1
        # Started anew, and sent anew, it is the same.
        server.kill()
        server.start()
        assert shown("logs?from=0&limit=5000")["lines"] == lines[:5000]
        assert (
            server.ask(
                f"/api/v1/projects/local/p/runs/r/writers/{run._process.id}/records",
                method="DELETE",
            )[0]
            == 204
        )
        assert server.cli("sync", run.sync_dir).returncode == 0
        assert shown("logs")["total"] == total
        assert shown("logs?from=0&limit=2000")["lines"][:2000] == lines[:2000]
    finally:
        server.kill()
