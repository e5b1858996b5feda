"""The metadata store: opening, migrating and transactions; the other files here ask it."""

from __future__ import annotations

import asyncio
import errno
import secrets
from contextlib import asynccontextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from steplog._errors import StorageError
from steplog.server._decode import Pattern
from steplog.server.store.tables import SERVER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

_MIGRATIONS = Path(__file__).parent / "migrations"
_BUSY_MILLIS = 10_000


@lru_cache(maxsize=16)
def _pattern(source: str) -> Pattern:
    return Pattern(source)


def _is_match(source: str, text: str) -> bool:
    return _pattern(source).is_match(text)


def _configure_sqlite(
    connection: sqlite.aiosqlite.AsyncAdapt_aiosqlite_connection, _: object
) -> None:
    cursor = connection.cursor()
    # WAL: readers never wait for the writer. NORMAL: a commit survives the process; power loss may
    # take the last ones, and the stores then agree by their positions.
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        f"busy_timeout={_BUSY_MILLIS}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
    # In place of Python's `re`: it backtracks, and holds the interpreter's lock while it does.
    connection.create_function("regexp", 2, _is_match, deterministic=True)


def _migrate(connection: sa.Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _failed(error: SQLAlchemyError, path: str | None = None) -> StorageError:
    """What the database says, without the library's hints."""
    said = getattr(error, "orig", None) or error
    text = " ".join(str(said).split())
    # SQLite's words; its error code can be had since Python 3.11.
    number = errno.ENOSPC if "disk is full" in text else errno.EIO
    reason = f"the metadata store failed: {text}"
    return StorageError(number, reason, path) if path else StorageError(number, reason)


class MetaStore:
    """Projects, runs, writers, keys, values and tokens, in SQL.

    Use from one event loop. Reads run beside each other; writes one at a time.

    Args:
        url: SQLAlchemy's URL of the database, with an async driver.
    """

    def __init__(self, url: str | sa.URL) -> None:
        self._engine: AsyncEngine = create_async_engine(url)
        self._write_lock = asyncio.Lock()
        self.server_id = ""

    @classmethod
    def at(cls, path: Path) -> MetaStore:
        """The embedded store in a file."""
        return cls(sa.URL.create("sqlite+aiosqlite", database=str(path)))

    async def start(self) -> None:
        """Bring the database to the newest tables; its first start gives the server its id.

        Raises:
            StorageError: The database cannot be opened or migrated.
        """
        if self._engine.dialect.name == "sqlite":
            sa.event.listen(self._engine.sync_engine, "connect", _configure_sqlite)
        try:
            async with self._engine.connect() as connection:
                await connection.run_sync(_migrate)
                await connection.commit()
        except SQLAlchemyError as error:
            raise _failed(error, self._engine.url.database) from error
        except CommandError as error:  # its tables are of a version that is not among ours
            raise StorageError(
                errno.EINVAL,
                "a newer steplog has written the metadata store: use that version, or another "
                "data folder",
                self._engine.url.database,
            ) from error
        async with self.write() as connection:
            found = await connection.scalar(sa.select(SERVER.c.server_id))
            if found is None:
                found = secrets.token_hex(8)
                await connection.execute(sa.insert(SERVER).values(id=1, server_id=found))
            self.server_id = found

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection for reads.

        Raises:
            StorageError: The database failed.
        """
        try:
            async with self._engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise _failed(error) from error

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction: kept when the block ends, undone when it raises.

        Raises:
            StorageError: The database failed.
        """
        try:
            async with self._write_lock, self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise _failed(error) from error

    async def upsert(
        self,
        connection: AsyncConnection,
        table: sa.Table,
        rows: Sequence[dict[str, object]],
        *,
        add: Sequence[str] = (),
        greatest: Sequence[str] = (),
        least: Sequence[str] = (),
        bits: Sequence[str] = (),
    ) -> None:
        """Insert rows, or change those whose primary key is there.

        Args:
            connection: The transaction.
            table: Where.
            rows: All with the same columns.
            add: Columns that grow by the new value; others are replaced.
            greatest: Columns that keep the greater value.
            least: Columns that keep the smaller one.
            bits: Columns that keep the bits of both.
        """
        if not rows:
            return
        if self._engine.dialect.name == "sqlite":
            insert: sqlite.Insert | postgresql.Insert = sqlite.insert(table)
        else:
            insert = postgresql.insert(table)
        keys = [column.name for column in table.primary_key.columns]
        changes: dict[str, sa.ColumnElement[object]] = {}
        for name in rows[0]:
            new, old = insert.excluded[name], table.c[name]
            if name in keys:
                continue
            if name in add:
                changes[name] = old + new
            elif name in greatest:
                changes[name] = sa.case((new > old, new), else_=old)
            elif name in least:
                changes[name] = sa.case((new < old, new), else_=old)
            elif name in bits:
                changes[name] = old.bitwise_or(new)
            else:
                changes[name] = new
        await connection.execute(
            insert.on_conflict_do_update(index_elements=keys, set_=changes), list(rows)
        )

    async def aclose(self) -> None:
        """Close every connection."""
        await self._engine.dispose()
