"""3-D objects and molecules in a run's log."""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import sys
import types
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import steplog
from steplog._core import RunLog
from steplog.data import json_text

RANDOM = np.random.default_rng(5)


@pytest.fixture
def logged(start, media_of):
    """Logs a value; gives what its row says, and the files."""

    def log(value):
        with start() as run:
            run.log({"o3": value})
        rows: list[Any] = list(RunLog(run.sync_dir).rows())
        return rows[0]["o3"], media_of(run.sync_dir)

    return log


def content_of(value, logged):
    """What is in the file of a value."""
    _, files = logged(value)
    return json.loads(*files.values())


# ---- point clouds ------------------------------------------------------------------------------


def test_a_point_cloud_is_what_the_reference_makes_of_it(logged):
    points = RANDOM.normal(size=(3, 3))
    value, files = logged(steplog.Object3D(points, caption="pc"))
    (content,) = files.values()
    sha256 = hashlib.sha256(content).hexdigest()
    assert value == {
        "_type": "object3D-file",
        "path": f"media/object3D/o3_0_{sha256[:20]}.pts.json",
        "sha256": sha256,
        "size": len(content),
        "caption": "pc",
    }
    assert json.loads(content) == points.tolist()


def test_a_list_names_its_files(logged):
    objects = [
        steplog.Object3D(np.zeros((1, 3)), caption="a"),
        steplog.Object3D(io.StringIO("v 0 0 0"), file_type="obj"),
    ]
    value, files = logged(objects)
    paths = [one["path"] for one in value["objects"]]
    assert [one["_type"] for one in value.pop("objects")] == ["object3D-file"] * 2
    assert value == {
        "_type": "object3D",
        "count": 2,
        "filenames": [path.removeprefix("media/object3D/") for path in paths],
    }
    assert [files[path] for path in paths] == [b"[[0.0,0.0,0.0]]", b"v 0 0 0"]


@given(
    arrays(
        st.sampled_from(["f2", "f4", "f8"]),
        st.tuples(st.integers(0, 4), st.sampled_from([3, 4, 6])),
        elements=st.floats(allow_nan=False, allow_infinity=False, width=16),
    )
)
def test_points_come_back(points):
    found = np.array(json.loads(json_text.rows(points)), points.dtype).reshape(points.shape)
    assert found.tobytes() == points.tobytes()


@given(arrays("f4", (5, 3), elements=st.floats(allow_nan=False, allow_infinity=False, width=32)))
def test_short_numbers_tell_every_float32_from_all_others(points):
    assert np.array(json.loads(json_text.rows(points)), "f4").tobytes() == points.tobytes()


@pytest.mark.parametrize("kind", ["i8", "u1", "f4"])
@pytest.mark.parametrize("columns", [3, 4, 6])
def test_many_points_of_every_kind(logged, kind, columns):
    points = RANDOM.integers(0, 100, (5000, columns)).astype(kind)
    assert np.array_equal(content_of(steplog.Object3D.from_numpy(points), logged), points)


def test_points_that_are_nowhere_are_left_out_with_a_warning(start, media_of, capfd):
    points = np.array([[0, 1, 2], [np.nan, 0, 0], [3, 4, 5], [0, np.inf, 0]])
    with start(settings={"quiet": False}) as run:
        run.log({"o3": steplog.Object3D(points)})
    (content,) = media_of(run.sync_dir).values()
    assert json.loads(content) == [[0, 1, 2], [3, 4, 5]]
    assert capfd.readouterr().err.count("are left out of a point cloud") == 1


def test_what_the_program_writes_afterwards_changes_nothing(logged):
    points = np.ones((2, 3))
    cloud = steplog.Object3D(points)
    points[:] = 0
    assert content_of(cloud, logged) == [[1, 1, 1]] * 2


# ---- scenes ------------------------------------------------------------------------------------

BOX: dict[str, Any] = {
    "corners": [[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)],
    "label": "x",
    "color": [255, 0, 0],
    "score": 0.5,
}
VECTOR = {"start": [0, 0, 0], "end": [0.5, 1, 2]}


