"""The capture of one run: what is gathered when it starts, and the samples after that."""

from __future__ import annotations

import functools
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from steplog import _code, _settings
from steplog._errors import RunClosedError, StorageError
from steplog.capture import imports

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from concurrent.futures import Future

    from steplog._notices import Notices
    from steplog._run_files import RunFiles
    from steplog._settings import Settings
    from steplog._writer import Writer
    from steplog.capture.metadata import Metadata
    from steplog.capture.packages import Packages
    from steplog.capture.secrets import Secrets
    from steplog.capture.system import System

_MAKE_IMAGES = ("numpy", "PIL")
"""A program that has one of these when a run starts may log images."""

_REQUIREMENTS = "requirements.txt"
MAX_WAIT_SECS = 3.0
"""Of a run that ends at once: what is still being gathered gets this time."""


class Capture:
    """Watches a run from the process that opened it, on threads of its own.

    `put_file` keeps a file of the run by its name; it must not raise for the disk. `files` are
    watched beside the samples.
    """

    def __init__(
        self,
        settings: Settings,
        notices: Notices,
        *,
        writer: Writer,
        put_file: Callable[[str, bytes], None],
        files: RunFiles,
    ) -> None:
        self._settings = settings
        self._notices = notices
        self._writer = writer
        self._put_file = put_file
        self._files = files
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._is_stopped = False
        self._gathered = threading.Event()
        self._sampled = threading.Event()
        """Also the GPUs, which answer late, have been asked."""
        self._tasks: list[Future[None]] = []
        self._packages: Packages | None = None
        wanted = ("stats", "machine_info", "requirements", "git", "watch_files", "save_code")
        if any(getattr(settings, name) for name in wanted):
            self._program = _code.program()
            self._started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            # It has hooks for forks, as has `logging`, which it imports: a fork that waits for a
            # thread that imports them would call only those behind it.
            import concurrent.futures.thread  # noqa: F401, PLC0415  # 3 ms: only who captures pays

            imports.begin()
            threading.Thread(target=self._run, name="steplog-capture", daemon=True).start()
        else:
            self._gathered.set()
            self._sampled.set()

    def stop(self, timeout_secs: float) -> None:
        """Wait a little for what is being gathered, then end the samples.

        Blocks for at most `MAX_WAIT_SECS` and `timeout_secs`.
        """
        if os.getpid() != self._pid:
            return  # the threads are the parent's
        until = time.monotonic() + min(timeout_secs, MAX_WAIT_SECS)
        self._gathered.wait(max(until - time.monotonic(), 0.0))
        self._sampled.wait(max(until - time.monotonic(), 0.0))
        with self._lock:
            self._is_stopped = True
        for task in self._tasks:
            task.cancel()

    def _run(self) -> None:
        try:
            self._gather()
        except Exception as error:  # noqa: BLE001  # a thread of ours: the program must go on
            self._sampled.set()
            self._notices.warn("capture", f"not all that is captured is there: {error!r}")
        finally:
            self._gathered.set()

    def _gather(self) -> None:
        environ = _settings.environment()
        try:
            metadata, secrets, system = self._begin(environ)
        finally:
            imports.end()
        if self._settings.watch_files:
            self._start(self._files.watch, "files")
        if self._settings.save_code:
            self._try("code", metadata, lambda: self._save_code(metadata, environ))
        if self._settings.git:
            self._try("git", metadata, lambda: self._read_git(metadata, secrets, environ=environ))
            spell = functools.partial(self._spell_checkouts, metadata, secrets, environ=environ)
            self._try(_REQUIREMENTS, metadata, spell)
        if system is None:
            self._sampled.set()
        else:
            self._gathered.set()
            self._sample(system, metadata, environ)

    def _begin(self, environ: Mapping[str, str]) -> tuple[Metadata, Secrets, System | None]:
        """All that imports, here or in the libraries that it asks."""
        if any(name in sys.modules for name in _MAKE_IMAGES):
            # 10 ms that the first image of the program would take. These modules import neither.
            from steplog.data import image  # noqa: F401, PLC0415  # on this thread
        from steplog.capture import git, machine, packages  # noqa: F401, PLC0415  # on this thread
        from steplog.capture.metadata import Metadata  # noqa: PLC0415
        from steplog.capture.secrets import Secrets  # noqa: PLC0415
        from steplog.capture.system import System  # noqa: PLC0415

        settings = self._settings
        metadata, secrets = Metadata(self._put_file), Secrets(settings.secrets)
        system: System | None = None

        def sample() -> None:
            nonlocal system
            system = System(settings.stats_disk_paths)
            self._put(system.read())
            for name, reason in system.unavailable.items():
                metadata.not_available(name, reason)

        def describe() -> None:
            facts = machine.describe(
                *(secrets, environ),
                program=self._program.name,
                environment=settings.environment,
                disk_paths=settings.stats_disk_paths,
            )
            metadata.add(startedAt=self._started, **facts)
            metadata.write()

        def list_packages() -> None:
            self._packages = packages.installed(secrets)
            metadata.put(_REQUIREMENTS, self._packages.text().encode())

        if settings.stats:
            self._try("system", metadata, sample)
        if settings.machine_info:
            self._try("machine_info", metadata, describe)
        if settings.requirements:
            self._try("requirements", metadata, list_packages)
        return metadata, secrets, system

    def _save_code(self, metadata: Metadata, environ: Mapping[str, str]) -> None:
        """The script or notebook, which may be saved again while the run goes on, and a folder."""
        source = _code.source(self._program, environ)
        if source is None:
            metadata.not_available("code", f"{self._program.name} is no file of its own")
            metadata.write()
        elif self._files.save_found([source], "live"):
            metadata.add(codePath=source.name)
            metadata.write()
        if self._settings.code_dir:
            self._files.save_found(_code.collect(self._settings.code_dir, None, None), "now")

    def keep_session(self) -> None:
        """Keep the cells that were run, if this is a notebook or a prompt of IPython."""
        session = _code.session() if self._settings.save_code else None
        if session is not None and os.getpid() == self._pid:
            self._put_file(_code.SESSION, session)

    def _read_git(
        self, metadata: Metadata, secrets: Secrets, *, environ: Mapping[str, str]
    ) -> None:
        from steplog.capture import git  # noqa: PLC0415  # loaded by `_begin`

        source = _code.source(self._program, environ)
        found = git.read(
            *(secrets, environ),
            with_patches=self._settings.save_code,
            program=None if source is None else source.path,
        )
        metadata.add(git=found.facts)
        if "reason" in found.facts:
            metadata.not_available("git", str(found.facts["reason"]))
        metadata.write()
        for name, patch in found.patches.items():
            metadata.put(name, patch)

    def _spell_checkouts(
        self, metadata: Metadata, secrets: Secrets, *, environ: Mapping[str, str]
    ) -> None:
        """List packages anew if some are editable and of a repository that others have as well."""
        from steplog.capture import git  # noqa: PLC0415  # loaded by `_begin`

        if self._packages is None or not self._packages.folders:
            return
        folders = [folder for _, folder in self._packages.folders.values()]
        checkouts = git.checkouts(folders, secrets, environ)
        if checkouts:
            self._packages.spell_checkouts(checkouts)
            metadata.put(_REQUIREMENTS, self._packages.text().encode())

    def _try(self, what: str, metadata: Metadata, gather: Callable[[], None]) -> None:
        """Gather one part; where that fails, the others are gathered all the same."""
        try:
            gather()
        except Exception as error:  # noqa: BLE001  # machines are of many kinds
            metadata.not_available(what, f"{type(error).__name__}: {error}")
            metadata.write()
            self._notices.warn(what, f"{what} is not captured: {error!r}")

    def _sample(self, system: System, metadata: Metadata, environ: Mapping[str, str]) -> None:
        with imports.importing():
            from steplog.capture.sampler import Sampler  # noqa: PLC0415  # on this thread only
        sampler = Sampler(
            *(system, metadata),
            put=self._put,
            environ=environ,
            interval_secs=self._settings.stats_interval_secs,
            begun=self._sampled,
        )
        self._start(sampler.run, "samples of the system")

    def _start(self, task: Callable[[], Awaitable[None]], what: str) -> None:
        """Let a task go on beside the program, until the end of the run."""
        with imports.importing():
            from steplog.capture.portal import portal  # noqa: PLC0415
        started = portal().start(task)
        started.add_done_callback(lambda task: self._tell_failure(task, what))
        with self._lock:
            self._tasks.append(started)
            is_late = self._is_stopped
        if is_late:
            started.cancel()

    def _tell_failure(self, task: Future[None], what: str) -> None:
        self._sampled.set()  # nobody else does, if it was that one
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._notices.warn("capture", f"no more {what} are taken: {error!r}")

    def _put(self, sample: dict[str, Any]) -> bool:
        """Record a sample; whether the run takes more of them."""
        try:
            self._writer.put_sample(sample)
        except RunClosedError:
            return False
        except StorageError as error:
            self._notices.warn("samples", f"samples of the system are lost: {error}")
        return True
