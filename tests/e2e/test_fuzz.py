"""Any JSON in any field of a route or live message is answered or refused; the server stays up."""

from __future__ import annotations

import json
import urllib.parse

import aiohttp
import pytest

import steplog

PROJECT = "/api/v1/projects/local/p"
RUN = f"{PROJECT}/runs/r"
# As they are written: 1e999 is no number that a parser must take.
ODD = ["null", "true", "3", "-1", "1e999", '"x"', "[]", '["x"]', "{}", '{"a": 1}', "[[[]]]"]
HOLE = "\0hole"

PANEL = {
    "id": "1",
    "series": [{"metric": "y"}],
    "runs": {"ids": ["r"]},
    "x": "step",
    "range": [0, 10],
    "px": 100,
    "warmup": 0,
    "fields": ["min"],
    "group": {"by": ["run"], "center": "mean", "band": "minmax"},
    "beside": True,
    "agg": None,
    "expr": None,
    "label": None,
    "since": None,
}
RUNS = {
    "columns": ["name", "config.a"],
    "sort": [{"k": "summary.y", "dir": "asc", "agg": None}],
    "search": {"q": "r", "mode": "regex", "in": None},
    "limit": 10,
    "offset": 0,
    "filter": None,
    "group": None,
    "cursor": None,
    "pinned": None,
    "count": None,
    "sparklines": None,
    "aggs": None,
}
ROWS = {
    "keys": ["y"],
    "min_step": 0,
    "max_step": 9,
    "label": "",
    "limit": 10,
    "cursor": "WyIiLCAiMCJd",
}
REQUESTS = [
    ("POST", f"{RUN}/history:query", ROWS),
    ("POST", f"{PROJECT}/series:query", {"panels": [PANEL], "version": 1}),
    ("POST", f"{PROJECT}/runs:query", RUNS),
    ("PATCH", RUN, {"name": "n", "notes": "", "tags": ["t"]}),
    ("POST", "/api/v1/login-links", {"any": 1}),
    ("POST", "/api/v1/logout", {"any": 1}),
]
WHERE = {"entity": "local", "project": "p"}
MESSAGES = [
    {"t": "hello", "proto": 1, "visible": True},
    {"t": "visible", "v": True},
    {"t": "ack", "id": 1, "v": 1},
    {"t": "unsub", "id": 1},
    {"t": "sub", "id": 1, "ch": "runs", **WHERE, "query": RUNS, "since": 0},
    {"t": "sub", "id": 2, "ch": "run", **WHERE, "run": "r", "since": 0},
    {"t": "sub", "id": 3, "ch": "series", **WHERE, "panels": [PANEL], "since": 0},
]
QUERIES = [
    (f"{RUN}/history", ["min_step", "max_step", "keys", "label", "limit", "cursor"]),
    (f"{PROJECT}/keys", ["runs"]),
    (f"{RUN}/keys", ["any"]),
    (f"{RUN}/writers/w", ["any"]),
    ("/api/v1/projects", ["any"]),
    ("/login", ["t"]),
]
PATHS = [
    "/api/v1/projects/{}/p/keys",
    "/api/v1/projects/local/{}/keys",
    f"{PROJECT}/runs/{{}}",
    f"{PROJECT}/runs/{{}}/history",
    f"{PROJECT}/runs/{{}}/keys",
    f"{PROJECT}/runs/{{}}/writers/w",
    f"{RUN}/writers/{{}}",
    "/{}",
    "/assets/{}",
]
TEXTS = [*ODD, "", "%00", "%ff", "%ED%A0%80", "é", "\t", "'", "..", "-0", "1" * 30, "a" * 5000]


ZSTD = {"Content-Type": "application/msgpack", "Content-Encoding": "zstd", "Steplog-Protocol": "1"}


def with_holes(value):
    """The value with each of its parts left out in turn, itself too."""
    yield HOLE
    parts = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value if type(value) is list else ())
    )
    for place, part in parts:
        for changed in with_holes(part):
            copy = value.copy()
            copy[place] = changed
            yield copy


def fuzzed(value):
    for changed in with_holes(value):
        text = json.dumps(changed)
        for odd in ODD:
            yield text.replace(json.dumps(HOLE), odd)


@pytest.fixture
def filled(server, tmp_path, monkeypatch):
    monkeypatch.setenv("STEPLOG_CONFIG_DIR", server.environ["STEPLOG_CONFIG_DIR"])
    settings = {"base_url": server.url, "quiet": True}
    config = {"a": 1}
    with steplog.init(
        project="p", dir=str(tmp_path), id="r", settings=settings, config=config
    ) as run:
        run.log({"y": 1.0})
    return server


def test_no_field_of_a_body_breaks_the_server(filled):
    for method, path, body in REQUESTS:
        assert filled.ask(path, body, method=method)[0] < 300, path
        for text in fuzzed(body):
            status, _, data = filled.ask(path, text.encode(), method=method)
            assert status < 500, (path, text, data)
    assert filled.stop() == (0, "")


