"""The program's own source in its run: script, notebook, the code in a folder."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import pytest

import steplog
from steplog._core import RunLog

PROGRAM = """
import steplog, sys
with steplog.init(mode="offline", dir=sys.argv[1], save_code=True):
    pass
"""
NOTEBOOK = """
import steplog
from steplog._core import RunLog
run = steplog.init(mode="offline", save_code=True)
run.log({"a": 1})
run.finish()
"""


def files(folder):
    base = pathlib.Path(folder, "files")
    found = {path.relative_to(base).as_posix(): path for path in base.rglob("*") if path.is_file()}
    return {name: path.read_text("utf-8") for name, path in found.items()}


def code(folder):
    return {name: text for name, text in files(folder).items() if name.startswith("code/")}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with code, and with much that is none of the program's."""
    folder = tmp_path / "project"
    for name in (
        *("train.py", "lib/model.py", "lib/data.bin", "Dockerfile.gpu", "requirements-dev.txt"),
        *(".git/hook.py", "env/lib/numpy.py", "env/pyvenv.cfg", "steplog-runs/x/files/code/y.py"),
        *("node_modules/a.py", "lib/__pycache__/a.py"),
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}")
    (folder / "link.py").symlink_to("train.py")
    monkeypatch.chdir(folder)
    return folder


def test_log_code_takes_code_and_leaves_the_rest(start, project):
    with start() as run:
        artifact = run.log_code()
    names = ["Dockerfile.gpu", "lib/model.py", "requirements-dev.txt", "train.py"]
    assert (sorted(artifact.manifest.entries), artifact.type) == (names, "code")
    assert RunLog(run.sync_dir).config()["_wandb"] == {"code_path": artifact.name}
    assert code(run.sync_dir) == {f"code/{name}": f"# {name}" for name in names}
    assert (project / "train.py").read_text() == "# train.py"


def test_functions_choose_what_is_code(start, project):
    with start() as run:
        run.log_code(
            include_fn=lambda path: path.endswith((".py", ".bin")),
            exclude_fn=lambda path, root: path == f"{root}/train.py",
        )
    assert sorted(code(run.sync_dir)) == ["code/lib/data.bin", "code/lib/model.py"]
    with start() as run:
        steplog.log_code(project / "lib", include_fn=lambda path, root: path == f"{root}/model.py")
    assert sorted(code(run.sync_dir)) == ["code/model.py"]


@pytest.mark.usefixtures("project")
def test_what_is_wrong_is_said(start, capfd):
    with start() as run:
        assert run.log_code(include_fn=lambda _: False) is None
        with pytest.raises(steplog.UsageError, match="there is no folder"):
            run.log_code("nowhere")
        for arguments in ({"root": 3}, {"include_fn": "*.py"}, {"exclude_fn": 3}):
            with pytest.raises(TypeError, match=next(iter(arguments))):
                run.log_code(**arguments)
        with pytest.raises(ZeroDivisionError):
            run.log_code(include_fn=lambda _: 1 / 0)
    with pytest.raises(steplog.RunClosedError):
        run.log_code()
    assert "log_code() has found no code in ." in capfd.readouterr().err
    with steplog.init(mode="disabled") as run:
        assert run.log_code() is None


def test_the_script_is_saved_where_the_setting_says_so(run_program):
    folder, _ = run_program(PROGRAM, returncode=0)
    assert code(folder) == {"code/program.py": PROGRAM}
    metadata = json.loads(files(folder)["metadata.json"])
    assert metadata["codePath"] == "code/program.py"


def test_a_script_that_ends_at_once_is_known(run_program):
    """The interpreter forgets what it runs before the run's end."""
    at_once = 'import steplog, sys\nsteplog.init(mode="offline", dir=sys.argv[1], save_code=True)\n'
    folder, _ = run_program(at_once, returncode=0)
    assert code(folder) == {"code/program.py": at_once}
    assert json.loads(files(folder)["metadata.json"])["codePath"] == "code/program.py"


def test_without_the_setting_no_code_is_saved(run_program):
    folder, _ = run_program(PROGRAM.replace(", save_code=True", ""), returncode=0)
    assert code(folder) == {}


def test_a_folder_is_saved_with_it(run_program, project, monkeypatch):
    monkeypatch.setenv("STEPLOG_CODE_DIR", str(project / "lib"))
    folder, _ = run_program(PROGRAM, returncode=0)
    assert sorted(code(folder)) == ["code/model.py", "code/program.py"]


def test_code_from_a_pipe_is_no_script(tmp_path):
    program = PROGRAM.replace("sys.argv[1]", repr(str(tmp_path)))
    subprocess.run([sys.executable, "-"], input=program.encode(), check=True, cwd=tmp_path)
    (folder,) = (tmp_path / "steplog-runs").glob("2*")
    assert code(folder) == {}


def test_a_notebook_is_saved_with_the_cells_that_were_run(tmp_path, monkeypatch):
    path = tmp_path / "work.ipynb"
    path.write_text('{"cells": []}')
    monkeypatch.setenv("JPY_SESSION_NAME", str(path))
    # A prompt of IPython stands for a notebook's kernel: both keep what was run in `In`.
    command = [sys.executable, "-m", "IPython", "--simple-prompt", "--no-banner", "--quick"]
    subprocess.run(command, input=NOTEBOOK.encode(), check=True, cwd=tmp_path)
    (folder,) = (tmp_path / "steplog-runs").glob("2*")
    found = code(folder)
    assert found.keys() == {"code/work.ipynb", "code/_session.ipynb"}
    assert found["code/work.ipynb"] == '{"cells": []}'
    session = json.loads(found["code/_session.ipynb"])
    assert (session["nbformat"], session["nbformat_minor"]) == (4, 5)
    assert [cell["source"] for cell in session["cells"]] == [
        line for line in NOTEBOOK.splitlines() if line
    ]


def test_cells_without_a_notebook_are_in_the_folder_too(tmp_path):
    command = [sys.executable, "-m", "IPython", "--simple-prompt", "--no-banner", "--quick"]
    done = subprocess.run(
        command, input=NOTEBOOK, check=True, cwd=tmp_path, capture_output=True, text=True
    )
    assert "warning" not in done.stderr
    (folder,) = (tmp_path / "steplog-runs").glob("2*")
    local = folder / "files" / "code" / "_session.ipynb"
    assert local.read_text() == code(folder)["code/_session.ipynb"]
