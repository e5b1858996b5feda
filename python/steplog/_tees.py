"""IPython's own wrapping of the streams: ours goes beneath it.

While a cell runs, IPython has a function of its own as `write` of `sys.stdout` and `sys.stderr`,
and puts back behind the cell what it found before it. What takes the place of `write` within a cell
would be gone with the cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import CellType

__all__ = ["put_write", "write_of"]

_FOUND = "original_write"
"""IPython's name for what it found (`InteractiveShell._tee`, since IPython 9.0)."""


def write_of(stream: Any) -> Any:  # noqa: ANN401  # any object may be a stream
    """A stream's `write`, without what IPython does while a cell runs."""
    cell = _innermost(stream)
    return stream.write if cell is None else cell.cell_contents


def put_write(stream: Any, write: Any) -> None:  # noqa: ANN401  # as above
    """Have a stream written to by this, also behind the cell that runs."""
    cell = _innermost(stream)
    if cell is None:
        stream.write = write
    else:
        cell.cell_contents = write


def _innermost(stream: Any) -> CellType | None:  # noqa: ANN401  # as above
    """Where the first of IPython's functions keeps what it found; cells may run in cells."""
    found, write = None, stream.write
    while (cell := _cell_of(write)) is not None:
        found, write = cell, cell.cell_contents
    return found


def _cell_of(write: Any) -> CellType | None:  # noqa: ANN401  # as above
    names = getattr(getattr(write, "__code__", None), "co_freevars", ())
    if _FOUND not in names or not str(write.__module__).startswith("IPython."):
        return None
    cell: CellType = write.__closure__[names.index(_FOUND)]
    return cell
