"""What is read, in pages: the part that `Api` and `AsyncApi` share."""

from __future__ import annotations

import json
import operator
from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import anyio
import msgpack  # type: ignore[import-untyped]  # it has no stubs

from steplog._errors import (
    ArgumentTypeError,
    NotFoundError,
    RefusedError,
    ServerError,
    UsageError,
)
from steplog._setting_checks import check_name
from steplog.client.connection import MSGPACK, OCTETS, Connection
from steplog.client.download import download
from steplog.client.files import FileFacts
from steplog.client.names import Names

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence
    from pathlib import Path

Row = dict[str, Any]

_MAX_PAGE = 50_000
_MAX_RUNS_PAGE = 1000
_MAX_STEP = (1 << 63) - 1
_BIG_INT = 1
_OF_EVERY_ROW = {"_step", "_timestamp", "_runtime", "_label"}


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the server says of a run, as of when it was read.

    Attributes:
        entity: Owner of the project.
        project: The project.
        id: The run's id, unique in the project.
        name: Display name.
        state: `running`, `preempting`, `finished`, `crashed`, `failed`, `killed`, `preempted` or
            `pending`.
        config: Hyperparameters, nested as they were set.
        summary: Last or chosen values, nested as they were logged.
    """

    entity: str
    project: str
    id: str
    name: str
    state: str
    config: dict[str, Any]
    summary: dict[str, Any]


@dataclass(frozen=True)
class Selection:
    """Which rows of a run, as the body of the first page's request, and the names in them."""

    asked: Mapping[str, object]
    only_of_every_row: bool
    names: Names = field(default_factory=Names)

    @classmethod
    def of(
        cls,
        keys: Sequence[str] | None,
        page_size: int,
        *,
        min_step: int,
        max_step: int | None,
    ) -> Selection:
        """Check what the caller asks for.

        Raises:
            UsageError: A number is out of range, or a key is empty.
            ArgumentTypeError: An argument is of a type that it cannot have.
        """
        asked: dict[str, object] = {
            "limit": _whole("page_size", page_size, least=1, most=_MAX_PAGE),
            "min_step": _whole("min_step", min_step, least=0, most=_MAX_STEP),
        }
        if max_step is not None:
            asked["max_step"] = _whole("max_step", max_step, least=0, most=_MAX_STEP)
        wanted = _keys_of(keys)
        logged = [key for key in wanted if key not in _OF_EVERY_ROW]
        if logged:
            asked["keys"] = logged
        return cls(asked, only_of_every_row=bool(wanted) and not logged)

    def narrow(self, row: Row) -> Row:
        """The row without the values that came along unasked."""
        if not self.only_of_every_row:
            return row
        return {key: row[key] for key in _OF_EVERY_ROW if key in row}


class Reader:
    """Asks a server for runs and rows."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def project(self, project: str, entity: str | None) -> tuple[str, str]:
        """Entity and project of `project` or `entity/project`.

        Raises:
            UsageError: It is neither.
            ArgumentTypeError: It is no text.
        """
        _check_text("project", project)
        if entity is not None:
            _check_text("entity", entity)
        owner, slash, name = project.rpartition("/")
        if slash and entity is not None and owner != entity:
            raise UsageError(f"{project!r} does not belong to the entity {entity!r}")
        owner = owner if slash else entity or self.connection.entity
        check_name("entity", owner)
        check_name("project", name)
        return owner, name

    async def run(self, path: str) -> Facts:
        """The run of `project/id` or `entity/project/id`.

        Raises:
            UsageError: It is neither.
            ArgumentTypeError: It is no text.
        """
        _check_text("path", path)
        project, _, run = path.rpartition("/")
        if not project or not run:
            raise UsageError(f"a run is project/id or entity/project/id, got {path!r}")
        return await self._facts(*self.project(project, None), run)

    async def _facts(self, entity: str, project: str, run: str) -> Facts:
        where = run_path(entity, project, run)
        data, _ = await self.connection.ask(where, accept=MSGPACK)
        try:
            (said,) = unpack(data)
            return Facts(**{name: said[name] for name in Facts.__dataclass_fields__})
        except (ValueError, KeyError, TypeError) as error:
            raise _unreadable(self.connection.url_of(where)) from error

    async def runs_page(
        self, place: tuple[str, str], start: int, page_size: int
    ) -> tuple[list[Facts], int | None]:
        """Runs from a place in the order of creation, and the next page's place."""
        where = f"{project_path(*place)}/runs:query"
        body: dict[str, object] = {
            "columns": ["name"],
            "sort": [{"k": "created", "dir": "asc"}],
            "offset": start,
            "limit": page_size,
        }
        data, _ = await self.connection.ask(where, body=body)
        try:
            said = json.loads(data)
            ids, matched = [str(run) for run in said["ids"]], int(said["matched"])
        except (ValueError, KeyError, TypeError) as error:
            raise _unreadable(self.connection.url_of(where)) from error
        found: dict[str, Facts | Exception] = {}

        async def one(run: str) -> None:
            try:
                found[run] = await self._facts(*place, run)
            except ServerError as error:
                found[run] = error

        async with anyio.create_task_group() as tasks:
            for run in ids:
                tasks.start_soon(one, run)
        end = start + len(ids)
        facts = [fact for fact in map(_or_gone, (found[run] for run in ids)) if fact is not None]
        return facts, end if ids and end < matched else None

    async def rows_page(
        self, run: Facts, selection: Selection, cursor: str | None
    ) -> tuple[list[Row], str | None]:
        """A page of rows, and the cursor of the next."""
        where = f"{_path_of(run)}/history"
        asked = {**selection.asked, **({} if cursor is None else {"cursor": cursor})}
        if "keys" in asked:  # too many for an address, or with commas
            where += ":query"
            data, after = await self.connection.ask(where, body=asked, accept=MSGPACK)
        else:
            where += "?" + urlencode(asked)
            data, after = await self.connection.ask(where, accept=MSGPACK)
        try:
            rows = unpack(data)
            if not selection.names.know(rows):
                selection.names.learn(await self._keys(run))
            return [selection.narrow(selection.names.read(row)) for row in rows], after
        except (ValueError, AttributeError) as error:
            raise _unreadable(self.connection.url_of(where)) from error

    async def files(self, run: Facts, *, all_writers: bool) -> list[FileFacts]:
        """The files of a run, by name; of one name the latest, or all, the latest first."""
        where = f"{_path_of(run)}/files"
        data, _ = await self.connection.ask(where)
        try:
            files = [FileFacts.of(file) for file in json.loads(data)["files"]]
        except (ValueError, KeyError, TypeError) as error:
            raise _unreadable(self.connection.url_of(where)) from error
        if all_writers:
            return files
        return list({file.name: file for file in reversed(files)}.values())[::-1]

    async def file(self, run: Facts, file: FileFacts) -> bytes:
        """What a file of a run holds."""
        data, _ = await self.connection.ask(_file_path(run, file), accept=OCTETS)
        return data

    async def named(self, run: Facts, name: str) -> FileFacts:
        """The latest file of a name.

        Raises:
            NotFoundError: The run has none.
            ArgumentTypeError: The name is no text.
        """
        _check_text("name", name)
        for file in await self.files(run, all_writers=False):
            if file.name == name:
                return file
        where = f"{run.entity}/{run.project}/{run.id}"
        raise NotFoundError(f"the run {where} has no file {name!r}", status=HTTPStatus.NOT_FOUND)

    async def download(
        self, run: Facts, file: FileFacts, *, root: str | os.PathLike[str], replace: bool
    ) -> Path:
        """Write what a file of a run holds into a folder; see `download`."""
        return await download(
            self.connection,
            _file_path(run, file),
            name=file.name,
            sha256=file.sha256,
            root=root,
            replace=replace,
        )

    async def _keys(self, run: Facts) -> list[str]:
        """The keys of a run, as the server spells them."""
        where = f"{_path_of(run)}/keys"
        data, _ = await self.connection.ask(where)
        try:
            return [str(key["name"]) for key in json.loads(data)["keys"]]
        except (ValueError, KeyError, TypeError) as error:
            raise _unreadable(self.connection.url_of(where)) from error


