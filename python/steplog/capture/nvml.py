"""NVIDIA's management library as it is asked here: what its errors mean, what it has refused."""

from __future__ import annotations

import importlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

# A function of pynvml, and the names of the constants of pynvml that it is given after its subject.
Question = tuple[str, ...]

_ARCHITECTURES = "NVML_DEVICE_ARCH_"
_TOO_OLD = "the package nvidia-ml-py is too old"
_NOT_SUPPORTED, _FUNCTION_NOT_FOUND, _GPU_IS_LOST = 3, 13, 15


class NoAnswerError(Exception):
    """There is no answer this time."""


class RefusedError(NoAnswerError):
    """The device, its driver or the bindings have no such thing, and never will."""


class LostError(Exception):
    """The GPU fell off the bus."""


class Nvml:
    """The library of the driver, loaded and initialised; `close` it.

    Every method may wait for the driver, and for as long as the driver hangs; from any thread.

    Raises:
        NoAnswerError: There are no bindings, no library or no driver that works.
        LostError: The driver has lost a GPU, and does not start for that.
    """

    def __init__(self) -> None:
        self._refused: dict[tuple[str, Question], str] = {}
        self._open = False
        try:
            self._pynvml = importlib.import_module("pynvml")
        except ImportError:
            raise NoAnswerError("the package nvidia-ml-py is not installed") from None
        self.ask("", [("nvmlInit",)])
        self._open = True

    def ask(self, where: str, questions: Sequence[Question], *subject: object) -> Any:  # noqa: ANN401  # pynvml has no types
        """The answer to the first of some questions that is not refused.

        A question that was once refused is not asked again.

        Args:
            where: What the questions are about, the same for the same device.
            questions: Ways to ask for one thing, the best first.
            subject: What the functions are given first, mostly a handle.

        Raises:
            RefusedError: All are refused.
            NoAnswerError: There is no answer this time.
            LostError: The GPU is lost.
        """
        for question in questions:
            if (where, question) not in self._refused:
                try:
                    return self._call(question, subject)
                except RefusedError as error:
                    self._refused[where, question] = str(error)
        reasons = [self._refused[where, question] for question in questions]
        # What the driver says tells more than that the bindings cannot ask it.
        raise RefusedError(next((why for why in reversed(reasons) if why != _TOO_OLD), _TOO_OLD))

    def ask_fact(self, where: str, question: Question, *subject: object) -> Any:  # noqa: ANN401  # pynvml has no types
        """As `ask`, one question; None when there is no answer."""
        try:
            return self.ask(where, [question], *subject)
        except NoAnswerError:
            return None

    def architecture(self, where: str, handle: object) -> str | None:
        """What the makers call the architecture of a GPU ("Hopper"), None when it is not known."""
        number = self.ask_fact(where, ("nvmlDeviceGetArchitecture",), handle)
        names = [name for name in dir(self._pynvml) if name.startswith(_ARCHITECTURES)]
        for name in names:
            if getattr(self._pynvml, name) == number and name != f"{_ARCHITECTURES}UNKNOWN":
                return name.removeprefix(_ARCHITECTURES).capitalize()
        return None

    def close(self) -> None:
        """Lets go of the driver, once: others in this process may use it too."""
        if self._open:
            self._open = False
            with suppress(NoAnswerError, LostError):
                self.ask("", [("nvmlShutdown",)])

    def _call(self, question: Question, subject: tuple[object, ...]) -> object:
        function, *constants = question
        try:
            call = getattr(self._pynvml, function)
            arguments = [getattr(self._pynvml, name) for name in constants]
        except AttributeError:
            raise RefusedError(_TOO_OLD) from None
        try:
            return call(*subject, *arguments)
        except Exception as error:  # the bindings have more than the errors of NVML
            raise _meaning(error)(_text(error)) from error


def _meaning(error: Exception) -> type[Exception]:
    code = getattr(error, "value", None)
    if code == _GPU_IS_LOST:
        return LostError
    return RefusedError if code in {_NOT_SUPPORTED, _FUNCTION_NOT_FOUND} else NoAnswerError


def _text(error: Exception) -> str:
    """NVML's name of an error, as a part of a sentence."""
    words = str(error).removeprefix("NVML ").rstrip(".").split()
    return " ".join(word if word.isupper() else word.lower() for word in words)
