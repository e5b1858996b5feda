"""The server's public edge: keys, bad input, deletes, a second server, charts that hide nothing."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import http.client
import json
import math
import os
import random
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import aiohttp
import msgpack  # type: ignore[import-untyped]  # it has no stubs
import pytest

import steplog

RUN = "/api/v1/projects/local/p/runs/r"
RECORDS = f"{RUN}/writers/w/records"


def test_values_are_kept_bit_for_bit(server, online):
    values = {
        "nan": math.nan,
        "inf": math.inf,
        "zero": -0.0,
        "tiny": 5e-324,
        "least": -(2**63),
        "most": 2**63 - 1,
        "odd": 2**53 + 1,
        "big": 10**30,
        "flag": True,
        "none": None,
        "text": "é\n\t\\'\0",
        "list": [1, 1.0, [None, "x"]],
        "n": {"x": 1, "y.z": 2},
    }
    with online("r") as run:
        run.log(values)
    (row,) = server.rows("r")
    seen = {key: repr(value) for key, value in row.items() if not key.startswith("_")}
    nested = {"n.x": 1, r"n.y\.z": 2}
    flat = {key: value for key, value in values.items() if key != "n"} | nested
    assert seen == {key: repr(value) for key, value in flat.items()}


def test_config_summary_and_keys_reach_the_server(server, online):
    with online("r", config={"lr": 0.1, "opt": {"name": "sgd"}}, name="first", tags=["t"]) as run:
        run.log({"loss": 2.0})
        run.log({"loss": 1.0, "note": "x"})
        run.summary["best"] = 0.5
    found = server.get("/projects/local/p/runs/r")
    assert found["config"] == {"lr": 0.1, "opt": {"name": "sgd"}}
    assert (found["summary"]["loss"], found["summary"]["best"]) == (1.0, 0.5)
    assert (found["name"], found["tags"], found["state"]) == ("first", ["t"], "finished")
    query = {
        "columns": ["name", "config.opt.name", "summary.best"],
        "sort": [{"k": "summary.loss"}],
    }
    page = server.get("/projects/local/p/runs:query", query)
    assert page["cols"] == {"name": ["first"], "config.opt.name": ["sgd"], "summary.best": [0.5]}
    names = [key["name"] for key in server.get("/projects/local/p/keys")["keys"]]
    assert names == ["loss", "note"]


def test_a_chart_shows_a_spike_of_one_step(server, online):
    with online("r") as run:
        for step in range(200_000):
            run.log({"y": 1000.0 if step == 123_456 else math.nan if step == 77 else 0.5})
    panel = {"id": "1", "series": [{"metric": "y"}], "runs": {"ids": ["r"]}, "px": 300}
    (drawn,) = server.get("/projects/local/p/series:query", {"panels": [panel]})["panels"]
    assert drawn["mode"] == "bucket"
    columns, width = drawn["columns"], drawn["dx"]
    assert drawn["x0"] == 0
    assert sum(columns["n"]) == 199_999
    assert [b for b, y in zip(columns["b"], columns["max"], strict=True) if y == 1000.0] == [
        123_456 // width
    ]
    assert [b for b, flag in zip(columns["b"], columns["fl"], strict=True) if flag] == [77 // width]
    panel["range"] = [123_450, 123_460]
    (near,) = server.get("/projects/local/p/series:query", {"panels": [panel]})["panels"]
    assert near["mode"] == "raw"
    assert near["columns"]["y"] == [0.5] * 6 + [1000.0] + [0.5] * 4


def test_a_panel_of_too_many_runs_is_refused(server):
    runs = {"ids": [f"r{number}" for number in range(40_000)]}
    body = {"panels": [{"id": "1", "series": [{"metric": "y"}], "runs": runs}]}
    status, _, data = server.ask("/api/v1/projects/local/p/series:query", body)
    assert (status, json.loads(data)["field"]) == (400, "runs")


def test_a_step_written_again_counts_once_with_its_last_value(server, online):
    with online("r") as run:
        run.log({"y": 1.0, "z": 1.0}, step=3)
        run.log({"y": 2.0}, step=3)
        run.log({"y": 5.0}, step=4)
    assert [(row["_step"], row["y"]) for row in server.rows("r")] == [(3, 2.0), (4, 5.0)]
    panel = {"id": "1", "series": [{"metric": "y"}], "runs": {"ids": ["r"]}}
    (drawn,) = server.get("/projects/local/p/series:query", {"panels": [panel]})["panels"]
    assert (drawn["columns"]["x"], drawn["columns"]["y"]) == ([3.0, 4.0], [2.0, 5.0])


def test_history_is_asked_by_a_body_as_by_an_address(server, online):
    with online("r") as run:
        for step in range(10):
            run.log({"a,b": step, "c": step} if step % 2 else {"c": step})
    body = {"keys": ["a,b"], "min_step": 2, "max_step": 9, "limit": 2, "label": ""}
    status, headers, data = server.ask(f"{RUN}/history:query", body)
    assert (status, headers["Content-Type"]) == (200, "application/x-ndjson")
    rows = [json.loads(line) for line in data.splitlines()]
    assert [(row["_step"], row["a,b"], "c" in row) for row in rows] == [(3, 3, 0), (5, 5, 0)]
    body["cursor"] = headers["Steplog-Cursor"]
    _, headers, data = server.ask(f"{RUN}/history:query", body)
    assert [json.loads(line)["_step"] for line in data.splitlines()] == [7]
    assert headers["Steplog-Cursor"] is None
    asked = server.ask(f"{RUN}/history?keys=c&max_step=3")[2]
    assert server.ask(f"{RUN}/history:query", {"keys": ["c"], "max_step": 3})[2] == asked


@pytest.mark.parametrize("limit", [1, 3, 7, 1000])
def test_pages_hold_every_row_once_however_far_their_steps_lie_apart(server, online, limit):
    steps = [0, 1, 2, 3, 150, 10_000, 10_001, 2**40, 2**40 + 1, 2**62 - 2]
    for label in ("", "w"):
        with online("r", settings={"label": label} if label else {}) as run:
            for step in steps:
                run.log({"y": step, "even": 1} if step % 2 == 0 else {"y": step}, step=step)
    for keys, wanted in ((["y"], steps), (["even"], [step for step in steps if step % 2 == 0])):
        found: list[tuple[str, int]] = []
        cursor: str | None = ""
        while cursor is not None:
            body = {"keys": keys, "limit": limit, "cursor": cursor}
            _, headers, data = server.ask(f"{RUN}/history:query", body)
            rows = [json.loads(line) for line in data.splitlines()]
            assert len(rows) <= limit
            found += [(row.get("_label", ""), row["_step"]) for row in rows]
            cursor = headers["Steplog-Cursor"]
        assert found == [(label, step) for label in ("", "w") for step in wanted]


@pytest.mark.parametrize("path", ["/favicon.ico", "/robots.txt", "/assets/none.js"])
def test_a_file_that_is_not_there_is_no_page(server, path):
    status, headers, _ = server.ask(path)
    assert (status, headers.get_content_type()) == (404, "application/problem+json")
    status, headers, _ = server.ask("/p/local/none.js/r/a.b")
    assert (status, headers.get_content_type()) == (200, "text/html")


def test_a_deleted_run_is_gone_and_its_id_can_be_used_again(server, online):
    for value in (1.0, 2.0):
        with online("r") as run:
            run.log({"y": value})
        assert [row["y"] for row in server.rows("r")] == [value]
        assert server.ask(RUN, method="DELETE")[0] == 204
        assert server.ask(RUN)[0] == 404


LIVING = """
import sys, time, steplog
run = steplog.init(project="p", id="r")
print(run.sync_dir, flush=True)
for step in range(100_000):
    run.log({"y": step})
    if step % 20 == 0:
        print(step, run.status(), flush=True)
    time.sleep(0.005)
