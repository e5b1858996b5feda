"""Objects that have no file of their own, and lists of several kinds, in a real browser."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tests.e2e.test_browser import need_browser, run_page

import steplog


def counted(*counts):
    return steplog.Histogram(np_histogram=(counts, range(len(counts) + 1)))


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_values_without_files_are_shown(server, online):
    need_browser()
    image = steplog.Image(np.zeros((8, 8, 3), np.uint8))
    classes = steplog.Classes([{"id": 7, "name": "cat"}, {"id": 8, "name": "dog"}])
    with online("r") as run:
        run.log({"pair": [counted(1, 2, 3, 4), counted(2, 5), counted(0, 0)]})
        run.log({"nothing": counted(0, 0), "nans": steplog.Histogram([math.nan] * 3)})
        run.log({"classes": classes, "mixed": [image, steplog.Html("<p>a page</p>")]})
        rows = [[1, counted(3, 4)], [2, counted(5, 6)]]
        run.log({"t": steplog.Table(columns=["id", "h"], data=rows)})
    run_page(server, "e2e/values.mjs", "p", "r")
