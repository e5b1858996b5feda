from __future__ import annotations

import os

import mlflow

PACKAGE, IS_FLOAT32 = "mlflow", False


def start(folder):
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    run = mlflow.start_run()
    os.environ["BENCH_RUN"] = run.info.run_id
    step = -1

    def log(row):
        nonlocal step
        step += 1
        mlflow.log_metrics(row, step=step)

    return log, mlflow.end_run


def read(_):
    client = mlflow.MlflowClient()
    rows = {}
    for key in client.get_run(os.environ["BENCH_RUN"]).data.metrics:
        for metric in client.get_metric_history(os.environ["BENCH_RUN"], key):
            rows.setdefault(metric.step, {})[key] = metric.value
    yield from rows.items()
