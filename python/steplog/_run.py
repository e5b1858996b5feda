"""A run: its life, and the log/alog, flush/aflush, finish/afinish pairs."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Literal

from steplog import _closing, _folder, _sync, _values
from steplog._errors import (
    ArgumentTypeError,
    InternalError,
    RunClosedError,
    ServerError,
    SteplogError,
    StorageError,
    UsageError,
)
from steplog._facts import new_id
from steplog._hparams import Config
from steplog._settings import Settings, keys_file
from steplog._summary import Summary
from steplog._terminal import say, shorten
from steplog._writer import (
    NullWriter,
    Outcome,
    __version__,
    open_writer,
    wait_for,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

    from steplog._facts import Facts
    from steplog._writer import Writer

    _Entry = tuple[tuple[str, ...], object]

Ack = Literal["log", "disk", "server"]

# A tight loop of `alog` lets other tasks run after this long: short against a frame of any UI or
# a request's latency, long against the microsecond of an append.
_YIELD_SECS = 0.001


class Run:
    """One run, recorded into its folder and, when online, uploaded from there.

    Made by `steplog.init`. Use it as `with` or `async with`, or call `finish`; a run that is not
    finished is finished at interpreter exit. Safe from any thread and task.

    Attributes:
        id: The run's id, unique in its project.
        name: Display name.
        entity: Owner of the project.
        project: Project.
        config: Hyperparameters; dict-like.
        summary: Last values; dict-like.
        settings: The settings in force.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        facts: Facts,
        config: Mapping[str, object] | object = None,
    ) -> None:
        self.settings = settings
        self.entity = settings.entity
        self.project = settings.project
        self.id, self.name, self.notes, self.tags = facts.id, facts.name, facts.notes, facts.tags
        self.group, self.job_type = facts.group, facts.job_type
        self._warned: set[str] = set()
        self._counts = {"refused": 0, "skipped": 0, "lost": 0}
        self._yielded = time.perf_counter()
        self._folder: Path | None = None
        self._is_child = False
        self._summary_at: tuple[Writer | NullWriter | None, int] = (None, -1)
        self._summary: dict[str, object] = {}
        self._until = 0.0
        self._writer_id = ""
        self._writer: Writer | NullWriter = self._open()
        self._log = self._writer.log
        self.config = Config(self._put_config)
        self.summary = Summary(self._read_summary, self._put_summary)
        if config is not None:
            self.config.update(config)
        if settings.mode != "disabled":
            _sync.track(self)
            self._say(f"run {self.name} is recorded in {self._folder}")

    def _open(self) -> Writer | NullWriter:
        if self.settings.mode == "disabled":
            return NullWriter()
        folder, warning = _folder.create(self.settings.dir, self.id)
        self._folder = folder
        if warning:
            self._warn("folder", warning)
        identity = self._identity(self.settings.label)
        try:
            _folder.write_json(folder / "run.json", identity)
            return open_writer(folder, identity, self.settings, keys_file=keys_file())
        except Exception:
            _folder.remove(folder)
            raise

    def _identity(self, label: str) -> dict[str, Any]:
        parent, self._writer_id = self._writer_id, new_id()
        return {
            "format": 1,
            "run": self.id,
            "entity": self.entity,
            "project": self.project,
            "name": self.name,
            "notes": self.notes,
            "tags": list(self.tags),
            "group": self.group,
            "job_type": self.job_type,
            "writer": self._writer_id,
            "label": label,
            "parent": parent,
            "generation": 0,
            "start_step": 0,
            "wall_nanos": time.time_ns(),
            "sdk": __version__,
            "mode": self.settings.mode,
        }

    # The writer is another one after a fork: these find the present one at each call.

    def _put_config(self, entries: dict[str, object]) -> dict[str, object]:
        plain, skipped = _values.to_plain(entries)
        self._skip(skipped)
        kept = self._put_each(
            [((key,), value) for key, value in plain.items()],
            lambda some: self._own_writer().put_config({key: value for (key,), value in some}),
        )
        return {key: value for (key, *_), value in kept}

    def _put_each(
        self, entries: list[_Entry], put: Callable[[list[_Entry]], object]
    ) -> list[_Entry]:
        """Record entries; those that cannot be stored cost only themselves. Gives the others."""
        if not entries:
            return []
        try:
            put(entries)
        except RunClosedError:
            raise
        except StorageError as error:
            self._counts["lost"] += len(entries)
            self._warn("lost", f"values are lost: {error}")
        except UsageError as error:
            if len(entries) > 1:
                return [kept for entry in entries for kept in self._put_each([entry], put)]
            self._skip([(".".join(entries[0][0]), str(error))])
            return []
        return entries

    def _read_summary(self) -> dict[str, object]:
        writer = self._own_writer()
        end = writer.end
        if (writer, end) != self._summary_at or end < 0:
            # In this order: what is logged meanwhile is read once more.
            self._summary_at, self._summary = (writer, end), writer.summary()
        return self._summary

    def _put_summary(
        self, written: list[tuple[list[str], object]], deleted: list[list[str]]
    ) -> None:
        plain: list[_Entry] = []
        for path, value in written:
            kept, skipped = _values.to_plain({path[-1]: value})
            self._skip(skipped)
            plain += [(tuple(path), value) for value in kept.values()]
        self._put_each(
            [(tuple(path), None) for path in deleted],
            lambda some: self._own_writer().put_summary([], [list(path) for path, _ in some]),
        )
        self._put_each(
            plain,
            lambda some: self._own_writer().put_summary(
                [(list(path), value) for path, value in some], []
            ),
        )

    # ---- what the run is -------------------------------------------------------------------

    @property
    def sync_dir(self) -> str:
        """The run's folder; empty when disabled."""
        return str(self._folder or "")

    @property
    def dir(self) -> str:
        """The folder of the run's files; empty when disabled."""
        return str(self._folder / "files") if self._folder else ""

    @property
    def step(self) -> int:
        """Step of the next `log` call without `step`."""
        return self._own_writer().step

    @property
    def is_finished(self) -> bool:
        """Whether `finish` was called."""
        return self._writer.is_closed and not self._writer.is_forked

    @property
    def url(self) -> str | None:
        """The run's page; None when it is not online."""
        if self.settings.mode != "online":
            return None
        return f"{self.settings.base_url.rstrip('/')}/p/{self.entity}/{self.project}/r/{self.id}"

    def status(self) -> dict[str, object]:
        """The run in numbers.

        Rows and values in the log, how far disk and server have come, what was refused (smaller
        steps), skipped (values that cannot be stored) and lost (no disk space).
        """
        return {**self._own_writer().status(), **self._counts}

    # ---- log -------------------------------------------------------------------------------

    def log(
        self, data: Mapping[str, object], step: int | None = None, commit: bool | None = None
    ) -> None:
        """Record values at a step.

        Returns once the values are in the write-ahead log, where they survive the death of this
        process. Never waits for disk, network or GPU. Safe from any thread.

        Args:
            data: Key to value; nested dicts are paths. A value that cannot be stored costs only
                itself, with one warning per key.
            step: Row to write, >= 0 and at least the current one; a smaller one is refused with a
                warning, or merged into its row under `Settings(late_steps="merge")`. Defaults to
                the current row.
            commit: Whether the row is complete. Defaults to true unless `step` is given.

        Raises:
            ArgumentTypeError: `data` is not a mapping with str keys, or `step` is not an integer.
            RunClosedError: The run has finished.
        """
        if type(data) is not dict:
            data = _as_dict(data)
        try:
            outcome = self._log(data, step, commit)
        except InternalError:
            if not self._writer.is_forked:
                raise
            self._own_writer()
            outcome = self._log(data, step, commit)
        if outcome is not None and outcome.convert:
            plain, skipped = _values.to_plain(data)
            self._skip(skipped)
            outcome = self._log(plain, step, commit)
        if outcome is not None:
            self._settle(outcome, data)

    async def alog(
        self,
        data: Mapping[str, object],
        step: int | None = None,
        commit: bool | None = None,
        *,
        ack: Ack = "log",
    ) -> None:
        """Record values at a step.

        Returns once the values are in the write-ahead log, where they survive the death of this
        process; `ack="disk"` waits for fsync, `ack="server"` for the server's acknowledgement.
        Lets other tasks run after each millisecond of uninterrupted use. Safe from any task or
        thread, on asyncio and trio.

        Args:
            data: As for `log`.
            step: As for `log`.
            commit: As for `log`.
            ack: What to wait for.

        Raises:
            ArgumentTypeError: `data` is not a mapping with str keys, or `step` is not an integer.
            UsageError: `ack="server"` in a run that is offline.
            RunClosedError: The run has finished.
            StorageError: `ack="disk"`, and the record could not be put on the disk.
            ServerError: `ack="server"`, and the server refused for good.

        Cancel: Safe. The record is in the log entirely or not at all.
        """
        if ack == "log":
            self.log(data, step, commit)
            now = time.perf_counter()
            if now - self._yielded > _YIELD_SECS:
                await self._yield_to_others()
            return
        if ack not in {"disk", "server"}:
            raise UsageError(f'ack must be "log", "disk" or "server", got {ack!r}')
        if ack == "server" and self.settings.mode == "offline":
            raise UsageError('ack="server" needs an online run, this one is offline')
        writer = self._own_writer()
        self.log(data, step, commit)
        if not isinstance(writer, NullWriter):
            await self._reach(writer, ack)

    async def _yield_to_others(self) -> None:
        import anyio.lowlevel  # noqa: PLC0415  # 35 ms: only a program that waits pays for it

        await anyio.lowlevel.checkpoint()
        self._yielded = time.perf_counter()

    async def _reach(self, writer: Writer, ack: Literal["disk", "server"]) -> None:
        position = _int(writer.status()["last"])
        writer.want_sync()
        await wait_for(writer, ack, position)
        status = writer.status()
        if ack == "disk" and _int(status["synced"]) < position:
            raise StorageError(f"the record is not on the disk: {status['storage_error']}")
        if ack == "server" and _int(status["acknowledged"]) < position:
            raise ServerError(f"the server has not taken the record: {status['upload_reason']}")

    def _settle(self, outcome: Outcome, data: Mapping[str, object]) -> None:
        if outcome.convert:
            raise InternalError("converted values are not plain")
        if outcome.refused is not None:
            self._counts["refused"] += 1
            asked, current = outcome.refused
            self._warn(
                "",
                f"step {asked} is smaller than the current step {current}: the values "
                f"{shorten(', '.join(map(str, data)), 80)} are not recorded"
                + (' (Settings(late_steps="merge") merges them into their row)' * (asked >= 0)),
            )
        if outcome.lost is not None:
            self._counts["lost"] += 1
            self._warn("lost", f"values are lost: {outcome.lost}")
        self._skip(outcome.skipped)

    def _skip(self, skipped: Sequence[tuple[str, str]]) -> None:
        """Count and warn; raises when strict, which of a call's first look records nothing."""
        self._counts["skipped"] += len(skipped)
        for key, reason in skipped:
            self._warn(f"skip {key}", f"{shorten(repr(key), 80)} is not recorded: {reason}")
        if skipped and self.settings.strict:
            raise UsageError(f"cannot store {skipped[0][0]!r}: {skipped[0][1]}")

    def _own_writer(self) -> Writer | NullWriter:
        """This process's writer: a forked child opens its own, its parent's must not be touched."""
        if self._writer.is_forked and self._folder is not None:
            identity = self._identity(f"fork-{os.getpid()}")
            self._writer = open_writer(self._folder, identity, self.settings, keys_file=keys_file())
            self._log = self._writer.log
            self._is_child = True
            _sync.track(self)
        return self._writer

    # ---- flush, finish ---------------------------------------------------------------------

    def flush(self, timeout_secs: float | None = None) -> None:
        """Block until everything logged so far is on the disk.

        Raises:
            StorageError: The disk did not take it, or not within `timeout_secs`
                (`Settings.finish_timeout_secs`).
        """
        writer = self._own_writer()
        if isinstance(writer, NullWriter):
            return
        timeout = self.settings.finish_timeout_secs if timeout_secs is None else timeout_secs
        position = _int(writer.status()["last"])
        writer.want_sync()
        _closing.in_looks(lambda secs: writer.wait("disk", position, secs), timeout)
        status = writer.status()
        if _int(status["synced"]) < position:
            raise StorageError(f"not on the disk after {timeout} s: {status['storage_error']}")

    async def aflush(self) -> None:
        """Wait, without blocking the event loop, until everything logged so far is on the disk.

        Raises:
            StorageError: The disk did not take it.

        Cancel: Safe.
        """
        writer = self._own_writer()
        if not isinstance(writer, NullWriter):
            await self._reach(writer, "disk")

    def finish(self, exit_code: int | None = None) -> None:
        """End the run: everything on the disk, and at the server unless the deadline passes.

        Blocks for at most `Settings.finish_timeout_secs`. Never raises for disk or network: what is
        not at the server stays in the run's folder, and the closing line says how to send it. A
        second call does nothing.
        """
        self._finish(exit_code or 0, self.settings.finish_timeout_secs)

    def finish_at_exit(self, exit_code: int) -> None:
        """Finish within the deadline of interpreter exit; never raises."""
        try:
            self._finish(exit_code, self.settings.exit_timeout_secs)
        except Exception as error:
            self._warn("exit", f"run {self.name} was not finished: {error}")

    def let_go(self) -> None:
        """In a forked child: let go of the parent's lock, so that its death shows at once."""
        self._writer.release_inherited_lock()

    def _finish(self, exit_code: int, timeout_secs: float) -> None:
        writer = self._begin_finish(exit_code, timeout_secs)
        if writer is not None:
            ended = False
            try:
                ended = _closing.in_looks(writer.join, timeout_secs)
            except KeyboardInterrupt:
                # Whoever does not want to wait is told all the same what is where.
                self._until = time.monotonic()
                raise
            finally:
                self._close(writer, ended=ended)

    async def afinish(self, exit_code: int | None = None) -> None:
        """End the run as `finish` does, without blocking the event loop.

        Cancel: Safe; the threads go on to their end, and nothing logged is lost.
        """
        import anyio.to_thread  # noqa: PLC0415  # 35 ms: only a program that waits pays for it

        timeout = self.settings.finish_timeout_secs
        writer = self._begin_finish(exit_code or 0, timeout)
        if writer is not None:
            with anyio.move_on_after(timeout):
                await wait_for(writer, "done", 0)
            ended = writer.join(0.0)
            await anyio.to_thread.run_sync(lambda: self._close(writer, ended=ended))

    def _begin_finish(self, exit_code: int, timeout_secs: float) -> Writer | None:
        _sync.forget(self)
        self._until = time.monotonic() + timeout_secs
        writer = self._writer
        if isinstance(writer, NullWriter):
            writer.is_closed = True
            return None
        if writer.is_closed or writer.is_forked:
            return None
        try:
            # The upload's last answer may just be coming in when its time is over.
            writer.begin_finish(exit_code, max(timeout_secs - 0.5, timeout_secs * 0.8))
        except RunClosedError:
            return None
        except StorageError as error:
            self._warn("exit", f"the end of the run could not be recorded: {error}")
        return writer

    def _close(self, writer: Writer, *, ended: bool) -> None:
        status = self.status()
        rows, reason = _int(status["rows"]), ""
        if _int(status["acknowledged"]) < _int(status["last"]):
            reason = str(status["upload_reason"] or "not reached in time")
        try:
            if self._folder is not None:
                _closing.note_cursor(self._folder, self._writer_id, status)
            if self._folder is not None and not self._is_child:
                _closing.write_files(self._folder, config=self.config, writer=writer)
                rows, reason = self._close_others(self._folder, rows, reason)
        except (OSError, SteplogError) as error:
            self._warn("files", f"the run's folder cannot be closed: {error}")
        lost = {name: count for name, count in self._counts.items() if count}
        if lost:
            self._warn("counts", f"not recorded: {lost}")
        if not self._is_child:
            self._say_closing(rows, reason)
        if not ended:
            self._warn("late", "the writer's threads had not ended at the deadline")

    def _close_others(self, folder: Path, rows: int, reason: str) -> tuple[int, str]:
        """Send what other processes of the run have left; returns the rows of all, and a reason."""
        size_bytes = _closing.others_bytes(folder, self._writer_id)
        if size_bytes == 0:
            return rows, reason
        if size_bytes > _closing.MAX_OTHERS_BYTES:
            return rows, reason or "the logs of other processes are too large to look at now"
        others = _closing.Others(folder, self._writer_id)
        if others.running:
            self._say(f"{others.running} other processes of the run are still logging")
        if self.settings.mode == "online" and not reason:
            reason = others.send(self.settings, self.id, until=self._until)
        return others.rows, reason

    def _say_closing(self, rows: int, reason: str) -> None:
        told = f"run {self.name}: {rows} rows"
        how = f"send it with: steplog sync {self._folder}"
        if self.settings.mode == "offline":
            self._say(f"{told} in {self._folder}; {how}")
        elif reason:
            self._warn("sync", f"{told} in {self._folder}, not all at the server ({reason}); {how}")
        else:
            self._say(f"{told} at {self.url}")

    # ---- talking, contexts -----------------------------------------------------------------

    def _say(self, text: str) -> None:
        if not (self.settings.quiet or self.settings.silent):
            say(text)

    def _warn(self, once: str, text: str) -> None:
        """Warn; with a name in `once` only the first time."""
        if self.settings.silent or (once and once in self._warned):
            return
        self._warned.add(once)
        say(f"warning: {text}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.finish(_sync.exit_code_of(error))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        import anyio  # noqa: PLC0415  # 35 ms: only a program that waits pays for it

        # A cancelled scope must still end its run; `afinish` has a deadline of its own.
        with anyio.CancelScope(shield=True):
            await self.afinish(_sync.exit_code_of(error))

    def __repr__(self) -> str:
        return f"<steplog run {self.entity}/{self.project}/{self.id}>"


def _as_dict(data: object) -> dict[str, object]:
    from collections.abc import Mapping  # noqa: PLC0415  # only for what is not a dict

    if not isinstance(data, Mapping):
        raise ArgumentTypeError(f"log() takes a dict, got {type(data).__name__}")
    return dict(data)


def _int(value: object) -> int:
    if isinstance(value, int):
        return value
    raise InternalError(f"not a number: {value!r}")


__all__ = ["Ack", "Run"]
