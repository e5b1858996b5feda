"""What it costs a child that its output is recorded: 200 MB, against the same into a file."""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import describe, spread

PROGRAM = """
import json, resource, subprocess, sys, time
import steplog
settings = {"quiet": True, "console": sys.argv[1], "stats": False, "git": False}
settings |= {"machine_info": False, "requirements": False, "finish_timeout_secs": 120.0}
run = steplog.init(dir=sys.argv[2], mode="offline", settings=settings)
child = (
    "import os, sys\\n"
    "line = b'a line of output, as programs print them: %09d\\\\n'\\n"
    "piece = b''.join(line % n for n in range(160))\\n"
    "left = int(sys.argv[1])\\n"
    "while left > 0: left -= os.write(1, piece[:left])\\n"
)
began = time.perf_counter()
subprocess.run([sys.executable, "-c", child, sys.argv[3]], check=True)
took = time.perf_counter() - began
run.finish()
ended = time.perf_counter() - began
anonymous = [line for line in open("/proc/self/status") if line.startswith("RssAnon")]
told = {"took": took, "ended": ended, "anonymous": int(anonymous[0].split()[1]) * 1024}
print(json.dumps({**told, "dir": run.sync_dir}), file=sys.stderr)
"""
MAX_BYTES = 64 << 20
"""A process that imports steplog and takes output has less memory of its own."""


def measure(folder: Path, console: str, size_bytes: int) -> dict[str, float]:
    """Seconds until the child, and then the run, had ended; the bytes of the file are checked."""
    with (folder / "out").open("wb") as out:
        command = [sys.executable, "-c", PROGRAM, console, str(folder), str(size_bytes)]
        done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, check=True)
    told: dict[str, float] = json.loads(done.stderr)
    line = b"a line of output, as programs print them: %09d\n"
    piece = b"".join(line % number for number in range(160))
    whole, rest = divmod(size_bytes, len(piece))
    expected, found = hashlib.sha256(), hashlib.sha256()
    for _ in range(whole):
        expected.update(piece)
    expected.update(piece[:rest])
    with (folder / "out").open("rb") as out:
        while data := out.read(1 << 20):
            found.update(data)
    assert found.digest() == expected.digest()
    log_bytes = sum(path.stat().st_size for path in Path(str(told["dir"])).glob("wal/*/*.wal"))
    assert (log_bytes > size_bytes) == (console == "redirect"), log_bytes
    assert told["anonymous"] < MAX_BYTES, told
    shutil.rmtree(str(told["dir"]))
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--megabytes", type=int, default=200)
    options = parser.parse_args()
    size_bytes = options.megabytes * 1_000_000
    print(describe())
    with tempfile.TemporaryDirectory() as made:
        found: dict[str, list[dict[str, float]]] = {"wrap": [], "redirect": []}
        for _ in range(options.rounds):
            for console, rounds in found.items():
                rounds.append(measure(Path(made), console, size_bytes))
    for console, rounds in found.items():
        for what in ("took", "ended"):
            name = {"took": "the child's time", "ended": "until the run has ended"}[what]
            print(spread(f"{name}, {console}", [one[what] * 1e3 for one in rounds], "ms"))
    plain, kept = (statistics.median(one["took"] for one in rounds) for rounds in found.values())
    print(f"the child is slowed by {(kept / plain - 1) * 100:.1f} %")
    memory = max(one["anonymous"] for one in found["redirect"]) / 1e6
    print(f"memory of the program's own at its end: {memory:.1f} MB")


if __name__ == "__main__":
    main()
