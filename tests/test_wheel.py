"""The wheel: what is in it, and that it works where nothing else of steplog is."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import zipfile

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = ROOT / "python" / "steplog"
# What the interpreter and `maturin develop` leave beside the sources.
BUILT = {".pyc", ".so"}

LOG = """
import sys
import steplog

run = steplog.init(project="wheel", mode="offline", dir=sys.argv[1], settings={"quiet": True})
for step in range(3):
    run.log({"loss": 1 / (step + 1), "n": {"step": step}})
run.finish()
print(run.sync_dir)
"""
IMPORT = """
import sys
import steplog

print(steplog.__file__, *{"numpy", "aiohttp", "anyio"} & set(sys.modules))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    # As `maturin develop` calls the interpreter: by another name all would be compiled anew.
    python = pathlib.Path(sys.executable).with_name("python")
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "maturin", "build", "--release", "--locked"]
    subprocess.run([*build, "--interpreter", python, "--out", folder], cwd=ROOT, check=True)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A function that runs a program of an environment with nothing but the wheel in it."""
    home = tmp_path_factory.mktemp("home")
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "STEPLOG_")) and name != "VIRTUAL_ENV"
    }
    environment |= {"HOME": str(home), "STEPLOG_CONFIG_DIR": str(home)}

    def run(program, *arguments):
        return subprocess.run(
            [home / "venv" / "bin" / program, *arguments],
            cwd=home,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    subprocess.run([sys.executable, "-m", "venv", home / "venv"], env=environment, check=True)
    pip = run("python", "-m", "pip", "install", "--quiet", wheel)
    assert pip.returncode == 0, pip.stderr
    return run


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    extensions = {name for name in names if name.startswith("steplog/_core.cpython-")}
    assert len(extensions) == 1
    sources = {
        f"steplog/{path.relative_to(PACKAGE)}"
        for path in PACKAGE.rglob("*")
        if path.is_file() and path.suffix not in BUILT
    }
    about = {name for name in names if name.split("/")[0].endswith(".dist-info")}
    assert names - about - extensions == sources
    assert {"steplog/py.typed", "steplog/_core.pyi", "steplog/server/static/index.html"} <= names
    for suffix in (".js", ".css", ".js.br", ".css.gz", ".woff2"):
        page = [name for name in names if name.startswith("steplog/server/static/assets/")]
        assert any(name.endswith(suffix) for name in page), suffix


def test_what_is_logged_with_the_wheel_can_be_listed_and_read(installed, tmp_path):
    logged = installed("python", "-c", LOG, tmp_path)
    assert (logged.returncode, logged.stderr) == (0, "")
    folder = logged.stdout.strip()
    printed = installed("steplog", "cat", folder)
    assert (printed.returncode, printed.stderr) == (0, "")
    rows = [json.loads(line) for line in printed.stdout.splitlines()]
    assert [(row["_step"], row["loss"], row["n"]) for row in rows] == [
        (step, 1 / (step + 1), {"step": step}) for step in range(3)
    ]
    listed = installed("steplog", "ls", tmp_path, "--json")
    assert (listed.returncode, listed.stderr) == (0, "")
    entry = json.loads(listed.stdout)
    assert (entry["project"], entry["state"], entry["rows"]) == ("wheel", "finished", 3)


def test_import_steplog_is_light(installed):
    imported = installed("python", "-c", IMPORT)
    assert (imported.returncode, imported.stderr) == (0, "")
    place, *heavy = imported.stdout.split()
    assert "site-packages" in place
    assert heavy == []


def test_server_names_the_extra_that_is_missing(installed):
    refused = installed("steplog", "server", "--port", "0")
    assert refused.returncode == 1
    assert refused.stdout == ""
    (line,) = refused.stderr.splitlines()
    assert "pip install 'steplog[server]'" in line
