"""What a config may be kept in, and that no library is loaded to tell."""

from __future__ import annotations

import argparse
import collections
import dataclasses
import subprocess
import sys
import types
from typing import Any, NamedTuple

import pytest

import steplog

pytestmark = pytest.mark.usefixtures("own_directory")


@pytest.fixture
def read(start):
    """Starts a run with a config, and gives what the config is."""

    def config_of(config, **arguments):
        with start(config=config, **arguments) as run:
            return run.config.as_dict()

    return config_of


@dataclasses.dataclass
class Optimizer:
    lr: float = 0.1
    betas: tuple[float, ...] = (0.9, 0.99)


@dataclasses.dataclass
class Recipe:
    optimizer: Optimizer
    name: str = "x"


class Pair(NamedTuple):
    a: int
    b: int


class Plain:
    kind = "of the class"

    def __init__(self):
        self.lr = 0.1
        self._cache = object()


class Constants:
    lr = 0.1
    layers = (1, 2)

    @property
    def derived(self):
        raise NotImplementedError

    def method(self):
        raise NotImplementedError


RECIPE = {"optimizer": {"lr": 0.1, "betas": [0.9, 0.99]}, "name": "x"}


@pytest.mark.parametrize(
    ("config", "entries"),
    [
        (None, {}),
        ({}, {}),
        (types.MappingProxyType({"lr": 0.1}), {"lr": 0.1}),
        (collections.OrderedDict(lr=0.1), {"lr": 0.1}),
        (argparse.Namespace(lr=0.1, _x=1), {"lr": 0.1, "_x": 1}),
        (types.SimpleNamespace(lr=0.1), {"lr": 0.1}),
        (Recipe(Optimizer()), RECIPE),
        ({"r": Recipe(Optimizer()), "n": argparse.Namespace(a=1)}, {"r": RECIPE, "n": {"a": 1}}),
        (Pair(1, 2), {"a": 1, "b": 2}),
        (Plain(), {"lr": 0.1}),
        (Constants, {"lr": 0.1, "layers": [1, 2]}),
    ],
    ids=str,
)
def test_config_is_taken_from(read, config, entries):
    assert read(config) == entries


@pytest.mark.parametrize("config", [5, [("a", 1)], {1, 2}, object(), print, lambda: 1, sys, b"x"])
def test_what_is_no_config_is_refused_before_anything_is_made(start, tmp_path, config):
    with pytest.raises(steplog.ArgumentTypeError, match="config must be"):
        start(config=config)
    assert not (tmp_path / "steplog-runs").exists()


def test_the_config_of_another_run_is_taken(read, start):
    with start(config={"lr": 0.1, "n": {"a": 1}}) as run:
        assert read(run.config, reinit="create_new") == {"lr": 0.1, "n": {"a": 1}}
        run.config.update(argparse.Namespace(b=2))
        assert read(run.config, reinit="create_new") == {"lr": 0.1, "n": {"a": 1}, "b": 2}


def test_flags_of_absl_are_taken(read):
    flags: Any = pytest.importorskip("absl.flags")
    values = flags.FlagValues()
    flags.DEFINE_float("lr", 0.1, "", flag_values=values)
    flags.DEFINE_list("layers", ["1", "2"], "", flag_values=values)
    values(["program", "--lr=0.5"])
    assert read(values) == {"lr": 0.5, "layers": ["1", "2"]}
    assert read(flags).keys() == flags.FLAGS.flag_values_dict().keys()


def test_models_of_pydantic_are_taken(read):
    pydantic: Any = pytest.importorskip("pydantic")
    fields = {"lr": (float, 0.1), "key": (pydantic.SecretStr, pydantic.SecretStr("hidden"))}
    inner = pydantic.create_model("Inner", lr=fields["lr"])
    outer = pydantic.create_model("Outer", inner=(inner, inner()), steps=(int, 5))
    assert read(outer()) == {"inner": {"lr": 0.1}, "steps": 5}
    assert read({"model": inner()}) == {"model": {"lr": 0.1}}
    assert read(pydantic.create_model("Secret", **fields)()) == {"lr": 0.1, "key": "*" * 10}


def test_models_of_pydantic_1_are_taken(read):
    class Model:
        __fields__ = ("lr",)

        def dict(self):
            return {"lr": 0.1}

    assert read(Model()) == {"lr": 0.1}


def test_configs_of_omegaconf_are_taken(read):
    omegaconf: Any = pytest.importorskip("omegaconf")
    config = omegaconf.OmegaConf.create({"lr": 0.1, "n": {"l": [1, "${lr}"]}, "twice": "${lr}"})
    plain = {"lr": 0.1, "n": {"l": [1, 0.1]}, "twice": 0.1}
    assert read(config) == plain
    assert read({"c": config, "l": config.n.l}) == {"c": plain, "l": [1, 0.1]}


def test_configs_of_ml_collections_are_taken(read):
    library: Any = pytest.importorskip("ml_collections")
    config = library.ConfigDict({"lr": 0.1, "n": {"l": (1, 2)}})
    config.twice = config.get_ref("lr") * 2
    plain = {"lr": 0.1, "n": {"l": [1, 2]}, "twice": 0.2}
    assert read(config) == plain
    assert read({"c": library.FrozenConfigDict(config)}) == {"c": plain}


def test_keys_can_be_left_out(read):
    config = {"a": 1, "b": 2, "c": 3}
    assert read(config, config_exclude_keys=["a", "no"]) == {"b": 2, "c": 3}
    assert read(config, config_include_keys=["a", "no"]) == {"a": 1}
    assert read(config, config_include_keys=[]) == {}
    with pytest.raises(steplog.UsageError, match="not both"):
        read(config, config_exclude_keys=["a"], config_include_keys=["b"])
    with pytest.raises(steplog.ArgumentTypeError, match="'abc'"):
        read(config, config_exclude_keys="abc")


LIGHT = """
import argparse, sys, steplog
run = steplog.init(mode="disabled", config=argparse.Namespace(lr=0.1, f=print, o=object()))
run.config.x = 1
libraries = "yaml absl pydantic omegaconf ml_collections configparser IPython"
print([name for name in libraries.split() if name in sys.modules])
"""


def test_no_library_is_loaded_for_the_question(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LIGHT], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
