"""How the keys of a run's rows are spelled: with plain dots, unless two would look the same."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Names:
    r"""The spelling of keys in all rows of one read.

    The server puts a `\` before a `\` or `.` inside a segment of a path. It is left out here,
    unless the run has another key that then looks the same: of a nested and a literal `n.x` the
    literal one stays `n\.x`.
    """

    def __init__(self) -> None:
        self._spelled: dict[str, str] = {}

    def know(self, rows: Iterable[Mapping[str, Any]]) -> bool:
        """Whether every key in rows that could be spelled otherwise is known."""
        return not any("\\" in key and key not in self._spelled for row in rows for key in row)

    def learn(self, keys: Iterable[str]) -> None:
        """All keys that the run has."""
        plain = {key: _plain(key) for key in keys}
        counts = Counter(plain.values())
        # A spelling that stays as it is may be what another one comes to without its signs.
        kept = {key for key, name in plain.items() if counts[name] > 1}
        while more := {key for key, name in plain.items() if key not in kept and name in kept}:
            kept |= more
        self._spelled = {key: key if key in kept else name for key, name in plain.items()}

    def read(self, row: dict[str, Any]) -> dict[str, Any]:
        """A row with its keys as they are spelled."""
        if not any("\\" in key for key in row):
            return row
        return {self._spelled.get(key, key): value for key, value in row.items()}


def _plain(key: str) -> str:
    r"""A key without the `\` before `\` and `.`."""
    first, *rest = key.split("\\\\")
    return "\\".join(part.replace("\\.", ".") for part in (first, *rest))