"""


def deleted_while_it_runs(server, tmp_path):
    """A process whose run has come to the server and was deleted there, and the run's folder."""
    child = server.python(tmp_path, LIVING)
    folder = child.stdout.readline().strip()
    while server.ask(RUN)[0] != 200:
        child.stdout.readline()
    assert server.ask(RUN, method="DELETE")[0] == 204
    return child, folder


def test_a_run_that_is_deleted_while_it_runs_stays_gone_until_it_is_synced(server, tmp_path):
    child, folder = deleted_while_it_runs(server, tmp_path)
    # Until the writer has learnt it, and then through some of its attempts.
    while "the run was deleted; its folder keeps the data" not in child.stdout.readline():
        assert server.ask(RUN)[0] == 404
    for _ in range(40):
        child.stdout.readline()
        assert server.ask(RUN)[0] == 404
    server.stop()
    server.start()
    logged = -1
    for _ in range(40):
        logged = int(child.stdout.readline().split()[0])
        assert server.ask(RUN)[0] == 404
    child.kill()
    child.communicate()
    done = server.cli("sync", folder)
    assert done.returncode == 0, done.stderr
    steps = [row["y"] for row in server.rows("r")]
    assert steps == list(range(len(steps)))
    assert len(steps) > logged
    assert server.get("/projects/local/p/runs/r")["state"] == "crashed"


