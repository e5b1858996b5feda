"""Artifacts of many tiny files: several by one request, each checked, whatever stands between."""

from __future__ import annotations

import http.server
import json
import random
import threading

import pytest
from tests.e2e.test_artifacts import tree

import steplog

pytestmark = pytest.mark.timeout(120)
MADE = {f"{n % 7}/{n:03}": random.Random(n).randbytes(n) for n in range(600)}
MADE |= {"same": MADE["1/008"], "large": bytes(70_000), "also": bytes(65_536)}


class Relay(http.server.ThreadingHTTPServer):
    """Passes requests on, counts them, and lets a test change what comes of each POST.

    An answer that is changed to None breaks off; where `status` is set POSTs are not passed on.
    """

    def __init__(self, server):
        super().__init__(("127.0.0.1", 0), self.handler_of(server))
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.paths: list[str] = []
        self.change = lambda answer: answer
        self.status: int | None = None

    def handler_of(self, server):
        relay = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                relay.paths.append(self.path.removeprefix("/api/v1"))
                self.answer(*server.ask(self.path))

            def do_POST(self):
                asked = self.rfile.read(int(self.headers["Content-Length"]))
                if relay.status is not None:
                    self.answer(relay.status, {"Steplog-Server": "old"}, b"")
                    return
                relay.paths.append(self.path.removeprefix("/api/v1"))
                status, headers, answer = server.ask(self.path, asked)
                self.answer(status, headers, relay.change(answer))

            def answer(self, status, headers, body):
                self.send_response(status)
                self.send_header("Content-Length", str(9 if body is None else len(body)))
                self.send_header("Steplog-Server", headers["Steplog-Server"])
                self.end_headers()
                self.wfile.write(body or b"")
                self.close_connection = body is None

        return Handler


@pytest.fixture
def relay(server):
    running = Relay(server)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


@pytest.fixture
def found(server, online, relay, *, tmp_path, monkeypatch):
    """An artifact as it is read through the relay; no request is counted yet."""
    monkeypatch.setenv("STEPLOG_ARTIFACT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    artifact = steplog.Artifact("many", "dataset")
    for name, content in MADE.items():
        artifact.put_content(name, content)
    with online("r") as run:
        run.log_artifact(artifact).wait(60)
    with steplog.Api(relay.url, server.key) as api:
        read = api.artifact("p/many:latest")
        assert len(read.manifest) == len(MADE)
        relay.paths.clear()
        yield read


def test_tiny_files_come_by_few_requests(found, relay):
    assert tree(found.download()) == MADE
    posts = [path for path in relay.paths if path == "/blobs:read"]
    assert (len(posts), len(relay.paths)) == (3, 4)
    relay.paths.clear()
    assert tree(found.download("again")) == MADE
    assert relay.paths == []  # the cache has them


def test_what_is_left_out_is_asked_for_by_itself(found, relay):
    def without_one(answer):
        line, _, rest = answer.partition(b"\n")
        (_, size), *others = json.loads(line)["contents"]
        return json.dumps({"contents": others}).encode() + b"\n" + rest[size:]

    relay.change = without_one
    assert tree(found.download()) == MADE
    assert len(relay.paths) == 3 + 3 + 1


def test_an_answer_that_breaks_off_is_asked_for_again(found, relay):
    cuts = [True]

    def cut(answer):
        return None if cuts and cuts.pop() else answer

    relay.change = cut
    assert tree(found.download()) == MADE


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda answer: answer[:-1] + bytes([answer[-1] ^ 1]), "its hash differs"),
        (lambda answer: answer[:-1], "its hash differs"),
        (lambda _: b"[]\n", "cannot be understood"),
        (lambda _: b"", "cannot be understood"),
        (lambda _: b'{"contents": [["x", -5], ["y", "z"]]}\n', "cannot be understood"),
    ],
)
def test_wrong_contents_are_kept_nowhere(found, relay, *, change, reason):
    relay.change = change
    with pytest.raises(steplog.ServerError, match=reason):
        found.download()
    there = tree("artifacts/many:v0")
    assert there.items() <= MADE.items()
    assert len(there) < len(MADE)
    relay.change = lambda answer: answer
    assert tree(found.download()) == MADE


@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_server_that_knows_no_such_request_is_asked_for_each(found, relay, status):
    relay.status = status
    assert tree(found.download()) == MADE
    assert set(relay.paths) == {f"/blobs/{entry.sha256}" for entry in found.files()}
