"""Large files of a run: their contents come on their own, by parts, and are served whole."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import hashlib
import http.client
import json
import os
import pathlib
import random
import signal
import sqlite3
import time
import urllib.parse

import msgpack  # type: ignore[import-untyped]  # it has no stubs
import pytest

import steplog

PART = 16 << 20
BLOCK = 100_000
OCTETS = {"Content-Type": "application/octet-stream"}
ZSTD = {"Content-Type": "application/msgpack", "Content-Encoding": "zstd", "Steplog-Protocol": "1"}


def hash_of(content):
    return hashlib.sha256(content).hexdigest()


def content_of(seed, size):
    return random.Random(seed).randbytes(size)


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


@pytest.fixture
def server(running_server, tmp_path):
    """A server that removes at once what nobody names."""
    with running_server(tmp_path, "--blob-grace-secs", "0") as running:
        yield running


class Writer:
    """A writer of a run that says what files it has, and sends what they hold."""

    def __init__(self, server, run="r", writer="w", *, label=""):
        self.server, self.run, self.name = server, run, writer
        self.path = f"/api/v1/projects/local/p/runs/{run}/writers/{writer}"
        self.start = [0, {"run": run, "writer": writer, "label": label, "project": "p"}]
        self.records, self.end, self.wall = [(272, self.start)], 0, 0

    def say(self, *records):
        """Send records, the start record first; returns the answer."""
        for kind, *rest in records:
            self.wall += 1
            self.records.append((self.records[-1][0] + 8, [kind, self.wall, *rest]))
        batch, end = batch_of(self.end, [one for one in self.records if one[0] > self.end])
        status, _, data = self.server.ask(
            f"{self.path}/records?after={self.end}", batch, headers=ZSTD
        )
        assert status == 200, data
        self.end = end
        return json.loads(data)

    def name_blob(self, name, content, *, size=None):
        digest = hashlib.sha256(content).digest()
        return self.say([13, name, digest, len(content) if size is None else size])

    def wanted(self):
        status, _, data = self.server.ask(f"{self.path}/blobs")
        assert status == 200, data
        return json.loads(data)["wanted"]

    def count(self):
        return json.loads(self.server.ask(self.path)[2])["wanted"]

    def put(self, sha256, start, part, **headers):
        """Send a part; returns the status and what the answer says."""
        path = f"{self.path}/blobs/{sha256}?from={start}"
        status, _, data = self.server.ask(path, part, method="PUT", headers={**OCTETS, **headers})
        return status, json.loads(data)

    def upload(self, content, *, part=PART):
        """Send all of a content as its owner does: from where the server has come to."""
        sha256, have = hash_of(content), 0
        while True:
            status, said = self.put(sha256, have, content[have : have + part])
            have = said["expected"] if status == 409 else said["have"]
            if status == 200 and have == len(content):
                return
            assert status in {200, 409}, said

    def forget(self):
        assert self.server.ask(f"{self.path}/records", method="DELETE")[0] == 204
        self.end = 0


def files_of(server, run="r"):
    return {
        file["name"]: file for file in server.get(f"/projects/local/p/runs/{run}/files")["files"]
    }


def read(server, name, run="r", **headers):
    return server.ask(f"/api/v1/projects/local/p/runs/{run}/files/{name}", headers=headers)


def objects(server):
    """What the blob store holds: contents and parts."""
    folder = server.folder / "data" / "blobs"
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def until(is_so):
    """Wait for what the server does in the background; the test's timeout ends it."""
    while not is_so():
        time.sleep(0.02)


@contextlib.contextmanager
def metadata(server):
    """The metadata of a server that does not run."""
    path = server.folder / "data" / "meta.db"
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        yield database


