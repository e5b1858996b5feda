"""This process and all below it: CPU, threads, memory, open files."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator

_MB = 1 << 20
_PSS_RSS_BYTES = 256 * _MB
"""The kernel walks every page for the proportional share: with more than this it is not asked."""


class ProcessTree:
    """The tree of this process, read anew at each sample.

    Attributes:
        pids: Those of the last sample.
    """

    def __init__(self) -> None:
        self._root = psutil.Process()
        self._cores = psutil.cpu_count() or 1
        self._cpu_secs: dict[tuple[int, float], float] = {}
        self._at = 0.0
        self.pids: frozenset[int] = frozenset()

    def read(self) -> dict[str, float]:
        """One sample; `cpu` needs the one before, and counts what ran in both."""
        now, cpu_secs = time.monotonic(), {}
        used_secs, threads, files, rss_bytes = 0.0, 0, 0, 0
        pids, is_whole = [], True
        for process in self._processes():
            # One that ends meanwhile, or whose files are another user's, is left out.
            with contextlib.suppress(psutil.Error), process.oneshot():
                times, who = process.cpu_times(), (process.pid, process.create_time())
                cpu_secs[who] = times.user + times.system
                used_secs += cpu_secs[who] - self._cpu_secs.get(who, 0.0)
                threads += process.num_threads()
                rss_bytes += process.memory_info().rss
                pids.append(process.pid)
                try:
                    files += process.num_fds() if hasattr(process, "num_fds") else 0
                except psutil.AccessDenied:
                    is_whole = False
        passed, self._at = now - self._at, now
        is_first, self._cpu_secs, self.pids = not self._cpu_secs, cpu_secs, frozenset(pids)
        total = psutil.virtual_memory().total
        sample = {
            "proc.cpu.threads": threads,
            "proc.memory.rssMB": rss_bytes / _MB,
            "proc.memory.percent": 100 * rss_bytes / total,
            "proc.count": len(pids),
        }
        if not is_first and passed > 0:
            sample["cpu"] = 100 * used_secs / passed / self._cores
        if is_whole and files:
            sample["proc.files"] = files
        if rss_bytes <= _PSS_RSS_BYTES:
            sample |= self._share()
        return sample

    def _processes(self) -> Iterator[psutil.Process]:
        yield self._root
        with contextlib.suppress(psutil.Error):
            yield from self._root.children(recursive=True)

    def _share(self) -> dict[str, float]:
        """The proportional set size: shared pages count once, divided among those who share."""
        pss_bytes = 0
        for pid in self.pids:
            try:
                with open(f"/proc/{pid}/smaps_rollup", "rb") as file:  # noqa: PTH123  # quicker
                    line = next((line for line in file if line.startswith(b"Pss:")), None)
            except OSError:
                return {}
            if line is None:
                return {}
            pss_bytes += int(line.split()[1]) << 10
        return {"proc.memory.pssMB": pss_bytes / _MB}
