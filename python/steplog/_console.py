"""What is printed, by Python, children and C libraries: into the logs of this process's runs."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING

from steplog import _leaving, _streams
from steplog._errors import RunClosedError, StorageError, UsageError
from steplog._names import whole_text
from steplog._streams import NUMBERS, STREAMS
from steplog._writer import ask_output, wait_output

if TYPE_CHECKING:
    from steplog._notices import Notices
    from steplog._settings import ConsoleWay
    from steplog._writer import Writer

_NAMES = {number: name for name, number in NUMBERS.items()}
_MAX_TEXT = 1 << 20
"""Letters of one record; a longer text is several."""
_LOOK_SECS = 0.1
"""Longest time before Ctrl-C is looked after while something is waited for."""


class Console:
    """The output of one run, from its start until `stop`.

    Attributes:
        ways: How each stream is taken, by its number; see `Writer.take_output`.
    """

    def __init__(self, writer: Writer, notices: Notices, *, way: ConsoleWay) -> None:
        self._writer = writer
        self._notices = notices
        self._way = way
        self.ways: dict[int, tuple[str, int]] = {}

    def start(self) -> None:
        """Take what is printed from now on."""
        if self._way == "redirect":
            _streams.flush()
            self._redirect()
        STREAMS.add(self)

    def _redirect(self) -> None:
        STREAMS.follow_given_back()
        for name, number in NUMBERS.items():
            if getattr(sys, f"__{name}__") is None:
                continue  # it was closed, and any file may have its number by now
            try:
                way = self._writer.take_output(number)
            except StorageError as error:
                self._notices.warn(
                    "redirect", f"what children print to {name} is not recorded: {error}"
                )
                continue
            if way[0] != "given":
                self.ways[number] = way
                _leaving.watch()

    def flush(self, timeout_secs: float) -> None:
        """Wait until what was printed is forwarded and in the log, but not longer than this."""
        if not self.ways or self._writer.is_forked:
            return
        _streams.flush()
        until, asked = time.monotonic() + timeout_secs, ask_output()
        while not wait_output(asked, min(_LOOK_SECS, max(until - time.monotonic(), 0.0))):
            if time.monotonic() >= until:
                return

    def stop(self, timeout_secs: float) -> None:
        """Take no more; harmless when called again.

        All is in the log when it returns, and forwarded unless that takes longer than this.
        """
        if self.ways and not self._writer.is_forked:
            _streams.flush()
            lost, unforwarded = self._writer.leave_output(timeout_secs)
            if lost:
                self._notices.warn(
                    "output", f"not all that was printed is recorded: {lost:,} pieces are lost"
                )
            if unforwarded:
                self._tell_unforwarded(unforwarded)
        STREAMS.remove(self)

    def _tell_unforwarded(self, unforwarded: list[tuple[int, int, int]]) -> None:
        lost, waiting = (
            [
                f"{size:,} bytes to {_NAMES[number]}" + (f" ({os.strerror(errno)})" * bool(errno))
                for number, size, errno in unforwarded
                if bool(errno) is is_lost
            ]
            for is_lost in (True, False)
        )
        if lost:
            self._notices.warn(
                "unforwarded", f"what was printed did not all get there: {', '.join(lost)}"
            )
        if waiting:
            self._notices.warn(
                "waiting",
                "what was printed is not all read yet, and what is not when the program ends gets "
                f"lost there; the run has it: {', '.join(waiting)}",
            )

    def put_error(self, error: BaseException | None) -> None:
        """Take the traceback of an error that ends the run before the interpreter prints it."""
        if error is None or isinstance(error, (SystemExit, GeneratorExit)):
            return
        import traceback  # noqa: PLC0415  # only for who fails

        self.flush(_LOOK_SECS)  # what was printed comes first
        with contextlib.suppress(Exception):  # the error's own `__str__` may raise
            lines = traceback.format_exception(type(error), error, error.__traceback__)
            self.put(NUMBERS["stderr"], "".join(lines))

    def tell_unwrapped(self, name: str) -> None:
        """Say that a stream's output is not taken."""
        self._notices.warn(
            name, f"what is printed to sys.{name} is not recorded: it is no usual stream"
        )

    def tell_given_back(self, number: int) -> None:
        """Say that of a stream's output only Python's is taken from now on."""
        name = _NAMES[number]
        self._notices.warn(
            f"given back {name}",
            f"the disk takes no more of {name}: what children print there is not recorded any more",
        )

    def put(self, stream: int, text: str) -> None:
        """Take a text; never raises: the program only wanted to print it.

        In the log when it returns.
        """
        if self._writer.is_forked:
            return
        try:
            for at in range(0, len(text), _MAX_TEXT):
                self._put(stream, text[at : at + _MAX_TEXT])
        except RunClosedError:
            pass  # printed while the run ends
        except (StorageError, UsageError) as error:
            self._notices.warn("output", f"what is printed is not recorded: {error}")

    def _put(self, stream: int, text: str) -> None:
        try:
            self._writer.put_output(stream, text)
        except UnicodeEncodeError:  # half of a pair of surrogates
            self._writer.put_output(stream, whole_text(text))