def test_a_deleted_run_can_be_brought_back_while_its_process_lives(server, tmp_path):
    child, folder = deleted_while_it_runs(server, tmp_path)
    while "the run was deleted; its folder keeps the data" not in child.stdout.readline():
        pass
    done = server.cli("sync", folder, "--timeout-secs", "8")
    assert (done.returncode, done.stderr) == (0, "")
    assert server.ask(RUN)[0] == 200
    child.kill()
    child.communicate()


def test_a_wrong_key_keeps_the_data_and_says_so(server, online, capfd):
    with online("r", settings={"api_key": "wrong", "finish_timeout_secs": 10.0}) as run:
        run.log({"y": 1})
        folder = run.sync_dir
    assert "key" in capfd.readouterr().err
    assert server.ask(RUN)[0] == 404
    assert server.cli("sync", folder).returncode == 0
    assert [row["y"] for row in server.rows("r")] == [1]


async def test_ack_server_means_queryable(server, online):
    async with online("r") as run:
        for step in range(5):
            await run.alog({"y": step}, ack="server")
            assert len(server.rows("r")) == step + 1


ARTIFACTS = "/api/v1/projects/local/p/artifacts"
PATHS = [
    ("GET", "/api/v1/session"),
    ("GET", "/api/v1/projects"),
    ("GET", "/api/v1/projects/local/p/keys"),
    ("POST", "/api/v1/projects/local/p/runs:query"),
    ("POST", "/api/v1/projects/local/p/series:query"),
    ("GET", RUN),
    ("PATCH", RUN),
    ("DELETE", RUN),
    ("GET", f"{RUN}/keys"),
    ("GET", f"{RUN}/history"),
    ("POST", f"{RUN}/history:query"),
    ("GET", f"{RUN}/writers/w"),
    ("POST", f"{RECORDS}?after=0"),
    ("GET", ARTIFACTS),
    ("GET", f"{ARTIFACTS}/a"),
    ("PATCH", f"{ARTIFACTS}/a"),
    ("DELETE", f"{ARTIFACTS}/a"),
    ("GET", f"{ARTIFACTS}/a/v0"),
    ("PATCH", f"{ARTIFACTS}/a/v0"),
    ("DELETE", f"{ARTIFACTS}/a/v0"),
    ("GET", f"{ARTIFACTS}/a/v0/entries"),
    ("GET", f"{ARTIFACTS}/a/v0/lineage"),
    ("POST", f"{ARTIFACTS}/a/links"),
    ("DELETE", f"{ARTIFACTS}/a/links/v0"),
    ("GET", f"/api/v1/artifacts/{'0' * 32}"),
    ("GET", f"{RUN}/artifacts"),
    ("POST", "/api/v1/login-links"),
    ("POST", "/api/v1/logout"),
    ("GET", "/api/v1/live"),
    ("GET", "/api/v1/nothing"),
]


def test_nobody_gets_in_without_the_key(server):
    for method, path in PATHS:
        status, headers, body = server.ask(path, b"", method=method, key="no")
        assert (status, headers["Content-Type"]) == (401, "application/problem+json"), path
        assert json.loads(body)["code"] == "unauthenticated"
    assert server.ask("/healthz", key="no")[0] == 200


@pytest.mark.parametrize("text", ["", "\n", "short", "a" * 39, "a" * 48 + " b"])
def test_a_key_file_without_a_key_is_refused_at_start(tmp_path, text):
    data = tmp_path / "data"
    data.mkdir()
    (data / "owner.key").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "steplog._cli", "server", "--port", "0", "--data", str(data)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "STEPLOG_CONFIG_DIR": str(tmp_path / "config")},
    )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert str(data / "owner.key") in done.stderr
    assert "remove it" in done.stderr
    assert not (tmp_path / "config").exists()


def test_a_data_folder_of_a_newer_server_is_refused_at_start(server):
    assert server.stop() == (0, "")
    path = server.folder / "data" / "meta.db"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.commit()
    done = server.cli("server", "--port", "0", "--data", str(server.folder / "data"))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "a newer steplog has written the metadata store" in done.stderr
    assert str(path) in done.stderr


