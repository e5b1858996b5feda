"""What artifacts hold: awaited, kept beyond its run, and gone when nobody names it."""

from __future__ import annotations

import hashlib
import json
import pathlib
import time

import pytest
from tests.e2e.artifact_logs import (
    Log,
    ask,
    by_id,
    change,
    delete,
    delete_run,
    digest_of,
    get,
    hash_of,
    hashes,
    manifest_of,
    metadata,
    names_of,
    new_id,
    refused,
    settled,
    swept,
    whose,
)

import steplog
from steplog._core import Writer


@pytest.fixture
def server(running_server, tmp_path):
    """A server that removes at once what nobody names."""
    with running_server(tmp_path, "--blob-grace-secs", "0") as running:
        yield running


def test_contents_may_come_after_the_record(server):
    log = Log(server)
    large, small = b"l" * 200_000, b"s" * 10
    manifest = manifest_of({"large": large, "small": small})
    key = log.log("data", {"large": large, "small": small}, late=[large, small, manifest])
    pending = by_id(server, key)
    assert (pending["state"], pending["version"]) == ("pending", None)
    found = get(server, f"/data/{key}")
    assert {**found, "reason": ""} == {**pending, "reason": ""}
    assert refused(ask(server, "/data")) == (404, "not_found", None)
    for content in (large, manifest):
        log.upload(content)
    while hash_of(small) not in by_id(server, key)["reason"]:
        time.sleep(0.01)
    log.upload(small)
    found = settled(server, key)
    assert (found["state"], found["version"], found["reason"]) == ("committed", "v0", "")
    assert found["size"] == 200_010


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_killed_server_goes_on_where_it_was(server):
    log, large = Log(server), b"l" * 200_000
    keys = []
    for number in range(2):
        keys.append(log.log("data", {"a": b"%d" % number}))
        server.kill()
        server.start()
    waiting = log.log("data", {"large": large}, late=[large])
    server.kill()
    server.start()
    log.upload(large)
    server.kill()
    server.start()
    found = [settled(server, key)["version"] for key in (*keys, waiting)]
    assert found == ["v0", "v1", "v2"]


def test_entries_that_a_killed_server_was_writing_are_written_anew(server):
    log, large = Log(server), b"l" * 200_000
    contents = {"large": large, "a": b"1", "b": b"2"}
    key = log.log("data", contents, late=[large])
    while hash_of(large) not in by_id(server, key)["reason"]:
        time.sleep(0.01)
    with metadata(server) as database:
        database.execute("UPDATE artifacts SET is_read = 0")
        database.execute("DELETE FROM artifact_entries WHERE path = 'b'")
    log.upload(large)
    assert settled(server, key)["count"] == 3
    paths = [one["path"] for one in get(server, "/data/v0/entries")["entries"]]
    assert paths == ["a", "b", "large"]


def there(server, content):
    """Whether a content is answered, and is what it was."""
    status, _, data = server.ask(f"/api/v1/blobs/{hash_of(content)}")
    assert (status, data == content) in {(200, True), (404, False)}
    return status == 200


def test_a_deleted_run_leaves_its_artifacts_with_all_they_hold(server):
    log = Log(server)
    large, small, other = b"l" * 200_000, b"small", b"of the run alone"
    manifest = manifest_of({"large": large, "small": small})
    log.say([9, ".artifacts/" + hash_of(other), other])
    key = log.log("data", {"large": large, "small": small}, late=[large])
    log.upload(large)
    before = settled(server, key)
    waiting = log.log("data", {"never": b"n" * 100}, late=[b"n" * 100])
    failed = settled(server, log.log("data", {"a": b"1"}, digest="0" * 32))
    assert by_id(server, waiting)["state"] == "pending"
    delete_run(server, "r")
    assert swept(server) == hashes(large, small, manifest)
    for content in (large, small, manifest):
        assert there(server, content)
    assert not there(server, other)
    assert by_id(server, key) == {**before, "run": None, "logged_by": []}
    # What was no version yet went along,
    assert by_id(server, waiting) is None
    assert by_id(server, failed["id"]) is None
    assert get(server, "/data")["unfinished"] == []
    # and comes back with the run; the rest is what it was.
    log.end = 0
    log.say()
    assert by_id(server, waiting)["state"] == "pending"
    assert settled(server, failed["id"])["state"] == "failed"
    assert by_id(server, key) == before
    assert names_of(server, "data") == [("v0", ["latest"])]
    # What is taken into account of a run is its own all the same.
    assert server.ask("/api/v1/projects/local/p/artifacts/data/v0", method="DELETE")[0] == 204
    assert {hash_of(large), hash_of(small)} <= swept(server)
    delete_run(server, "r", "?artifacts=1")
    assert swept(server) == set()


