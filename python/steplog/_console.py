"""What Python prints: to the original stream, and then into the logs of this process's runs."""

from __future__ import annotations

import contextlib
import sys
import threading
from typing import TYPE_CHECKING, Any

from steplog._errors import RunClosedError, StorageError, UsageError
from steplog._names import whole_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from steplog._notices import Notices
    from steplog._writer import Writer

STREAMS = {"stdout": 1, "stderr": 2}
_MAX_TEXT = 1 << 20
"""Letters of one record; a longer text is several."""


class Console:
    """The output of one run, from its start until `stop`. Forked children's is not the run's."""

    def __init__(self, writer: Writer, notices: Notices) -> None:
        self._writer = writer
        self._notices = notices

    def start(self) -> None:
        """Take what is printed from now on."""
        _tees.add(self)

    def stop(self) -> None:
        """Take no more; harmless when called again."""
        _tees.remove(self)

    def put_error(self, error: BaseException | None) -> None:
        """Take the traceback of an error that ends the run before the interpreter prints it."""
        if error is None or isinstance(error, (SystemExit, GeneratorExit)):
            return
        import traceback  # noqa: PLC0415  # only for who fails

        with contextlib.suppress(Exception):  # the error's own `__str__` may raise
            lines = traceback.format_exception(type(error), error, error.__traceback__)
            self.put(STREAMS["stderr"], "".join(lines))

    def tell_unwrapped(self, name: str) -> None:
        """Say that a stream's output is not taken."""
        self._notices.warn(
            name, f"what is printed to sys.{name} is not recorded: it is no usual stream"
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


class _Tees:
    """The streams of this process while runs take what is printed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._consoles: tuple[Console, ...] = ()
        self._wrapped: dict[str, tuple[Any, Callable[[str], int]]] = {}

    def add(self, console: Console) -> None:
        with self._lock:
            self._consoles = (*self._consoles, console)
            for name in STREAMS:
                self._wrap(name)

    def remove(self, console: Console) -> None:
        with self._lock:
            self._consoles = tuple(one for one in self._consoles if one is not console)
            if not self._consoles:
                for name in list(self._wrapped):
                    self._unwrap(name)

    def _wrap(self, name: str) -> None:
        stream = getattr(sys, name)
        # One object may stand for both.
        if stream is None or any(stream is wrapped for wrapped, _ in self._wrapped.values()):
            return
        original: Callable[[str], int] = stream.write
        number = STREAMS[name]

        def write(text: str, /) -> int:
            written = original(text)
            for console in self._consoles:
                console.put(number, text)
            return written

        try:
            stream.write = write
        except (AttributeError, TypeError):
            for console in self._consoles:
                console.tell_unwrapped(name)
            return
        self._wrapped[name] = (stream, write)

    def _unwrap(self, name: str) -> None:
        stream, write = self._wrapped.pop(name)
        # Somebody may have wrapped it once more: then ours stays, and tells nobody.
        if vars(stream).get("write") is write:
            del stream.write


_tees = _Tees()
