"""Turns values that users log into plain ones: None, bool, int, float, str, list, dict."""

from __future__ import annotations

import collections
import enum
import pathlib
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from steplog import _containers
from steplog._arrays import Later, Lent, NotKeptError, is_array, take
from steplog._errors import RunClosedError
from steplog._frames import is_frame
from steplog._loaded import is_of
from steplog._names import whole_text
from steplog._origin import is_the_programs

if TYPE_CHECKING:
    from steplog.data.media import Place

# Deeper values are refused by the encoder; stopping here keeps a cycle from recursing for ever.
_MAX_DEPTH = 64
# A value is of a module's type only when that module is loaded: none is loaded for the question.
_AS_TEXT = {"decimal": "Decimal", "uuid": "UUID", "fractions": "Fraction"}
_MAX_VALUE_BYTES = 1 << 20
_DRAWN = ("matplotlib.", "plotly.")
_PLAIN = frozenset((bool, int, float, str, list))
_AS_LIST = (list, tuple, set, frozenset, collections.deque, types.GeneratorType)
# What cannot be walked while another thread changes it.
_CHANGING = (set, collections.deque)
_MOST_COPIES = 100
"""A copy that others interrupt is taken again; a plain dict's never is."""
_Copy = TypeVar("_Copy")
_Otherwise = Callable[[object], object]
"""What becomes of a value that is of no kind that is known."""


class NotStorableError(Exception):
    """A value cannot be stored; the message says why."""


def copied(values: Mapping[Any, object]) -> dict[Any, object]:
    """The entries of a mapping as they are at one moment, also while other threads change it.

    Raises:
        RuntimeError: It changes each time before it can be copied.
    """
    return _undisturbed(lambda: dict(values))


def _undisturbed(copy: Callable[[], _Copy]) -> _Copy:
    for _ in range(_MOST_COPIES - 1):
        try:
            return copy()
        except (RuntimeError, KeyError) as error:  # another thread was in between
            if is_the_programs(error):
                raise
    return copy()


def entries_of(
    values: Mapping[Any, object],
) -> tuple[dict[Any, object], list[tuple[str, str]]]:
    """The entries of a mapping whose own code may raise.

    Returns:
        The entries, and (its type, reason) when they cannot be read.
    """
    try:
        return copied(values), []
    except Exception as error:
        return {}, [(f"<{type(values).__name__}>", _reason("reading it", error))]


def _reason(what: str, error: Exception) -> str:
    """Why a foreign object's own code costs only that object: it must not end a training.

    Raises:
        Exception: That error, when it is none of the object.
    """
    if is_the_programs(error):
        raise error
    return f"{what} raised {type(error).__name__}: {error}"


def to_plain(
    data: Mapping[Any, object], place: Place | None = None
) -> tuple[dict[str, object], list[tuple[str, str]]]:
    """Convert one call's values, those included that are slow to read.

    Files of values go to `place`; without one such values cannot be stored.

    Returns:
        The plain values, and (key, reason) for each value that cannot be stored.
    """
    return _with_late(*split(data), place=place)


def to_config(
    entries: Mapping[Any, object], place: Place | None = None
) -> tuple[dict[str, object], list[tuple[str, str]]]:
    """Convert entries of a config: keys are spelled, and what is of no known kind is its `str`.

    A slice is a dict of its three parts. `place` is as for `to_plain`.

    Returns:
        As `to_plain`.
    """
    tree = _Tree(lambda value, _: plain_value(value, otherwise=_described))
    converted = dict(tree.items(entries, "", name_of=config_key))
    tree.skipped += [(key, "a config has no charts") for key in tree.moved]
    return _with_late(*_parted(converted.items()), tree.skipped, place=place)


def config_key(key: object) -> str:
    """A config's key as it is stored: text, without the dashes of a command line's option."""
    return _spelled(key).strip("-")


def split(
    data: Mapping[Any, object], *, lent: bool = False
) -> tuple[dict[str, object], dict[str, object], list[tuple[str, str]]]:
    """Convert one call's values without waiting for any.

    Args:
        data: The values.
        lent: Large arrays are not copied: their owner waits until they are read.

    Returns:
        The plain values, those that hold a `Later`, and (key, reason) for each value that cannot be
        stored.
    """
    leaf = plain_value if lent else _kept_value
    tree = _Tree(lambda value, _: leaf(value))
    plain, late = _parted(tree.items(data, "", name_of=_text_if_text))
    return plain, late | tree.moved, tree.skipped


