"""Manifests and records that no honest client writes, at a real server."""

from __future__ import annotations

import asyncio

import pytest
from tests.e2e.artifact_logs import (
    Log,
    by_id,
    deep,
    digest_of,
    file_entry,
    get,
    hash_of,
    manifest_of,
    new_id,
    settled,
    whose,
)

from steplog.server.manifest_reader import read_entries
from steplog.server.store import manifest
from steplog.server.store.blobs import BlobStore
from steplog.server.store.run_files import Content

HOSTILE = {
    "no JSON": (b"{", "is not JSON"),
    "NaN": (b'{"version": NaN}', "is not JSON"),
    "a list": (b"[]", "is not a JSON object"),
    "too deep": (b"[" * 100_000, "is not JSON"),
    "another version": (manifest_of({}, version=2), "`version`"),
    "another policy": (manifest_of({}, storagePolicy="x"), "`storagePolicy`"),
    "no contents": (manifest_of({}, contents=[]), "`contents`"),
    "an entry that is none": (manifest_of({}, contents={"a": 1}), "of the entry 'a'"),
    "..": (manifest_of({"a/../../b": b"x"}), "the path 'a/../../b' has an empty part"),
    "..\\": (manifest_of({"a\\..\\b": b"x"}), "has an empty part, `.` or `..`"),
    ".": (manifest_of({"./b": b"x"}), "the path './b' has an empty part"),
    "//": (manifest_of({"a//b": b"x"}), "the path 'a//b' has an empty part"),
    "/": (manifest_of({"/etc/passwd": b"x"}), "the path '/etc/passwd' is absolute"),
    "C:": (manifest_of({"C:\\x": b"x"}), "is absolute"),
    "empty path": (manifest_of({"": b"x"}), "the path '' is empty"),
    "long path": (manifest_of({"ä" * 513: b"x"}), "over 1,024 bytes"),
    "control": (manifest_of({"a\nb": b"x"}), "has control characters"),
    "file and folder": (
        manifest_of({"a": b"x", "a/b": b"y", "a-": b"z"}),
        "'a' is a file, and a folder of 'a/b'",
    ),
    "negative size": (
        manifest_of({"a": file_entry(b"x", size=-1)}),
        "`size` is -1, not a whole number from 0 on, of the entry 'a'",
    ),
    "broken size": (manifest_of({"a": file_entry(b"x", size=1.5)}), "`size` is 1.5"),
    "size true": (manifest_of({"a": file_entry(b"x", size=True)}), "`size` is True"),
    "huge size": (manifest_of({"a": file_entry(b"x", size=1 << 63)}), "`size` is 922337"),
    "no size": (manifest_of({"a": file_entry(b"x", size=None)}), "`size` is missing"),
    "other size": (
        manifest_of({"b": b"yes", "a": file_entry(b"x", size=2)}),
        "`size` is 2, of the entry 'a', and its content has 1 bytes",
    ),
    "no hash": (manifest_of({"a": file_entry(b"x", sha256=None)}), "`sha256`"),
    "path as hash": (manifest_of({"a": file_entry(b"x", sha256="../x")}), "`sha256`"),
    "upper case": (
        manifest_of({"a": file_entry(b"x", sha256=hash_of(b"x").upper())}),
        "`sha256`",
    ),
    "no MD5": (manifest_of({"a": file_entry(b"x", digest="x")}), "not an MD5 in base64"),
    "digest with a line": (
        manifest_of({"a": {"ref": "s3://b/a", "digest": "x\nb:y"}}),
        "`digest` is no text",
    ),
    "no digest": (manifest_of({"a": {"ref": "s3://b/a"}}), "`digest` is no text"),
    "ref that is none": (
        manifest_of({"a": {"ref": {"a": 1}, "digest": "x"}}),
        "`ref` is no address",
    ),
    "extra that is none": (
        manifest_of({"a": {"ref": "s3://b/a", "digest": "x", "extra": [1]}}),
        "`extra` is no object",
    ),
}
FILES = {"a": b"x", "b": b"yes", "c": b"y", "d": b"z"}


