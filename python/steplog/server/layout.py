"""What the samples of a run's system are: by host and device, with units and limits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

_DEVICE = re.compile(r"(?:gpu\.(?:process\.)?(?P<gpu>[0-9]+)|cpu\.(?P<core>[0-9]+))\.(?P<rest>.+)")
_NUMBERS = re.compile(r"([0-9]+)")

# By the end of a name, the first that matches: its unit, and what a chart of it goes up to.
_UNITS: tuple[tuple[str, str, float | None], ...] = (
    *((end, "%", 100.0) for end in ("ercent", "_percent", "usagePercent", "memoryAllocated")),
    *((end, "%", 100.0) for end in ("encoderUtilization", "fanSpeed")),
    ("MBps", "MB/s", None),
    ("Bps", "B/s", None),
    ("MB", "MB", None),
    ("GB", "GB", None),
    ("Bytes", "B", None),
    ("Watts", "W", None),
    ("temp", "°C", None),
    ("Clock", "MHz", None),
    ("energyJoules", "J", None),
    ("network.sent", "B", None),
    ("network.recv", "B", None),
    ("disk.in", "MB", None),
    ("disk.out", "MB", None),
)
# Shares whose names do not say so.
_SHARES = re.compile(r"cpu|host\.cpu|gpu\.(process\.)?[0-9]+\.(gpu|memory)")


def metric(name: str) -> dict[str, Any]:
    """A sample's name with `unit`, and `max`: where its scale ends, None where nothing says."""
    if _SHARES.fullmatch(name):
        return {"name": name, "unit": "%", "max": 100.0}
    for end, unit, most in _UNITS:
        if name.endswith(end):
            return {"name": name, "unit": unit, "max": most}
    return {"name": name, "unit": "", "max": None}


def layout(sampled: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    """Of each label: what belongs to the host, and what to each of its devices, in their order."""
    hosts: dict[str, dict[str, Any]] = {}
    for label, name in sorted(sampled, key=lambda one: (one[0], _natural(one[1]))):
        host = hosts.setdefault(label, {"label": label, "metrics": [], "devices": {}})
        found = _DEVICE.fullmatch(name)
        if found is None:
            host["metrics"].append(metric(name))
            continue
        kind, number = ("gpu", found["gpu"]) if found["gpu"] else ("cpu", found["core"])
        device = host["devices"].setdefault(
            f"{kind}.{number}",
            {"id": f"{kind}.{number}", "kind": kind, "number": int(number), "metrics": []},
        )
        device["metrics"].append(metric(name))
    return [{**host, "devices": list(host["devices"].values())} for host in hosts.values()]


def _natural(name: str) -> list[tuple[int, str]]:
    """Numbers in a name by their size: gpu.10 comes behind gpu.9."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in _NUMBERS.split(name)]
