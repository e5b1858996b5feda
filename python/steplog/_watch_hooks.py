"""Hooks of a module that are of its passes alone: not of copies, files or compiled code."""

from __future__ import annotations

import sys
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BackwardHook", "EagerHook", "behind_backward"]


class EagerHook:
    """A hook that a copy of the module, or a file of it, has not, and `torch.compile` leaves out.

    In compiled code it would cut the graph in parts, which `fullgraph=True` refuses, and be
    compiled anew for each number that it counts.
    """

    def __init__(self, hook: Callable[..., None]) -> None:
        self._hook = hook
        compiler = getattr(sys.modules["torch"], "compiler", None)  # since torch 2.1
        self._is_compiling: Callable[[], bool] = getattr(compiler, "is_compiling", bool)

    def __call__(self, *arguments: object) -> None:
        if not self._is_compiling():
            self._hook(*arguments)

    def __reduce__(self) -> tuple[Callable[[], object], tuple[()]]:
        """What stands for it there does nothing."""
        return _nothing, ()


class BackwardHook:
    """A hook of a parameter that looks at its model when a backward pass comes to it."""

    # A file of the parameter has it not, and nobody is to be warned.
    __torch_unserializable__ = True

    def __init__(self, hook: Callable[[Any], None], model: Any) -> None:  # noqa: ANN401  # of torch
        self._hook = hook
        self._model = weakref.ref(model)

    def __call__(self, _: object) -> None:
        model = self._model()
        if model is not None:
            self._hook(model)


def behind_backward(model: Any, hook: Callable[[Any], None]) -> list[Any]:  # noqa: ANN401  # of torch
    """Have a hook look at a model in its backward passes; handles, none where it has no such.

    Of code that `torch.compile` made these alone are seen.
    """
    trained = [one for one in model.parameters() if one.requires_grad]
    return [one.register_hook(BackwardHook(hook, model)) for one in trained[:1]]


def _nothing() -> Callable[..., None]:
    return _do_nothing


def _do_nothing(*_: object) -> None:
    """What stands in a copied module where a hook was."""