def test_a_large_file_comes_by_parts_and_is_read_back(server, online, tmp_path):
    content = content_of(1, 3_000_000)
    with online("r") as run:
        digest = hashlib.sha256(content).digest()
        run._own_writer().put_blob("ckpt/a.pt", digest, len(content))
    (said,) = server.get("/projects/local/p/runs/r")["writers"]
    writer = Writer(server, "r", said["writer"])
    assert writer.count() == 1
    expected = {"sha256": hash_of(content), "size": len(content), "name": "ckpt/a.pt", "have": 0}
    assert writer.wanted() == [expected]
    assert writer.put(hash_of(content), 0, content[:1_000_000]) == (200, {"have": 1_000_000})
    assert writer.wanted() == [{**expected, "have": 1_000_000}]
    file = files_of(server)["ckpt/a.pt"]
    assert (file["state"], file["have"], file["size"]) == ("wanted", 1_000_000, len(content))
    status, _, data = read(server, "ckpt/a.pt")
    assert (status, json.loads(data)["code"]) == (404, "not_found")
    assert "not come yet" in json.loads(data)["detail"]
    with steplog.Api(server.url, server.key) as api:
        large = api.run("p/r").file("ckpt/a.pt")
        assert not large.is_stored
        with pytest.raises(steplog.NotFoundError, match="not come yet"):
            large.download(tmp_path / "copy")
        assert list((tmp_path / "copy" / "ckpt").iterdir()) == []
    assert writer.put(hash_of(content), 1_000_000, content[1_000_000:]) == (
        200,
        {"have": len(content)},
    )
    assert (writer.count(), writer.wanted()) == (0, [])
    file = files_of(server)["ckpt/a.pt"]
    assert (file["state"], "have" in file, file["sha256"]) == ("stored", False, hash_of(content))
    with steplog.Api(server.url, server.key) as api:
        large = api.run("p/r").file("ckpt/a.pt")
        assert (large.is_stored, large.sha256) == (True, hash_of(content))
        assert large.read() == content
        assert large.download(tmp_path / "copy").read_bytes() == content
        with pytest.raises(steplog.NotFoundError, match="local/p/r has no file 'b'"):
            api.run("p/r").file("b")

    async def twin():
        async with steplog.AsyncApi(server.url, server.key) as api:
            large = await (await api.run("p/r")).file("ckpt/a.pt")
            path = await large.download(tmp_path / "twin")
            return await large.read(), path.read_bytes()

    assert asyncio.run(twin()) == (content, content)
    # Neither a part nor what was being written is left.
    assert objects(server) == {f"{hash_of(content)[:2]}/{hash_of(content)}"}


def test_both_answers_of_a_writer_count_what_is_wanted(server):
    writer = Writer(server)
    assert writer.say()["wanted"] == 0
    contents = [content_of(seed, 100 + seed) for seed in range(3)]
    assert writer.name_blob("a", contents[0])["wanted"] == 1
    assert writer.name_blob("again", contents[0])["wanted"] == 1
    assert writer.name_blob("b", contents[1])["wanted"] == 2
    writer.upload(contents[0])
    assert writer.count() == 1
    assert writer.say([2, 0, 1, True, {"y": 1.0}])["wanted"] == 1
    # A small file takes the place of a large one, and a large one that of another.
    assert writer.say([9, "b", b"small"])["wanted"] == 0
    assert writer.name_blob("a", contents[2])["wanted"] == 1
    assert read(server, "b")[2] == b"small"
    # What is said in the answer to a batch is known to a server that starts as well.
    server.kill()
    server.start()
    assert writer.say([2, 1, 1, True, {"y": 1.0}])["wanted"] == 1
    assert server.ask("/api/v1/projects/local/p/runs/r/writers/none/blobs")[0] == 404
    assert server.ask("/api/v1/projects/local/p/runs/none/writers/w/blobs")[0] == 404


def test_the_smallest_are_asked_for_first_and_a_hundred_at_most(server):
    writer = Writer(server)
    contents = [content_of(seed, 200 - seed) for seed in range(102)]
    records = [
        [13, f"f{seed}", hashlib.sha256(one).digest(), len(one)]
        for seed, one in enumerate(contents)
    ]
    assert writer.say(*records)["wanted"] == 102
    asked = writer.wanted()
    assert [one["size"] for one in asked] == list(range(99, 199))


