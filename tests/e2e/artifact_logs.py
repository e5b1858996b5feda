"""Logs of artifacts as a client writes them, record by record, and what a server says of them."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import itertools
import json
import sqlite3
import time

import msgpack  # type: ignore[import-untyped]  # it has no stubs

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
        self.clock = time.time_ns
        self.records, self.end, self.wall = [(272, self.start)], 0, time.time_ns()

    def say(self, *records):
        """Send records, the start record first."""
        for kind, *rest in records:
            self.wall = max(self.wall + 1, self.clock())
            self.records.append((self.records[-1][0] + 8, [kind, self.wall, *rest]))
        batch, end = batch_of(self.end, [one for one in self.records if one[0] > self.end])
        path = f"{self.path}/records?after={self.end}&revive=1"
        status, _, data = self.server.ask(path, batch, headers=ZSTD)
        assert status == 200, data
        self.end = end
        return json.loads(data)

    def finish(self):
        """Say that the run has ended: nothing more comes of this log."""
        self.say([4, 0])

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


def whose(server, run):
    return server.get(f"/projects/local/p/runs/{run}/artifacts")


def change(server, path, body):
    """Change something; returns what it is then."""
    status, _, data = ask(server, path, body, method="PATCH")
    assert status == 200, data
    return json.loads(data)


def delete(server, path):
    status, _, data = ask(server, path, method="DELETE")
    assert status == 204, data


def ask(server, path, body=None, *, method=None):
    return server.ask(f"/api/v1/projects/local/p/artifacts{path}", body, method=method)


def versions(server, count):
    """A log and the ids of so many versions of a name."""
    log = Log(server)
    keys = [log.log("data", {"a": b"%d" % number}) for number in range(count)]
    for number, key in enumerate(keys):
        assert settled(server, key)["version"] == f"v{number}"
    return log, keys


def delete_run(server, run, query=""):
    path = f"/api/v1/projects/local/p/runs/{run}{query}"
    assert server.ask(path, method="DELETE")[0] == 204


def hashes(*contents):
    return {hash_of(one) for one in contents}


@contextlib.contextmanager
def metadata(server):
    """The metadata, to be changed while the server does not run."""
    server.kill()
    path = server.folder / "data" / "meta.db"
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        yield database
    server.start()


def swept(server):
    """The contents that are there once all has been looked at that has lost a name until now."""
    path, now = server.folder / "data" / "meta.db", time.time_ns()
    with contextlib.closing(sqlite3.connect(path)) as database:
        # What a writer may still need is looked at again later.
        while database.execute("SELECT 1 FROM loose_blobs WHERE due <= ?", [now]).fetchone():
            time.sleep(0.01)
        return {one for (one,) in database.execute("SELECT sha256 FROM blobs")}