def check_runs_page(page_size: int) -> int:
    """The number of runs of a page, checked.

    Raises:
        UsageError: It is out of range.
        ArgumentTypeError: It is no integer.
    """
    return _whole("page_size", page_size, least=1, most=_MAX_RUNS_PAGE)


def check_step(step: int) -> int:
    """A step, checked.

    Raises:
        UsageError: It is out of range.
        ArgumentTypeError: It is no integer.
    """
    return _whole("step", step, least=0, most=_MAX_STEP - 1)


def _whole(what: str, value: object, *, least: int, most: int) -> int:
    try:
        number = operator.index(value)  # type: ignore[arg-type]  # NumPy's integers are some, too
    except TypeError:
        raise ArgumentTypeError(f"{what} must be an integer, got {type(value).__name__}") from None
    if not least <= number <= most:
        raise UsageError(f"{what} must be {least:,} to {most:,}, got {number:,}")
    return number


def _check_text(what: str, value: object) -> None:
    if not isinstance(value, str):
        raise ArgumentTypeError(f"{what} must be text, got {type(value).__name__}")


def _keys_of(keys: object) -> list[str]:
    if keys is None:
        return []
    if isinstance(keys, (str, bytes)) or not isinstance(keys, Iterable):
        raise ArgumentTypeError(f"keys must be a list of keys, got {keys!r}")
    found = list(keys)
    for key in found:
        _check_text("a key", key)
        if not key:
            raise UsageError("a key is not empty")
    return found


def _or_gone(found: Facts | Exception) -> Facts | None:
    """The run, or None when it was deleted since it was listed."""
    if isinstance(found, RefusedError) and found.status == HTTPStatus.NOT_FOUND:
        return None
    if isinstance(found, Exception):
        raise found
    return found


def _unreadable(url: str) -> ServerError:
    return ServerError(f"the server's answer cannot be understood: {url}")


def _path_of(run: Facts) -> str:
    return run_path(run.entity, run.project, run.id)


def _file_path(run: Facts, file: FileFacts) -> str:
    return f"{_path_of(run)}/files/{quote(file.name)}?{urlencode({'writer': file.writer})}"


def run_path(entity: str, project: str, run: str) -> str:
    """Where a server has a run, below the address of its API."""
    return f"{project_path(entity, project)}/runs/{quote(run, safe='')}"


def project_path(entity: str, project: str) -> str:
    """Where a server has a project, below the address of its API."""
    return f"/projects/{quote(entity, safe='')}/{quote(project, safe='')}"


def _hook(code: int, data: bytes) -> object:
    return int(data) if code == _BIG_INT else msgpack.ExtType(code, data)


def unpack(data: bytes) -> list[Any]:
    """What a server says in msgpack, integers over 64 bits as well.

    Raises:
        ValueError: It cannot be understood.
    """
    unpacker = msgpack.Unpacker(
        ext_hook=_hook, strict_map_key=False, raw=False, max_buffer_size=max(len(data), 1)
    )
    unpacker.feed(data)
    return list(unpacker)
