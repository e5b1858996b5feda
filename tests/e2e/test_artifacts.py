"""Artifacts: logged, sent, used, downloaded and changed, against a real server."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import pathlib
import random
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import anyio.to_thread
import numpy as np
import pytest
from tests.e2e.test_blobs import until

import steplog

MIB = 1 << 20
OVER_2_MIB = "the file has 2,097,153 bytes, and this server takes 2,097,152 of a file"
pytestmark = pytest.mark.timeout(120)


def content(seed, size):
    return random.Random(seed).randbytes(size)


def tree(folder):
    base = pathlib.Path(folder)
    return {
        path.relative_to(base).as_posix(): path.read_bytes()
        for path in base.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A folder with files, beside which is the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STEPLOG_ARTIFACT_CACHE_DIR", str(tmp_path / "cache"))
    made = {
        "weights.bin": content(1, 3 * MIB + 7),
        "config/model.json": b"{}",
        "config/deep/empty": b"",
        "ünïcode name.txt": b"x" * 1000,
    }
    for name, data in made.items():
        path = tmp_path / "given" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return made


def draft(name="model", **arguments):
    artifact = steplog.Artifact(name, "model", **arguments)
    artifact.add_dir("given")
    return artifact


def test_what_is_logged_is_downloaded_as_it_was(online, api, files, *, tmp_path):
    with online("r") as run:
        artifact = draft(description="the first", metadata={"epochs": 3, "lr": 0.1})
        digest = artifact.digest
        assert run.log_artifact(artifact, aliases=["best"], tags=["small"]) is artifact
        with pytest.raises(steplog.ArtifactFinalizedError, match="new_draft"):
            artifact.add_file("given/weights.bin", "again")
        with pytest.raises(steplog.ArtifactNotLoggedError, match="wait"):
            _ = artifact.version
        assert artifact.wait(60).version == "v0"
        assert sorted(artifact.aliases) == ["best", "latest"]
    found = api.artifact("model:best")
    assert (found.digest, found.size, found.file_count) == (digest, 3 * MIB + 1009, 4)
    assert (found.qualified_name, found.name, found.type) == (
        "local/p/model:v0",
        "model:v0",
        "model",
    )
    assert (found.metadata, found.description) == ({"epochs": 3, "lr": 0.1}, "the first")
    assert (found.tags, found.state) == (["small"], "COMMITTED")
    assert found.created_at.startswith("20")
    folder = found.download()
    assert folder == "artifacts/model:v0"
    assert tree(folder) == files
    found.verify()
    # The cache has it all now: nothing is asked of the server, and what is right stays.
    kept = pathlib.Path(folder, "weights.bin").stat().st_ino
    pathlib.Path(folder, "config/model.json").write_bytes(b"broken")
    with pytest.raises(steplog.UsageError, match="another content"):
        found.verify()
    found.download()
    assert tree(folder) == files
    assert pathlib.Path(folder, "weights.bin").stat().st_ino == kept
    elsewhere = found.download(tmp_path / "copy", path_prefix="config/")
    assert sorted(tree(elsewhere)) == ["config/deep/empty", "config/model.json"]
    assert (
        pathlib.Path(found.get_entry("weights.bin").download("one")).read_bytes()
        == files["weights.bin"]
    )
    assert [entry.path for entry in found.files()] == sorted(files)
    with pytest.raises(KeyError, match="no entry 'nothing'"):
        found.get_entry("nothing")


@pytest.mark.usefixtures("files")
def test_the_same_content_is_the_same_version_and_is_sent_once(online, api):
    with online("a") as run:
        run.log_artifact(draft()).wait(60)
        run.finish()
        sent = run.status()["file_bytes_sent"]
        assert sent == 3 * MIB + 7
    with online("b") as run:
        again = run.log_artifact(draft(), aliases=["second"]).wait(60)
        assert again.version == "v0"
        other = draft()
        other.add_file("given/config/model.json", "more.json")
        assert run.log_artifact(other).wait(60).version == "v1"
        run.finish()
        assert run.status()["file_bytes_sent"] == 0
    assert sorted(api.artifact("model:v0").aliases) == ["second"]
    assert [one.version for one in api.artifacts("model", "model", per_page=1)] == ["v1", "v0"]
    assert not list(api.artifacts(None, "model", tags=["other"]))
    (logged,) = api.run("p/a").logged_artifacts()
    assert logged.qualified_name == "local/p/model:v0"
    assert [one.version for one in api.run("p/b").logged_artifacts()] in (
        ["v0", "v1"],
        ["v1", "v0"],
    )


def test_lineage_says_who_logged_and_used(online, api, files):
    with online("made") as run:
        made = run.log_artifact(draft()).wait(60)
    with online("uses", config={"model": made}) as run:
        used = run.use_artifact("model:latest", type="model", use_as="input")
        assert tree(used.download("there")) == files
        with pytest.raises(steplog.UsageError, match="of type 'model', not 'dataset'"):
            run.use_artifact("model:latest", type="dataset")
        with pytest.raises(steplog.NotFoundError):
            run.use_artifact("model:v7")
        assert run.config["model"]["id"] == made.id
        again = run.log_artifact(used, aliases=["again"])
        assert (again.version, again.aliases) == ("v0", ["latest"])  # as it was, until it waits
        assert (again.wait(60).version, sorted(again.aliases)) == ("v0", ["again", "latest"])
    found = api.artifact("local/p/model:v0", type="model")
    assert found.logged_by().id == "made"
    assert [one.id for one in found.used_by()] == ["uses"]
    assert [one.qualified_name for one in api.run("p/uses").used_artifacts()] == [
        "local/p/model:v0"
    ]


def test_an_offline_run_is_synced_with_its_artifacts(server, api, files):
    with steplog.init(project="p", id="off", mode="offline") as run:
        artifact = run.log_artifact(draft(), aliases=["offline"])
        run.use_artifact(artifact)
        run.link_artifact(artifact, "chosen", ["prod"])
        with pytest.raises(steplog.ArtifactNotLoggedError, match="steplog sync"):
            artifact.wait(1)
        with pytest.raises(TypeError, match="offline"):
            run.use_artifact("model:latest")
        with pytest.raises(TypeError, match="offline"):
            run.use_model("model:latest")
    (folder,) = pathlib.Path("given").parent.glob("given")
    for path in sorted(folder.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    assert server.cli("sync", run.sync_dir).returncode == 0
    assert tree(api.artifact("model:offline").download()) == files
    assert [one.id for one in api.artifact("model:v0").used_by()] == ["off"]
    linked = api.artifact("chosen:prod")
    assert (linked.is_link, linked.source_qualified_name) == (True, "local/p/model:v0")
    # Sent again, nothing is there twice.
    assert server.cli("sync", run.sync_dir).returncode == 0
    assert [one.version for one in api.artifacts("model", "model")] == ["v0"]


KILLED = """
import os, signal, sys, steplog
run = steplog.init(project="p", id="killed", mode=sys.argv[1])
artifact = steplog.Artifact("model", "model")
artifact.add_dir("given")
for path in ("given/weights.bin", "given/config/model.json"):
    open(path, "wb").close()
