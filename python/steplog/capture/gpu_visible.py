"""Which GPUs CUDA lets a process use: how it reads CUDA_VISIBLE_DEVICES."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

VARIABLE = "CUDA_VISIBLE_DEVICES"
_INDEX = re.compile(
    r"\+?([0-9]+)"
)  # CUDA reads as strtoul does: what follows the digits is ignored
_GPU, _INSTANCE = "GPU-", "MIG-"


def visible(listed: str | None, uuids: Sequence[str]) -> list[int | str]:
    """What CUDA numbers 0, 1, …, in its order.

    As CUDA does, it stops at the first entry that names no device, or is of another kind (index,
    GPU, instance) than the first one; and it gives nothing when an entry comes twice.

    Args:
        listed: The variable's text; None when it is not set, which means all devices.
        uuids: The UUID of every device, in the order of their indices; "" where it is not known.

    Returns:
        Indices into `uuids`, or UUIDs of MIG instances, which nobody has looked up yet.
    """
    if listed is None:
        return list(range(len(uuids)))
    found: list[int | str] = []
    entries = [entry.strip() for entry in listed.split(",")]
    for entry in entries:
        device = _device(entry, uuids) if _kind(entry) == _kind(entries[0]) else None
        if device is None:
            break
        if device in found:
            return []
        found.append(device)
    return found


def _kind(entry: str) -> str:
    return next((kind for kind in (_GPU, _INSTANCE) if entry.startswith(kind)), "")


def _device(entry: str, uuids: Sequence[str]) -> int | str | None:
    """The device that an entry names, None when it names none."""
    if _kind(entry) == _INSTANCE:
        return entry
    if _kind(entry) == _GPU:
        indices = [index for index, uuid in enumerate(uuids) if uuid.startswith(entry)]
        return indices[0] if len(indices) == 1 else None
    digits = _INDEX.match(entry)
    index = int(digits[1]) if digits else len(uuids)
    return index if index < len(uuids) else None
