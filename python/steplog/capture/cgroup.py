"""What a container may use: limits of memory and CPU, by control groups of version 1 and 2."""

from __future__ import annotations

from pathlib import Path

_MB = 1 << 20
_UNLIMITED = 1 << 60
"""Version 1 says it by a number near 2^63."""


class Cgroup:
    """The control group of this process, read from `/proc/self/cgroup` and `/sys/fs/cgroup`.

    `root` and `own` are their places.
    """

    def __init__(
        self, root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")
    ) -> None:
        self._root = root
        self._periods: tuple[int, int] | None = None
        self._memory: Path | None = None
        self._cpu: Path | None = None
        self._is_unified = False
        try:
            lines = own.read_text("utf-8", "replace").splitlines()
        except OSError:
            return
        for line in lines:
            _, _, rest = line.partition(":")
            controllers, _, path = rest.partition(":")
            if not controllers and (root / "cgroup.controllers").exists():
                self._is_unified = True
                self._memory = self._cpu = _first(root, path, "memory.current", "cpu.stat")
            for controller in controllers.split(","):
                if controller == "memory":
                    self._memory = _first(root / "memory", path, "memory.usage_in_bytes")
                elif controller == "cpu":
                    self._cpu = _first(root / "cpu", path, "cpu.stat")

    def read(self) -> dict[str, float]:
        """One sample: what is limited, and of that how much is used."""
        sample: dict[str, float] = {}
        limit, used = self._memory_limit(), self._number(self._memory, self._used_name)
        if limit is not None and used is not None:
            sample["cgroup.memory.limitMB"] = limit / _MB
            # Of the page cache what the kernel gives back first is not in use.
            cached = self._entry(self._memory, "memory.stat", self._cached_name) or 0
            used = max(used - cached, 0)
            sample["cgroup.memory.usedMB"] = used / _MB
            sample["cgroup.memory.percent"] = 100 * used / limit
        kills = self._entry(self._memory, *self._kills_name)
        if kills is not None:
            sample["proc.memory.oomKills"] = kills
        cpus = self.cpu_limit()
        if cpus is not None:
            sample["cgroup.cpu.limit"] = cpus
        throttled = self._throttled_percent()
        if throttled is not None:
            sample["proc.cpu.throttledPercent"] = throttled
        return sample

    def facts(self) -> dict[str, object]:
        """The limits, for the run's metadata."""
        limit, cpus = self._memory_limit(), self.cpu_limit()
        facts: dict[str, object] = {}
        if limit is not None:
            facts["memory_limit"] = limit
        if cpus is not None:
            facts["cpu_limit"] = cpus
        return facts

    def cpu_limit(self) -> float | None:
        """How many cores' time it may use, by itself or by a group above it; None for all."""
        limits = []
        for folder in self._up(self._cpu):
            if self._is_unified:
                quota, _, period = _text(folder, "cpu.max").partition(" ")
            else:
                quota, period = (_text(folder, f"cpu.cfs_{name}_us") for name in _V1_CPU)
            if quota.isdigit() and period.isdigit() and int(period) > 0:
                limits.append(int(quota) / int(period))
        return min(limits, default=None)

    def _throttled_percent(self) -> float | None:
        """Share of the periods since the sample before in which it was throttled."""
        periods = self._entry(self._cpu, "cpu.stat", "nr_periods")
        throttled = self._entry(self._cpu, "cpu.stat", "nr_throttled")
        if periods is None or throttled is None:
            return None
        before, self._periods = self._periods, (periods, throttled)
        if before is None or periods <= before[0]:
            return None
        return 100 * (throttled - before[1]) / (periods - before[0])

    def _up(self, folder: Path | None) -> list[Path]:
        """A group and those above it."""
        if folder is None:
            return []
        return [one for one in (folder, *folder.parents) if one.is_relative_to(self._root)]

    @property
    def _cached_name(self) -> str:
        return "inactive_file" if self._is_unified else "total_inactive_file"

    @property
    def _used_name(self) -> str:
        return "memory.current" if self._is_unified else "memory.usage_in_bytes"

    @property
    def _kills_name(self) -> tuple[str, str]:
        return ("memory.events" if self._is_unified else "memory.oom_control"), "oom_kill"

    def _memory_limit(self) -> int | None:
        name = "memory.max" if self._is_unified else "memory.limit_in_bytes"
        limits = [self._number(folder, name) for folder in self._up(self._memory)]
        return min((one for one in limits if one and 0 < one < _UNLIMITED), default=None)

    def _number(self, folder: Path | None, name: str) -> int | None:
        text = _text(folder, name)
        return int(text) if text.isdigit() else None

    def _entry(self, folder: Path | None, name: str, key: str) -> int | None:
        for line in _text(folder, name).splitlines():
            word, _, value = line.partition(" ")
            if word == key and value.isdigit():
                return int(value)
        return None


_V1_CPU = ("quota", "period")


def _first(root: Path, path: str, *names: str) -> Path | None:
    """The group's folder; a container often sees its own group as the root."""
    for folder in (root / path.lstrip("/"), root):
        if any((folder / name).exists() for name in names):
            return folder
    return None


def _text(folder: Path | None, name: str) -> str:
    if folder is None:
        return ""
    try:
        return (folder / name).read_text("ascii", "replace").strip()
    except OSError:
        return ""
