"""Contents in a bucket: the same as in the data folder, against a server that speaks S3."""

from __future__ import annotations

import contextlib
import io
import pathlib
import random
import shutil
import socket
import subprocess

import numpy as np
import obstore
import PIL.Image
import pytest
from obstore.store import S3Store
from tests.e2e.artifact_logs import Log, delete, settled, swept
from tests.e2e.test_blobs import Writer, files_of, hash_of, read, until

import steplog
from steplog import UsageError
from steplog.server.store.blob_place import place_of

FAKE = "github.com/johannesboyne/gofakes3/cmd/gofakes3@v1.2.0"
KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}
PART = 6 << 20
pytestmark = pytest.mark.timeout(120)


def found_fake():
    where = shutil.which("gofakes3"), pathlib.Path.home() / "go" / "bin" / "gofakes3"
    return next((str(path) for path in where if path and pathlib.Path(path).exists()), None)


@contextlib.contextmanager
def speaking_s3():
    """A server that speaks S3, and keeps what it has in memory: its address, and its process."""
    if found_fake() is None:
        if shutil.which("go") is None:
            pytest.skip("no Go, which builds the server that speaks S3: get it at https://go.dev")
        subprocess.run(["go", "install", FAKE], check=True, timeout=110)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{free.getsockname()[1]}"
    command = [str(found_fake()), "-host", host, "-backend", "memory", "-initialbucket", "kept"]
    fake = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: answers(host))
        yield f"http://{host}", fake
    finally:
        fake.kill()
        fake.wait()


@pytest.fixture(scope="module")
def endpoint():
    with speaking_s3() as (url, _):
        yield url


def answers(host):
    name, port = host.split(":")
    with contextlib.suppress(OSError), socket.create_connection((name, int(port))):
        return True
    return False


class Bucket:
    """A place in the bucket, and what lies there."""

    def __init__(self, endpoint, prefix):
        self.url = f"s3://kept/{prefix}"
        self.environ = {**KEYS, "AWS_ENDPOINT_URL": endpoint}
        self.store = S3Store(
            "kept",
            prefix=prefix,
            endpoint=endpoint,
            access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
            region=KEYS["AWS_REGION"],
            client_options={"allow_http": True},
        )

    def names(self):
        return {one["path"] for some in obstore.list(self.store) for one in some} - {
            "steplog-server"
        }


@pytest.fixture
def bucket(endpoint, request):
    return Bucket(endpoint, request.node.name)


@pytest.fixture
def server(running_server, tmp_path, bucket):
    options = ("--blobs", bucket.url, "--blob-grace-secs", "0")
    with running_server(tmp_path, *options, environ=bucket.environ) as running:
        yield running


def path_of(content):
    return f"{hash_of(content)[:2]}/{hash_of(content)}"


def test_a_content_comes_by_parts_is_read_by_ranges_and_goes(server, bucket):
    content = random.Random(1).randbytes(20_000_000)  # more than one part of S3's own
    writer = Writer(server)
    writer.name_blob("a", content)
    writer.name_blob("empty", b"")
    writer.upload(b"")
    writer.upload(content, part=PART)
    assert bucket.names() == {path_of(content), path_of(b"")}
    assert list((server.folder / "data" / "blobs").iterdir()) == []
    assert read(server, "a")[2] == content
    assert read(server, "empty")[2] == b""
    status, _, part = read(server, "a", Range="bytes=9999990-10000009")
    assert (status, part) == (206, content[9_999_990:10_000_010])
    assert server.ask(f"/api/v1/blobs/{hash_of(content)}")[2] == content
    assert server.ask("/api/v1/projects/local/p/runs/r", method="DELETE")[0] == 204
    until(lambda: bucket.names() == set())


