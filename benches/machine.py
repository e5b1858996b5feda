"""The machine and the versions that a number belongs to, and how a spread is printed."""

from __future__ import annotations

import platform
import statistics
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def describe(*packages: str) -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    machine = f"{len(models)} x {models[0]}" if models else platform.machine()
    versions = [f"{name} {version(name)}" for name in ("steplog", *packages)]
    return ", ".join([machine, f"Python {platform.python_version()}", *versions])


def spread(name: str, values: Sequence[float], unit: str) -> str:
    ordered = sorted(values)
    high = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    middle = statistics.median(ordered)
    return (
        f"{name:<34} p50 {middle:,.2f}  p99 {high:,.2f}  max {ordered[-1]:,.2f} {unit}"
        f"  (of {len(ordered)} rounds' means)"
    )
