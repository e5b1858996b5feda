"""Artifacts as scripts have them: written with W&B in mind, killed, and with files that change."""

from __future__ import annotations

import math
import pathlib
import random
import subprocess
import sys

import anyio
import msgpack  # type: ignore[import-untyped]  # it has no stubs
import pytest
from tests.e2e.test_artifacts import tree

import steplog

MIB = 1 << 20
pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def api(server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, value in (
        ("STEPLOG_ARTIFACT_CACHE_DIR", str(tmp_path / "cache")),
        ("STEPLOG_CONFIG_DIR", server.environ["STEPLOG_CONFIG_DIR"]),
        ("STEPLOG_PROJECT", "p"),
        ("STEPLOG_BASE_URL", server.url),
    ):
        monkeypatch.setenv(name, value)
        server.environ[name] = value
    with steplog.Api(server.url) as api:
        yield api


@pytest.fixture
def big(tmp_path):
    content = random.Random(1).randbytes(3 * MIB + 7)
    (tmp_path / "big").write_bytes(content)
    return content


def draft(**arguments):
    artifact = steplog.Artifact("m", "model", **arguments)
    artifact.add_file("big", "d/big", policy="mutable")
    return artifact


KILLED = """
import os, signal, sys, steplog
from steplog.artifacts import cache, fetching

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def append(self, piece, whole=fetching._Part.append):
    whole(self, piece)
    die()

def copy_to(self, sha256, target, whole=cache.Cache.copy_to):
    whole(self, sha256, target)
    die()

if sys.argv[1] == "loading":
    fetching._Part.append = append
else:
    cache.Cache.copy_to = copy_to
with steplog.Api() as api:
    api.artifact("p/m:v0").download(skip_cache=sys.argv[1] == "loading")
"""


@pytest.mark.parametrize(
    ("when", "skip_cache"), [("loading", True), ("loading", False), ("copying", False)]
)
def test_a_killed_download_leaves_nothing_that_stays(
    server, online, api, *, big, tmp_path, when, skip_cache
):
    with online("r") as run:
        run.log_artifact(draft()).wait(60)
    found = api.artifact("m:v0")
    if when == "copying":
        found.download("elsewhere")  # the cache has it
    with server.python(tmp_path, KILLED, when) as child:
        assert child.wait() == -9
    left = list(pathlib.Path("artifacts/m:v0/d").iterdir())
    assert len(left) == 1
    assert left[0].name.startswith(".steplog-")
    with pytest.raises(ValueError, match="missing"):
        found.verify()
    folder = found.download(skip_cache=skip_cache)
    assert tree(folder) == {"d/big": big}
    found.verify()
    # Also of a killed program that has its part where the file is right.
    pathlib.Path(folder, "d", left[0].name).write_bytes(b"part")
    found.verify()
    found.download()
    assert tree(folder) == {"d/big": big}


@pytest.mark.usefixtures("big")
def test_a_part_that_a_live_process_writes_stays(online, api):
    from steplog.artifacts import parts  # noqa: PLC0415  # it is of no other test

    with online("r") as run:
        run.log_artifact(draft()).wait(60)
    found = api.artifact("m:v0")
    folder = pathlib.Path(found.download())
    with parts.beside(folder / "d" / "big") as mine:
        found.download()
        assert mine.exists()
        found.verify()
    assert not mine.exists()


def test_a_cache_that_is_a_file_is_gone_round(online, api, big, *, tmp_path, capfd):
    with online("r") as run:
        run.log_artifact(draft()).wait(60)
    (tmp_path / "cache").write_bytes(b"")
    found = api.artifact("m:v0")
    assert tree(found.download()) == {"d/big": big}
    assert tree(found.download("other")) == {"d/big": big}
    said = capfd.readouterr().err
    assert said.count("the cache of artifacts is left out") == 1
    assert str(tmp_path / "cache") in said


DRAFTING = """
import os, signal, steplog
run = steplog.init(project="p", id="drafts", settings={"quiet": True})
artifact = steplog.Artifact("m", "model")
artifact.add_file("big")
run.log_artifact(artifact)
other = steplog.Artifact("never", "model")
other.add_file("big")
print(run.sync_dir, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_sync_removes_the_drafts_of_a_killed_process(server, api, big, *, tmp_path):
    with server.python(tmp_path, DRAFTING) as child:
        folder = pathlib.Path(child.stdout.readline().strip())
        assert child.wait() == -9
    assert list((folder / "staging").rglob("0"))
    done = server.cli("sync", str(folder))
    assert done.returncode == 0, done.stderr
    assert not (folder / "staging").exists()
    assert tree(api.artifact("m:v0").download()) == {"big": big}


@pytest.mark.usefixtures("big")
def test_save_logs_what_is_not_logged(server, online, api):
    with online("r"):
        artifact = draft()
        artifact.save()
        artifact.wait(60)
    assert api.artifact("m:v0").logged_by().id == "r"
    alone = steplog.Artifact("alone", "dataset")
    alone["eval"] = steplog.Table(["a", "b"], [[1, "x"]])
    alone.save(settings={"quiet": True})
    assert alone.wait(60).qualified_name == "local/p/alone:v0"
    assert (alone["eval"].data, alone["nothing"]) == ([[1, "x"]], None)
    run = alone.logged_by()
    assert run is not None
    assert (run.id == "r", alone.url) == (False, f"{server.url}/p/local/p/artifacts/alone/v0")
    alone.description = "now it is a change"
    alone.save()
    assert api.artifact("alone:v0").description == "now it is a change"


@pytest.mark.usefixtures("big")
def test_what_is_linked_names_its_source(online, api):
    with online("r", group="g") as run:
        made = run.log_artifact(draft()).wait(60)
        linked = made.link("chosen")
        part = run.finish_artifact(steplog.Artifact("part", "dataset"))
        assert part.distributed_id == "g"
    assert linked.source_artifact.qualified_name == "local/p/m:v0"
    assert (linked.source_collection.name, linked.collection.name) == ("m", "chosen")
    assert made.source_artifact is made
    assert made.new_draft().base_id == made.id
    assert api.artifact("chosen:v0").url.endswith("/p/local/p/artifacts/chosen/v0")


@pytest.mark.usefixtures("big")
def test_a_collection_is_changed_and_saved(online, api):
    with online("r") as run:
        run.log_artifact(draft()).wait(60)
    collection = api.artifact_collection("model", "m")
    collection.save()  # nothing has changed
    collection.name, collection.description = "renamed", "a text"
    collection.tags.append("good")
    collection.save()
    assert [one.version for one in collection.artifacts()] == ["v0"]
    found = api.artifact_collection("model", "renamed")
    assert (found.description, found.tags) == ("a text", ["good"])
    found.name = "a b"
    with pytest.raises(ValueError, match="1 to 128 letters"):
        found.save()
    assert not api.artifact_collection_exists("m")


@pytest.mark.usefixtures("big")
def test_a_version_that_was_read_stays_what_it_was_when_it_is_logged(online, api):
    with online("r") as run:
        run.log_artifact(draft()).wait(60)
    found = api.artifact("m:v0")
    with online("again") as run:
        run.log_artifact(found)
        assert (found.version, found.used_by(), found.state) == ("v0", [], "COMMITTED")
        run.use_artifact(found)
        found.wait(60)
    assert [one.id for one in found.used_by()] == ["again"]


def test_metadata_come_back_as_the_floats_that_they_were(online, api):
    given = {"loss": math.nan, "deep": [{"x": [math.inf, -math.inf, "NaN", 1.5]}]}

    def check(found):
        assert math.isnan(found["loss"])
        assert found["deep"] == given["deep"]

    with online("r") as run:
        made = run.log_artifact(steplog.Artifact("m", "model", metadata=given)).wait(60)
        check(made.metadata)
    found = api.artifact("m:v0")
    check(found.metadata)
    found.metadata["more"] = {"y": [math.nan]}
    found.save()
    again = api.artifact("m:v0").metadata
    check(again)
    assert math.isnan(again["more"]["y"][0])
    (listed,) = api.artifacts("model", "m")
    (logged,) = api.run("p/r").logged_artifacts()
    check(listed.metadata)
    check(logged.metadata)

    async def work():
        async with steplog.AsyncApi() as reader:
            one = await reader.artifact("m:v0")
            check(one.version.metadata)
            check((await one.change(metadata=given)).version.metadata)

    anyio.run(work)


def test_a_change_that_is_no_plain_msgpack_is_refused(server, online, api):
    with online("r") as run:
        run.log_artifact(steplog.Artifact("m", "model", metadata={"x": 1})).wait(60)
    for body in (
        b"\xc1",
        b"",
        msgpack.packb([1]),
        msgpack.packb({"metadata": msgpack.ExtType(5, b"x")}),
        msgpack.packb({"metadata": {"x": b"bytes"}}),
        msgpack.packb({1: 2}),
        b"\x81\xa8metadata" + b"\x91" * 5_000 + b"\x01",
    ):
        status, _, said = server.ask(
            "/api/v1/projects/local/p/artifacts/m/v0",
            body,
            method="PATCH",
            headers={"Content-Type": "application/msgpack"},
        )
        assert status == 400, (body[:20], said)
    assert api.artifact("m:v0").metadata == {"x": 1}


def test_a_reference_that_nobody_can_fetch_is_kept(online, api):
    artifact = steplog.Artifact("m", "dataset")
    artifact.add_reference("mydb://host/table")
    with artifact.new_file("a.txt") as file:
        file.write("a")
    with online("r") as run:
        run.log_artifact(artifact).wait(60)
    found = api.artifact("m:v0")
    assert found.get_entry("table").ref_target() == "mydb://host/table"
    with pytest.raises(steplog.ServerError, match=r"no kind that can be fetched: table: mydb://"):
        found.download()
    folder = found.download(allow_missing_references=True)
    assert tree(folder) == {"a.txt": b"a"}
    found.verify()


CHANGED = """
import os, signal, sys, steplog
os.kill(SERVER, signal.SIGSTOP)
run = steplog.init(project="p", id="changed")
artifact = steplog.Artifact("m", "model")
artifact.add_file("big", policy="immutable")
run.log_artifact(artifact)
with open("big", "r+b") as file:
    file.write(b"changed")
os.kill(SERVER, signal.SIGCONT)
try:
    artifact.wait(60)
except steplog.ServerError as error:
    print(error, file=sys.stderr)
run.finish()
"""


@pytest.mark.usefixtures("api", "big")
def test_an_immutable_file_that_has_has_changed_is_said(server, tmp_path):
    code = CHANGED.replace("SERVER", str(server.process.pid))
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=server.environ,
        check=True,
    )
    why = f"{tmp_path / 'big'} is not as it was recorded: it has changed since"
    waited, *_, closing = done.stderr.strip().splitlines()[1:]
    assert waited == f"the artifact m does not come to the server: {why}", done.stderr
    assert f"1 file: {why}" in closing
    assert "steplog sync" not in closing


TOUCHED = """
import os, signal, steplog
os.kill(SERVER, signal.SIGSTOP)
run = steplog.init(project="p", id="touched")
artifact = steplog.Artifact("m", "model")
artifact.add_file("big", policy="immutable")
run.log_artifact(artifact)
os.utime("big", (1, 1))
with open("new", "wb") as file:
    file.write(b"another one")
os.replace("new", "big")
os.kill(SERVER, signal.SIGCONT)
artifact.wait(60)
run.finish()
"""


def test_an_immutable_file_that_is_touched_or_replaced_comes_all_the_same(
    server, api, big, *, tmp_path
):
    with server.python(tmp_path, TOUCHED.replace("SERVER", str(server.process.pid))) as child:
        assert child.wait() == 0
    assert tree(api.artifact("m:v0").download()) == {"big": big}


@pytest.mark.usefixtures("api", "big")
def test_the_command_line_says_what_is_wrong(server):
    put = server.cli("artifact", "put", "big", "-n", "bad:name")
    assert (put.returncode, "aliases are given by --alias" in put.stderr) == (2, True)
    listed = server.cli("artifact", "ls", "NOPROJECT")
    assert (listed.returncode, listed.stdout) == (1, "")
    assert "there is no project local/NOPROJECT" in listed.stderr
    assert server.cli("artifact", "put", "big", "-n", "p/m").returncode == 0
    empty = server.cli("artifact", "ls", "p", "-t", "other")
    assert (empty.returncode, len(empty.stdout.splitlines())) == (0, 1)
