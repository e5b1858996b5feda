"""Artifacts at a real server: versions, aliases, links, lineage, and what goes with whom."""

from __future__ import annotations

import base64
import concurrent.futures
import contextlib
import hashlib
import itertools
import json
import sqlite3
import time
import urllib.parse

import msgpack  # type: ignore[import-untyped]  # it has no stubs
import pytest

ZSTD = {"Content-Type": "application/msgpack", "Content-Encoding": "zstd", "Steplog-Protocol": "1"}
OCTETS = {"Content-Type": "application/octet-stream"}
BLOCK = 100_000
_IDS = itertools.count(1)


def hash_of(content):
    return hashlib.sha256(content).hexdigest()


def md5_of(content):
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


def batch_of(after, records):
    """A batch of (position, record) pairs, and its end."""
    end = max(after, *(position for position, _ in records))
    body = b"\x94\x01" + msgpack.packb(after) + msgpack.packb(end)
    body += msgpack.packb([[position, record] for position, record in records])
    # RFC 8878: raw blocks.
    blocks = [body[at : at + BLOCK] for at in range(0, len(body), BLOCK)]
    heads = [len(block) << 3 | (number == len(blocks)) for number, block in enumerate(blocks, 1)]
    framed = b"".join(
        head.to_bytes(3, "little") + block for head, block in zip(heads, blocks, strict=True)
    )
    return b"\x28\xb5\x2f\xfd\x00\x38" + framed, end


def file_entry(content, **more):
    return {
        "digest": md5_of(content),
        "size": len(content),
        "sha256": hash_of(content),
        **more,
    }


def manifest_of(contents, /, **more):
    """The JSON of a manifest, of contents by path, or of whole entries."""
    entries = {
        path: one if isinstance(one, dict) else file_entry(one) for path, one in contents.items()
    }
    head = {
        "version": 1,
        "storagePolicy": "wandb-storage-policy-v1",
        "storagePolicyConfig": {"storageLayout": "V2"},
    }
    return json.dumps({**head, "contents": entries, **more}).encode()


def digest_of(manifest):
    entries = json.loads(manifest)["contents"]
    text = "wandb-artifact-manifest-v1\n"
    text += "".join(f"{path}:{entries[path]['digest']}\n" for path in sorted(entries))
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def deep(depth):
    """An object nested so deep."""
    return {"k": deep(depth - 1)} if depth > 1 else {}


def new_id():
    return f"{next(_IDS):032x}"


class Log:
    """The log of a writer: what it says, and where the server has come to."""

    def __init__(self, server, run="r", writer="w", *, project="p"):
        self.server, self.run, self.project = server, run, project
        self.path = f"/api/v1/projects/local/{project}/runs/{run}/writers/{writer}"
        self.start = [0, {"run": run, "writer": writer, "label": writer, "project": project}]
        self.records, self.end, self.wall = [(272, self.start)], 0, time.time_ns()

    def say(self, *records):
        """Send records, the start record first."""
        for kind, *rest in records:
            self.wall += 1
            self.records.append((self.records[-1][0] + 8, [kind, self.wall, *rest]))
        batch, end = batch_of(self.end, [one for one in self.records if one[0] > self.end])
        path = f"{self.path}/records?after={self.end}&revive=1"
        status, _, data = self.server.ask(path, batch, headers=ZSTD)
        assert status == 200, data
        self.end = end
        return json.loads(data)

    def forget(self):
        assert self.server.ask(f"{self.path}/records", method="DELETE")[0] == 204
        self.end = 0

    def log(self, name, contents, /, *, raw=None, late=(), **said):
        """Log an artifact with all that it holds but for `late`; returns its id."""
        manifest = manifest_of(contents) if raw is None else raw
        whole = [one for one in contents.values() if isinstance(one, bytes)]
        files = [
            [9, f".artifacts/{hash_of(one)}", one] for one in [*whole, manifest] if one not in late
        ]
        blobs = [
            [13, f".artifacts/{hash_of(one)}", hashlib.sha256(one).digest(), len(one)]
            for one in [*whole, manifest]
            if one in late
        ]
        key = said.pop("id", None) or new_id()
        record = {
            "op": "log",
            "id": key,
            "sequence": "s",
            "type": "dataset",
            "name": name,
            "description": "",
            "metadata": {},
            "aliases": ["latest"],
            "tags": [],
            "digest": said.pop("digest", None) or digest_of(manifest),
            "manifest": hash_of(manifest),
            "size": sum(map(len, whole)),
            "count": len(contents),
            **said,
        }
        self.say(*files, *blobs, [14, record])
        return key

    def use(self, artifact, use_as=""):
        self.say([14, {"op": "use", "artifact": artifact, "use_as": use_as}])

    def link(self, artifact, to, aliases=()):
        self.say([14, {"op": "link", "artifact": artifact, "to": to, "aliases": list(aliases)}])

    def upload(self, content):
        path = f"{self.path}/blobs/{hash_of(content)}?from=0"
        status, _, data = self.server.ask(path, content, method="PUT", headers=OCTETS)
        assert status == 200, data


