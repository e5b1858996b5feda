"""Drafts of artifacts: what goes into them, what they refuse, and what they come to."""

from __future__ import annotations

import hashlib
import http.server
import json
import math
import os
import pathlib
import socket
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import PIL.Image
import pytest

import steplog
from steplog._errors import MissingEntryError
from steplog.artifacts import Manifest, drafts
from steplog.artifacts.cache import Cache, alone
from steplog.artifacts.names import Place


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STEPLOG_ARTIFACT_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path


def draft():
    return steplog.Artifact("m", "model")


def write(name, content: bytes | str):
    path = pathlib.Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


RECORDED = {
    "version": 1,
    "storagePolicy": "wandb-storage-policy-v1",
    "storagePolicyConfig": {"storageLayout": "V2"},
    "contents": {
        "a.txt": {"digest": "sZRqySSS0jR8YjW00mERhA==", "size": 6},
        "d/empty": {"digest": "1B2M2Y8AsgTpgAmY7PhCfg==", "size": 0},
        "d/Zebra.bin": {"digest": "4shl20Fivtljv6qe9qwY8A==", "size": 256},
        "d/e/ünï.txt": {"digest": "wDQQpSBLIc2CKf91RojXQw==", "size": 2},
        "ref": {
            "digest": "https://example.org/key/x.bin",
            "ref": "https://example.org/key/x.bin",
        },
    },
}


@pytest.fixture
def recorded():
    """The files of which W&B 0.31's own digest and manifest were recorded."""
    write("a.txt", "hello\n")
    write("d/Zebra.bin", bytes(range(256)))
    write("d/e/ünï.txt", "ü")
    write("d/empty", "")


@pytest.mark.usefixtures("recorded")
def test_the_digest_and_the_manifest_are_those_of_the_reference():
    artifact = draft()
    artifact.add_file("a.txt")
    artifact.add_dir("d", "d")
    artifact.add_reference("https://example.org/key/x.bin", name="ref", checksum=False)
    assert (artifact.digest, artifact.size) == ("d527a19fec7d720ec218a321bfad16cc", 264)
    said = artifact.manifest.to_json()
    for entry in said["contents"].values():
        sha256 = entry.pop("sha256", None)
        assert ("ref" in entry) == (sha256 is None)
    assert said == RECORDED
    again = Manifest.decode(artifact.manifest.encode())
    assert (again.entries, again.digest()) == (artifact.manifest.entries, artifact.digest)


@pytest.mark.parametrize("name", ["", "a b", "a/b", "a:b", "x" * 129, "ü"])
def test_a_name_is_of_few_characters(name):
    with pytest.raises(ValueError, match="1 to 128 letters"):
        steplog.Artifact(name, "model")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("m", "job"), "W&B's own"),
        (("m", "wandb-history"), "W&B's own"),
        (("m", ""), "type is 1 to 128"),
        (("m", "model", None, {str(n): n for n in range(101)}), "at most 100 keys"),
        (("m", "model", None, {"x": object()}), "metadata cannot be stored"),
        (("m", 3), "type is text"),
        (("m", "model", None, [1]), "metadata is a mapping"),
    ],
)
def test_what_an_artifact_cannot_be_is_refused(arguments, why):
    with pytest.raises(ValueError, match=why):
        steplog.Artifact(*arguments)


def test_metadata_are_copied_as_json_has_them():
    given: dict[str, Any] = {"a": {"b": [1, np.float32(0.5)]}, "nan": float("nan"), "big": 1 << 70}
    artifact = steplog.Artifact("m", "model", metadata=given)
    given["a"]["b"].append(2)
    assert math.isnan(artifact.metadata.pop("nan"))
    assert artifact.metadata == {"a": {"b": [1, 0.5]}, "big": str(1 << 70)}


@pytest.mark.parametrize(
    ("aliases", "why"),
    [(["a/b"], "alias"), (["a:b"], "alias"), (["v3"], "a version"), ([""], "alias"), (3, "texts")],
)
def test_aliases_are_checked_before_anything_is_logged(start, aliases, why):
    write("a.txt", "x")
    with start() as run:
        artifact = draft()
        artifact.add_file("a.txt")
        with pytest.raises(ValueError, match=why):
            run.log_artifact(artifact, aliases=aliases)
        artifact.add_file("a.txt", "still.txt")


