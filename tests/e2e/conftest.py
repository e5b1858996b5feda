"""A real server in a process of its own, and a real child that logs."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from typing import Any

import pytest

import steplog

CHILD = """
import sys, steplog
run = steplog.init(project="p", id=sys.argv[1], mode=sys.argv[2])
print(run.sync_dir, flush=True)
for step in range(int(sys.argv[3])):
    run.log({"a": step, "b": step / 7, "n": {"x": float(step % 10)}})
    sys.stdout.write(f"{step}\\n")
    sys.stdout.flush()
run.finish()
"""

DYING = """
import os, signal, sys, time, steplog
run = steplog.init(project="p", id=sys.argv[1], mode=sys.argv[2])
time.sleep(float(sys.argv[4]))
for step in range(int(sys.argv[3])):
    run.log({"a": step, "b": step / 7, "n": {"x": float(step % 10)}})
os.kill(os.getpid(), signal.SIGKILL)
"""


class RunningServer:
    """`steplog server`, started, killed and started again on the same folder and port."""

    options: tuple[str, ...] = ()

    def __init__(self, folder, *options, environ=()):
        self.folder = folder
        self.options = (*self.options, *options)
        self.environ = {**os.environ, "STEPLOG_CONFIG_DIR": str(folder / "config"), **dict(environ)}
        self.host, self.port = "127.0.0.1", 0
        self.url = self.login = ""
        self.start()

    def start(self):
        process: Any = subprocess.Popen(
            [
                *(sys.executable, "-m", "steplog._cli", "server"),
                *(
                    "--host",
                    self.host,
                    "--port",
                    str(self.port),
                    "--data",
                    str(self.folder / "data"),
                    *self.options,
                ),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environ,
        )
        self.process = process
        lines = [self.process.stdout.readline().split() for _ in range(2)]
        if not all(lines):
            raise AssertionError(self.process.communicate()[1])
        (_, self.url), (_, self.login) = lines
        self.port = int(self.url.rsplit(":", 1)[1])
        self.environ["STEPLOG_BASE_URL"] = self.url

    def kill(self):
        self.process.kill()
        self.process.communicate()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=20)
        return self.process.returncode, errors

    @property
    def key(self):
        return json.loads((self.folder / "config" / "keys.json").read_text())[self.url]

    def ask(self, path, body=None, *, method=None, headers=None, key=None):
        """Send a request; returns the status, the headers and the body."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Authorization": f"Bearer {key or self.key}", "Content-Type": "application/json"}
        request = urllib.request.Request(
            self.url + path, data=data, headers={**sent, **(headers or {})}, method=method
        )
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()

    def get(self, path, body=None):
        """The JSON of an answer that must be 200."""
        status, _, data = self.ask("/api/v1" + path, body)
        assert status == 200, data
        return json.loads(data)

    def rows(self, run, project="p"):
        """Every row of a run, read page by page."""
        rows, cursor = [], ""
        while True:
            path = f"/api/v1/projects/local/{project}/runs/{run}/history?limit=997&cursor={cursor}"
            status, headers, data = self.ask(path)
            assert status == 200, data
            rows += [json.loads(line) for line in data.splitlines()]
            cursor = headers.get("Steplog-Cursor")
            if cursor is None:
                return rows

    def cli(self, *arguments):
        """Run the command line."""
        return subprocess.run(
            [sys.executable, "-m", "steplog._cli", *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=self.environ,
        )

    def child(self, folder, run, *, mode, steps):
        """A process that logs and says each step after its call has returned."""
        return self.python(folder, CHILD, run, mode, steps)

    def dying_child(self, folder, run, *, mode, steps, wait_secs):
        """A process that logs, as fast as it can, and kills itself when the last call returns."""
        return self.python(folder, DYING, run, mode, steps, wait_secs)

    def python(self, folder, code, *arguments, stdin=None):
        """A process that runs code against this server."""
        return subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=folder,
            env=self.environ,
        )


@contextlib.contextmanager
def _running(tmp_path, *options, environ=()):
    folder = tmp_path / "server"
    folder.mkdir(exist_ok=True)
    running = RunningServer(folder, *options, environ=environ)
    try:
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            running.process.kill()
        running.process.communicate()


@pytest.fixture(scope="session")
def running_server():
    """Makes servers that several tests ask and none changes."""
    return _running


@pytest.fixture
def server(tmp_path):
    with _running(tmp_path) as running:
        yield running


@pytest.fixture
def online(server, tmp_path, monkeypatch):
    """Starts quiet runs against the server."""
    monkeypatch.setenv("STEPLOG_CONFIG_DIR", server.environ["STEPLOG_CONFIG_DIR"])

    def init(run, **arguments):
        settings = {"base_url": server.url, "quiet": True, **arguments.pop("settings", {})}
        return steplog.init(project="p", dir=str(tmp_path), id=run, settings=settings, **arguments)

    return init


@pytest.fixture
def api(server, monkeypatch):
    """Reads what the server has."""
    monkeypatch.setenv("STEPLOG_CONFIG_DIR", server.environ["STEPLOG_CONFIG_DIR"])
    monkeypatch.setenv("STEPLOG_PROJECT", "p")
    with steplog.Api(server.url) as api:
        yield api