def test_a_killed_server_goes_on_with_what_has_come(server, bucket):
    content = random.Random(2).randbytes(20_000_000)
    writer = Writer(server)
    writer.name_blob("a", content)
    have = 0
    while have + PART < len(content):
        assert writer.put(hash_of(content), have, content[have : have + PART])[0] == 200
        have += PART
        server.kill()
        server.start()
        assert writer.wanted()[0]["have"] == have
    # The last part is there, and then the server dies while it puts the whole together, or before.
    obstore.put(bucket.store, f"incoming/{hash_of(content)}/{have}", content[have:])
    server.kill()
    server.start()
    until(lambda: files_of(server)["a"]["state"] == "stored")
    until(lambda: bucket.names() == {path_of(content)})
    assert read(server, "a")[2] == content


def test_a_content_of_another_hash_leaves_nothing(server, bucket):
    content = random.Random(3).randbytes(18_000_000)
    writer = Writer(server)
    writer.name_blob("a", content)
    assert writer.put(hash_of(content), 0, content[:12_000_000])[0] == 200
    status, said = writer.put(hash_of(content), 12_000_000, bytes(6_000_000))
    assert (status, said["code"]) == (422, "wrong_content")
    assert bucket.names() == set()


def test_a_picture_in_the_bucket_has_thumbnails(server):
    array = np.random.default_rng(1).integers(0, 256, (800, 900, 3), dtype=np.uint8)
    PIL.Image.fromarray(array).save(written := io.BytesIO(), "PNG")
    writer = Writer(server)
    writer.name_blob("a", written.getvalue())
    writer.upload(written.getvalue())
    status, headers, body = server.ask(f"/api/v1/blobs/{hash_of(written.getvalue())}?w=64")
    assert (status, headers["Content-Type"]) == (200, "image/webp")
    assert PIL.Image.open(io.BytesIO(body)).size == (64, 57)


def refusal(running_server, folder, *options, environ):
    """What a server that does not start says."""
    with (
        pytest.raises(AssertionError) as error,
        running_server(folder, *options, environ=environ),
    ):
        pass
    return str(error.value)


def test_contents_stay_where_they_are_and_have_one_server(bucket, running_server, tmp_path):
    with running_server(tmp_path, "--blobs", bucket.url, environ=bucket.environ):
        pass
    said = refusal(running_server, tmp_path, environ=bucket.environ)
    assert f"keeps its contents in {bucket.url}, not in the folder itself" in said
    assert f"say --blobs {bucket.url}" in said
    other = ("--blobs", f"{bucket.url}-other")
    assert "keeps its contents in" in refusal(
        running_server, tmp_path, *other, environ=bucket.environ
    )
    second = tmp_path / "second"
    second.mkdir()
    said = refusal(running_server, second, "--blobs", bucket.url, environ=bucket.environ)
    assert "of another server" in said
    with running_server(tmp_path, "--blobs", f"{bucket.url}/", environ=bucket.environ):
        pass


def test_a_folder_that_keeps_its_contents_itself_goes_on_doing_so(bucket, running_server, tmp_path):
    with running_server(tmp_path) as server:
        assert server.stop()[0] == 0
        # As it was before there was a choice.
        (server.folder / "data" / "blobs_in").unlink()
    said = refusal(running_server, tmp_path, "--blobs", bucket.url, environ=bucket.environ)
    assert f"in the folder itself, not in {bucket.url}: leave --blobs out" in said
    with running_server(tmp_path):
        pass


