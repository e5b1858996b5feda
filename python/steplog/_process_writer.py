"""The writer of this process: each process of a run writes a log of its own."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steplog import _folder
from steplog._errors import StorageError
from steplog._facts import new_id
from steplog._keys import keys_file
from steplog._past import Past
from steplog._writer import NullWriter, Writer, __version__, is_live, open_writer

if TYPE_CHECKING:
    from steplog._facts import Facts
    from steplog._settings import Settings


_RETRY_SECS = 0.2
"""After a child's log could not be opened, it is not tried again for so long."""


@dataclass(frozen=True)
class Parent:
    """Where a run that was pickled came from: its folder, its writer's id, and its config."""

    folder: Path
    writer: str
    config: dict[str, object]


class ProcessWriter:
    """Opens a run's folder and this process's writer in it; a child process opens one of its own.

    Attributes:
        folder: The run's folder; None when disabled.
        id: The present writer's id.
        writer: The present writer, which may be a parent's: see `own`.
        is_child: Whether this process is a child of the one that opened the run.
        warning: Why the folder is not where it was asked for, or nothing.

    Raises:
        StorageError: Neither the folder nor the temporary folder can be written.
    """

    def __init__(
        self,
        settings: Settings,
        facts: Facts,
        *,
        past: Past | None = None,
        parent: Parent | None = None,
    ) -> None:
        self._settings = settings
        self._facts = facts
        self._past = past
        self.folder: Path | None = None if parent is None else parent.folder
        self.id = "" if parent is None else parent.writer
        self.is_child = parent is not None
        self.warning = ""
        self._parent = ""
        self._failed: tuple[float, StorageError] | None = None
        self.writer = self._open() if parent is None else self._open_child("spawn")

    def own(self) -> Writer | NullWriter:
        """This process's writer: a forked child opens its own, its parent's must not be touched.

        Raises:
            StorageError: The child's cannot be opened now.
        """
        if self.writer.is_forked:
            self.is_child = True
            self.writer = self._open_child("fork")
        return self.writer

    @property
    def is_orphan(self) -> bool:
        """Whether this is a child whose parent is gone, or has ended the run."""
        if self.folder is None or not self._parent:
            return False
        return not is_live(self.folder / "wal" / self._parent)

    def _open_child(self, kind: str) -> Writer | NullWriter:
        if self.folder is None:
            return NullWriter()
        if self._failed is not None and time.monotonic() - self._failed[0] < _RETRY_SECS:
            raise StorageError(self._failed[1].errno, self._failed[1].strerror)
        parent = self._parent = self.id
        identity = self._identity(f"{kind}-{os.getpid()}")
        try:
            return open_writer(self.folder, identity, self._settings, keys_file=keys_file())
        except StorageError as error:
            _folder.remove(self.folder / "wal" / self.id)
            self._failed, self.id = (time.monotonic(), error), parent
            raise

    def _open(self) -> Writer | NullWriter:
        if self._settings.mode == "disabled":
            return NullWriter()
        if self._past is not None and self._past.folder is not None:
            self.folder = self._past.folder
            return self._open_first(self.folder)
        asked = _folder.root_in(self._settings.dir)
        try:
            return self._open_in(asked)
        except OSError as error:  # a StorageError is one
            reason = f"cannot write {asked}: {error.strerror or error}"
        import tempfile  # noqa: PLC0415  # 3 ms, for the rare case

        try:
            fallback = Path(tempfile.gettempdir()) / f"{_folder.ROOT}-{_user()}"
        except FileNotFoundError as error:
            raise StorageError(error.errno, f"{reason}, nor a temporary folder: {error}") from error
        self.warning = f"{reason}; the run is kept in {fallback}"
        try:
            return self._open_in(fallback)
        except OSError as error:
            raise StorageError(error.errno, f"{reason}, nor {fallback}: {error}") from error

    def _open_in(self, root: Path) -> Writer:
        folder = _folder.create(root, self._facts.id)
        try:
            writer = self._open_first(folder)
        except Exception:
            _folder.remove(folder)
            raise
        self.folder = folder
        return writer

    def _open_first(self, folder: Path) -> Writer:
        identity = self._identity(self._settings.label)
        past = self._past or Past()
        if self._past is not None:
            identity |= _goes_on(past)
        if past.folder is None:
            _folder.write_json(folder / "run.json", identity)
        writer = open_writer(
            folder,
            identity,
            self._settings,
            keys_file=keys_file(),
            runtime_nanos=past.runtime_nanos,
            base=None if self._past is None else past.base,
            others=past.others,
        )
        _folder.link_latest(folder)
        return writer

    def _identity(self, label: str) -> dict[str, Any]:
        parent, self.id = self.id if self.is_child else "", new_id()
        facts = self._facts
        return {
            "format": 1,
            "run": facts.id,
            "entity": self._settings.entity,
            "project": self._settings.project,
            "name": facts.name,
            "notes": facts.notes,
            "tags": list(facts.tags),
            "group": facts.group,
            "job_type": facts.job_type,
            "writer": self.id,
            "label": label,
            "parent": parent,
            "generation": 0,
            "start_step": 0,
            "wall_nanos": time.time_ns(),
            "sdk": __version__,
            "mode": self._settings.mode,
        }


def _user() -> str:
    """Who this is: the folder of temporary files is everybody's."""
    return str(os.getuid()) if hasattr(os, "getuid") else "user"


def _goes_on(past: Past) -> dict[str, Any]:
    """What the run's start says of what was before."""
    if past.forked is not None:
        forked = {"run": past.forked.run_id, "step": past.forked.step}
        return {"follows": past.writers, "start_step": past.next_step, "forked": forked}
    return {
        "resumed": True,
        "follows": past.writers,
        "generation": past.generation,
        "start_step": past.next_step,
    }