def test_what_becomes_of_a_mutable_file_does_not_matter():
    path = write("a.txt", "first")
    artifact = draft()
    entry = artifact.add_file("a.txt")
    path.write_text("later")
    assert pathlib.Path(entry.local_path).read_text() == "first"
    assert (entry.path, entry.size) == ("a.txt", 5)
    write("b.txt", "hello\n")
    assert artifact.add_file("b.txt", "x/b.txt", is_tmp=True).path == "x/b1946ac92492d2347c62.txt"


def test_an_immutable_file_that_changes_is_told_of(start):
    path = write("a.txt", "first")
    artifact = draft()
    artifact.add_file("a.txt", policy="immutable")
    path.write_text("later")
    with start() as run, pytest.raises(steplog.UsageError, match='policy="mutable"'):
        run.log_artifact(artifact)


def test_a_path_has_one_content():
    write("a.txt", "one")
    write("b.txt", "two")
    artifact = draft()
    artifact.add_file("a.txt", "x")
    artifact.add_file("a.txt", "x")
    with pytest.raises(ValueError, match="another content"):
        artifact.add_file("b.txt", "x")
    artifact.add_file("b.txt", "x", overwrite=True)
    assert artifact.size == 3
    with pytest.raises(ValueError, match="a file and a folder"):
        artifact.add_file("b.txt", "x/y")
    artifact.add_file("b.txt", "deep/er/y")
    with pytest.raises(ValueError, match="a file and a folder"):
        artifact.add_file("b.txt", "deep/er")
    artifact.remove("deep")
    artifact.add_file("b.txt", "deep")
    with pytest.raises(KeyError, match="no entry 'nothing'"):
        artifact.remove("nothing")


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "", ".", "a\\b", "a\nb", "x" * 300])
def test_a_path_does_not_lead_out_of_an_artifact(name):
    write("a.txt", "one")
    with pytest.raises(ValueError, match=r"path|name of a file"):
        draft().add_file("a.txt", name)


def test_a_folder_is_added_whole_or_not_at_all(tmp_path):
    for name in ("b/two", "b/c/three", "b/.hidden"):
        write(name, name)
    pathlib.Path("b/link").symlink_to("two")
    pathlib.Path("b/loop").symlink_to(".")
    artifact = draft()
    artifact.add_dir("b", "under")
    assert sorted(artifact.manifest.entries) == [
        *("under/.hidden", "under/c/three", "under/link", "under/two"),
    ]
    assert artifact.get_entry("under/link").digest == artifact.get_entry("under/two").digest
    assert artifact.get_added_local_path_name("b/two") in {"under/two", "under/link"}
    write("b/two", "other")
    with pytest.raises(ValueError, match="merge=True"):
        artifact.add_dir("b", "under")
    artifact.add_dir("b", "under", merge=True)
    assert artifact.get_entry("under/two").size == 5
    write("secret", "x")
    pathlib.Path("b/out").symlink_to(tmp_path / "secret")
    with pytest.raises(ValueError, match="leads out of the folder"):
        artifact.add_dir("b", "again")
    pathlib.Path("b/out").unlink()
    pathlib.Path("b/out").symlink_to("missing")
    with pytest.raises(ValueError, match="leads nowhere"):
        artifact.add_dir("b", "again")
    pathlib.Path("b/out").unlink()
    os.mkfifo("b/pipe")
    with pytest.raises(ValueError, match="files alone"):
        artifact.add_dir("b", "again")
    assert len(artifact.manifest) == 4
    with pytest.raises(ValueError, match="no folder"):
        artifact.add_dir("nothing")


def test_a_file_that_changes_while_it_is_read_is_told_of(monkeypatch):
    path = write("a.txt", "x" * 100)
    real = os.pread

    def growing(opened, count, offset):
        with path.open("a") as file:
            file.write("more")
        return real(opened, min(count, 100), offset) if offset == 0 else b""

    monkeypatch.setattr("os.pread", growing)
    with pytest.raises(ValueError, match="changes while it is read"):
        draft().add_file("a.txt", policy="immutable")


def test_what_is_no_file_is_refused(tmp_path):
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        for name in ("pipe", "socket", "nothing", tmp_path):
            with pytest.raises(ValueError, match=r"this is none|cannot be read"):
                draft().add_file(name)