def test_an_empty_key_is_nobodys_even_where_one_is_stored(server):
    empty = hashlib.sha256(b"").hexdigest()
    with contextlib.closing(sqlite3.connect(server.folder / "data" / "meta.db")) as database:
        database.execute("INSERT INTO api_keys VALUES (?, 'owner', 0)", (empty,))
        database.commit()
    for sent in ("Bearer ", "Bearer", "Basic YXBpOg==", "Basic", "Basic é"):
        headers = {"Authorization": sent.encode().decode("latin-1")}
        assert server.ask("/api/v1/session", headers=headers)[0] == 401, sent


def test_basic_authentication_is_for_the_user_api(server):
    for user, expected in (("api", 200), ("", 401), ("root", 401)):
        sent = base64.b64encode(f"{user}:{server.key}".encode()).decode()
        headers = {"Authorization": f"Basic {sent}"}
        assert server.ask("/api/v1/session", headers=headers)[0] == expected, user


def test_a_login_link_works_once(server):
    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_):
            return None

    opener = urllib.request.build_opener(Stay)
    cookies = []
    for _ in range(2):
        with pytest.raises(urllib.error.HTTPError) as caught:
            opener.open(server.login)
        with caught.value as answer:
            assert answer.code == 303
            cookies.append(answer.headers["Set-Cookie"])
    first, second = cookies
    assert "HttpOnly" in first
    assert "SameSite" in first
    assert second is None
    cookie = first.split(";")[0]
    assert cookie.startswith(f"steplog_{server.port}=")
    request = urllib.request.Request(server.url + "/api/v1/session", headers={"Cookie": cookie})
    with urllib.request.urlopen(request) as answer:
        assert json.load(answer)["user"] == "owner"
    foreign = {"Cookie": cookie, "Origin": "http://evil.example"}
    request = urllib.request.Request(
        server.url + "/api/v1/login-links", data=b"", headers=foreign, method="POST"
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    with caught.value as answer:
        assert answer.code == 403


ZSTD = {"Content-Type": "application/msgpack", "Content-Encoding": "zstd", "Steplog-Protocol": "1"}
BAD = [
    ("POST", f"{RECORDS}?after=0", b"garbage", ZSTD, 400),
    ("POST", f"{RECORDS}?after=0", b"\x28\xb5\x2f\xfd\x04", ZSTD, 400),
    ("POST", f"{RECORDS}?after=0", b"", {**ZSTD, "Steplog-Protocol": "9"}, 426),
    ("POST", f"{RECORDS}?after=0", b"", {**ZSTD, "Content-Encoding": "gzip"}, 415),
    ("POST", f"{RECORDS}?after=-1", b"", ZSTD, 400),
    ("POST", f"{RECORDS}?after=7", b"", ZSTD, 409),
    ("POST", f"{RUN}/writers/a%2Fb/records?after=0", b"", ZSTD, 400),
    ("POST", "/api/v1/projects/local/p/runs:query", b"{", {}, 400),
    ("POST", "/api/v1/projects/local/p/runs:query", b"[]", {}, 400),
    ("POST", "/api/v1/projects/local/p/runs:query", b"[" * 100_000, {}, 400),
    ("POST", "/api/v1/projects/local/p/runs:query", b'{"limit": "x"}', {}, 400),
    ("POST", "/api/v1/projects/local/p/runs:query", b'{"sort": [{"k": "nope"}]}', {}, 400),
    ("POST", "/api/v1/projects/local/p/runs:query", b'{"filter": {}}', {}, 400),
    (
        *("POST", "/api/v1/projects/local/p/runs:query"),
        *(b'{"search": {"q": "(", "mode": "regex"}}', {}, 400),
    ),
    ("POST", "/api/v1/projects/local/p/series:query", b'{"panels": [1]}', {}, 400),
    ("POST", "/api/v1/projects/local/p/series:query", b'{"panels": {}}', {}, 400),
    ("GET", f"{RUN}/history?limit=x", None, {}, 400),
    ("GET", f"{RUN}/history?limit=0", None, {}, 400),
    ("GET", f"{RUN}/history?limit=50001", None, {}, 400),
    ("GET", f"{RUN}/history?cursor=x", None, {}, 400),
    ("POST", f"{RUN}/history:query", b'{"keys": "y"}', {}, 400),
    ("POST", f"{RUN}/history:query", b'{"keys": [""]}', {}, 400),
    ("POST", f"{RUN}/history:query", b'{"limit": 0}', {}, 400),
    ("GET", "/api/v1/projects/local/p/runs/..%2F..%2Fetc", None, {}, 400),
    ("GET", "/api/v1/projects/local/%2E%2E/keys", None, {}, 400),
    ("GET", "/api/v1/projects/local/a%00b/keys", None, {}, 400),
    ("GET", "/api/v1/nothing", None, {}, 404),
    ("PUT", "/api/v1/projects", b"", {}, 405),
]


def test_garbage_is_refused_with_a_problem_and_the_server_stays_up(server):
    for method, path, body, headers, expected in BAD:
        status, answer, data = server.ask(path, body, method=method, headers=headers)
        assert (status, answer["Content-Type"]) == (expected, "application/problem+json"), (
            path,
            body,
            data,
        )
    status, answer, data = server.ask(f"{RECORDS}?after=7", b"", headers=ZSTD)
    assert json.loads(data)["expected"] == 0
    for path in ("/../../../../etc/passwd", "/assets/..%2f..%2fapp.py", "/%2e%2e/%2e%2e/x"):
        _, _, data = server.ask(path)
        assert b"root:" not in data
        assert b"import" not in data[:200]
    assert server.ask("/healthz")[0] == 200
    assert server.stop() == (0, "")


def test_a_search_takes_time_linear_in_the_names(server, online):
    names = ["a" * 40 + "!", "exp-1", "exp-22"]
    for number, name in enumerate(names):
        with online(f"r{number}", name=name):
            pass

    def search(pattern):
        body = {"columns": ["name"], "search": {"q": pattern, "mode": "regex"}}
        status, _, data = server.ask("/api/v1/projects/local/p/runs:query", body)
        answer = json.loads(data)
        return sorted(answer["cols"]["name"]) if status == 200 else (status, answer["field"])

    started = time.monotonic()
    assert search("^(a+)+$") == []
    assert time.monotonic() - started < 5
    assert search(r"^exp-\d+$") == names[1:]
    assert search("^r0$|2$") == [names[0], names[2]]
    for refused in ("(", "(?=a)", r"(a)\1", "a" * 2000, "((a{200}){200}){200}", "(?P<n"):
        assert search(refused) == (400, "search"), refused


def test_a_client_that_goes_away_in_mid_upload_is_no_error(server):
    batch = "".join(f"{name}: {value}\r\n" for name, value in ZSTD.items())
    endings = (
        "Content-Length: 1000\r\n\r\nabc",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n",
    )
    for path, headers in (
        (f"{RECORDS}?after=0", batch),
        ("/api/v1/projects/local/p/runs:query", ""),
    ):
        for ending in endings:
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n{headers}"
            with socket.create_connection(("127.0.0.1", server.port)) as client:
                key, _, body = ending.partition("\r\n\r\n")
                head += f"Authorization: Bearer {server.key}\r\n{key}\r\n\r\n"
                client.sendall(head.encode())
                assert client.recv(100).startswith(b"HTTP/1.1 100")  # the handler is at it
                client.sendall(body.encode())
    assert server.ask("/healthz")[0] == 200
    assert server.stop() == (0, "")


def test_long_addresses_work_and_what_is_no_http_is_refused_in_silence(server):
    assert server.ask(f"/api/v1/session?z={'x' * 60_000}")[0] == 200
    assert server.ask(f"/api/v1/session?z={'x' * 70_000}")[0] == 400
    for sent in (b"\0\1\2\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\na b\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(sent)
            assert client.recv(100).startswith(b"HTTP/1.0 400"), sent
    assert server.stop() == (0, "")


def test_a_zstd_bomb_is_refused(server):
    # RFC 8878: a frame without a content size, a window of 128 KiB, and run-length blocks of it.
    blocks = [(0x20000 << 3 | 1 << 1 | last).to_bytes(3, "little") + b"\0" for last in (0, 1)]
    bomb = b"\x28\xb5\x2f\xfd\x00\x38" + blocks[0] * 599 + blocks[1]
    assert server.ask(f"{RECORDS}?after=0", bomb, headers=ZSTD)[0] == 413


def test_a_second_server_says_who_holds_the_folder_or_the_port(server, tmp_path):
    data = str(server.folder / "data")
    file = tmp_path / "file"
    file.touch()
    for arguments, words in (
        (["--port", "0", "--data", data], f"in use by process {server.process.pid}: {data}"),
        (["--port", "0", "--data", str(file)], f"cannot use the data folder: File exists: {file}"),
        (["--port", str(server.port), "--data", str(tmp_path / "other")], "cannot listen"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "steplog._cli", "server", *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=server.environ,
        )
        assert done.returncode == 1
        assert words in done.stderr
        assert done.stderr.count("\n") == 1
    assert server.ask("/healthz")[0] == 200


REFUSED_CHANGES = {
    "not empty": {"name": ""},
    "nothing but control": {"name": "\0\n"},
    "over 1 MiB": {"name": "x" * ((1 << 20) + 1)},
    "a tag is not empty": {"tags": ["t", ""]},
    "at most 1,000 tags": {"tags": ["t"] * 1001},
    "list of texts": {"tags": "t"},
    "name and notes": {"notes": 5},
    "'bogus' cannot be changed": {"notes": "n", "bogus": 1},
}


def test_a_run_is_changed_by_the_rules_of_init(online, server):
    online("r").finish()
    for says, body in REFUSED_CHANGES.items():
        status, _, data = server.ask(RUN, body, method="PATCH")
        assert (status, says in json.loads(data)["detail"]) == (400, True)
    status, _, data = server.ask(RUN, {"name": "n", "tags": ["t"]}, method="PATCH")
    assert (status, json.loads(data)["name"], json.loads(data)["tags"]) == (200, "n", ["t"])


def test_a_key_file_that_is_no_json_is_named(server, tmp_path, capfd):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STEPLOG_CONFIG_DIR", str(tmp_path))
        (tmp_path / "keys.json").write_text("{")
        steplog.init(project="p", dir=str(tmp_path), settings={"base_url": server.url}).finish()
    assert f"the key file is not JSON: {tmp_path / 'keys.json'}" in capfd.readouterr().err


def test_the_server_knows_the_metrics_and_computes_the_same_summary(online, server):
    chance = random.Random(3)
    with online("r") as run:
        run.define_metric("loss", step_metric="epoch", summary="min,mean,last", hidden=True)
        run.define_metric("acc", summary="best,first", goal="maximize")
        for number in range(2_000):
            row = {"loss": chance.gauss(0, 1), "acc": chance.choice([chance.random(), math.nan])}
            run.log(row | ({"epoch": number // 100} if number % 100 == 0 else {}))
            if number % 500 == 0:
                run.summary["note"] = number
        run.define_metric("late", summary="max")
        local = run.summary.as_dict()
    found = server.get("/projects/local/p/runs/r")
    # The page's JSON says NaN in quotes.
    stored = json.dumps(found["summary"], sort_keys=True).replace('"NaN"', "NaN")
    assert stored == json.dumps(local, sort_keys=True)
    assert [metric["name"] for metric in found["metrics"]] == ["loss", "acc", "late"]
    assert found["metrics"][0]["step_metric"] == "epoch"
    assert sum(row["epoch"] == 7 for row in server.rows("r")) == 100


def test_integers_of_any_size_reach_the_server(online, server):
    sys.set_int_max_str_digits(0)
    try:
        with online("r", config={"seed": -(10**400)}) as run:
            run.log({"combinations": 10**309, "too_long": 10**5000, "after": 1})
    finally:
        sys.set_int_max_str_digits(4300)
    assert run.status()["skipped"] == 1
    found = server.get("/projects/local/p/runs/r")
    assert (found["state"], found["summary"]["after"]) == ("finished", 1)
    with steplog.Api(base_url=server.url) as api:
        (row,) = api.run("p/r").scan_history()
    assert (row["combinations"], row["after"], "too_long" in row) == (10**309, 1, False)
    found = server.get("/projects/local/p/runs:query", {"sort": [{"k": "config.seed"}]})
    assert found["ids"] == ["r"]


def test_a_run_is_called_otherwise_while_it_runs(online, server):
    with online("r", name="first", tags=["a"]) as run:
        run.name = "second"
        run.tags = ["b", "c"]
        run.notes = "why"
        assert (run.name, run.tags, run.notes) == ("second", ("b", "c"), "why")
    found = server.get("/projects/local/p/runs/r")
    assert (found["name"], found["tags"], found["notes"]) == ("second", ["b", "c"], "why")
    (entry,) = [json.loads(server.cli("ls", "--json", run.sync_dir).stdout)]
    assert entry["name"] == "second"


def test_a_key_is_hidden_by_its_most_exact_definition_in_each_of_its_runs(online, server):
    row = dict.fromkeys(["loss", "sys/cpu", "sys/gpu/0", "sys/gpu/1", "_sys"], 1)
    with online("r") as run:
        run.define_metric("sys/*", hidden=True)
        run.define_metric("sys/gpu/*")
        run.define_metric("sys/gpu/1", hidden=True)
        run.log(row)

    def hidden(path):
        keys = server.get(f"/projects/local/p/{path}keys")["keys"]
        return [key["name"] for key in keys if key["hidden"]]

    assert hidden("runs/r/") == hidden("") == ["sys/cpu", "sys/gpu/1"]
    with online("other") as run:
        run.define_metric("*", hidden=True)
        run.define_metric("sys/cpu")
        run.log(row)
    assert hidden("runs/other/") == ["loss", "sys/gpu/0", "sys/gpu/1"]
    assert hidden("") == ["sys/gpu/1"]


def test_a_writer_that_knows_of_no_deletion_does_not_bring_its_run_back(online, server):
    with online("r") as run:
        run.log({"y": 1})
    bodies = []

    class Recorder(BaseHTTPRequestHandler):
        def do_POST(self):
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.answer({"acknowledged": 1 << 60})

        def do_GET(self):
            self.answer({"acknowledged": 0})

        def answer(self, said):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(said).encode())

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Recorder) as stand_in:
        threading.Thread(target=stand_in.serve_forever, daemon=True).start()
        base_url = f"http://127.0.0.1:{stand_in.server_port}"
        server.cli("sync", run.sync_dir, "--base-url", base_url, "--api-key", "k" * 40)
        stand_in.shutdown()
    (writer,) = server.get("/projects/local/p/runs/r")["writers"]
    records = f"{RUN}/writers/{writer['writer']}/records?after=0"
    assert server.ask(RUN, method="DELETE")[0] == 204
    assert server.ask(records, bodies[0], headers=ZSTD)[0] == 410
    assert server.ask(RUN)[0] == 404
    assert server.ask(f"{records}&revive=1", bodies[0], headers=ZSTD)[0] == 200
    assert server.ask(RUN)[0] == 200


def batch_of(after, records):
    """A batch of (position, record) pairs."""
    body = b"\x94\x01" + msgpack.packb(after) + msgpack.packb(records[-1][0])
    body += bytes([0x90 + len(records)])
    for position, record in records:
        body += b"\x92" + msgpack.packb(position) + record
    # RFC 8878: raw blocks, of 128 KiB at most.
    blocks = [body[at : at + (1 << 17)] for at in range(0, len(body), 1 << 17)]
    heads = [len(block) << 3 | (block is blocks[-1]) for block in blocks]
    raw = [head.to_bytes(3, "little") + block for head, block in zip(heads, blocks, strict=True)]
    return b"\x28\xb5\x2f\xfd\x00\x38" + b"".join(raw)


@pytest.mark.parametrize("position", [2**63, 2**64 - 1])
def test_a_position_that_no_log_has_is_refused_and_the_writer_goes_on(server, online, position):
    run = online("r")
    asyncio.run(run.alog({"y": 1.0}, ack="server"))
    (writer,) = server.get("/projects/local/p/runs/r")["writers"]
    after = writer["acknowledged"]
    row = msgpack.packb([2, 5, 1, 1, True, {"y": 9.0}])
    path = f"/api/v1/projects/local/p/runs/r/writers/{writer['writer']}/records?after={after}"
    status, _, data = server.ask(path, batch_of(after, [(position, row)]), headers=ZSTD)
    assert (status, json.loads(data)["code"]) == (400, "malformed")
    run.log({"y": 2.0})
    run.finish()
    assert [row["y"] for row in server.rows("r")] == [1.0, 2.0]


def test_a_step_that_no_writer_comes_to_is_refused(server):
    start = msgpack.packb([0, {"run": "r", "writer": "w"}])
    path = f"{RUN}/writers/w/records?after=0"
    rows = {step: msgpack.packb([2, step, 1, 1, True, {"y": 1}]) for step in (2**62 - 1, 2**62)}
    status, _, data = server.ask(
        path, batch_of(0, [(272, start), (280, rows[2**62])]), headers=ZSTD
    )
    assert (status, json.loads(data)["code"]) == (400, "malformed")
    batch = batch_of(0, [(272, start), (280, rows[2**62 - 1])])
    assert server.ask(path, batch, headers=ZSTD)[0] == 200
    assert [row["_step"] for row in server.rows("r")] == [2**62 - 1]


@pytest.mark.parametrize(
    ("told", "refusal"),
    [
        ({"entity": "other"}, (400, "malformed")),
        ({"project": "other"}, (400, "malformed")),
        ({"format": 99}, (426, "protocol")),
        ({"format": "a"}, (426, "protocol")),
    ],
)
def test_a_log_of_another_place_or_format_makes_no_run(server, told, refusal):
    own = {"run": "r", "writer": "w", "entity": "local", "project": "p", "format": 1}
    path = f"{RUN}/writers/w/records?after=0"
    batch = batch_of(0, [(272, msgpack.packb([0, {**own, **told}]))])
    status, _, data = server.ask(path, batch, headers=ZSTD)
    assert (status, json.loads(data)["code"]) == refusal
    assert server.get("/projects/local/p/runs:query", {})["ids"] == []
    assert server.ask(path, batch_of(0, [(272, msgpack.packb([0, own]))]), headers=ZSTD)[0] == 200


@pytest.mark.parametrize(("size", "status"), [(1 << 20, 200), ((1 << 20) + 1, 400)])
def test_a_file_record_has_at_most_1_mib(server, size, status):
    start = msgpack.packb([0, {"run": "r", "writer": "w"}])
    file = msgpack.packb([9, 1, "a.txt", b"x" * size])
    batch = batch_of(0, [(272, start), (280, file)])
    path = f"{RUN}/writers/w/records?after=0"
    assert server.ask(path, batch, headers=ZSTD)[0] == status


def test_a_first_batch_that_is_none_makes_no_run(server):
    starts = {name: msgpack.packb([0, {"run": name, "writer": "w"}]) for name in ("r", "other")}
    garbage = msgpack.packb([2, "not a history record"])
    batches = {"another log": [starts["other"]], "cannot be read": [starts["r"], garbage]}
    for records in batches.values():
        body = batch_of(0, [(272 + 8 * number, one) for number, one in enumerate(records)])
        status, _, data = server.ask(f"{RUN}/writers/w/records?after=0", body, headers=ZSTD)
        assert (status, json.loads(data)["code"]) == (400, "malformed")
    assert server.get("/projects/local/p/runs:query", {})["ids"] == []


def test_a_key_has_one_name_in_all_rows_that_are_read(online, server):
    with online("both") as run:
        run.log({"a.b": 1})
        run.log({"a": {"b": 2}})
        run.log({"a.b": 3, "a": {"b": 4}})
    with online("dots", reinit="create_new") as run:
        run.log({"a.b": 1, "c\\d": 2})
    api = steplog.Api(base_url=server.url, api_key=server.key)

    def rows(run, **asked):
        found = api.run(f"p/{run}").scan_history(page_size=1, **asked)
        return [{key: row[key] for key in row if not key.startswith("_")} for row in found]

    assert rows("both") == [{"a\\.b": 1}, {"a.b": 2}, {"a\\.b": 3, "a.b": 4}]
    assert rows("both", keys=["a\\.b"]) == [{"a\\.b": 1}, {"a\\.b": 3}]
    assert rows("dots") == [{"a.b": 1, "c\\d": 2}]


def test_what_is_not_there_is_told_apart_from_other_refusals(server):
    api = steplog.Api(base_url=server.url, api_key=server.key)
    with pytest.raises(steplog.NotFoundError, match="there is no run 'nope'"):
        api.run("p/nope")


def test_a_login_link_is_used_once_and_not_by_asking_for_its_head(server):
    place = server.login.removeprefix(server.url)

    def ask(method):
        connection = http.client.HTTPConnection(server.url.removeprefix("http://"))
        connection.request(method, place)
        answer = connection.getresponse()
        connection.close()
        return answer.status, answer.headers["Location"], answer.headers["Set-Cookie"] is not None

    assert ask("HEAD") == (200, None, False)
    assert ask("GET") == (303, "/", True)
    assert ask("GET") == (303, "/?login=over", False)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_logging_out_ends_the_live_channel_of_that_session(server):
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        await (await session.get(server.login)).read()
        async with session.ws_connect(f"{server.url}/api/v1/live") as socket:
            assert (await socket.receive_json())["t"] == "hello"
            answer = await session.post(f"{server.url}/api/v1/logout")
            assert answer.status == 204
            message = await socket.receive()
            # The server may be gone before its close is answered: what it has said counts.
            assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1008)
