"""The run's config: a dict with attributes, every change a record."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from steplog._errors import ArgumentTypeError

Put = Callable[[dict[str, object]], dict[str, object]]
"""Records entries, and gives those that could be stored as they are stored."""


class Config(Mapping[str, Any]):
    """Hyperparameters of a run.

    A write is in the log when it returns. Nested dicts are stored whole under their top-level key,
    and read as copies: change one by writing it back. A value that cannot be stored costs only
    itself, with a warning.
    """

    _put: Put
    _values: dict[str, object]

    def __init__(self, put: Put) -> None:
        object.__setattr__(self, "_put", put)
        object.__setattr__(self, "_values", {})

    def update(self, values: Mapping[str, object] | object) -> None:
        """Set several keys at once.

        A Namespace, or any object with attributes, is taken as its `vars`.

        Raises:
            ArgumentTypeError: Neither a mapping nor an object with attributes.
        """
        if not isinstance(values, Mapping):
            if not hasattr(values, "__dict__"):
                raise ArgumentTypeError(f"config must be a mapping, got {type(values).__name__}")
            values = vars(values)
        self._values.update(self._put({str(key): value for key, value in values.items()}))

    def setdefaults(self, values: Mapping[str, object]) -> None:
        """Set only the keys that are not there yet."""
        self.update({key: value for key, value in values.items() if key not in self._values})

    def as_dict(self) -> dict[str, object]:
        """A copy as a plain dict."""
        return copy.deepcopy(self._values)

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401  # whatever the user put there
        return copy.deepcopy(self._values[str(key)])

    def __setitem__(self, key: str, value: object) -> None:
        self.update({key: value})

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __getattr__(self, key: str) -> Any:  # noqa: ANN401  # whatever the user put there
        try:
            return self[key]
        except KeyError:
            raise AttributeError(f"the config has no {key!r}") from None

    def __setattr__(self, key: str, value: object) -> None:
        self.update({key: value})

    def __repr__(self) -> str:
        return repr(self._values)