def test_a_new_file_is_there_when_its_block_ends_well():
    artifact = draft()
    with artifact.new_file("notes.txt") as file:
        file.write("ü")
    with artifact.new_file("raw", "xb") as file:
        file.write(b"\0")
    with pytest.raises(ZeroDivisionError), artifact.new_file("broken") as file:
        1 / 0  # noqa: B018
    assert sorted(artifact.manifest.entries) == ["notes.txt", "raw"]
    assert artifact.get_entry("notes.txt").size == 2
    with pytest.raises(ValueError, match="mode='w'"), artifact.new_file("raw"):
        pass
    with pytest.raises(ValueError, match="mode is"), artifact.new_file("other", "r"):
        pass


def test_objects_have_files_of_their_own():
    artifact = draft()
    table = steplog.Table(columns=["a"], data=[[1]])
    assert artifact.add(table, "eval").path == "eval.table.json"
    assert artifact.add(table, "eval").path == "eval.table.json"
    with pytest.raises(ValueError, match="another content"):
        artifact.add(steplog.Table(columns=["a"], data=[[2]]), "eval")
    entry = artifact.add(steplog.Image(np.zeros((2, 2), "u1")), "black")
    assert entry.path == "black.image-file.json"
    said = json.loads(pathlib.Path(entry.local_path).read_bytes())
    assert said["path"] in artifact.manifest.entries
    for wrong in (3, "text", {"a": 1}):
        with pytest.raises(TypeError):
            artifact.add(wrong, "wrong")


def test_an_artifact_is_a_value_of_nothing_but_a_config_key(start, capfd):
    with start() as run:
        artifact = draft()
        run.log({"a": artifact, "b": 1})
        assert "log_artifact()" in capfd.readouterr().err
        with pytest.raises(ValueError, match="has an artifact inside"):
            run.config["x"] = {"y": artifact}
        assert "x" not in run.config
        run.config["model"] = artifact
        assert run.config["model"]["usedAs"] == "model"
        assert artifact.is_logged


def test_a_disabled_run_takes_all_calls():
    with steplog.init(mode="disabled") as run:
        calls: tuple[Any, ...] = (
            run.log_artifact("nothing"),
            run.use_artifact("nothing"),
            run.link_artifact(draft(), "x"),
            run.upsert_artifact("nothing", distributed_id="x"),
            run.finish_artifact(draft()),
        )
        for made in calls:
            assert made.wait().version.anything() is not None
            made["x"] = 1
            assert (made["x"].anything() is not None, list(made.files())) == (True, [])
        assert (run.link_model("nothing", "x"), run.use_model("nothing")) == (None, None)
    assert run.log_artifact("nothing").wait() is not None  # also when it is over


def test_an_offline_run_knows_what_it_has_logged(start):
    write("a.txt", "x")
    with start() as run:
        artifact = run.log_artifact("a.txt")
        assert (artifact.name, artifact.type) == (f"run-{run.id}-a.txt", "unspecified")
        assert steplog.log_artifact("a.txt", name="other", type="dataset").name == "other"
        for name in ("version", "aliases", "tags", "entity", "qualified_name"):
            with pytest.raises(steplog.ArtifactNotLoggedError):
                getattr(artifact, name)
            assert not hasattr(artifact, name)
        with pytest.raises(steplog.ArtifactNotLoggedError):
            draft().wait()
        with pytest.raises(TypeError, match="takes an Artifact"):
            run.log_artifact(3)
    with pytest.raises(steplog.RunClosedError, match="log_artifact"):
        run.log_artifact("a.txt")


def test_each_content_is_in_the_log_once(start, records_of):
    write("a.txt", "x")
    write("large.bin", bytes(2 << 20))
    with start() as run:
        for name in ("one", "two"):
            artifact = steplog.Artifact(name, "dataset")
            artifact.add_file("a.txt")
            artifact.add_file("a.txt", "again.txt")
            artifact.add_file("large.bin")
            run.log_artifact(artifact)
    named = [record for record in records_of(run.sync_dir) if "artifacts/" in str(record[2:3])]
    assert len(named) == len({record[2] for record in named}) == 3  # with one manifest for both
    (blob,) = pathlib.Path(run.sync_dir, "wal").glob("*/blobs/*")
    assert blob.stat().st_size == 2 << 20


def test_nothing_is_left_of_drafts_where_they_were_staged(start):
    write("a.txt", "x")
    with start() as run:
        artifact = draft()
        staged = pathlib.Path(artifact.add_file("a.txt").local_path)
        assert staged.is_relative_to(run.sync_dir)
        assert staged.exists()
        run.log_artifact(artifact)


