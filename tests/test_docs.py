"""The documents say what the code does."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import pathlib
import re

import steplog
from steplog._settings import FALLBACKS, VARIABLES

DOCS = pathlib.Path(__file__).parent.parent / "docs"


def test_every_setting_is_documented_with_its_variable_and_default():
    rows = re.findall(
        r"^\| `(\w+)` \| `(\w+)` \| (.*?) \|", (DOCS / "settings.md").read_text(), re.MULTILINE
    )
    spelled = {
        field.name: str(field.default).lower() if isinstance(field.default, bool) else field.default
        for field in dataclasses.fields(steplog.Settings)
    }
    spelled |= {
        name: ", ".join(value) for name, value in spelled.items() if isinstance(value, tuple)
    }
    assert [(name, variable) for name, variable, _ in rows] == list(VARIABLES.items())
    for name, _, default in rows:
        if spelled[name] not in {None, ""}:
            assert default == f"`{spelled[name]}`", name


def test_every_variable_is_in_a_table():
    text = (DOCS / "settings.md").read_text()
    assert re.findall(r"^\| `(WANDB_\w+)` \| `(\w+)` \|", text, re.MULTILINE) == [
        (variable, VARIABLES[name]) for name, variable in FALLBACKS.items()
    ]
    package = pathlib.Path(steplog.__file__).parent
    read = {
        variable
        for path in [*package.rglob("*.py"), *(DOCS.parent / "rust").rglob("*.rs")]
        for variable in re.findall(r"STEPLOG_[A-Z]+(?:_[A-Z]+)*\b(?!__)", path.read_text("utf-8"))
    }
    assert read <= set(re.findall(r"^\|.*?\| `(STEPLOG_\w+)` \|", text, re.MULTILINE))


def test_editors_and_help_say_the_same_of_log():
    stub = ast.parse((pathlib.Path(steplog.__file__).parent / "_core.pyi").read_text("utf-8"))
    (log,) = [
        method
        for kind in stub.body
        if isinstance(kind, ast.ClassDef) and kind.name == "Recorder"
        for method in kind.body
        if isinstance(method, ast.FunctionDef) and method.name == "log"
    ]
    assert inspect.getdoc(steplog.Run.log) == ast.get_docstring(log)
