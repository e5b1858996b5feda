"""Reads manifests: small ones in a thread, large ones in a process of their own.

Hundreds of megabytes of JSON would hold the interpreter's lock for seconds, and need gigabytes.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from typing import TYPE_CHECKING, Any

import msgpack  # type: ignore[import-untyped]  # it has no stubs

from steplog.server.store.manifest import (
    MAX_MANIFEST_BYTES,
    Entry,
    ManifestError,
    digest_of,
    read_manifest,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from steplog.server.store.blobs import BlobStore
    from steplog.server.store.run_files import Content

_APART_BYTES = 1 << 20
"""From here on a process is worth its 0.2 seconds."""
_PIECE_BYTES = 4 << 20
_ROWS_AT_ONCE = 1_000
"""Of a transaction: what else the server does waits for one."""


async def read_entries(
    store: BlobStore, content: Content, digest: str
) -> AsyncIterator[Sequence[Entry]]:
    """The entries of a manifest that has a digest, by path, some at a time.

    Raises:
        ManifestError: It is none, or has another digest; before anything is given.
        StorageError: The store failed.
    """
    if content.size_bytes > MAX_MANIFEST_BYTES:
        raise ManifestError(
            f"the manifest has {content.size_bytes:,} bytes, and one has at most "
            f"{MAX_MANIFEST_BYTES >> 20} MiB"
        )
    if content.size_bytes > _APART_BYTES:
        async for some in _read_apart(store, content, digest):
            yield some
        return
    data = b"".join([piece async for piece in _pieces(store, content)])
    entries = await asyncio.to_thread(_checked, data, digest)
    for at in range(0, len(entries), _ROWS_AT_ONCE):
        yield entries[at : at + _ROWS_AT_ONCE]


async def _pieces(store: BlobStore, content: Content) -> AsyncIterator[bytes]:
    if content.whole is not None:
        yield content.whole
        return
    for at in range(0, content.size_bytes, _PIECE_BYTES):
        stop = min(at + _PIECE_BYTES, content.size_bytes)
        yield await store.read(content.sha256, at, stop)


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


async def _read_apart(
    store: BlobStore, content: Content, digest: str
) -> AsyncIterator[Sequence[Entry]]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", __name__, digest),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the server, which ends it
        env={**os.environ, "PYTHONSAFEPATH": "1"},
    )
    try:
        await _feed(process, store, content)
        is_whole = False
        async for one in _answers(process):
            if isinstance(one, str):
                raise ManifestError(one)
            is_whole = one is None
            if one is not None:
                yield [Entry(*row) for row in one]
        if not is_whole:
            status = await process.wait()
            raise ManifestError(f"the process that reads the manifest has died: status {status}")
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _feed(process: asyncio.subprocess.Process, store: BlobStore, content: Content) -> None:
    if process.stdin is None:
        return
    try:
        async for piece in _pieces(store, content):
            process.stdin.write(piece)
            await process.stdin.drain()
        process.stdin.close()
    except ConnectionError:
        return  # it has died: its answer, which is none, says so


async def _answers(
    process: asyncio.subprocess.Process,
) -> AsyncIterator[list[list[Any]] | str | None]:
    """What the process says: lists of rows, then None; or a text: what is wrong."""
    unpacker = msgpack.Unpacker(strict_map_key=False)
    while process.stdout is not None and (piece := await process.stdout.read(1 << 20)):
        unpacker.feed(piece)
        for one in unpacker:
            yield one


def main() -> None:
    """The process: a manifest comes, its entries go in lists, then nil; or what is wrong goes."""
    gc.disable()  # nothing is freed before it ends
    data = sys.stdin.buffer.read(MAX_MANIFEST_BYTES + 1)
    out = sys.stdout.buffer
    try:
        entries = _checked(data, sys.argv[1])
    except ManifestError as error:
        out.write(msgpack.packb(str(error)))
        return
    for at in range(0, len(entries), _ROWS_AT_ONCE):
        out.write(msgpack.packb(entries[at : at + _ROWS_AT_ONCE]))
    out.write(msgpack.packb(None))


if __name__ == "__main__":
    main()


__all__ = ["read_entries"]
