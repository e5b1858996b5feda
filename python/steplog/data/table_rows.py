"""Where the rows of a table are: in lists, or in blocks of columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BLOCK_ROWS", "Block", "BlockRows", "ListRows", "Rows"]

BLOCK_ROWS = 1_000
"""Rows of a block: they fit a processor's cache."""

Block = list["Sequence[Any]"]
"""The columns of some rows."""


class Rows(Protocol):
    """Rows."""

    def __len__(self) -> int: ...

    def part(self, start: int, stop: int) -> list[Any]:
        """The rows from one to before another, as lists or tuples, for the file."""

    def read(self) -> list[list[Any]]:
        """All rows, in lists."""


class ListRows:
    """Rows in a list."""

    def __init__(self, rows: list[list[Any]]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, start: int, stop: int) -> list[Any]:
        """As of `Rows`."""
        return self.rows[start:stop]

    def read(self) -> list[list[Any]]:
        """As of `Rows`."""
        return self.rows


class BlockRows:
    """Rows in blocks, which nobody changes: a list for each row takes four times as long."""

    def __init__(self, blocks: list[Block], count: int) -> None:
        self._blocks = blocks
        self._count = count

    def __len__(self) -> int:
        return self._count

    def part(self, start: int, stop: int) -> list[Any]:
        """As of `Rows`."""
        rows: list[Any] = []
        for at in range(start // BLOCK_ROWS, -(-stop // BLOCK_ROWS)):
            low = max(start - at * BLOCK_ROWS, 0)
            high = stop - at * BLOCK_ROWS
            rows += zip(*(cells[low:high] for cells in self._blocks[at]), strict=True)
        return rows

    def read(self) -> list[list[Any]]:
        """As of `Rows`."""
        return [list(row) for block in self._blocks for row in zip(*block, strict=True)]
