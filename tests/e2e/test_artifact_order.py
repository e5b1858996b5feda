"""Artifacts become versions in the order in which they were logged, whichever upload ends first."""

from __future__ import annotations

import os
import time

import pytest
from tests.e2e.artifact_logs import (
    Log,
    by_id,
    change,
    file_entry,
    get,
    manifest_of,
    metadata,
    names_of,
    settled,
    whose,
)

import steplog
from steplog.server.store.artifact_order import GONE_NANOS, LIVE_NANOS

LARGE, OTHER = b"l" * 200_000, b"o" * 150_000
BEST = ["best", "latest"]


def waits_for(server, key, earlier):
    """Wait until the server says that one waits for an earlier one."""
    while earlier not in (found := by_id(server, key))["reason"]:
        assert found["state"] == "pending", found
        time.sleep(0.01)


def let_pass(server, nanos, state=None):
    """Let a server have heard of nothing for so long; of writers in this state."""
    with metadata(server) as database:
        database.execute("UPDATE artifacts SET heard = heard - ?", [nanos])
        database.execute("UPDATE writers SET uploaded = uploaded - ?", [nanos])
        if state is not None:
            database.execute("UPDATE writers SET state = ?, seen = seen - ?", [state, nanos])


def test_later_ones_wait_for_earlier_ones_of_their_run(server):
    log = Log(server)
    first = log.log("data", {"a": LARGE}, late=[LARGE], aliases=BEST)
    second = log.log("data", {"a": b"2"}, aliases=BEST)
    other = log.log("other", {"a": b"2"})
    assert settled(server, other)["version"] == "v0"
    waits_for(server, second, first)
    # Another run does not wait, and what it logged last has the aliases.
    third = Log(server, "r2").log("data", {"a": b"3"}, aliases=BEST)
    assert settled(server, third)["version"] == "v0"
    server.kill()
    server.start()
    assert by_id(server, second)["state"] == "pending"
    log.upload(LARGE)
    assert settled(server, first)["version"] == "v1"
    assert settled(server, second)["version"] == "v2"
    assert names_of(server, "data") == [("v2", []), ("v1", []), ("v0", BEST)]


def test_writers_of_a_run_wait_for_each_other(server):
    one, two = Log(server), Log(server, writer="w2")
    two.say()
    first = one.log("data", {"a": LARGE}, late=[LARGE])
    second = two.log("data", {"a": b"2"})
    waits_for(server, second, first)
    one.upload(LARGE)
    found = [settled(server, key)["version"] for key in (first, second)]
    assert found == ["v0", "v1"]


def test_the_order_is_that_of_the_log_where_the_clock_was_set_back(server):
    log = Log(server)
    first = log.log("data", {"a": b"1"})
    settled(server, first)
    log.wall -= 3600 * 10**9
    log.clock = lambda: 0
    second = log.log("data", {"a": b"2"})
    assert settled(server, second)["version"] == "v1"
    assert names_of(server, "data") == [("v1", ["latest"]), ("v0", [])]


@pytest.mark.parametrize(("state", "nanos"), [("finished", GONE_NANOS), ("running", LIVE_NANOS)])
def test_later_ones_go_ahead_when_nothing_came_for_long(server, state, nanos):
    log = Log(server)
    first = log.log("data", {"a": LARGE}, late=[LARGE], aliases=BEST)
    second = log.log("data", {"a": b"2"}, aliases=BEST)
    waits_for(server, second, first)
    if state == "finished":
        log.finish()
    let_pass(server, nanos - 60 * 10**9, state if state == "finished" else None)
    assert by_id(server, second)["state"] == "pending"
    let_pass(server, 60 * 10**9 + 1, state if state == "finished" else None)
    assert settled(server, second)["version"] == "v0"
    # The earlier one comes after all, and takes nothing from the later one.
    log.upload(LARGE)
    assert settled(server, first)["version"] == "v1"
    assert names_of(server, "data") == [("v1", []), ("v0", BEST)]
    # `latest` goes on to what was logged last, whatever the numbers are.
    third = log.log("data", {"a": b"3"})
    assert settled(server, third)["version"] == "v2"
    assert names_of(server, "data")[0] == ("v2", ["latest"])
    status, _, _ = server.ask("/api/v1/projects/local/p/artifacts/data/v2", method="DELETE")
    assert status == 204
    assert names_of(server, "data") == [("v1", []), ("v0", BEST)]


