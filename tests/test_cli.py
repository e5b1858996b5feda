"""The command line: what it prints, where, and with which exit code."""

from __future__ import annotations

import json
import math
import os
import pathlib
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from click.testing import CliRunner

import steplog
from steplog._cli import cli
from steplog._core import RunLog

STEPLOG = [sys.executable, "-m", "steplog._cli"]
SEGMENT = "00000001.wal"


@pytest.fixture(autouse=True)
def environment(tmp_path, monkeypatch):
    monkeypatch.setenv("STEPLOG_CONFIG_DIR", str(tmp_path / "config"))
    for name in ("STEPLOG_BASE_URL", "STEPLOG_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def record(tmp_path):
    """Make a run's folder as a finished process leaves it, and return its path."""

    def make(*, count=5, exit_code: int | None = 0, **arguments):
        run = steplog.init(
            mode="offline", dir=str(tmp_path), settings={"quiet": True}, project="p", **arguments
        )
        for number in range(count):
            run.log({"loss": float(number), "n": {"count": number, "bad": math.nan}})
        run.summary["best"] = 0.5
        if exit_code is None:
            run.flush()
            live = pathlib.Path(run.sync_dir)
            # A copy is what a killed process leaves: the same log, and nobody who holds its lock.
            dead = live.with_name(f"dead-{live.name}")
            shutil.copytree(live, dead)
            run.finish()
            shutil.rmtree(live)
            return dead
        run.finish(exit_code)
        return pathlib.Path(run.sync_dir)

    return make


def invoke(*arguments):
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def segment(folder):
    (path,) = folder.glob(f"wal/*/{SEGMENT}")
    return path


def flip(path, offset):
    log = bytearray(path.read_bytes())
    log[offset] ^= 0xFF
    path.write_bytes(log)


@pytest.fixture
def closed_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"


# ---- cat -----------------------------------------------------------------------------------


def test_cat_prints_rows_as_logged(record):
    result = invoke("cat", record())
    assert (result.exit_code, result.stderr) == (0, "")
    rows = lines(result.stdout)
    assert [row["loss"] for row in rows] == [0, 1, 2, 3, 4]
    assert list(rows[0]) == ["loss", "n", "_step", "_timestamp", "_runtime"]
    assert result.stdout.startswith('{"loss": 0.0, "n": {"count": 0, "bad": NaN}, "_step": 0, ')


def test_cat_prints_numbers_as_python_does(record):
    folder = record(
        config={"big": 2**70, "small": 1e-9, "inf": -math.inf, "one": 1, "digits": 1e22}
    )
    assert invoke("cat", "--config", folder).stdout == (
        f'{{"big": {2**70}, "small": 1e-09, "inf": -Infinity, "one": 1, "digits": 1e+22}}\n'
    )


def test_cat_prints_the_label_where_there_is_one(record, monkeypatch):
    monkeypatch.setenv("STEPLOG_LABEL", "rank-1")
    assert lines(invoke("cat", record(count=1)).stdout)[0]["_label"] == "rank-1"


def test_cat_prints_summary_and_config(record):
    folder = record(config={"lr": 0.1})
    (summary,) = lines(invoke("cat", "--summary", folder).stdout)
    assert (summary["best"], summary["loss"]) == (0.5, 4.0)
    assert invoke("cat", folder, "--config").stdout == '{"lr": 0.1}\n'


def test_cat_prints_one_thing(record):
    result = invoke("cat", record(), "--summary", "--config")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--summary and --config" in result.stderr


def test_cat_keeps_everything_before_a_torn_tail(record):
    folder = record(exit_code=None)
    path = segment(folder)
    whole = path.read_bytes().rstrip(b"\0")
    path.write_bytes(whole[: len(whole) - 3])
    result = invoke("cat", folder)
    assert (result.exit_code, len(lines(result.stdout))) == (0, 5)
    (report,) = result.stderr.splitlines()
    assert report.startswith("steplog: the log ends with a record cut off after ")
    assert report.endswith(f" of {path}")
    assert "crashed (torn tail)" in invoke("ls", folder).stdout


def test_cat_reports_damage_and_prints_what_is_around_it(record):
    folder = record()
    path = segment(folder)
    flip(path, path.read_bytes().index(b"loss", len(path.read_bytes()) // 2))
    result = invoke("cat", folder)
    assert result.exit_code == 1
    assert len(lines(result.stdout)) == 4
    (report,) = result.stderr.splitlines()
    assert report.startswith("steplog: warning: damage in the log: ")
    assert f" of {path}" in report
    assert int(report.split(" at byte ")[1].split()[0]) > 0


def test_cat_takes_an_empty_segment_for_one_that_was_prepared(record):
    folder = record()
    segment(folder).with_name("00000002.wal").touch()
    result = invoke("cat", folder)
    assert (result.exit_code, result.stderr) == (0, "")
    assert len(lines(result.stdout)) == 5


def test_cat_leaves_foreign_files_alone(record):
    folder = record()
    (folder / "notes.txt").write_text("mine")
    (folder / "wal" / "notes.txt").write_text("mine")
    (folder / "wal" / "foreign").mkdir()
    (segment(folder).parent / "notes.txt").write_text("mine")
    result = invoke("cat", folder)
    assert (result.exit_code, result.stderr) == (0, "")
    assert len(lines(result.stdout)) == 5


@pytest.mark.parametrize("command", ["cat", "sync", "ls"])
def test_a_folder_that_is_no_run_is_refused_in_one_line(command, tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path, tmp_path / "missing"):
        result = invoke(command, folder)
        assert (result.exit_code, result.stdout) == (1, "")
        (line,) = result.stderr.splitlines()
        assert line.startswith("steplog: ")
        assert str(folder) in line


def test_cat_ends_quietly_when_nobody_reads_on(record):
    folder = record(count=5000)
    command = f"{sys.executable} -m steplog._cli cat {folder} | head -n 1"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert lines(result.stdout)[0]["loss"] == 0
    assert result.stderr == ""


def test_cat_says_when_the_output_cannot_be_written(record):
    with pathlib.Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [*STEPLOG, "cat", record()], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert result.returncode == 1
    assert result.stderr == "steplog: No space left on device\n"


def test_cat_ends_quietly_without_an_output(record):
    command = f"{sys.executable} -m steplog._cli cat {record()} >&-"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert result.stderr == ""


# ---- ls ------------------------------------------------------------------------------------


def test_ls_tells_the_states_apart(record, tmp_path):
    record(name="good")
    record(name="bad", exit_code=3)
    record(name="dead", exit_code=None)
    settings = {"quiet": True}
    with steplog.init(mode="offline", dir=str(tmp_path), name="live", settings=settings) as run:
        run.log({"a": 1})
        entries = lines(invoke("ls", "--json", tmp_path / "steplog-runs").stdout)
    states = {entry["name"]: (entry["state"], entry["exit_code"]) for entry in entries}
    assert states == {
        "good": ("finished", 0),
        "bad": ("failed", 3),
        "dead": ("crashed", None),
        "live": ("running", None),
    }
    assert {entry["name"]: entry["rows"] for entry in entries}["good"] == 5
    assert not any(entry["synced"] for entry in entries)


def test_ls_prints_a_table_of_the_default_folder(record, tmp_path, monkeypatch):
    record(name="a\nname")
    monkeypatch.chdir(tmp_path)
    head, line = invoke("ls").stdout.splitlines()
    assert head.split() == ["RUN", "NAME", "PROJECT", "STATE", "ROWS", "SYNCED", "STARTED"]
    assert line.split()[1:6] == ["a\N{REPLACEMENT CHARACTER}name", "p", "finished", "5", "no"]


@pytest.mark.parametrize("command", ["ls", "verify"])
def test_the_default_folder_is_where_runs_are_put(record, tmp_path, monkeypatch, *, command):
    folder = record()
    monkeypatch.chdir("/")
    missing = invoke(command)
    assert missing.exit_code == 1
    assert "there is no folder steplog-runs: name one, or set STEPLOG_DIR" in missing.stderr
    monkeypatch.setenv("STEPLOG_DIR", str(tmp_path))
    (entry,) = lines(invoke(command, "--json").stdout)
    assert entry["dir"] == str(folder)


def test_ls_of_a_folder_for_runs_that_is_empty_lists_none(record, tmp_path, monkeypatch):
    shutil.rmtree(record())
    monkeypatch.chdir(tmp_path)
    for given in ([], ["steplog-runs"], ["."]):
        result = invoke("ls", *given)
        assert (result.exit_code, result.stderr) == (0, "")
        assert len(result.stdout.splitlines()) == 1
    assert invoke("ls", "--json").stdout == ""


@pytest.mark.parametrize("command", ["ls", "verify", "cat", "sync"])
def test_a_file_is_told_from_a_folder_that_is_not_there(command, tmp_path):
    (tmp_path / "file").touch()
    assert f"{tmp_path / 'file'} is no folder" in invoke(command, tmp_path / "file").stderr
    assert f"there is no folder {tmp_path / 'none'}" in invoke(command, tmp_path / "none").stderr


def test_ls_does_not_pad_all_rows_to_the_longest_name(record, tmp_path):
    record(name="n" * 5_000)
    record(name="short")
    shown = invoke("ls", tmp_path / "steplog-runs").stdout.splitlines()
    assert "n" * 5_000 in "".join(shown)
    assert max(len(line) for line in shown if "n" * 50 not in line) < 150


def test_ls_shows_letters_of_each_name_on_a_narrow_terminal(record, tmp_path):
    record(name="a-long-name-of-a-run", id="run12345")
    screen, terminal = pty.openpty()
    command = [*STEPLOG, "ls", tmp_path / "steplog-runs"]
    with os.fdopen(screen, "rb", 0) as shown:
        environ = {**os.environ, "COLUMNS": "60", "TERM": "xterm", "NO_COLOR": "1"}
        subprocess.run(command, stdout=terminal, env=environ, check=True)
        os.close(terminal)
        table = re.sub(r"\x1b\[[\d;]*m", "", shown.read(65536).decode()).splitlines()
    assert max(map(len, table)) <= 60
    assert table[0].split() == ["RUN", "NAME", "PROJECT", "STATE", "ROWS", "SYNCED", "STARTED"]
    run, name, project, state, rows, *_ = table[1].split()
    assert (run, project, state, rows) == ("run12345", "p", "finished", "5")
    assert name.startswith("a-long")


def test_ls_goes_on_after_a_folder_that_cannot_be_read(record, tmp_path):
    record(name="good")
    broken = tmp_path / "steplog-runs" / "broken"
    broken.mkdir()
    (broken / "run.json").write_text("{}")
    result = invoke("ls", "--json", tmp_path / "steplog-runs")
    assert result.exit_code == 1
    assert [entry["name"] for entry in lines(result.stdout)] == ["good"]
    assert str(broken) in result.stderr


@pytest.mark.parametrize(
    ("cursor", "synced"),
    [('{"s": %d}', True), ('{"s": 8}', False), ("{", False), ("[]", False), ('{"s": "x"}', False)],
)
def test_ls_knows_what_a_server_has_acknowledged(record, cursor, synced):
    folder = record()
    (writer,) = steplog._writer.RunLog(folder).writers()
    text = cursor % writer["last"] if "%" in cursor else cursor
    (segment(folder).parent / "cursor.json").write_text(text)
    (entry,) = lines(invoke("ls", "--json", folder).stdout)
    assert entry["synced"] is synced


# ---- sync ----------------------------------------------------------------------------------


class Server(BaseHTTPRequestHandler):
    """Takes every batch of every run but those that it is told to refuse."""

    acknowledged: dict[str, int]
    refused: str
    key = "k"

    def do_GET(self):
        self.answer(self.path)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/api/v1/login-links":
            self.reply(200, {"url": "http://here/login?t=1"})
            return
        path, _, query = self.path.partition("?")
        writer = path.removesuffix("/records")
        if "closed" not in query and body:
            self.acknowledged[writer] = 1 << 40
        self.answer(writer)

    def answer(self, writer):
        if self.refused and f"/{self.refused}/" in writer:
            self.reply(403, {"detail": "not yours"})
        else:
            self.reply(200, {"acknowledged": self.acknowledged.get(writer, 0)})

    def reply(self, status, answer):
        if self.headers["Authorization"] != f"Bearer {self.key}":
            status, answer = 401, {"title": "wrong key"}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Steplog-Server", "s1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def server():
    handler = type("Handler", (Server,), {"acknowledged": {}, "refused": ""})
    with HTTPServer(("127.0.0.1", 0), handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield handler, f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def test_sync_sends_once_and_ls_knows(record, server, tmp_path):
    _, url = server
    folder = record()
    first = invoke("sync", tmp_path, "--base-url", url, "--api-key", "k", "--json")
    assert (first.exit_code, first.stderr) == (0, "")
    (report,) = lines(first.stdout)
    assert report == {
        "run": folder.name.split("-")[1],
        "dir": str(folder),
        "state": "synced",
        "records_sent": 9,
        "records_already": 0,
        "error": None,
    }
    (again,) = lines(invoke("sync", folder, "--base-url", url, "--api-key", "k", "--json").stdout)
    assert again == {**report, "records_sent": 0, "records_already": 9}
    result = invoke("sync", folder, "--base-url", url, "--api-key", "k")
    assert result.stdout == f"{report['run']}: 0 records sent, 9 already there ({folder})\n"
    (entry,) = lines(invoke("ls", "--json", folder).stdout)
    assert entry["synced"] is True


def test_sync_goes_on_after_a_run_that_fails(record, server, tmp_path):
    handler, url = server
    record(id="first")
    record(id="second")
    handler.refused = "first"
    result = invoke(
        "sync", tmp_path / "steplog-runs", "--base-url", url, "--api-key", "k", "--json"
    )
    assert result.exit_code == 1
    states = {report["run"]: report["state"] for report in lines(result.stdout)}
    assert states == {"first": "failed", "second": "synced"}
    assert result.stderr == f"steplog: first is not synced: not yours: {url}\n"


def test_sync_to_a_closed_port_fails_and_keeps_the_data(record, closed_port, monkeypatch):
    monkeypatch.setenv("STEPLOG_BASE_URL", closed_port)
    folder = record()
    before = segment(folder).read_bytes()
    result = invoke("sync", folder, "--json")
    assert result.exit_code == 1
    (report,) = lines(result.stdout)
    assert (report["state"], report["records_sent"]) == ("failed", 0)
    assert "refused" in report["error"]
    assert len(result.stderr.splitlines()) == 1
    assert segment(folder).read_bytes() == before
    assert len(lines(invoke("cat", folder).stdout)) == 5


def test_sync_sends_a_run_once_that_is_named_twice(record, server):
    _, url = server
    folder = record()
    link = folder.parent / "latest"
    result = invoke("sync", folder, link, folder.parent, "--base-url", url, "--api-key", "k")
    assert len(result.stdout.splitlines()) == 1


def test_sync_sends_what_damage_has_left(record, server):
    _, url = server
    folder = record(exit_code=None)
    flip(segment(folder), segment(folder).read_bytes().index(b"loss"))
    result = invoke("sync", folder, "--base-url", url, "--api-key", "k", "--json")
    assert result.exit_code == 0
    assert result.stderr.startswith("steplog: warning: damage in the log: ")
    (report,) = lines(result.stdout)
    assert (report["state"], report["records_sent"]) == ("synced", 6)


def test_sync_tells_the_server_who_the_run_is_from_its_log(record, server):
    handler, url = server
    folder = record(entity="me", id="mine")
    (folder / "run.json").write_text('{"run": "other", "entity": 7}')
    copy = folder.rename(folder.with_name("elsewhere"))
    assert invoke("sync", copy, "--base-url", url, "--api-key", "k").exit_code == 0
    (path,) = handler.acknowledged
    assert path.startswith("/api/v1/projects/me/p/runs/mine/writers/")


def test_sync_prints_json_on_stdout_below_a_progress_bar(record, server):
    _, url = server
    terminal, stderr = pty.openpty()
    command = [*STEPLOG, "sync", record(), "--base-url", url, "--api-key", "k", "--json"]
    with os.fdopen(terminal, "rb", 0) as screen:
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=stderr, check=True)
        os.close(stderr)
        assert b"9/9" in screen.read(65536)
    (report,) = lines(result.stdout.decode())
    assert report["state"] == "synced"


def test_sync_ends_quietly_when_interrupted(record):
    folder = record()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        command = [*STEPLOG, "sync", folder, "--base-url", url]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1)
                process.send_signal(signal.SIGINT)
                assert process.stderr is not None
                assert process.stderr.read() == ""
    assert process.returncode == 130


# ---- login-link, server, the rest ----------------------------------------------------------


def test_login_link_asks_with_the_key_of_the_file(server, tmp_path):
    _, url = server
    missing = invoke("login-link", "--base-url", url)
    assert missing.exit_code == 1
    assert missing.stderr.startswith(f"steplog: there is no key for {url}")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "keys.json").write_text(json.dumps({url: "k"}))
    result = invoke("login-link", "--base-url", f"{url}/")
    assert (result.exit_code, result.stdout) == (0, "http://here/login?t=1\n")


def test_login_link_says_why_there_is_none(server, closed_port):
    _, url = server
    refused = invoke("login-link", "--base-url", url, "--api-key", "wrong")
    assert refused.stderr == f"steplog: the server refused: wrong key: {url}/api/v1/login-links\n"
    unreachable = invoke("login-link", "--base-url", closed_port, "--api-key", "k")
    assert unreachable.stderr.startswith("steplog: the server cannot be reached: ")
    odd = invoke("login-link", "--base-url", "file:///etc", "--api-key", "k")
    assert {refused.exit_code, unreachable.exit_code, odd.exit_code} == {1}


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (steplog.StorageError(13, "cannot write /data"), "cannot write /data"),
        (OSError(98, "Address already in use"), "Address already in use"),
    ],
)
def test_server_says_in_one_line_why_it_cannot_start(monkeypatch, error, line):
    calls = []

    class App:
        @staticmethod
        def run_server(**arguments):
            calls.append(arguments)
            raise error

    monkeypatch.setitem(sys.modules, "steplog.server.app", App)
    result = invoke("server", "--port", 0, "--data", "here")
    assert (result.exit_code, result.stderr) == (1, f"steplog: {line}\n")
    usual = {"max_log_bytes": 1 << 30, "webhook": None, "webhook_allows_http": False}
    kept = {"blob_grace_secs": 3600.0, "max_blob_bytes": 1 << 40, "max_run_bytes": 10 << 40}
    where = {"host": "127.0.0.1", "port": 0, "data": pathlib.Path("here")}
    assert calls == [{**where, **usual, "blobs": None, **kept}]


