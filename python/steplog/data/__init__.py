"""The types of values that `log` takes besides numbers, texts and arrays."""

from __future__ import annotations

from steplog.data.audio import Audio
from steplog.data.bokeh_figure import Bokeh
from steplog.data.classes import Classes
from steplog.data.graph import Edge, Graph, Node
from steplog.data.histogram import Histogram
from steplog.data.html import Html
from steplog.data.image import Image
from steplog.data.molecule import Molecule
from steplog.data.object_3d import Object3D
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
    "Molecule",
    "Node",
    "Object3D",
    "Plotly",
    "Table",
    "Video",
    "box3d",
    "histograms",
]