def test_artifacts_go_with_their_run_if_asked_and_come_back_with_it(server):
    log, other = Log(server), Log(server, "other")
    own, shared = {"a": b"own"}, {"a": b"shared"}
    keys = [log.log("data", own), log.log("data", shared), other.log("data", shared)]
    for key in keys:
        settled(server, key)
    answer = server.ask("/api/v1/projects/local/p/runs/r?artifacts=x", method="DELETE")
    assert refused(answer) == (400, "invalid", "artifacts")
    delete_run(server, "r", "?artifacts=1")
    assert by_id(server, keys[0]) is None
    found = by_id(server, keys[1])
    assert (found["version"], [run["run"] for run in found["logged_by"]]) == ("v1", ["other"])
    assert swept(server) == hashes(b"shared", manifest_of(shared))
    log.end = 0
    log.say()
    assert settled(server, keys[0])["version"] == "v2"
    # What the other run logged was logged later.
    assert names_of(server, "data") == [("v2", []), ("v1", ["latest"])]
    assert [run["run"] for run in by_id(server, keys[1])["logged_by"]] == ["r", "other"]


def test_a_deleted_version_frees_what_no_other_names(server):
    log = Log(server)
    keep, go, both = b"k" * 200_000, b"g" * 200_000, b"b" * 200_000
    first = log.log("data", {"keep": keep, "both": both}, late=[keep, both])
    second = log.log("data", {"go": go, "both": both}, late=[go, both])
    for content in (keep, go, both):
        log.upload(content)
    for key in (first, second):
        settled(server, key)
    change(server, "/data/v1", {"aliases_add": ["best"]})
    log.link(second, "local/p/shelf", ["top"])
    assert refused(ask(server, "/data/v1?aliases=x", method="DELETE")) == (
        *(400, "invalid", "aliases"),
    )
    status, _, data = ask(server, "/data/v1", method="DELETE")
    assert (status, json.loads(data)["aliases"]) == (409, ["best", "top"])
    delete(server, "/data/v1?aliases=1")
    # It is gone from wherever it was linked to, and `latest` points to what is left.
    assert names_of(server, "data") == [("v0", ["latest"])]
    assert get(server, "/shelf")["list"] == []
    assert get(server, "/shelf")["latest"] is None
    gone = by_id(server, second)
    assert (gone["state"], gone["version"], gone["manifest"]) == ("deleted", None, None)
    assert whose(server, "r")["logged"] == [
        {k: v for k, v in by_id(server, first).items() if k not in LONG}
    ]
    # While its writer lives it may name any of it again; then what the other version names stays.
    before = hashes(keep, go, both)
    assert before <= swept(server)
    log.finish()
    kept = manifest_of({"keep": keep, "both": both})
    assert swept(server) == hashes(keep, both, kept)
    assert (there(server, both), there(server, go)) == (True, False)
    delete(server, "/data/v0")
    assert swept(server) == set()
    assert get(server, "/data")["list"] == []
    # Numbers are not given again, and a name is free once its collection is.
    log = Log(server, "new")
    assert settled(server, log.log("data", {"a": b"1"}))["version"] == "v2"
    delete(server, "/data")
    assert refused(ask(server, "/data")) == (404, "not_found", None)
    assert settled(server, log.log("data", {"a": b"2"}, type="model"))["version"] == "v0"


LONG = ("manifest", "logged_by", "used_by")


def test_what_artifacts_name_stays_though_a_log_is_taken_anew(server):
    log, content = Log(server), b"x" * 200_000
    key = log.log("data", {"a": content, "b": b"small"}, late=[content])
    log.upload(content)
    before = settled(server, key)
    log.forget()
    for one in (content, b"small", manifest_of({"a": content, "b": b"small"})):
        assert there(server, one)
    assert log.say()["wanted"] == 0
    assert by_id(server, key) == before


