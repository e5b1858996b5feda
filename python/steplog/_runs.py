"""Run folders on this machine: finding them, and what their logs say about a run's state."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steplog import _folder, _settings
from steplog._errors import UsageError
from steplog._states import STATES, state_of
from steplog._writer import RunLog
from steplog._writer import is_live as _is_live

if TYPE_CHECKING:
    from collections.abc import Iterator


def is_live(folder: Path) -> bool:
    """Whether a live process writes one of a run's logs."""
    return any(_is_live(log) for log in (folder / "wal").glob("*"))


@dataclasses.dataclass(frozen=True)
class LocalRun:
    """A run's folder and its log.

    Attributes:
        dir: The folder.
        log: Its log, read once.
        writers: What the log says about each writer: see `RunLog.writers`.
        identity: Run, entity, project, and name where there is one.
    """

    dir: Path
    log: RunLog
    writers: list[dict[str, Any]]
    identity: dict[str, str]

    @property
    def id(self) -> str:
        """The run's id."""
        return self.identity["run"]

    @property
    def name(self) -> str:
        """The run's display name."""
        return self.identity.get("name", self.id)

    @property
    def records(self) -> int:
        """How many records can be read."""
        return sum(int(writer["records"]) for writer in self.writers)

    @property
    def damage(self) -> list[tuple[str, int, str]]:
        """File, offset and description of everything that is not as it was written."""
        return [
            (str(path), offset, what)
            for writer in self.writers
            for path, offset, what in writer["damage"]
        ] + list(self._missing())

    def _missing(self) -> Iterator[tuple[str, int, str]]:
        """What is known to have been there, and is gone."""
        if not (self.records or self.torn) and (self.dir / "files" / "config.yaml").exists():
            yield str(self.dir / "wal"), 0, "the log holds no record, though the run had begun"
        last = {writer["writer"]: writer["last"] for writer in self.writers}
        for writer_dir in sorted((self.dir / "wal").glob("*")):
            position = max(_folder.read_cursor(writer_dir).values(), default=0)
            if position > last.get(writer_dir.name, 0):
                path = writer_dir / _folder.segment_name(position >> 32)
                what = "a record that a server has had is gone"
                yield str(path), position & 0xFFFF_FFFF, what

    @property
    def torn(self) -> list[tuple[str, int, int]]:
        """File, offset and size of what is left of each record whose write was cut short."""
        return [
            (str(path), offset, size)
            for writer in self.writers
            for path, offset, size in writer["torn"]
        ]

    @property
    def incomplete(self) -> list[str]:
        """Files of which all or the end is missing, while the log goes on behind them."""
        return [str(path) for writer in self.writers for path in writer["incomplete"]]

    @property
    def started(self) -> float | None:
        """When the first record was made, seconds since the epoch."""
        walls = [writer["walls"][0] for writer in self.writers if writer["walls"]]
        return min(walls) / 1e9 if walls else None

    def state(self) -> tuple[str, int | None]:
        """State and exit code.

        Of the writers of a label the newest counts. One that lives makes the run running; else one
        whose end was none decides (`steplog._states`), else the run is finished. Children that are
        over do not decide: how they ended is their parent's affair. Without records it is pending.
        """
        newest: dict[str, dict[str, Any]] = {}
        for writer in sorted(self.writers, key=_age):
            if writer["records"] or writer["live"]:
                newest[writer["label"]] = writer
        known = {writer["writer"] for writer in self.writers}
        states = [
            (_writer_state(writer), writer["exit_code"])
            for writer in newest.values()
            if writer["live"] or (writer["start"] or {}).get("parent") not in known
        ]
        for state in STATES:
            for found, exit_code in states:
                if found == state:
                    return state, exit_code
        return "pending", None

    def synced(self) -> bool:
        """Whether one server is known to have every record, and every file that it wanted."""
        return any(not self._lacks(server) for server in self._servers())

    def synced_in_part(self) -> bool:
        """Whether one has all that can be sent, but not what `sync --partial` left out."""
        return not self.synced() and bool(self._servers())

    def _servers(self) -> set[str]:
        """Those that are known to have come to the end of each log, and lack no file."""
        filled = [writer for writer in self.writers if writer["records"]]
        folders = [self.writer_dir(writer["writer"]) for writer in filled]
        cursors = [_folder.read_cursor(folder) for folder in folders]
        owed = [_folder.read_owed(folder) for folder in folders]
        servers = {server for cursor in cursors for server in cursor}
        return {
            server
            for server in servers
            if all(
                cursor.get(server, 0) >= writer["last"]
                for cursor, writer in zip(cursors, filled, strict=True)
            )
            and not any(files.get(server) for files in owed)
        }

    def _lacks(self, server: str) -> bool:
        """Whether log files were left out that a server is past."""
        for writer in self.writers:
            folder = self.writer_dir(writer["writer"])
            files = _folder.read_left_out(folder).get(server, {})
            at = _folder.read_cursor(folder).get(server, 0)
            if any(at >= _folder.end_of(name) for name in files):
                return True
        return False

    def stand_in(self, writer: dict[str, Any]) -> dict[str, object] | None:
        """What to tell a server of the run where a writer's own first record is damaged."""
        if writer["start"] is not None:
            return None
        said: dict[str, object] = {"name": self.name}
        with contextlib.suppress(OSError, ValueError):
            found = json.loads((self.dir / "run.json").read_text("utf-8"))
            if isinstance(found, dict):
                said |= found
        if said.get("writer") != writer["writer"]:
            said["label"] = writer["writer"]
        return {**said, **self.identity, "writer": writer["writer"], "stands_in": True}

    def writer_dir(self, writer: str) -> Path:
        """The folder of a writer's log."""
        return self.dir / "wal" / writer