def test_no_part_of_an_address_breaks_the_server(filled):
    addresses = [path.format(urllib.parse.quote(text, "%")) for path in PATHS for text in TEXTS]
    addresses += [
        f"{path}?{name}={urllib.parse.quote(text, '%')}"
        for path, names in QUERIES
        for name in names
        for text in TEXTS
    ]
    for address in [f"{RUN}/writers/w/records?{name}=" for name in ("after", "closed")]:
        for text in TEXTS:
            status, _, data = filled.ask(address + urllib.parse.quote(text, "%"), b"", headers=ZSTD)
            assert status < 500, (address, text, data)
    # What `Steplog-Cursor` could never have said: [["x"], 0], ["", 1e999], {"a": 1, "b": 2}.
    for cursor in ("W1sieCJdLCAwXQ==", "WyIiLCAxZTk5OV0=", "eyJhIjogMSwgImIiOiAyfQ=="):
        addresses.append(f"{RUN}/history?cursor={cursor}")
    for address in addresses:
        status, _, data = filled.ask(address)
        assert status < 500, (address, data)
    assert filled.stop() == (0, "")


async def answers(socket, text):
    """What the server says to a message, up to its answer to one that it must refuse."""
    await socket.send_str(text)
    await socket.send_str('{"t": "nothing", "id": "end"}')
    found: list[dict[str, object]] = []
    while True:
        message = await socket.receive(10)
        assert message.type in {aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY}, (text, message)
        if message.type is aiohttp.WSMsgType.TEXT:
            said = json.loads(message.data)
            if said.get("id") == "end":
                return found
            found.append(said)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_no_field_of_a_live_message_breaks_the_socket(filled):
    headers = {"Authorization": f"Bearer {filled.key}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.ws_connect(filled.url + "/api/v1/live") as socket,
    ):
        assert (await socket.receive_json())["t"] == "hello"
        for message in MESSAGES:
            said = await answers(socket, json.dumps(message))
            assert [one for one in said if one["t"] == "error"] == [], message
            for text in fuzzed(message):
                await answers(socket, text)
        await socket.send_bytes(b"\0")
        refused = await socket.receive_json()
        assert (refused["t"], refused["id"], refused["code"]) == ("error", None, "malformed")
        (refused,) = await answers(socket, '{"t": ["sub"], "id": 7}')
        assert (refused["t"], refused["id"], refused["field"]) == ("error", 7, "t")
    assert filled.stop() == (0, "")


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_live_message_that_is_too_large_closes_the_socket_with_1009(filled):
    headers = {"Authorization": f"Bearer {filled.key}"}
    for size in ((4 << 20) + 1, 20 << 20):
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.ws_connect(filled.url + "/api/v1/live") as socket,
        ):
            await socket.receive_json()
            await socket.send_str("x" * size)
            closed = await socket.receive(10)
            assert (closed.type, closed.data) == (aiohttp.WSMsgType.CLOSE, 1009)
    assert filled.stop() == (0, "")


REFUSED = [
    ("series:query", {"panels": [{**PANEL, "x": {"metric": "epoch"}}]}, "unsupported", "x"),
    ("series:query", {"panels": [{**PANEL, "x": ["step"]}]}, "invalid", "x"),
    ("series:query", {"panels": [{**PANEL, "warmup": 64}]}, "unsupported", "warmup"),
    ("series:query", {"panels": [{**PANEL, "expr": "1"}]}, "unsupported", "expr"),
    ("runs:query", {"cursor": "x"}, "unsupported", "cursor"),
    ("runs:query", {"pinned": ["r"]}, "unsupported", "pinned"),
    ("runs:query", {"count": "none"}, "unsupported", "count"),
    ("runs:query", {"sparklines": {"keys": ["y"]}}, "unsupported", "sparklines"),
    ("runs:query", {"sort": [{"k": "summary.y", "agg": "min"}]}, "unsupported", "sort"),
    ("runs:query", {"search": {"q": "x", "in": ["notes"]}}, "unsupported", "search"),
    ("runs:query", {"sort": [{"k": "nope"}]}, "invalid", "sort"),
    ("runs:query", {"columns": ["nope"]}, "invalid", "columns"),
    ("runs:query", {"sort": [{"k": "summary.a", "dir": ["asc"]}]}, "invalid", "sort"),
    ("runs:query", {"search": {"q": "x", "mode": ["regex"]}}, "invalid", "search"),
]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("refused", REFUSED)
async def test_a_wrong_value_is_refused_by_its_field(filled, refused):
    route, body, code, field = refused
    status, _, data = filled.ask(f"{PROJECT}/{route}", body)
    problem = json.loads(data)
    assert (status, problem["code"], problem["field"]) == (400, code, field)
    channel = route.split(":")[0]
    asked = body if channel == "series" else {"query": body}
    headers = {"Authorization": f"Bearer {filled.key}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.ws_connect(filled.url + "/api/v1/live") as socket,
    ):
        await socket.receive_json()
        message = {"t": "sub", "id": 1, "ch": channel, **WHERE, **asked}
        (said,) = await answers(socket, json.dumps(message))
        assert (said["t"], said["code"], said["field"]) == ("error", code, field)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_panel_says_of_which_version_it_is_only_on_the_live_channel(filled):
    panel = {**PANEL, "since": 1}
    status, _, data = filled.ask(f"{PROJECT}/series:query", {"panels": [panel]})
    assert (status, json.loads(data)["field"]) == (400, "since")
    headers = {"Authorization": f"Bearer {filled.key}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.ws_connect(filled.url + "/api/v1/live") as socket,
    ):
        await socket.receive_json()
        message = {"t": "sub", "id": 1, "ch": "series", **WHERE, "panels": [panel]}
        assert await answers(socket, json.dumps(message)) == []
