"""Artifacts at a real server: versions, aliases, links, lineage, and what goes with whom."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import time

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


def manifest_of(contents, **more):
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

    def log(self, name, contents, *, manifest=None, late=(), **said):
        """Log an artifact with all that it holds but for `late`; returns its id."""
        if manifest is None:
            manifest = manifest_of(contents)
        whole = [one for one in contents.values() if isinstance(one, bytes)]
        files = [
            [9, f".artifacts/{hash_of(one)}", one]
            for one in [*whole, manifest]
            if one not in late
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
