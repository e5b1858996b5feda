"""The config as users use it: what it takes, what it refuses, and its file."""

from __future__ import annotations

import copy
import datetime as dt
import enum
import functools
import json
import math
import pathlib
import pickle
import sys
import types

import numpy as np
import pytest
import yaml

import steplog
from steplog._core import RunLog
from steplog._hparams import Config

pytestmark = pytest.mark.usefixtures("own_directory")


def stored(run):
    return RunLog(run.sync_dir).config()


def file_of(run):
    tree = yaml.safe_load(pathlib.Path(run.dir, "config.yaml").read_text("utf-8"))
    return {key: described["value"] for key, described in tree.items()}


def test_it_is_a_dict_with_attributes(start):
    with start(config={"lr": 0.1, "n": {"a": 1}}) as run:
        config = run.config
        config.batch = 32
        config["name"] = "x"
        config.update({"lr": 0.1, "depth": 2})
        config.setdefaults({"lr": 9, "extra": 1})
        assert (config.lr, config["batch"], config.get("name"), config.get("no")) == (
            *(0.1, 32, "x", None),
        )
        assert ("lr" in config, "no" in config, len(config)) == (True, False, 6)
        expected = {"lr": 0.1, "n": {"a": 1}, "batch": 32, "name": "x", "depth": 2, "extra": 1}
        assert list(config) == list(config.keys()) == list(expected)
        assert list(config.values()) == list(expected.values())
        assert dict(config) == dict(config.items()) == config.as_dict() == expected
        assert config == expected
        with pytest.raises(KeyError):
            _ = config["no"]
        with pytest.raises(AttributeError, match="no 'no'"):
            _ = config.no
        with pytest.raises(steplog.ConfigError, match="'lr' cannot be removed"):
            del config["lr"]
        with pytest.raises(steplog.ConfigError, match="'lr' cannot be removed"):
            del config.lr
    assert stored(run) == file_of(run) == expected


def test_a_key_keeps_its_value(start):
    with start(config={"lr": 0.1, "n": {"a": 1}, "nan": math.nan}) as run:
        for change in ({"lr": 0.2}, {"n": {"b": 2}}, {"n": {"a": 2}}, {"lr": None}, {"nan": 0}):
            with pytest.raises(steplog.ConfigError, match="may not become"):
                run.config.update({"new": 1, **change})
        with pytest.raises(steplog.ConfigError, match=r"'lr' is 0\.1 and may not become 0\.2"):
            run.config.lr = 0.2
        with pytest.raises(steplog.ConfigError):
            run.config["lr"] = 0.2
        assert "new" not in run.config
    assert stored(run).keys() == {"lr", "n", "nan"}


def test_an_equal_value_may_be_set_again(start):
    values = {
        "nan": [math.nan, {"x": math.nan}],
        "array": np.arange(3.0),
        "tuple": (1, 2),
        "when": dt.date(2030, 1, 2),
        "n": {"a": {"b": 1}},
        "call": len,
    }
    with start(config=values) as run:
        run.config.update(values)
        run.config.update({"tuple": [1, 2.0], "array": [0, 1, 2], "call": "builtins.len"})
        run.config.n = {"a": {"b": True}}


def test_a_value_may_change_with_leave(start):
    with start(config={"lr": 0.1, "n": {"a": 1}}) as run:
        run.config.update({"lr": 0.2, "n": {"b": 2}}, allow_val_change=True)
        assert run.config.as_dict() == {"lr": 0.2, "n": {"b": 2}}
    assert stored(run) == file_of(run) == {"lr": 0.2, "n": {"b": 2}}
    with start(config={"lr": 0.1}, allow_val_change=True) as run:
        run.config.lr = 0.2
        with pytest.raises(steplog.ConfigError):
            run.config.update({"lr": 0.3}, allow_val_change=False)
    assert stored(run) == {"lr": 0.2}


@pytest.fixture
def ipython(monkeypatch):
    """Stands for IPython, with a shell of its own."""

    def stand_in(shell):
        module = types.SimpleNamespace(get_ipython=lambda: shell)
        monkeypatch.setitem(sys.modules, "IPython", module)

    return stand_in


def test_notebooks_may_change_values(start, ipython):
    ipython(types.SimpleNamespace(kernel=object()))
    with start(config={"lr": 0.1}) as run:
        run.config.lr = 0.2
    assert stored(run) == {"lr": 0.2}
    with (
        start(config={"lr": 0.1}, allow_val_change=False) as run,
        pytest.raises(steplog.ConfigError),
    ):
        run.config.lr = 0.2


@pytest.mark.parametrize("shell", [None, types.SimpleNamespace()], ids=["none", "terminal"])
def test_a_shell_is_no_notebook(start, ipython, shell):
    ipython(shell)
    with start(config={"lr": 0.1}) as run, pytest.raises(steplog.ConfigError):
        run.config.lr = 0.2


def test_keys_are_text_without_dashes(start):
    with start(config={"--lr": 1, 5: 2, None: 3, "a-b": 4, "a.b": 5}) as run:
        assert run.config.as_dict() == {"lr": 1, "5": 2, "None": 3, "a-b": 4, "a.b": 5}
        assert (run.config["-lr"], run.config[5], None in run.config) == (1, 2, True)
        run.config.setdefaults({"lr-": 9, 5: 9})
        assert run.config.lr == 1
    assert stored(run)["None"] == 3