def _parted(
    items: Iterable[tuple[str, object]],
) -> tuple[dict[str, object], dict[str, object]]:
    """The values that are plain, and those that hold a `Later`."""
    plain: dict[str, object] = {}
    late: dict[str, object] = {}
    for name, converted in items:
        (late if any(laters(converted)) else plain)[name] = converted
    return plain, late


def _with_late(
    plain: dict[str, object],
    late: dict[str, object],
    skipped: list[tuple[str, str]],
    *,
    place: Place | None,
) -> tuple[dict[str, object], list[tuple[str, str]]]:
    """All of what was parted, read now."""
    now, unreadable = to_plain_now(late, place)
    return plain | now, skipped + unreadable


def _text_if_text(key: object) -> Any:  # noqa: ANN401  # the writer refuses keys that are none
    return whole_text(key) if isinstance(key, str) else key


class _Tree:
    """Converts nested dicts leaf by leaf: what cannot be converted costs only itself.

    `leaf` is given the value and its name. What stands under another key at the top is `moved`.
    """

    def __init__(self, leaf: Callable[[object, str], object]) -> None:
        self._leaf = leaf
        self.skipped: list[tuple[str, str]] = []
        self.moved: dict[str, object] = {}

    def convert(
        self, value: object, path: str, depth: int = _MAX_DEPTH, *, name: str
    ) -> Iterator[object]:
        """The converted value; nothing, if it could not be.

        Raises:
            RunClosedError: It has a file, and the run takes no more.
        """
        try:
            media = _media()
            if media is not None and isinstance(value, media.Moved):
                self.moved.update([value.moved(path)])
                return
            fields = _nested(value)
            if fields is not None and depth > 0:
                yield dict(self.items(fields, f"{path}.", depth - 1, name_of=_spelled))
            else:
                yield self._leaf(value, name)
        except RunClosedError:
            raise
        except NotKeptError:
            pass  # that has been told
        except NotStorableError as error:
            self.skipped.append((path, str(error)))
        except Exception as error:
            self.skipped.append((path, _reason("reading it", error)))

    def items(
        self,
        values: Mapping[Any, object],
        under: str,
        depth: int = _MAX_DEPTH,
        *,
        name_of: Callable[[object], Any],
    ) -> Iterator[tuple[Any, object]]:
        """The name and converted value of each entry that could be converted.

        `under` is the path of the entries, with a dot at its end.
        """
        for key, value in copied(values).items():
            try:
                name = name_of(key)
                path = f"{under}{name}"
            except Exception as error:
                reason = _reason("spelling its key", error)
                self.skipped.append((f"{under}<{type(key).__name__}>", reason))
                continue
            for converted in self.convert(value, path, depth, name=name):
                yield name, converted


def to_plain_now(
    late: Mapping[str, object], place: Place | None = None
) -> tuple[dict[str, object], list[tuple[str, str]]]:
    """Read the values that `split` left for later; may take long.

    Returns:
        As `to_plain`.

    Raises:
        RunClosedError: A value has a file, and the run takes no more.
    """
    tree = _Tree(lambda value, name: _read(value, name, place))
    plain = {
        key: read for key, value in late.items() for read in tree.convert(value, key, name=key)
    }
    return plain, tree.skipped


def laters(value: object) -> Iterator[Later]:
    """What will be read later in a converted value."""
    if isinstance(value, Later):
        yield value
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from laters(item)


def is_lent(value: object) -> bool:
    """Whether a converted value holds arrays that are still their owner's."""
    return any(isinstance(later, Lent) for later in laters(value))


def _kept_value(value: object) -> object:
    converted = plain_value(value)
    for later in laters(converted):
        later.keep()
    return converted


def _read(value: object, name: str, place: Place | None) -> object:
    if isinstance(value, Later):
        media = _media()
        if media is None or not isinstance(value, media.LateMedia):
            return plain_value(value.value())
        if place is None:
            raise NotStorableError("there is nowhere to keep its file")
        return plain_value(value.stored(place, name))
    if isinstance(value, dict):
        return {key: _read(item, key, place) for key, item in value.items()}
    return [_read(item, name, place) for item in value] if isinstance(value, list) else value


def _media() -> Any:  # noqa: ANN401  # a module
    """What images and the like have in common; None as long as a program has used none."""
    media = sys.modules.get("steplog.data.media")
    # Another thread may be importing it just now: `put` is its last public name.
    return media if hasattr(media, "put") else None


def _refused(value: object) -> object:
    raise NotStorableError(f"a value of type {type(value).__name__} cannot be stored")


def _spelled(value: object) -> str:
    return whole_text(str(value))


