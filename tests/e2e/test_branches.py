"""Runs that go back, and forks, as a server shows them."""

from __future__ import annotations

import asyncio
import json
import math
import shutil
from typing import Any

import aiohttp
import pytest

import steplog
from steplog._core import RunLog

P = "/projects/local/p"


@pytest.fixture
def start(server, tmp_path):
    """Starts runs of one folder."""

    def init(**arguments):
        given = {
            "quiet": True,
            "base_url": server.url,
            "api_key": server.key,
            **arguments.pop("settings", {}),
        }
        folder = tmp_path / arguments.pop("dir", "runs")
        return steplog.init(project="p", dir=str(folder), settings=given, **arguments)

    return init


def logged(server, run, **asked):
    """A run's rows, by label: (step, loss) pairs."""
    query = "&".join(f"{name}={value}" for name, value in asked.items())
    status, _, data = server.ask(f"/api/v1{P}/runs/{run}/history?limit=5000&{query}")
    assert status == 200, data
    found: dict[str, Any] = {}
    for row in map(json.loads, data.splitlines()):
        found.setdefault(row.get("_label", ""), []).append((row["_step"], row["loss"]))
    return found


def drawn(server, *runs, **panel):
    """Each series of the chart, by run and label: (step, value) pairs."""
    body = {"id": "1", "series": [{"metric": "loss"}], "runs": {"ids": runs}, **panel}
    (chart,) = server.get(f"{P}/series:query", {"panels": [body]})["panels"]
    assert chart["mode"] == "raw"
    names = [(one["run"], one["label"]) for one in chart["series"]]
    found: dict[Any, Any] = {name: [] for name in names}
    columns = chart["columns"]
    for number, x, y in zip(columns["s"], columns["x"], columns["y"], strict=True):
        found[names[number]].append((x, y))
    return found


KINDS: dict[str, list[Any]] = {
    "float": [0.5, math.nan, math.inf, -2.5, 4.0],
    "int": [2**53 + 1, -3, 2**62, 7, 0],
    "big": [1, 2, 2**70, 3, 4],
    "text": ["a", "ä", "", "b", "c"],
    "list": [[1], [], [1.5, "x"], [None], [2]],
    "bool": [True, False, True, False, True],
    "hole": [1, None, None, 3, 4],
}


def log(run, losses):
    for loss in losses:
        run.log({"loss": loss})


def train(start, **arguments):
    with start(id="base", config={"lr": 0.1}, **arguments) as run:
        run.define_metric("loss", summary="min,max,mean,first,last")
        log(run, range(20))
        run.log({"other": 1})
        run.summary["hand"] = 1
    return run


@pytest.mark.parametrize("knows", ["runs", "elsewhere"])
def test_a_rewound_run_shows_what_is_left_of_it(server, start, knows):
    train(start)
    where = {"dir": knows}
    with start(resume_from="base?_step=9", **where) as run:
        assert (run.step, run.config["lr"]) == (10, 0.1)
        assert run.summary["loss"].as_dict() == {"min": 0, "max": 9, "mean": 4.5} | {
            "first": 0,
            "last": 9,
        }
        log(run, [-10, -11])
    wanted = [*((step, step) for step in range(10)), (10, -10), (11, -11)]
    assert logged(server, "base") == {"": wanted}
    assert drawn(server, "base") == {("base", ""): wanted}
    answer = server.get(f"{P}/runs/base")
    assert answer["last_step"] == 11
    assert answer["summary"]["loss"] == {"min": -11, "max": 9, "mean": 2.0} | {
        "first": 0,
        "last": -11,
    }
    assert "hand" not in answer["summary"]
    assert "other" not in answer["summary"]
    masked = [(step, step) for step in range(20)]
    assert logged(server, "base", branch="all", keys="loss") == {"": wanted, "#0": masked}
    assert drawn(server, "base", branch="all") == {("base", ""): wanted, ("base", "#0"): masked}
    with start(id="base", resume="must", dir="third") as run:
        assert (run.step, run.summary["loss"]["min"]) == (12, -11)
        log(run, [7])
    assert server.get(f"{P}/runs/base")["summary"]["loss"]["last"] == 7
    assert [one["end_step"] for one in server.get(f"{P}/runs/base")["writers"]] == [10, 12, None]


def test_folder_and_server_know_the_same_of_every_kind_of_value(start):
    found = []
    with start(id="kinds") as run:
        for key in ("float", "int", "hole"):
            run.define_metric(key, summary="min,max,mean,first,last")
        for number in range(5):
            values = {key: values[number] for key, values in KINDS.items()}
            run.log({**values, "nested": {"a.b": number, "deep": {"x": -number}}})
    for where in ("runs", "elsewhere"):
        with start(fork_from="kinds?_step=3", dir=where) as fork:
            found.append(
                {key: repr(of) for key, of in fork.summary.as_dict().items() if key != "_runtime"}
            )
    assert found[0] == found[1]
    assert f"'max': {2**62}" in found[0]["int"]
    assert "'nan': 1" in found[0]["float"]


