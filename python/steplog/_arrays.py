"""Arrays and tensors of any library, by duck typing: none of them is imported for the question.

Up to 32 elements are a list, one element is a number, more are a histogram of 32 bins, as in the
reference. What lies on a device, and what is large, is taken over now and read later (`Later`).
"""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

from steplog._loaded import is_of
from steplog._spool import SPOOL

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_LIST_ITEMS = 32
_BINS = 32
_FLOAT32_BYTES = 4
_SMALL_BYTES = 4096
"""Up to here an array is read at once: it takes less time than to hand it over."""


class NotKeptError(Exception):
    """There was no room for what belongs to a value; whoever was to keep it has told so."""


class Later:
    """A value that is read on another thread.

    Attributes:
        size_bytes: What it keeps in memory until then.
    """

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes

    def keep(self) -> None:
        """See to it that whatever the owner does from now on changes nothing."""

    def value(self) -> object:
        """The plain value; may take long."""
        raise NotImplementedError


class Taken(Later):
    """What has been taken over from its owner already."""

    def __init__(self, read: Callable[[], object], size_bytes: int) -> None:
        super().__init__(size_bytes)
        self._read = read

    def value(self) -> object:
        """As of `Later`."""
        return self._read()


class Lent(Later):
    """A large array in this process's memory: as long as it is not kept, it is its owner's."""

    def __init__(self, array: Any) -> None:  # noqa: ANN401  # of any library
        super().__init__(0)
        self._array = array

    def keep(self) -> None:
        """Take a copy."""
        array = self._array
        self._array = array.clone() if hasattr(array, "clone") else array.copy()
        self.size_bytes = _size_bytes(array)

    def value(self) -> object:
        """As of `Later`."""
        return read(self._array)


def is_array(value: object) -> bool:
    """Whether a value is an array or tensor."""
    if isinstance(value, memoryview):  # it has a shape, and no elements of a kind that is known
        return False
    return hasattr(value, "shape") and (hasattr(value, "tolist") or _is_tensorflow_like(value))


def _is_tensorflow_like(value: object) -> bool:
    """Whether only NumPy reads it: TensorFlow's tensors and variables, and Keras' variables."""
    # TensorFlow's may be given some methods of NumPy's; `item` is never among them.
    return not hasattr(value, "item") and hasattr(value, "numpy") and hasattr(value, "__array__")


def is_small(value: Any) -> bool:  # noqa: ANN401  # of any library
    """Whether it is stored element by element."""
    return _count(value) <= MAX_LIST_ITEMS


def take(value: Any) -> object:  # noqa: ANN401  # of any library
    """An array as plain numbers, lists and dicts, or what will read it later.

    Returns at once: nothing waits for a device. A `Later` is to be kept before its owner goes on.
    """
    value = value.detach() if hasattr(value, "detach") else _held(value)
    if _is_away(value):
        return _take_away(value, read)
    size_bytes = _size_bytes(value)
    if is_small(value) or size_bytes <= _SMALL_BYTES:
        return read(value)
    if _is_tensorflow_like(value):
        return Taken(lambda: read(value), size_bytes)
    return Lent(value)


def is_here(value: object) -> bool:
    """Whether an array can be read without waiting for a device."""
    return not _is_away(value)


def take_over(
    value: Any,  # noqa: ANN401  # of any library
    then: Callable[[Any], object],
) -> Taken:
    """What `then` makes of an array as it is now, once that is read.

    Returns at once: nothing waits for a device, and what the owner writes into it later changes
    nothing. Where much waits already an array of NumPy's is copied to disk.
    """
    value = value.detach() if hasattr(value, "detach") else _held(value)
    if _is_away(value):
        return _take_away(value, then)
    if _is_numpy(value) and type(value).__name__ == "ndarray" and not value.dtype.hasobject:
        read, size_bytes = SPOOL.copy(value, _size_bytes(value))
        return Taken(lambda: then(read()), size_bytes)
    if not _is_tensorflow_like(value):
        value = value.clone() if hasattr(value, "clone") else value.copy()
    return Taken(lambda: then(value), _size_bytes(value))


