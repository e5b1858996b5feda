"""The dashboard's files, and its page for every address that is not a file."""

from __future__ import annotations

import mimetypes
import re
import secrets
from pathlib import Path

from aiohttp import web

from steplog.server.schema import Code, Problem

STATIC = Path(__file__).parent / "static"
_NONCE = "__STEPLOG_NONCE__"
_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
# What browsers and robots ask for by themselves, such as /favicon.ico; no page has such a name.
_AT_THE_TOP = re.compile(r"[^/]+\.[a-z]+")
_IMMUTABLE = "public, max-age=31536000, immutable"


class Files:
    """The handlers of the page.

    All its files, which are small, are read at start: no path can leave them, and what is installed
    meanwhile cannot mix with them.
    """

    def __init__(self, static: Path = STATIC) -> None:
        found = static.rglob("*") if static.is_dir() else ()
        self._files = {
            path.relative_to(static).as_posix(): path.read_bytes()
            for path in found
            if path.is_file()
        }

    def routes(self) -> list[web.RouteDef]:
        """The route that takes what no other takes; last."""
        return [web.get("/{path:.*}", self.get)]

    async def get(self, request: web.Request) -> web.Response:
        """A file, or the page; 404 for a file that is not there."""
        name = request.match_info["path"]
        if name == "api" or name.startswith("api/"):
            raise Problem(Code.NOT_FOUND, f"there is nothing at {request.path}")
        body = self._files.get(name)
        if body is None and (name.startswith("assets/") or _AT_THE_TOP.fullmatch(name)):
            raise Problem(Code.NOT_FOUND, f"there is no file {request.path}")
        if body is None or name == "index.html":
            return self._page()
        headers = {"Vary": "Accept-Encoding"}
        if name.startswith("assets/"):
            headers["Cache-Control"] = _IMMUTABLE
        accepted = request.headers.get("Accept-Encoding", "")
        for encoding, suffix in _ENCODINGS:
            if encoding in accepted and name + suffix in self._files:
                headers["Content-Encoding"] = encoding
                body = self._files[name + suffix]
                break
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return web.Response(body=body, content_type=kind, headers=headers)

    def _page(self) -> web.Response:
        index = self._files.get("index.html")
        if index is None:
            raise Problem(
                Code.NOT_FOUND, "this installation has no dashboard; `make build` builds it"
            )
        nonce = secrets.token_urlsafe(16)
        text = index.decode().replace(_NONCE, nonce)
        policy = (
            f"default-src 'self'; script-src 'self' 'nonce-{nonce}'; "
            "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self'; "
            # What was logged is in frames of an origin of its own; textures are read as blobs.
            "frame-src 'self'; worker-src 'self'; connect-src 'self' blob:; "
            "object-src 'none'; base-uri 'self'; frame-ancestors 'none'; form-action 'self'"
        )
        headers = {"Content-Security-Policy": policy, "Cache-Control": "no-cache"}
        return web.Response(
            text=text,
            content_type="text/html",
            headers=headers,
        )
