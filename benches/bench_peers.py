"""steplog beside the trackers that one would otherwise use, in one table.

Each is in an environment of its own, made when it is missing, and measured in fresh processes, in
turns. What it has logged is read back and compared before its figures are taken.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import ormsgpack

from machine import describe

ROOT = Path(__file__).parent.parent
MEASURE = Path(__file__).parent / "peers" / "measure.py"
PEERS = {
    "steplog": [],
    "wandb": ["wandb==0.31.*"],
    "trackio": ["trackio==0.43.*"],
    "pandm": ["pandm==0.25.*"],
    "trailer": ["trailer-sdk==0.1.22"],
    "tensorboardX": ["tensorboardX==2.6.*", "tensorboard==2.*"],
    "mlflow": ["mlflow==3.*"],
}
MOST_SECS = 60
COLUMNS = {
    "log of 4": ("log_us", "us"),
    "p99.9": ("p999_us", "us"),
    "worst": ("worst_us", "us"),
    "CPU of a row": ("cpu_us", "us"),
    "disk of a row": ("disk_bytes", "bytes"),
    "import": ("import_ms", "ms"),
    "init": ("init_ms", "ms"),
    "finish": ("finish_ms", "ms"),
}


def python_of(peer: str) -> str | None:
    """The interpreter of a peer's environment; None when it cannot be made."""
    if not PEERS[peer]:
        return sys.executable
    folder = ROOT / "target" / "bench" / peer
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    done = subprocess.run(
        [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *PEERS[peer]],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        print(f"{peer} is left out, it cannot be installed: {done.stderr.strip()[-200:]}")
        return None
    return str(python)


def measured(peer: str, python: str, *, width: int, secs: float) -> dict[str, Any] | None:
    """What one fresh process has found; None when it has failed, which is told."""
    environ = {**os.environ, "PYTHONPYCACHEPREFIX": str(ROOT / "target" / "bench" / "compiled")}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [python, str(MEASURE), f"{peer.lower()}_", str(width), str(secs)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=environ, timeout=MOST_SECS
        )
    except subprocess.TimeoutExpired:
        print(f"{peer} was not done within {MOST_SECS} s, {width} floats")
        return None
    found = [line for line in done.stdout.splitlines() if line.startswith("FOUND ")]
    if not found:
        print(f"{peer} has failed: {(done.stderr or done.stdout).strip()[-300:]}")
        return None
    result: dict[str, Any] = json.loads(found[0].removeprefix("FOUND "))
    return result


def table(found: dict[tuple[str, int], list[dict[str, Any]]], width: int) -> list[str]:
    """Medians of the rounds, and the worst of all calls."""
    heads = ["", *(f"{name}, {unit}" for name, (_, unit) in COLUMNS.items())]
    heads += [f"log of {width}, us", "rows back"]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for peer in PEERS:
        rounds, wide = found.get((peer, 4), []), found.get((peer, width), [])
        if not rounds or not wide:
            continue
        cells = [f"{peer} {rounds[0]['version']}"]
        for name, _ in COLUMNS.values():
            values = [one[name] for one in rounds]
            value = max(values) if name == "worst_us" else statistics.median(values)
            cells.append(spelled(value))
        cells.append(spelled(statistics.median([one["log_us"] for one in wide])))
        back, rows = (sum(one[name] for one in (*rounds, *wide)) for name in ("back", "rows"))
        told = "all" if back == rows else f"{back:,} of {rows:,}"
        cells.append(told + (", as float32" if rounds[0]["is_float32"] else ""))
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def spelled(value: float) -> str:
    return f"{value:,.2f}" if value < 10 else f"{value:,.0f}"  # noqa: PLR2004


def floor(width: int) -> list[str]:
    """What a call that does nothing and packing the same dict cost."""
    import timeit  # noqa: PLC0415

    row = {f"key/{number}": number / 7 for number in range(width)}

    class Nothing:
        def log(self, row: dict[str, float]) -> None: ...

    log, packb, calls = Nothing().log, ormsgpack.packb, 20_000
    empty = min(timeit.repeat(lambda: log(row), number=calls)) / calls * 1e6
    packed = min(timeit.repeat(lambda: packb(row), number=calls)) / calls * 1e6
    costs = {"an empty method": empty, "ormsgpack.packb": packed}
    return [f"| {name}, {width} floats | {cost:.2f} us |" for name, cost in costs.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--secs", type=float, default=0.5, help="of logging, each time")
    asked = parser.parse_args()
    print(describe("ormsgpack"))
    pythons = {peer: python_of(peer) for peer in PEERS}
    found: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for _ in range(asked.rounds):
        for width in (4, 100):
            for peer, python in pythons.items():
                one = python and measured(peer, python, width=width, secs=asked.secs)
                if one:
                    found.setdefault((peer, width), []).append(one)
    print("\n".join(table(found, 100)))
    print("\n".join(["", "| the floor | |", "|---|---|", *floor(4), *floor(100)]))


if __name__ == "__main__":
    main()
