"""Alerts: on the page's data, each title in its time, and told to a program that listens."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import queue
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import steplog
from steplog._alerts import alert_of
from steplog._errors import UsageError
from steplog.server.webhook import Webhook


def alerts(server, run="r"):
    found = server.get(f"/projects/local/p/runs/{run}")["alerts"]
    return [(one["title"], one["text"], one["level"]) for one in found]


def test_alerts_come_to_the_server_and_each_title_waits(server, online):
    with online("r") as run:
        run.alert("first")
        run.alert("first", "again, within a minute")
        run.alert("first", "no wait", level="warn", wait_duration=0)
        run.alert("other", "text", steplog.AlertLevel.ERROR, dt.timedelta(hours=1))
        steplog.alert("other", "too soon", wait_duration=3600)
    assert alerts(server) == [
        *(("other", "text", "ERROR"), ("first", "no wait", "WARN"), ("first", "", "INFO"))
    ]


def test_a_long_title_is_cut(server, online):
    with online("r") as run:
        run.alert("t" * 200)
        run.alert("u" * 201)
        run.alert("u" * 5000, "the same title, too soon")
    assert alerts(server) == [("u" * 199 + "…", "", "INFO"), ("t" * 200, "", "INFO")]


def test_alerts_of_a_killed_offline_run_come_once_by_sync(server, tmp_path):
    code = (
        "import os, signal, steplog\n"
        "run = steplog.init(project='p', id='r', mode='offline')\n"
        "run.alert('a'); run.alert('b')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    server.python(tmp_path, code).communicate()
    for _ in range(2):
        assert server.cli("sync", str(tmp_path / "steplog-runs")).returncode == 0
        assert [title for title, _, _ in alerts(server)] == ["b", "a"]


@pytest.mark.parametrize(
    ("title", "arguments", "error"),
    [
        ("", {}, steplog.UsageError),
        (None, {}, steplog.UsageError),
        (object(), {}, steplog.ArgumentTypeError),
        ("t", {"level": "loud"}, steplog.UsageError),
        ("t", {"level": 3}, steplog.ArgumentTypeError),
        ("t", {"wait_duration": "long"}, steplog.ArgumentTypeError),
        ("t", {"wait_duration": True}, steplog.ArgumentTypeError),
        ("t", {"wait_duration": -1}, steplog.UsageError),
        ("t", {"wait_duration": float("nan")}, steplog.UsageError),
    ],
)
def test_what_is_no_alert_is_refused(title, arguments, error):
    with pytest.raises(error):
        alert_of(title, "", **{"level": None, "wait_duration": None, **arguments})


class Receiver:
    """A program that is told: answers with the next of its statuses, then 200."""

    def __init__(self, *statuses):
        self.told: queue.Queue[tuple[str, dict[str, object]]] = queue.Queue()
        told, waiting = self.told, list(statuses)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                told.put((self.path, body))
                self.send_response(waiting.pop(0) if waiting else 200)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/hook"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


@pytest.fixture
def receiver():
    made = []

    def make(*statuses):
        made.append(Receiver(*statuses))
        return made[-1]

    yield make
    for one in made:
        one.http.shutdown()
        one.http.server_close()


def test_a_server_tells_its_webhook(receiver, tmp_path, monkeypatch):
    hook = receiver()
    monkeypatch.setenv("STEPLOG_CONFIG_DIR", str(tmp_path / "config"))
    command = [sys.executable, "-m", "steplog._cli", "server", "--port", "0"]
    command += ["--data", str(tmp_path / "data"), "--webhook", hook.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[1]
            settings = {"base_url": url, "quiet": True}
            with steplog.init(project="p", id="r", dir=str(tmp_path), settings=settings) as run:
                run.alert("loss is NaN", "at step 7", "ERROR")
            path, body = hook.told.get(timeout=20)
        finally:
            process.terminate()
    body.pop("time")
    assert path == "/hook"
    assert body == {
        "entity": "local",
        "project": "p",
        "run": "r",
        "url": f"{url}/p/local/p/r/r",
        "title": "loss is NaN",
        "text": "at step 7",
        "level": "ERROR",
    }


def test_a_webhook_tries_again_and_follows_no_redirect(receiver, caplog):
    hook = receiver(500, 302, 200, *[404] * 4)
    told = asyncio.run(told_to(hook, "taken", "refused", "next"))
    assert [(path, body["title"]) for path, body in told] == [
        *[("/hook", "taken")] * 3,
        *[("/hook", "refused")] * 4,
        ("/hook", "next"),
    ]
    assert "the alert 'refused' was not taken by the webhook: HTTP 404" in caplog.text


async def told_to(hook, *titles):
    """What a program hears of three alerts in eight requests."""
    webhook = Webhook(hook.url, pauses_secs=(0.01, 0.01, 0.01))
    task = asyncio.create_task(webhook.run())
    for title in titles:
        webhook.tell({"title": title})
    told = [await asyncio.to_thread(hook.told.get, timeout=20) for _ in range(8)]
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return told


@pytest.mark.parametrize(
    ("url", "is_safe"),
    [
        *(("https://example.com/x", True), ("http://localhost:1/", True), ("http://[::1]/", True)),
        *(("http://127.0.0.2/x", True), ("http://10.0.0.1/", False), ("http://a.b", False)),
        *(("ftp://localhost/", False), ("https://", False), ("nonsense", False)),
    ],
)
def test_a_webhook_is_safe_or_refused(url, is_safe):
    with contextlib.nullcontext() if is_safe else pytest.raises(UsageError, match="webhook"):
        Webhook(url)


def test_a_server_with_a_webhook_that_is_not_safe_does_not_start(tmp_path):
    command = [sys.executable, "-m", "steplog._cli", "server", "--port", "0"]
    command += ["--data", str(tmp_path / "data"), "--webhook", "http://example.com/"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "use https, or --webhook-allow-http" in done.stderr
