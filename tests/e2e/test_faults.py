"""A network that does everything wrong: every row arrives, once."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import random
import socket
import threading
import time
from typing import Any, ClassVar, cast

import pytest

import steplog
from steplog._core import RunLog

FAULTS = ("refuse", "drop request", "drop answer", "cut body", "500", "503", "429", "garbage")


class BadProxy(http.server.ThreadingHTTPServer):
    """Passes requests on, and does something wrong with two of three, by a seeded chance."""

    daemon_threads = True

    def __init__(self, port, seed):
        super().__init__(("127.0.0.1", 0), Handler)
        self.target_port = port
        self.chance = random.Random(seed)
        self.counts = dict.fromkeys((*FAULTS, "well"), 0)
        self.lock = threading.Condition()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def next_fault(self):
        with self.lock:
            fault = self.chance.choice((*FAULTS, *["well"] * 4))
            self.counts[fault] += 1
            self.lock.notify_all()
            return fault

    def wait_for_another(self):
        """Until one more request has come: so that there is always something to send."""
        with self.lock:
            before = sum(self.counts.values())
            self.lock.wait_for(lambda: sum(self.counts.values()) > before)


class Handler(http.server.BaseHTTPRequestHandler):
    server: BadProxy
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Say nothing."""

    def hang_up(self):
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle_one(self):
        fault = self.server.next_fault()
        if fault == "refuse":
            self.hang_up()
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if fault in {"500", "503", "429"}:
            self.answer(int(fault), b"no", Retry_After="0")
            return
        if fault == "garbage":
            self.answer(200, b"<html>not what you asked for</html>")
            return
        if fault == "drop request":
            self.hang_up()
            return
        if fault == "cut body":
            body = body[: len(body) // 2]
        status, headers, data = self.forward(body)
        if fault == "drop answer":
            self.hang_up()
            return
        self.answer(status, data, **headers)

    do_GET = do_POST = handle_one  # noqa: N815  # http.server's names

    def forward(self, body):
        onward = http.client.HTTPConnection("127.0.0.1", self.server.target_port)
        own = {"content-length", "host", "connection"}
        sent = {name: value for name, value in self.headers.items() if name.lower() not in own}
        try:
            onward.request(self.command, self.path, body=body, headers=sent)
            answer = onward.getresponse()
            kept = ("Content-Type", "Steplog-Server", "Steplog-Version")
            headers = {name: value for name in kept if (value := answer.getheader(name))}
            return answer.status, headers, answer.read()
        finally:
            onward.close()


@pytest.fixture
def bad_proxy(server):
    proxies: list[Any] = []

    def start(seed):
        proxy = BadProxy(server.port, seed)
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        proxies.append(proxy)
        return proxy

    yield start
    for proxy in proxies:
        proxy.shutdown()
        proxy.server_close()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(2))
def test_every_row_arrives_once_through_a_bad_proxy(server, bad_proxy, tmp_path, *, seed):
    proxy = bad_proxy(seed)
    settings = {
        "base_url": proxy.url,
        "api_key": server.key,
        "quiet": True,
        "finish_timeout_secs": 120.0,
        "heartbeat_secs": 0.2,
    }
    run = steplog.init(project="p", id="r", dir=str(tmp_path), settings=settings)
    step = 0
    while sum(proxy.counts.values()) < 15:
        for _ in range(200):
            run.log({"a": step, "b": step / 7}, step=step)
            run.log({"a": step + 0.5}, step=step)
            step += 1
        run.flush()
        proxy.wait_for_another()
    run.finish()
    rows = server.rows("r")
    assert [(row["_step"], row["a"], row["b"]) for row in rows] == [
        (number, number + 0.5, number / 7) for number in range(step)
    ]
    assert server.get("/projects/local/p/runs/r")["records"] == 2 * step + 3
    assert run.status()["refused"] == run.status()["lost"] == 0


def test_what_is_unsent_is_limited_until_the_server_takes_it(server, online):
    server.stop()
    settings = {"max_unsent_bytes": 2 << 20, "finish_timeout_secs": 60.0}
    run = online("r", settings=settings)
    kept, number = [], 0

    def log():
        nonlocal number
        lost = run.status()["lost"]
        run.log({"a": number, "text": "x" * 1000})
        if run.status()["lost"] == lost:
            kept.append(number)
        number += 1

    while not run.status()["lost"]:
        log()
    server.start()
    while kept[-1] != number - 1:
        log()
    run.finish()
    assert [row["a"] for row in server.rows("r")] == kept