run.log_artifact(artifact)
print(run.sync_dir, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("mode", ["online", "offline"])
def test_a_killed_program_loses_nothing_of_an_artifact(server, api, files, *, tmp_path, mode):
    with server.python(tmp_path, KILLED, mode) as child:
        folder = child.stdout.readline().strip()
        assert child.wait() == -9
    assert server.cli("sync", folder).returncode == 0
    assert tree(api.artifact("model:latest").download()) == files


class Cutting:
    """Passes requests on, and cuts answers with large contents after so many bytes each."""

    def __init__(self, server, cuts):
        self.ranges: list[str | None] = []
        outer, cuts = self, list(cuts)

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                asked = self.headers.get("Range")
                status, headers, body = server.ask(
                    self.path, headers={} if asked is None else {"Range": asked}
                )
                self.send_response(status)
                for name in ("Content-Type", "ETag", "Content-Range", "Steplog-Server"):
                    if name in headers:
                        self.send_header(name, headers[name])
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if len(body) >= MIB:
                    outer.ranges.append(asked)
                    body = body[: cuts.pop(0) if cuts else None]
                self.wfile.write(body)

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


@pytest.fixture
def cutting(server):
    made = []

    def start(*cuts):
        made.append(Cutting(server, cuts))
        return made[-1]

    yield start
    for one in made:
        one.http.shutdown()
        one.http.server_close()


@pytest.mark.parametrize("skip_cache", [False, True])
def test_a_broken_connection_is_gone_on_with(server, online, files, *, cutting, skip_cache):
    with online("r") as run:
        run.log_artifact(draft()).wait(60)
    relay = cutting(MIB, MIB)
    with steplog.Api(relay.url, server.key) as broken:
        folder = broken.artifact("p/model:latest").download(skip_cache=skip_cache)
    assert tree(folder) == files
    assert relay.ranges == [None, f"bytes={MIB}-", f"bytes={2 * MIB}-"]


@pytest.mark.parametrize("skip_cache", [False, True])
def test_a_download_that_failed_goes_on_where_it_was(
    server, online, files, *, cutting, monkeypatch, skip_cache
):
    with online("r") as run:
        run.log_artifact(draft()).wait(60)
    monkeypatch.setattr("steplog.artifacts.fetching._PAUSES_SECS", (0.0,))
    relay = cutting(MIB, 0, 0)
    with steplog.Api(relay.url, server.key) as broken:
        artifact = broken.artifact("p/model:latest")
        with pytest.raises(steplog.ServerError, match="cannot be reached"):
            artifact.download(skip_cache=skip_cache)
        assert "weights.bin" not in tree("artifacts/model:v0")
        folder = artifact.download(skip_cache=skip_cache)
    assert tree(folder) == files
    assert relay.ranges == [None, *[f"bytes={MIB}-"] * 3]


@pytest.mark.usefixtures("files")
def test_objects_come_back_as_they_were(online, api):
    pixels = np.arange(48, dtype="u1").reshape(4, 4, 3)
    table = steplog.Table(
        columns=["n", "what", "picture"],
        data=[
            [1, "a", steplog.Image(pixels, caption="one")],
            [2, None, steplog.Image(pixels[::-1])],
        ],
    )
    artifact = steplog.Artifact("objects", "dataset")
    artifact.add(table, "eval")
    artifact.add(steplog.Image(pixels, caption="alone"), "alone")
    artifact.add(steplog.Histogram([1, 2, 3], num_bins=4), "counted")
    artifact.add(steplog.Html("<b>hello</b>", inject=False), "page")
    with online("r") as run:
        run.log_artifact(artifact).wait(60)
    found = api.artifact("objects:latest")
    read = found.get("eval")
    assert isinstance(read, steplog.Table)
    assert (read.columns, [row[:2] for row in read.data]) == (
        ["n", "what", "picture"],
        [[1, "a"], [2, None]],
    )
    assert read.data[0][2].caption == "one"
    for row, wanted in zip(read.data, (pixels, pixels[::-1]), strict=True):
        assert (np.asarray(row[2].image) == wanted).all()
    alone = found.get("alone")
    assert (alone.caption, np.asarray(alone.image).tolist()) == ("alone", pixels.tolist())
    assert sum(found.get("counted").histogram) == 3
    assert found.get("page").html == "<b>hello</b>"
    assert found.get("nothing") is None


@pytest.mark.usefixtures("files")
def test_a_version_is_changed_and_deleted(online, api):
    with online("r") as run:
        first = run.log_artifact(draft(), aliases=["keep"]).wait(60)
    found = api.artifact("model:latest")
    found.description = "better"
    found.metadata["acc"] = 0.9
    found.aliases.append("prod")
    found.tags = ["x"]
    found.save()
    again = api.artifact("model:prod")
    assert (again.description, again.metadata, again.tags) == ("better", {"acc": 0.9}, ["x"])
    assert sorted(again.aliases) == ["keep", "latest", "prod"]
    linked = again.link("chosen", ["prod"])
    assert api.artifact("chosen:prod").is_link
    linked.unlink()
    assert not api.artifact_exists("chosen:prod")
    with pytest.raises(steplog.ServerError, match="alias"):
        again.delete()
    again.delete(delete_aliases=True)
    assert not api.artifact_exists("model:v0")
    assert first.version == "v0"


def test_a_draft_of_the_next_version_sends_only_what_is_new(online, api, files):
    with online("a") as run:
        run.log_artifact(draft()).wait(60)
    with online("b") as run:
        changed = run.use_artifact("model:latest").new_draft()
        changed.remove("config")
        with changed.new_file("notes.txt") as file:
            file.write("new")
        assert run.log_artifact(changed).wait(60).version == "v1"
        run.finish()
        assert run.status()["file_bytes_sent"] == 0
    assert tree(api.artifact("model:v1").download()) == {
        "weights.bin": files["weights.bin"],
        "ünïcode name.txt": files["ünïcode name.txt"],
        "notes.txt": b"new",
    }


@pytest.mark.usefixtures("files")
def test_parts_of_several_runs_become_one_version(online, api):
    for number in range(3):
        with online(f"part{number}", group="g") as run:
            part = steplog.Artifact("joined", "dataset")
            with part.new_file(f"{number}.txt") as file:
                file.write(str(number))
            (run.finish_artifact if number == 2 else run.upsert_artifact)(part)
            if number == 2:
                part.wait(60)
    assert tree(api.artifact("joined:v0").download()) == {
        f"{number}.txt": str(number).encode() for number in range(3)
    }
    with online("more") as run:
        more = steplog.Artifact("joined", "dataset", incremental=True)
        with more.new_file("more.txt") as file:
            file.write("more")
        assert run.log_artifact(more).wait(60).version == "v1"
        assert len(more.manifest) == 4
        with pytest.raises(TypeError, match="distributed_id"):
            run.upsert_artifact(more)


def test_models_are_logged_used_and_linked(online, api, files):
    with online("r") as run:
        assert run.log_model("given/weights.bin", name="net", aliases=["best"]) is None
        linked = run.link_model("given/config", "registered", name="net-config", aliases=["prod"])
        linked.wait(60)
    until(lambda: api.artifact_exists("net:best"))  # it is committed soon after it has come
    with online("u") as run:
        path = run.use_model("net:best")
        assert pathlib.Path(path).read_bytes() == files["weights.bin"]
        steplog.Artifact("data", "dataset")
    assert api.artifact("model-registry/registered:prod").source_name == "net-config:v0"
    assert [one.name for one in api.artifact_types()] == ["model"]
    assert [one.name for one in api.artifact_collections("p", "model")] == ["net", "net-config"]
    collection = api.artifact_type("model").collection("net")
    assert api.artifact("net:v0").collection == collection
    assert [one.name for one in collection.artifacts()] == ["net:v0"]
    assert collection.change(description="nets").description == "nets"
    assert api.artifact_collection_exists("net", "model")
    assert not api.artifact_collection_exists("net", "dataset")


def test_asyncio_has_the_same(server, online, files, *, monkeypatch):
    monkeypatch.setenv("STEPLOG_PROJECT", "p")

    async def work():
        async with online("r") as run:
            logged = await run.alog_artifact(await anyio.to_thread.run_sync(draft))
            await logged.await_committed(60)
            used = await run.ause_artifact("model:latest")
            assert used.version == "v0"
        async with steplog.AsyncApi(server.url) as api:
            found = await api.artifact("model:latest", type="model")
            folder = await found.download("async")
            await found.verify("async")
            changed = await found.change(description="better")
            assert changed.version.description == "better"
            assert [one.version.version async for one in api.artifacts("model", "model")] == ["v0"]
            (collection,) = await api.artifact_collections("p")
            assert collection.name == "model"
            assert await api.artifact_types() == ["model"]
            assert await api.artifact_collection_exists("model", "model")
            assert not await api.artifact_exists("model:v7")
            run = await api.run("p/r")
            assert [one.qualified_name for one in await run.used_artifacts()] == [
                "local/p/model:v0"
            ]
            assert len(await run.logged_artifacts()) == 1
            return folder

    assert tree(anyio.run(work)) == files


def test_the_command_line_puts_gets_and_lists(server, files, tmp_path):
    server.environ["STEPLOG_ARTIFACT_CACHE_DIR"] = str(tmp_path / "cache")
    put = server.cli("artifact", "put", "given", "-n", "p/data", "-t", "dataset", "-a", "best")
    assert (put.returncode, put.stdout) == (0, "local/p/data:v0\n"), put.stderr
    got = server.cli("artifact", "get", "p/data:best", "--root", "there")
    assert (got.returncode, got.stdout) == (0, "there\n"), got.stderr
    assert tree("there") == files
    listed = server.cli("artifact", "ls", "p", "--json")
    (entry,) = map(json.loads, listed.stdout.splitlines())
    assert (entry["type"], entry["name"], entry["latest"]) == ("dataset", "data", "v0")
    assert (entry["versions"], entry["bytes"]) == (1, sum(map(len, files.values())))
    assert "data" in server.cli("artifact", "ls", "p").stdout
    assert any((tmp_path / "cache" / "contents").rglob("*"))
    cleaned = server.cli("artifact", "cache", "cleanup", "0B")
    assert (cleaned.returncode, cleaned.stderr.endswith(" 0 bytes are left\n")) == (0, True)
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    for wrong in (
        ("get", "p/nothing"),
        ("put", "nothing", "-n", "p/x"),
        ("put", "given", "-n", "a b"),
    ):
        assert server.cli("artifact", *wrong).returncode == 1
    assert server.cli("artifact", "cache", "cleanup", "much").returncode == 2


def test_references_are_fetched_and_checked(online, api, tmp_path, *, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "page.txt").write_bytes(b"first")
    (tmp_path / "local.txt").write_bytes(b"local")

    class Pages(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(tmp_path / "site"))

        def log_message(self, *_):
            pass

        def end_headers(self):
            path = tmp_path / "site" / self.path.lstrip("/")
            if path.exists():
                self.send_header("ETag", f'"{hashlib.sha256(path.read_bytes()).hexdigest()}"')
            super().end_headers()

    pages = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    threading.Thread(target=pages.serve_forever, daemon=True).start()
    try:
        artifact = steplog.Artifact("refs", "dataset")
        artifact.add_reference(f"http://127.0.0.1:{pages.server_address[1]}/page.txt")
        artifact.add_reference((tmp_path / "local.txt").as_uri())
        with online("r") as run:
            run.log_artifact(artifact).wait(60)
            run.finish()
            assert run.status()["file_bytes_sent"] == 0
        found = api.artifact("refs:v0")
        assert tree(found.download()) == {"page.txt": b"first", "local.txt": b"local"}
        assert found.get_entry("page.txt").ref_target().endswith("/page.txt")
        (tmp_path / "site" / "page.txt").write_bytes(b"later")
        with pytest.raises(steplog.ServerError, match="something else than when it was added"):
            found.download("again")
        (tmp_path / "site" / "page.txt").unlink()
        with pytest.raises(steplog.NotFoundError, match="nothing at the reference"):
            found.download("again")
        folder = found.download("again", allow_missing_references=True)
        assert tree(folder) == {"local.txt": b"local"}
    finally:
        pages.shutdown()
        pages.server_close()


class Hostile:
    """A server that has one artifact, and says what it likes of it."""

    def __init__(self, entry="good", name="m"):
        body = b"hostile"
        sha256 = hashlib.sha256(body).hexdigest()
        md5 = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        contents = {entry: {"digest": md5, "size": len(body), "sha256": sha256}}
        manifest = json.dumps({"contents": contents}).encode()
        version = {
            "id": "a" * 32,
            "entity": "local",
            "project": "p",
            "name": name,
            "type": "t",
            "version": "v0",
            "created": 1.0,
            "state": "committed",
            "size": 7,
            "count": 1,
            "manifest": hashlib.sha256(manifest).hexdigest(),
        }
        answers = {sha256: body, version["manifest"]: manifest}

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                asked = self.path.rpartition("/")[2]
                answer = answers.get(asked, json.dumps(version).encode())
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.send_header("Steplog-Server", "hostile")
                self.end_headers()
                self.wfile.write(answer)

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()


@pytest.mark.parametrize("name", ["../out", "/out", "a/../../out", "link/out", "a\\..\\out"])
def test_a_hostile_server_writes_nothing_outside_of_the_folder(tmp_path, *, monkeypatch, name):
    monkeypatch.setenv("STEPLOG_ARTIFACT_CACHE_DIR", str(tmp_path / "cache"))
    root = tmp_path / "deep" / "root"
    root.mkdir(parents=True)
    (root / "link").symlink_to(tmp_path)
    with (
        Hostile(entry=name) as hostile,
        steplog.Api(hostile.url, "k" * 40) as api,
        pytest.raises(steplog.ServerError, match=r"name of a file is none|outside of"),
    ):
        api.artifact("p/m:v0").download(root)
    assert not [path for path in tmp_path.rglob("*out*") if path.is_file()]


@pytest.mark.parametrize("name", ["../out", "/out", "a/b", "a\n"])
def test_a_hostile_server_does_not_choose_the_folder(tmp_path, *, monkeypatch, name):
    monkeypatch.setenv("STEPLOG_ARTIFACT_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with Hostile(name=name) as hostile, steplog.Api(hostile.url, "k" * 40) as api:
        with pytest.raises(steplog.ServerError, match="name of an artifact is none"):
            api.artifact("p/m:v0").download()
        assert tree(api.artifact("p/m:v0").download("given")) == {"good": b"hostile"}
    assert {path.name for path in tmp_path.iterdir()} == {"here", "cache"}
    assert [path.name for path in pathlib.Path().iterdir()] == ["given"]


def test_the_examples_of_the_document_run(server, api, tmp_path, *, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STEPLOG_ARTIFACT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("STEPLOG_BASE_URL", server.url)
    text = (pathlib.Path(__file__).parents[2] / "docs" / "artifacts.md").read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    for block in blocks:
        exec(block, names)  # noqa: S102
    assert len(blocks) == 5
    errors = api.artifact("digits/evals:latest").get("errors")
    assert [row[1] for _, row in errors.table2.iterrows()] == ["cat", "cow"]
    assert names["losses"]["loss"].tolist() == [0.7, 0.4]
    assert tree(names["folder"])["notes.txt"] == b"the first that converges"
    assert sorted(api.artifact("digits/weights:v0").aliases) == ["best", "latest", "production"]


@pytest.mark.usefixtures("files")
def test_waiting_ends_when_the_artifact_cannot_come(server, online):
    run = online("r", settings={"finish_timeout_secs": 1.0, "silent": True})
    server.kill()
    artifact = run.log_artifact(draft())
    with pytest.raises(steplog.WaitTimeoutError, match=r"after 0\.2 s"):
        artifact.wait(0.2)
    run.finish()
    with pytest.raises(steplog.ServerError, match="steplog sync sends it"):
        artifact.wait()
    server.start()
    assert server.cli("sync", run.sync_dir).returncode == 0
    assert artifact.wait(60).version == "v0"


def test_waiting_ends_when_a_file_is_over_a_limit_of_the_server(
    running_server, tmp_path, monkeypatch
):
    with running_server(tmp_path, "--max-blob-mib", "2") as server:
        monkeypatch.setenv("STEPLOG_CONFIG_DIR", server.environ["STEPLOG_CONFIG_DIR"])
        settings = {"base_url": server.url, "silent": True}
        with steplog.init(project="p", dir=str(tmp_path), id="r", settings=settings) as run:
            small, large = (steplog.Artifact(name, "dataset") for name in ("small", "large"))
            for artifact, size in ((small, 2 * MIB), (large, 2 * MIB + 1)):
                with artifact.new_file("a.bin", "wb") as file:
                    file.write(content(size, size))
            run.log_artifact(large)
            with pytest.raises(steplog.ServerError, match=OVER_2_MIB):
                large.wait()
            # What the server does take is not kept back, and waits for nothing.
            assert run.log_artifact(small).wait().version == "v0"
            # A limit of time that is over first says the same.
            with pytest.raises(steplog.SteplogError, match=OVER_2_MIB):
                run.log_artifact(large).wait(0.001)
        with pytest.raises(steplog.ServerError, match=OVER_2_MIB):
            large.wait()
        assert server.stop()[0] == 0
    with running_server(tmp_path, "--max-blob-mib", "0") as server:
        assert server.cli("sync", run.sync_dir).returncode == 0
        with steplog.Api(server.url) as api:
            found = api.artifact("p/large:latest").download(tmp_path / "got")
    assert tree(found) == {"a.bin": content(2 * MIB + 1, 2 * MIB + 1)}


def test_what_the_server_refuses_is_said(online, api, files):
    with online("r") as run:
        run.log_artifact("given/config", name="model", type="model").wait(60)
        with pytest.raises(steplog.ServerError, match=r"has refused the artifact model: .*type"):
            run.log_artifact("given/weights.bin", name="model", type="dataset").wait(60)
        run.log({"still": 1})
    assert [one.type for one in api.run("p/r").logged_artifacts()] == ["model"]
    assert set(tree(api.artifact("model:latest").download())) == {"model.json", "deep/empty"}
    assert files


FORKED = """
import os, steplog
run = steplog.init(project="p", id="forked")
parent = steplog.Artifact("parent", "dataset")
with parent.new_file("who") as file:
    file.write("parent")
run.log_artifact(parent)
if os.fork() == 0:
    child = steplog.Artifact("child", "dataset")
    with child.new_file("who") as file:
        file.write("child")
    run.log_artifact(child).wait(60)
    run.log_artifact(parent).wait(60)
    run.finish()
    os._exit(0)
os.wait()
parent.wait(60)
run.finish()
"""


@pytest.mark.usefixtures("files")
def test_a_forked_child_logs_artifacts_of_its_own(server, api, tmp_path):
    with server.python(tmp_path, FORKED) as process:
        assert process.wait() == 0
    for name in ("parent", "child"):
        found = api.artifact(f"{name}:latest")
        assert (found.version, tree(found.download())) == ("v0", {"who": name.encode()})


def test_a_server_killed_on_the_way_has_the_artifact_in_the_end(server, online, api, *, files):
    with online("r") as run:
        artifact = run.log_artifact(draft())
        server.kill()
        again = steplog.Artifact("other", "model")
        again.add_dir("given")
        run.log_artifact(again)
        server.start()
        assert (artifact.wait(60).version, again.wait(60).version) == ("v0", "v0")
    for name in ("model", "other"):
        assert tree(api.artifact(f"{name}:latest").download()) == files


def test_a_damaged_cache_is_noticed_and_bounded(online, api, files, *, tmp_path, monkeypatch):
    with online("r") as run:
        run.log_artifact(draft()).wait(60)
    found = api.artifact("model:latest")
    assert tree(found.download("one")) == files
    for path in (tmp_path / "cache" / "contents").glob("*/*"):
        path.write_bytes(b"x" * path.stat().st_size)
    assert tree(found.download("two")) == files
    assert tree(found.download("three")) == files
    monkeypatch.setenv("STEPLOG_ARTIFACT_CACHE_BYTES", str(2 * MIB))
    monkeypatch.setenv("STEPLOG_ARTIFACT_CACHE_DIR", str(tmp_path / "small"))
    with steplog.Api(api._portal.reader.connection.base_url) as other:
        assert tree(other.artifact("model:latest").download("four")) == files
    kept = [path.stat().st_size for path in (tmp_path / "small" / "contents").glob("*/*")]
    assert sorted(kept) == [0, 2, 1000]
    monkeypatch.setenv("STEPLOG_ARTIFACT_CACHE_BYTES", "0")
    monkeypatch.setenv("STEPLOG_ARTIFACT_CACHE_DIR", str(tmp_path / "none"))
    with steplog.Api(api._portal.reader.connection.base_url) as other:
        assert tree(other.artifact("model:latest").download("five")) == files
    assert not (tmp_path / "none").exists()


def test_several_downloads_at_once_do_not_disturb_each_other(online, api, files):
    with online("r") as run:
        run.log_artifact(draft()).wait(60)
    found = api.artifact("model:latest")
    with ThreadPoolExecutor(6) as pool:
        # Three into one folder, three into folders of their own, all by one cache.
        folders = ["same"] * 3 + ["a", "b", "c"]
        done = list(pool.map(found.download, folders))
    assert done == folders
    for folder in {*folders}:
        assert tree(folder) == files


def test_without_room_for_the_cache_a_download_goes_on(online, api, files, *, tmp_path):
    with online("r") as run:
        run.log_artifact(draft()).wait(60)
    (tmp_path / "cache").write_bytes(b"no folder")
    assert tree(api.artifact("model:latest").download()) == files
