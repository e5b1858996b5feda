"""Watches models of torch: histograms of their gradients and parameters, as they train."""

from __future__ import annotations

import contextlib
import functools
import math
import sys
import weakref
from typing import TYPE_CHECKING, Any

from steplog import _arrays
from steplog._errors import ArgumentTypeError, UsageError
from steplog._loaded import is_of
from steplog._native import histogram
from steplog._origin import is_the_programs
from steplog._watch_graph import GraphHook
from steplog._watch_hooks import EagerHook, behind_backward
from steplog.data.media import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from steplog._notices import Notices

_BINS = 64
_WHAT = ("gradients", "parameters", "all", None)
_next_index = 0
"""Of the next model of this process; the first one's keys have no number."""


class Watch:
    """The models that one run watches.

    Args:
        log: Takes values for the open row.
        keep: Takes a value for the summary.
        notices: Where warnings go.
    """

    def __init__(
        self,
        log: Callable[[Mapping[str, object]], None],
        keep: Callable[[str, object], None],
        notices: Notices,
    ) -> None:
        self._log = log
        self._keep = keep
        self._notices = notices
        self._graphed: weakref.WeakSet[Any] = weakref.WeakSet()
        self._models: weakref.WeakKeyDictionary[Any, list[Any]] = weakref.WeakKeyDictionary()

    def add(
        self,
        models: object,
        *,
        what: str | None,
        log_freq: int,
        idx: int | None,
        with_graph: bool,
    ) -> None:
        """Begin to watch.

        Raises:
            ArgumentTypeError: These are no models.
            UsageError: An argument is none of those that there are.
        """
        global _next_index  # noqa: PLW0603  # of the process, as in the reference
        listed = _listed(models)
        _check(what, log_freq)
        if with_graph and any(model in self._graphed for model in listed):
            raise UsageError("the graph of a model is recorded once: watch it without log_graph")
        first = _next_index if idx is None else idx
        for number, model in enumerate(listed, first):
            _next_index += 1
            prefix = f"graph_{number}" if number else ""
            handles = self._models.setdefault(model, [])
            if with_graph:
                self._graphed.add(model)
                handles.append(GraphHook(model, functools.partial(self._tell, f"graph_{number}")))
            if what in {"gradients", "all"}:
                for name, parameter in model.named_parameters():
                    if parameter.requires_grad:
                        hook = _GradientHook(self, f"gradients/{prefix}{name}", log_freq)
                        handles.append(parameter.register_hook(hook))
            if what in {"parameters", "all"}:
                behind = _ForwardHook(self, f"parameters/{prefix}", log_freq)
                handles.append(model.register_forward_hook(EagerHook(behind)))
                handles += behind_backward(model, behind.see_backward)

    def remove(self, models: object = None) -> None:
        """Watch models no longer, by default none at all; each is as it was before.

        Raises:
            ArgumentTypeError: These are no models.
        """
        for model in list(self._models) if models is None else _listed(models):
            handles = self._models.pop(model, None)
            if handles is None:
                self._notices.warn("", "unwatch() of a model that the run does not watch")
            for handle in handles or ():
                handle.remove()

    def _tell(self, key: str, made: Callable[[], object]) -> None:
        with self._told(key):
            self._keep(key, made())

    @contextlib.contextmanager
    def _told(self, key: str) -> Iterator[None]:
        """Nothing raises into a pass but what the program itself raises."""
        try:
            yield
        except Exception as error:
            if is_the_programs(error):
                raise
            why = f"{type(error).__name__}: {error}"
            self._notices.warn(f"watch {key}", f"{key!r} is not recorded: {why}")

    def record(self, tensors: Iterable[tuple[str, Any]]) -> None:
        """Log tensors' histograms; raises nothing but what the program itself raises."""
        values: dict[str, object] = {}
        for key, tensor in tensors:
            with self._told(key):
                found = _histogram_of(tensor)
                if found is not None:
                    values[key] = found
        if values:
            with self._told(next(iter(values))):
                self._log(values)


class _GradientHook:
    """Of one parameter; called with its gradient in each backward pass."""

    __slots__ = ("_every", "_key", "_passes", "_watch")
    # A file of the parameter has it not, and nobody is to be warned.
    __torch_unserializable__ = True

    def __init__(self, watch: Watch, key: str, every: int) -> None:
        self._watch = watch
        self._key = key
        self._every = every
        self._passes = 0

    def __call__(self, gradient: Any) -> None:  # noqa: ANN401  # of torch
        self._passes += 1
        if self._passes >= self._every:
            self._passes = 0
            self._watch.record([(self._key, gradient)])


class _ForwardHook:
    """Of one model; called behind each forward pass, unless that is compiled code."""

    def __init__(self, watch: Watch, prefix: str, every: int) -> None:
        self._watch = watch
        self._prefix = prefix
        self._every = every
        self._passes = 0
        self._is_called = False

    def __call__(self, model: Any, *_: object) -> None:  # noqa: ANN401  # of torch
        self._is_called = True
        self._count(model)

    def see_backward(self, model: Any) -> None:  # noqa: ANN401  # of torch
        """Of a model whose forward passes are not seen its backward passes count."""
        if not self._is_called:
            self._count(model)

    def _count(self, model: Any) -> None:  # noqa: ANN401  # of torch
        self._passes += 1
        if self._passes >= self._every:
            self._passes = 0
            named = model.named_parameters()
            self._watch.record((self._prefix + name, one) for name, one in named)


