"""Small files of a run: through its log to the server, and back."""

from __future__ import annotations

import asyncio
import pathlib
import subprocess
import sys

import pytest

import steplog


def test_the_files_of_a_run_come_to_the_server(server, online, tmp_path):
    with online("r", config={"lr": 0.5}) as run:
        run.log({"a": 1})
        run.config["seed"] = 7
    folder = pathlib.Path(run.sync_dir) / "files"
    with steplog.Api(server.url, server.key) as api:
        files = {file.name: file for file in api.run("p/r").files()}
        assert set(files) == {"config.yaml", "summary.json"}
        for name, file in files.items():
            content = (folder / name).read_bytes()
            assert (file.read(), file.size) == (content, len(content))
            path = file.download(tmp_path / "copy")
            assert path.read_bytes() == content
            with pytest.raises(FileExistsError):
                file.download(tmp_path / "copy")
            assert file.download(tmp_path / "copy", replace=True) == path


KILLED = """
import os, signal, sys, steplog
run = steplog.init(project="p", id="r", mode="offline", dir=sys.argv[1], config={"lr": 0.5})
run.log({"a": 1})
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_run_has_the_config_that_it_began_with(server, tmp_path):
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert server.cli("sync", str(tmp_path)).returncode == 0
    with steplog.Api(server.url, server.key) as api:
        (file,) = api.run("p/r").files()
        assert (file.name, file.read()) == ("config.yaml", b"lr:\n    value: 0.5\n")


def test_each_process_has_files_of_its_own(server, online):
    for label in ("a", "b"):
        with online("r", config={"label": label}, settings={"label": label}):
            pass

    async def read():
        async with steplog.AsyncApi(server.url, server.key) as api:
            run = await api.run("p/r")
            named = [file.name for file in await run.files()]
            files = await run.files(all_writers=True)
            configs = [file for file in files if file.name == "config.yaml"]
            return named, [(file.label, await file.read()) for file in configs]

    assert asyncio.run(read()) == (
        ["config.yaml", "summary.json"],
        [("b", b'label:\n    value: "b"\n'), ("a", b'label:\n    value: "a"\n')],
    )
    with steplog.Api(server.url, server.key) as api:
        run = api.run("p/r")
        newest = {file.name: file.label for file in run.files()}
        assert newest == {"config.yaml": "b", "summary.json": "b"}
        found = [(file.name, file.label) for file in run.files(all_writers=True)]
        names = ("config.yaml", "summary.json")
        assert found == [(name, label) for name in names for label in ("b", "a")]
        assert run.file("config.yaml").label == "b"


def test_files_that_are_not_there_are_said_so(server, online):
    with online("r"):
        pass
    base = "/api/v1/projects/local/p/runs/r/files"
    assert [file["name"] for file in server.get(base.removeprefix("/api/v1"))["files"]] == [
        "summary.json"
    ]
    for name in ("none", "../r", "%2e%2e/meta.db", "summary.json/x", "a%00b"):
        assert server.ask(f"{base}/{name}")[0] == 404
    assert server.ask(f"{base}/summary.json?writer=%2F")[0] == 400
    assert server.ask("/api/v1/projects/local/p/runs/r", method="DELETE")[0] == 204
    assert server.ask(base)[0] == 404