def test_wrong_usage_is_one_line_and_two(record):
    for arguments in ([], ["frob"], ["sync"], ["cat", "--frob"], ["server", "--port", "x"]):
        result = invoke(*arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert not arguments or len(result.stderr.splitlines()) == 1
    assert invoke("sync", record(), "--base-url", "frob").exit_code == 1


def test_version_is_quick_to_import():
    code = (
        "import sys; from steplog._cli import cli; "
        "heavy = {'rich', 'numpy', 'aiohttp', 'anyio', 'urllib.request'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "[]\n"
    assert invoke("--version").stdout == f"steplog {steplog.__version__}\n"


# ---- verify --------------------------------------------------------------------------------


@pytest.mark.parametrize("left", [300, -200, -9])
def test_verify_says_where_a_record_is_cut_off(record, left):
    folder = record(id="cut", count=50)
    path = segment(folder)
    os.truncate(path, left % path.stat().st_size)
    (report,) = lines(invoke("verify", "--json", folder).stdout)
    (torn,) = report["torn"]
    assert (torn["file"], report["damage"]) == (str(path), [])
    assert torn["offset"] + torn["bytes"] == path.stat().st_size
    result = invoke("verify", folder)
    assert (result.exit_code, result.stdout.startswith("cut: torn tail, ")) == (0, True)
    assert f"at byte {torn['offset']} of {path}" in result.stdout


def test_verify_says_what_is_sound_and_what_is_damaged(record, tmp_path):
    good, bad = record(id="good"), record(id="bad", exit_code=None)
    assert invoke("verify", good).stdout == "good: sound, finished, 5 rows of 1 writer\n"
    flip(segment(bad), segment(bad).read_bytes().index(b"loss"))
    result = invoke("verify", tmp_path)
    assert result.exit_code == 1
    assert "bad: 1 damage, crashed, 4 rows of 1 writer" in result.stdout
    assert f" of {segment(bad)}" in result.stdout
    assert "good: sound" in result.stdout
    reports = {
        report["run"]: report for report in lines(invoke("verify", "--json", tmp_path).stdout)
    }
    assert reports["good"]["damage"] == []
    assert reports["bad"]["damage"][0]["file"] == str(segment(bad))
    assert reports["bad"]["writers"][0]["last_step"] == 4
    assert invoke("verify", tmp_path / "none").exit_code == 1


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_names_are_printed_whatever_the_locale(record, encoding):
    folder = record(name="läuft ☃", count=1)
    for command in (["ls", str(folder.parent)], ["cat", str(folder)], ["verify", str(folder)]):
        done = subprocess.run(
            [sys.executable, "-m", "steplog._cli", *command],
            env={**os.environ, "PYTHONIOENCODING": encoding},
            capture_output=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b"")


def test_sync_refuses_a_time_that_is_none(tmp_path):
    result = invoke("sync", "--timeout-secs", "nan", tmp_path)
    assert (result.exit_code, "must be a number" in result.stderr) == (2, True)


def test_a_folder_that_is_not_there_is_an_object_of_json_too(tmp_path):
    done = invoke("sync", "--json", tmp_path / "missing")
    assert done.exit_code == 1
    (said,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert (said["run"], said["state"], said["dir"]) == (None, "failed", str(tmp_path / "missing"))
    assert "missing" in said["error"]


def test_verify_misses_what_a_server_has_had(record):
    folder = record()
    (log,) = (folder / "wal").iterdir()
    last = RunLog(folder).writers()[0]["last"]
    (log / "cursor.json").write_text(json.dumps({"s": last}))
    assert invoke("verify", folder).exit_code == 0
    (segment,) = log.glob("*.wal")
    for change in (lambda: segment.write_bytes(b""), segment.unlink):
        change()
        done = invoke("verify", folder)
        assert done.exit_code == 1
        assert "a record that a server has had is gone" in done.stdout