@pytest.fixture
def server(running_server, tmp_path):
    """A server that removes at once what nobody names."""
    with running_server(tmp_path, "--blob-grace-secs", "0") as running:
        yield running


def by_id(server, key):
    """An artifact as the server knows it; None while it knows none."""
    status, _, data = server.ask(f"/api/v1/artifacts/{key}")
    if status == 404:
        return None
    assert status == 200, data
    return json.loads(data)


def settled(server, key):
    """An artifact once the server has decided."""
    while (found := by_id(server, key)) is None or found["state"] == "pending":
        time.sleep(0.01)
    return found


def get(server, path):
    return server.get(f"/projects/local/p/artifacts{path}")


def names_of(server, name):
    """Version and aliases of a collection, the newest first."""
    return [(one["version"], one["aliases"]) for one in get(server, f"/{name}")["list"]]


def refused(answer):
    """The status, code and field of a refusal."""
    status, _, data = answer
    said = json.loads(data)
    return status, said["code"], said.get("field")


def test_a_logged_artifact_is_a_version_with_all_that_it_holds(server):
    log = Log(server)
    contents = {"b/two.bin": b"two" * 1000, "a.txt": b"one"}
    before = time.time()
    key = log.log(
        "data",
        contents,
        description="of it",
        metadata={"n": 3, "x": float("nan")},
        aliases=["best", "latest"],
        tags=["t"],
    )
    found = settled(server, key)
    assert found["state"] == "committed", found
    assert found["created"] >= before - 1
    assert found == {
        "id": key,
        "entity": "local",
        "project": "p",
        "name": "data",
        "type": "dataset",
        "version": "v0",
        "aliases": ["best", "latest"],
        "tags": ["t"],
        "digest": digest_of(manifest_of(contents)),
        "size": 3003,
        "count": 2,
        "description": "of it",
        "metadata": {"n": 3, "x": "NaN"},
        "created": found["created"],
        "state": "committed",
        "reason": "",
        "source": None,
        "run": {"entity": "local", "project": "p", "run": "r", "name": "r"},
        "manifest": hash_of(manifest_of(contents)),
        "logged_by": [{"entity": "local", "project": "p", "run": "r", "name": "r"}],
        "used_by": [],
    }
    for ref in ("v0", "latest", "best", key):
        assert get(server, f"/data/{ref}") == found
    entries = get(server, "/data/latest/entries")
    assert entries == {
        "entries": [
            {
                "path": path,
                "size": len(contents[path]),
                "sha256": hash_of(contents[path]),
                "digest": md5_of(contents[path]),
                "ref": None,
                "extra": None,
            }
            for path in sorted(contents)
        ],
        "next": None,
    }
    for content in (*contents.values(), manifest_of(contents)):
        status, _, data = server.ask(f"/api/v1/blobs/{hash_of(content)}")
        assert (status, data) == (200, content)
    (listed,) = get(server, "")["collections"]
    assert (listed["name"], listed["type"], listed["versions"]) == ("data", "dataset", 1)
    assert listed["latest"]["version"] == "v0"
    assert server.get("/projects/local/p/runs/r/files")["files"] == []
    whose = server.get("/projects/local/p/runs/r/artifacts")
    assert [one["id"] for one in whose["logged"]] == [key]
    assert (whose["used"], whose["undone"]) == ([], [])


