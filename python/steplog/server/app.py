"""The application: its parts put together, its errors answered, its start and end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from importlib.metadata import version
from typing import TYPE_CHECKING
from urllib.parse import quote

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from steplog._errors import StorageError
from steplog._keys import keys_file
from steplog.server.artifact_changes import ArtifactChanges
from steplog.server.artifacts import Artifacts
from steplog.server.auth import LOGIN_SECS, SESSION_SECS, Auth
from steplog.server.blobs import BlobLimits, Blobs
from steplog.server.by_hash import ByHash
from steplog.server.chart_data import ChartData
from steplog.server.chart_specs import ChartSpecs
from steplog.server.charts import Charts
from steplog.server.committer import Committer
from steplog.server.contents import Contents
from steplog.server.files import Files
from steplog.server.histograms import Histograms
from steplog.server.hub import Hub
from steplog.server.ingest import Ingest
from steplog.server.live import Live
from steplog.server.logs import Logs
from steplog.server.media import Media
from steplog.server.query import Query
from steplog.server.rows import Rows
from steplog.server.schema import API, MAX_BODY_BYTES, MAX_LINE_BYTES, PROBLEM, Code, Problem
from steplog.server.steps import Steps
from steplog.server.store.blob_place import bucket_store, place_of
from steplog.server.store.blobs import BlobStore
from steplog.server.store.exact import page_json
from steplog.server.store.folder import DataFolder
from steplog.server.store.meta import MetaStore
from steplog.server.store.series import SeriesStore
from steplog.server.store.table_cache import TableCache
from steplog.server.store.thumbnail_cache import ThumbnailCache
from steplog.server.table_files import TableFiles
from steplog.server.tables import Tables
from steplog.server.thumbnails import Thumbnails
from steplog.server.webhook import Webhook

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

_log = logging.getLogger(__name__)

CRASHED_SECS = 60.0
"""A running writer that was silent for so long is crashed."""
_EXPIRE_SECS = 5.0
_FREE_PATHS = {f"{API}/healthz", "/healthz", "/login"}
_HTTP_CODES = {
    401: Code.UNAUTHENTICATED,
    404: Code.NOT_FOUND,
    405: Code.METHOD,
    413: Code.TOO_LARGE,
    415: Code.MEDIA_TYPE,
}


class Server:
    """The server on a data folder: `start`, then `app` serves, then `aclose`.

    Args:
        data: The data folder; this process holds it alone.
        fsync: Whether an acknowledged record survives power loss, too.
        crashed_secs: Silence after which a writer is taken for dead.
        max_log_bytes: Of a writer's output that is longer the middle is left out; 0 for no limit.
        webhook: Is told of alerts.
        blobs: Where contents are kept (`s3://BUCKET/PREFIX`); None for the data folder.
        limits: What is kept of contents.

    Raises:
        StorageError: The data folder cannot be used, or keeps its contents elsewhere.
        UsageError: `blobs` is no such address.
    """

    def __init__(
        self,
        data: Path,
        *,
        fsync: bool = True,
        crashed_secs: float = CRASHED_SECS,
        max_log_bytes: int = 0,
        webhook: Webhook | None = None,
        blobs: str | None = None,
        limits: BlobLimits | None = None,
    ) -> None:
        self._webhook = webhook
        self._place = "" if blobs is None else place_of(blobs)
        self._folder = DataFolder(data)
        try:
            self._folder.keep_blobs_in(self._place)
        except StorageError:
            self._folder.close()
            raise
        self.meta = MetaStore.at(self._folder.meta)
        self.series = SeriesStore(self._folder.series, fsync=fsync)
        self.store = (
            BlobStore(bucket_store(self._place))
            if self._place
            else BlobStore.at(self._folder.blobs, fsync=fsync)
        )
        self.hub = Hub()
        self.committer = Committer(self.meta, self.store, self.hub)
        self.ingest = Ingest(
            *(self.meta, self.series, self.hub),
            crashed_secs=crashed_secs,
            max_log_bytes=max_log_bytes,
            tell=self._tell,
            wake=self.committer.wake,
        )
        self.query = Query(
            self.meta, self.series, self.hub, drop=self.ingest.drop, settle=self.committer.settle
        )
        self.charts = Charts(self.meta, self.series, self.hub)
        self.blobs = Blobs(
            *(self.meta, self.store, self.hub),
            limits=limits or BlobLimits(),
            wake=self.committer.wake,
        )
        self._artifacts = Artifacts(self.meta, self.hub)
        self._artifact_changes = ArtifactChanges(self.meta, self.hub)
        self._contents = Contents(self.meta, self.store, self.hub)
        self._cache = ThumbnailCache(self._folder.thumbnails)
        self._thumbnails = Thumbnails(self.store, self._cache)
        self._by_hash = ByHash(self.meta, self.store, self._thumbnails)
        self._logs = Logs(self.meta, self.series, self.hub)
        self._steps = Steps(self.meta, self.series, self.hub)
        self._media = Media(self.meta, self.series, self.hub)
        self._histograms = Histograms(self.meta, self.series, self.hub)
        self._table_cache = TableCache(self._folder.tables)
        self._table_files = TableFiles(self.store, self.series, self._table_cache)
        self._tables = Tables(self.meta, self.series, self.hub, files=self._table_files)
        self._chart_data = ChartData(self.meta, self.series, self.hub, tables=self._tables)
        self._chart_specs = ChartSpecs(self.meta, self.hub)
        self._rows = Rows(self.meta, self.series)
        self._live = Live(self.hub, self.query, self.charts)
        self._files = Files()
        self._key_file = data / "owner.key"
        self._version = version("steplog")
        self._tasks: list[asyncio.Task[None]] = []
        self.auth = Auth(self.meta, key_file=self._key_file, cookie="steplog")
        self.url = ""

    async def start(self) -> None:
        """Open the stores.

        Raises:
            StorageError: One of them cannot be opened.
        """
        await self.meta.start()
        if self._place:
            await self.store.claim(self.meta.server_id)
        await self.series.start()
        await self.auth.start()
        await asyncio.to_thread(self._cache.open)
        await self._table_cache.open(self.series.engine)
        runs = self._look_after(self.ingest.expire, self.ingest.forget_deleted)
        # Apart: a content may take minutes.
        self._tasks += map(
            asyncio.create_task,
            (
                *(runs, self._look_after(self.blobs.sweep)),
                *(self._look_after(self.committer.look_again), self.committer.run()),
            ),
        )
        if self._webhook is not None:
            self._tasks.append(asyncio.create_task(self._webhook.run()))

    def _tell(self, alert: dict[str, object]) -> None:
        if self._webhook is not None:
            path = "/".join(quote(str(alert[part]), safe="") for part in ("entity", "project"))
            page = f"{self.url}/p/{path}/r/{quote(str(alert['run']), safe='')}"
            self._webhook.tell({**alert, "url": page})

    def listens_at(self, host: str, port: int) -> None:
        """Tell where the server is reached: cookie, key file and links depend on it."""
        shown = "127.0.0.1" if host in {"0.0.0.0", ""} else host  # noqa: S104  # compared, not bound
        self.url = f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"
        self.auth.cookie = f"steplog_{port}"

    def publish_key(self) -> None:
        """Write the owner's key where the SDK of the same user finds it."""
        port = self.url.rsplit(":", 1)[-1]
        self.auth.publish(keys_file(), [self.url, f"http://localhost:{port}"])

    async def login_url(self) -> str:
        """A link that logs a browser in, once."""
        return f"{self.url}/login?t={await self.auth.login_token()}"

    def app(self) -> web.Application:
        """The aiohttp application."""
        app = web.Application(
            middlewares=[self._answer_errors, self._authenticate], client_max_size=MAX_BODY_BYTES
        )
        app.add_routes(
            [
                web.get("/healthz", self._health),
                web.get(f"{API}/healthz", self._health),
                # A preview that asks for the head alone must not use the link up.
                web.get("/login", self._login, allow_head=False),
                web.post(f"{API}/login-links", self._login_link),
                web.post(f"{API}/logout", self._logout),
                web.get(f"{API}/session", self._session),
                *self.ingest.routes(),
                *self.blobs.routes(),
                *self._contents.routes(),
                *self._by_hash.routes(),
                *self.query.routes(),
                *self.charts.routes(),
                *self._logs.routes(),
                *self._steps.routes(),
                *self._media.routes(),
                *self._histograms.routes(),
                *self._tables.routes(),
                *self._chart_data.routes(),
                *self._chart_specs.routes(),
                *self._rows.routes(),
                *self._artifacts.routes(),
                *self._artifact_changes.routes(),
                *self._live.routes(),
                *self._files.routes(),
            ]
        )
        app.on_response_prepare.append(self._sign)
        app.on_shutdown.append(self._live.close)
        app.on_shutdown.append(self._stop_blobs)
        return app

    async def _look_after(self, *works: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                for work in works:
                    await work()
            except StorageError as error:
                _log.error("looking after the runs failed: %s", error)  # one line
            await asyncio.sleep(_EXPIRE_SECS)

    async def _stop_blobs(self, _: web.Application) -> None:
        self.store.stop()
        self._table_files.stop()

    async def aclose(self) -> None:
        """Store what was accepted and close the stores."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._table_files.stop()
        await self._tables.aclose()
        await self._thumbnails.aclose()
        await self.store.aclose()
        await self.series.aclose()
        await self.meta.aclose()
        self._folder.close()

    async def _sign(self, _: web.Request, response: web.StreamResponse) -> None:
        response.headers["Steplog-Server"] = self.meta.server_id
        response.headers["Steplog-Version"] = self._version
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers.setdefault("Cache-Control", "no-store")

    @web.middleware
    async def _answer_errors(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        try:
            return await handler(request)
        except Problem as error:
            problem = error
        except web.HTTPRedirection:
            raise
        except web.HTTPException as error:
            code = _HTTP_CODES.get(error.status, Code.MALFORMED)
            problem = Problem(code, f"{request.method} {request.path}: {error.reason}")
        except StorageError as error:
            # One line: while a store is away each request has one, and its reason says it all.
            _log.error("%s %s: %s", request.method, request.path, error)  # as said
            problem = Problem(Code.BUSY, str(error), headers={"Retry-After": "1"})
        except ConnectionError:
            # Nobody reads the answer: it only tells aiohttp that there is nothing to report.
            _log.debug("%s %s: the client went away", request.method, request.path)
            problem = Problem(Code.MALFORMED, "the body ended early")
        except asyncio.CancelledError:
            raise
        except Exception:  # noqa: BLE001  # the last wall: logged, answered as our bug
            _log.exception("%s %s", request.method, request.path)
            problem = Problem(Code.INTERNAL, "this is a bug of the server; its log says more")
        return web.Response(
            body=page_json(problem.body()),
            status=problem.code.status,
            content_type=PROBLEM,
            headers=problem.headers,
        )

    @web.middleware
    async def _authenticate(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        # Only the page itself is free: it holds nothing of anybody's.
        if request.path.startswith("/api") and request.path not in _FREE_PATHS:
            request["user"] = await self.auth.user(request)
        return await handler(request)

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "version": self._version})

    async def _login(self, request: web.Request) -> web.Response:
        session = await self.auth.redeem(request.query.get("t", ""))
        # The page that asks for another link says what was wrong with this one.
        where = "/" if session is not None else "/?login=over"
        response = web.Response(status=303, headers={"Location": where})
        if session is not None:
            response.set_cookie(
                self.auth.cookie, session, max_age=SESSION_SECS, httponly=True, samesite="Lax"
            )
        return response

    async def _login_link(self, _: web.Request) -> web.Response:
        return web.json_response({"url": await self.login_url(), "valid_secs": LOGIN_SECS})

    async def _logout(self, request: web.Request) -> web.Response:
        await self.auth.end(request)
        await self._live.log_out(request.cookies.get(self.auth.cookie, ""))
        response = web.Response(status=204)
        response.del_cookie(self.auth.cookie)
        return response

    async def _session(self, request: web.Request) -> web.Response:
        server = {
            "id": self.meta.server_id,
            "version": self._version,
            "name": socket.gethostname(),
            "features": [],
        }
        limits = {"max_body_bytes": MAX_BODY_BYTES}
        return web.json_response({"user": request["user"], "server": server, "limits": limits})


async def serve(
    *,
    host: str,
    port: int,
    data: Path,
    fsync: bool = True,
    max_log_bytes: int = 0,
    webhook: Webhook | None = None,
    blobs: str | None = None,
    limits: BlobLimits | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; prints where, and a login link.

    Raises:
        StorageError: The data folder or the port cannot be used.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    listener = _listen(host, port)
    try:
        server = Server(
            data,
            fsync=fsync,
            max_log_bytes=max_log_bytes,
            webhook=webhook,
            blobs=blobs,
            limits=limits,
        )
    except BaseException:
        listener.close()
        raise
    runner: web.AppRunner | None = None
    try:
        await server.start()
        server.listens_at(host, listener.getsockname()[1])
        server.publish_key()
        # Batches are zstd, and decompressed with a limit by the decoder: not before.
        runner = web.AppRunner(
            server.app(),
            access_log=None,
            auto_decompress=False,
            shutdown_timeout=5.0,
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_LINE_BYTES,
        )
        await runner.setup()
        await web.SockSite(runner, listener).start()
        print(f"listening {server.url}", flush=True)  # noqa: T201  # the contract of the command
        print(f"login {await server.login_url()}", flush=True)  # noqa: T201
        await stop.wait()
    finally:
        if runner is not None:
            await runner.cleanup()
        listener.close()
        await server.aclose()


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether a log record tells of more than of a client that does not speak HTTP: it is told."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(256)
    except OSError as error:
        listener.close()
        raise StorageError(
            error.errno or 0, f"cannot listen on {host}:{port}: {error.strerror or error}"
        ) from error
    listener.setblocking(False)  # noqa: FBT003  # the standard library's
    return listener


def run_server(
    *,
    host: str,
    port: int,
    data: Path,
    max_log_bytes: int = 0,
    webhook: str | None = None,
    webhook_allows_http: bool = False,
    blobs: str | None = None,
    blob_grace_secs: float = 3600.0,
    max_blob_bytes: int = 0,
    max_run_bytes: int = 0,
) -> None:
    """Serve until SIGTERM or SIGINT, then stop cleanly.

    Raises:
        StorageError: The data folder or the port cannot be used.
        UsageError: The address of the webhook is none, or not safe; that of the contents is none.
    """
    told = Webhook(webhook, allows_http=webhook_allows_http) if webhook else None
    logging.basicConfig(level=logging.WARNING, format="steplog server: %(message)s")
    logging.getLogger("aiohttp.server").addFilter(_is_ours)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(
            serve(
                host=host,
                port=port,
                data=data,
                max_log_bytes=max_log_bytes,
                webhook=told,
                blobs=blobs,
                limits=BlobLimits(blob_grace_secs, max_blob_bytes, max_run_bytes),
            )
        )
