"""The live channel: one WebSocket a tab, which is told what has changed in what it looks at."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import struct
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import WSCloseCode, WSMsgType, web

from steplog._errors import StorageError
from steplog.server.body import panels_of
from steplog.server.charts import Charts, arrow
from steplog.server.frames import changes
from steplog.server.schema import (
    API,
    COALESCE_SECS,
    HEARTBEAT_MILLIS,
    MAX_BODY_BYTES,
    MAX_QUERY_BYTES,
    Code,
    Problem,
    check_project,
    check_run,
)
from steplog.server.store.exact import page_json

if TYPE_CHECKING:
    from steplog.server.hub import Hub
    from steplog.server.query import Query
    from steplog.server.store.panels import Drawn

_log = logging.getLogger(__name__)

_MAX_SUBSCRIPTIONS = 200


@dataclass
class _Subscription:
    """What a page looks at, and what it holds of it."""

    id: int
    channel: str
    entity: str
    project: str
    body: dict[str, Any]
    dirty: bool = False
    changed_runs: set[str] = field(default_factory=set)
    drawn: dict[str, Drawn] = field(default_factory=dict)
    runs: dict[str, Any] = field(default_factory=dict)
    forks: dict[str, set[str]] = field(default_factory=dict)

    @property
    def drawn_runs(self) -> list[str]:
        """The runs of its charts."""
        return sorted({run for panel in self.body["panels"] for run in panel["runs"]["ids"]})

    def looks_at(self, entity: str, project: str, run: str) -> bool:
        if (entity, project) != (self.entity, self.project):
            return False
        if self.channel == "series":
            return run in self.forks or any(
                run in panel["runs"]["ids"] for panel in self.body["panels"]
            )
        return self.channel == "runs" or self.body.get("run") == run


class Live:
    """The handler of the live channel."""

    def __init__(self, hub: Hub, query: Query, charts: Charts) -> None:
        self._hub, self._query, self._charts = hub, query, charts
        self._sockets: weakref.WeakKeyDictionary[web.WebSocketResponse, set[str]] = (
            weakref.WeakKeyDictionary()
        )

    def routes(self) -> list[web.RouteDef]:
        """The route."""
        return [web.get(f"{API}/live", self.get)]

    async def get(self, request: web.Request) -> web.WebSocketResponse:
        """Talk to one page until it leaves.

        From here on nothing may answer over HTTP: it would be written into the socket's frames.
        """
        # A message is read whole before it is too large: of unread bytes the client would get a
        # reset connection, and not the reason.
        socket = web.WebSocketResponse(compress=False, max_msg_size=MAX_BODY_BYTES)
        await socket.prepare(request)
        self._sockets[socket] = set(request.cookies.values())
        page = _Page(socket, hub=self._hub, query=self._query, charts=self._charts)
        try:
            await page.talk()
        except ConnectionError:
            _log.debug("a page left while it was told something")
        except Exception:  # noqa: BLE001  # the last wall of this socket
            _log.exception("the live channel failed")
            await socket.close(code=WSCloseCode.INTERNAL_ERROR)
        return socket

    async def log_out(self, session: str) -> None:
        """Leave the pages of a session, which is over."""
        for socket, sessions in list(self._sockets.items()):
            if session and session in sessions:
                await socket.close(code=WSCloseCode.POLICY_VIOLATION)

    async def close(self, _: web.Application) -> None:
        """Tell every page that the server goes away."""
        for socket in list(self._sockets):
            await socket.close(code=WSCloseCode.GOING_AWAY)


class _Page:
    """One page's socket; what it is sent is always the present state, so nothing can pile up."""

    def __init__(
        self, socket: web.WebSocketResponse, *, hub: Hub, query: Query, charts: Charts
    ) -> None:
        self._socket, self._hub, self._query, self._charts = socket, hub, query, charts
        self._subscriptions: dict[int, _Subscription] = {}
        self._visible = True
        self._wake = asyncio.Event()

    async def talk(self) -> None:
        await self._send(
            {"t": "hello", "version": self._hub.version, "heartbeat": HEARTBEAT_MILLIS}
        )
        forget = self._hub.listen(self._changed)
        sender = asyncio.create_task(self._send_changes())
        try:
            async for message in self._socket:
                if message.type is WSMsgType.ERROR:
                    break
                data = message.data.encode() if message.type is WSMsgType.TEXT else message.data
                if len(data) > MAX_QUERY_BYTES:
                    await self._socket.close(code=WSCloseCode.MESSAGE_TOO_BIG)
                elif message.type is WSMsgType.TEXT:
                    await self._receive(data)
                else:
                    await self._refuse(None, Problem(Code.MALFORMED, "messages are JSON text"))
        finally:
            forget()
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await sender

    async def _send(self, message: dict[str, Any]) -> None:
        await self._socket.send_str(page_json(message).decode())

    def _changed(self, entity: str, project: str, run: str) -> None:
        for subscription in self._subscriptions.values():
            if subscription.looks_at(entity, project, run):
                subscription.dirty = True
                subscription.changed_runs |= {run} | subscription.forks.get(run, set())
                self._wake.set()

    # ---- from the page -----------------------------------------------------------------------

    async def _receive(self, text: bytes) -> None:
        number: object = None
        try:
            message = _object(text)
            number = message.get("id")
            await self._act(message)
        except ConnectionError:
            raise
        except Exception as error:  # noqa: BLE001  # the wall of a message: the others go on
            await self._refuse(number, _problem_of(error))

    async def _refuse(self, number: object, problem: Problem) -> None:
        shown = number if isinstance(number, (int, str)) else None
        message = {"t": "error", "id": shown, "code": problem.code.code, "detail": problem.detail}
        if problem.field is not None:
            message["field"] = problem.field
        await self._send(message)

    async def _act(self, message: dict[str, Any]) -> None:
        kind = message.get("t")
        if not isinstance(kind, str):
            raise Problem(Code.INVALID, "a message has its kind in `t`", field="t")
        if kind == "sub":
            await self._subscribe(message)
        elif kind == "unsub":
            self._subscriptions.pop(_id(message), None)
        elif kind in {"visible", "hello"}:
            self._visible = bool(message.get("v", message.get("visible", True)))
            self._wake.set()
        elif kind != "ack":
            raise Problem(Code.INVALID, "`t` is sub, unsub, visible, hello or ack", field="t")

    async def _subscribe(self, message: dict[str, Any]) -> None:
        if len(self._subscriptions) >= _MAX_SUBSCRIPTIONS:
            raise Problem(Code.INVALID, f"a page has at most {_MAX_SUBSCRIPTIONS} subscriptions")
        names = [message.get(name) for name in ("entity", "project")]
        if not all(isinstance(name, str) for name in names):
            raise Problem(Code.INVALID, "a subscription has an entity and a project")
        entity, project = check_project(str(names[0]), field="entity"), check_project(str(names[1]))
        channel = message.get("ch")
        if channel == "series":
            panels_of(message, is_live=True)
        elif channel == "run":
            _check_run(message)
        elif channel != "runs":
            raise Problem(Code.INVALID, "`ch` is runs, series or run", field="ch")
        subscription = _Subscription(_id(message), str(channel), entity, project, message)
        since = _since(message)
        if channel == "runs":
            # Checked here; what the page holds is of `since`, or it asks again after the gap.
            subscription.runs = await self._query.runs_answer(
                entity, project, self._runs_query(message)
            )
        if channel == "series":
            await self._find_forks(subscription)
        # From here on it hears of changes; nothing is awaited in between.
        missed = since is not None and since < self._hub.version_of(entity, project)
        self._subscriptions[subscription.id] = subscription
        if missed:
            await self._catch_up(subscription)

    async def _catch_up(self, subscription: _Subscription) -> None:
        """Tell a page, which may hold what is older, what it has missed."""
        if subscription.channel == "runs":
            await self._send({"t": "gap", "id": subscription.id})
            return
        subscription.dirty = True
        if subscription.channel == "series":
            subscription.changed_runs.update(subscription.drawn_runs)
        self._wake.set()

    def _runs_query(self, body: dict[str, Any]) -> dict[str, Any]:
        query = body.get("query")
        if not isinstance(query, dict):
            raise Problem(Code.INVALID, "`query` is as of runs:query", field="query")
        return query

    # ---- to the page -------------------------------------------------------------------------

    async def _send_changes(self) -> None:
        while True:
            try:
                await asyncio.wait_for(self._wake.wait(), HEARTBEAT_MILLIS / 1000)
            except asyncio.TimeoutError:
                await self._send({"t": "hb"})
                continue
            await asyncio.sleep(COALESCE_SECS)
            self._wake.clear()
            if not self._visible:
                continue
            for subscription in list(self._subscriptions.values()):
                if subscription.dirty:
                    await self._update(subscription)

    async def _update(self, subscription: _Subscription) -> None:
        runs, subscription.changed_runs = subscription.changed_runs, set()
        subscription.dirty = False
        update = {"series": self._series, "runs": self._runs, "run": self._run}
        try:
            await update[subscription.channel](subscription, runs)
        except ConnectionError:
            raise
        except Exception as error:  # noqa: BLE001  # the wall of a subscription: the others go on
            await self._refuse(subscription.id, _problem_of(error))
            await self._send({"t": "gap", "id": subscription.id})

    async def _find_forks(self, subscription: _Subscription) -> None:
        """Look at the runs, too, whose rows the charts show as those of their forks."""
        subscription.forks = await self._charts.forks(
            subscription.entity, subscription.project, subscription.drawn_runs
        )

    async def _series(self, subscription: _Subscription, runs: set[str]) -> None:
        version = self._hub.version
        await self._find_forks(subscription)
        frames = []
        for panel in subscription.body["panels"]:
            if runs.isdisjoint(panel["runs"]["ids"]):
                continue
            after = await self._charts.draw(subscription.entity, subscription.project, panel)
            found = changes(subscription.drawn.get(panel["id"]), after)
            subscription.drawn[panel["id"]] = after
            if found is not None:
                frames.append(arrow(found[0], version=version, reset=found[1]))
        if frames:
            await self._socket.send_bytes(struct.pack("<I", subscription.id) + b"".join(frames))

    async def _runs(self, subscription: _Subscription, _: set[str]) -> None:
        query = self._runs_query(subscription.body)
        after = await self._query.runs_answer(subscription.entity, subscription.project, query)
        before, subscription.runs = subscription.runs, after
        held = {run: _row(before, number) for number, run in enumerate(before["ids"])}
        changed = [
            number
            for number, run in enumerate(after["ids"])
            if held.get(run) != _row(after, number)
        ]
        here = set(after["ids"])
        kept = [run for run in before["ids"] if run in here]
        upsert = {
            "ids": [after["ids"][number] for number in changed],
            "cols": {
                name: [column[number] for number in changed]
                for name, column in after["cols"].items()
            },
            "dict": after["dict"],
        }
        await self._send(
            {
                "t": "runs",
                "id": subscription.id,
                "v": after["version"],
                "upsert": upsert,
                "remove": [run for run in before["ids"] if run not in here],
                "moved": kept != after["ids"],
                "total": after["total"],
                "matched": after["matched"],
            }
        )

    async def _run(self, subscription: _Subscription, _: set[str]) -> None:
        version = self._hub.version
        run = await self._query.find_answer(
            subscription.entity, subscription.project, str(subscription.body["run"])
        )
        if run is None:
            await self._send({"t": "gap", "id": subscription.id})
        else:
            await self._send({"t": "run", "id": subscription.id, "v": version, "run": run})