def test_without_room_nothing_is_logged_and_it_is_told(start, capfd, monkeypatch):
    def no_room(*_):
        raise OSError(28, "No space left on device")

    write("large.bin", bytes(2 << 20))
    with start() as run:
        artifact = draft()
        artifact.add_file("large.bin")
        monkeypatch.setattr("steplog._blob_folder.BlobFolder.take", no_room)
        run.log_artifact(artifact)
        assert not artifact.is_logged
        assert run.status()["lost"] == 1
    assert "No space left on device" in capfd.readouterr().err
    with start(settings={"storage_errors": "raise"}) as run, pytest.raises(steplog.StorageError):
        run.log_artifact(artifact)


FULL = """
import os, resource, signal, steplog
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # more than that is an error
image = steplog.Image(os.path.abspath("image.png"))
run = steplog.init(project="p", mode="offline", settings={"silent": True, "console": "off"})
resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 20, 2 << 20))
draft = steplog.Artifact("data", "dataset")
calls = [
    lambda: draft.add_file("large.bin"),
    lambda: draft.add_dir("given"),
    lambda: draft.add(image, "image"),
    lambda: run.log_artifact("large.bin"),
]
for call in calls:
    try:
        call()
    except steplog.StorageError as error:
        print("raised", error.errno)
print(draft.file_count, run.status()["lost"])
run.finish()
"""


def test_without_room_a_draft_raises_and_holds_nothing_of_it():
    write("large.bin", bytes(3 << 20))
    write("given/large.bin", bytes(3 << 20))
    pixels = np.random.default_rng(1).integers(0, 256, (1100, 1100, 3), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save("image.png", compress_level=0)
    command = [sys.executable, "-c", FULL]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout.splitlines() == [*["raised 27"] * 4, "0 0"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("m", ("e", "p", "m", "latest")),
        ("m:v3", ("e", "p", "m", "v3")),
        ("q/m:best", ("e", "q", "m", "best")),
        ("o/q/m:best", ("o", "q", "m", "best")),
    ],
)
def test_artifacts_are_named_with_what_is_not_said(text, place):
    assert Place.parse(text, entity="e", project="p") == Place(*place)


@pytest.mark.parametrize("text", ["", ":v3", "m:", "a/b/c/m", "/m", "a//m", "m:a:b"])
def test_what_names_no_artifact_is_refused(text):
    with pytest.raises(ValueError, match=r"an artifact is name|name is 1 to"):
        Place.parse(text, entity="e", project="p")


# ---- references ---------------------------------------------------------------------------------


class Pages(http.server.BaseHTTPRequestHandler):
    contents: dict[str, bytes]
    methods: list[str]

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        self.methods.append(self.command)
        content = self.contents.get(self.path)
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        if content is not None:
            self.send_header("ETag", f'"{content[:4].hex()}"')
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content or b"")


@pytest.fixture
def pages():
    handler = type("Here", (Pages,), {"contents": {"/data.csv": b"a,b"}, "methods": []})
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_address[1]}", handler
    running.shutdown()
    running.server_close()


def test_a_page_is_named_by_its_etag_without_being_read(pages):
    url, handler = pages
    artifact = draft()
    (entry,) = artifact.add_reference(f"{url}/data.csv")
    assert (entry.path, entry.ref, entry.size) == ("data.csv", f"{url}/data.csv", 3)
    assert (entry.digest, entry.extra) == (b"a,b".hex(), {"etag": b"a,b".hex()})
    assert handler.methods == ["HEAD"]
    (unasked,) = artifact.add_reference(f"{url}/nothing", name="x/y", checksum=False)
    assert (unasked.path, unasked.digest) == ("x/y", f"{url}/nothing")
    with pytest.raises(steplog.NotFoundError, match="nothing at"):
        artifact.add_reference(f"{url}/nothing")
    with pytest.raises(steplog.ServerError, match="cannot be reached"):
        artifact.add_reference("http://127.0.0.1:9/x")


def test_a_folder_that_is_referred_to_is_each_of_its_files(tmp_path):
    write("d/x", "x")
    write("d/e/y", "yy")
    artifact = draft()
    entries = artifact.add_reference((tmp_path / "d").as_uri(), name="all")
    assert {entry.path: entry.size for entry in entries} == {"all/x": 1, "all/e/y": 2}
    with pytest.raises(ValueError, match="max_objects"):
        artifact.add_reference((tmp_path / "d").as_uri(), max_objects=1)
    for wrong, why in (
        ("d/x", "begins with file://"),
        ("wandb-artifact://x/y", "begins"),
        (3, "address"),
    ):
        with pytest.raises(ValueError, match=why):
            artifact.add_reference(wrong)
    (entry,) = artifact.add_reference("mydb://host/table?x=1")
    assert (entry.path, entry.digest, entry.size) == ("table", "mydb://host/table?x=1", None)
    with pytest.raises(ValueError, match="no file or folder"):
        artifact.add_reference((tmp_path / "nothing").as_uri())


