"""A file of a run into a folder: whole or not at all, and never outside of the folder."""

from __future__ import annotations

import hashlib
import os
import secrets
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from steplog._errors import ServerError
from steplog._placing import place

if TYPE_CHECKING:
    from steplog.client.connection import Connection

__all__ = ["download"]


async def download(
    connection: Connection,
    where: str,
    *,
    name: str,
    sha256: str,
    root: str | os.PathLike[str],
    replace: bool,
) -> Path:
    """Write what a server has at `where` into a folder, under its name there; returns where it is.

    It is written beside its place and checked, then put there: whoever is interrupted leaves
    nothing under the name. `sha256` counts where the answer does not say its own.

    Raises:
        FileExistsError: It is there, and not to be replaced.
        ServerError: The server refused or cannot be reached, what came is not what it is said to
            be, or its name leads out of the folder.
    """
    target = await anyio.to_thread.run_sync(partial(place, Path(root), name, replace=replace))
    temporary = target.with_name(f".{secrets.token_hex(8)}.part")
    hashed = hashlib.sha256()
    try:
        async with (
            connection.open(where) as body,
            await anyio.open_file(temporary, "xb") as file,
        ):
            async for piece in body.pieces():
                await anyio.to_thread.run_sync(hashed.update, piece)
                await file.write(piece)
        if hashed.hexdigest() != (body.etag or sha256):
            raise ServerError(
                f"what came is not what the server has, its hash is another one: {name}"
            )
        await anyio.to_thread.run_sync(partial(_put, temporary, target, replace=replace))
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(partial(temporary.unlink, missing_ok=True))
    return Path(root) / name


def _put(temporary: Path, target: Path, *, replace: bool) -> None:
    """Give a file its name, over one that is there only if it is to be replaced."""
    if not replace:
        try:
            target.hardlink_to(temporary)
        except FileExistsError:
            raise
        except OSError:  # some file systems have no hard links
            if os.path.lexists(target):
                raise FileExistsError(f"the file is there: {target}") from None
        else:
            return
    temporary.replace(target)