@pytest.fixture(scope="module")
def fortress(running_server, tmp_path_factory):
    """A server to which hostile manifests are sent."""
    with running_server(tmp_path_factory.mktemp("fortress")) as server:
        yield server


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_manifest_fails_and_says_why(fortress, what):
    manifest, reason = HOSTILE[what]
    try:
        digest = digest_of(manifest)
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        digest = "0" * 32
    log = Log(fortress, f"r-{new_id()}")
    key = log.log("data", FILES, raw=manifest, digest=digest)
    found = settled(fortress, key)
    assert (found["state"], found["version"]) == ("failed", None)
    assert reason in found["reason"]
    assert found["manifest"] is None
    assert [one["id"] for one in whose(fortress, log.run)["logged"]] == [key]
    # It holds nothing, and nobody is kept from the name.
    assert get(fortress, f"/data/{key}/entries") == {"entries": [], "next": None}
    good = settled(fortress, log.log("data", {"a": key.encode()}))
    assert good["state"] == "committed"


def test_a_manifest_has_the_digest_that_its_record_says(server):
    log = Log(server)
    found = settled(server, log.log("data", {"a": b"1"}, digest="0" * 32))
    expected = digest_of(manifest_of({"a": b"1"}))
    assert found["state"] == "failed"
    assert found["reason"] == f"`digest` is {'0' * 32}, and that of the manifest is {expected}"


def test_what_clients_say_beside_is_left_out_and_references_are_kept(server):
    entries = {
        "a": file_entry(b"1", local_path="/home/me/a", birthArtifactID="x", skip_cache=True),
        "r": {"ref": "s3://bucket/r", "digest": "etag", "size": 7, "extra": {"versionID": "3"}},
        "s": {"ref": "https://example.com/s", "digest": "https://example.com/s"},
        "odd \\ name": file_entry(b"2"),
    }
    log = Log(server)
    contents = {"a": b"1", "b": b"2"}
    found = settled(server, log.log("data", contents, raw=manifest_of(entries)))
    assert (found["state"], found["size"], found["count"]) == ("committed", 9, 4), found
    said = {one.pop("path"): one for one in get(server, "/data/v0/entries")["entries"]}
    assert said["r"] == {
        "size": 7,
        "sha256": None,
        "digest": "etag",
        "ref": "s3://bucket/r",
        "extra": {"versionID": "3"},
    }
    assert said["s"]["size"] is None
    assert said["a"]["extra"] is None
    assert found["digest"] == digest_of(manifest_of(entries))


MALFORMED = [
    ({"name": "a/b"}, "`name`"),
    ({"name": None}, "`name`"),
    ({"type": 3}, "`type`"),
    ({"type": "a:b"}, "`type`"),
    ({"aliases": ["v3"]}, "`aliases`"),
    ({"aliases": "latest"}, "`aliases`"),
    ({"tags": [""]}, "`tags`"),
    ({"metadata": {str(n): n for n in range(101)}}, "`metadata`"),
    ({"metadata": {"x": "x" * (1 << 20)}}, "`metadata`"),
    ({"metadata": [1]}, "`metadata`"),
    ({"metadata": deep(66)}, "`metadata`"),
    ({"digest": "x" * 32}, "`digest`"),
    ({"manifest": "../x"}, "`manifest`"),
    ({"size": -1}, "`size`"),
    ({"count": "3"}, "`count`"),
    ({"description": ["x"]}, "`description`"),
    ({"base": "x"}, "`base`"),
    ({"distributed": 5}, "`distributed`"),
    ({"final": 1}, "`final`"),
]


@pytest.mark.parametrize(("said", "reason"), MALFORMED)
def test_a_malformed_record_fails_alone(fortress, said, reason):
    log = Log(fortress, f"r-{new_id()}")
    record = {"id": new_id(), "digest": "0" * 32, **said}
    key = log.log("data", {"a": b"1"}, **record)
    found = by_id(fortress, key)
    assert (found["state"], found["version"]) == ("failed", None)
    assert reason in found["reason"]
    # The batch it came in was taken.
    assert [one["id"] for one in whose(fortress, log.run)["logged"]] == [key]


