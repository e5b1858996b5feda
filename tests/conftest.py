"""What every test of the SDK runs under."""

from __future__ import annotations

import atexit
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import warnings

import msgpack  # type: ignore[import-untyped]  # it has no stubs
import pytest
from blockbuster import blockbuster_ctx

import steplog

SOABI = sysconfig.get_config_var("SOABI")
FILE, BLOB = 9, 13
"""Kinds of records: a small file, and one that lies beside the log."""


_SYSTEM_PACKAGES = pathlib.Path("/usr/lib/python3/dist-packages")


def pytest_configure():
    """Where torch is not installed, that of Debian will do; the rest of its packages will not."""
    torch = _SYSTEM_PACKAGES / "torch"
    if importlib.util.find_spec("torch") is None and (torch / f"_C.{SOABI}.so").exists():
        folder = pathlib.Path(tempfile.gettempdir(), f"steplog-torch-{os.getpid()}")
        folder.mkdir()
        for name in ("torch", "sympy", "mpmath"):
            (folder / name).symlink_to(_SYSTEM_PACKAGES / name)
        sys.path.append(str(folder))
        atexit.register(shutil.rmtree, folder)


@pytest.fixture(scope="session")
def torch():
    """The module, if there is one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Debian's warns of a NumPy that it was not built for
        torch = pytest.importorskip("torch")
        torch.zeros(1)
    return torch


@pytest.fixture(autouse=True)
def _no_blocking_in_the_event_loop():
    """A blocking call of steplog inside an event loop fails; only `init` may touch the disk."""
    with blockbuster_ctx("steplog") as blockbuster:
        for function in blockbuster.functions.values():
            function.can_block_in("steplog/_folder.py", {"create", "link_latest", "write_text"})
            function.can_block_in("steplog/_containers.py", {"_read_defaults", "_read_file"})
            function.can_block_in("steplog/_config_file.py", {"start"})
            function.can_block_in("steplog/_settings_file.py", {"read"})
            function.can_block_in("steplog/_writer.py", {"open_writer"})
        yield


@pytest.fixture(scope="session", autouse=True)
def _capture_nothing():
    """Tests that look at what is captured switch it on; the others count records and threads."""
    names = ("STATS", "MACHINE_INFO", "REQUIREMENTS", "GIT", "WATCH_FILES")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STEPLOG_CONSOLE", "off")
        for name in names:
            patch.setenv(f"STEPLOG_{name}", "false")
        yield


@pytest.fixture
def start(tmp_path):
    """Starts quiet, offline runs."""

    def init(**arguments):
        settings = {"quiet": True, **arguments.pop("settings", {})}
        return steplog.init(dir=str(tmp_path), mode="offline", settings=settings, **arguments)

    return init


@pytest.fixture
def records_of():
    """Reads the records of a run's folder as they stand in its log, kind first."""

    def read(folder):
        records = []
        for path in sorted((pathlib.Path(folder) / "wal").glob("*/*.wal")):
            data, at = path.read_bytes(), 256
            while at + 8 <= len(data) and (size := int.from_bytes(data[at : at + 4], "little")):
                records.append(msgpack.unpackb(data[at + 8 : at + 8 + size]))
                at += 8 + (size + 7) // 8 * 8
        return records

    return read


@pytest.fixture
def media_of(records_of):
    """Reads the files of images and the like in a run's log, by name; None for what is missing."""

    def read(folder):
        found = {}
        for kind, *fields in records_of(folder):
            if kind == FILE:
                found[fields[1]] = fields[2]
            elif kind == BLOB:
                paths = list(pathlib.Path(folder, "wal").glob(f"*/blobs/{fields[2].hex()}"))
                found[fields[1]] = paths[0].read_bytes() if paths else None
        return {name: content for name, content in found.items() if name.startswith("media/")}

    return read


@pytest.fixture
def run_program(tmp_path):
    """Runs a program that is given a folder; gives its run's folder and what it said on stderr."""

    def run(code, returncode=None):
        program = tmp_path / "program.py"
        program.write_text(code)
        process = subprocess.run(
            [sys.executable, str(program), str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert returncode in {None, process.returncode}, process.stderr
        (folder,) = (tmp_path / "steplog-runs").glob("2*")
        return folder, process.stderr

    return run


@pytest.fixture
def own_directory(tmp_path, monkeypatch):
    """Makes an empty folder the working directory."""
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