def test_an_empty_file_comes_too(server):
    writer = Writer(server)
    writer.name_blob("empty", b"")
    assert writer.count() == 1
    assert writer.put(hash_of(b""), 0, b"x")[0] == 400
    assert writer.put(hash_of(b""), 0, b"") == (200, {"have": 0})
    assert writer.count() == 0
    status, headers, data = read(server, "empty")
    assert (status, headers["Content-Length"], data) == (200, "0", b"")
    assert read(server, "empty", Range="bytes=0-")[0] == 416
    assert read(server, "empty", Range="bytes=-5")[0] == 200


def test_what_does_not_fit_is_refused_and_changes_nothing(server):
    writer, content = Writer(server), content_of(1, 1000)
    sha256 = hash_of(content)
    writer.name_blob("a", content)
    other = Writer(server, "other")
    other.say()
    assert writer.put(sha256, 0, content[:400]) == (200, {"have": 400})
    refused = {
        409: [writer.put(sha256, 0, content[:400]), writer.put(sha256, 500, content[500:])],
        400: [
            writer.put(sha256, 400, content[400:] + b"x"),
            writer.put(sha256, -1, b"x"),
            writer.put(sha256, "", b"x"),
            writer.put(sha256, 2**63, b"x"),
            writer.put("x" * 64, 0, b"x"),
            writer.put(sha256.upper(), 0, b"x"),
        ],
        404: [
            writer.put(hash_of(b"unknown"), 0, b"x"),
            other.put(sha256, 400, content[400:]),
            Writer(server, "none").put(sha256, 400, content[400:]),
        ],
        415: [
            writer.put(sha256, 400, b"x", **{"Content-Type": "text/plain"}),
            writer.put(sha256, 400, b"x", **{"Content-Encoding": "zstd"}),
        ],
        401: [writer.put(sha256, 400, b"x", Authorization="Bearer " + "x" * 40)],
    }
    assert {status: {one[0] for one in ones} for status, ones in refused.items()} == {
        status: {status} for status in refused
    }
    assert [said["expected"] for _, said in refused[409]] == [400, 400]
    assert writer.wanted()[0]["have"] == 400
    writer.upload(content)
    assert read(server, "a")[2] == content
    # What is there is there, for everybody, whatever part of it is sent again.
    for start in (0, 400, 1000, 5000):
        assert writer.put(sha256, start, b"") == (200, {"have": 1000})
    assert other.put(sha256, 0, content) == (200, {"have": 1000})


@pytest.mark.parametrize("is_declared", [True, False])
def test_a_part_that_is_too_large_is_refused(server, is_declared):
    writer, content = Writer(server), bytes(PART + 1)
    writer.name_blob("a", content)
    address = urllib.parse.urlsplit(server.url)
    with contextlib.closing(http.client.HTTPConnection(address.hostname, address.port)) as sent:
        headers = {**OCTETS, "Authorization": f"Bearer {server.key}"}
        path = f"{writer.path}/blobs/{hash_of(content)}?from=0"
        if is_declared:
            sent.putrequest("PUT", path)
            for name, value in {**headers, "Content-Length": str(PART + 1)}.items():
                sent.putheader(name, value)
            sent.endheaders()
        else:
            sent.request("PUT", path, iter([content]), headers, encode_chunked=True)
        assert sent.getresponse().status == 413
    assert writer.wanted()[0]["have"] == 0
    writer.upload(content)
    assert read(server, "a")[2] == content


def test_a_content_of_another_hash_is_forgotten_whole(server):
    writer, content = Writer(server), content_of(1, 1000)
    sha256 = hash_of(content)
    writer.name_blob("a", content)
    assert writer.put(sha256, 0, content[:500])[0] == 200
    status, said = writer.put(sha256, 500, bytes(500))
    assert (status, said["code"], said["have"]) == (422, "wrong_content", 0)
    assert "SHA-256" in said["detail"]
    assert read(server, "a")[0] == 404
    assert objects(server) == set()
    assert writer.wanted()[0]["have"] == 0
    writer.upload(content, part=300)
    assert read(server, "a")[2] == content