def _held(value: Any) -> Any:  # noqa: ANN401  # of any library
    """The tensor that a variable holds now, which no later assignment changes; itself, if none."""
    for _ in range(2):  # a variable of Keras may hold one of TensorFlow, and that the tensor
        if _is_tensorflow_like(value) and hasattr(value, "assign"):
            held = value.value
            value = held() if callable(held) else held
    return value


def read(value: Any) -> object:  # noqa: ANN401  # of any library
    """An array as numbers, lists and dicts; waits for a device."""
    if not is_small(value):
        return histogram(value)
    if _is_tensorflow_like(value):
        value = value.numpy()
        if not is_array(value):  # a text, as bytes
            return value
    if _is_numpy(value) and value.dtype.kind in "mM":
        return _times(value)
    if _count(value) == 1:
        if hasattr(value, "compressed"):  # NumPy's with a mask
            return next(iter(value.compressed().tolist()), None)
        item = value.item()
        # A long double has no plain counterpart: the nearest float64 is kept.
        return float(item) if hasattr(item, "shape") else item
    return value.tolist()


def _is_numpy(value: object) -> bool:
    return is_of(value, "numpy", "ndarray", "generic")


def _times(value: Any) -> object:  # noqa: ANN401  # NumPy
    """Dates and durations of NumPy, which has finer and longer ones than Python."""
    items = [_time(item) for item in value.ravel()]
    if len(items) == 1:
        return items[0]
    import numpy as np  # noqa: PLC0415  # `import steplog` stays light

    return np.array(items, dtype=object).reshape(value.shape).tolist()


def _time(item: Any) -> object:  # noqa: ANN401  # NumPy
    plain = item.tolist()
    if not isinstance(plain, int):  # Python has one like it
        return plain
    if item.dtype.kind == "m":
        try:
            return float(item / type(item)(1, "s"))
        except TypeError:  # a month has no length
            return str(item)
    whole, _, fraction = str(item).partition(".")
    digits = fraction.rstrip("0")
    # As many as `datetime` writes, or more.
    return f"{whole}.{digits:0<6}" if digits else whole


def _count(value: Any) -> int:  # noqa: ANN401  # of any library
    return math.prod(int(extent) for extent in value.shape)


def _size_bytes(value: Any) -> int:  # noqa: ANN401  # of any library
    size = getattr(value, "nbytes", None)
    return size if isinstance(size, int) else _count(value) * 8


def _device(value: object) -> str:
    device = getattr(value, "device", None)
    return "cpu" if device is None else str(getattr(device, "type", device)).lower()


def _is_away(value: Any) -> bool:  # noqa: ANN401  # of any library
    if "cpu" not in _device(value):
        return True
    is_ready = getattr(value, "is_ready", None)
    return callable(is_ready) and not is_ready()


def _take_away(
    value: Any,  # noqa: ANN401  # of any library
    then: Callable[[Any], object],
) -> Taken:
    size_bytes = _size_bytes(value)
    if is_of(value, "torch", "Tensor"):
        if value.device.type == "cuda":
            return _take_cuda(value, sys.modules["torch"], then)
        kept = value.clone()  # in the order of the device's own work
        return Taken(lambda: then(kept.cpu()), size_bytes)
    if hasattr(value, "copy_to_host_async"):  # JAX: immutable, and it comes by itself
        value.copy_to_host_async()
    elif hasattr(value, "get") and hasattr(value, "copy"):  # CuPy
        taken = value.copy()
        return Taken(lambda: then(taken.get()), size_bytes)
    return Taken(lambda: then(_on_host(value)), size_bytes)


def _take_cuda(value: Any, torch: Any, then: Callable[[Any], object]) -> Taken:  # noqa: ANN401  # torch
    """Copies into pinned memory behind the work that computes the value, and waits for none."""
    host = torch.empty(value.shape, dtype=value.dtype, pin_memory=True)
    host.copy_(value, non_blocking=True)
    event = torch.cuda.Event(blocking=True)
    event.record(torch.cuda.current_stream(value.device))

    def wait_and_read() -> object:
        event.synchronize()
        return then(host)

    return Taken(wait_and_read, _size_bytes(value))


