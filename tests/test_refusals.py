"""Servers that refuse: of another version, busy, or no steplog server at all."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgpack  # type: ignore[import-untyped]  # it has no stubs
import pytest

import steplog
from steplog._core import RunLog

RUN = {
    "id": "r",
    "name": "r",
    "entity": "local",
    "project": "p",
    "state": "finished",
    "config": {},
    "summary": {},
    "writers": [],
    "tags": [],
    "notes": "",
    "group": "",
    "job_type": "",
    "created": 0.0,
    "updated": 0.0,
    "duration": 0.0,
    "exit_code": 0,
    "key_count": 0,
    "last_step": None,
    "records": 0,
}


@contextlib.contextmanager
def stand_in(*answers):
    """A server that gives these answers (status, headers, body) in turn, then the last for ever."""
    left = list(answers)
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked.append(self.path)
            status, headers, body = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815  # the base class has it so

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def problem(status, detail, **headers):
    body = json.dumps({"title": "No", "detail": detail, "status": status}).encode()
    return status, {"Content-Type": "application/problem+json", **headers}, body


@pytest.mark.parametrize(
    "refusal",
    [
        (problem(426, "this server speaks protocol 9"), "this server speaks protocol 9"),
        ((200, {"Content-Type": "text/html"}, b"<h1>It works</h1>"), ""),
        ((404, {}, b"nothing here"), "no steplog server (HTTP 404)"),
        ((404, {}, b'{"detail": "Not Found"}'), "no steplog server (HTTP 404)"),
        ((302, {"Location": "/login"}, b""), "no steplog server (HTTP 302)"),
    ],
    ids=["another version", "a web page", "nothing", "another API", "a login"],
)
def test_a_server_that_cannot_take_a_run_leaves_it_in_its_folder(tmp_path, capfd, refusal):
    answer, said = refusal
    with stand_in(answer) as (url, _):
        settings = {"base_url": url, "api_key": "k" * 40, "finish_timeout_secs": 3.0}
        with steplog.init(project="p", dir=str(tmp_path), settings=settings) as run:
            for step in range(100):
                run.log({"a": step})
        printed = capfd.readouterr().err
        assert said in printed
        assert f"steplog sync {run.sync_dir}" in printed
        assert [row["a"] for row in RunLog(run.sync_dir).rows()] == list(range(100))
        command = [sys.executable, "-m", "steplog._cli", "sync", "--timeout-secs", "3"]
        command += ["--base-url", url, "--api-key", "k" * 40, run.sync_dir]
        synced = subprocess.run(command, capture_output=True, text=True, check=False)
    assert synced.returncode == 1
    assert said in synced.stderr
    assert len(synced.stderr.splitlines()) == 1
    assert run.id in synced.stderr


@pytest.mark.parametrize("status", [404, 302])
def test_reading_from_what_is_no_steplog_server_says_so(tmp_path, status):
    with stand_in((status, {"Location": "/login"}, b'{"detail": "Not Found"}')) as (url, _):
        with (
            steplog.Api(url, api_key="k" * 40) as api,
            pytest.raises(steplog.ServerError, match="what answers there is no steplog server"),
        ):
            api.run("p/r")
        settings = {"base_url": url, "api_key": "k" * 40}
        with pytest.raises(steplog.ServerError, match="what answers there is no steplog server"):
            steplog.init(id="r", dir=str(tmp_path), resume="must", settings=settings)


def test_https_where_there_is_only_http_says_so(tmp_path, capfd):
    said = "the server does not speak TLS there: is it http:// ?"
    with stand_in((200, {}, b"")) as (plain, _):
        url = plain.replace("http:", "https:")
        settings = {"base_url": url, "api_key": "k" * 40}
        with steplog.init(project="p", dir=str(tmp_path), settings=settings) as run:
            run.log({"a": 1})
        assert said in capfd.readouterr().err
        command = [sys.executable, "-m", "steplog._cli", "sync", "--base-url", url]
        command += ["--api-key", "k" * 40, run.sync_dir]
        synced = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (synced.returncode, said in synced.stderr) == (1, True)
        with (
            steplog.Api(url, api_key="k" * 40) as api,
            pytest.raises(steplog.ServerError, match="does not speak TLS there"),
        ):
            api.run("p/r")


def test_an_answer_that_cannot_be_understood_is_told_with_its_address():
    with (
        stand_in((200, {"Content-Type": "text/html"}, b"<h1>It works</h1>")) as (url, _),
        steplog.Api(url, api_key="k" * 40) as api,
        pytest.raises(steplog.ServerError, match=f"understood: {url}/api/v1/projects/local/p/runs"),
    ):
        api.run("p/r")


def test_a_busy_server_is_asked_again():
    good = (200, {"Content-Type": "application/msgpack"}, msgpack.packb(RUN))
    busy = problem(503, "starting", **{"Retry-After": "0"})
    with (
        stand_in(busy, problem(429, "slower"), good) as (url, asked),
        steplog.Api(url, api_key="k" * 40) as api,
    ):
        assert api.run("p/r").id == "r"
        assert len(asked) == 3


def test_a_server_that_stays_busy_is_named():
    with (
        stand_in(problem(503, "no room left", **{"Retry-After": "0"})) as (url, _),
        steplog.Api(url, api_key="k" * 40) as api,
        pytest.raises(steplog.ServerError, match="no room left"),
    ):
        api.run("p/r")