def test_an_artifact_adds_to_its_base(server):
    log = Log(server)
    base = settled(server, log.log("data", {"a": b"1", "b": b"2"}))
    first = log.log("data", {"b": b"3", "c": b"4"}, base=base["id"])
    found = settled(server, first)
    whole = {"a": b"1", "b": b"3", "c": b"4"}
    assert (found["version"], found["count"], found["size"]) == ("v1", 3, 3)
    assert found["digest"] == digest_of(manifest_of(whole))
    assert found["manifest"] is None
    entries = get(server, "/data/v1/entries")["entries"]
    assert {one["path"]: one["sha256"] for one in entries} == {
        path: hash_of(content) for path, content in whole.items()
    }
    # The same that is logged whole is that version; so is one that adds nothing new.
    assert settled(server, log.log("data", whole))["version"] == "v1"
    again = settled(server, log.log("data", {"c": b"4"}, base="local/p/data:v1"))
    assert again["version"] == "v1"
    # A base that comes later is waited for, and one that never will be one fails it.
    later = new_id()
    waiting = log.log("data", {"d": b"5"}, base=later)
    while "base" not in (by_id(server, waiting) or {})["reason"]:
        time.sleep(0.01)
    assert by_id(server, waiting)["state"] == "pending"
    log.log("data", {"e": b"6"}, id=later)
    assert settled(server, waiting)["count"] == 2
    bad = new_id()
    waiting = log.log("data", {"d": b"7"}, base=bad)
    log.log("data", {"e": b"8"}, id=bad, digest="0" * 32)
    found = settled(server, waiting)
    assert found["state"] == "failed"
    assert f"its base {bad} is failed" in found["reason"]
    clash = settled(server, log.log("data", {"a/b": b"9"}, base=base["id"]))
    assert (clash["state"], "'a' is a file, and a folder" in clash["reason"]) == ("failed", True)
    # All of it lives on without the run that the base came from.
    delete_run(server, "r")
    assert hashes(*whole.values()) <= swept(server)
    assert all(there(server, content) for content in whole.values())


def test_what_is_logged_bit_by_bit_adds_to_the_latest_version(server):
    log, late = Log(server), b"l" * 200_000
    base = "local/p/data:latest"
    # The first one adds to nothing; each next one waits for those of its process before it.
    first = log.log("data", {"0": late}, late=[late], base=base)
    second = log.log("data", {"1": b"one"}, base=base)
    while "before" not in by_id(server, second)["reason"]:
        time.sleep(0.01)
    log.upload(late)
    assert (settled(server, first)["version"], settled(server, first)["count"]) == ("v0", 1)
    found = settled(server, second)
    assert (found["version"], found["count"]) == ("v1", 2)
    assert found["digest"] == digest_of(manifest_of({"0": late, "1": b"one"}))
    # Another process does not wait for what may never come.
    never = b"n" * 100
    waiting = log.log("data", {"2": never}, late=[never], base=base)
    other = Log(server, "other").log("data", {"3": b"3"}, base=base, sequence="another")
    found = settled(server, other)
    assert (found["version"], found["count"]) == ("v2", 3)
    assert by_id(server, waiting)["state"] == "pending"
    own = new_id()
    found = settled(server, log.log("own", {"a": b"1"}, id=own, base=own))
    assert (found["state"], found["reason"]) == ("failed", "it is its own base")


def test_an_offline_run_brings_its_artifacts_when_it_is_synced(server, tmp_path):
    run = steplog.init(project="p", id="r", mode="offline", dir=str(tmp_path))
    large, small = b"l" * 3_000_000, b"small"
    manifest = manifest_of({"large": large, "small": small})
    writer = run._own_writer()
    assert isinstance(writer, Writer)
    (log,) = pathlib.Path(run.sync_dir, "wal").iterdir()
    (log / "blobs").mkdir(exist_ok=True)
    (log / "blobs" / hash_of(large)).write_bytes(large)
    writer.put_blob(f".artifacts/{hash_of(large)}", hashlib.sha256(large).digest(), len(large))
    for content in (small, manifest):
        writer.put_file(f".artifacts/{hash_of(content)}", content)
    key = "a" * 32
    writer.put_artifact(
        {
            "op": "log",
            "id": key,
            "sequence": "s",
            "type": "model",
            "name": "net",
            "description": "from afar",
            "metadata": {"layers": 3, "rate": 0.5, "big": 1 << 70},
            "aliases": ["latest", "best"],
            "tags": [],
            "digest": digest_of(manifest),
            "manifest": hash_of(manifest),
            "size": len(large) + len(small),
            "count": 2,
        }
    )
    writer.put_artifact({"op": "link", "artifact": key, "to": "local/p/shelf", "aliases": ["top"]})
    run.finish()
    report = server.cli("sync", run.sync_dir)
    assert report.returncode == 0, report.stderr
    found = settled(server, key)
    assert (found["state"], found["version"], found["size"]) == ("committed", "v0", 3_000_005)
    assert found["metadata"] == {"layers": 3, "rate": 0.5, "big": str(1 << 70)}
    assert get(server, "/shelf/top")["id"] == key
    assert there(server, large)
    delete_run(server, "r")
    assert swept(server) == hashes(large, small, manifest)
    # The folder brings the run back, and the version is its own again.
    assert server.cli("sync", run.sync_dir).returncode == 0
    assert [one["id"] for one in whose(server, "r")["logged"]] == [key]
    assert [one["run"] for one in by_id(server, key)["logged_by"]] == ["r"]
    assert [one["version"] for one in get(server, "/net")["list"]] == ["v0"]