def _problem_of(error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, StorageError):
        _log.error("the live channel: %s", error)
        return Problem(Code.BUSY, str(error))
    _log.error("the live channel", exc_info=error)
    return Problem(Code.INTERNAL, "this is a bug of the server; its log says more")


def _object(text: bytes) -> dict[str, Any]:
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Problem(Code.MALFORMED, f"not JSON: {error}") from error
    if not isinstance(message, dict):
        raise Problem(Code.MALFORMED, "a message is a JSON object")
    return message


def _row(answer: dict[str, Any], number: int) -> bytes:
    """A row for comparing; as bytes, because NaN differs from itself."""
    return page_json([column[number] for column in answer["cols"].values()])


def _check_run(message: dict[str, Any]) -> None:
    run = message.get("run")
    if not isinstance(run, str):
        raise Problem(Code.INVALID, "this channel has the id of a `run`", field="run")
    check_run(run)


def _since(message: dict[str, Any]) -> int | None:
    since = message.get("since")
    if isinstance(since, bool) or not isinstance(since, (int, type(None))):
        raise Problem(Code.INVALID, "`since` is a version or null", field="since")
    return since


def _id(message: dict[str, Any]) -> int:
    number = message.get("id")
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 1 << 32:
        raise Problem(Code.INVALID, "a subscription's `id` is a number of 32 bits", field="id")
    return number