def test_a_bucket_that_cannot_be_reached_is_said_in_one_line(running_server, tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        environ = {**KEYS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{closed.getsockname()[1]}"}
        said = refusal(running_server, tmp_path, "--blobs", "s3://kept", environ=environ)
    assert said.startswith("steplog: ")
    assert "the blob store failed" in said
    assert len(said.strip().splitlines()) == 1


def test_while_the_bucket_is_down_each_request_has_one_line(running_server, tmp_path):
    content = random.Random(3).randbytes(3_000_000)
    with speaking_s3() as (url, fake):
        bucket = Bucket(url, "down")
        options = ("--blobs", bucket.url)
        with running_server(tmp_path, *options, environ=bucket.environ) as server:
            writer = Writer(server)
            writer.name_blob("there", content)
            writer.upload(content)
            writer.name_blob("late", content[::-1])
            fake.kill()
            fake.wait()
            status, said = writer.put(hash_of(content[::-1]), 0, content[::-1])
            assert (status, said["code"]) == (503, "busy")
            assert server.ask(f"/api/v1/blobs/{hash_of(content)}?w=64")[0] == 503
            status, errors = server.stop()
    assert status == 0
    assert "Traceback" not in errors
    lines = errors.splitlines()
    assert all("the blob store failed" in line for line in lines), errors
    for path in (f"/writers/w/blobs/{hash_of(content[::-1])}", f"/blobs/{hash_of(content)}"):
        assert sum(path in line for line in lines) == 1


def test_an_address_is_a_bucket_and_a_prefix():
    assert place_of("s3://kept/") == "s3://kept"
    assert place_of("s3://kept/a/b.c/") == "s3://kept/a/b.c"
    for url in (
        "kept",
        "s3://",
        "s3://A",
        "gs://kept",
        "s3://kept/../x",
        "s3://kept//x",
        "s3://k?a=b",
    ):
        with pytest.raises(UsageError, match="s3://BUCKET"):
            place_of(url)


def test_references_into_a_bucket_are_found_fetched_and_checked(
    running_server, tmp_path, bucket, *, monkeypatch
):
    for name, value in bucket.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    objects = {"data/a.bin": b"a" * 1000, "data/deep/b.bin": b"bb", "data2/c": b"c"}
    for name, content in objects.items():
        bucket.store.put(name, content)
    artifact = steplog.Artifact("refs", "dataset")
    entries = artifact.add_reference(f"{bucket.url}/data", name="all")
    assert {entry.path: entry.size for entry in entries} == {"all/a.bin": 1000, "all/deep/b.bin": 2}
    (single,) = artifact.add_reference(f"{bucket.url}/data2/c")
    assert (single.path, single.ref) == ("c", f"{bucket.url}/data2/c")
    assert single.digest == single.extra["etag"] != single.ref
    with pytest.raises(steplog.NotFoundError):
        artifact.add_reference(f"{bucket.url}/nothing")
    with pytest.raises(UsageError, match="max_objects"):
        artifact.add_reference(f"{bucket.url}/data", max_objects=1)
    with running_server(tmp_path) as server:
        monkeypatch.setenv("STEPLOG_CONFIG_DIR", server.environ["STEPLOG_CONFIG_DIR"])
        settings = {"base_url": server.url, "quiet": True}
        with steplog.init(project="p", dir=str(tmp_path), settings=settings) as run:
            run.log_artifact(artifact).wait(60)
        with steplog.Api(server.url) as api:
            found = api.artifact("p/refs:v0")
            folder = pathlib.Path(found.download("there"))
            assert (folder / "all" / "a.bin").read_bytes() == objects["data/a.bin"]
            assert (folder / "c").read_bytes() == b"c"
            bucket.store.put("data2/c", b"changed")
            with pytest.raises(steplog.ServerError, match="something else"):
                found.download("again")
            bucket.store.delete("data2/c")
            with pytest.raises(steplog.NotFoundError):
                found.download("again")


def test_what_a_deleted_artifact_held_goes_from_the_bucket(server, bucket):
    log, large = Log(server), b"l" * 200_000
    key = log.log("data", {"large": large}, late=[large])
    log.upload(large)
    assert settled(server, key)["version"] == "v0"
    assert bucket.names() == {path_of(large)}
    delete(server, "/data/v0")
    log.finish()
    assert swept(server) == set()
    until(lambda: bucket.names() == set())
    assert server.ask(f"/api/v1/blobs/{hash_of(large)}")[0] == 404
