"""Contents of artifacts go when no artifact and no log needs them any more, and never before."""

from __future__ import annotations

import contextlib
import sqlite3
import time

import pytest
from tests.e2e.artifact_logs import (
    Log,
    by_id,
    delete,
    delete_run,
    hash_of,
    hashes,
    manifest_of,
    metadata,
    settled,
    swept,
)

from steplog.server.store.blob_records import UNSENT_NANOS

LARGE, SMALL = b"l" * 200_000, b"small"
MANIFEST = manifest_of({"large": LARGE, "small": SMALL})
ALL = hashes(LARGE, SMALL, MANIFEST)


@pytest.fixture
def server(running_server, tmp_path):
    """A server that removes at once what nobody needs."""
    with running_server(tmp_path, "--blob-grace-secs", "0") as running:
        yield running


def log_both(log):
    key = log.log("data", {"large": LARGE, "small": SMALL}, late=[LARGE])
    log.upload(LARGE)
    return key


def answered(server, content):
    return server.ask(f"/api/v1/blobs/{hash_of(content)}")[0]


def stored(server, content):
    path = server.folder / "data" / "blobs" / hash_of(content)[:2] / hash_of(content)
    return path.exists()


def wanted(server, run="r"):
    path = f"/projects/local/p/runs/{run}/writers/w"
    return server.get(path)["wanted"]


def crash(server):
    """Let the writers be dead, and not heard of for longer than their contents are kept."""
    with metadata(server) as database:
        database.execute(
            "UPDATE writers SET state = 'crashed', seen = seen - ?, uploaded = 0", [UNSENT_NANOS]
        )


def test_what_a_deleted_artifact_held_goes_once_its_writer_has_ended(server):
    log = Log(server)
    settled(server, log_both(log))
    assert stored(server, LARGE)
    delete(server, "/data/v0")
    # Its writer has sent them once, and may name them again.
    assert swept(server) == ALL
    again = log.log("data", {"large": LARGE, "small": SMALL}, late=[LARGE])
    assert settled(server, again)["version"] == "v1"
    delete(server, "/data/v1")
    log.finish()
    assert swept(server) == set()
    assert [answered(server, one) for one in (LARGE, SMALL, MANIFEST)] == [404] * 3
    assert not stored(server, LARGE)
    # Nothing of it is asked for again, but when it is logged again.
    assert wanted(server) == 0
    log = Log(server, "r2")
    key = log.log("data", {"large": LARGE, "small": SMALL}, late=[LARGE])
    assert (wanted(server), wanted(server, "r2")) == (1, 1)
    log.upload(LARGE)
    assert settled(server, key)["version"] == "v2"
    log.finish()
    assert swept(server) == ALL


def test_what_another_artifact_or_a_file_of_a_run_names_stays(server):
    log, other = Log(server), Log(server, "r2")
    settled(server, log_both(log))
    settled(server, other.log("more", {"small": SMALL}))
    other.say([9, "notes.txt", MANIFEST], [13, "own.bin", bytes.fromhex(hash_of(LARGE)), 200_000])
    log.finish()
    other.finish()
    delete(server, "/data/v0")
    more = manifest_of({"small": SMALL})
    assert swept(server) == hashes(LARGE, SMALL, more)
    assert answered(server, LARGE) == answered(server, SMALL) == answered(server, MANIFEST) == 200
    delete_run(server, "r2", "?artifacts=1")
    assert swept(server) == set()


def test_what_a_log_holds_for_artifacts_that_never_came_goes_when_it_ends(server):
    log = Log(server)
    digest = bytes.fromhex(hash_of(LARGE))
    log.say([9, f".artifacts/{hash_of(SMALL)}", SMALL])
    log.say([13, f".artifacts/{hash_of(LARGE)}", digest, len(LARGE)])
    log.upload(LARGE)
    assert swept(server) == hashes(LARGE, SMALL)
    log.finish()
    assert swept(server) == set()
    assert wanted(server) == 0


def test_contents_of_a_pending_one_stay_when_its_writer_has_ended(server):
    log = Log(server)
    other = b"o" * 300_000
    contents = {"large": LARGE, "other": other, "small": SMALL}
    manifest = manifest_of(contents)
    key = log.log("data", contents, late=[LARGE, other, manifest])
    log.upload(LARGE)
    log.finish()
    # Its manifest is not there yet: nobody knows what it names.
    assert swept(server) == hashes(LARGE, SMALL)
    log.upload(manifest)
    while hash_of(other) not in by_id(server, key)["reason"]:
        time.sleep(0.01)
    assert swept(server) == hashes(LARGE, SMALL, manifest)
    assert wanted(server) == 1
    log.upload(other)
    assert settled(server, key)["version"] == "v0"
    delete(server, "/data/v0")
    assert swept(server) == set()


def test_a_content_that_comes_after_its_artifact_failed_goes(server):
    log = Log(server)
    key = log.log("data", {"large": LARGE}, late=[LARGE], digest="0" * 32)
    assert settled(server, key)["state"] == "failed"
    log.upload(LARGE)
    log.finish()
    assert swept(server) == set()


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_rest_of_a_dead_writers_log_names_what_was_removed(server):
    log = Log(server)
    settled(server, log_both(log))
    delete(server, "/data/v0")
    crash(server)
    assert swept(server) == set()
    # The server asks for all of it anew, and small contents come with it.
    assert server.get("/projects/local/p/runs/r/writers/w")["acknowledged"] == 0
    log.end = 0
    key = log.log("data", {"large": LARGE, "small": SMALL}, late=[LARGE])
    assert wanted(server) == 1
    log.upload(LARGE)
    assert settled(server, key)["version"] == "v1"
    log.finish()
    assert swept(server) == ALL


def test_a_writer_that_is_open_is_told_to_send_all_of_its_log_anew(server):
    log = Log(server)
    settled(server, log_both(log))
    delete(server, "/data/v0")
    path = server.folder / "data" / "meta.db"
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "UPDATE writers SET state = 'crashed', seen = seen - ?, uploaded = 0", [UNSENT_NANOS]
        )
    while swept(server):
        time.sleep(0.1)
    with pytest.raises(AssertionError, match='"expected":0'):
        log.say([9, "notes.txt", b"x"])
    log.end = 0
    key = log.log("data", {"large": LARGE, "small": SMALL}, late=[LARGE])
    log.upload(LARGE)
    assert settled(server, key)["version"] == "v1"
    assert wanted(server) == 0