def test_a_scene_has_points_boxes_and_vectors(logged):
    points = [[1.0, 2.0, 3.0, 5.0]]
    expected = {"type": "lidar/beta", "points": points, "boxes": [BOX], "vectors": [VECTOR]}
    ways = [
        steplog.Object3D.from_point_cloud(points, [BOX], [VECTOR]),
        steplog.Object3D.from_point_cloud(points=np.array(points), boxes=[BOX], vectors=[VECTOR]),
        steplog.Object3D(
            {
                "type": "lidar/beta",
                "points": np.array(points),
                "boxes": np.array([BOX]),
                "vectors": np.array([VECTOR]),
            }
        ),
    ]
    for scene in ways:
        assert content_of(scene, logged) == expected
    empty = {"type": "lidar/beta", "points": [], "boxes": [], "vectors": []}
    assert content_of(steplog.Object3D({"type": "lidar/beta"}), logged) == empty
    assert content_of(steplog.Object3D.from_point_cloud([], []), logged) == empty


def test_a_box_without_label_and_score_has_none(logged):
    box = steplog.box3d(center=[0, 0, 0], size=[2, 2, 2], orientation=[1, 0, 0, 0], color=(1, 2, 3))
    (found,) = content_of(steplog.Object3D.from_point_cloud([], [box]), logged)["boxes"]
    assert found.pop("color") == [1, 2, 3]
    assert list(found) == ["corners"]
    assert found["corners"][0] == [-1, -1, -1]
    assert found["corners"][1] == [-1, -1, 1]


def test_a_box_is_turned_by_its_quaternion():
    half = math.sqrt(0.5)
    for scale in (1, -1, 1e-200, 1e200):
        turned = steplog.box3d(
            center=np.array([10, 0, 0]),
            size=[2, 4, 6],
            orientation=np.array([half, 0, 0, half]) * scale,  # a quarter turn about z
            color=(0, 0, 0),
            label="a",
            score=1,
        )
        corners = np.array(turned["corners"])
        # -1, -2, -3 becomes 2, -1, -3.
        assert np.allclose(corners[0], [12, -1, -3])
        assert (turned["label"], turned["score"], corners.shape) == ("a", 1, (8, 3))
    back = steplog.box3d(
        center=[0, 0, 0], size=[2, 4, 6], orientation=[half, 0, 0, -half], color=(0, 0, 0)
    )
    assert np.allclose(back["corners"][0], [-2, 1, -3])


@pytest.mark.parametrize(
    "change",
    [{"center": [0, 0]}, {"size": [1, 1, math.nan]}, {"orientation": [0, 0, 0, 0]}],
)
def test_arguments_of_a_box_are_checked(change):
    right: dict[str, Any] = {"center": [0, 0, 0], "size": [1, 1, 1], "orientation": [1, 0, 0, 0]}
    with pytest.raises(steplog.UsageError, match="of a box must"):
        steplog.box3d(**right | change, color=(0, 0, 0))


