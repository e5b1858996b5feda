"""Tables in artifacts that are made of other tables, against a real server."""

from __future__ import annotations

import itertools
import json
import pathlib
import re
import shutil

import numpy as np
import pytest

import steplog
from steplog.data_types import PartitionedTable

pytestmark = pytest.mark.timeout(120)
PIXELS = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STEPLOG_ARTIFACT_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def logged(online, api):
    """Logs artifacts; gives them as they are read back."""
    runs = itertools.count()

    def log(artifact):
        with online(f"r{next(runs)}") as run:
            run.log_artifact(artifact).wait(60)
        return api.artifact(f"{artifact.base_name}:latest")

    return log


def truth():
    return steplog.Table(["id", "label"], [[1, "cat"], [2, "dog"], [3, None]])


def guesses(first=1):
    image = steplog.Image(PIXELS[:, ::first], caption=f"no. {first}")
    return steplog.Table(["id", "score", "image"], [[first, 0.5, image], [first + 1, 0.25, None]])


def text_of(entry):
    return json.loads(pathlib.Path(entry.download()).read_bytes())


def test_a_joined_table_comes_back_with_its_tables_and_their_pictures(logged):
    artifact = steplog.Artifact("joins", "eval")
    joined = steplog.JoinedTable(truth(), guesses(), "id")
    assert artifact.add(joined, "deep/both").path == "deep/both.joined-table.json"
    found = logged(artifact)
    assert text_of(found.get_entry("deep/both.joined-table.json")) == {
        "_type": "joined-table",
        "table1": "deep/both_t1.table.json",
        "table2": "deep/both_t2.table.json",
        "join_key": "id",
    }
    read = found.get("deep/both")
    assert read == joined
    assert isinstance(read, steplog.JoinedTable)
    assert [row for _, row in read.table1.iterrows()] == [[1, "cat"], [2, "dog"], [3, None]]
    picture = read.table2.data[0][2]
    assert (picture.caption, np.asarray(picture.image).tolist()) == ("no. 1", PIXELS.tolist())
    assert read != steplog.JoinedTable(truth(), guesses(), ["id", "id"])
    assert read != steplog.JoinedTable(truth(), guesses(2), "id")


def test_a_joined_table_is_of_tables_that_are_there_already(logged):
    artifact = steplog.Artifact("joins", "eval")
    entry = artifact.add(truth(), "truth")
    artifact.add(guesses(), "guesses")
    artifact.add(steplog.JoinedTable(entry, "guesses.table.json", ["id", "id"]), "both")
    read = logged(artifact).get("both")
    assert (read.table1, read.table2, read.join_key) == (truth(), guesses(), ["id", "id"])
    assert len(artifact.manifest) == 4  # three objects and a picture


def test_tables_of_another_artifact_are_joined_with_their_files(logged):
    first = steplog.Artifact("first", "eval")
    first.add(guesses(), "guesses")
    entry = logged(first).get_entry("guesses.table.json")
    second = steplog.Artifact("second", "eval")
    second.add(steplog.JoinedTable(truth(), entry, "id"), "both")
    found = logged(second)
    shutil.rmtree("artifacts")
    assert found.get("both") == steplog.JoinedTable(truth(), guesses(), "id")


def test_a_partitioned_table_gives_the_rows_of_all_its_parts(logged):
    artifact = steplog.Artifact("parts", "eval")
    for number in (1, 2):
        artifact.add(guesses(number), f"parts/{number}")
    artifact.add(guesses(9), "parts-of-others")
    artifact.add(PartitionedTable("parts"), "all")
    artifact.add(steplog.JoinedTable("all.partitioned-table.json", truth(), "id"), "joined")
    found = logged(artifact)
    said = text_of(found.get_entry("all.partitioned-table.json"))
    assert said == {"_type": "partitioned-table", "parts_path": "parts"}
    read = found.get("all")
    rows = list(read.iterrows())
    assert [(number, row[0]) for number, row in rows] == [(0, 1), (1, 2), (2, 2), (3, 3)]
    assert np.asarray(rows[2][1][2].image).tolist() == PIXELS[:, ::2].tolist()
    assert read == PartitionedTable("parts") == found.get("joined").table1
    assert read != PartitionedTable("others")
    # One that was read takes its parts with it.
    copy = steplog.Artifact("copy", "eval")
    copy.add(read, "all")
    copied = logged(copy).get("all")
    shutil.rmtree(pathlib.Path("artifacts", "parts:v0", "parts"))
    with pytest.raises(FileNotFoundError):
        list(read.iterrows())
    assert copied == found.get("all")
    changed = steplog.Artifact("copy", "eval")
    changed.add(guesses(), "parts/1")
    changed.add(PartitionedTable("parts"), "all")
    assert logged(changed).get("all") != copied


def test_parts_of_other_columns_are_no_table(logged):
    artifact = steplog.Artifact("parts", "eval")
    artifact.add(guesses(), "parts/1")
    artifact.add(truth(), "parts/2")
    artifact.add(PartitionedTable("parts/"), "all")
    with pytest.raises(steplog.UsageError, match=r"not the same columns.*label.*parts/2"):
        list(logged(artifact).get("all").iterrows())


OWN = {"_type": "joined-table", "join_key": "id", "table1": "own.table.json"}


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({**OWN, "table2": "gone.table.json"}, "MissingEntryError.*gone.table"),
        ({**OWN, "table2": "../../x.table.json"}, r"MissingEntryError.*/x.table"),
        ({**OWN, "table2": "j.joined-table.json"}, "ServerError.*of a joined table"),
        ({**OWN, "table2": "note.table.json"}, "ServerError.*something else"),
        ({**OWN, "table2": 3}, "ServerError.*names paths"),
        (OWN, "ServerError.*table2"),
        ({"_type": "partitioned-table", "parts_path": 3}, "ServerError.*understood"),
    ],
)
def test_a_joined_table_that_is_none_says_so(logged, said, error):
    artifact = steplog.Artifact("broken", "eval")
    artifact.add(truth(), "own")
    for path, content in (("j.joined-table.json", said), ("note.table.json", {"_type": "note"})):
        with artifact.new_file(path) as file:
            json.dump(content, file)
    found = logged(artifact)
    with pytest.raises(steplog.SteplogError) as raised:
        found.get("j")
    assert re.search(error, repr(raised.value))