def test_a_content_is_stored_once_and_asked_for_once(server):
    content = content_of(1, 5000)
    one, other = Writer(server, "one"), Writer(server, "other")
    one.name_blob("a", content)
    one.upload(content)
    assert other.name_blob("b", content)["wanted"] == 0
    assert read(server, "b", "other")[2] == content
    assert len(objects(server)) == 1
    # It goes with the last name.
    assert server.ask("/api/v1/projects/local/p/runs/one", method="DELETE")[0] == 204
    gone = Writer(server, "gone")
    gone.name_blob("a", content_of(2, 5000))
    gone.upload(content_of(2, 5000))
    assert server.ask("/api/v1/projects/local/p/runs/gone", method="DELETE")[0] == 204
    until(lambda: len(objects(server)) == 1)
    assert read(server, "b", "other")[2] == content
    assert server.ask("/api/v1/projects/local/p/runs/other", method="DELETE")[0] == 204
    until(lambda: objects(server) == set())


def test_a_content_whose_name_is_replaced_goes_and_comes_again_when_it_is_named(server):
    writer, old, new = Writer(server), content_of(1, 5000), content_of(2, 100)
    writer.name_blob("a", old)
    writer.upload(old)
    half = content_of(3, 5000)
    writer.name_blob("b", half)
    assert writer.put(hash_of(half), 0, half[:1000])[0] == 200
    assert len(objects(server)) == 2
    writer.say([9, "a", new], [9, "b", new])
    until(lambda: objects(server) == set())
    assert read(server, "a")[2] == new
    assert writer.name_blob("a", old)["wanted"] == 1
    assert writer.put(hash_of(half), 1000, half[1000:])[0] == 404
    writer.upload(old)
    assert read(server, "a")[2] == old


def test_a_writer_that_is_taken_anew_need_not_send_its_contents_again(server):
    writer, content = Writer(server), content_of(1, 5000)
    writer.name_blob("a", content)
    writer.upload(content)

    def loose(due):
        with metadata(server) as database:
            return database.execute("UPDATE loose_blobs SET due = ?", [due]).rowcount

    def waits_secs():
        with metadata(server) as database:
            ((due,),) = database.execute("SELECT due FROM loose_blobs").fetchall()
            return due / 1e9 - time.time()

    def is_looked_at():
        with metadata(server) as database:
            return not database.execute("SELECT * FROM loose_blobs WHERE due = 1").fetchall()

    for is_named in (True, False):
        writer.forget()
        assert waits_secs() > 23 * 3600
        if is_named:
            assert writer.say()["wanted"] == 0
            assert read(server, "a")[2] == content
        else:
            assert len(objects(server)) == 1
        assert server.stop()[0] == 0
        assert loose(1) == 1
        server.start()
        until(is_looked_at)
        assert len(objects(server)) == int(is_named)


def test_parts_that_nobody_goes_on_with_are_removed_after_a_day(server):
    writer = Writer(server)
    old, fresh = content_of(1, 5000), content_of(2, 5000)
    for name, content in (("old", old), ("fresh", fresh)):
        writer.name_blob(name, content)
        assert writer.put(hash_of(content), 0, content[:1000])[0] == 200
    (part,) = (server.folder / "data" / "blobs" / "incoming" / hash_of(old)).iterdir()
    assert server.stop()[0] == 0
    os.utime(part, times=(time.time() - 25 * 3600,) * 2)
    server.start()
    until(lambda: not part.exists())
    assert {one["name"]: one["have"] for one in writer.wanted()} == {"old": 0, "fresh": 1000}
    for content in (old, fresh):
        writer.upload(content)
    assert (read(server, "old")[2], read(server, "fresh")[2]) == (old, fresh)


def test_all_parts_without_a_content_are_put_together_by_whoever_sends_one(server):
    writer, content = Writer(server), content_of(1, 5000)
    sha256 = hash_of(content)
    writer.name_blob("a", content)
    # As a server that was killed behind the last part has left it.
    folder = server.folder / "data" / "blobs" / "incoming" / sha256
    folder.mkdir(parents=True)
    for start in (0, 3000):
        (folder / str(start)).write_bytes(content[start : start + 3000])
    assert writer.wanted()[0]["have"] == 5000
    assert writer.put(sha256, 3000, content[3000:]) == (200, {"have": 5000})
    assert read(server, "a")[2] == content
    # And one that was killed before it had removed them.
    folder.mkdir(parents=True)
    (folder / "0").write_bytes(content[:3000])
    server.kill()
    server.start()
    until(lambda: not folder.exists())
    assert read(server, "a")[2] == content