def test_a_run_that_was_rewound_offline_and_twice_is_synced_as_it_is(server, start):
    first = train(start, mode="offline")
    for step, loss in ((9, 100), (4, 200)):
        with start(resume_from=f"base?_step={step}", mode="offline") as run:
            log(run, [loss, loss + 1])
    wanted = [*((step, step) for step in range(5)), (5, 200), (6, 201)]
    assert [(row["_step"], row["loss"]) for row in RunLog(first.sync_dir).rows()] == wanted
    done = server.cli("sync", first.sync_dir)
    assert done.returncode == 0, done.stderr
    assert logged(server, "base") == {"": wanted}
    assert drawn(server, "base") == {("base", ""): wanted}
    assert server.get(f"{P}/runs/base")["summary"]["loss"]["max"] == 201
    whole = logged(server, "base", branch="all", keys="loss")
    assert {label: len(rows) for label, rows in whole.items()} == {"": 7, "#0": 20, "#1": 2}
    assert drawn(server, "base", branch="all")["base", "#1"] == [(10, 100), (11, 101)]


@pytest.mark.parametrize("knows", ["runs", "elsewhere"])
def test_forks_show_what_they_took_over_beside_their_parents(server, start, knows):
    train(start)
    where = {"dir": knows}
    with start(fork_from="base?_step=9", id="fork", config={"n": 1}, **where) as run:
        assert (run.step, run.resumed, run.config.as_dict()) == (10, False, {"lr": 0.1, "n": 1})
        assert run.summary["loss"]["mean"] == 4.5
    parent = [(step, step) for step in range(20)]
    assert drawn(server, "base", "fork") == {("base", ""): parent, ("fork", ""): parent[:10]}
    assert server.get(f"{P}/runs/fork")["last_step"] == 9
    with start(fork_from="fork?_step=9", id="third", **where) as run:
        log(run, [50, 51])
    with start(fork_from="third?_step=10", id="fourth", **where) as run:
        log(run, [60])
    third = [*parent[:10], (10, 50), (11, 51)]
    fourth = [*parent[:10], (10, 50), (11, 60)]
    assert logged(server, "third") == {"": third}
    assert logged(server, "fourth") == {"": fourth}
    assert logged(server, "fourth", min_step=9, keys="loss") == {"": fourth[9:]}
    assert drawn(server, "fourth", "third", "base", range=[8, 30]) == {
        ("fourth", ""): fourth[8:],
        ("third", ""): third[8:],
        ("base", ""): parent[8:],
    }
    answer = server.get(f"{P}/runs/fourth")
    assert answer["forked_from"] == {"run": "third", "step": 10}
    assert answer["summary"]["loss"] | {"mean": 0} == {
        "min": 0,
        "max": 60,
        "mean": 0,
        "first": 0,
        "last": 60,
    }
    (key,) = [one for one in server.get(f"{P}/keys?runs=fork")["keys"] if one["name"] == "loss"]
    assert (key["n_runs"], key["n"]) == (1, 20)
    assert server.get(f"{P}/runs/fork")["key_count"] == 2
    relative = drawn(server, "fourth", x="relative")["fourth", ""]
    assert len(relative) == 12
    assert min(x for x, _ in relative) >= 0


def test_a_fork_that_comes_before_its_parent_shows_it_when_it_comes(server, start):
    base = train(start, mode="offline")
    with start(fork_from="base?_step=1", id="fork", mode="offline") as run:
        log(run, [70])
    assert server.cli("sync", run.sync_dir).returncode == 0
    assert logged(server, "fork") == {"": [(2, 70)]}
    assert server.cli("sync", base.sync_dir).returncode == 0
    assert logged(server, "fork") == {"": [(0, 0), (1, 1), (2, 70)]}
    server.kill()
    server.start()
    assert drawn(server, "fork") == {("fork", ""): [(0, 0), (1, 1), (2, 70)]}
    status, _, _ = server.ask(f"/api/v1{P}/runs/base", method="DELETE")
    assert status == 204
    assert logged(server, "fork") == {"": [(2, 70)]}
    assert server.get(f"{P}/runs/fork")["forked_from"] == {"run": "base", "step": 1}


