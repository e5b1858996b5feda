"""Files of a run into a folder, from a server that need not be trusted."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgpack  # type: ignore[import-untyped]  # it has no stubs
import pytest

import steplog

CONTENT = bytes(range(256)) * 9000
NAMES = ("entity", "project", "id", "name", "state")
RUN: dict[str, object] = {**dict.fromkeys(NAMES, "r"), "config": {}, "summary": {}}


def sha256_of(content):
    return hashlib.sha256(content).hexdigest()


@contextlib.contextmanager
def stand_in(name="a/b.bin", content=CONTENT, *, size=None, etag=None, busy=0):
    """A server of one file that says what it is told to; gives the file."""
    left = [busy]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path.endswith("/files"):
                facts = {"name": name, "size": len(content), "logged": 1.0, "label": ""}
                facts |= {"writer": "w", "sha256": sha256_of(content), "state": "stored"}
                self.answer(json.dumps({"files": [facts]}).encode())
            elif "/files/" not in self.path:
                self.answer(msgpack.packb(RUN))
            elif left[0]:
                left[0] -= 1
                self.send_response(503)
                self.send_header("Retry-After", "0")
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                self.answer(content, size, etag)

        def answer(self, data, size=None, etag=None):
            self.send_response(200)
            self.send_header("Content-Length", str(size or len(data)))
            if etag is not None:
                self.send_header("ETag", f'"{etag}"')
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with steplog.Api(f"http://127.0.0.1:{server.server_port}", "k" * 40) as api:
            (file,) = api.run("r/r").files()
            yield file
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def all_in(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def test_a_file_is_there_whole_under_its_name(tmp_path):
    with stand_in(etag=sha256_of(CONTENT), busy=2) as file:
        assert file.download(tmp_path) == tmp_path / "a" / "b.bin"
        assert (tmp_path / "a" / "b.bin").read_bytes() == CONTENT
        assert all_in(tmp_path) == {"a/b.bin"}
        with pytest.raises(FileExistsError):
            file.download(tmp_path)
        (tmp_path / "a" / "b.bin").write_text("mine")
        assert file.download(tmp_path, replace=True).read_bytes() == CONTENT


@pytest.mark.parametrize(
    "fault",
    [
        {"size": len(CONTENT) + 1},
        {"etag": sha256_of(b"another")},
        {"busy": 99},
    ],
    ids=["ends early", "is something else", "busy"],
)
def test_what_is_not_whole_leaves_what_was_there(tmp_path, fault):
    (tmp_path / "a").mkdir()
    with stand_in(**fault) as file:
        with pytest.raises(steplog.ServerError):
            file.download(tmp_path)
        assert all_in(tmp_path) == set()
        (tmp_path / "a" / "b.bin").write_text("mine")
        with pytest.raises(steplog.ServerError):
            file.download(tmp_path, replace=True)
    assert all_in(tmp_path) == {"a/b.bin"}
    assert (tmp_path / "a" / "b.bin").read_text() == "mine"


def test_a_content_without_an_etag_is_checked_by_what_the_list_said(tmp_path):
    with stand_in() as file:
        assert file.download(tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize(
    "name", ["../out", "a/../../out", "/out", "a//out", "", ".", "a/.", "a\\..\\out", "a\0b"]
)
def test_a_name_that_is_none_is_refused(tmp_path, name):
    with (
        stand_in(name) as file,
        pytest.raises(steplog.ServerError, match="name of a file is none"),
    ):
        file.download(tmp_path / "in")
    assert all_in(tmp_path) == set()


def test_a_link_leads_nobody_out_of_the_folder(tmp_path):
    root, outside = tmp_path / "in", tmp_path / "out"
    for folder in (root / "inside", outside):
        folder.mkdir(parents=True)
    (outside / "b.bin").write_text("theirs")
    (root / "a").symlink_to(outside)
    with stand_in() as file:
        with pytest.raises(steplog.ServerError, match="a link leads there"):
            file.download(root, replace=True)
        (root / "a").unlink()
        (root / "a").symlink_to("inside")
        assert file.download(root).read_bytes() == CONTENT
        # A link in the place of the file is replaced, not followed.
        (root / "a" / "b.bin").unlink()
        (root / "a" / "b.bin").symlink_to(outside / "b.bin")
        with pytest.raises(FileExistsError):
            file.download(root)
        file.download(root, replace=True)
    assert all_in(outside) == {"b.bin"}
    assert (outside / "b.bin").read_text() == "theirs"
    assert (root / "inside" / "b.bin").read_bytes() == CONTENT
    assert not (root / "inside" / "b.bin").is_symlink()


def test_a_folder_that_is_a_link_itself_is_what_was_asked_for(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "root").symlink_to("real")
    with stand_in() as file:
        file.download(tmp_path / "root")
    assert all_in(tmp_path / "real") == {"a/b.bin"}
