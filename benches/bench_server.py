"""How fast a run becomes queryable, and how fast a long series is drawn."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import steplog
from machine import describe, spread

if TYPE_CHECKING:
    from collections.abc import Iterator

SPIKE = 1e6


@contextlib.contextmanager
def server(folder: Path) -> Iterator[tuple[str, str]]:
    """The address and key of a fresh server."""
    environ = {**os.environ, "STEPLOG_CONFIG_DIR": str(folder)}
    command = [sys.executable, "-m", "steplog._cli", "server", "--port", "0", "--data"]
    process = subprocess.Popen(
        [*command, str(folder / "data")], stdout=subprocess.PIPE, text=True, env=environ
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[1]
        process.stdout.readline()
        yield url, json.loads((folder / "keys.json").read_text())[url]
    finally:
        process.terminate()
        process.communicate()


def ask(url: str, key: str, body: dict[str, object] | None = None) -> Any:  # noqa: ANN401  # JSON
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers=headers)  # noqa: S310
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        return json.loads(answer.read())


def ingest(url: str, key: str, folder: Path, *, rows: int, name: str) -> float:
    """Values a second, from the first `log` until the server has acknowledged all."""
    settings = {"base_url": url, "api_key": key, "quiet": True, "finish_timeout_secs": 300.0}
    run = steplog.init(project="bench", id=name, dir=str(folder), settings=settings)
    start = time.perf_counter()
    for step in range(rows):
        run.log({"a": float(step), "b": step / 3, "c": step / 7, "d": -float(step)})
    run.finish()
    took = time.perf_counter() - start
    found = ask(f"{url}/api/v1/projects/local/bench/runs/{name}/keys", key)["keys"]
    assert {one["name"]: one["n"] for one in found} == dict.fromkeys("abcd", rows), found
    return rows * 4 / took


def long_series(url: str, key: str, folder: Path, *, points: int) -> None:
    settings = {"base_url": url, "api_key": key, "quiet": True, "finish_timeout_secs": 300.0}
    with steplog.init(project="bench", id="long", dir=str(folder), settings=settings) as run:
        for step in range(points):
            run.log({"y": SPIKE if step == points // 3 else step % 100 / 100})


def draw(url: str, key: str, *, points: int, rounds: int) -> list[float]:
    """Milliseconds of a chart of the whole series, over HTTP with JSON; each answer is checked."""
    panel = {"id": "1", "series": [{"metric": "y"}], "runs": {"ids": ["long"]}, "px": 500}
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        answer = ask(f"{url}/api/v1/projects/local/bench/series:query", key, {"panels": [panel]})
        times.append((time.perf_counter() - start) * 1e3)
        (drawn,) = answer["panels"]
        columns = drawn["columns"]
        assert drawn["mode"] == "bucket"
        assert sum(columns["n"]) == points
        buckets = zip(columns["b"], columns["max"], strict=True)
        spikes = [b for b, high in buckets if high == SPIKE]
        assert spikes == [int((points // 3 - drawn["x0"]) // drawn["dx"])], spikes
    print(f"{len(columns['b'])} buckets over {points:,} points")
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=250_000)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(describe("chdb-core-lite", "aiohttp"))
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        with server(folder) as (url, key):
            rates = [
                ingest(url, key, folder, rows=options.rows, name=f"run{number}")
                for number in range(options.rounds)
            ]
            print(spread("log to queryable, 4 floats a row", rates, "values/s"))
            long_series(url, key, folder, points=options.points)
            times = draw(url, key, points=options.points, rounds=options.rounds * 4)
            print(spread("series:query, px=500", times, "ms"))


if __name__ == "__main__":
    main()
