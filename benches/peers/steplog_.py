from __future__ import annotations

import steplog
from steplog._core import RunLog

PACKAGE, IS_FLOAT32 = "steplog", False
_run = []


def start(folder):
    run = steplog.init(mode="offline", dir=folder, settings={"quiet": True})
    _run.append(run)
    return run.log, run.finish


def read(_):
    for row in RunLog(_run[0].sync_dir).rows():
        yield row["_step"], row
