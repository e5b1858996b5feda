"""Charts over tables: `log` takes what these functions give."""

from __future__ import annotations

from steplog.plot.chart import CustomChart, plot_table, visualize
from steplog.plot.confusion import confusion_matrix
from steplog.plot.curves import pr_curve, roc_curve
from steplog.plot.presets import bar, histogram, line, line_series, scatter

__all__ = [
    "CustomChart",
    "bar",
    "confusion_matrix",
    "histogram",
    "line",
    "line_series",
    "plot_table",
    "pr_curve",
    "roc_curve",
    "scatter",
    "visualize",
]
