"""When the steps of a run were logged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steplog.server.store.engine import text_param
from steplog.server.store.lineage import shown
from steplog.server.store.of_label import OF_LABEL, label_params

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steplog.server.store.series import SeriesStore

# Rows without a value have no key.
_WHERE = f"""run = {{run:UInt64}} AND ({{any_key:UInt8}} OR key = {{key:String}})
    AND {OF_LABEL}"""
_UPTO = {
    # The last one logged; of those of one moment the greatest.
    "wall": ("wall <= {upto:Int64}", "(wall, step, label, generation, position)"),
    # The greatest; of what was logged of it the latest.
    "step": ("step <= {upto:Int64}", "(step, wall, label, generation, position)"),
}


def _queries(points: str, patches: str) -> dict[str, str]:
    return {
        what: f"""SELECT count() AS n, argMax(step, {order}) AS at_step,
    argMax(wall, {order}) AS at_wall
FROM (SELECT * FROM {points} WHERE {_WHERE} AND {upto}
    UNION ALL SELECT * FROM {patches} WHERE {_WHERE} AND {upto})"""  # noqa: S608  # constants of this file
        for what, (upto, order) in _UPTO.items()
    }


_STORED = _queries("points", "patches")
_SHOWN = _queries(f"({shown('points')})", f"({shown('patches')})")


async def step_upto(
    store: SeriesStore,
    run: int,
    what: str,
    *,
    upto: int,
    key: str | None,
    label: str | None,
    lineage: Mapping[str, str] | None,
) -> tuple[int, int] | None:
    """The last step up to a step, or up to a time in nanoseconds, and when it was logged.

    Args:
        store: Where the points are.
        run: The run's number.
        what: `step` or `wall`: what `upto` is.
        upto: The last one that counts.
        key: Only what was logged of this key.
        label: Only what this writer logged.
        lineage: `Lineage.params`.

    Returns:
        The step and its time in nanoseconds; None where there is none.
    """
    queries = _STORED if lineage is None else _SHOWN
    params: dict[str, int | str] = {
        **(lineage or {}),
        "run": run,
        "upto": upto,
        "any_key": int(key is None),
        "key": text_param(key or ""),
        **label_params(label),
    }
    found = await store.read(queries[what], **params)
    if not found.uints("n")[0]:
        return None
    return int(found.ints("at_step")[0]), int(found.ints("at_wall")[0])
