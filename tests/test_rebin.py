"""Histograms of several steps as one, against values that are counted one by one."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from steplog.server.rebin import PERCENTILES, Histogram, merged

WHOLE = st.integers(0, 10**6)
NUMBERS = st.floats(-1e300, 1e300, allow_subnormal=False)


def histogram(counts, edges, **others):
    return Histogram.of({"_type": "histogram", "values": counts, "bins": edges, **others})


@st.composite
def histograms(draw, counts=WHOLE):
    bins = draw(st.integers(1, 12))
    sorted_edges = sorted(draw(st.lists(NUMBERS, min_size=bins + 1, max_size=bins + 1)))
    found = histogram(draw(st.lists(counts, min_size=bins, max_size=bins)), sorted_edges)
    assert found is not None
    return found


@given(st.lists(histograms(), min_size=1, max_size=8), st.integers(1, 40))
def test_every_count_is_kept_exactly(parts, max_bins):
    column = merged(parts, max_bins)
    assert len(column.edges) == len(column.counts) + 1 <= max_bins + 1
    assert column.counts.sum() == sum(one.counts.sum() for one in parts)
    assert (column.counts >= 0).all()
    assert (column.counts % 1 == 0).all()
    assert (np.diff(column.edges) >= 0).all()
    assert column.edges[0] == min(one.edges[0] for one in parts)
    assert column.edges[-1] == max(one.edges[-1] for one in parts)


@given(st.lists(histograms(counts=st.floats(0, 1e6)), min_size=1, max_size=8), st.integers(1, 40))
def test_parts_of_counts_are_kept_too(parts, max_bins):
    total = sum(one.counts.sum() for one in parts)
    column = merged(parts, max_bins)
    assert math.isclose(column.counts.sum(), total, rel_tol=1e-9, abs_tol=1e-9)
    assert (column.counts >= 0).all()


@given(
    st.lists(
        st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60),
        min_size=1,
        max_size=6,
    ),
    st.integers(1, 64),
)
def test_percentiles_are_within_a_bin_of_those_of_the_values(samples, bins):
    parts, width = [], 0.0
    for sample in samples:
        counts, edges = np.histogram(sample, bins)
        found = histogram(counts.tolist(), edges.tolist())
        assert found is not None
        parts.append(found)
        width = max(width, float(np.diff(edges).max()))
    column = merged(parts, 32)
    width += float(np.diff(column.edges).max())
    values = np.sort(np.concatenate([np.asarray(sample) for sample in samples]))
    for name, part in PERCENTILES.items():
        exact = values[max(0, math.ceil(part * len(values) - 1e-9) - 1)]
        assert abs(column.percentiles[name] - exact) <= width * (1 + 1e-9), name
    ordered = list(column.percentiles.values())
    assert ordered == sorted(ordered)


@given(st.lists(histograms(), min_size=2, max_size=6), st.integers(1, 40))
def test_the_order_of_the_steps_changes_nothing(parts, max_bins):
    forth, back = merged(parts, max_bins), merged(parts[::-1], max_bins)
    assert np.array_equal(forth.edges, back.edges)
    assert np.abs(forth.counts - back.counts).max() <= 1  # what lies on half is rounded either way


def test_equal_bins_are_added_as_they_are_and_one_alone_is_kept():
    one, two = histogram([1, 2, 3], [0, 1, 5, 9]), histogram([4, 0, 6], [0, 1, 5, 9])
    column = merged([one, two], 3)
    assert (column.counts.tolist(), column.edges.tolist()) == ([5, 2, 9], [0, 1, 5, 9])
    assert merged([one], 128).counts.tolist() == [1, 2, 3]
    assert merged([one], 2).counts.tolist() == [3, 3]  # 1 + 3.5/4 of 2 below 4.5, rounded


def test_what_has_no_width_stays_where_it_is():
    point, line = histogram([7], [3, 3]), histogram([8], [0, 8])
    column = merged([point, line], 8)
    assert column.counts.tolist() == [1, 1, 1, 8, 1, 1, 1, 1]
    assert merged([point], 8).percentiles["p50"] == 3
    column = merged([point, histogram([1], [3, 3])], 8)
    assert column.counts.sum() == 8
    end = merged([histogram([7], [8, 8]), line], 4)
    assert end.counts.tolist() == [2, 2, 2, 9]


def test_what_is_not_finite_is_counted_apart_and_infinite_edges_hold_their_counts():
    one = histogram([2, 5, 1], [-math.inf, 0, 1, math.inf], nan=3, inf=1, neg_inf=2)
    column = merged([one, one], 10)
    assert (column.nan, column.inf, column.neg_inf) == (6, 2, 4)
    assert (column.edges[0], column.edges[-1], column.counts.sum()) == (0, 1, 16)
    empty = merged([histogram([0, 0], [0, 1, 2])], 10)
    assert all(math.isnan(value) for value in empty.percentiles.values())


def test_packed_bins_are_read():
    found = Histogram.of(
        {
            "_type": "histogram",
            "values": [1, 2],
            "packedBins": {"min": 1, "size": 0.5, "count": 2},
        }
    )
    assert found is not None
    assert found.edges.tolist() == [1, 1.5, 2]


def test_what_is_no_histogram_is_none():
    for counts, edges in (
        ([1], [0]),
        ([], [0]),
        ([-1], [0, 1]),
        ([1], [1, 0]),
        ([1], [0, math.nan]),
        ([math.nan], [0, 1]),
        ([math.inf], [0, 1]),
        (["x"], [0, 1]),
        ([1], [-math.inf, math.inf]),
        ([1e308, 1e308], [0, 1, 2]),
        (None, [0, 1]),
        ([1], {"0": 1}),
        ([10**400], [0, 1]),
        ([[1, 2], [3]], [0, 1, 2]),
    ):
        assert histogram(counts, edges) is None, (counts, edges)
    assert Histogram.of({"_type": "image-file"}) is None
    assert Histogram.of([1]) is None
    assert histogram([1], [0, 1], nan="x") is None


def test_the_greatest_numbers_do_no_harm():
    top = 1.7e308
    column = merged([histogram([1, 3], [-top, 0, top]), histogram([4], [0, 1])], 4)
    assert np.isfinite(column.edges).all()
    assert column.counts.sum() == 8
