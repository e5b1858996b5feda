"""The types of values that `log` takes besides numbers, texts and arrays."""

from __future__ import annotations

from steplog.data.audio import Audio
from steplog.data.histogram import Histogram
from steplog.data.html import Html
from steplog.data.image import Image
from steplog.data.tree import histograms
from steplog.data.video import Video

__all__ = ["Audio", "Histogram", "Html", "Image", "Video"]
