"""Figures that are logged as they are."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

from steplog._loaded import is_of
from steplog.data import figure
from steplog.data.image import Image
from steplog.data.media import Media, put
from steplog.data.plotly_figure import Plotly, write

if TYPE_CHECKING:
    from steplog.data.media import Place

__all__ = ["Chart", "chart_of"]


class Chart(Media):
    """A figure of matplotlib: one of Plotly, where that shows all of it, else an image.

    The constructor takes the figure as it is, and returns; it is drawn on another thread. A figure
    that cannot be pickled is drawn in the constructor.
    """

    def __init__(self, drawn: Any) -> None:  # noqa: ANN401  # of matplotlib
        self._snapshot = figure.snapshot_of(drawn)
        self._image = Image(drawn if self._snapshot is None else self._snapshot)
        self.size_bytes = self._image.size_bytes

    def _store(self, place: Place, key: str) -> dict[str, object]:
        converted = None if self._snapshot is None else self._snapshot.converted()
        if converted is None:
            return self._image.stored(place, key)
        where = ("plotly", key, ".plotly.json")
        return {"_type": "plotly-file", **put(place, where, write(converted))}


def chart_of(value: object) -> Media | None:
    """What is logged of a figure of Plotly or matplotlib; None for what is no figure."""
    if is_of(value, "plotly.basedatatypes", "BaseFigure"):
        return Plotly(value)
    is_pyplot = isinstance(value, types.ModuleType) and value.__name__ == "matplotlib.pyplot"
    if is_pyplot or is_of(value, "matplotlib.artist", "Artist"):
        found = figure.figure_of(value)
        return None if found is None else Chart(found)
    return None