def test_equal_digests_are_one_version_and_latest_moves_with_each_log(server):
    first, second = Log(server, "r1"), Log(server, "r2")
    keys = [
        first.log("data", {"a": b"1"}, aliases=["best", "latest"], description="first"),
        first.log("data", {"a": b"2"}),
    ]
    for key in keys:
        settled(server, key)
    assert names_of(server, "data") == [("v1", ["latest"]), ("v0", ["best"])]
    again = second.log(
        "data", {"a": b"1"}, aliases=["again", "best", "latest"], description="second"
    )
    found = settled(server, again)
    assert (found["id"], found["version"]) == (keys[0], "v0")
    assert found["description"] == "first"
    assert [run["run"] for run in found["logged_by"]] == ["r1", "r2"]
    assert names_of(server, "data") == [("v1", []), ("v0", ["again", "best", "latest"])]
    # Its id is a name of the version, wherever one may stand.
    assert get(server, f"/data/{again}") == get(server, "/data/v0") == found
    assert [one["id"] for one in whose(server, "r2")["logged"]] == [keys[0]]
    third = settled(server, second.log("data", {"a": b"3"}))
    assert third["version"] == "v2"
    # The same digest under another name is another artifact.
    other = settled(server, second.log("other", {"a": b"1"}))
    assert (other["name"], other["version"]) == ("other", "v0")
    collections = get(server, "")["collections"]
    assert [(one["name"], one["versions"]) for one in collections] == [("data", 3), ("other", 1)]


def whose(server, run):
    return server.get(f"/projects/local/p/runs/{run}/artifacts")


def change(server, path, body, method="PATCH", status=200):
    found, _, data = server.ask(f"/api/v1/projects/local/p/artifacts{path}", body, method=method)
    assert found == status, data
    return json.loads(data) if data else None


def versions(server, count, name="data", run="r"):
    """A log and the ids of so many versions of a name."""
    log = Log(server, run)
    keys = [log.log(name, {"a": b"%d" % number}) for number in range(count)]
    for number, key in enumerate(keys):
        assert settled(server, key)["version"] == f"v{number}"
    return log, keys


def test_words_of_a_version_are_changed(server):
    versions(server, 2)
    said = {"description": "new", "metadata": {"k": [1, 2.5]}, "tags": ["t", "u", "t"]}
    found = change(server, "/data/v0", {**said, "aliases": ["best", "good"]})
    assert found == get(server, "/data/v0")
    assert {**found, "tags": found["tags"]} == {**found, **said, "tags": ["t", "u"]}
    assert found["aliases"] == ["best", "good"]
    # An alias points to one version: it moves.
    found = change(server, "/data/latest", {"aliases_add": ["good"], "tags_add": ["x"]})
    assert (found["version"], found["aliases"]) == ("v1", ["good", "latest"])
    assert get(server, "/data/v0")["aliases"] == ["best"]
    found = change(
        server,
        "/data/best",
        {"aliases_remove": ["best"], "tags_remove": ["t"], "tags_add": ["w"]},
    )
    assert (found["version"], found["aliases"], found["tags"]) == ("v0", [], ["u", "w"])
    assert refused(ask(server, "/data/best")) == (404, "not_found", None)
    # What is not said stays.
    assert (found["description"], found["metadata"]) == ("new", {"k": [1, 2.5]})


