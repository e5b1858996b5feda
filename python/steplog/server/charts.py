"""`series:query`: its body checked, its panels drawn, its answer in Arrow or JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from aiohttp import web

from steplog.server.arrow import stream
from steplog.server.body import FIELDS, is_of_devices, is_system, is_whole, panels_of, read_json
from steplog.server.query import project_of
from steplog.server.schema import API, ARROW, MAX_SERIES
from steplog.server.store.devices import device_numbers
from steplog.server.store.exact import page_json
from steplog.server.store.panels import Drawn, Panel, draw
from steplog.server.store.runs import RunRecords

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from steplog.server.hub import Hub
    from steplog.server.store.lineage import Lineage
    from steplog.server.store.meta import MetaStore
    from steplog.server.store.series import SeriesStore

_PARTIAL = 16
"""Of the column `fl`: the run may still write into this bucket."""


class Charts:
    """The handler of `series:query`."""

    def __init__(self, meta: MetaStore, series: SeriesStore, hub: Hub) -> None:
        self._runs = RunRecords(meta)
        self._series = series
        self._hub = hub

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        return [web.post(f"{API}/projects/{{entity}}/{{project}}/series:query", self.post)]

    async def post(self, request: web.Request) -> web.Response:
        """Draw panels."""
        entity, project = project_of(request)
        asked = panels_of(await read_json(request))
        version = self._hub.version
        drawn = [await self.draw(entity, project, panel) for panel in asked]
        headers = {"X-Data-Version": str(version), "Vary": "Accept"}
        if ARROW in request.headers.get("Accept", ""):
            body = b"".join(arrow(panel) for panel in drawn)
            return web.Response(body=body, content_type=ARROW, headers=headers)
        answer = {
            "version": version,
            "panels": [{**panel.header, "columns": panel.columns} for panel in drawn],
        }
        return web.Response(
            body=page_json(_listed(answer)), content_type="application/json", headers=headers
        )

    async def forks(self, entity: str, project: str, runs: Sequence[str]) -> dict[str, set[str]]:
        """Of each run that some of these go back to, there or not, the ids of those that do."""
        found = await self._runs.stored(entity, project, runs)
        lineage = await self._runs.lineage([stored.number for stored in found.values()])
        return lineage.forks

    async def draw(self, entity: str, project: str, body: dict[str, Any]) -> Drawn:
        """Answer one panel of a checked body; runs that do not exist draw nothing."""
        found = await self._runs.stored(entity, project, body["runs"]["ids"])
        lineage = await self._runs.lineage(
            [stored.number for stored in found.values()], is_whole=is_whole(body)
        )
        is_sampled = is_system(body)
        keys = [one["system" if is_sampled else "metric"] for one in body["series"]]
        runs = {run: stored.number for run, stored in found.items()}
        devices = None
        if is_of_devices(body):
            devices = await device_numbers(self._series, list(runs.values()), keys)
            keys = list(devices)
        panel = Panel(
            id=body["id"],
            keys=keys,
            runs=runs,
            created=lineage.created,
            is_rewritten=any(stored.is_rewritten for stored in found.values()),
            shown=None if is_sampled else lineage.params,
            is_sampled=is_sampled,
            x=body.get("x", "step"),
            span=None if body.get("range") is None else (body["range"][0], body["range"][1]),
            px=body.get("px", 1000),
            devices=devices,
            is_grouped=body.get("group") is not None,
            is_beside=body.get("beside", False),
            max_series=MAX_SERIES,
        )
        drawn = await draw(self._series, panel)
        if panel.x == "step" and not panel.is_grouped:
            _mark_seams(drawn.header, panel.runs, lineage)
        _mark_partial(
            drawn.header, drawn.columns, {run for run, stored in found.items() if stored.is_running}
        )
        left_out = set(FIELDS) - set(body.get("fields", FIELDS))
        columns = {name: column for name, column in drawn.columns.items() if name not in left_out}
        return Drawn(drawn.header, columns)


def _mark_partial(
    header: dict[str, Any], columns: dict[str, NDArray[Any]], running: set[str]
) -> None:
    """Set the flag of the bucket in which each running run's series ends."""
    if header["mode"] == "raw":
        return
    for one in header["series"]:
        if one["run"] in running:
            last = (one["last_x"] - header["x0"]) // header["dx"]
            columns["fl"][(columns["s"] == one["i"]) & (columns["b"] == last)] |= _PARTIAL


def _mark_seams(header: dict[str, Any], runs: Mapping[str, int], lineage: Lineage) -> None:
    """Say of each series at which steps it goes on from what was before."""
    for one in header["series"]:
        seams = lineage.seams(runs[one["run"]], one["label"])
        if seams:
            one["seams"] = seams


def _listed(value: Any) -> Any:  # noqa: ANN401  # JSON
    if isinstance(value, dict):
        return {name: _listed(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_listed(item) for item in value]
    return value.tolist() if isinstance(value, np.ndarray) else value


def arrow(panel: Drawn, **extra: object) -> bytes:
    """One complete Arrow IPC stream: the columns, and the header as metadata `panel`."""
    return stream({**panel.header, **extra}, panel.columns)