def test_failed_ones_and_those_of_deleted_runs_are_not_waited_for(server):
    log = Log(server)
    wrong = manifest_of({"a": {**file_entry(LARGE), "size": 5}})
    failed = log.log("data", {"a": LARGE}, late=[LARGE], raw=wrong)
    second = log.log("data", {"a": b"2"})
    waits_for(server, second, failed)
    log.upload(LARGE)
    assert settled(server, failed)["state"] == "failed"
    assert settled(server, second)["version"] == "v0"
    log.log("data", {"a": OTHER}, late=[OTHER])
    status = server.ask("/api/v1/projects/local/p/runs/r", method="DELETE")[0]
    assert status == 204
    again = Log(server).log("data", {"a": b"4"})
    assert settled(server, again)["version"] == "v1"


def test_a_log_that_is_taken_anew_keeps_the_order(server):
    log = Log(server)
    first = log.log("data", {"a": LARGE}, late=[LARGE])
    second = log.log("data", {"a": b"2"})
    waits_for(server, second, first)
    log.forget()
    server.kill()
    server.start()
    assert by_id(server, second)["state"] == "pending"
    log.say()
    log.upload(LARGE)
    found = [settled(server, key)["version"] for key in (first, second)]
    assert found == ["v0", "v1"]
    log.forget()
    log.say()
    assert names_of(server, "data") == [("v1", ["latest"]), ("v0", [])]


def test_what_was_logged_again_later_takes_the_aliases(server):
    log = Log(server)
    first = log.log("data", {"a": b"1"}, aliases=BEST)
    second = log.log("data", {"a": LARGE}, late=[LARGE], aliases=BEST)
    again = log.log("data", {"a": b"1"})
    assert settled(server, first)["version"] == "v0"
    waits_for(server, again, second)
    log.upload(LARGE)
    assert settled(server, again)["id"] == first
    assert names_of(server, "data") == [("v1", ["best"]), ("v0", ["latest"])]


def test_an_alias_that_is_set_by_hand_stays_until_something_is_logged_later(server):
    log = Log(server)
    settled(server, log.log("data", {"a": b"1"}))
    waiting = log.log("data", {"a": LARGE}, late=[LARGE], aliases=BEST)
    change(server, "/data/v0", {"aliases_add": ["best"]})
    log.upload(LARGE)
    settled(server, waiting)
    assert names_of(server, "data") == [("v1", ["latest"]), ("v0", ["best"])]
    settled(server, log.log("data", {"a": b"3"}, aliases=BEST))
    assert names_of(server, "data") == [("v2", BEST), ("v1", []), ("v0", [])]


def test_links_follow_the_order_in_which_they_were_asked_for(server):
    log, other = Log(server), Log(server, "r2")
    first = log.log("data", {"a": LARGE}, late=[LARGE])
    log.link(first, "local/p/shelf", ["prod"])
    second = other.log("more", {"a": b"2"})
    other.link(second, "local/p/shelf", ["prod"])
    settled(server, second)
    while not names_of(server, "shelf"):
        time.sleep(0.01)
    log.upload(LARGE)
    settled(server, first)
    assert names_of(server, "shelf") == [("v1", []), ("v0", ["latest", "prod"])]
    assert whose(server, "r")["undone"] == []


def test_parts_and_bases_keep_the_order(server):
    log = Log(server)
    latest = "local/p/data:latest"
    part = log.log("data", {"p": b"p"}, distributed="d1", final=False)
    first = log.log("data", {"a": LARGE}, late=[LARGE], base=latest)
    second = log.log("data", {"b": b"2"}, base=latest)
    final = log.log("data", {"c": b"3"}, distributed="d1", final=True)
    # It waits for what may be logged later, and is not waited for.
    apart = log.log("data", {"x": b"x"}, base="local/p/unknown:v0")
    whole = log.log("data", {"d": b"4"})
    waits_for(server, whole, first)
    waits_for(server, final, first)
    log.upload(LARGE)
    found = [settled(server, key) for key in (first, second, final, whole)]
    assert [one["version"] for one in found] == ["v0", "v1", "v2", "v3"]
    assert [one["count"] for one in found] == [1, 2, 2, 1]
    assert settled(server, part)["id"] == final
    assert by_id(server, apart)["state"] == "pending"
    assert names_of(server, "data")[0] == ("v3", ["latest"])


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_an_offline_run_is_synced_in_its_order(server, tmp_path):
    folder = tmp_path / "client"
    folder.mkdir()
    run = steplog.init(project="p", mode="offline", dir=folder)
    for size in (3_000_000, 100):
        (folder / "ck.bin").write_bytes(os.urandom(size))
        run.log_model(folder / "ck.bin", "ckoff", aliases=["best"])
    run.finish()
    report = server.cli("sync", run.sync_dir)
    assert report.returncode == 0, report.stderr
    while len(get(server, "/ckoff")["list"]) < 2:
        time.sleep(0.05)
    listed = get(server, "/ckoff")["list"]
    assert [(one["version"], one["size"], one["aliases"]) for one in listed] == [
        ("v1", 100, BEST),
        ("v0", 3_000_000, []),
    ]