def ask(server, path, body=None, method=None):
    return server.ask(f"/api/v1/projects/local/p/artifacts{path}", body, method=method)


WRONG = [
    ("/data/v0", {"description": 3}, "description"),
    ("/data/v0", {"description": "x" * (1 << 20) + "x"}, "description"),
    ("/data/v0", {"metadata": [1]}, "metadata"),
    ("/data/v0", {"metadata": {str(n): n for n in range(101)}}, "metadata"),
    ("/data/v0", {"metadata": {"k": "x" * (1 << 20)}}, "metadata"),
    ("/data/v0", {"aliases": ["v7"]}, "aliases"),
    ("/data/v0", {"aliases_add": ["a/b"]}, "aliases_add"),
    ("/data/v0", {"aliases_add": ["a:b"]}, "aliases_add"),
    ("/data/v0", {"aliases_remove": [""]}, "aliases_remove"),
    ("/data/v0", {"aliases": [f"a{n}" for n in range(101)]}, "aliases"),
    ("/data/v0", {"aliases": "best"}, "aliases"),
    ("/data/v0", {"tags": ["x" * 65]}, "tags"),
    ("/data/v0", {"tags_add": [1]}, "tags_add"),
    ("/data/v0", {"name": "other"}, "name"),
    ("/data", {"name": "a/b"}, "name"),
    ("/data", {"name": "x" * 129}, "name"),
    ("/data", {"type": ""}, "type"),
    ("/data", {"tags": [""]}, "tags"),
    ("/data", {"digest": "x"}, "digest"),
]


@pytest.fixture(scope="module")
def held(running_server, tmp_path_factory):
    """A server with one version."""
    with running_server(tmp_path_factory.mktemp("held")) as server:
        versions(server, 1)
        yield server


@pytest.mark.parametrize(("path", "body", "field"), WRONG)
def test_a_change_that_cannot_be_names_its_field(held, path, body, field):
    before = get(held, "/data/v0")
    assert refused(ask(held, path, body, "PATCH")) == (400, "invalid", field)
    assert get(held, "/data/v0") == before


def test_nested_metadata_has_a_bound(held):
    assert ask(held, "/data/v0", {"metadata": deep(64)}, "PATCH")[0] == 200
    answer = ask(held, "/data/v0", {"metadata": deep(66)}, "PATCH")
    assert refused(answer) == (400, "invalid", "metadata")


ASKED_WRONG = [
    ("?type=x", 200, None),
    ("/none", 404, None),
    ("/a%20b", 400, "name"),
    ("/data?limit=0", 400, "limit"),
    ("/data?cursor=x", 400, "cursor"),
    ("/data/v1", 404, None),
    ("/data/v01", 404, None),
    ("/data/none", 404, None),
    ("/data/" + "0" * 32, 404, None),
    ("/data/v0/entries?limit=10001", 400, "limit"),
    ("/data/v0/lineage?depth=0", 400, "depth"),
    ("/data/v0/lineage?depth=21", 400, "depth"),
]


@pytest.mark.parametrize(("path", "status", "field"), ASKED_WRONG)
def test_what_is_asked_wrongly_is_refused(held, path, status, field):
    found, _, data = ask(held, path)
    assert (found, json.loads(data).get("field")) == (status, field)


def test_unknown_and_malformed_ids_are_told_apart(held):
    assert refused(held.ask(f"/api/v1/artifacts/{'0' * 32}")) == (404, "not_found", None)
    assert refused(held.ask("/api/v1/artifacts/x")) == (400, "invalid", "id")


