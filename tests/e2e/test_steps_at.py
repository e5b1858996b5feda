"""The steps of a run in time, as the pages ask between charts and logs."""

from __future__ import annotations

import pytest

RUN = "/projects/local/p/runs/r"


def rows_in_time(server, run="r"):
    """Every row's step, time in milliseconds and keys, in the order in which they were logged."""
    rows = [(row["_timestamp"] * 1e3, row["_step"], set(row)) for row in server.rows(run)]
    return sorted(rows, key=lambda row: row[:2])


def test_the_step_of_a_time_and_the_time_of_a_step(server, online):
    with online("r") as run:
        for step in range(300):
            run.log({"loss": step, **({"eval": step} if step % 50 == 0 else {})}, step=3 * step)
    rows = rows_in_time(server)
    for wall, step, _ in rows[::23]:
        # A microsecond more: a float of milliseconds may be less than what it stands for.
        found = server.get(f"{RUN}/steps/at?wall={wall + 1e-3:.6f}")
        # Of rows that are as near, the last one.
        near = [other for time, other, _ in rows if abs(time - wall) < 2e-3]
        assert found["step"] in near
        assert server.get(f"{RUN}/steps/at?step={step}")["wall"] == pytest.approx(wall, abs=1e-3)
        assert server.get(f"{RUN}/steps/at?step={step + 2}")["step"] == step
    (last_eval,) = (wall for wall, step, _ in rows if step == 750)
    found = server.get(f"{RUN}/steps/at?step=899&key=eval")
    assert (found["step"], found["wall"]) == (750, pytest.approx(last_eval, abs=1e-3))
    assert server.get(f"{RUN}/steps/at?wall={rows[-1][0] + 1e3:.6f}&key=eval")["step"] == 750
    for before in (f"wall={rows[0][0] - 1:.6f}", "step=5&key=none", "step=5&label=none"):
        found = server.get(f"{RUN}/steps/at?{before}")
        assert (found["step"], found["wall"]) == (None, None)


def test_steps_are_those_that_the_run_shows(server, online):
    """An attempt that goes on at step 5 masks what the first one had from there on."""
    with online("r") as run:
        for step in range(10):
            run.log({"loss": step})
    masked = {step: wall for wall, step, _ in rows_in_time(server)}
    with online("r", resume_from="r?_step=4") as run:
        run.log({"loss": 0})
    rows = rows_in_time(server)
    assert [step for _, step, _ in rows] == [0, 1, 2, 3, 4, 5]
    assert server.get(f"{RUN}/steps/at?step=9")["step"] == 5
    assert server.get(f"{RUN}/steps/at?wall={masked[9] + 1e-3:.6f}")["step"] == 4


def test_of_a_fork_relative_times_count_from_the_first_run(server, online):
    with online("r") as run:
        run.log({"loss": 1})
    with online("f", fork_from="r?_step=0") as run:
        run.log({"loss": 2})
    parent, fork = (server.get(f"/projects/local/p/runs/{name}") for name in ("r", "f"))
    assert parent["relative_zero"] == parent["created"] == fork["relative_zero"] < fork["created"]
    panel = {"id": "1", "series": [{"metric": "loss"}], "runs": {"ids": ["f"]}, "px": 100}
    drawn = [
        server.get("/projects/local/p/series:query", {"panels": [{**panel, "x": x}]})["panels"][0]
        for x in ("wall", "relative")
    ]
    walls, relative = (one["columns"]["x"] for one in drawn)
    zero = fork["relative_zero"] * 1e3
    assert [wall - zero for wall in walls] == pytest.approx(relative, abs=1e-2)
    found = server.get("/projects/local/p/runs/f/steps/at?step=0")
    assert found["wall"] == pytest.approx(walls[0], abs=1e-3)


@pytest.mark.parametrize("asked", ["", "?wall=1&step=1", "?step=-1", "?step=x", "?wall=x"])
def test_what_is_asked_wrongly_is_refused(server, online, asked):
    with online("r") as run:
        run.log({"loss": 1})
    assert server.ask(f"/api/v1{RUN}/steps/at{asked}")[0] == 400
    assert server.ask("/api/v1/projects/local/p/runs/none/steps/at?step=1")[0] == 404
