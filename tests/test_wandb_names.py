"""`import steplog as wandb`: programs that are written for the reference run as they are."""

from __future__ import annotations

import argparse
import http.server
import json
import math
import pathlib
import threading

import pytest

import steplog
import steplog as wandb
from steplog._api import find_current
from steplog._core import RunLog


@pytest.fixture(autouse=True)
def _offline(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("STEPLOG_CONFIG_DIR", str(tmp_path / "config"))


def logs(folder):
    """Each run's rows, by its name."""
    found = {}
    for run_dir in sorted((folder / "steplog-runs").glob("2*")):
        name = json.loads((run_dir / "run.json").read_text())["name"]
        found[name] = list(RunLog(run_dir).rows())
    return found


def test_metrics_summary_and_config(tmp_path):
    with wandb.init(project="cats", config={"epochs": 3, "lr": 0.1}, name="first") as run:
        best = -math.inf
        for epoch in range(run.config.epochs):
            acc = 1 - 1 / (epoch + 2)
            run.log({"acc": acc, "train": {"loss": run.config["lr"] / (epoch + 1)}})
            best = max(best, acc)
        run.summary["best_acc"] = best
        assert run.path == f"local/cats/{run.id}"
        assert (run.offline, run.disabled, run.project_name()) == (True, False, "cats")
        assert (run.url, run.get_url(), run.project_url, run.sweep_id) == (None,) * 4
    rows = logs(tmp_path)["first"]
    assert [row["train"]["loss"] for row in rows] == [0.1, 0.05, 0.1 / 3]
    assert RunLog(run.sync_dir).summary()["best_acc"] == 0.75


def test_module_functions_and_an_x_axis_of_ones_own(tmp_path):
    wandb.init(project="cats", name="axis", config=argparse.Namespace(lr=0.1))
    wandb.define_metric("epoch")
    wandb.define_metric("val/*", step_metric="epoch")
    wandb.define_metric("val/acc", summary="max")
    for step in range(6):
        wandb.log({"loss": 1 / (step + 1)}, commit=False)
        wandb.log({"batch": step})
        if step % 3 == 2:
            wandb.log({"epoch": step // 3, "val/acc": 0.5 + step / 10})
    wandb.config.update({"done": True})
    current = find_current()
    assert current is not None
    assert current is wandb.run
    assert current.config.lr == 0.1
    assert wandb.summary["val/acc"]["max"] == 1.0
    wandb.finish()
    assert find_current() is None
    rows = logs(tmp_path)["axis"]
    assert [row["val/acc"] for row in rows if "val/acc" in row] == [0.7, 1.0]
    assert [row["batch"] for row in rows if "loss" in row] == list(range(6))


def test_several_runs_in_one_program(tmp_path):
    for seed in range(3):
        run = wandb.init(project="cats", group="seeds", name=f"seed-{seed}", reinit=True)
        wandb.log({"seed": seed})
        wandb.log({"seed": seed}, step=5)
        assert run.group == "seeds"
    wandb.finish()
    wandb.init(project="cats", name="last")
    wandb.log({"seed": 9})
    wandb.teardown()
    assert {name: [row["_step"] for row in rows] for name, rows in logs(tmp_path).items()} == {
        "seed-0": [0, 5],
        "seed-1": [0, 5],
        "seed-2": [0, 5],
        "last": [0],
    }


def test_login_keeps_a_key_for_this_user(tmp_path):
    path = tmp_path / "config" / "keys.json"
    assert wandb.login() is False
    with pytest.raises(steplog.UsageError, match="no key"):
        wandb.login(force=True)
    assert wandb.login(key="k" * 40, host="https://logs.example/") is True
    assert wandb.login("m" * 40) is True
    assert wandb.login() is wandb.login(host="https://logs.example") is True
    assert json.loads(path.read_text()) == {
        "https://logs.example": "k" * 40,
        "http://127.0.0.1:7837": "m" * 40,
    }
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(steplog.UsageError, match="printable"):
        wandb.login(key="two words")
    path.unlink()
    path.mkdir()
    with pytest.raises(steplog.StorageError, match="cannot write the key file"):
        wandb.login("m" * 40)


def test_what_is_not_there_yet_says_so():
    wandb.setup()
    with wandb.init(project="cats") as run:
        for name in ("pin_config_keys", "sweep_url"):
            with pytest.raises(steplog.UsageError, match=f"{name} is not there yet"):
                getattr(run, name)
        with pytest.raises(AttributeError, match="misspelled"):
            run.misspelled  # noqa: B018
    assert issubclass(wandb.CommError, wandb.Error)
    assert pathlib.Path(run.sync_dir).is_dir()


@pytest.mark.parametrize("name", ["ArtifactTTL", "UnsupportedError", "util", "env", "tensorboard"])
def test_other_names_of_the_module_say_so_too(name):
    with pytest.raises(steplog.UsageError, match=rf"steplog\.{name} is not there yet"):
        getattr(wandb, name)


def test_mode_shared_says_what_to_do_instead(tmp_path, monkeypatch):
    with pytest.raises(steplog.UsageError, match=r"shared is not there yet.* label"):
        wandb.init(mode="shared")  # type: ignore[arg-type]  # as the reference takes it
    monkeypatch.setenv("WANDB_MODE", "shared")
    with pytest.raises(steplog.UsageError, match=r"shared is not there yet.* label.*: WANDB_MODE"):
        wandb.init()
    assert logs(tmp_path) == {}


def test_login_verifies_a_key_with_the_server_before_it_keeps_it(monkeypatch):
    key = "k" * 40

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            right = self.headers["Authorization"] == f"Bearer {key}"
            self.send_response(200 if right and self.path == "/api/v1/session" else 401)
            self.end_headers()
            self.wfile.write(b'{"detail": "wrong key"}')

        def log_message(self, *_):
            """Say nothing."""

    monkeypatch.setenv("no_proxy", "*")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        with pytest.raises(steplog.ServerError, match="wrong key"):
            wandb.login("m" * 40, host=url, verify=True)
        assert wandb.login(host=url) is False
        assert wandb.login(key, host=url, verify=True) is True
        assert wandb.login(host=url, verify=True) is True
        server.shutdown()
    with pytest.raises(steplog.ServerError, match="cannot be reached"):
        wandb.login(host=url, verify=True, timeout=1)


def test_a_key_that_is_too_short_is_not_kept(tmp_path):
    with pytest.raises(steplog.UsageError, match="40 characters or more, got 3"):
        wandb.login("abc")
    assert not (tmp_path / "config" / "keys.json").exists()
