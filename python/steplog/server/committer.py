"""Makes versions of artifacts, once all that they hold is stored."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from steplog._errors import StorageError
from steplog.server.manifest_reader import read_entries
from steplog.server.store.artifact_commits import ArtifactCommits
from steplog.server.store.manifest import ManifestError

if TYPE_CHECKING:
    from steplog.server.hub import Hub
    from steplog.server.store.artifact_names import Row
    from steplog.server.store.blobs import BlobStore
    from steplog.server.store.meta import MetaStore

_log = logging.getLogger(__name__)


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
        # Those of them that wait for another artifact: tried when there is news of any.
        self._waiting: set[int] = set()
        self._seen: set[int] = set()
        self._broken: set[int] = set()

    def wake(self) -> None:
        """Something has come that an artifact may wait for."""
        self._woken.set()

    async def look_again(self) -> None:
        """Look at all of them soon, whatever was known of them."""
        self._waiting.clear()
        self.wake()

    async def run(self) -> None:
        """Look whenever it is woken, until it is cancelled."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            try:
                await self.look()
            except StorageError as error:  # the next look, which comes soon, tries again
                _log.error("committing artifacts failed: %s", error)  # one line

    async def look(self) -> None:
        """Commit what can be."""
        async with self._lock:
            while await self._round():
                pass

    async def settle(self, run_id: int) -> None:
        """Commit what can be of what a run has logged."""
        if await self._records.has_pending(run_id):
            await self.look()

    async def _round(self) -> bool:
        """Try each that is pending; whether one was decided that others may have waited for."""
        pending = await self._records.pending()
        known = {*pending}
        if known != self._seen:
            self._seen = known
            self._waiting.clear()
        self._ready &= known
        self._awaited = {at: one for at, one in self._awaited.items() if at in known}
        there = await self._records.stored(set(self._awaited.values()))
        waited_for = {None, *there}
        is_any = False
        for number in pending:
            is_due = self._awaited.get(number) in waited_for
            if is_due and number not in self._broken and number not in self._waiting:
                is_any |= await self._guarded(number)
        if is_any:
            self._waiting.clear()
        return is_any

    async def _guarded(self, number: int) -> bool:
        try:
            return await self._try(number)
        except StorageError:
            raise
        except Exception:  # noqa: BLE001  # logged; the others are not to wait for it
            _log.exception("a bug: the artifact %d stays pending until the next start", number)
            self._broken.add(number)
            return False

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
            self._waiting.add(number)
            return not was_ready
        await self._decided(number)
        return True

    async def _decided(self, number: int) -> None:
        self._ready.discard(number)
        self._waiting.discard(number)
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
                entries = read_entries(self._store, content, row.digest)
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


__all__ = ["Committer"]
