"""How a run ends: the flush/aflush and finish/afinish pairs, and its use as a context."""

from __future__ import annotations

import functools
import sys
import time
from typing import TYPE_CHECKING

from steplog import _closing, _pending, _sync
from steplog._errors import RunClosedError
from steplog._logger import Logger
from steplog._reaching import reach, reach_disk, reach_log
from steplog._writer import NullWriter, wait_for

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from steplog._capture import Capture
    from steplog._config_file import ConfigFile
    from steplog._console import Console
    from steplog._ending import Ending
    from steplog._logged_files import LoggedFiles
    from steplog._loggers import Loggers
    from steplog._owed import Owed
    from steplog._process_writer import ProcessWriter
    from steplog._reaching import Lost
    from steplog._run_files import RunFiles
    from steplog._watch import Watch

# Of the time that an end may take, how much goes to values that are not ready.
_LATE_SHARE = 0.8
_OUTPUT_SHARE = 0.5
"""And how much to what was printed, where nobody reads it."""
_LAST_OUTPUT_SECS = 0.2
"""How long the end waits for what was printed since it has begun."""


class Ends(Logger):
    """The end of a run of this process; `Run` has the parts."""

    __slots__ = ()

    _capture: Capture | None
    _config_file: ConfigFile
    _console: Console | None
    _ending: Ending
    _files: RunFiles
    _logged_files: LoggedFiles
    _loggers: Loggers | None
    _lost: Lost
    _owed: Owed
    _process: ProcessWriter
    _watch: Watch | None

    @property
    def name(self) -> str:
        """Display name."""
        raise NotImplementedError

    @property
    def is_finished(self) -> bool:
        """Whether `finish` was called."""
        raise NotImplementedError

    def flush(self, timeout_secs: float | None = None) -> None:
        """Block until everything logged so far is on the disk.

        Raises:
            StorageError: The disk did not take it: it has failed for 2 s, or `timeout_secs`
                (`Settings.finish_timeout_secs`) are over; or there was no room for records since
                the last flush, which are lost: the others are on the disk then.
        """
        writer = self._own_writer()
        if isinstance(writer, NullWriter):
            return
        timeout = self.settings.finish_timeout_secs if timeout_secs is None else timeout_secs
        reach_disk(writer, self._late, timeout)
        self._lost.check(writer)

    async def aflush(self) -> None:
        """Wait, without blocking the event loop, until everything logged so far is on the disk.

        Raises:
            StorageError: As of `flush`.

        Cancel: Safe.
        """
        writer = self._own_writer()
        if self._late.waiting:
            await reach_log(self._late)
        if not isinstance(writer, NullWriter):
            await reach(writer, "disk")
            self._lost.check(writer)

    def finish(
        self,
        exit_code: int | None = None,
        quiet: bool | None = None,
        *,
        timeout_secs: float | None = None,
    ) -> None:
        """End the run: everything on the disk, and at the server unless the deadline passes.

        Blocks for at most `timeout_secs`. Never raises for disk or network: what is
        not at the server stays in the run's folder, and the closing line says how to send it. A
        second call does nothing.

        Args:
            exit_code: How the program ends; by default what it is known to be ending with, else 0.
                Called while an error is on its way, it is put right if the program dies of that.
            quiet: Accepted, and does nothing: `Settings.quiet` is what counts.
            timeout_secs: Longest time that it takes; `Settings.finish_timeout_secs` by default.

        Raises:
            ArgumentTypeError: `exit_code` is no integer, or `timeout_secs` no number.
            UsageError: The one does not fit into 32 bits, or the other is negative.
        """
        del quiet
        pending = sys.exc_info()[1] if exit_code is None else None
        usual_secs = self.settings.finish_timeout_secs
        code, timeout = (
            _sync.check_exit_code(exit_code),
            _sync.check_timeout(timeout_secs, usual_secs),
        )
        self._finish(code, timeout)
        self._note_pending(code, pending)

    def _note_pending(self, code: int, error: BaseException | None) -> None:
        writer = self._process.writer
        if not isinstance(writer, NullWriter) and not writer.is_forked:
            _pending.note(writer, code, error)

    def finish_at_exit(self, exit_code: int, *, spent_secs: float) -> None:
        """Finish within what is left of the deadline of interpreter exit.

        Raises nothing but KeyboardInterrupt, when the run has been ended all the same.
        """
        writer = self._process.writer
        # Threads that the interpreter does not wait for may go on: their calls come too late, and
        # nobody is left to be told.
        self._stop_recording()
        try:
            self._finish(exit_code, max(self.settings.exit_timeout_secs - spent_secs, 0.0))
        except Exception as error:
            self._notices.warn("exit", f"run {self.name} was not finished: {error}")
        if not isinstance(writer, NullWriter) and not writer.is_forked:
            writer.expect_exit(exit_code)

    def let_go(self) -> None:
        """In a forked child: let go of the parent's lock, so that its death shows at once."""
        self._process.writer.release_inherited_lock()

    def _finish(self, exit_code: int, timeout_secs: float) -> None:
        until = time.monotonic() + timeout_secs
        try:
            self._gather_last(timeout_secs)
            self._late.close()
            self._late.wait(max(until - time.monotonic(), 0.0) * _LATE_SHARE)
        except KeyboardInterrupt:
            self._late.give_up("finish was interrupted before they could be read")
            self._end(exit_code, 0.0)
            raise
        self._end(exit_code, max(until - time.monotonic(), 0.0))

    def _gather_last(self, timeout_secs: float) -> None:
        """What is still being captured or printed, and the files of the program."""
        until = time.monotonic() + timeout_secs * _LATE_SHARE
        if self._watch is not None:
            self._watch.remove()
        if self._console is not None:
            self._console.flush(timeout_secs * _OUTPUT_SHARE)
        if self._capture is not None:
            self._capture.stop(timeout_secs)
            if not self.is_finished:
                self._capture.keep_session()
        if not self.is_finished:
            self._files.finish(max(until - time.monotonic(), 0.0))

    def _end(self, exit_code: int, timeout_secs: float) -> None:
        until = time.monotonic() + timeout_secs
        _sync.forget(self)
        self._stop_console(timeout_secs)
        self._give_up()
        timeout_secs = max(until - time.monotonic(), 0.0)
        writer = self._ending.begin(exit_code, timeout_secs, self._logged_files)
        if writer is not None:
            ended = False
            try:
                ended = _closing.in_looks(writer.join, timeout_secs)
            except KeyboardInterrupt:
                self._ending.hurry()
                raise
            finally:
                self._ending.close(writer, self._config_file, ended=ended)

    async def afinish(
        self,
        exit_code: int | None = None,
        quiet: bool | None = None,
        *,
        timeout_secs: float | None = None,
    ) -> None:
        """End the run as `finish` does, without blocking the event loop.

        Cancel: Safe. Before values that are not ready are in the log the run goes on; else it ends
            all the same, what is not at the server by then stays in its folder, and the closing
            line says so.
        """
        del quiet
        pending = sys.exc_info()[1] if exit_code is None else None
        code = _sync.check_exit_code(exit_code)
        timeout = _sync.check_timeout(timeout_secs, self.settings.finish_timeout_secs)
        import anyio.to_thread  # noqa: PLC0415  # 35 ms: only a program that waits pays for it

        until = time.monotonic() + timeout
        if not self.is_finished:
            gather = functools.partial(self._gather_last, timeout)
            await anyio.to_thread.run_sync(gather, abandon_on_cancel=True)
        self._late.close()
        if self._late.waiting:
            try:
                with anyio.move_on_after(max(until - time.monotonic(), 0.0) * _LATE_SHARE):
                    await reach_log(self._late)
            except anyio.get_cancelled_exc_class():
                self._late.open()
                raise
        _sync.forget(self)
        if self._console is not None:
            with anyio.CancelScope(shield=True):
                left = max(until - time.monotonic(), 0.0)
                await anyio.to_thread.run_sync(self._stop_console, left)
        self._give_up()
        timeout = max(until - time.monotonic(), 0.0)
        writer = self._ending.begin(code, timeout, self._logged_files)
        if writer is not None:
            try:
                with anyio.move_on_after(timeout):
                    await wait_for(writer, "done", 0)
            except anyio.get_cancelled_exc_class():
                self._ending.hurry()
                raise
            finally:
                ended = writer.join(0.0)
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(
                        lambda: self._ending.close(writer, self._config_file, ended=ended)
                    )
                self._note_pending(code, pending)

    def _give_up(self) -> None:
        """The end is about to be recorded: what is not in the log by now is lost."""
        self._late.give_up()
        try:
            self._owed.give_up()
        except RunClosedError:
            return  # it has ended already

    def _stop_console(self, timeout_secs: float) -> None:
        if self._console is not None:
            # All but what was printed in this moment has been waited for.
            self._console.stop(min(timeout_secs, _LAST_OUTPUT_SECS))
        if self._loggers is not None:
            self._loggers.stop()

    # ---- contexts --------------------------------------------------------------------------

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        code = _sync.exit_code_of(error)
        if self._console is not None and not self.is_finished:
            self._console.put_error(error)
        self.finish(code)
        self._note_pending(code, error)

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
            code = _sync.exit_code_of(error)
            if self._console is not None and not self.is_finished:
                self._console.put_error(error)
            await self.afinish(code)
            self._note_pending(code, error)