def test_two_uploads_of_one_content_at_once_do_not_hinder_each_other(server):
    content = content_of(1, 2_000_000)
    writers = [Writer(server, "r", f"w{n}", label=str(n)) for n in range(4)]
    for writer in writers:
        writer.name_blob("ckpt.pt", content)
    parts = [70_000, 100_000, 130_000, 130_000]
    with concurrent.futures.ThreadPoolExecutor(len(writers)) as threads:
        uploads = [
            threads.submit(writer.upload, content, part=part)
            for writer, part in zip(writers, parts, strict=True)
        ]
        for upload in uploads:
            upload.result()
    assert [writer.count() for writer in writers] == [0] * len(writers)
    for writer in writers:
        assert read(server, f"ckpt.pt?writer={writer.name}")[2] == content
    assert len(objects(server)) == 1


def test_a_size_that_no_file_has_is_refused_and_the_writer_goes_on(server):
    writer, content = Writer(server), content_of(1, 1000)
    writer.say()
    digest = hashlib.sha256(content).digest()
    path = f"{writer.path}/records?after={writer.end}"
    for size in (2**63, 2**64 - 1):
        batch, _ = batch_of(writer.end, [(writer.end + 8, [13, 1, "a", digest, size])])
        status, _, data = server.ask(path, batch, headers=ZSTD)
        assert (status, json.loads(data)["code"]) == (400, "malformed")
    assert writer.name_blob("a", content, size=2**63 - 1)["wanted"] == 1
    assert files_of(server)["a"]["size"] == 2**63 - 1
    assert writer.name_blob("a", content)["wanted"] == 1
    writer.upload(content)
    assert read(server, "a")[2] == content


def test_a_size_that_is_none_of_the_content_harms_only_who_says_it(server):
    writer, liar, content = Writer(server), Writer(server, "liar"), content_of(1, 1000)
    writer.name_blob("a", content)
    liar.name_blob("a", content, size=10)
    assert liar.put(hash_of(content), 0, content[:11])[0] == 400
    assert liar.put(hash_of(content), 0, content[:10])[0] == 422
    writer.upload(content)
    assert files_of(server, "liar")["a"]["size"] == 1000
    assert read(server, "a", "liar")[2] == content


CONTENT = bytes(range(100))
ETAG = f'"{hash_of(CONTENT)}"'
WHOLE = (200, CONTENT, None)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, WHOLE),
        ({"Range": "bytes=10-19"}, (206, CONTENT[10:20], "bytes 10-19/100")),
        ({"Range": "bytes=0-0"}, (206, CONTENT[:1], "bytes 0-0/100")),
        ({"Range": "bytes=90-"}, (206, CONTENT[90:], "bytes 90-99/100")),
        ({"Range": "bytes=99-1000"}, (206, CONTENT[99:], "bytes 99-99/100")),
        ({"Range": f"bytes=0-{'9' * 5000}"}, (206, CONTENT, "bytes 0-99/100")),
        ({"Range": "bytes=-10"}, (206, CONTENT[90:], "bytes 90-99/100")),
        ({"Range": "bytes=-1000"}, (206, CONTENT, "bytes 0-99/100")),
        ({"Range": "BYTES=1-1"}, (206, CONTENT[1:2], "bytes 1-1/100")),
        ({"Range": "bytes=100-"}, (416, None, "bytes */100")),
        ({"Range": f"bytes={'9' * 5000}-"}, (416, None, "bytes */100")),
        ({"Range": "bytes=-0"}, (416, None, "bytes */100")),
        ({"Range": "bytes=1-2,5-6"}, WHOLE),
        ({"Range": "lines=1-2"}, WHOLE),
        ({"Range": "bytes=-"}, WHOLE),
        ({"Range": "bytes=9-1"}, WHOLE),
        ({"Range": "bytes=a-b"}, WHOLE),
        ({"Range": "bytes=1-2", "If-Range": ETAG}, (206, CONTENT[1:3], "bytes 1-2/100")),
        ({"Range": "bytes=1-2", "If-Range": '"other"'}, WHOLE),
        ({"Range": "bytes=1-2", "If-Range": f"W/{ETAG}"}, WHOLE),
        ({"If-None-Match": ETAG}, (304, b"", None)),
        ({"If-None-Match": f'"other", W/{ETAG}'}, (304, b"", None)),
        ({"If-None-Match": "*"}, (304, b"", None)),
        ({"If-None-Match": ETAG, "Range": "bytes=1-2"}, (304, b"", None)),
        ({"If-None-Match": '"other"'}, WHOLE),
    ],
)
@pytest.mark.parametrize("kind", ["small", "large"])
def test_a_part_of_a_file_can_be_asked_for(stored, kind, *, headers, expected):
    status, answered, data = read(stored, kind, **headers)
    assert (status, answered["Content-Range"]) == (expected[0], expected[2])
    if status == 416:
        assert json.loads(data)["code"] == "range"
        return
    assert data == expected[1]
    assert answered["ETag"] == ETAG
    assert answered["Content-Disposition"] == "attachment"
    if status != 304:
        assert answered["Accept-Ranges"] == "bytes"
        assert answered["Content-Type"] == "application/octet-stream"
        assert answered["X-Content-Type-Options"] == "nosniff"
        assert answered["Content-Length"] == str(len(data))


