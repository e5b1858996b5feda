"""The run's config: a dict with attributes, every change a record."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from steplog import _containers, _values
from steplog._errors import ConfigError, UsageError
from steplog._terminal import is_notebook, shorten

if TYPE_CHECKING:
    from typing import Protocol

    class Store(Protocol):
        """Where a config's entries are recorded."""

        def plain_config(self, entries: Mapping[Any, object]) -> dict[str, object]:
            """The entries as they would be stored, keys too, without those that cannot be."""

        def put_config(self, plain: dict[str, object]) -> dict[str, object]:
            """Record plain entries; gives those that could be stored."""

        def warn(self, text: str) -> None:
            """Say once what was not done."""


class Config(Mapping[str, Any]):
    """Hyperparameters of a run.

    A write is in the log when it returns. A key keeps its value: to give it another one needs
    `update(..., allow_val_change=True)`, or `init(allow_val_change=True)`, which is the default in
    notebooks. Nested dicts are compared and stored whole under their top-level key, and read as
    copies: change one by writing it back. A value that cannot be stored costs only itself, with a
    warning. Copies, also those that `pickle` makes, belong to no run: a write changes them only.
    """

    _store: Store
    _allow: bool
    _locked: Mapping[str, object]
    _changed: Callable[[Mapping[str, object]], object]
    _values: dict[str, object]

    def __init__(
        self,
        store: Store,
        *,
        allow_val_change: bool | None = None,
        locked: Mapping[str, object] | None = None,
        before: Mapping[str, object] | None = None,
        changed: Callable[[Mapping[str, object]], object] | None = None,
    ) -> None:
        """Start with what was recorded `before`, and with `locked` entries, which no write changes.

        Every change is told of.
        """
        allow = is_notebook() if allow_val_change is None else allow_val_change
        for name, value in {
            "_store": store,
            "_allow": allow,
            "_locked": {},
            "_changed": changed or (lambda _: None),
            "_values": dict(before or {}),
        }.items():
            object.__setattr__(self, name, value)
        if locked:
            self.update(locked)
            object.__setattr__(self, "_locked", self.as_dict())

    def update(self, values: object, allow_val_change: bool | None = None) -> None:
        """Set several keys at once: all of them, or none when one of them may not change.

        Args:
            values: Whatever `init(config=...)` takes, such as a mapping, a Namespace or the path of
                a YAML file.
            allow_val_change: Whether keys may get another value; as the run was told by default.

        Raises:
            ArgumentTypeError: `values` is nothing that a config is kept in.
            ConfigError: A key would change without leave, or the file cannot be read.
            RunClosedError: The run has finished.
        """
        plain = self._keep_locked(self._store.plain_config(_containers.read(values)))
        if not (self._allow if allow_val_change is None else allow_val_change):
            plain = self._with_known(plain)
        kept = self._store.put_config(plain)
        if kept:
            self._values.update(kept)
            self._changed(dict(self._values))

    def _keep_locked(self, plain: dict[str, object]) -> dict[str, object]:
        kept = {}
        for key, value in plain.items():
            kept[key] = _overlay(value, self._locked[key]) if key in self._locked else value
            if not _same(kept[key], value):
                self._store.warn(f"config: {key!r} is set from outside, and stays as it is")
        return kept

    def _with_known(self, plain: dict[str, object]) -> dict[str, object]:
        """The entries; one that is equal to what is there is that: `True` is equal to 1."""
        entries = {}
        for key, value in plain.items():
            entries[key] = value
            # What a lock leaves of a key has to be settable around it.
            if key in self._values and key not in self._locked:
                entries[key] = self._values[key]
                if not _same(entries[key], value):
                    raise ConfigError(
                        f"config: {key!r} is {shorten(repr(entries[key]), 60)} and may not become "
                        f"{shorten(repr(value), 60)} without update(…, allow_val_change=True)"
                    )
        return entries

    def setdefaults(self, values: object) -> None:
        """Set only the keys that are not there yet.

        Raises:
            ArgumentTypeError: `values` is nothing that a config is kept in.
            ConfigError: It is a file that cannot be read.
            RunClosedError: The run has finished.
        """
        entries = _containers.read(values)
        self.update({key: value for key, value in entries.items() if key not in self})

    def as_dict(self) -> dict[str, object]:
        """A copy as a plain dict."""
        # Another thread may be writing: copying a dict is one step, walking it is not.
        return copy.deepcopy(dict(self._values))

    def __getitem__(self, key: object) -> Any:  # noqa: ANN401  # whatever the user put there
        return copy.deepcopy(self._values[_values.config_key(key)])

    def __setitem__(self, key: object, value: object) -> None:
        self.update({key: value})

    def __delitem__(self, key: object) -> None:
        raise ConfigError(f"config: {key!r} cannot be removed, only be given another value")

    def __contains__(self, key: object) -> bool:
        return _values.config_key(key) in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._values))

    def __len__(self) -> int:
        return len(self._values)

    def __getattr__(self, key: str) -> Any:  # noqa: ANN401  # whatever the user put there
        # An object that `copy` or `pickle` is just making has no values, and would ask for ever.
        if key not in Config.__annotations__:
            try:
                return self[key]
            except KeyError:
                pass
        raise AttributeError(f"the config has no {key!r}")

    def __setattr__(self, key: str, value: object) -> None:
        self.update({key: value})

    def __delattr__(self, key: str) -> None:
        del self[key]

    def __repr__(self) -> str:
        return repr(self._values)

    def __reduce__(self) -> tuple[Callable[..., Config], tuple[dict[str, object], bool]]:
        return _detached, (self.as_dict(), self._allow)


class _Nowhere:
    """The store of a config that belongs to no run."""

    def plain_config(self, entries: Mapping[Any, object]) -> dict[str, object]:
        plain, skipped = _values.to_config(entries)
        if skipped:
            raise UsageError(f"cannot store {skipped[0][0]!r}: {skipped[0][1]}")
        return plain

    def put_config(self, plain: dict[str, object]) -> dict[str, object]:
        return plain

    def warn(self, text: str) -> None:
        raise UsageError(text)


def _detached(values: dict[str, object], allow: bool) -> Config:
    config = Config(_Nowhere(), allow_val_change=allow)
    config.update(values)
    return config


def _overlay(value: object, locked: object) -> object:
    if isinstance(value, dict) and isinstance(locked, dict):
        inner = {key: _overlay(value.get(key, item), item) for key, item in locked.items()}
        return {**value, **inner}
    return locked


def _same(one: object, other: object) -> bool:
    """Whether two plain values are equal; NaN is equal to itself."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    return one == other
