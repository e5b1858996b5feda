"""The run's summary: what the rows say, and what the user writes over it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from steplog._errors import ArgumentTypeError
from steplog._names import whole_text

Read = Callable[[], dict[str, Any]]
Put = Callable[[list[tuple[list[str], object]], list[list[str]]], object]


class Summary(Mapping[str, Any]):
    """The last value of each key, or what was written here; nested values are read as summaries.

    A read sees everything logged before it and never waits for a server. A write is in the log
    when it returns; the next logged value of the same key replaces it. A value that cannot be
    stored costs only itself, with a warning.
    """

    _read: Read
    _put: Put
    _path: list[str]

    def __init__(self, read: Read, put: Put, path: list[str] | None = None) -> None:
        object.__setattr__(self, "_read", read)
        object.__setattr__(self, "_put", put)
        object.__setattr__(self, "_path", path or [])

    def _values(self) -> dict[str, Any]:
        values: Any = self._read()
        for segment in self._path:
            values = values.get(segment, {}) if isinstance(values, dict) else {}
        return values if isinstance(values, dict) else {}

    def __getitem__(self, key: object) -> Any:  # noqa: ANN401  # whatever the user logged
        name = _spelled(key)
        value = self._values()[name]
        if isinstance(value, dict):
            return Summary(self._read, self._put, [*self._path, name])
        return copy.copy(value)

    def __setitem__(self, key: object, value: object) -> None:
        self.update({key: value})

    def __delitem__(self, key: object) -> None:
        name = _spelled(key)
        if name not in self._values():
            raise KeyError(key)
        self._put([], [[*self._path, name]])

    def update(self, values: Mapping[Any, object]) -> None:
        """Write several keys at once; they are spelled.

        Raises:
            ArgumentTypeError: `values` is no mapping.
        """
        if not isinstance(values, Mapping):
            raise ArgumentTypeError(f"update() takes a dict, got {type(values).__name__}")
        written = [([*self._path, _spelled(key)], value) for key, value in values.items()]
        if written:
            self._put(written, [])

    def as_dict(self) -> dict[str, Any]:
        """A copy as a plain, nested dict."""
        return copy.deepcopy(self._values())

    def __iter__(self) -> Iterator[str]:
        return iter(self._values())

    def __len__(self) -> int:
        return len(self._values())

    def __getattr__(self, key: str) -> Any:  # noqa: ANN401  # whatever the user logged
        try:
            return self[key]
        except KeyError:
            raise AttributeError(f"the summary has no {key!r}") from None

    def __setattr__(self, key: str, value: object) -> None:
        self.update({key: value})

    def __delattr__(self, key: str) -> None:
        try:
            del self[key]
        except KeyError:
            raise AttributeError(f"the summary has no {key!r}") from None

    def __copy__(self) -> dict[str, Any]:
        return self.as_dict()

    def __deepcopy__(self, _: object) -> dict[str, Any]:
        return self.as_dict()

    def __reduce__(self) -> tuple[type[dict[str, Any]], tuple[dict[str, Any]]]:
        """In another place: what it holds now, as a plain dict."""
        return dict, (self.as_dict(),)

    def __repr__(self) -> str:
        return repr(self._values())


def _spelled(key: object) -> str:
    return whole_text(str(key))