def test_versions_and_entries_come_by_pages(server):
    _, keys = versions(server, 5)
    page = get(server, "/data?limit=2")
    assert [one["version"] for one in page["list"]] == ["v4", "v3"]
    page = get(server, f"/data?limit=2&cursor={page['next']}")
    assert [one["version"] for one in page["list"]] == ["v2", "v1"]
    page = get(server, f"/data?limit=2&cursor={page['next']}")
    assert ([one["id"] for one in page["list"]], page["next"]) == ([keys[0]], None)
    contents = {f"{folder}/{n}": b"%d" % n for folder in ("a", "ä", "b") for n in range(3)}
    log = Log(server, "other")
    assert settled(server, log.log("many", contents))["count"] == 9
    found, cursor = [], ""
    while cursor is not None:
        page = get(server, f"/many/v0/entries?limit=4{cursor and '&cursor=' + cursor}")
        found += [one["path"] for one in page["entries"]]
        cursor = page["next"] and urllib.parse.quote(page["next"])
    assert found == sorted(contents)
    page = get(server, f"/many/v0/entries?prefix={urllib.parse.quote('ä/')}")
    assert [one["path"] for one in page["entries"]] == ["ä/0", "ä/1", "ä/2"]


def test_a_name_has_one_type(server):
    log = Log(server)
    settled(server, log.log("data", {"a": b"1"}))
    found = settled(server, log.log("data", {"a": b"2"}, type="model"))
    assert (found["state"], found["version"]) == ("failed", None)
    assert "of type 'dataset', not 'model'" in found["reason"]
    assert [one["id"] for one in get(server, "/data")["unfinished"]] == [found["id"]]
    assert names_of(server, "data") == [("v0", ["latest"])]
    # Its number is the next version's.
    assert settled(server, log.log("data", {"a": b"2"}))["version"] == "v1"


def test_a_version_is_linked_to_another_collection(server):
    log, keys = versions(server, 3)
    log.link(keys[1], "local/shelf/best", ["prod"])
    log.link(keys[0], "local/shelf/best")
    log.link("local/p/data:v1", "local/shelf/best", ["again"])
    found = server.get("/projects/local/shelf/artifacts/best")
    assert [(one["version"], one["aliases"]) for one in found["list"]] == [
        ("v1", []),
        ("v0", ["again", "latest", "prod"]),
    ]
    linked = found["list"][1]
    assert linked["id"] == keys[1]
    assert linked["source"] == {
        "entity": "local",
        "project": "p",
        "name": "data",
        "version": "v1",
    }
    assert (linked["name"], linked["type"], linked["project"]) == ("best", "dataset", "shelf")
    assert by_id(server, keys[1])["name"] == "data"
    assert whose(server, "r")["undone"] == []
    # And by a person.
    path = "/api/v1/projects/local/shelf/artifacts/best"
    status, _, data = server.ask(f"{path}/links", {"artifact": keys[2], "aliases": ["new"]})
    said = json.loads(data)
    assert (status, said["version"], said["aliases"]) == (200, "v2", ["latest", "new"])
    assert refused(server.ask(f"{path}/links", {"artifact": "x"})) == (400, "invalid", "artifact")
    unknown = server.ask(f"{path}/links", {"artifact": "0" * 32})
    assert refused(unknown) == (404, "not_found", "artifact")
    # A link is no version to delete, and a version no link to remove.
    assert refused(server.ask(f"{path}/v0", method="DELETE")) == (400, "invalid", "ref")
    assert refused(ask(server, "/data/links/v0", method="DELETE")) == (400, "invalid", "ref")
    assert server.ask(f"{path}/links/v2", method="DELETE")[0] == 204
    newest = server.get("/projects/local/shelf/artifacts/best")["list"][0]
    assert (newest["version"], newest["aliases"]) == ("v1", ["latest"])
    assert names_of(server, "data")[0] == ("v2", ["latest"])
    model = settled(server, log.log("model", {"a": b"1"}, type="model"))
    answer = server.ask(f"{path}/links", {"artifact": model["id"]})
    assert refused(answer) == (400, "invalid", "type")
    log.link(model["id"], "local/shelf/best")
    (undone,) = whose(server, "r")["undone"]
    assert (undone["op"], undone["state"]) == ("link", "failed")
    assert "of type 'dataset', not 'model'" in undone["reason"]
    # A collection that has links elsewhere keeps its type; one that has none takes another.
    assert refused(ask(server, "/data", {"type": "t"}, "PATCH")) == (409, "named", "type")
    assert change(server, "/model", {"type": "t", "name": "renamed"})["type"] == "t"
    assert get(server, "/renamed/v0")["type"] == "t"
    assert refused(ask(server, "/renamed", {"name": "data"}, "PATCH")) == (409, "named", "name")


