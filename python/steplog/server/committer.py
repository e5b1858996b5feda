"""Makes versions of artifacts, once all that they hold is stored."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from steplog._errors import StorageError
from steplog.server.store.artifact_commits import ArtifactCommits
from steplog.server.store.manifest import (
    MAX_MANIFEST_BYTES,
    Entry,
    ManifestError,
    digest_of,
    read_manifest,
)

if TYPE_CHECKING:
    from steplog.server.hub import Hub
    from steplog.server.store.artifact_names import Row
    from steplog.server.store.blobs import BlobStore
    from steplog.server.store.meta import MetaStore
    from steplog.server.store.run_files import Content

_log = logging.getLogger(__name__)

_PIECE_BYTES = 4 << 20


class Committer:
    """Looks at what is pending, whenever it is told that something has come, and at times.

    One at a time: what it knows of contents that are there stays so, since pending artifacts keep
    what they name.
    """

    def __init__(self, meta: MetaStore, store: BlobStore, hub: Hub) -> None:
        self._records = ArtifactCommits(meta)
        self._store = store
        self._hub = hub
        self._lock = asyncio.Lock()
        self._woken = asyncio.Event()
        # Of each that waits for contents one of them, the largest: it comes last.
        self._awaited: dict[int, str] = {}
        self._ready: set[int] = set()

    def wake(self) -> None:
        """Something has come that an artifact may wait for."""
        self._woken.set()

    async def run(self) -> None:
        """Look whenever it is woken, until it is cancelled."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            try:
                await self.look()
            except StorageError:  # the next look, which comes soon, tries again
                _log.exception("committing artifacts failed")

    async def look(self) -> None:
        """Commit what can be."""
        async with self._lock:
            while await self._round():
                pass

    async def _round(self) -> bool:
        """Try each that is pending; whether one was decided that others may have waited for."""
        pending = await self._records.pending()
        known = {*pending}
        self._ready &= known
        self._awaited = {at: one for at, one in self._awaited.items() if at in known}
        there = await self._records.stored(set(self._awaited.values()))
        is_any = False
        for number in pending:
            sha256 = self._awaited.get(number)
            if sha256 is None or sha256 in there:
                is_any |= await self._try(number)
        return is_any

    async def _try(self, number: int) -> bool:
        row = await self._records.find(number)
        if row is None:
            return False
        if number not in self._ready and not await self._has_all(row):
            # It waits for a content, or has failed: others may have waited for it.
            return number not in self._awaited
        was_ready = number in self._ready
        self._ready.add(number)
        waits = await self._records.commit(number, self._ready)
        if waits is not None:
            await self._records.note(number, waits.reason)
            return not was_ready
        await self._decided(number)
        return True

    async def _decided(self, number: int) -> None:
        self._ready.discard(number)
        self._awaited.pop(number, None)
        for run in await self._records.runs_of(number):
            self._hub.changed(*run)

    async def _has_all(self, row: Row) -> bool:
        """Whether all contents are stored that it names; what is wrong with them fails it."""
        try:
            if not row.is_read:
                content = await self._records.content(row.manifest)
                if content is None:
                    await self._await(row.id, row.manifest)
                    return False
                entries = await self._read(row, content)
                await self._records.keep_entries(row.id, entries)
            missing = await self._records.missing(row.id)
            if missing is not None:
                await self._await(row.id, missing)
                return False
            await self._records.check_sizes(row.id)
        except ManifestError as error:
            await self._records.fail(row.id, str(error))
            await self._decided(row.id)
            return False
        return True

    async def _await(self, number: int, sha256: str) -> None:
        self._awaited[number] = sha256
        await self._records.note(number, f"it waits for contents, such as {sha256}")

    async def _read(self, row: Row, content: Content) -> list[Entry]:
        if content.size_bytes > MAX_MANIFEST_BYTES:
            raise ManifestError(
                f"the manifest has {content.size_bytes:,} bytes, and one has at most "
                f"{MAX_MANIFEST_BYTES >> 20} MiB"
            )
        data = content.whole
        if data is None:
            pieces = bytearray()
            for at in range(0, content.size_bytes, _PIECE_BYTES):
                stop = min(at + _PIECE_BYTES, content.size_bytes)
                pieces += await self._store.read(content.sha256, at, stop)
            data = bytes(pieces)
        return await asyncio.to_thread(_checked, data, row.digest)


def _checked(data: bytes, digest: str) -> list[Entry]:
    """The entries of a manifest that has a digest.

    Raises:
        ManifestError: It is none, or has another one.
    """
    entries = read_manifest(data)
    found = digest_of((entry.path, entry.digest) for entry in entries)
    if found != digest:
        raise ManifestError(f"`digest` is {digest}, and that of the manifest is {found}")
    return entries


__all__ = ["Committer"]
