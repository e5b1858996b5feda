"""The documents say what the code does."""

from __future__ import annotations

import dataclasses
import pathlib
import re

import steplog

DOCS = pathlib.Path(__file__).parent.parent / "docs"


def test_every_setting_is_documented_with_its_variable_and_default():
    rows = re.findall(
        r"^\| `(\w+)` \| `(\w+)` \| (.*?) \|", (DOCS / "settings.md").read_text(), re.MULTILINE
    )
    spelled = {
        field.name: str(field.default).lower() if isinstance(field.default, bool) else field.default
        for field in dataclasses.fields(steplog.Settings)
    }
    assert [(name, variable) for name, variable, _ in rows] == [
        (name, f"STEPLOG_{name.upper()}") for name in spelled
    ]
    for name, _, default in rows:
        if spelled[name] not in {None, ""}:
            assert default == f"`{spelled[name]}`", name