def test_what_is_asked_for_before_it_is_there_is_done_later(server):
    early, log, content = Log(server, "early"), Log(server, "late"), b"x" * 5000
    key = new_id()
    early.use(key, "training data")
    early.use("local/p/data:v0")
    early.link(key, "local/p/shelf", ["top"])
    assert [one["state"] for one in whose(server, "early")["undone"]] == ["waiting"] * 3
    log.log("data", {"a": content}, id=key, late=[content])
    assert by_id(server, key)["state"] == "pending"
    assert [one["op"] for one in whose(server, "early")["undone"]] == ["use", "link"]
    log.upload(content)
    found = settled(server, key)
    assert [run["run"] for run in found["used_by"]] == ["early"]
    assert whose(server, "early")["undone"] == []
    (used,) = whose(server, "early")["used"]
    assert (used["id"], used["use_as"]) == (key, "training data")
    assert names_of(server, "shelf") == [("v0", ["latest", "top"])]


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


def everything(server):
    """All that is said of artifacts, but for when it was changed."""
    collections = get(server, "")["collections"]
    for one in collections:
        del one["updated"]
    names = [one["name"] for one in collections]
    return collections, [get(server, f"/{name}")["list"] for name in names], whose(server, "r")


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_log_that_is_taken_anew_changes_nothing(server):
    log, keys = versions(server, 3)
    log.link(keys[0], "local/p/shelf", ["top"])
    log.link(keys[1], "local/p/shelf")
    log.use(keys[0])
    log.use("local/q/none:v0")
    settled(server, log.log("data", {"a": b"0"}, aliases=["again", "latest"]))
    failed = settled(server, log.log("data", {"a": b"0"}, digest="0" * 32))
    assert failed["state"] == "failed"
    # What people have said since stays as well.
    change(server, "/data/v1", {"aliases_add": ["latest", "mine"], "description": "said"})
    change(server, "/shelf/v1", {"aliases_add": ["top"]})
    gone = settled(server, log.log("data", {"a": b"gone"}))
    change(server, f"/data/{gone['version']}?aliases=1", None, "DELETE", 204)
    change(server, "/data/v1", {"aliases_add": ["latest"]})
    before = everything(server)
    for _ in range(2):
        log.forget()
        log.say()
        server.kill()
        server.start()
        # Whatever comes behind it has been looked at: so has what came before.
        settled(server, log.log("marker", {"a": b"m"}, id="f" * 32))
        after = everything(server)
        assert after[0][:1] == before[0][:1]
        assert after[1][0] == before[1][0]
        assert get(server, "/shelf")["list"] == before[1][1]
        assert by_id(server, gone["id"])["state"] == "deleted"
        logged = [one["id"] for one in after[2]["logged"] if one["name"] != "marker"]
        assert logged == [one["id"] for one in before[2]["logged"]]
        assert after[2]["used"] == before[2]["used"]
        assert after[2]["undone"] == before[2]["undone"]


@pytest.mark.slow
def test_two_that_log_the_same_name_at_once_get_numbers_without_gaps(server):
    logs = [Log(server, f"r{number}") for number in range(4)]
    for log in logs:
        log.say()

    def work(log):
        return [
            log.log("data", {"a": f"{log.run} {number}".encode()}, id=new_id())
            for number in range(12)
        ]

    with concurrent.futures.ThreadPoolExecutor() as pool:
        keys = [key for found in pool.map(work, logs) for key in found]
    numbers = [int(settled(server, key)["version"][1:]) for key in keys]
    assert sorted(numbers) == list(range(48))
    found = names_of(server, "data")
    assert found == [(f"v{n}", ["latest"] if n == 47 else []) for n in reversed(range(48))]


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


