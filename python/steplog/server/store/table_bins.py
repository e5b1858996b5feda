"""Histograms of the finite values of columns: bins of one width from the least to the greatest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from steplog.server.store.table_sql import float_bits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from steplog.server.store.native import Columns
    from steplog.server.store.table_view import ViewColumn

BINS = 30
BINNED = frozenset({"int", "float", "time"})
"""The kinds that have histograms."""


def ends_cells(column: ViewColumn, name: str) -> list[str]:
    """Of a query of all rows: the cells that `Bins.of` reads."""
    text = column.sql.text
    is_finite = f"isFinite(ifNull(toFloat64({text}), nan))"
    return [
        f"countIf({is_finite}) AS {name}_n",
        *(
            f"toFloat64({words}If(assumeNotNull({text}), {is_finite})) AS {name}_{words}"
            for words in ("min", "max")
        ),
    ]


@dataclass(frozen=True)
class Bins:
    """Where the bins of a column lie; its values are in the engine's units.

    Attributes:
        text: SQL of the values.
        kind: Of the column.
        lo: The least finite value.
        hi: The greatest one.
        name: What the parameters of its SQL begin with.
    """

    text: str
    kind: str
    lo: float
    hi: float
    name: str

    @classmethod
    def of(cls, column: ViewColumn, found: Columns, name: str) -> Bins | None:
        """By the answer to `ends_cells`; None: there are no finite values."""
        if not int(found.uints(f"{name}_n")[0]):
            return None
        lo, hi = (float(found.floats(f"{name}_{end}")[0]) for end in ("min", "max"))
        return cls(column.sql.text, column.sql.kind, lo, hi, name)

    @property
    def width(self) -> float:
        """Of a bin; the difference of the ends may be no float."""
        return (self.hi / BINS - self.lo / BINS) or 1.0

    @property
    def params(self) -> dict[str, int | str]:
        """What the SQL refers to."""
        ends = {f"{self.name}_lo": self.lo, f"{self.name}_width": self.width}
        return {name: float_bits(value) for name, value in ends.items()}

    @property
    def counts(self) -> str:
        """An aggregate: how many values each bin has, as numbers with commas between."""
        value = f"ifNull(toFloat64({self.text}), nan)"
        lo, width = (f"reinterpretAsFloat64({{{name}:UInt64}})" for name in self.params)
        place = f"greatest(0, least({BINS - 1}, floor(({value} - {lo}) / {width})))"
        counted = f"countResample(0, {BINS}, 1)(toInt64(if(isFinite({value}), {place}, -1)))"
        return f"arrayStringConcat(arrayMap(n -> toString(n), {counted}), ',')"

    def histogram(self, counts: Sequence[int]) -> dict[str, Any]:
        """As the API has it; times in milliseconds."""
        scale = 1000.0 if self.kind == "time" else 1.0
        hi = self.hi if self.hi > self.lo else self.lo + self.width * BINS
        return {"lo": self.lo / scale, "hi": hi / scale, "counts": list(counts)}


def counts_of(text: str) -> list[int]:
    """The numbers of `Bins.counts`."""
    return [int(count) for count in text.split(",")]


__all__ = ["BINNED", "BINS", "Bins", "counts_of", "ends_cells"]
