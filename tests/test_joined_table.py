"""Joined and partitioned tables before they are in an artifact."""

from __future__ import annotations

import pytest

import steplog
from steplog.data_types import PartitionedTable


def table():
    return steplog.Table(["id"], [[1]])


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((3, "b.table.json", "id"), TypeError, "table1 is a Table"),
        (("a.table.json", "b.csv", "id"), ValueError, "path of a table ends"),
        (("a.table.json", "b.table.json", 3), TypeError, "join_key is a text"),
        (("a.table.json", "b.table.json", ["a"]), ValueError, "one key, or two, got 1"),
        (("a.table.json", "b.table.json", [1, 2]), TypeError, "join_key is a text"),
    ],
)
def test_what_cannot_be_joined_is_refused(arguments, error, text):
    with pytest.raises(error, match=text):
        steplog.JoinedTable(*arguments)


def test_a_path_that_the_artifact_does_not_have_is_refused_and_nothing_is_added():
    artifact = steplog.Artifact("joins", "eval")
    with pytest.raises(steplog.UsageError, match=r"no table 'b.table.json': add it before"):
        artifact.add(steplog.JoinedTable(table(), "b.table.json", "id"), "both")
    assert not len(artifact.manifest)


def test_they_stand_in_no_row(tmp_path):
    with steplog.init(mode="offline", dir=str(tmp_path), settings={"strict": True}) as run:
        for value in (steplog.JoinedTable(table(), table(), "id"), PartitionedTable("parts")):
            with pytest.raises(steplog.UsageError, match="in an artifact, and in no row"):
                run.log({"a": value})


def test_a_folder_is_a_text():
    with pytest.raises(TypeError, match="parts_path is a text, got int"):
        PartitionedTable(3)  # type: ignore[arg-type]  # what is tested
    assert list(PartitionedTable("parts").iterrows()) == []
