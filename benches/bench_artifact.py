"""An artifact of many small files: added, logged, sent, and downloaded into an empty folder.

Each file that comes is compared with the one that went.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import steplog
from bench_server import server
from machine import describe


def make(folder: Path, count: int, size: int) -> dict[str, bytes]:
    """Files in folders of a hundred."""
    source = random.Random(1)  # noqa: S311  # not secret
    made = {f"{n // 100:03}/{n:06}.bin": source.randbytes(size) for n in range(count)}
    for name, content in made.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return made


def check(folder: str, made: dict[str, bytes]) -> None:
    found = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in Path(folder).rglob("*")
        if path.is_file()
    }
    assert found == made, (len(found), len(made))


class Clock:
    """Prints what each part took."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.at = time.perf_counter()

    def lap(self, what: str) -> None:
        took = time.perf_counter() - self.at
        print(f"{what:<42} {took:8.2f} s  {self.count / took:10,.0f} files/s")
        self.at = time.perf_counter()


def log_offline(folder: Path, contents: dict[str, bytes]) -> str:
    run = steplog.init(project="bench", id="o", dir=str(folder), mode="offline")
    artifact = steplog.Artifact("again", "dataset")
    for name, content in contents.items():
        artifact.put_content(name, content)
    run.log_artifact(artifact)
    run.finish()
    return run.sync_dir


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=1_000, help="bytes of each")
    options = parser.parse_args()
    print(describe("aiohttp"))
    with tempfile.TemporaryDirectory() as given:
        folder = Path(given)
        os.environ["STEPLOG_ARTIFACT_CACHE_DIR"] = str(folder / "cache")
        made = make(folder / "given", options.files, options.size)
        with server(folder) as (url, key):
            settings = {
                "base_url": url,
                "api_key": key,
                "quiet": True,
                "finish_timeout_secs": 300.0,
            }
            clock = Clock(options.files)
            run = steplog.init(project="bench", id="r", dir=given, settings=settings)
            artifact = steplog.Artifact("many", "dataset")
            artifact.add_dir(folder / "given")
            clock.lap("add_dir")
            run.log_artifact(artifact)
            clock.lap("log_artifact")
            artifact.wait(600)
            clock.lap("wait: sent and committed")
            run.finish()
            sync_dir = log_offline(folder, {n: c[::-1] for n, c in made.items()})
            environ = {**os.environ, "STEPLOG_BASE_URL": url, "STEPLOG_API_KEY": key}
            command = [sys.executable, "-m", "steplog._cli", "sync", sync_dir]
            clock.at = time.perf_counter()
            subprocess.run(command, check=True, env=environ, stdout=subprocess.DEVNULL)
            clock.lap("steplog sync of another one")
            with steplog.Api(url, key) as api:
                found = api.artifact("bench/many:latest")
                assert len(found.manifest) == options.files
                clock.at = time.perf_counter()
                to = found.download(folder / "a", skip_cache=True)
                clock.lap("download, without the cache")
                check(to, made)
                clock.at = time.perf_counter()
                to = found.download(folder / "b")
                clock.lap("download, into the cache")
                check(to, made)
                clock.at = time.perf_counter()
                to = found.download(folder / "c")
                clock.lap("download, out of the cache")
                check(to, made)
                other = api.artifact("bench/again:latest")
                clock.at = time.perf_counter()
                to = other.download(folder / "d", skip_cache=True)
                clock.lap("download of what was synced")
                check(to, {name: content[::-1] for name, content in made.items()})


if __name__ == "__main__":
    main()
