"""Files of the program, in a run: what it saves, and what it writes into `run.dir`."""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from steplog._blob_folder import BlobFolder, link_over
from steplog._errors import RunClosedError, StorageError, UsageError
from steplog._later_pool import POOL
from steplog._terminal import count
from steplog._tracked_file import MOST_WRITTEN, SMALL_BYTES, TrackedFile, written
from steplog._writer import NullWriter
from steplog.capture.imports import importing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from concurrent.futures import Future

    from steplog._notices import Notices
    from steplog._process_writer import ProcessWriter
    from steplog._save_paths import Found, Policy, Wish
    from steplog._writer import Writer

_LOOK_SECS = 2.0
_LOOK_SHARE = 200
"""Of the time between two looks a look may take one part in so many."""


class RunFiles:
    """Takes files of a process into its log; `own` are names that the run itself writes.

    `also_kept` are hashes of large contents that are kept for others. What lies in `run.dir` is
    taken with `takes_written`, by the process that opened the run.
    """

    def __init__(
        self,
        process: ProcessWriter,
        notices: Notices,
        *,
        own_writer: Callable[[], Writer | NullWriter],
        own: Callable[[], Collection[str]],
        also_kept: Callable[[], Collection[bytes]],
        takes_written: bool,
    ) -> None:
        self._takes_written = takes_written
        self._process = process
        self._notices = notices
        self._own_writer = own_writer
        self._own = own
        self._also_kept = also_kept
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._files: dict[str, TrackedFile] = {}
        self._changed = threading.Condition()
        self._in_work = self._late = 0
        self._is_over = False
        self._is_watched = False
        self._watching: Future[None] | None = None

    # ---- save ------------------------------------------------------------------------------

    def save(self, wish: Wish) -> list[str]:
        """Take the files that a call asks for; where they are in the run's folder.

        A small one is in the log when this returns, a large one is taken soon.
        """
        if self._pid != os.getpid():
            self._begin()  # what the parent watches is the parent's affair
        folder = self._process.folder
        writer = self._own_writer()
        if folder is None or isinstance(writer, NullWriter):
            return []
        found, outside = wish.find()
        if not found and not outside:
            said = (
                f"{wish.pattern} is not saved: it is no plain file"
                if wish.is_no_plain_file
                else f"save() has found no file {wish.pattern}"
            )
            self._notices.warn(wish.pattern, said)
        for path in outside:
            self._notices.warn(str(path), f"{path} is not saved: it leads out of {wish.base}")
        return self.save_found(found, wish.policy)

    def save_found(self, found: Sequence[Found], policy: Policy) -> list[str]:
        """Take these files; where they are in the run's folder."""
        saved = [str(self._files_dir / one.name) for one in found if self._add(one, policy)]
        if policy == "live" and saved and not self._is_watched:
            POOL.submit(self._start)
        return saved

    @property
    def _files_dir(self) -> Path:
        return (self._process.folder or Path()) / "files"

    def _add(self, found: Found, policy: Policy) -> bool:
        """Have a file taken as its policy says; false when it cannot be one of the run's."""
        is_own = found.path == self._files_dir / found.name
        if found.name in self._own() and not is_own:
            self._notices.warn(
                found.name,
                f"{found.path} is not saved: the run has a {found.name} of its own; with a "
                "base_path further up it gets a name with its folder",
            )
            return False
        file = TrackedFile(found.path, found.name, policy, is_own)
        with self._changed:
            known = self._files.get(found.name)
            if known is not None and known.path == found.path:
                file = known
                file.policy = policy
            self._files[found.name] = file
        if policy == "end":
            self._link_for_a_kill(file)
            return True
        try:
            opened = found.path.open("rb")
            is_small = os.fstat(opened.fileno()).st_size <= SMALL_BYTES
        except OSError as error:
            self._tell_unread(file, error)
            return False
        if is_small:
            return self._take(file, opened, until=math.inf)
        self._link_for_a_kill(file)
        with self._changed:
            self._in_work += 1
        POOL.submit(functools.partial(self._take_later, file, opened))
        return True

    def _link_for_a_kill(self, file: TrackedFile) -> None:
        """Give it a name in the run's folder now: `steplog sync` finds it when this is killed."""
        if file.is_own:
            return
        with contextlib.suppress(OSError):  # on another disk it is there once it is taken
            link_over(file.path.resolve(), self._files_dir / file.name)

    def _take_later(self, file: TrackedFile, opened: BinaryIO) -> None:
        try:
            self._take(file, opened, until=math.inf)
        finally:
            with self._changed:
                self._in_work -= 1
                self._changed.notify_all()

    # ---- looking ---------------------------------------------------------------------------

    async def watch(self) -> None:
        """Look at the files now and then, until cancelled; harmless when called again."""
        with importing():
            import anyio.to_thread  # noqa: PLC0415  # on the thread of the sampling tasks only

        with self._changed:
            if self._is_watched:
                return
            self._is_watched = True
        while not self._is_over:
            began = time.monotonic()
            await anyio.to_thread.run_sync(self.look, abandon_on_cancel=True)
            spent_secs = time.monotonic() - began
            await anyio.sleep(max(_LOOK_SECS, spent_secs * _LOOK_SHARE))

    def _start(self) -> None:
        from steplog.capture.portal import portal  # noqa: PLC0415  # on a thread of the pool

        watching = portal().start(self.watch)
        with self._changed:
            self._watching = watching
            is_late = self._is_over
        if is_late:
            watching.cancel()

    def look(self) -> None:
        """Take what has changed since it was taken, and has not since the last look."""
        now = time.monotonic()
        for file in self._looked_at():
            if file.policy != "live" or self._is_over:
                continue
            found = file.found
            if found in ((), file.taken):
                continue
            if found == file.seen and now >= file.due:
                self._open_and_take(file, until=math.inf)
            file.seen = found

    def _looked_at(self) -> list[TrackedFile]:
        folder = self._process.folder
        if folder is not None and self._takes_written and not self._process.is_child:
            base, own = folder / "files", self._own()
            paths = written(base)
            for path in itertools.islice(paths, MOST_WRITTEN):
                name = path.relative_to(base).as_posix()
                if name not in own:
                    self._files.setdefault(name, TrackedFile(path, name, "live", is_own=True))
            if next(paths, None) is not None:
                self._notices.warn(
                    "written", f"run.dir holds over {MOST_WRITTEN:,} files: the others stay there"
                )
        return list(self._files.values())

    def finish(self, timeout_secs: float) -> None:
        """Take what there is to take at the end. Blocks for at most that time."""
        if self._pid != os.getpid() or isinstance(self._process.writer, NullWriter):
            return
        until = time.monotonic() + timeout_secs
        with self._changed:
            self._changed.wait_for(lambda: not self._in_work, timeout_secs)
            self._late = self._in_work
            self._is_over = True
            watching = self._watching
        if watching is not None:
            watching.cancel()
        for saved in self._looked_at():
            file = saved.written_into(self._files_dir) or saved
            self._files[file.name] = file
            is_taken = file.policy == "now" and not file.is_own
            if is_taken or file.found in ((), file.taken):
                continue
            if time.monotonic() > until:
                self._late += 1
            else:
                self._open_and_take(file, until=until)
        if self._late:
            self._notices.warn("", f"{count(self._late, 'file')} could not be taken in time")

    # ---- taking ----------------------------------------------------------------------------

    def _open_and_take(self, file: TrackedFile, *, until: float) -> None:
        try:
            opened = file.path.open("rb")
        except OSError as error:
            self._tell_unread(file, error)
        else:
            self._take(file, opened, until=until)

    def _take(self, file: TrackedFile, opened: BinaryIO, *, until: float) -> bool:
        """Take what an open file holds; false when it could not be. Never raises for the disk."""
        folder, writer = self._process.folder, self._own_writer()
        if folder is None or isinstance(writer, NullWriter):
            return False
        try:
            with opened:
                file.take(
                    opened,
                    writer,
                    files=folder / "files",
                    blobs=BlobFolder(folder / "wal" / self._process.id),
                    used=self._used,
                    until=until,
                )
        except RunClosedError:
            return True  # what comes behind the end stays where it is
        except TimeoutError:
            self._late += 1
            return False
        except StorageError as error:
            self._notices.tell_lost(1, error.strerror or error)
        except (UsageError, UnicodeEncodeError) as error:  # its name is no text, or no name
            why = "its name is no text" if isinstance(error, UnicodeEncodeError) else error
            self._notices.warn(file.name, f"{file.name!r} is not recorded: {why}")
        except OSError as error:
            self._tell_unread(file, error)
        else:
            return True
        return False

    def _used(self) -> set[bytes]:
        return {one.digest for one in list(self._files.values())}.union(self._also_kept())

    def _tell_unread(self, file: TrackedFile, error: OSError) -> None:
        self._notices.warn(file.name, f"{file.path} is not saved: {error.strerror or error}")