def swept(server):
    """The contents that are there once all that nobody names is gone."""
    path = server.folder / "data" / "meta.db"
    with contextlib.closing(sqlite3.connect(path)) as database:
        while database.execute("SELECT 1 FROM loose_blobs").fetchone():
            time.sleep(0.01)
        return {one for (one,) in database.execute("SELECT sha256 FROM blobs")}


def hashes(*contents):
    return {hash_of(one) for one in contents}


def there(server, content):
    """Whether a content is answered, and is what it was."""
    status, _, data = server.ask(f"/api/v1/blobs/{hash_of(content)}")
    assert (status, data == content) in {(200, True), (404, False)}
    return status == 200


def delete_run(server, run, query=""):
    path = f"/api/v1/projects/local/p/runs/{run}{query}"
    assert server.ask(path, method="DELETE")[0] == 204


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
    assert names_of(server, "data") == [("v2", ["latest"]), ("v1", [])]
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
    change(server, "/data/v1?aliases=1", None, "DELETE", 204)
    # It is gone from wherever it was linked to, and `latest` points to what is left.
    assert names_of(server, "data") == [("v0", ["latest"])]
    assert get(server, "/shelf")["list"] == []
    assert get(server, "/shelf")["latest"] is None
    gone = by_id(server, second)
    assert (gone["state"], gone["version"], gone["manifest"]) == ("deleted", None, None)
    assert whose(server, "r")["logged"] == [
        {k: v for k, v in by_id(server, first).items() if k not in LONG}
    ]
    # While the run is there its files are; then what the other version names stays.
    delete_run(server, "r")
    kept = manifest_of({"keep": keep, "both": both})
    assert swept(server) == hashes(keep, both, kept)
    assert (there(server, both), there(server, go)) == (True, False)
    change(server, "/data/v0", None, "DELETE", 204)
    assert swept(server) == set()
    assert get(server, "/data")["list"] == []
    # Numbers are not given again, and a name is free once its collection is.
    log = Log(server, "new")
    assert settled(server, log.log("data", {"a": b"1"}))["version"] == "v2"
    change(server, "/data", None, "DELETE", 204)
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


def test_parts_of_several_processes_become_one_version(server):
    logs = [Log(server, "r", f"w{rank}") for rank in range(3)]
    for log in logs:
        log.say()
    shared = {"distributed": "group-1", "type": "dataset"}
    large = b"l" * 200_000
    parts = [
        logs[0].log("data", {"0": b"zero"}, **shared),
        logs[1].log("data", {"1": large}, late=[large], **shared),
    ]
    final = logs[2].log("data", {"2": b"two"}, final=True, aliases=["done", "latest"], **shared)
    while by_id(server, final)["reason"] != "it waits for the contents of its parts":
        time.sleep(0.01)
    assert [by_id(server, one)["state"] for one in parts] == ["pending"] * 2
    logs[1].upload(large)
    found = settled(server, final)
    whole = {"0": b"zero", "1": large, "2": b"two"}
    assert (found["version"], found["digest"]) == ("v0", digest_of(manifest_of(whole)))
    assert found["aliases"] == ["done", "latest"]
    assert [by_id(server, one) for one in parts] == [found, found]
    # One that comes late makes a further version, of all of them.
    late = settled(server, logs[0].log("data", {"3": b"three"}, **shared))
    assert late["version"] == "v1"
    assert late["digest"] == digest_of(manifest_of({**whole, "3": b"three"}))
    later = settled(server, logs[1].log("data", {"4": b"four"}, **shared))
    assert later["count"] == 5
    # Another group is another artifact; a part that fails fails the whole, and says so.
    logs[0].log("data", {"0": b"x"}, distributed="group-2", digest="0" * 32)
    final = logs[1].log("data", {"1": b"y"}, distributed="group-2", final=True)
    found = settled(server, final)
    assert (found["state"], "its part" in found["reason"]) == ("failed", True)