@pytest.mark.parametrize("kind", ["small", "large"])
def test_the_head_of_a_file_says_what_the_whole_is(stored, kind):
    path = f"/api/v1/projects/local/p/runs/r/files/{kind}"
    for headers in ({}, {"Range": "bytes=1-2"}):
        status, answered, data = stored.ask(path, method="HEAD", headers=headers)
        assert (status, data, answered["Content-Length"]) == (200, b"", "100")
        assert (answered["ETag"], answered["Accept-Ranges"]) == (ETAG, "bytes")
    assert stored.ask(path, method="HEAD", headers={"If-None-Match": ETAG})[0] == 304


@pytest.fixture(scope="module")
def stored(tmp_path_factory, running_server):
    """A server that has a small and a large file of the same content."""
    with running_server(tmp_path_factory.mktemp("stored")) as server:
        writer = Writer(server)
        writer.say([9, "small", CONTENT])
        writer.name_blob("large", CONTENT)
        writer.upload(CONTENT)
        yield server


def test_a_download_holds_little_in_memory(server):
    content = bytes(96 << 20)
    writer = Writer(server)
    writer.name_blob("a", content)
    writer.upload(content)

    def peak():
        status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
        (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) << 10

    before = peak()
    assert read(server, "a")[2] == content
    assert peak() - before < 32 << 20


