"""The types of values that `log` takes, under the name of the reference's module."""

from __future__ import annotations

from steplog.data import (
    Audio,
    Bokeh,
    Classes,
    Edge,
    Graph,
    Histogram,
    Html,
    Image,
    JoinedTable,
    Molecule,
    Node,
    Object3D,
    PartitionedTable,
    Plotly,
    Table,
    Video,
    box3d,
)
from steplog.data.media import Media
from steplog.data.media import Value as WBValue

__all__ = [
    "Audio",
    "Bokeh",
    "Classes",
    "Edge",
    "Graph",
    "Histogram",
    "Html",
    "Image",
    "JoinedTable",
    "Media",
    "Molecule",
    "Node",
    "Object3D",
    "PartitionedTable",
    "Plotly",
    "Table",
    "Video",
    "WBValue",
    "box3d",
]
