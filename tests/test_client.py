"""The read side against a real server: every value comes back as it was logged."""

from __future__ import annotations

import inspect
import json
import math
import os
import socket
import subprocess
import sys

import anyio
import pytest

import steplog
from steplog import _network
from steplog.artifacts import Artifact
from steplog.artifacts.async_artifact import AsyncArtifact
from steplog.client import Api, AsyncApi, AsyncRun, Run
from steplog.client.files import AsyncFile, File

VALUES = {
    "nan": math.nan,
    "inf": math.inf,
    "least_inf": -math.inf,
    "zero": -0.0,
    "odd": 2**53 + 1,
    "least": -(2**63),
    "most": 2**63 - 1,
    "big": 10**30,
    "flag": True,
    "none": None,
    "text": "é\n\\",
    "list": [1, 1.0, [None, "x", 10**30]],
}

RUNS = ["values", "steps", "x y%é"]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a server, its key file, and runs on it."""
    folder = tmp_path_factory.mktemp("server")
    environ = {**os.environ, "STEPLOG_CONFIG_DIR": str(folder)}
    command = [sys.executable, "-m", "steplog._cli", "server", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--data", str(folder / "data")], stdout=subprocess.PIPE, text=True, env=environ
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[1]
        process.stdout.readline()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("STEPLOG_CONFIG_DIR", str(folder))
            _log_runs(url, str(folder))
        yield url, folder
    finally:
        process.terminate()
        process.communicate()


def _log_runs(url, folder):
    settings = {"base_url": url, "quiet": True}

    def init(run, **arguments):
        return steplog.init(project="p", dir=folder, id=run, settings=settings, **arguments)

    with init("values", name="first", config={"lr": 0.1, "seed": 10**30}) as run:
        run.log(VALUES | {"n": {"x": 1, "y.z": 2, "b\\": 3}, "n.x": 4})
    with init("steps") as run:
        for step in range(50):
            run.log({"a": step, "n": {"x": step / 7}} if step % 2 else {"a": step})
        run.log({"a": 2**53 + 1, "b.c": 1})
    with init("x y%é"):
        pass


@pytest.fixture
def here(server, monkeypatch):
    url, folder = server
    monkeypatch.setenv("STEPLOG_CONFIG_DIR", str(folder))
    monkeypatch.setenv("STEPLOG_BASE_URL", url + "/")
    return url


@pytest.fixture
def api(here):
    with Api(here) as opened:
        yield opened


@pytest.fixture
def anyio_backend():
    return "asyncio"  # aiohttp knows no other


def test_a_run_is_read_exactly(api):
    run = api.run("p/values")
    assert (run.id, run.name, run.state) == ("values", "first", "finished")
    assert (run.entity, run.project) == ("local", "p")
    assert run.config == {"lr": 0.1, "seed": 10**30}
    kept = {key: value for key, value in VALUES.items() if value is not None}
    assert repr({key: run.summary[key] for key in kept}) == repr(kept)
    assert api.run("local/p/values").config == run.config


def test_rows_are_read_exactly(api):
    (row,) = api.run("p/values").scan_history()
    assert (row.pop("_step"), row.pop("_timestamp") > 0, row.pop("_runtime") >= 0) == (
        0,
        True,
        True,
    )
    nested = {"n.x": 1, "n.y.z": 2, "n.b\\": 3, r"n\.x": 4}
    expected = VALUES | nested
    assert {key: repr(value) for key, value in row.items()} == {
        key: repr(value) for key, value in expected.items()
    }


@pytest.mark.parametrize("page_size", [1, 7, 51, 1000])
def test_pages_hold_each_row_once(api, page_size):
    rows = list(api.run("p/steps").scan_history(page_size=page_size))
    assert [row["_step"] for row in rows] == list(range(51))
    assert [row["a"] for row in rows] == [*range(50), 2**53 + 1]


def test_keys_and_steps_narrow_the_rows(api):
    run = api.run("p/steps")
    rows = list(run.scan_history(["a", "n.x"], page_size=7, min_step=10, max_step=20))
    assert [(row["_step"], row["a"]) for row in rows] == [(step, step) for step in range(11, 20, 2)]
    assert all(row["n.x"] == row["a"] / 7 for row in rows)
    assert {*rows[0]} == {"_step", "_timestamp", "_runtime", "a", "n.x"}
    assert list(run.scan_history(["b.c"])) == []
    assert [row["b.c"] for row in run.scan_history([r"b\.c", "_step"])] == [1]
    steps = list(run.scan_history(["_step"]))
    assert [row["_step"] for row in steps] == list(range(51))
    assert {*steps[0]} == {"_step", "_timestamp", "_runtime"}


def test_any_keys_and_ten_thousand_can_be_asked_for(api, here, tmp_path):
    names = ["a,b", "ü&=+%", *(f"some/rather/long/name/of/a/key/{at}" for at in range(9_998))]
    settings = {"base_url": here, "quiet": True}
    with steplog.init(project="many", dir=str(tmp_path), id="r", settings=settings) as run:
        for step in range(3):
            run.log(dict.fromkeys(names, step))
        run.log({"a,b": 3})

    async def read(keys):
        async with AsyncApi(here) as other:
            found = await other.run("many/r")
            return [row async for row in found.scan_history(keys, page_size=2)]

    for keys, steps, width in ((names, 3, 10_003), (["a,b"], 4, 4)):
        rows = list(api.run("many/r").scan_history(keys, page_size=2))
        assert [(row["_step"], row["a,b"], len(row)) for row in rows] == [
            (step, step, width) for step in range(steps)
        ]
        assert anyio.run(read, keys) == rows


def test_history_is_a_frame_that_loses_nothing(api, monkeypatch):
    pytest.importorskip("pandas")
    frame = api.run("p/steps").history()
    assert frame["a"].tolist() == [*range(50), 2**53 + 1]
    assert frame["n.x"].isna().sum() == 26
    assert api.run("p/values").history()["big"].tolist() == [10**30]
    rows = api.run("p/steps").history(pandas=False)
    assert [row["_step"] for row in rows] == list(range(51))
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert api.run("p/steps").history() == rows


def test_runs_come_in_pages_oldest_first(api):
    for page_size in (1, 2, 100):
        found = [run.id for run in api.runs("p", page_size=page_size)]
        assert found == RUNS
    assert [run.id for run in api.runs("local/p")] == RUNS
    assert list(api.runs("p", "nobody")) == []
    assert list(api.run("p/x y%é").scan_history()) == []


LOOP = """
import anyio
from steplog.client import Api
async def main():
    with Api() as api:
        print(len(list(api.run("p/steps").scan_history(page_size=7))))
