"""The streams that Python prints to, wrapped while runs take what is printed."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
import threading
from typing import TYPE_CHECKING, Any, Protocol

from steplog._own_terminal import OwnTerminal
from steplog._tees import put_write, write_of
from steplog._writer import (
    RawWrite,
    ask_output,
    cut_output,
    give_output_back,
    is_output_given_back,
    wait_output,
)

if TYPE_CHECKING:
    from collections.abc import Callable

NUMBERS = {"stdout": 1, "stderr": 2}


_GIVEN = ("given", -1)
_GIVE_BACK_SECS = 2.0
"""Where a stream gets its original back: longest time that what came before is waited for."""


class Taker(Protocol):
    """A run's console, seen from here.

    Attributes:
        ways: How it takes each stream, by number: see `Writer.take_output`.
    """

    ways: dict[int, tuple[str, int]]

    def put(self, stream: int, text: str) -> None:
        """Record a text; never raises."""

    def tell_unwrapped(self, name: str) -> None:
        """Say that a stream's output is not taken."""

    def tell_given_back(self, number: int) -> None:
        """Say that of a stream's output only Python's is taken from now on."""


class _PerThread(threading.local):
    passed = 0
    """How many texts have gone through a stream that is redirected."""
    given = 0
    """How many have been given to runs."""


_thread = _PerThread()


class _Order:
    """Which stream this process has printed to last."""

    latest = 0


class _Wrapped:
    """A stream whose `write` does more.

    A stream with the number of one that is redirected is flushed: then the text is kept, whatever
    dies. To others the text is given as well, unless it comes by such a stream in the end.
    """

    def __init__(self, stream: Any, number: int) -> None:  # noqa: ANN401  # any object may be one
        self.stream = stream
        self.number = number
        self.is_backed = _number_of(stream) == number and hasattr(stream, "flush")
        self._original: Callable[[str], int] = write_of(stream)
        self._original_flush: Callable[[], object] = getattr(stream, "flush", lambda: None)
        self._is_redirected = False
        self._is_given_back = False
        self._terminal: OwnTerminal | None = None
        self._inherited: OwnTerminal | None = None
        self._parent = 0
        self._takers: tuple[Taker, ...] = ()
        self._given: tuple[Taker, ...] = ()

        def write(text: str, /) -> int:
            return self._print(text) if self._is_redirected else self._write_and_give(text)

        def flush_both() -> None:
            self._original_flush()
            if self._terminal is not None:
                self._terminal.let_others_first()
                self._terminal.stream.flush()

        self._write, self._flush = write, flush_both
        self._raw: Any = None
        self._raw_write: object = None
        put_write(stream, write)
        if self.is_backed:
            stream.flush = flush_both
            self._wrap_raw()

    def _wrap_raw(self) -> None:
        """Have the pieces of one `print` written without those of other threads in between."""
        buffer = getattr(self.stream, "buffer", None)
        raw = getattr(buffer, "raw", buffer)  # `python -u` has no buffer
        if isinstance(raw, io.FileIO):
            self._raw, self._raw_write = raw, RawWrite(self.number, raw.write)
            raw.write = self._raw_write  # type: ignore[method-assign]  # what buffers write by

    def _print(self, text: str) -> int:
        """Write to a stream whose number is redirected."""
        if is_output_given_back(self.number):
            self._follow_original()
            written = self._write_and_give(text)
            self._original_flush()  # the program meets the error of the original now
            return written
        _thread.passed += 1
        if _Order.latest != self.number:
            _Order.latest = self.number
            cut_output()
        written = -1
        try:
            written = self._original(text)
            self._original_flush()
        except OSError as error:
            if error.errno == errno.EBADF:  # the program has closed it
                raise
            written = self._give_back(text, written)
        if self._given:
            self._give(text)
        return written

    def follow(self, takers: tuple[Taker, ...]) -> None:
        """Do as the present takers need."""
        self._takers = takers
        ways = [taker.ways.get(self.number, _GIVEN) for taker in takers]
        names = [way for way, _ in ways]
        self._is_redirected = self.is_backed and "redirect" in names
        self._is_given_back = self.is_backed and any(
            taker.ways.get(self.number) == _GIVEN for taker in takers
        )
        terminals = [terminal for way, terminal in ways if way == "terminal"]
        self._follow_terminal(terminals[-1] if self.is_backed and terminals else None)
        self._given = tuple(
            taker
            for taker, way in zip(takers, names, strict=True)
            if not (self._is_redirected and way == "redirect")
        )

    def _follow_terminal(self, terminal: int | None) -> None:
        known = self._terminal
        if known is not None and known.descriptor != terminal:
            self._terminal = None
            with contextlib.suppress(OSError):  # it is gone: whoever looked at it knows
                known.stream.flush()
        if terminal is not None and self._terminal is None:
            self._terminal = OwnTerminal(terminal, self.number, self.stream)

    def begin_in_child(self, parent: int) -> None:
        """Be as before in a forked child: what it prints is its parent's affair once it is flushed.

        Flushed at each call, lines of several children would be torn.
        """
        if self._is_redirected or self._parent:
            self._parent = parent
        # What is written at its end here, as of any stream of a forked child.
        self._inherited, self._terminal = self._terminal, None
        self._is_redirected = False

    def unwrap(self) -> None:
        """Be as before."""
        self.follow(())
        # Somebody may have wrapped it once more: then ours stays, and tells nobody.
        owned = {"write": self._write, "flush": self._flush}
        for name, own in owned.items():
            if vars(self.stream).get(name) is own:
                delattr(self.stream, name)
        if write_of(self.stream) is self._write:
            put_write(self.stream, self._original)
        if self._raw is not None and vars(self._raw).get("write") is self._raw_write:
            del self._raw.write

    def _give(self, text: str) -> None:
        _thread.given += 1
        for taker in self._given:
            taker.put(self.number, text)

    def _write_and_give(self, text: str) -> int:
        terminal = self._terminal
        if terminal is not None and terminal.is_meant() and isinstance(text, str):
            self._original_flush()  # what was written to the stream's buffer comes first
            if terminal.is_shown_at_once(text):
                terminal.let_others_first()
            terminal.stream.write(text)
            self._give(text)
            return len(text)
        if self._parent and os.getppid() != self._parent:
            # Nobody forwards any more what this child prints.
            self._parent = 0
            give_output_back(self.number)
        passed = _thread.passed
        written = self._original(text)
        if _thread.passed == passed:
            self._give(text)
        # Whoever passes this on has it recorded by now.
        _thread.passed += self._is_given_back
        return written

    def _follow_original(self) -> None:
        """The stream has its original back: what Python prints is given from now on."""
        wait_output(ask_output(), _GIVE_BACK_SECS)
        self.follow_given_back()

    def follow_given_back(self) -> None:
        """The same, whatever is still to be recorded of what was printed before."""
        for taker in self._takers:
            if self.number in taker.ways:
                taker.ways[self.number] = _GIVEN
        self.follow(self._takers)

    def _give_back(self, text: str, written: int) -> int:
        """The disk of the run is full, which must not stop the program."""
        wait_output(ask_output(), _GIVE_BACK_SECS)
        if is_output_given_back(self.number) or not give_output_back(self.number):
            raise  # noqa: PLE0704  # called where the error is handled
        told = [taker for taker in self._takers if self.number in taker.ways]
        self.follow_given_back()
        if written < 0:
            written = self._original(text)
        self.stream.flush()  # what it still keeps of the text
        for taker in told:
            taker.tell_given_back(self.number)
        return written