class Colour(enum.Enum):
    RED = "red"


class Spelled:
    def __str__(self):
        return "as it is spelled \ud800"


TEXT = "as it is spelled \ufffd"


class Unspelled:
    def __str__(self):
        raise ValueError("no text")


class Model:
    def __call__(self):
        raise NotImplementedError

    def method(self):
        raise NotImplementedError


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.float32(0.5), 0.5),
        (np.arange(3), [0, 1, 2]),
        ({1}, [1]),
        (dt.timedelta(minutes=1), 60.0),
        (Colour.RED, "red"),
        (pathlib.PurePosixPath("/x"), "/x"),
        (json.dumps, "json.dumps"),
        (Model, f"{__name__}.Model"),
        (Model(), f"{__name__}.Model"),
        (Model().method, f"{__name__}.Model.method"),
        (functools.partial(print), "functools.partial"),
        ([].append, "list.append"),
        (types.SimpleNamespace, "types.SimpleNamespace"),
        (Spelled(), TEXT),
        ([Spelled(), {"in": (Spelled(),)}], [TEXT, {"in": [TEXT]}]),
        (np.array([Spelled(), Spelled()]), [TEXT, TEXT]),
        ({Spelled(): 1}, {TEXT: 1}),
        (range(3), "range(0, 3)"),
        (slice(1, 9), {"slice_start": 1, "slice_step": None, "slice_stop": 9}),
        ([slice(Spelled())], [{"slice_start": None, "slice_step": None, "slice_stop": TEXT}]),
    ],
    ids=repr,
)
def test_values_are_stored_plain(start, value, plain):
    with start(config={"v": value}) as run:
        assert run.config.v == plain
        run.config.v = value
    assert stored(run)["v"] == plain


def test_what_cannot_be_spelled_costs_only_itself(start, capsys):
    bad = Unspelled()
    with start(config={"good": 1, "bad": bad, bad: 2, "n": {"a": 3, "b": bad, bad: 4}}) as run:
        assert run.config.as_dict() == {"good": 1, "n": {"a": 3}}
        assert run.status()["skipped"] == 4
    said = capsys.readouterr().err
    for path in ("'bad'", "'n.b'", "'<Unspelled>'", "'n.<Unspelled>'"):
        assert f"warning: config {path} is not recorded" in said
    assert "raised ValueError: no text" in said
    assert stored(run) == {"good": 1, "n": {"a": 3}}
    with start(settings={"strict": True}) as run:
        with pytest.raises(steplog.UsageError, match="cannot store 'bad'"):
            run.config.update({"good": 1, "bad": bad})
        assert run.config.as_dict() == {}


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))],  # noqa: S301  # ours
    ids=["copy", "deepcopy", "pickle"],
)
def test_a_copy_belongs_to_no_run(start, copied):
    with start(config={"lr": 0.1, "n": {"a": 1}}, allow_val_change=False) as run:
        other = copied(run.config)
        assert (type(other), other.as_dict()) == (Config, {"lr": 0.1, "n": {"a": 1}})
        other.batch = 1
        with pytest.raises(steplog.ConfigError):
            other.lr = 0.2
        with pytest.raises(steplog.UsageError, match="cannot store 'bad'"):
            other.bad = Unspelled()
    assert stored(run).keys() == {"lr", "n"}
    with pytest.raises(AttributeError):
        _ = Config.__new__(Config).lr


class Recorder:
    def __init__(self):
        self.warned = []

    def plain_config(self, entries):
        return dict(entries)

    def put_config(self, plain):
        return plain

    def warn(self, text):
        self.warned.append(text)


def test_locked_keys_stay_as_they_are():
    store = Recorder()
    config = Config(store, locked={"lr": 0.1, "opt": {"beta": {"a": 1}}})
    config.update({"lr": 0.2, "opt": {"beta": {"a": 2, "b": 3}, "decay": 4}, "free": 5})
    expected = {"lr": 0.1, "opt": {"beta": {"a": 1, "b": 3}, "decay": 4}, "free": 5}
    assert config.as_dict() == expected
    assert store.warned == [
        f"config: {key!r} is set from outside, and stays as it is" for key in ("lr", "opt")
    ]
    config.update({"lr": 7, "opt": 8}, allow_val_change=True)
    assert config.as_dict() == {**expected, "opt": {"beta": {"a": 1}}}
    config.lr = 0.1
    assert len(store.warned) == 4


def test_a_finished_run_takes_no_config_and_shows_it(start):
    run = start(config={"lr": 0.1})
    run.finish()
    with pytest.raises(steplog.RunClosedError):
        run.config.lr = 0.1
    assert run.config.lr == 0.1


def test_a_disabled_run_keeps_the_rules(tmp_path):
    with steplog.init(dir=tmp_path, mode="disabled", config={"lr": 0.1}) as run:
        run.config.batch = 1
        with pytest.raises(steplog.ConfigError):
            run.config.lr = 0.2
        assert run.config.as_dict() == {"lr": 0.1, "batch": 1}


def test_what_is_equal_leaves_the_value_as_it_is(start):
    with start(config={"n": 1, "f": 1.5}) as run:
        run.config["n"] = True
        run.config["n"] = 1.0
        assert (type(run.config["n"]), run.config["n"]) == (int, 1)
        run.config.update({"n": 1.0}, allow_val_change=True)
        assert type(run.config["n"]) is float