def test_lineage_says_which_run_made_what_of_what(server):
    raw, train, evaluate = (Log(server, run) for run in ("raw", "train", "eval"))
    data = settled(server, raw.log("data", {"a": b"1"}))
    train.use(data["id"])
    model = settled(server, train.log("model", {"m": b"1"}, type="model"))
    evaluate.use("local/p/model:v0")
    evaluate.use("local/p/data:latest")
    names = {
        f"artifact/{data['id']}": "data",
        f"artifact/{model['id']}": "model",
        "run/local/p/raw": "raw",
        "run/local/p/train": "train",
        "run/local/p/eval": "eval",
    }

    def lineage(path):
        found = get(server, path)
        assert found["truncated"] is None
        nodes = {names[node["key"]] for node in found["nodes"]}
        return nodes, {(names[one["from"]], one["how"], names[one["to"]]) for one in found["edges"]}

    near = (
        {"data", "raw", "train", "eval"},
        {
            ("raw", "logged", "data"),
            ("data", "used", "train"),
            ("data", "used", "eval"),
        },
    )
    assert lineage("/data/v0/lineage?depth=1") == near
    whole = (
        near[0] | {"model"},
        near[1]
        | {
            ("train", "logged", "model"),
            ("model", "used", "eval"),
        },
    )
    assert lineage("/data/v0/lineage") == whole
    assert lineage("/model/latest/lineage?depth=20") == whole
    first = get(server, "/data/v0/lineage")["nodes"][0]
    assert (first["kind"], first["version"], first["type"]) == ("artifact", "v0", "dataset")
    assert by_id(server, data["id"])["used_by"] == [
        {"entity": "local", "project": "p", "run": run, "name": run} for run in ("train", "eval")
    ]
    assert [one["name"] for one in whose(server, "eval")["used"]] == ["model", "data"]
    delete_run(server, "train")
    nodes, _ = lineage("/data/v0/lineage")
    assert nodes == {"data", "raw", "eval", "model"}


def test_lineage_has_at_most_500_nodes(server):
    log = Log(server)
    data = settled(server, log.log("data", {"a": b"1"}))
    for number in range(3):
        Log(server, f"u{number}").use(data["id"])
    with metadata(server) as database:
        (run,) = database.execute("SELECT max(id) FROM runs").fetchone()
        for number in range(600):
            database.execute(
                "INSERT INTO runs SELECT ?, project_id, ?, name, notes, tags, group_name, job_type,"
                " state, exit_code, created, updated, records, last_step, metrics, forked_run,"
                " forked_step, config, summary, said FROM runs WHERE id = ?",
                (run + 1 + number, f"x{number}", run),
            )
            database.execute(
                "INSERT INTO artifact_uses SELECT ?, artifact_id, how, use_as, wall"
                " FROM artifact_uses WHERE run_id = ?",
                (run + 1 + number, run),
            )
    found = get(server, "/data/v0/lineage")
    assert len(found["nodes"]) == 500
    assert found["truncated"] == {"shown": 500, "reason": "at most 500"}
    assert len(found["edges"]) == 499


@contextlib.contextmanager
def metadata(server):
    """The metadata, to be changed while the server does not run."""
    server.kill()
    path = server.folder / "data" / "meta.db"
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        yield database
    server.start()


def test_a_commit_changes_the_version_of_the_data(server):
    log, content = Log(server), b"x" * 1000

    def version():
        return int(server.ask("/api/v1/projects")[1]["X-Data-Version"])

    key = log.log("data", {"a": content}, late=[content])
    before = version()
    log.upload(content)
    settled(server, key)
    after = version()
    assert after > before
    change(server, "/data/v0", {"description": "x"})
    assert version() > after