@pytest.mark.parametrize(
    ("data", "kind", "text"),
    [
        (np.zeros((2, 5)), steplog.UsageError, r"\(n, 3\)"),
        (np.zeros(3), steplog.UsageError, r"\(n, 3\)"),
        (np.array([["a"] * 3]), TypeError, "numbers"),
        (np.zeros((1, 3), bool), TypeError, "numbers"),
        (np.broadcast_to(np.float32(0), (10**9, 3)), steplog.UsageError, "too many"),
        ({"type": "other"}, steplog.UsageError, "lidar/beta"),
        ({}, steplog.UsageError, "lidar/beta"),
        ({"boxes": [3]}, TypeError, "dict"),
        ({"boxes": BOX}, TypeError, "list"),
        ({"boxes": [{}]}, TypeError, "corners"),
        ({"boxes": [{**BOX, "corners": BOX["corners"][:7]}]}, TypeError, "8 points"),
        ({"boxes": [{**BOX, "corners": [[0, 0]] * 8}]}, TypeError, "3 numbers"),
        ({"boxes": [{**BOX, "corners": [[0, 0, math.nan]] * 8}]}, TypeError, "finite"),
        ({"boxes": [{**BOX, "score": "a"}]}, TypeError, "score"),
        ({"boxes": [{**BOX, "color": "red"}]}, TypeError, "color"),
        ({"vectors": [{"start": [0, 0, 0]}]}, TypeError, "end"),
        ({"vectors": ["a"]}, TypeError, "dict"),
        ({"points": [[1, 2], [1]]}, TypeError, "numbers"),
        ({"points": [[1, 2]]}, steplog.UsageError, r"\(n, 3\)"),
        (3, TypeError, "int"),
        ("none.obj", steplog.UsageError, "No such file"),
        (__file__, steplog.UsageError, "babylon"),
        (os.devnull, steplog.UsageError, "files alone"),
        (b"x", steplog.UsageError, "file_type"),
    ],
)
def test_what_is_no_object_is_refused(data, kind, text):
    if isinstance(data, dict) and data and "type" not in data:
        data = {"type": "lidar/beta", **data}
    with pytest.raises(kind, match=text) as caught:
        steplog.Object3D(data)
    assert isinstance(caught.value, ValueError)


def test_lists_of_points_are_no_array():
    with pytest.raises(TypeError, match="array"):
        steplog.Object3D.from_numpy([[0, 0, 0]])
    with pytest.raises(steplog.UsageError, match="lidar/beta"):
        steplog.Object3D.from_point_cloud([], [], point_cloud_type="x")


@pytest.mark.parametrize("kind", sorted(steplog.Object3D.SUPPORTED_TYPES))
def test_files_are_kept_as_they_are(logged, tmp_path, kind):
    path = tmp_path / f"shape.{kind}"
    path.write_bytes(b"\0some bytes\xff")
    ways = [steplog.Object3D(path), steplog.Object3D.from_file(str(path))]
    with path.open("rb") as opened:
        ways.append(steplog.Object3D(opened))
    ways.append(steplog.Object3D(path.read_bytes(), file_type=kind))
    path.unlink()
    value, files = logged(ways)
    assert list(files.values()) == [b"\0some bytes\xff"]
    assert value["filenames"][0].endswith(f".{kind}")


# ---- molecules ---------------------------------------------------------------------------------


def test_a_molecule_is_what_the_reference_makes_of_it(logged):
    value, files = logged(steplog.Molecule(io.StringIO("ATOM"), caption="m", file_type="pdb"))
    sha256 = hashlib.sha256(b"ATOM").hexdigest()
    assert value == {
        "_type": "molecule-file",
        "path": f"media/molecule/o3_0_{sha256[:20]}.pdb",
        "sha256": sha256,
        "size": 4,
        "caption": "m",
    }
    assert files == {value["path"]: b"ATOM"}


@pytest.mark.parametrize("kind", sorted(steplog.Molecule.SUPPORTED_TYPES))
def test_files_of_molecules_are_kept_as_they_are(logged, tmp_path, kind):
    path = tmp_path / f"molecule.{kind}"
    path.write_bytes(b"\0some bytes\xff")
    ways = [steplog.Molecule(path), steplog.Molecule(str(path), caption="b")]
    path.unlink()
    value, files = logged(ways)
    assert files == {value["filenames"][0]: b"\0some bytes\xff"}
    assert {**value, "filenames": 0} == {
        "_type": "molecule",
        "filenames": 0,
        "count": 2,
        "captions": [None, "b"],
    }
    assert logged([steplog.Molecule(b"x", file_type=kind)])[0]["captions"] is False


class Mol:
    """Stands for a molecule of RDKit."""

    def __init__(self, said):
        self.said = said

    def GetNumAtoms(self):  # noqa: N802  # as RDKit has it
        return len(self.said.replace("True", "").replace("+H", "").strip())