def test_what_ends_a_download_early_is_no_end(server):
    content = content_of(1, 8 << 20)
    writer = Writer(server)
    writer.name_blob("a", content)
    writer.upload(content)
    (name,) = objects(server)
    os.truncate(server.folder / "data" / "blobs" / name, 3 << 20)
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        read(server, "a")
    with steplog.Api(server.url, server.key) as api:
        file = api.run("p/r").file("a")
        with pytest.raises(steplog.ServerError):
            file.download(server.folder / "copy")
    assert list((server.folder / "copy").iterdir()) == []
    # Who goes away himself is no error of the server.
    address = urllib.parse.urlsplit(server.url)
    with contextlib.closing(http.client.HTTPConnection(address.hostname, address.port)) as gone:
        path = "/api/v1/projects/local/p/runs/r/files/a"
        gone.request("GET", path, headers={"Authorization": f"Bearer {server.key}"})
        gone.getresponse().read(10)
    status, errors = server.stop()
    assert status == 0
    assert "Traceback" not in errors


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_killed_server_keeps_whole_parts_and_serves_nothing_wrong(server):
    chance, part = random.Random(1), 1 << 20
    content = content_of(1, 24 << 20)
    sha256 = hash_of(content)
    writer = Writer(server)
    writer.name_blob("a", content)

    def upload(have):
        """What the server has said that it has, when it is killed."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            while have < len(content):
                status, said = writer.put(sha256, have, content[have : have + part])
                assert status == 200, said
                have = said["have"]
        return have

    seen = [0]
    for _ in range(8):
        with concurrent.futures.ThreadPoolExecutor(1) as thread:
            going = thread.submit(upload, seen[-1])
            # Not to wait for anything: the moment is what is tried.
            time.sleep(chance.uniform(0, 0.06))
            server.kill()
            said = going.result()
        server.start()
        have = writer.wanted()[0]["have"] if writer.count() else len(content)
        # The part that was under way may have come as well.
        assert said <= have <= said + part
        status, _, data = read(server, "a")
        assert status == 404 or data == content
        seen.append(have)
    assert seen == sorted(seen)
    assert len(set(seen)) > 2
    writer.upload(content)
    assert read(server, "a")[2] == content
    until(lambda: len(objects(server)) == 1)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_server_that_is_killed_while_it_puts_a_content_together_does_it_again(server):
    content = content_of(1, 6 * PART)
    sha256 = hash_of(content)
    writer = Writer(server)
    writer.name_blob("a", content)
    for start in range(0, len(content) - PART, PART):
        assert writer.put(sha256, start, content[start : start + PART])[0] == 200
    folder = server.folder / "data" / "blobs" / sha256[:2]
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        last = thread.submit(writer.put, sha256, len(content) - PART, content[-PART:])
        until(lambda: folder.exists() and list(folder.iterdir()))
        server.process.send_signal(signal.SIGKILL)
        (written,) = folder.iterdir()
        server.process.communicate()
        with pytest.raises((OSError, http.client.HTTPException)):
            last.result()
    assert written.name != sha256, "it was done before it was killed"
    server.start()
    # It needs nothing more from its owner, who may ask all the same.
    until(lambda: writer.count() == 0)
    assert read(server, "a")[2] == content
    until(lambda: objects(server) == {f"{sha256[:2]}/{sha256}"})


def test_files_of_before_hashes_were_kept_have_them(server, online):
    with online("r", config={"lr": 0.5}):
        pass
    content = read(server, "config.yaml")[2]
    assert server.stop()[0] == 0
    with metadata(server) as database:
        for change in (
            "DROP INDEX files_by_hash",
            "ALTER TABLE files DROP COLUMN sha256",
            "ALTER TABLE files DROP COLUMN size",
            "DROP TABLE blobs",
            "DROP TABLE loose_blobs",
            "DROP TABLE log_cuts",
            "DROP TABLE artifact_requests",
            "DROP TABLE artifact_uses",
            "DROP TABLE artifact_entries",
            "DROP TABLE artifact_aliases",
            "DROP TABLE artifact_memberships",
            "DROP TABLE artifact_collections",
            "DROP TABLE artifacts",
            "DROP TABLE charts",
            "ALTER TABLE writers DROP COLUMN uploaded",
            "ALTER TABLE writers DROP COLUMN last_logged",
            "ALTER TABLE writers DROP COLUMN closed",
            "UPDATE alembic_version SET version_num = '0011'",
        ):
            database.execute(change)
    server.start()
    status, headers, data = read(server, "config.yaml")
    assert (status, headers["ETag"], data) == (200, f'"{hash_of(content)}"', content)
    for _ in range(2):
        file = files_of(server)["config.yaml"]
        assert (file["sha256"], file["state"]) == (hash_of(content), "stored")
    writer = Writer(server, "later")
    writer.name_blob("a", b"x")
    writer.upload(b"x")
    assert read(server, "a", "later")[2] == b"x"


def test_what_nobody_names_stays_for_the_grace_time_and_not_longer(running_server, tmp_path):
    content, other = content_of(1, 5000), content_of(2, 5000)
    with running_server(tmp_path, "--blob-grace-secs", "3600") as server:
        writer = Writer(server)
        writer.name_blob("a", content)
        writer.upload(content)
        writer.say([9, "a", b"small"])
        # Whoever looks after contents has looked at a later one.
        keeper = Writer(server, "keeper")
        assert keeper.name_blob("b", other)["wanted"] == 1
        assert server.ask(f"/api/v1/blobs/{hash_of(content)}")[0] == 404
        # It is not sent again where a run names it in time.
        assert writer.name_blob("c", content)["wanted"] == 0
        assert read(server, "c")[2] == content
        writer.say([9, "c", b"small"])
        assert server.stop()[0] == 0
        with metadata(server) as database:
            ((due,),) = database.execute("SELECT due FROM loose_blobs").fetchall()
            assert abs(due / 1e9 - time.time()) < 60
            database.execute("UPDATE loose_blobs SET due = due - 3590 * 1000000000")
        server.start()
        keeper.upload(other)
        assert objects(server) == {f"{hash_of(one)[:2]}/{hash_of(one)}" for one in (content, other)}
        assert server.stop()[0] == 0
        with metadata(server) as database:
            database.execute("UPDATE loose_blobs SET due = due - 20 * 1000000000")
        server.start()
        until(lambda: objects(server) == {f"{hash_of(other)[:2]}/{hash_of(other)}"})


def synced_said_by_ls(server, run):
    (entry,) = map(json.loads, server.cli("ls", "--json", run.sync_dir).stdout.splitlines())
    return entry["synced"], entry["synced_in_part"]


def test_what_is_over_a_limit_is_refused_clearly_and_the_rest_goes_on(
    running_server, tmp_path, monkeypatch
):
    with running_server(tmp_path, "--max-blob-mib", "3") as server:
        writer, large = Writer(server), content_of(1, (3 << 20) + 1)
        writer.name_blob("large", large)
        status, said = writer.put(hash_of(large), 0, large[:1000])
        assert (status, said["code"], said["have"]) == (422, "over_limit", 0)
        assert said["detail"] == (
            "the file has 3,145,729 bytes, and this server takes 3,145,728 of a file"
        )
        assert objects(server) == set()
        writer.name_blob("small", large[:-1])
        writer.upload(large[:-1])
        # A run's own upload neither goes on for ever nor keeps its records back.
        monkeypatch.setenv("STEPLOG_CONFIG_DIR", server.environ["STEPLOG_CONFIG_DIR"])
        settings = {"base_url": server.url, "quiet": True}
        (tmp_path / "large.bin").write_bytes(large)
        (tmp_path / "other.bin").write_bytes(content_of(2, 2 << 20))
        with steplog.init(project="p", id="own", dir=str(tmp_path), settings=settings) as run:
            for name in ("large.bin", "other.bin"):
                run.save(str(tmp_path / name), base_path=str(tmp_path))
            run.log({"a": 1})
            run.finish()
            assert run.status()["files_waiting"] == 1
            reason = str(run.status()["files_reason"])
            assert reason.startswith("a file was not taken: ")
            assert "this server takes 3,145,728 of a file" in reason
        assert synced_said_by_ls(server, run) == (False, False)
        synced = server.cli("sync", run.sync_dir)
        assert synced.returncode == 1
        assert "this server takes 3,145,728 of a file" in synced.stdout + synced.stderr
        assert synced_said_by_ls(server, run) == (False, False)
        states = {name: file["state"] for name, file in files_of(server, "own").items()}
        assert (states["large.bin"], states["other.bin"]) == ("wanted", "stored")
        assert [row["a"] for row in server.rows("own")] == [1]
        assert server.stop()[0] == 0
    # What was not taken is still there: with a greater limit it comes.
    with running_server(tmp_path, "--max-blob-mib", "0") as server:
        assert server.cli("sync", run.sync_dir).returncode == 0
        assert read(server, "large.bin", "own")[2] == large
        assert synced_said_by_ls(server, run) == (True, False)


def test_the_files_of_a_run_have_a_limit_together(running_server, tmp_path):
    with running_server(tmp_path, "--max-run-gib", "1") as server:
        writer, content = Writer(server), content_of(1, 5000)
        writer.name_blob("a", content)
        writer.upload(content)
        writer.name_blob("again", content)
        rest = (1 << 30) - 5000
        writer.name_blob("b", b"b", size=rest + 1)
        status, said = writer.put(hash_of(b"b"), 0, b"b")
        assert (status, said["code"]) == (422, "over_limit")
        assert "the files of the run have 1,073,741,825" in said["detail"]
        writer.name_blob("b", b"b", size=rest)
        assert writer.put(hash_of(b"b"), 0, b"b") == (200, {"have": 1})