def generation(writer: dict[str, Any]) -> int:
    """Which attempt of its label a log is; 0 where its start cannot be read."""
    found = (writer["start"] or {}).get("generation")
    return found if isinstance(found, int) else 0


def _age(writer: dict[str, Any]) -> tuple[int, int]:
    walls = writer["walls"]
    return (generation(writer), walls[0] if walls else 0)


def _writer_state(writer: dict[str, Any]) -> str:
    # A run that is being finished holds its lock until its threads have ended, so the exit record
    # counts first.
    return state_of(
        exit_code=writer["exit_code"],
        is_live=writer["live"],
        is_preempting=writer["preempting"],
    )


def is_run(folder: Path) -> bool:
    """Whether the folder looks like a run's."""
    return (folder / "wal").is_dir() or (folder / "run.json").is_file()


def default_folder() -> Path:
    """Where `init` puts runs that are told nothing else: below the setting `dir`.

    Raises:
        UsageError: It is not there, or a setting cannot be.
        StorageError: The system cannot open a file just now.
    """
    folder = Path(_settings.resolve(None).dir or "") / _folder.ROOT
    if not folder.exists():
        raise UsageError(
            f"there is no folder {folder}: name one, or set STEPLOG_DIR to the one above it"
        )
    return folder


def find(folder: Path, *, may_be_none: bool = False) -> list[Path]:
    """The runs that a folder is or holds, by name; the link to the latest is left out.

    Where there may be none, a folder that is made for runs is allowed to be empty.

    Raises:
        UsageError: There is no such folder, or no run in it.
        OSError: It cannot be read.
    """
    _check_folder(folder)
    if is_run(folder):
        return [folder]
    for root in (folder, folder / _folder.ROOT):
        if root.is_dir():
            children = sorted(root.iterdir())
            runs = [
                child
                for child in children
                if is_run(child) and not (child.name == "latest" and child.is_symlink())
            ]
            if runs:
                return runs
    if may_be_none and (folder.resolve().name == _folder.ROOT or (folder / _folder.ROOT).is_dir()):
        return []
    raise UsageError(f"{folder} is not a run's folder, and holds none")


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise UsageError(
            f"{folder} is no folder" if folder.exists() else f"there is no folder {folder}"
        )


def read(folder: Path) -> LocalRun:
    """Read a run's log.

    Raises:
        UsageError: The folder is not a run's.
        StorageError: It cannot be read.
    """
    _check_folder(folder)
    if not (folder / "wal").is_dir():
        raise UsageError(f"{folder} is not a run's folder: it has no log")
    log = RunLog(folder)
    writers: list[dict[str, Any]] = [
        writer
        for writer in log.writers()
        if writer["records"] or _is_writer(folder / "wal" / str(writer["writer"]))
    ]
    if not writers:
        raise UsageError(f"{folder} is not a run's folder: its log is empty")
    return LocalRun(folder, log, writers, _identity(folder, writers))


def _is_writer(folder: Path) -> bool:
    return (folder / "lock").exists() or any(folder.glob("*.wal"))


def _identity(folder: Path, writers: list[dict[str, Any]]) -> dict[str, str]:
    """Who the run is: the log's word over that of `run.json`, which anybody may have edited."""
    identity = {"run": folder.name, "entity": "local", "project": "uncategorized"}
    sources: list[object] = []
    with contextlib.suppress(OSError, ValueError):
        sources.append(json.loads((folder / "run.json").read_text("utf-8")))
    sources += [writer["start"] for writer in sorted(writers, key=_age) if writer["start"]][:1]
    for source in sources:
        if isinstance(source, dict):
            for what in ("run", "entity", "project", "name"):
                if isinstance(source.get(what), str) and source[what]:
                    identity[what] = source[what]
    return identity
