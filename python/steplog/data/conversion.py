"""Figures of matplotlib as figures of Plotly, where that loses nothing."""

from __future__ import annotations

import importlib.util
from typing import Any

__all__ = ["to_plotly"]

_ONE_STYLE = 1
"""Plotly's converter draws points of several colours or sizes as it pleases."""


def to_plotly(figure: Any) -> dict[str, Any] | None:  # noqa: ANN401  # of matplotlib
    """The figure of Plotly; None without Plotly, or where a part would be lost or changed.

    Lines, points of one style and bars, all in coordinates of the data, with their titles, labels
    and linear or decimal axes, are converted.
    """
    if importlib.util.find_spec("plotly") is None or not _is_plain(figure):
        return None
    import plotly.tools  # noqa: PLC0415  # only who has it pays for it

    try:
        found: dict[str, Any] = plotly.tools.mpl_to_plotly(figure).to_dict()
    except Exception:  # noqa: BLE001  # of a foreign converter: the figure is drawn instead
        return None
    return found if found.get("data") else None


def _is_plain(figure: Any) -> bool:  # noqa: ANN401  # of matplotlib
    rest = (figure.texts, figure.legends, figure.lines, figure.patches, figure.images)
    if not figure.axes or any((*rest, figure.artists, figure.subfigs)):
        return False
    places = {tuple(axes.get_position().bounds) for axes in figure.axes}
    return len(places) == len(figure.axes) and all(map(_is_plain_axes, figure.axes))


def _is_plain_axes(axes: Any) -> bool:  # noqa: ANN401  # of matplotlib
    from matplotlib.collections import PathCollection  # noqa: PLC0415  # it is loaded

    if axes.name != "rectilinear" or not axes.get_visible() or not axes.axison:
        return False
    if any((axes.images, axes.tables, axes.artists, axes.texts, axes.child_axes)):
        return False
    if any(axis.have_units() or not _is_plain_scale(axis) for axis in (axes.xaxis, axes.yaxis)):
        return False
    bars = {id(bar) for container in axes.containers for bar in container.get_children()}
    return (
        all(line.get_transform() == axes.transData for line in axes.lines)
        and all(id(patch) in bars for patch in axes.patches)
        and all(
            isinstance(points, PathCollection)
            and {axes.get_xscale(), axes.get_yscale()} == {"linear"}
            and points.get_array() is None  # of colours
            and len(points.get_facecolor()) == _ONE_STYLE
            and len(points.get_sizes()) == _ONE_STYLE
            for points in axes.collections
        )
    )


def _is_plain_scale(axis: Any) -> bool:  # noqa: ANN401  # of matplotlib
    scale = axis.get_scale()
    base = getattr(axis.get_transform(), "base", None)
    return scale == "linear" or (scale == "log" and base == 10)  # noqa: PLR2004  # decimal
