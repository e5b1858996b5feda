"""Samples of all devices of a kind: which names they have, and their order."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from steplog.server.store.engine import ints_param

if TYPE_CHECKING:
    from collections.abc import Sequence

    from steplog.server.store.series import SeriesStore

_NAMES = """SELECT DISTINCT CAST(key, 'String') AS name FROM samples
WHERE run IN {runs:Array(UInt64)}"""


async def device_numbers(
    store: SeriesStore, runs: Sequence[int], patterns: Sequence[str]
) -> dict[str, int]:
    """The names of samples that these stand for, each with the number of its device.

    In a pattern such as `gpu.*.temp` the asterisk is the number.
    """
    parts = ["([0-9]+)".join(map(re.escape, pattern.split("*"))) for pattern in patterns]
    expressions = [re.compile(part) for part in parts]
    found = await store.read(_NAMES, runs=ints_param(runs))
    names = [name.decode() for name in found.texts("name")]
    matches = (one.fullmatch(name) for name in names for one in expressions)
    return {match[0]: int(match[1]) for match in matches if match}
