"""The cells of a table: as they are when they are given, and as plain values for its file."""

from __future__ import annotations

import base64
import collections
import datetime as dt
import enum
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from steplog import _arrays, _containers
from steplog._errors import InternalError, RunClosedError
from steplog._names import whole_text
from steplog._origin import is_the_programs
from steplog.data.media import LateMedia, Media, Value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from steplog.data.media import Place

__all__ = ["FIXED", "Cells", "millis_of", "seconds_of", "snapshot", "whole"]

FIXED = frozenset((type(None), bool, int, float, str, bytes, dt.datetime, dt.date))
"""Classes whose objects nobody can change."""
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
_MICRO = dt.timedelta(microseconds=1)
T = TypeVar("T")
_LISTS = (list, tuple, set, frozenset, collections.deque)
_MOST_DEEP = 64
_MILLIS = {"us": 1_000, "ns": 1_000_000}
"""How many of a unit of NumPy are a millisecond."""


def snapshot(cell: Any, depth: int = _MOST_DEEP) -> Any:  # noqa: ANN401, PLR0911  # one a type
    """A cell that its owner cannot change any more: what holds others is copied, arrays too."""
    if type(cell) in FIXED or isinstance(cell, Value) or depth == 0:
        return cell
    if isinstance(cell, list):
        return [snapshot(item, depth - 1) for item in list(cell)]
    if type(cell) is tuple:
        return tuple(snapshot(item, depth - 1) for item in cell)
    if isinstance(cell, dict):
        return {key: snapshot(item, depth - 1) for key, item in dict(cell).items()}
    if isinstance(cell, (set, collections.deque)):
        return cell.copy()
    if _arrays.is_array(cell):
        cell = cell.detach() if hasattr(cell, "detach") else cell
        # In the order of a device's own work: nothing waits for it.
        copy: Any = getattr(cell, "clone", None) or getattr(cell, "copy", None)
        return copy() if callable(copy) else cell
    return cell


class Cells:
    """Makes plain what a table's file cannot hold as it is.

    `key` is what the table is logged under. What cannot be stored costs only its cell, which is
    null then; that is said once a column.
    """

    def __init__(self, place: Place, key: str, columns: list[str]) -> None:
        self._place = place
        self._key = key
        self._columns = columns

    def plain(self, cell: object, column: int) -> object:
        """A cell of a column, plain.

        Raises:
            Exception: Of the program around, or of the log: none of the cell.
        """
        try:
            return self._plain(cell, column, _MOST_DEEP)
        except (InternalError, RunClosedError, _arrays.NotKeptError):
            raise
        except Exception as error:
            if is_the_programs(error):
                raise
            self._warn(column, f"is null where reading it fails: {type(error).__name__}: {error}")
            return None

    def _warn(self, column: int, what: str) -> None:
        self._place.warn(f"table {self._key!r}: column {self._columns[column]!r} {what}")

    def _plain(self, cell: Any, column: int, depth: int) -> Any:  # noqa: ANN401, C901, PLR0911  # one a type
        if depth == 0:
            raise ValueError(f"it nests deeper than {_MOST_DEEP}")
        if type(cell) in {type(None), bool, int, float}:
            return cell if type(cell) is not int else _spellable(cell)
        if isinstance(cell, Value):
            return self._stored(cell, column)
        if isinstance(cell, enum.Enum):
            return self._plain(cell.value, column, depth - 1)
        if isinstance(cell, _LISTS):
            return [self._plain(item, column, depth - 1) for item in list(cell)]
        if isinstance(cell, Mapping):
            return {
                whole_text(str(key)): self._plain(item, column, depth - 1)
                for key, item in dict(cell).items()
            }
        if _arrays.is_array(cell):
            return self._plain(_listed(cell), column, depth - 1)
        if isinstance(cell, dt.date):
            return None if type(cell).__name__ == "NaTType" else _millis(cell)
        if isinstance(cell, (bytes, bytearray)):
            return self._decoded(bytes(cell), column)
        fields = _containers.fields_of(cell)
        if fields is not None:
            return self._plain(fields, column, depth - 1)
        return self._place.plain(cell, lambda value: self._described(value, column))

    def _stored(self, cell: Value, column: int) -> object:
        """What the row of a value says of it, its files kept."""
        taken = cell.taken()
        if isinstance(cell, Media):
            media: Media = taken.items[0] if isinstance(taken, LateMedia) else cell
            return media.stored(self._place, f"{self._key}/{self._columns[column]}")
        return taken.value() if isinstance(taken, _arrays.Later) else taken

    def _decoded(self, cell: bytes, column: int) -> str:
        try:
            return cell.decode()
        except UnicodeDecodeError:
            self._warn(column, "has bytes that are no UTF-8 text: they are stored as base64")
            return base64.b64encode(cell).decode()

    def _described(self, value: object, column: int) -> str:
        self._warn(column, f"has objects of type {type(value).__name__}: their str() is stored")
        return whole_text(str(value))


