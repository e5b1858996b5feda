"""The steps of a run in time: which one was logged last at a time, and when a step was."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aiohttp import web

from steplog.server.logs import moment_of
from steplog.server.query import find_run, versioned
from steplog.server.schema import API, MAX_INT64, Code, Problem
from steplog.server.store.runs import RunRecords
from steplog.server.store.step_times import step_upto

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steplog.server.hub import Hub
    from steplog.server.store.meta import MetaStore
    from steplog.server.store.series import SeriesStore

_STEP = re.compile(r"[0-9]{1,19}")


class Steps:
    """The handler of `steps/at`."""

    def __init__(self, meta: MetaStore, series: SeriesStore, hub: Hub) -> None:
        self._runs = RunRecords(meta)
        self._series = series
        self._hub = hub

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        run = f"{API}/projects/{{entity}}/{{project}}/runs/{{run}}"
        return [web.get(f"{run}/steps/at", self.at)]

    async def at(self, request: web.Request) -> web.Response:
        """The last step up to a step or a time, and when it was logged; null where none is."""
        row = await find_run(self._runs, request)
        asked = request.query
        what, upto = _upto(asked)
        lineage = await self._runs.lineage([row.id])
        found = await step_upto(
            self._series,
            row.id,
            what,
            upto=upto,
            key=asked.get("key"),
            label=asked.get("label"),
            lineage=lineage.params,
        )
        step, wall = (None, None) if found is None else found
        version = self._hub.version
        answer = {"version": version, "step": step, "wall": None if wall is None else wall / 1e6}
        return versioned(answer, version)


def _upto(asked: Mapping[str, str]) -> tuple[str, int]:
    if ("step" in asked) == ("wall" in asked):
        raise Problem(Code.INVALID, "either `step` or `wall` is asked for", field="step")
    if "wall" in asked:
        return "wall", moment_of(asked)
    text = asked["step"]
    if not _STEP.fullmatch(text) or int(text) > MAX_INT64:
        raise Problem(Code.INVALID, "`step` is a step", field="step")
    return "step", int(text)
