"""How fast two million lines of output are paged and searched, once the server has them."""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import steplog
from bench_server import ask, server
from machine import describe, spread


def log_lines(url: str, key: str, folder: Path, *, lines: int) -> float:
    """Print lines with colours and progress bars; seconds until the server has all of them."""
    settings = {"base_url": url, "api_key": key, "quiet": True, "finish_timeout_secs": 600.0}
    quiet = {"stats": False, "git": False, "machine_info": False, "requirements": False}
    stream, sys.stdout = sys.stdout, io.StringIO()
    began = time.perf_counter()
    try:
        with steplog.init(
            project="bench", id="long", dir=str(folder), settings={**settings, **quiet}
        ):
            for number in range(lines):
                if number % 1000 == 0:
                    sys.stdout.seek(0)
                    sys.stdout.truncate()
                if number % 100 == 0:
                    bar = "".join(f"\r{percent}%|####|" for percent in range(0, 101, 20))
                    sys.stdout.write(f"{bar} epoch {number}\n")
                elif number % 10 == 0:
                    sys.stdout.write(f"\x1b[32mINFO\x1b[0m step {number}: loss \x1b[1m0.5\x1b[0m\n")
                else:
                    sys.stdout.write(f"a line of output, as programs print them: {number}\n")
    finally:
        sys.stdout = stream
    return time.perf_counter() - began


def timed(url: str, key: str, rounds: int) -> tuple[list[float], dict[str, Any]]:
    """Milliseconds of an answer, and the last one."""
    times = []
    answer: dict[str, Any] = {}
    for _ in range(rounds):
        began = time.perf_counter()
        answer = ask(url, key)
        times.append((time.perf_counter() - began) * 1e3)
    return times, answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    print(describe("chdb-core-lite", "aiohttp"))
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        with server(folder) as (url, key):
            secs = log_lines(url, key, folder, lines=options.lines)
            print(f"{options.lines:,} lines printed and at the server in {secs:.1f} s")
            logs = f"{url}/api/v1/projects/local/bench/runs/long/logs"
            times, answer = timed(f"{logs}?limit=2000", key, options.rounds)
            last, middle = options.lines - 1, options.lines // 200 * 100
            assert answer["total"] == options.lines
            assert answer["lines"][-1][4].endswith(f": {last}"), answer["lines"][-1]
            print(spread("the last 2,000 lines", times, "ms"))
            times, answer = timed(f"{logs}?from={middle}&limit=2000", key, options.rounds)
            assert answer["lines"][0][4] == f"100%|####| epoch {middle}"
            assert answer["lines"][0][5] == 5  # noqa: PLR2004  # times that the bar was rewritten
            print(spread("2,000 lines in the middle", times, "ms"))
            for what, query, found in (
                ("search, text", "INFO%20step", options.lines // 10 - options.lines // 100),
                ("search, regex", "%3A%20%5Cd*999%24&regex=1", options.lines // 1000),
            ):
                times, answer = timed(f"{logs}:search?q={query}", key, options.rounds)
                assert answer["matched"] == found, (answer["matched"], found)
                print(spread(what, times, "ms"))


if __name__ == "__main__":
    main()
