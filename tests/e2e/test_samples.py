"""Samples of the system: through the log to a table of their own."""

from __future__ import annotations

import asyncio

from steplog.server.store.series import SeriesStore

SAMPLES = """SELECT CAST(key, 'String') AS name, step = runtime AS is_timed, kind, f64, i64
FROM samples ORDER BY step, name"""


def test_samples_come_to_the_server_and_are_no_rows(server, online):
    with online("r") as run:
        run.log({"a": 1})
        writer = run._own_writer()
        writer.put_sample({"cpu": 12.5, "gpu.0.temp": 41})
        run.log({"a": 2})
        writer.put_sample({"cpu": 50.0})
    assert [row["a"] for row in server.rows("r")] == [1, 2]
    assert [one["name"] for one in server.get("/projects/local/p/runs/r/keys")["keys"]] == ["a"]
    assert server.get("/projects/local/p/runs/r")["summary"]["a"] == 2
    server.stop()
    found = asyncio.run(samples(server.folder / "data" / "series"))
    assert found == [("cpu", 4, 12.5), ("gpu.0.temp", 3, 41), ("cpu", 4, 50.0)]


async def samples(path):
    store = SeriesStore(path)
    await store.start()
    try:
        found = await store.read(SAMPLES)
    finally:
        await store.aclose()
    assert found.uints("is_timed").all()
    return [
        (name.decode(), int(kind), value)
        for name, kind, value in zip(
            found.texts("name"), found.uints("kind"), found.floats("f64").tolist(), strict=True
        )
    ]
