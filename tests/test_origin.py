"""Exceptions of the program around a call pass; those of what it reads cost only that."""

from __future__ import annotations

import functools
import signal
import sys
from collections.abc import Mapping

import pytest

from steplog._core import RunLog


class TookTooLongError(Exception):
    """What a program's own deadline raises."""


class Interrupted(Mapping[str, object]):
    """A mapping that a signal of its program interrupts while it is read."""

    __hash__ = object.__hash__

    def __getitem__(self, key):
        raise KeyError(key)

    def __len__(self):
        return 1

    def __iter__(self):
        signal.raise_signal(signal.SIGUSR1)
        return iter(())

    def __str__(self):
        signal.raise_signal(signal.SIGUSR1)
        return ""


class Deadline:
    """Handlers of each kind."""

    def __init__(self, error):
        self.error = error

    def __call__(self, *_):
        raise self.error

    def method(self, *_):
        raise self.error

    def with_more(self, *_):
        raise self.error


def function(*_):
    raise TookTooLongError


@pytest.fixture
def handle():
    """Sets the handler of SIGUSR1."""
    before = signal.getsignal(signal.SIGUSR1)
    yield lambda handler: signal.signal(signal.SIGUSR1, handler)
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize(
    "handler",
    [
        function,
        Deadline(TookTooLongError()),
        Deadline(TookTooLongError()).method,
        functools.partial(Deadline(TookTooLongError()).with_more, 1),
        functools.partial(Deadline(TookTooLongError())),
    ],
)
@pytest.mark.parametrize(
    "call",
    [
        lambda run: run.log({"nested": Interrupted()}),
        lambda run: run.log(Interrupted()),
        lambda run: run.log({"nested": {Interrupted(): 1}}),
        lambda run: run.summary.update({"nested": Interrupted()}),
        lambda run: run.config.update({"nested": Interrupted()}),
        lambda run: run.config.update({Interrupted(): 1}),
    ],
)
def test_what_a_handler_of_a_signal_raises_comes_to_the_program(start, handle, *, handler, call):
    handle(handler)
    with start() as run:
        run.log({"a": 1})
        with pytest.raises(TookTooLongError):
            call(run)
        run.log({"a": 2})
        assert run.status()["skipped"] == 0
    assert [row["a"] for row in RunLog(run.sync_dir).rows()] == [1, 2]


@pytest.mark.parametrize("error", [RuntimeError("late"), KeyError("late")])
def test_a_copy_is_not_taken_again_after_a_handler_of_a_signal(start, handle, error):
    handle(Deadline(error))
    with start() as run, pytest.raises(type(error), match="late"):
        run.log({"nested": Interrupted()})


def test_an_error_of_the_values_own_code_costs_only_itself_also_under_a_handler(start, handle):
    class Broken:
        def __str__(self):
            raise TookTooLongError

    handle(function)
    with start() as run:
        run.config.update({"bad": Broken(), "good": 1})
        assert run.config.as_dict() == {"good": 1}


def test_a_program_that_is_too_deep_is_told_so_and_no_value_is_blamed(start, capsys):
    class Broken:
        def __str__(self):
            return self.__str__()

    def deeper(depth=0):
        run.summary["depth"] = depth
        deeper(depth + 1)

    with start() as run:
        with pytest.raises(RecursionError):
            deeper()
        assert 0 < run.summary["depth"] < sys.getrecursionlimit()
        run.config["bad"] = Broken()
    assert "'depth'" not in (said := capsys.readouterr().err)
    assert "'bad' is not recorded: reading it raised RecursionError" in said