def test_buckets_without_their_library_say_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "obstore.store", None)
    with pytest.raises(ImportError, match=r"steplog\[references\]"):
        draft().add_reference("s3://bucket/key")


def test_an_entry_that_is_missing_is_a_key_error_and_says_which():
    with pytest.raises(MissingEntryError) as caught:
        draft().get_entry("x")
    assert str(caught.value) == "the artifact m has no entry 'x'"


def test_objects_are_put_in_by_their_names():
    artifact = draft()
    artifact["eval"] = steplog.Table(["a"], [[1]])
    assert list(artifact.manifest.entries) == ["eval.table.json"]
    assert (artifact.base_id, artifact.distributed_id) == (None, None)


DRAFTING = """
import multiprocessing, os, signal, sys, time, steplog
run = steplog.init(project="p", mode="offline", settings={"quiet": True})

def work(n):
    artifact = steplog.Artifact("m", "model")
    artifact.add_file("data")
    open(f"worker{n}", "x").close()
    time.sleep(600)

artifact = steplog.Artifact("m", "model")
artifact.add_file("data")
pool = multiprocessing.get_context("fork").Pool(2)
pool.map_async(work, range(2), chunksize=1)
while not (os.path.exists("worker0") and os.path.exists("worker1")):
    time.sleep(0.02)
print(run.sync_dir, flush=True)
sys.stdin.readline()
pool.terminate()
pool.join()
print("terminated", flush=True)
sys.stdin.readline()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_drafts_of_killed_processes_go_with_the_next_one(folder, start):
    write("data", b"x" * 1000)
    with subprocess.Popen(
        [sys.executable, "-c", DRAFTING],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        run_dir = pathlib.Path(child.stdout.readline().strip())

        def drafted():
            return len([one for one in (run_dir / "staging").rglob("*") if one.name == "0"])

        assert drafted() == 3
        assert drafts.remove_left(run_dir) == 0  # all of them live
        assert drafted() == 3
        child.stdin.write("\n")
        child.stdin.flush()
        assert child.stdout.readline() == "terminated\n"
        assert drafts.remove_left(run_dir) == 2000
        assert drafted() == 1
        child.stdin.write("\n")
        child.stdin.flush()
    assert child.returncode == -9
    assert drafted() == 1
    with start():
        draft().add_file("data")
    assert not (run_dir / "staging").exists()


# ---- the cache ----------------------------------------------------------------------------------


def test_the_cache_loses_first_what_was_not_used_for_the_longest_time(tmp_path):
    cache = Cache(tmp_path / "cache", 100)
    hashes = []
    for number in range(4):
        content = bytes([number]) * 10
        hashes.append(hashlib.sha256(content).hexdigest())
        cache.keep(content, hashes[-1])
        os.utime(cache.path(hashes[-1]), (number, number))
    assert cache.copy_to(hashes[0], tmp_path / "copy")  # used just now
    assert cache.trim(25) == (20, 20)
    assert [cache.path(one).exists() for one in hashes] == [True, False, False, True]
    assert not cache.copy_to(hashes[1], tmp_path / "copy")


def test_a_cleanup_takes_what_was_given_up_and_leaves_what_is_in_use(tmp_path):
    cache = Cache(tmp_path, 100)
    for name in ("given up", "in use"):
        cache.part(name).write_bytes(b"part")
    mine = drafts.begin(tmp_path)
    write(mine / "0", "mine")
    gone = tmp_path / "staging" / "1-x"
    write(gone / "0", "12345")
    gone.with_name("1-x.lock").touch()  # nobody holds it
    with alone(cache.part("in use")) as own:
        assert own == cache.part("in use")
        with alone(own) as other:
            assert other != own
        assert cache.clean(0) == (4 + 5, 0)
        assert not cache.part("given up").exists()
        assert own.exists()
    assert (gone.exists(), mine.exists()) == (False, True)
    drafts.end(mine, os.getpid())
    assert not (tmp_path / "staging").exists()
