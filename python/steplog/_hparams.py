"""The run's config: a dict with attributes, every change a record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from steplog._errors import ArgumentTypeError
from steplog._values import plain_value

Put = Callable[[dict[str, object]], object]


class Config(Mapping[str, Any]):
    """Hyperparameters of a run.

    A write is in the log when it returns. Nested dicts are stored whole under their top-level key.
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
        plain = {str(key): plain_value(value) for key, value in values.items()}
        if plain:
            self._put(plain)
            self._values.update(plain)

    def setdefaults(self, values: Mapping[str, object]) -> None:
        """Set only the keys that are not there yet."""
        self.update({key: value for key, value in values.items() if key not in self._values})

    def as_dict(self) -> dict[str, object]:
        """A copy as a plain dict."""
        return dict(self._values)

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401  # whatever the user put there
        return self._values[key]

    def __setitem__(self, key: str, value: object) -> None:
        self.update({key: value})

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __getattr__(self, key: str) -> Any:  # noqa: ANN401  # whatever the user put there
        try:
            return self._values[key]
        except KeyError:
            raise AttributeError(f"the config has no {key!r}") from None

    def __setattr__(self, key: str, value: object) -> None:
        self.update({key: value})

    def __repr__(self) -> str:
        return repr(self._values)