def _spellable(number: int) -> int:
    int.__repr__(number)  # has Python say when it has too many digits
    return number


def _millis(moment: dt.date) -> int | float:
    """Milliseconds since the epoch; what names no zone is UTC."""
    if not isinstance(moment, dt.datetime):
        moment = dt.datetime(moment.year, moment.month, moment.day, tzinfo=dt.timezone.utc)
    elif moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.timezone.utc)
    return whole((moment - _EPOCH) // _MICRO, 1_000)


def whole(count: int, per: int) -> int | float:
    """The quotient, an integer where it is one."""
    return count / per if count % per else count // per


def millis_of(times: Any) -> list[int | float | None]:  # noqa: ANN401  # NumPy
    """The dates of an array of NumPy as milliseconds since the epoch; NaT is None."""
    import numpy as np  # noqa: PLC0415  # `import steplog` stays light

    missing = np.isnat(times)
    per = _MILLIS.get(np.datetime_data(times.dtype)[0], 1)
    counts = (times if per > 1 else times.astype("M8[ms]")).astype("i8")
    found: Iterable[int | float] = (
        counts.tolist() if per == 1 else (whole(count, per) for count in counts.tolist())
    )
    return _gapped(found, missing)


def seconds_of(durations: Any) -> list[float | None]:  # noqa: ANN401  # NumPy
    """The durations of an array of NumPy in seconds; NaT is None."""
    import numpy as np  # noqa: PLC0415  # `import steplog` stays light

    return _gapped((durations / np.timedelta64(1, "s")).tolist(), np.isnat(durations))


def _gapped(found: Iterable[T], missing: Any) -> list[T | None]:  # noqa: ANN401  # NumPy
    if not missing.any():
        return list(found)
    return [None if gap else one for one, gap in zip(found, missing.tolist(), strict=True)]


def _listed(array: Any) -> Any:  # noqa: ANN401  # of any library
    """The elements of an array in nested lists; of one without dimensions the element."""
    if _is_small_scalar(array):
        return array.item()
    array = _arrays.on_host(array)
    masked = hasattr(array, "filled")
    values = array if masked else _arrays.as_numpy(array)
    kind = values.dtype.kind
    if kind == "M":
        return _shaped(millis_of(values.ravel()), values.shape)
    if kind == "m":
        return _shaped(seconds_of(values.ravel()), values.shape)
    if kind == "V":  # of ml_dtypes, such as bfloat16
        values = values.astype("f4")
    elif kind == "f":  # a long double has no plain counterpart
        values = values.astype("f8")
    return values.tolist()


def _is_small_scalar(array: Any) -> bool:  # noqa: ANN401  # of any library
    """Whether it is an integer, a float, a flag or a text of NumPy."""
    dtype = getattr(array, "dtype", None)
    return (
        not array.shape and getattr(dtype, "kind", "") in "biufU" and array.dtype.itemsize <= 8  # noqa: PLR2004  # float64
    )


def _shaped(flat: list[Any], shape: tuple[int, ...]) -> Any:  # noqa: ANN401  # as deep as the shape
    if not shape:
        return flat[0]
    if len(shape) == 1:
        return flat
    each = len(flat) // shape[0] if shape[0] else 0
    return [_shaped(flat[at * each : (at + 1) * each], shape[1:]) for at in range(shape[0])]