def _described(value: object) -> object:
    if isinstance(value, slice):
        parts = {part: getattr(value, part) for part in ("start", "step", "stop")}
        return {
            f"slice_{part}": plain_value(item, otherwise=_described) for part, item in parts.items()
        }
    return _spelled(value)


def plain_value(  # noqa: PLR0911  # one a type
    value: object, depth: int = _MAX_DEPTH, otherwise: _Otherwise = _refused
) -> object:
    """Convert one value; `otherwise` converts what is of no type that is known.

    Raises:
        NotStorableError: It is of a type that cannot be stored, too large, or nests too deep.
    """
    if depth == 0:
        raise NotStorableError(f"it nests deeper than {_MAX_DEPTH}")
    if value is None or type(value) in {bool, int, float}:
        return value
    if isinstance(value, enum.Enum):
        return plain_value(value.value, depth - 1, otherwise)
    if isinstance(value, str):
        return whole_text(value)
    if isinstance(value, Mapping):
        return {
            _spelled(key): plain_value(item, depth - 1, otherwise)
            for key, item in copied(value).items()
        }
    if isinstance(value, _AS_LIST):
        return _listed(value, depth, otherwise)
    if is_array(value):
        taken = take(value)
        return taken if isinstance(taken, Later) else plain_value(taken, depth - 1, otherwise)
    return _other(value, depth, otherwise)


def _listed(value: Iterable[object], depth: int, otherwise: _Otherwise) -> object:
    items: list[object] = []
    if isinstance(value, _CHANGING):
        given = value
        value = _undisturbed(lambda: list(given))
    for item in value:
        # Each takes a byte at least; a generator may have no end.
        if len(items) == _MAX_VALUE_BYTES:
            raise NotStorableError("the value is over 1 MiB")
        items.append(plain_value(item, depth - 1, otherwise))
    media = _media()
    return items if media is None else media.batched(items)


def _nested(value: object) -> Mapping[Any, object] | None:
    """The entries of a mapping, or the fields of an object that has some."""
    if isinstance(value, Mapping):
        return value
    is_plain = value is None or type(value) in _PLAIN or is_array(value)
    fields = None if is_plain else _containers.fields_of(value)
    return fields if isinstance(fields, Mapping) else None


def _other(  # noqa: C901, PLR0911, PLR0912  # one a type
    value: object, depth: int, otherwise: _Otherwise
) -> object:
    media = _media()
    if media is not None and isinstance(value, media.Value):
        return value.taken()
    if _is_drawn(value):
        from steplog.data.chart import chart_of  # noqa: PLC0415  # only who logs a figure pays

        chart = chart_of(value)
        if chart is not None:
            return chart.taken()
    if is_frame(value):
        from steplog.data.table import Table  # noqa: PLC0415  # where a program logs such

        return Table(dataframe=value).taken()
    if is_of(value, "polars", "Series"):
        return take(value.to_numpy())
    if isinstance(value, (int, float)):  # subclasses: the number itself
        return int(value) if isinstance(value, int) else float(value)
    if isinstance(value, (bytes, bytearray)):
        try:
            return bytes(value).decode()
        except UnicodeDecodeError:
            raise NotStorableError("its bytes are not UTF-8 text") from None
    if _is_missing_of_pandas(type(value)):
        return None
    if is_of(value, "datetime", "datetime", "date", "time"):
        return value.isoformat()
    if is_of(value, "datetime", "timedelta"):
        return value.total_seconds()
    if isinstance(value, (complex, pathlib.PurePath)) or _is_text_like(value):
        return _spelled(value)
    fields = _containers.fields_of(value)
    if fields is not None:
        return plain_value(fields, depth - 1, otherwise)
    if callable(value):
        return _name_of(value)
    return otherwise(value)


def _is_drawn(value: object) -> bool:
    """Whether it may be a figure of matplotlib or Plotly, or a part of one."""
    if isinstance(value, types.ModuleType):
        return value.__name__ == "matplotlib.pyplot"
    return any(kind.__module__.startswith(_DRAWN) for kind in type(value).__mro__)


def _is_missing_of_pandas(kind: type) -> bool:
    """Whether it is that of `pd.NA` or `pd.NaT`, which calls itself a date."""
    return kind.__name__ in {"NAType", "NaTType"} and kind.__module__.startswith("pandas.")


def _name_of(value: object) -> str:
    """Where a class or function is found; for an object that can be called, its class."""
    named = value if hasattr(value, "__qualname__") else type(value)
    return ".".join(filter(None, (getattr(named, "__module__", None), named.__qualname__)))


def _is_text_like(value: object) -> bool:
    return any(is_of(value, module, name) for module, name in _AS_TEXT.items())