def on_host(value: Any) -> Any:  # noqa: ANN401  # of any library
    """A tensor in this host's memory, for which a device is waited; anything else is as it is."""
    if hasattr(value, "detach") and hasattr(value, "cpu"):  # torch
        return value.detach().cpu()
    return value.get() if hasattr(value, "get") and hasattr(value, "device") else value  # CuPy


def _on_host(value: Any) -> Any:  # noqa: ANN401  # of any library
    if is_small(value):
        return value
    return as_numpy(value)


def as_numpy(value: Any) -> Any:  # noqa: ANN401  # of any library
    """The array of NumPy with the same elements; waits for a device."""
    import numpy as np  # noqa: PLC0415  # `import steplog` stays light

    if hasattr(value, "element_size"):  # torch: NumPy knows no bfloat16
        is_half = value.is_floating_point() and value.element_size() < _FLOAT32_BYTES
        value = value.float() if is_half else value
        try:
            return value.numpy()
        except RuntimeError:  # a torch that was built for another NumPy
            return np.asarray(value.tolist())
    if hasattr(value, "compressed"):  # NumPy's with a mask: without what is masked
        return value.compressed()
    return np.asarray(value)


def _binned(finite: Any, bins: int) -> tuple[list[int], list[float]]:  # noqa: ANN401  # NumPy
    """Counts and edges of bins; of one, where there are too few floats between the elements."""
    import numpy as np  # noqa: PLC0415  # `import steplog` stays light

    low, high = float(finite.min()), float(finite.max())
    # The width of the widest range is no finite number.
    part = 1.0 if math.isfinite(high - low) else 0.25
    try:
        counts, edges = np.histogram(finite if part == 1.0 else finite * part, bins=bins)
    except ValueError:
        if low == high:
            low, high = math.nextafter(low, -math.inf), math.nextafter(high, math.inf)
        greatest = sys.float_info.max
        return [finite.size], [max(low, -greatest), min(high, greatest)]
    return counts.tolist(), (edges / part).tolist()


def histogram(value: Any, bins: int = _BINS) -> dict[str, object]:  # noqa: ANN401  # of any library
    """The histogram of the finite elements; the others are counted.

    Raises:
        TypeError: The elements are no numbers.
    """
    import numpy as np  # noqa: PLC0415  # `import steplog` stays light

    numbers = as_numpy(value).ravel()
    if numbers.dtype.kind == "V" and np.can_cast(numbers.dtype, np.float32):
        numbers = numbers.astype(np.float32)  # of ml_dtypes, such as bfloat16 and int4
    elif numbers.dtype.kind == "m":
        numbers = numbers / np.timedelta64(1, "s")
    if numbers.dtype.kind not in "biuf":
        raise TypeError(
            f"it has {numbers.size} elements of type {numbers.dtype}; beyond {MAX_LIST_ITEMS}, "
            "arrays of numbers are stored"
        )
    numbers = numbers.astype(np.float64, copy=False)
    finite = numbers[np.isfinite(numbers)]
    counts: list[int] = []
    edges: list[float] = []
    if finite.size:
        counts, edges = _binned(finite, bins)
    odd = (np.isnan(numbers), np.isposinf(numbers), np.isneginf(numbers))
    return stored_histogram(counts, edges, [int(one.sum()) for one in odd])


def stored_histogram(
    counts: list[int], edges: list[float], odd: Sequence[int]
) -> dict[str, object]:
    """What is stored of a histogram; `odd` is how many are NaN, infinite, and so below zero."""
    stored: dict[str, object] = {"_type": "histogram", "values": counts, "bins": edges}
    named = zip(("nan", "inf", "neg_inf"), odd, strict=True)
    return stored | {name: count for name, count in named if count}