class Busy(http.server.BaseHTTPRequestHandler):
    """A server that is busy, says for how long, and then takes no more."""

    asked_at: ClassVar[list[float]] = []
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(200, b'{"acknowledged": 0}')

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.asked_at.append(time.monotonic())
        self.answer(503 if len(self.asked_at) == 1 else 403, b"{}")

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status == 503:
            self.send_header("Retry-After", "2")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_a_busy_server_is_not_asked_before_the_time_that_it_says(tmp_path):
    Busy.asked_at.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Busy) as busy:
        threading.Thread(target=busy.serve_forever, daemon=True).start()
        settings = {"base_url": f"http://127.0.0.1:{busy.server_port}", "api_key": "k" * 40}
        with steplog.init(project="p", dir=str(tmp_path), settings=settings) as run:
            run.log({"a": 1})
            while run.status()["upload"] != "refused":
                time.sleep(0.05)
        busy.shutdown()
    first, second, *_ = Busy.asked_at
    assert second - first >= 2
    assert RunLog(run.sync_dir).row_count == 1


class Liar(http.server.BaseHTTPRequestHandler):
    """A server of something else, or one that is broken: it says the same to everything."""

    protocol_version = "HTTP/1.1"
    status = 200
    body = b"{}"
    asked = 0

    def do_GET(self):
        self.answer()

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).asked += 1
        self.answer()

    def answer(self):
        self.send_response(self.status)
        if self.body:
            self.send_header("Content-Length", str(len(self.body)))
            self.end_headers()
            self.wfile.write(self.body)
            return
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        with contextlib.suppress(ConnectionError):
            while True:
                self.wfile.write(piece)
                type(self).asked += 1

    def log_message(self, *_):
        pass


@pytest.mark.parametrize(
    ("status", "body", "reason", "most_asked"),
    [
        (200, b'{"acknowledged": 9223372036854775807}', "claims records", 0),
        (409, b'{"expected": 0}', "refuses the records that it asks for", 30),
        (200, b"", "does not end", 2_000),
    ],
)
def test_a_server_that_answers_nonsense_is_not_believed(
    tmp_path, capfd, *, status, body, reason, most_asked
):
    liar = type("Liar", (Liar,), {"status": status, "body": body})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), liar) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings = {
            "base_url": f"http://127.0.0.1:{server.server_port}",
            "api_key": "k" * 40,
            "finish_timeout_secs": 2.0,
        }
        with steplog.init(project="p", dir=str(tmp_path), settings=settings) as run:
            run.log({"a": 1})
            while reason not in str(run.status()["error"]):
                time.sleep(0.05)
            assert run.status()["acknowledged_records"] == 0
        server.shutdown()
    assert int(vars(liar).get("asked", 0)) <= most_asked
    assert "not all at the server" in capfd.readouterr().err
    assert RunLog(run.sync_dir).row_count == 1


def test_the_status_counts_what_is_where(online, tmp_path):
    with online("r", settings={"batch_bytes": 1 << 16}) as run:
        for number in range(5_000):
            run.log({"a": number, "text": "x" * 100})
        run.flush()
        status = cast("dict[str, Any]", run.status())
        assert (status["records"], status["synced_records"]) == (5_001, 5_001)
        while status["acknowledged_records"] < 5_001:
            time.sleep(0.02)
            status = cast("dict[str, Any]", run.status())
        assert (status["waiting_bytes"], status["error"]) == (0, None)
        assert status["rate"] > 0
        assert {"last", "synced", "acknowledged"}.isdisjoint(status)
    settings = {"base_url": "http://127.0.0.1:9", "finish_timeout_secs": 0.1, "quiet": True}
    with steplog.init(project="p", dir=str(tmp_path), settings=settings) as run:
        for number in range(100):
            run.log({"a": number})
        status = cast("dict[str, Any]", run.status())
        assert (status["records"], status["acknowledged_records"]) == (101, 0)
        assert 100 * 20 < status["waiting_bytes"] < 100 * 200
