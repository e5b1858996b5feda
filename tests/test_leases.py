"""The server lets one upload of a log in at a time."""

from __future__ import annotations

import pytest

pytest.importorskip("aiohttp")

from steplog.server.leases import LEASE_SECS, Leases
from steplog.server.schema import Problem

NAME, OTHER = ("e", "p", "r", "w"), ("e", "p", "r", "v")
LIVE, SYNC, DEAD = (f"host;{kind};1" for kind in ("live", "sync", "dead"))


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def leases(clock):
    return Leases(clock)


def test_one_upload_of_a_log_is_let_in(leases):
    assert leases.take(NAME, LIVE) == 0
    assert leases.take(NAME, LIVE) == 0
    for other in (SYNC, "host;live;2", "else;live;1", "else;dead;1"):
        assert leases.take(NAME, other) == LEASE_SECS
        assert leases.take(OTHER, other) == 0
        leases.give_back(OTHER)
    leases.give_back(NAME)
    assert leases.take(NAME, SYNC) == 0


def test_whoever_has_seen_the_writer_dead_follows_it_and_nobody_else(leases):
    leases.take(NAME, LIVE)
    assert leases.take(NAME, "else;dead;1") > 0
    assert leases.take(NAME, DEAD) == 0
    assert leases.take(NAME, "host;dead;2") > 0
    assert leases.take(NAME, LIVE) > 0


def test_silence_ends_a_lease_and_each_batch_renews_it(leases, clock):
    leases.take(NAME, LIVE)
    clock.now += LEASE_SECS - 1
    assert leases.take(NAME, SYNC) == 1
    assert leases.take(NAME, LIVE) == 0
    clock.now += LEASE_SECS - 1
    assert leases.take(NAME, SYNC) == 1
    clock.now += 1
    assert leases.take(NAME, SYNC) == 0
    assert leases.take(NAME, LIVE) == LEASE_SECS


def test_who_says_nothing_of_himself_is_let_in_and_has_no_lease(leases):
    leases.take(NAME, LIVE)
    assert leases.take(NAME, None) == 0
    assert leases.take(OTHER, None) == 0
    assert leases.take(OTHER, LIVE) == 0


def test_who_is_refused_for_good_lets_others_in_and_ends_nobody_elses_lease(leases):
    leases.take(NAME, LIVE)
    for other in (SYNC, None):
        leases.end(NAME, other)
        assert leases.take(NAME, SYNC) == LEASE_SECS
    leases.end(NAME, LIVE)
    assert leases.take(NAME, SYNC) == 0
    leases.end(OTHER, LIVE)
    assert leases.take(OTHER, LIVE) == 0


@pytest.mark.parametrize(
    "bad", ["", "host", "host;live", "host;live;", ";live;1", "h;x;1", "h;live;" + "n" * 128]
)
def test_what_is_no_uploader_is_refused(leases, bad):
    with pytest.raises(Problem, match="HOST;KIND;NONCE") as caught:
        leases.take(NAME, bad)
    assert caught.value.field == "Steplog-Uploader"