class _Coming(Value):
    """A histogram that its device is at."""

    def __init__(self, found: _arrays.Later) -> None:
        self._found = found

    def taken(self) -> object:
        """As of `Value`."""
        return self._found


def _check(what: object, log_freq: object) -> None:
    if what not in _WHAT:
        raise UsageError(f'log is "gradients", "parameters", "all" or None, got {what!r}')
    if isinstance(log_freq, bool) or not isinstance(log_freq, int):
        raise ArgumentTypeError(f"log_freq is an integer, got {type(log_freq).__name__}")
    if log_freq < 1:
        raise UsageError(f"log_freq is at least 1, got {log_freq}")


def _listed(models: object) -> list[Any]:
    listed = list(models) if isinstance(models, (list, tuple)) else [models]
    for model in listed:
        if not is_of(model, "torch.nn", "Module"):
            raise ArgumentTypeError(
                f"watch() takes a torch.nn.Module, or a list of such, got {type(model).__name__}"
            )
    return listed


# ---- histograms of tensors ----------------------------------------------------------------------


def _histogram_of(tensor: Any) -> object:  # noqa: ANN401  # of torch
    """What is logged of a tensor; None when none of its elements is finite."""
    tensor = tensor.detach()
    zeros = 0
    if tensor.layout != sys.modules["torch"].strided:  # sparse: what is not there is zero
        values = tensor.coalesce().values() if tensor.is_sparse else tensor.values()
        zeros = tensor.numel() - values.numel()
        tensor = values.reshape(-1)
    if not tensor.numel():
        return None
    if tensor.device.type == "cpu":
        return _counted_here(tensor, zeros)
    return _counted_there(tensor, zeros)


def _counted_here(tensor: Any, zeros: int) -> dict[str, object] | None:  # noqa: ANN401  # of torch
    import numpy as np  # noqa: PLC0415  # `import steplog` stays light

    numbers = _arrays.as_numpy(tensor).ravel(order="K")
    if numbers.dtype not in (np.float32, np.float64):
        numbers = numbers.astype(np.float64)
    if zeros:
        numbers = np.append(numbers, numbers.dtype.type(0))
    counts, edges, *odd = histogram(np.ascontiguousarray(numbers), _BINS)
    if not counts:
        return None
    if zeros > 1:
        counts[_bin_of_zero(edges)] += zeros - 1
    return _arrays.stored_histogram(counts, edges, odd)


def _bin_of_zero(edges: list[float]) -> int:
    below = sum(edge <= 0 for edge in edges[1:-1])
    return min(below, len(edges) - 2)


def _counted_there(tensor: Any, zeros: int) -> _Coming:  # noqa: ANN401  # of torch
    """Counted on the tensor's own device behind the work that makes it; nothing waits for it."""
    torch: Any = sys.modules["torch"]
    flat = tensor.reshape(-1).float() if tensor.dtype != torch.float64 else tensor.reshape(-1)
    is_finite = torch.isfinite(flat)
    inf = math.inf
    low = torch.where(is_finite, flat, inf).amin()
    high = torch.where(is_finite, flat, -inf).amax()
    if zeros:
        low, high = low.clamp(max=0.0), high.clamp(min=0.0)
    # Scaled before it is subtracted: the width of the widest range is no finite number.
    width = (high * 0.25 - low * 0.25).clamp(min=torch.finfo(flat.dtype).tiny)
    at = ((flat * 0.25 - low * 0.25) / width * _BINS).clamp(0, _BINS - 1)
    slot = torch.where(is_finite, at, float(_BINS)).long()  # what is not finite is behind the last
    counts = torch.zeros(_BINS + 1, dtype=torch.int64, device=flat.device)
    counts.scatter_add_(0, slot, torch.ones_like(counts[:1]).expand(slot.shape))
    odd = [torch.isnan(flat).sum(), (flat == inf).sum(), (flat == -inf).sum()]
    parts = [counts[:_BINS], *(one.reshape(1) for one in (*odd, low, high))]
    found = torch.cat([part.double() for part in parts])

    def read(host: Any) -> object:  # noqa: ANN401  # of torch
        *numbers, low, high = host.tolist()
        counts = [int(number) for number in numbers]
        if low > high:
            raise _arrays.NotKeptError
        if low == high:
            return _arrays.stored_histogram(
                [sum(counts[:_BINS]) + zeros], [low, low], counts[_BINS:]
            )
        parts = [number / _BINS for number in range(_BINS + 1)]
        edges = [low * (1 - part) + high * part for part in parts]
        if zeros:
            counts[_bin_of_zero(edges)] += zeros
        return _arrays.stored_histogram(counts[:_BINS], edges, counts[_BINS:])

    return _Coming(_arrays.take_over(found, read))


__all__ = ["Watch"]
