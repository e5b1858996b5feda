"""Figures of matplotlib: taken as they are, and drawn on another thread."""

from __future__ import annotations

import copy
import importlib
import io
import os
import pickle
import threading
import types
from typing import Any

from steplog._loaded import is_of, name_in

__all__ = ["Snapshot", "figure_of", "snapshot_of"]

_MOST_NESTED = 8
"""Figures within figures."""
_FORK_SECS = 2.0
"""Longest time a fork waits for a drawing."""


class _Turns:
    """One drawing at a time, and none while the process forks.

    A child would find matplotlib's own lock taken by a thread that it does not have.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._is_held = False
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._hold, after_in_parent=self._let_go, after_in_child=self._let_go
            )

    def _hold(self) -> None:
        self._is_held = self.lock.acquire(timeout=_FORK_SECS)

    def _let_go(self) -> None:
        if self._is_held:
            self.lock.release()


_TURNS = _Turns()


def figure_of(data: Any) -> Any:  # noqa: ANN401  # of matplotlib
    """The figure of what can be drawn: a figure, its axes, or pyplot's current one; else None."""
    if isinstance(data, types.ModuleType):
        data = data.gcf() if hasattr(data, "gcf") else None
    for _ in range(_MOST_NESTED):
        if hasattr(data, "savefig"):
            return data
        data = data.get_figure() if hasattr(data, "get_figure") else None
    return None


class Snapshot:
    """A figure as it was; whatever is drawn into it afterwards, or closes it, does not matter.

    Attributes:
        width: In pixels, of what it is drawn as.
        height: In pixels.
        size_bytes: What it keeps in memory.
    """

    def __init__(self, content: bytes, inches: tuple[float, float], dpi: float) -> None:
        self._content = content
        self._dpi = dpi
        self.width, self.height = (int(length * dpi) for length in inches)
        self.size_bytes = len(content)

    def rgba(self) -> Any:  # noqa: ANN401  # NumPy
        """Its pixels (H, W, 4); may take long."""
        import numpy as np  # noqa: PLC0415  # `import steplog` stays light

        with _TURNS.lock:
            canvas = self._opened().canvas
            canvas.draw()
            return np.array(canvas.buffer_rgba())

    def converted(self) -> dict[str, Any] | None:
        """It as a figure of Plotly; None, if Plotly would leave out or change a part of it.

        May take long.
        """
        from steplog.data import conversion  # noqa: PLC0415  # for few

        with _TURNS.lock:
            return conversion.to_plotly(self._opened())

    def _opened(self) -> Any:  # noqa: ANN401  # of matplotlib
        # It is ours, from a moment ago: nothing of it came from outside this process.
        figure: Any = pickle.loads(self._content)  # noqa: S301
        figure.set_dpi(self._dpi)
        _canvas_class()(figure)
        return figure


def snapshot_of(figure: Any) -> Snapshot | None:  # noqa: ANN401  # of matplotlib
    """A figure as it is now; None, if it must be drawn at once.

    So is what cannot be pickled, and what `savefig` would cut or colour by its settings.
    """
    if not is_of(figure, "matplotlib.figure", "Figure") or _canvas_class() is None:
        return None
    settings = name_in("matplotlib", "rcParams")
    is_special = settings["savefig.transparent"] or settings["savefig.bbox"] == "tight"
    if is_special or settings["savefig.facecolor"] != "auto":
        return None
    dpi = settings["savefig.dpi"]
    if dpi == "figure":
        dpi = getattr(figure, "_original_dpi", figure.dpi)  # without the screen's ratio
    file = io.BytesIO()
    try:
        _Pickler(file, pickle.HIGHEST_PROTOCOL).dump(figure)
    except Exception:  # noqa: BLE001  # whatever an artist's own code raises: it is drawn now
        return None
    return Snapshot(file.getvalue(), tuple(figure.get_size_inches()), float(dpi))


class _Pickler(pickle.Pickler):
    """Leaves out that a figure is pyplot's: read again, it would become pyplot's current one."""

    def reducer_override(self, value: Any) -> Any:  # noqa: ANN401  # as in `pickle`
        if not is_of(value, "matplotlib.figure", "Figure"):
            return NotImplemented
        make, arguments, state, *rest = value.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
        state = {name: part for name, part in state.items() if name != "_restore_to_pylab"}
        return (make, arguments, state, *rest)


def _canvas_class() -> Any:  # noqa: ANN401  # of matplotlib
    """A canvas whose formulas are parsed apart from those that the program draws meanwhile.

    matplotlib has one parser for all threads, and both sides' drawings fail where two use it at
    once. None, where this cannot be helped.
    """
    global _canvas  # noqa: PLW0603  # made once
    if _canvas is None:
        agg: Any = importlib.import_module("matplotlib.backends.backend_agg")
        mathtext: Any = importlib.import_module("matplotlib.mathtext")
        if "_parser" not in vars(mathtext.MathTextParser):
            return None

        class Parser(mathtext.MathTextParser):  # type: ignore[misc]  # it is looked up
            _parser = None

        class Canvas(agg.FigureCanvasAgg):  # type: ignore[misc]  # it is looked up
            def get_renderer(self) -> Any:  # noqa: ANN401  # of matplotlib
                renderer: Any = super().get_renderer()
                for owner in filter(None, (renderer, getattr(renderer, "_text2path", None))):
                    parser = copy.copy(owner.mathtext_parser)  # of the kind that it needs
                    parser.__class__ = Parser
                    owner.mathtext_parser = parser
                return renderer

        _canvas = Canvas
    return _canvas


_canvas: Any = None