UNDONE = [
    ({"op": "log", "id": "x", "name": "n"}, "no valid id"),
    ({"op": "log", "id": None, "name": 5}, "no valid id"),
    ({"op": "sing"}, "`op`"),
    ({}, "`op`"),
    ({"op": {"a": 1}}, "`op`"),
    ({"op": "sing", "deep": deep(60)}, "`op`"),
    ({"op": "sing", "large": -(1 << 63)}, "`op`"),
    ({"op": "use"}, "`artifact`"),
    ({"op": "use", "artifact": "a/b:v0"}, "`artifact`"),
    ({"op": "use", "artifact": "a/b/c"}, "`artifact`"),
    ({"op": "use", "artifact": "0" * 32, "use_as": 3}, "`use_as`"),
    ({"op": "link", "artifact": "0" * 32, "to": "a"}, "`to`"),
    ({"op": "link", "artifact": "0" * 32, "to": "a/b/c d"}, "`to`"),
    ({"op": "link", "artifact": "0" * 32, "to": "a/../c"}, "the to is empty or a dot name"),
    ({"op": "link", "artifact": "0" * 32, "to": "a/b/c", "aliases": ["a:b"]}, "`aliases`"),
]


@pytest.mark.parametrize(("record", "reason"), UNDONE)
def test_a_record_that_cannot_be_taken_is_said_of_its_run(fortress, record, reason):
    log = Log(fortress, f"r-{new_id()}")
    log.say([2, 0, 1, True, {"y": 1.0}], [14, record], [2, 1, 2, True, {"y": 2.0}])
    (undone,) = whose(fortress, log.run)["undone"]
    assert undone["state"] == "failed"
    assert reason in undone["reason"]
    assert len(fortress.rows(log.run)) == 2
    log.forget()
    log.say()
    assert whose(fortress, log.run)["undone"] == [undone]


LONG = {
    f"folder/{number:05d}": {"ref": "s3://bucket/" + "x" * 200, "digest": f"d{number}", "size": 2}
    for number in range(6_000)
}


def test_a_large_manifest_is_read_apart(server):
    log, whole = Log(server), manifest_of({**LONG, "a": b"1"})
    assert len(whole) > 1 << 20
    key = log.log("data", {"a": b"1"}, raw=whole, late=[whole])
    log.upload(whole)
    found = settled(server, key)
    assert (found["state"], found["count"], found["size"]) == ("committed", 6_001, 12_001), found
    assert found["manifest"] == hash_of(whole)
    entries, cursor = [], ""
    for _ in range(7):
        page = get(server, f"/data/v0/entries?limit=1000{cursor}")
        entries += page["entries"]
        cursor = f"&cursor={page['next']}"
    assert [one["path"] for one in entries] == sorted([*LONG, "a"])
    assert entries[-1]["digest"] == "d5999"
    # One that is wrong fails as a small one does, and so does one of another digest.
    bad = manifest_of({**LONG, "zz/../..": b"1"})
    key = log.log("data", {"a": b"1"}, raw=bad, late=[bad])
    log.upload(bad)
    found = settled(server, key)
    assert found["reason"] == "the path 'zz/../..' has an empty part, `.` or `..`"
    key = log.log("data", {"a": b"1"}, raw=whole, late=[whole], digest="0" * 32)
    assert "and that of the manifest is" in settled(server, key)["reason"]


def test_entries_and_bytes_of_a_manifest_have_a_bound(monkeypatch):
    monkeypatch.setattr(manifest, "MAX_ENTRIES", 2)
    two = {"a": b"1", "b": b"2"}
    assert len(manifest.read_manifest(manifest_of(two))) == 2
    with pytest.raises(manifest.ManifestError, match="3 entries, and an artifact 2 at most"):
        manifest.read_manifest(manifest_of({**two, "c": b"3"}))
    with pytest.raises(manifest.ManifestError, match="together that are 3 entries"):
        manifest.merged([("a", "x"), ("b", "x"), ("c", "x")])


def test_a_manifest_that_is_too_large_is_not_read(tmp_path):
    content = Content("0" * 64, manifest.MAX_MANIFEST_BYTES + 1, is_stored=True, whole=None)

    store = BlobStore.at(tmp_path)

    async def read():
        try:
            return [some async for some in read_entries(store, content, "0" * 32)]
        finally:
            await store.aclose()

    with pytest.raises(manifest.ManifestError, match="one has at most 256 MiB"):
        asyncio.run(read())
