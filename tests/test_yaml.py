"""Config files: what is read of those that users write, and that ours read back as they were."""

from __future__ import annotations

import math
import struct
import sys

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

import steplog
from steplog._yaml import dump

pytestmark = pytest.mark.usefixtures("own_directory")


@pytest.fixture
def write(tmp_path):
    """Writes a file into the working directory; gives its path."""

    def write_file(text, name="config.yaml"):
        path = tmp_path / "cwd" / name
        path.write_text(text, "utf-8")
        return path

    return write_file


FILE = """
wandb_version: 1
_wandb: {value: {cli_version: "0"}}
lr: {desc: null, value: 1e-4}
layers: {value: [1, 2.5E3]}
optimizer:
  name: adam
  value: 3
bare: 5
when: 2030-01-02
5: five
nothing:
"""
ENTRIES = {
    "lr": 0.0001,
    "layers": [1, 2500.0],
    "optimizer": {"name": "adam", "value": 3},
    "bare": 5,
    "when": "2030-01-02",
    "5": "five",
    "nothing": None,
}


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_both_shapes_of_a_file_are_read(start, write, kind):
    with start(config=kind(write(FILE))) as run:
        assert run.config.as_dict() == ENTRIES
        assert {type(value) for value in run.config.layers} == {int, float}
    with start() as run:
        run.config.update(kind(write("{}")))
        run.config.update(kind(write("# nothing")))
        assert run.config.as_dict() == {}


def test_words_that_yaml_1_1_takes_for_flags_are_text_as_keys(start, write):
    text = "yes: 1\nNo: yes\n? off\n: {on: no, n: 2}\nbase: &base {y: 3}\nmore: {<<: *base, z: 4}"
    with start(config=write(text)) as run:
        assert run.config.as_dict() == {
            "yes": 1,
            "No": True,
            "off": {"on": False, "n": 2},
            "base": {"y": 3},
            "more": {"y": 3, "z": 4},
        }


def test_defaults_of_the_directory_come_first(start, write):
    write("lr: {value: 0.1}\nbatch: 32", "config-defaults.yaml")
    with start(config={"lr": 0.5, "name": "x"}, config_exclude_keys=["batch"]) as run:
        assert run.config.as_dict() == {"lr": 0.5, "batch": 32, "name": "x"}
    with start() as run:
        assert run.config.as_dict() == {"lr": 0.1, "batch": 32}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: [", "not YAML"),
        ("a: 1\n--- \nb: 2", "not YAML"),
        ("a: !!python/object/apply:os.getpid []", "not YAML"),
        ("a: 2030-99-99", "not YAML"),
        ("[" * 5000, "not YAML"),
        ("[1, 2]", "holds a list, not keys"),
        ("just text", "holds a str, not keys"),
        ("wandb_version: 2", "only wandb_version 1"),
    ],
)
@pytest.mark.parametrize("name", ["config.yaml", "config-defaults.yaml"])
def test_a_file_that_is_no_config_is_named(start, write, *, text, reason, name):
    path = write(text, name)
    with pytest.raises(steplog.ConfigError, match=f"(?s){reason}.*{name}$"):
        start(config=path)
    assert not (path.parent.parent / "steplog-runs").exists()


def test_a_file_that_cannot_be_read_is_named(start, tmp_path):
    with pytest.raises(steplog.ConfigError, match=r"there is no config file no\.yaml"):
        start(config="no.yaml")
    with pytest.raises(steplog.ConfigError, match=f"cannot be read.*{tmp_path}"):
        start(config=tmp_path)
    with pytest.raises(steplog.ConfigError, match=r"cannot be read.*'\\x00'"):
        start(config="\0")
    (tmp_path / "bytes.yaml").write_bytes(b"a: \xff")
    with pytest.raises(steplog.ConfigError, match=r"cannot be read.*bytes\.yaml"):
        start(config=tmp_path / "bytes.yaml")


def test_without_pyyaml_the_extra_is_named(start, write, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(steplog.ConfigError, match=r"pip install 'steplog\[yaml\]'"):
        start(config=write("a: 1"))


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=10,
)
ODD = ["", "no", "Null", "-", "1e5", "~", "a: b", "# x", "\x7f\x85\u2028\ufeff\0", "=", "<<", "😀"]


def bits(value):
    """Values so that NaN equals itself, and 1 not 1.0."""
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else struct.pack("d", value)
    if isinstance(value, dict):
        return {key: bits(item) for key, item in value.items()}
    return [bits(item) for item in value] if isinstance(value, list) else (type(value), value)


@given(st.dictionaries(TEXTS, VALUES, max_size=4))
@example({key: key for key in ODD} | {"nested": {key: [{key: key}] for key in ODD}})
@example({"small": 1e-05, "large": [1e300, -1e-07], "zero": -0.0, "int": 10**30})
@example({"k" * 1500: {"\x7f" * 1000: [{"\x7f" * 1000: 1}]}, "e": {}, "l": [], "ll": [[[]], {}]})
@example({"not finite": [math.nan, math.inf, -math.inf]})
def test_what_is_written_reads_back(values):
    assert bits(yaml.safe_load(dump(values))) == bits(values)


def test_a_file_is_for_people():
    values = {"b": {"z": 1, "a": [1, {"x": "y"}]}, "a": True, "no": "", "train/lr": 1e-5}
    assert dump(values) == (
        'a: true\nb:\n    a: [1, {x: "y"}]\n    z: 1\n"no": ""\ntrain/lr: 1.0e-05\n'
    )
