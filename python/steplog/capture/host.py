"""The machine: CPU, memory, disks, network."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Sequence

_MB = 1 << 20
_GB = 1 << 30


class Host:
    """The whole machine, or what a container shows of it. The first sample has no rates.

    Attributes:
        unavailable: What could not be read, with the reason.
    """

    def __init__(self, disk_paths: Sequence[str]) -> None:
        self._paths = disk_paths
        self.unavailable: dict[str, str] = {}
        self._cpu: list[tuple[float, float]] = []
        self._start: dict[str, float] = {}
        self._last: tuple[float, dict[str, float]] = (0.0, {})

    def read(self) -> dict[str, float]:
        """One sample."""
        return {**self._read_cpu(), **_read_memory(), **self._read_paths(), **self._read_counters()}

    def _read_cpu(self) -> dict[str, float]:
        """Shares of the time since the sample before, in percent."""
        before, self._cpu = self._cpu, [_busy(core) for core in psutil.cpu_times(percpu=True)]
        if len(before) != len(self._cpu):
            return {}
        shares = [
            100 * (busy - was_busy) / (passed - had_passed)
            for (busy, passed), (was_busy, had_passed) in zip(self._cpu, before, strict=True)
            if passed > had_passed
        ]
        if len(shares) != len(self._cpu):
            return {}
        each = {f"cpu.{core}.cpu_percent": max(share, 0.0) for core, share in enumerate(shares)}
        return {"host.cpu": sum(each.values()) / len(each), **each}

    def _read_paths(self) -> dict[str, float]:
        sample = {}
        for path in self._paths:
            try:
                usage = psutil.disk_usage(path)
            except OSError as error:  # it is not there, or not yet
                self.unavailable[f"disk.{path}"] = error.strerror or str(error)
                continue
            sample[f"disk.{path}.usagePercent"] = usage.percent
            sample[f"disk.{path}.usageGB"] = usage.used / _GB
        return sample

    def _read_counters(self) -> dict[str, float]:
        """What has come and gone since the first sample, and the rates since the one before."""
        now, counters = time.monotonic(), _counters()
        for name, value in counters.items():
            self._start.setdefault(name, value)
        (then, before), self._last = self._last, (now, counters)
        sample = {name: value - self._start[name] for name, value in counters.items()}
        for rate, name in _RATES.items():
            if name in before and name in counters:
                sample[rate] = (counters[name] - before[name]) / (now - then)
        return sample


_RATES = {
    "disk.readMBps": "disk.in",
    "disk.writeMBps": "disk.out",
    "network.sentBps": "network.sent",
    "network.recvBps": "network.recv",
}
"""Rates a second, and of which counter each is."""


def _busy(core: object) -> tuple[float, float]:
    """Seconds in which a core did something, and all its seconds; guests are counted in user."""
    times: dict[str, float] = core._asdict()  # type: ignore[attr-defined]  # a named tuple
    passed = sum(value for name, value in times.items() if not name.startswith("guest"))
    return passed - times.get("idle", 0.0) - times.get("iowait", 0.0), passed


def _read_memory() -> dict[str, float]:
    memory = psutil.virtual_memory()
    sample = {"memory_percent": memory.percent, "proc.memory.availableMB": memory.available / _MB}
    with contextlib.suppress(OSError, RuntimeError):  # a machine without /proc/vmstat
        swap = psutil.swap_memory()
        if swap.total:
            sample["swap.used_percent"] = swap.percent
    return sample


def _counters() -> dict[str, float]:
    """What only grows: MB of the disks, bytes of the network without the loop back."""
    found: dict[str, float] = {}
    with contextlib.suppress(OSError, RuntimeError):  # no counters here, as in some containers
        disks = psutil.disk_io_counters()
        if disks is not None:
            found |= {"disk.in": disks.read_bytes / _MB, "disk.out": disks.write_bytes / _MB}
    with contextlib.suppress(OSError, RuntimeError):
        cards = psutil.net_io_counters(pernic=True)
        real = [card for name, card in cards.items() if name != "lo"]
        found["network.sent"] = sum(card.bytes_sent for card in real)
        found["network.recv"] = sum(card.bytes_recv for card in real)
    return found