def _number_of(stream: Any) -> int:  # noqa: ANN401  # as above
    try:
        return int(stream.fileno())
    except Exception:  # noqa: BLE001  # any object may stand for a stream
        return -1


class Streams:
    """The streams of this process; they are as before when nobody takes them any more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._takers: tuple[Taker, ...] = ()
        self._wrapped: dict[int, _Wrapped] = {}

    def add(self, taker: Taker) -> None:
        """Give a console what is printed from now on."""
        with self._lock:
            self._takers = (*self._takers, taker)
            for name, number in NUMBERS.items():
                self._wrap(name, number, getattr(sys, name))
                if taker.ways.get(number, _GIVEN) != _GIVEN:
                    # Whoever stands for `sys.stdout` may pass on to what stood there first.
                    first = getattr(sys, f"__{name}__")
                    if _number_of(first) == number:
                        self._wrap(name, number, first)
            for wrapped in self._wrapped.values():
                wrapped.follow(self._takers)

    def follow_given_back(self) -> None:
        """Know which streams have their originals back, before others stand in for these."""
        with self._lock:
            for wrapped in self._wrapped.values():
                if is_output_given_back(wrapped.number):
                    wrapped.follow_given_back()

    def begin_in_child(self) -> None:
        """In a forked child: the streams are as before, until it has a run of its own."""
        self._lock = threading.Lock()  # another thread of the parent may have held it
        parent, self._pid = self._pid, os.getpid()
        for wrapped in self._wrapped.values():
            wrapped.begin_in_child(parent)

    def remove(self, taker: Taker) -> None:
        """Give it no more; harmless when called again."""
        with self._lock:
            self._takers = tuple(one for one in self._takers if one is not taker)
            for wrapped in self._wrapped.values():
                wrapped.follow(self._takers)
            if not self._takers:
                while self._wrapped:
                    self._wrapped.popitem()[1].unwrap()

    def _wrap(self, name: str, number: int, stream: Any) -> None:  # noqa: ANN401  # as above
        # One object may stand for both.
        if stream is None or id(stream) in self._wrapped:
            return
        try:
            self._wrapped[id(stream)] = _Wrapped(stream, number)
        except (AttributeError, TypeError):
            for taker in self._takers:
                taker.tell_unwrapped(name)


def printed() -> int:
    """Grows with each text that this thread prints and runs take."""
    return _thread.passed + _thread.given


def flush() -> None:
    """Write what Python keeps of what was printed."""
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        with contextlib.suppress(Exception):  # it may be closed, full, or nothing at all
            stream.flush()  # type: ignore[union-attr]


STREAMS = Streams()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=STREAMS.begin_in_child)
