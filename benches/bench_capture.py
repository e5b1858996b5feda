"""What it costs that a run records without being asked: at the start, in `print`, and when idle."""

from __future__ import annotations

import argparse
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import steplog
from machine import describe, spread
from steplog._core import RunLog

OFF = {
    "console": "off",
    "git": False,
    "machine_info": False,
    "requirements": False,
    "stats": False,
    "watch_files": False,
}
IDLE = """
import json, sys, time
import steplog
settings = {"quiet": True, **json.loads(sys.argv[1])}
run = steplog.init(dir=sys.argv[2], mode="offline", settings=settings)
time.sleep(2)
began = time.process_time()
time.sleep(float(sys.argv[3]))
print(time.process_time() - began)
run.finish()
"""


def init_secs(folder: Path, settings: dict[str, object]) -> float:
    """How long a fresh process waits in `init`."""
    code = (
        "import json, sys, time, steplog\n"
        "settings = {'quiet': True, **json.loads(sys.argv[1])}\n"
        "began = time.perf_counter()\n"
        "run = steplog.init(dir=sys.argv[2], mode='offline', settings=settings)\n"
        "print(time.perf_counter() - began)\n"
    )
    command = [sys.executable, "-c", code, json.dumps(settings), str(folder)]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(said.stdout)


def worst_millis(folder: Path, settings: dict[str, object]) -> float:
    """The longest call of `log` in a fresh process's first second."""
    code = (
        "import json, sys, time, steplog\n"
        "settings = {'quiet': True, **json.loads(sys.argv[1])}\n"
        "run = steplog.init(dir=sys.argv[2], mode='offline', settings=settings)\n"
        "until, worst, step = time.perf_counter() + 1, 0.0, 0\n"
        "while (began := time.perf_counter()) < until:\n"
        "    run.log({'a': step})\n"
        "    worst, step = max(worst, time.perf_counter() - began), step + 1\n"
        "run.finish()\n"
        "print(worst, step)\n"
    )
    command = [sys.executable, "-c", code, json.dumps(settings), str(folder)]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    worst, steps = said.stdout.split()
    assert int(steps) > 10_000, steps  # noqa: PLR2004  # it has logged, and not waited
    return float(worst) * 1e3


def print_micros(folder: Path, lines: int, *, console: str) -> float:
    """Microseconds a `print` of a short line, to a stream that keeps it."""
    settings = {**OFF, "quiet": True, "console": console}
    stream, sys.stdout = sys.stdout, io.TextIOWrapper(io.BytesIO(), "utf-8")
    try:
        with steplog.init(dir=str(folder), mode="offline", settings=settings) as run:
            began = time.perf_counter()
            for _ in range(lines):
                print("a short line of output")
            took = time.perf_counter() - began
            sys.stdout.flush()
            kept = sys.stdout.buffer.getvalue()  # type: ignore[attr-defined]  # of BytesIO
            assert kept.count(b"a short line of output\n") == lines
    finally:
        sys.stdout = stream
    records = int(str(RunLog(run.sync_dir).writers()[0]["records"]))
    assert (records > 2 * lines) == (console == "wrap"), records
    return took / lines * 1e6


PRINTING = """
import json, sys, time, steplog
run = steplog.init(dir=sys.argv[2], mode="offline", settings=json.loads(sys.argv[1]))
began = time.perf_counter()
for _ in range(int(sys.argv[3])):
    print("a short line of output")
took = time.perf_counter() - began
run.finish()
print(took, file=sys.stderr)
"""


def file_print_micros(folder: Path, lines: int, *, console: str) -> float:
    """Microseconds a `print` of a short line, in a process whose stdout is a file."""
    settings = json.dumps({**OFF, "quiet": True, "console": console})
    command = [sys.executable, "-c", PRINTING, settings, str(folder), str(lines)]
    with tempfile.TemporaryFile() as output:
        said = subprocess.run(command, stdout=output, stderr=subprocess.PIPE, text=True, check=True)
        output.seek(0)
        assert output.read().count(b"a short line of output\n") == lines
    return float(said.stderr) / lines * 1e6


def sample_millis(rounds: int) -> list[float]:
    """Milliseconds of CPU of a sample with 100 processes in the tree."""
    from steplog.capture.system import System  # noqa: PLC0415  # what is measured

    children = [subprocess.Popen(["/bin/sleep", "600"]) for _ in range(100)]
    try:
        system = System(["/"])
        times = []
        for _ in range(rounds):
            began = time.process_time()
            sample = system.read()
            times.append((time.process_time() - began) * 1e3)
            assert sample["proc.count"] >= len(children)
    finally:
        for child in children:
            child.kill()
            child.wait()
    return times


def idle_percent(folder: Path, settings: dict[str, object], secs: float) -> float:
    """Percent of one core that an otherwise idle process with 100 children uses."""
    code = (
        "import subprocess\nchildren = [subprocess.Popen(['sleep', '600']) for _ in range(100)]\n"
    )
    end = "for child in children: child.kill(); child.wait()\n"
    command = [
        sys.executable,
        "-c",
        code + IDLE + end,
        json.dumps(settings),
        str(folder),
        str(secs),
    ]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(said.stdout) / secs * 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--idle-secs", type=float, default=30.0)
    options = parser.parse_args()
    print(describe("psutil", "anyio"))
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        without = [init_secs(folder, OFF) * 1e3 for _ in range(options.rounds)]
        with_all = [init_secs(folder, {}) * 1e3 for _ in range(options.rounds)]
        print(spread("init, nothing captured", without, "ms"))
        print(spread("init, all captured", with_all, "ms"))
        added = statistics.median(with_all) - statistics.median(without)
        print(f"added to init {added:.1f} ms")
        for what, settings in (("nothing captured", OFF), ("all captured", {})):
            worst = [worst_millis(folder, settings) for _ in range(options.rounds)]
            print(spread(f"worst log of the first second, {what}", worst, "ms"))
        plain = [print_micros(folder, options.lines, console="off") for _ in range(options.rounds)]
        kept = [print_micros(folder, options.lines, console="wrap") for _ in range(options.rounds)]
        print(spread("print", plain, "us"))
        print(spread("print, into the log as well", kept, "us"))
        print(f"added to print {statistics.median(kept) - statistics.median(plain):.2f} us")
        plain = [
            file_print_micros(folder, options.lines, console="off") for _ in range(options.rounds)
        ]
        kept = [
            file_print_micros(folder, options.lines, console="redirect")
            for _ in range(options.rounds)
        ]
        print(spread("print to a file", plain, "us"))
        print(spread("print to a file, redirected", kept, "us"))
        print(f"added to print {statistics.median(kept) - statistics.median(plain):.2f} us")
        print(spread("a sample, 100 processes", sample_millis(options.rounds), "ms"))
        idle = idle_percent(folder, OFF, options.idle_secs)
        captured = idle_percent(folder, {}, options.idle_secs)
        print(f"idle with 100 children: {captured:.3f} % of a core, {idle:.3f} % without capture")


if __name__ == "__main__":
    main()