anyio.run(main)
"""


def test_it_works_where_a_loop_runs_and_ends_unclosed(here):
    unclosed = 'from steplog.client import Api; print(len(list(Api().runs("p"))))'
    for code, expected in ((LOOP, "51"), (unclosed, "3")):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=20
        )
        assert (done.stdout.strip(), done.stderr) == (expected, ""), here


async def test_the_async_side_reads_the_same(here):
    async with AsyncApi(here) as other:
        runs = [run async for run in other.runs("p", page_size=2)]
        assert [run.id for run in runs] == RUNS
        run = await other.run("p/steps")
        rows = [row async for row in run.scan_history(page_size=7)]
        assert [row["_step"] for row in rows] == list(range(51))
        assert rows == await run.history(pandas=False)
        assert len(await run.history()) == 51
    with pytest.raises(steplog.UsageError, match="closed"):
        await other.run("p/steps")


@pytest.mark.parametrize("pair", [(Api, AsyncApi), (Run, AsyncRun), (File, AsyncFile)])
def test_both_sides_take_the_same_arguments(pair):
    for name in ("runs", "run", "scan_history", "history", "files", "file", "read", "download"):
        if hasattr(pair[0], name):
            one, other = (inspect.signature(getattr(side, name)) for side in pair)
            assert one.parameters == other.parameters


@pytest.mark.parametrize("pair", [(Api, AsyncApi), (Run, AsyncRun), (Artifact, AsyncArtifact)])
def test_both_sides_take_the_same_arguments_for_artifacts(pair):
    kinds = ("", "s", "_exists", "_types", *(f"_collection{end}" for end in ("", "s", "_exists")))
    names = [f"artifact{kind}" for kind in kinds] + ["logged_artifacts", "used_artifacts"]
    of_one = ["download", "get", "get_entry", "verify", "link", "unlink", "delete"]
    for name in of_one if pair[0] is Artifact else names:
        assert hasattr(pair[0], name) == hasattr(pair[1], name)
        if hasattr(pair[0], name):
            one, other = (inspect.signature(getattr(side, name)) for side in pair)
            assert one.parameters == other.parameters, name


def test_a_refusal_says_why_and_where(here, api):
    with (
        Api(api_key="wrong") as other,
        pytest.raises(
            steplog.ServerError, match="refused: this server does not know the key"
        ) as caught,
    ):
        other.run("p/values")
    assert here in str(caught.value)
    with pytest.raises(steplog.ServerError, match="no run 'nothing'"):
        api.run("p/nothing")


def test_an_unreachable_server_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with Api(url, "key") as other, pytest.raises(steplog.ServerError, match=url) as caught:
            other.run("p/values")
        assert f"cannot connect to {url.removeprefix('http://')}: " in str(caught.value)
        assert "ssl" not in str(caught.value)


def test_without_a_key_it_says_where_to_put_one(tmp_path, monkeypatch):
    monkeypatch.setenv("STEPLOG_CONFIG_DIR", str(tmp_path))
    with Api("http://127.0.0.1:9") as api:
        with pytest.raises(steplog.UsageError, match="STEPLOG_API_KEY"):
            api.run("p/r")
        (tmp_path / "keys.json").write_text("{")
        with pytest.raises(steplog.UsageError, match="not JSON"):
            api.run("p/r")
        (tmp_path / "keys.json").write_text(json.dumps({"http://127.0.0.1:9": 1}))
        with pytest.raises(steplog.UsageError, match="no key"):
            api.run("p/r")


def test_mistakes_are_raised_at_the_call(api):
    run = api.run("p/values")
    for arguments in ({"page_size": 0}, {"min_step": -1}, {"max_step": 2**63}, {"keys": [""]}):
        with pytest.raises(steplog.UsageError):
            run.scan_history(**arguments)
    mistyped = ({"page_size": "1"}, {"min_step": 0.5}, {"keys": "a"}, {"keys": [5]})
    for mistake in mistyped:
        with pytest.raises(steplog.ArgumentTypeError):
            run.scan_history(**mistake)
    for call in (
        lambda: api.run(5),
        lambda: api.runs(5),
        lambda: api.runs("p", 5),
        lambda: api.runs("p", page_size="x"),
        lambda: run.history(keys=5),
    ):
        with pytest.raises(steplog.ArgumentTypeError):
            call()
    for call in (lambda: api.run("r"), lambda: api.runs("a/p", "b"), lambda: api.runs("")):
        with pytest.raises(steplog.UsageError):
            call()
    api.close()
    api.close()
    with pytest.raises(steplog.UsageError, match="closed"):
        api.run("p/values")
    with pytest.raises(steplog.UsageError, match="http://"):
        Api("ftp://x")


def test_the_async_side_says_on_trio_what_it_needs():
    async def ask():
        async with steplog.AsyncApi(base_url="http://127.0.0.1:9", api_key="k" * 40) as api:
            await api.run("p/r")

    with pytest.raises(steplog.UsageError, match="AsyncApi runs on asyncio"):
        anyio.run(ask, backend="trio")


def test_a_proxy_may_be_named_without_a_scheme(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:3128")
    monkeypatch.setenv("HTTP_PROXY", "socks5://proxy.example:1080")
    monkeypatch.setenv("NO_PROXY", "inside.example")
    assert _network.proxy_of("https://a.example/x") == "http://proxy.example:3128"
    assert _network.proxy_of("http://a.example/x") == "socks5://proxy.example:1080"
    assert _network.proxy_of("https://inside.example/x") is None
