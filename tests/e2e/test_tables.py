"""Tables and charts: to the server and back."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import json
import math
import pathlib
import signal

import numpy as np
import pytest

import steplog
from steplog import plot
from steplog._core import RunLog

UTC = dt.timezone.utc
MOMENT = dt.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def test_a_table_comes_to_the_server_and_back_with_its_types(server, online):
    columns = {
        "int": [2**63, -1],
        "float": [float("nan"), -0.0],
        "text": ["ü\0", None],
        "flag": [True, False],
        "moment": [MOMENT, None],
        "list": [[1, 2.5], []],
        "moments": [[MOMENT], None],
        "dict": [{"when": MOMENT, "n": 1}, {"n": 2}],
        "array": [np.eye(2), None],
        "image": [steplog.Image(np.full((3, 4), 9, np.uint8)), None],
    }
    with online("r") as run:
        run.log({"t": steplog.Table(list(columns), list(zip(*columns.values(), strict=True)))})
    with steplog.Api(server.url, server.key) as api:
        found = api.run("p/r").table("t")
        assert found.columns == list(columns)
        read = {name: found.column(name) for name in found.columns}
        assert math.isnan(read["float"].pop(0))
        assert str(read.pop("float")) == "[-0.0]"
        image, nothing = read.pop("image")
        assert nothing is None
        content = api.run("p/r").file(image["path"]).read()
        assert hashlib.sha256(content).hexdigest() == image["sha256"]
        del columns["float"], columns["image"]
        assert read == {**columns, "array": [[[1.0, 0.0], [0.0, 1.0]], None]}
        assert [type(cell) for cell in read["list"][0]] == [int, float]
        frame = found.to_pandas()
        assert frame["int"].tolist() == [2**63, -1]
        assert frame["moment"][0] == MOMENT
        run_of_it = api.run("p/r")
        with pytest.raises(steplog.NotFoundError, match="no table 'u'"):
            run_of_it.table("u")
        with pytest.raises(steplog.NotFoundError, match="at step 5"):
            run_of_it.table("t", 5)
        with pytest.raises(steplog.UsageError, match="no column 'z'"):
            found.column("z")


def test_the_increments_of_a_table_are_read_as_one(server, online):
    table = steplog.Table(["n"], log_mode="INCREMENTAL")
    with online("r") as run:
        for step in range(5):
            table.add_data(step)
            run.log({"t": table, "loss": 1.5, "deep": {"t": table}})
            run.flush()
    with steplog.Api(server.url, server.key) as api:
        for key in ("t", "deep.t"):
            assert api.run("p/r").table(key).column("n") == [0, 1, 2, 3, 4]
            assert api.run("p/r").table(key, step=2).column("n") == [0, 1, 2]
        with pytest.raises(steplog.UsageError, match="'loss' is no table"):
            api.run("p/r").table("loss")


def test_a_chart_has_its_table_and_its_panel_at_the_server(server, online):
    with online("r", config={"lr": 1}) as run:
        run.log({"roc": plot.roc_curve([0, 1, 1], [0.1, 0.9, 0.4])})
    with steplog.Api(server.url, server.key) as api:
        found = api.run("p/r")
        assert found.table("roc_table").columns == ["class", "fpr", "tpr"]
        panel = found.config["_wandb"]["visualize"]["roc"]
        assert panel["panel_config"]["panelDefId"] == "wandb/area-under-curve/v0"
        assert found.config["lr"] == 1


async def _read(server):
    async with steplog.AsyncApi(server.url, server.key) as api:
        return await (await api.run("p/r")).table("t")


def test_tables_are_read_on_asyncio(server, online):
    with online("r") as run:
        run.log({"t": steplog.Table(["n"], [[1]])})
    assert asyncio.run(_read(server)).rows == [[1]]


KILLED = """
import asyncio, os, signal, sys
import steplog
run = steplog.init(project="p", mode="offline", dir=sys.argv[1], settings={"quiet": True})
table = steplog.Table(["n", "page"], [[n, "x" * 40] for n in range(50_000)])
pages = steplog.Table(["page"], [[steplog.Html(str(n))] for n in range(5)])
async def main():
    await run.alog({"t": table, "pages": pages})
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""


def test_a_table_is_there_after_a_kill_as_soon_as_alog_has_returned(run_program, media_of):
    folder, _ = run_program(KILLED, -signal.SIGKILL)
    (row,) = RunLog(folder).rows()
    files = media_of(folder)
    stored = dict[str, dict[str, str]](row)  # type: ignore[arg-type]
    assert len(json.loads(files[stored["t"]["path"]])["data"]) == 50_000
    pages = json.loads(files[stored["pages"]["path"]])["data"]
    assert [files[page["path"]][-1:] for (page,) in pages] == [b"%d" % n for n in range(5)]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_table_of_a_million_rows_is_whole(tmp_path):
    rows = [(n, n / 7, f"row {n}", n % 2 == 0) for n in range(1_000_000)]
    settings = {"quiet": True, "strict": True}
    with steplog.init(mode="offline", dir=str(tmp_path), settings=settings) as run:
        run.log({"t": steplog.Table(["n", "part", "text", "even"], rows)})
        run.finish()
    (path,) = pathlib.Path(run.sync_dir).glob("wal/*/blobs/*")
    table = json.loads(path.read_bytes())
    assert table["nrows"] == 1_000_000
    assert table["data"] == [list(row) for row in rows]
