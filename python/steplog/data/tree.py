"""Histograms of all arrays of a tree, such as the parameters of a model of JAX or Keras."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from steplog import _arrays
from steplog._errors import UsageError
from steplog.data.histogram import Histogram

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["histograms"]

_MAX_DEPTH = 64


def histograms(tree: object, prefix: str = "", num_bins: int = 64) -> dict[str, Histogram]:
    """A histogram of each array in nested dicts, lists, tuples and dataclasses.

    `run.log(steplog.histograms(params, "parameters/"))` logs all parameters of a model, as they are
    then: like `Histogram`, it takes the arrays over, and waits for no device.

    Args:
        tree: Arrays or tensors, nested; what else is in it is left out.
        prefix: What the keys begin with.
        num_bins: How many bins each has, 1 to 512.

    Returns:
        By key: the names and numbers on the way to each array, joined by dots.

    Raises:
        ArgumentTypeError: An array has no numbers.
        UsageError: It nests deeper than 64, or `num_bins` is out of range.
    """
    return {
        prefix + ".".join(path): Histogram(array, num_bins=num_bins)
        for path, array in _arrays_of(tree, ())
    }


def _arrays_of(node: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], object]]:
    if len(path) > _MAX_DEPTH:
        raise UsageError(f"the tree nests deeper than {_MAX_DEPTH}: {'.'.join(path[:3])}…")
    if _arrays.is_array(node):
        yield path, node
        return
    fields = getattr(type(node), "__dataclass_fields__", None)
    if fields is not None:
        node = {name: getattr(node, name) for name in fields}
    elif isinstance(node, tuple) and hasattr(node, "_fields"):
        node = dict(zip(node._fields, node, strict=True))
    if isinstance(node, Mapping):
        for key, child in node.items():
            yield from _arrays_of(child, (*path, str(key)))
    elif isinstance(node, (list, tuple)):
        for number, child in enumerate(node):
            yield from _arrays_of(child, (*path, str(number)))
