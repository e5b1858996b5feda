"""Images: what logging one costs the caller and the event loop, and 64 a second for a while.

Each file is checked to hold the pixels that were logged.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import PIL.Image

import steplog
from machine import describe
from steplog._writer import RunLog

SIDE = 1024


def photo(seed: int) -> np.ndarray:
    """A picture with shapes and noise, as a camera makes it."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    smooth = [
        127 + 90 * np.sin(x / (40 + 17 * c) + seed) * np.cos(y / (60 - 9 * c)) for c in range(3)
    ]
    noisy = np.stack(smooth, axis=2) + rng.normal(0, 6, (SIDE, SIDE, 3))
    return noisy.clip(0, 255).astype(np.uint8)


def anonymous_mib() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024
    return 0.0


def start(folder: str) -> steplog.Run:
    settings = {"quiet": True, "console": "off", "finish_timeout_secs": 600.0}
    return steplog.init(mode="offline", dir=folder, settings=settings)


def check(run_dir: str, photos: list[np.ndarray], rows: int) -> int:
    """Every row has its picture, as it was; how many bytes the files have."""
    found = list(RunLog(run_dir).rows())
    assert len(found) == rows, len(found)
    blobs = {path.name: path for path in Path(run_dir).glob("wal/*/blobs/*")}
    seen: dict[str, np.ndarray] = {}
    for number, row in enumerate(found):
        sha256 = row["photo"]["sha256"]
        if sha256 not in seen:
            seen[sha256] = np.asarray(PIL.Image.open(io.BytesIO(blobs[sha256].read_bytes())))
        assert np.array_equal(seen[sha256], photos[number % len(photos)]), number
    return sum(blobs[name].stat().st_size for name in seen)


def in_the_caller(photos: list[np.ndarray], rounds: int) -> dict[str, float]:
    folder = tempfile.mkdtemp(prefix="steplog-bench-")
    spent = []
    with start(folder) as run:
        for number in range(rounds):
            time.sleep(0.05)
            begin = time.perf_counter()
            run.log({"photo": steplog.Image(photos[number % len(photos)])})
            spent.append(time.perf_counter() - begin)
    check(run.sync_dir, photos, rounds)
    shutil.rmtree(folder)
    first, *rest = spent
    rest.sort()
    return {
        "first_ms": first * 1e3,
        "p50_ms": rest[len(rest) // 2] * 1e3,
        "p99_ms": rest[int(len(rest) * 0.99)] * 1e3,
        "worst_ms": rest[-1] * 1e3,
    }


def in_the_loop(photos: list[np.ndarray], rounds: int) -> dict[str, float]:
    folder = tempfile.mkdtemp(prefix="steplog-bench-")
    late: dict[str, list[float]] = {"idle": [], "busy": []}

    async def tick(kind: str, secs: float) -> None:
        until = time.perf_counter() + secs
        while time.perf_counter() < until:
            begin = time.perf_counter()
            await asyncio.sleep(0.001)
            late[kind].append(time.perf_counter() - begin - 0.001)

    async def main() -> None:
        async with start(folder) as run:
            await tick("idle", 2.0)
            ticking = asyncio.create_task(tick("busy", rounds * 0.1))
            for number in range(rounds):
                await run.alog({"photo": steplog.Image(photos[number % len(photos)])})
                await asyncio.sleep(0.08)
            await ticking

    asyncio.run(main())
    shutil.rmtree(folder)
    found = {}
    for kind, values in late.items():
        values.sort()
        found[f"{kind}_p99_ms"] = values[int(len(values) * 0.99)] * 1e3
    return found


def many(photos: list[np.ndarray], per_sec: int, secs: float) -> dict[str, float]:
    folder = tempfile.mkdtemp(prefix="steplog-bench-", dir=str(Path.cwd()))
    count, most, spent = int(per_sec * secs), 0.0, []
    run = start(folder)
    before = anonymous_mib()
    begin = time.perf_counter()
    for number in range(count):
        ahead = begin + number / per_sec - time.perf_counter()
        if ahead > 0:
            time.sleep(ahead)
        at = time.perf_counter()
        run.log({"photo": steplog.Image(photos[number % len(photos)])})
        spent.append(time.perf_counter() - at)
        most = max(most, anonymous_mib())
    logged = time.perf_counter() - begin
    waiting = run.status()["deferred"]
    run.finish()
    drained = time.perf_counter() - begin - logged
    size = check(run.sync_dir, photos, count)
    shutil.rmtree(folder)
    spent.sort()
    return {
        "images": count,
        "logged_secs": logged,
        "waiting": waiting,
        "drain_secs": drained,
        "p50_ms": spent[count // 2] * 1e3,
        "p99_ms": spent[int(count * 0.99)] * 1e3,
        "worst_ms": spent[-1] * 1e3,
        "anonymous_mib": most - before,
        "file_mib": size / len(photos) / (1 << 20),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--secs", type=float, default=30.0)
    parser.add_argument("--rounds", type=int, default=60)
    options = parser.parse_args()
    print(describe())
    photos = [photo(seed) for seed in range(16)]
    found = {
        "caller": in_the_caller(photos, options.rounds),
        "loop": in_the_loop(photos, options.rounds),
        "many": many(photos, 64, options.secs),
    }
    print(
        json.dumps(
            {name: {k: round(v, 2) for k, v in part.items()} for name, part in found.items()},
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