@pytest.fixture
def rdkit(monkeypatch):
    """Stands for RDKit: says what it was asked for."""
    package, chem = types.ModuleType("rdkit"), types.ModuleType("rdkit.Chem")
    all_chem = types.ModuleType("rdkit.Chem.AllChem")
    names: dict[str, Any] = {
        "Mol": Mol,
        "MolFromSmiles": lambda text, sanitize: None if text == "?" else Mol(f"{text} {sanitize}"),
        "MolFromMolBlock": lambda text: Mol(text.strip()) if text.strip() else None,
        "AddHs": lambda molecule: Mol(f"{molecule.said} +H"),
        "MolToPDBBlock": lambda molecule: f"PDB {molecule.said}",
        "AllChem": all_chem,
    }
    optimized = []
    vars(chem).update(names)
    all_chem.__dict__["EmbedMolecule"] = lambda molecule: -("nowhere" in molecule.said)
    all_chem.__dict__["MMFFOptimizeMolecule"] = lambda _, maxIters: optimized.append(maxIters)  # noqa: N803
    package.__dict__["Chem"] = chem
    package.__spec__ = types.SimpleNamespace()  # type: ignore[assignment]  # it is found
    modules = {"rdkit": package, "rdkit.Chem": chem, "rdkit.Chem.AllChem": all_chem}
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    return optimized


def test_molecules_of_rdkit_become_pdb(logged, rdkit, tmp_path):
    path = tmp_path / "two.sdf"
    path.write_text("first\n$$$$\nsecond\n$$$$\n")
    molecules = [
        steplog.Molecule.from_smiles("CCO"),
        steplog.Molecule.from_smiles("CC", sanitize=False, convert_to_3d_and_optimize=False),
        steplog.Molecule.from_rdkit(Mol("m"), "c", mmff_optimize_molecule_max_iterations=7),
        steplog.Molecule.from_rdkit(path),
    ]
    value, files = logged(molecules)
    assert [files[name].decode() for name in value["filenames"]] == [
        *("PDB CCO True +H", "PDB CC False", "PDB m +H", "PDB first +H"),
    ]
    assert value["captions"] == [None, None, "c", None]
    assert rdkit == [200, 7, 200]


def test_what_rdkit_cannot_read_is_refused(rdkit, tmp_path):
    path = tmp_path / "none.mol"
    path.write_text("")
    for wrong, kind in [
        (lambda: steplog.Molecule.from_smiles("?"), steplog.UsageError),
        (lambda: steplog.Molecule.from_smiles(""), steplog.UsageError),
        (lambda: steplog.Molecule.from_smiles(3), steplog.ArgumentTypeError),  # type: ignore[arg-type]  # what is tested
        (lambda: steplog.Molecule.from_rdkit(Mol("nowhere")), steplog.UsageError),
        (lambda: steplog.Molecule.from_rdkit(path), steplog.UsageError),
        (lambda: steplog.Molecule.from_rdkit("a.txt"), steplog.UsageError),
        (lambda: steplog.Molecule.from_rdkit(3), TypeError),
    ]:
        with pytest.raises(kind):
            wrong()
    assert rdkit == []


def test_without_rdkit_the_error_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "rdkit", None)
    with pytest.raises(steplog.UsageError, match="pip install rdkit"):
        steplog.Molecule.from_smiles("CCO")


@pytest.mark.parametrize(
    ("data", "kind", "text"),
    [
        ("none.pdb", steplog.UsageError, "No such file"),
        (__file__, steplog.UsageError, "mmtf"),
        (b"x", steplog.UsageError, "file_type"),
        (None, TypeError, "NoneType"),
    ],
)
def test_what_is_no_molecule_is_refused(data, kind, text):
    with pytest.raises(kind, match=text):
        steplog.Molecule(data)
    with pytest.raises(steplog.UsageError, match="mmtf"):
        steplog.Molecule(b"x", file_type="obj")
