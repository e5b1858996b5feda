"""What is read, as DataFrames of pandas where that is installed."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from steplog.client.reader import Row

_EXACT_FLOAT = 1 << 53


def frame_of_columns(columns: Mapping[str, list[Any]]) -> Any:  # noqa: ANN401  # pandas is optional
    """Columns as a pandas DataFrame.

    Raises:
        ImportError: pandas is not installed.
    """
    pandas = importlib.import_module("pandas")
    return pandas.DataFrame(
        {key: _column(values, pandas.Series) for key, values in columns.items()}
    )


def frame_of(rows: list[Row]) -> Any:  # noqa: ANN401  # pandas is optional
    """The rows as a pandas DataFrame, or as they are when pandas is not installed."""
    try:
        importlib.import_module("pandas")
    except ImportError:
        return rows
    columns = dict.fromkeys(key for row in rows for key in row)
    return frame_of_columns({key: [row.get(key) for row in rows] for key in columns})


def _column(values: list[Any], series: Callable[..., Any]) -> Any:  # noqa: ANN401  # of pandas
    kinds = {type(value) for value in values}
    # Integers beside floats or gaps become floats: those that would change stay as they are.
    is_exact = len(kinds) == 1 or not any(
        type(value) is int and abs(value) > _EXACT_FLOAT for value in values
    )
    return series(values) if is_exact else series(values, dtype=object)