@pytest.mark.parametrize("knows", ["runs", "elsewhere"])
def test_a_fork_keeps_what_it_took_over_when_its_parent_goes_back_later(server, start, knows):
    train(start)
    with start(resume_from="base?_step=14") as run:
        log(run, [500])
    with start(fork_from="base?_step=9", id="fork", dir=knows) as run:
        log(run, [70])
    with start(fork_from="base?_step=15", id="later", dir=knows):
        pass
    fork = [*((step, step) for step in range(10)), (10, 70)]
    later = [*((step, step) for step in range(15)), (15, 500)]
    with start(resume_from="base?_step=4") as run:
        log(run, [-1] * 20)
    # A fork of the fork goes back to what the fork has, not to what its parent has now.
    with start(fork_from="fork?_step=7", id="third", dir=knows):
        pass
    assert logged(server, "fork", keys="loss") == {"": fork}
    assert logged(server, "later", keys="loss") == {"": later}
    assert drawn(server, "fork", "later", "third") == {
        ("fork", ""): fork,
        ("later", ""): later,
        ("third", ""): fork[:8],
    }
    assert server.get(f"{P}/runs/fork")["summary"]["loss"]["max"] == 70
    with start(fork_from="base?_step=6", id="fresh", dir=knows) as run:
        assert run.summary["loss"]["last"] == -1
    assert drawn(server, "fresh")["fresh", ""][4:] == [(4, 4), (5, -1), (6, -1)]


async def heard(server, run, act):
    """The first frame of a run's chart that a page is sent after `act`."""
    key = await asyncio.to_thread(lambda: server.key)
    panel = {"id": "1", "series": [{"metric": "loss"}], "runs": {"ids": [run]}}
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.ws_connect(server.url + "/api/v1/live") as socket,
    ):
        since = (await socket.receive_json())["version"]
        asked = {"t": "sub", "id": 1, "ch": "series", "entity": "local", "project": "p"}
        await socket.send_json({**asked, "panels": [panel], "since": since})
        # Its answer says that the subscription before it is there.
        await socket.send_json({"t": "sub", "id": 2, "ch": "none"})
        assert (await socket.receive_json(timeout=20))["t"] == "error"
        await asyncio.to_thread(act)
        while True:
            message = await socket.receive(timeout=20)
            if message.type is aiohttp.WSMsgType.BINARY:
                return message.data


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_an_open_chart_is_drawn_anew_when_its_run_goes_back(server, start):
    def rewind():
        with start(resume_from="base?_step=4"):
            pass

    await asyncio.to_thread(train, start)
    assert b'"reset":true' in await heard(server, "base", rewind)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_an_open_chart_of_a_fork_hears_of_a_parent_that_comes_later(server, start):
    def fork():
        base = train(start, mode="offline")
        with start(fork_from="base?_step=1", id="fork", mode="offline") as run:
            log(run, [70])
        assert server.cli("sync", run.sync_dir).returncode == 0
        return base

    base = await asyncio.to_thread(fork)
    frame = await heard(server, "fork", lambda: server.cli("sync", base.sync_dir))
    assert b'"reset":true' in frame


def test_only_the_own_label_is_masked(server, start):
    for label in ("rank0", "rank1"):
        with start(id="ddp", settings={"label": label}, reinit="finish_previous") as run:
            log(run, range(6))
    with start(resume_from="ddp?_step=2", settings={"label": "rank0"}) as run:
        log(run, [90])
    rank1 = [(step, step) for step in range(6)]
    wanted = {"rank0": [(0, 0), (1, 1), (2, 2), (3, 90)], "rank1": rank1}
    assert logged(server, "ddp") == wanted
    assert drawn(server, "ddp") == {("ddp", label): rows for label, rows in wanted.items()}


def test_late_steps_of_one_that_goes_on_are_merged_and_mask_nothing(server, start):
    train(start)
    with start(id="base", resume="must", settings={"late_steps": "merge"}) as run:
        run.log({"loss": -3}, step=3)
        log(run, [99])
    wanted = [(step, -3 if step == 3 else step) for step in range(20)]
    assert logged(server, "base", keys="loss") == {"": [*wanted, (21, 99)]}
    assert drawn(server, "base") == {("base", ""): [*wanted, (21, 99)]}


def test_what_an_attempt_had_not_sent_yet_is_masked_when_it_comes(server, start, tmp_path):
    first = train(start, mode="offline")
    folder = tmp_path / "kept"
    shutil.copytree(first.sync_dir, folder)
    with start(resume_from="base?_step=4") as run:
        log(run, [-1])
    assert server.cli("sync", str(folder)).returncode == 0
    wanted = [*((step, step) for step in range(5)), (5, -1)]
    assert logged(server, "base", keys="loss") == {"": wanted}
    assert server.get(f"{P}/runs/base")["summary"]["loss"]["max"] == 4


def test_what_is_asked_wrongly_is_refused(server, start):
    train(start)
    for path in ("runs/base/history?branch=x", "runs/base?before=x"):
        headers = {"Accept": "application/msgpack"}
        status, _, body = server.ask(f"/api/v1{P}/{path}", headers=headers)
        assert status == 400, body
    panel = {"id": "1", "series": [], "runs": {"ids": []}, "branch": ["all"]}
    status, _, body = server.ask(f"/api/v1{P}/series:query", {"panels": [panel]})
    assert (status, b"branch" in body) == (400, True)
    with pytest.raises(steplog.UsageError, match="its last is 20"):
        start(resume_from="base?_step=21")
