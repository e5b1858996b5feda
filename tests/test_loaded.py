"""A library that another thread is importing just now is none that a value can be of."""

from __future__ import annotations

import importlib.util

import pytest

# The import of one module stands still before its first line, as that of a large library does for
# whoever looks at `sys.modules` from another thread; it goes on when everything has been logged.
PROGRAM = '''
import importlib, importlib.abc, importlib.util, pathlib, sys, threading

NAME = "{name}"
reached, go_on = threading.Event(), threading.Event()


class Held(importlib.abc.MetaPathFinder):
    """Finds the module where it is, and has its import wait."""

    def find_spec(self, name, path=None, target=None):
        if name != NAME:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        run = spec.loader.exec_module

        def exec_module(module):
            reached.set()
            go_on.wait()
            run(module)

        spec.loader.exec_module = exec_module
        return spec


class Grid:
    """An array of a library that nobody knows."""

    shape, nbytes, device, size = (4, 4), 16, "cpu", 16

    def tolist(self):
        return [[0] * 4] * 4

    def copy(self):
        return self

    def __array__(self, *_, **__):
        import numpy

        return numpy.zeros((4, 4), numpy.uint8)


class Away(Grid):
    device = "npu"


class Drawn:
    """What may be a figure, by its class."""


Drawn.__module__ = "{drawn}"

import steplog

for part in ("Image", "Table", "Histogram", "Html", "Video"):
    getattr(steplog, part)
from steplog.data.bokeh_figure import Bokeh

if NAME in sys.modules:  # what steplog, or the interpreter, needs anyhow
    print("known")
importing = threading.Thread(target=importlib.import_module, args=(NAME,), daemon=True)
sys.meta_path.insert(0, Held())
if NAME not in sys.modules:
    importing.start()
    reached.wait()
    assert NAME in sys.modules


class Odd:
    pass


run = steplog.init(mode="offline", dir=sys.argv[1], config={{"odd": Odd(), "at": [Odd()]}})
run.log({{"x": 1.0, "odd": Odd(), "where": pathlib.Path("a"), "j": 1j, "drawn": Drawn()}})
run.log({{"pixels": Grid(), "away": Away()}})
run.log({{"table": steplog.Table(["a"], [[1]], dtype=int), "odd": {{"in": [Odd()]}}}})
steplog.Table(["a"], [[Odd()]], dtype=Odd)
for wrong in (lambda: steplog.Image(Odd()), lambda: Bokeh(Odd()), lambda: steplog.watch(Odd()),
              lambda: steplog.Image(Drawn()), lambda: steplog.Table(["a"], dtype=[7.5])):
    try:
        wrong()
    except (TypeError, ValueError):
        continue
    raise AssertionError("it was taken")
if NAME not in ("numpy", "PIL.Image"):
    run.log({{"frame": steplog.Image(Grid())}})
go_on.set()
if importing.ident:
    importing.join()
run.log({{"frame": steplog.Image(Grid()), "x": 2.0}})
run.finish()
print("finished", run.status()["lost"])
'''

LIBRARIES = [
    *("PIL.Image", "numpy", "pandas", "polars", "pyarrow", "plotly.basedatatypes"),
    *("matplotlib", "matplotlib.artist", "matplotlib.figure", "bokeh.document", "bokeh.model"),
    *("datetime", "decimal", "uuid", "fractions", "argparse", "asyncio", "trio.lowlevel"),
    *("IPython", "multiprocessing.util", "multiprocessing.process", "steplog.artifacts.artifact"),
]


@pytest.mark.parametrize("name", LIBRARIES)
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_library_that_is_being_imported_is_in_nobodys_way(run_program, name):
    if importlib.util.find_spec(name.partition(".")[0]) is None:
        pytest.skip(f"{name} is not installed")
    drawn = "plotly.graph_objs" if name.startswith("plotly") else "matplotlib.figure"
    folder, said = run_program(PROGRAM.format(name=name, drawn=drawn), returncode=0)
    assert "AttributeError" not in said
    assert "partially initialized" not in said
    assert folder.exists()
