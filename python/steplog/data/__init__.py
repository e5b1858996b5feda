"""The types of values that `log` takes besides numbers, texts and arrays."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from steplog.data.audio import Audio
    from steplog.data.bokeh_figure import Bokeh
    from steplog.data.classes import Classes
    from steplog.data.graph import Edge, Graph, Node
    from steplog.data.histogram import Histogram
    from steplog.data.html import Html
    from steplog.data.image import Image
    from steplog.data.joined_table import JoinedTable
    from steplog.data.molecule import Molecule
    from steplog.data.object_3d import Object3D
    from steplog.data.partitioned_table import PartitionedTable
    from steplog.data.plotly_figure import Plotly
    from steplog.data.scene import box3d
    from steplog.data.table import Table
    from steplog.data.tree import histograms
    from steplog.data.video import Video

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
    "Molecule",
    "Node",
    "Object3D",
    "PartitionedTable",
    "Plotly",
    "Table",
    "Video",
    "box3d",
    "histograms",
]

# Loaded when they are used: the first image of a training must not wait for what tables take.
_MODULES = {
    "Audio": "audio",
    "Bokeh": "bokeh_figure",
    "Classes": "classes",
    **dict.fromkeys(("Edge", "Graph", "Node"), "graph"),
    "Histogram": "histogram",
    "Html": "html",
    "Image": "image",
    "JoinedTable": "joined_table",
    "Molecule": "molecule",
    "Object3D": "object_3d",
    "PartitionedTable": "partitioned_table",
    "Plotly": "plotly_figure",
    "Table": "table",
    "Video": "video",
    "box3d": "scene",
    "histograms": "tree",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module 'steplog.data' has no attribute {name!r}")
    found: object = getattr(import_module(f"steplog.data.{_MODULES[name]}"), name)
    globals()[name] = found
    return found
