"""What ran where: the command, the interpreter, the machine, the cluster."""

from __future__ import annotations

import contextlib
import getpass
import os
import platform
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from steplog.capture.cgroup import Cgroup

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from steplog.capture.secrets import Secrets

_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_CONTAINERS = ("/.dockerenv", "/run/.containerenv")
_MAX_ARGUMENT, _MOST_ARGUMENTS = 1_000, 200
_RANKS = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK", "MASTER_ADDR")


def describe(
    secrets: Secrets,
    environ: Mapping[str, str],
    *,
    program: str,
    environment: Sequence[str],
    disk_paths: Sequence[str],
) -> dict[str, object]:
    """The names of `wandb-metadata.json` where it has them; what is not there is left out.

    Sizes are bytes. `program` is as of `_code.program`, `environment` are patterns of variables.
    """
    memory = psutil.virtual_memory()
    facts: dict[str, object] = {
        "os": platform.platform(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "executable": sys.executable,
        "host": socket.gethostname(),
        "username": _user(),
        "pid": os.getpid(),
        **_command(secrets, program),
        "cpu_count": psutil.cpu_count(logical=False),
        "cpu_count_logical": psutil.cpu_count(),
        "cpu": {"model": _cpu_model()},
        "memory": {"total": memory.total},
        "disk": _disks(disk_paths),
        "cgroup": Cgroup().facts(),
        "slurm": _slurm(environ, secrets),
        "torchrun": _torchrun(environ),
        "kubernetes": _kubernetes(environ),
        "container": any(Path(mark).exists() for mark in _CONTAINERS) or None,
        "environment": {
            name: value[:_MAX_ARGUMENT]
            for name, value in secrets.mask_environment(environ, environment).items()
        },
    }
    return {name: value for name, value in facts.items() if value not in (None, "", {}, [])}


def _command(secrets: Secrets, program: str) -> dict[str, object]:
    """How the program was called, so that it can be called again."""
    return {
        "args": secrets.mask_arguments(_cut(sys.argv[1:])),
        "command": ["python", *secrets.mask_arguments(_cut(sys.orig_argv[1:]))],
        "root": _working_directory(),
        "program": program,
    }


def _cut(arguments: Sequence[str]) -> list[str]:
    """Arguments of a size that can be shown: a shell may have made thousands of one pattern."""
    kept = [
        argument if len(argument) <= _MAX_ARGUMENT else f"{argument[:_MAX_ARGUMENT]}…"
        for argument in arguments[:_MOST_ARGUMENTS]
    ]
    more = len(arguments) - len(kept)
    return [*kept, f"… {more:,} more"] if more else kept


def _working_directory() -> str | None:
    try:
        return str(Path.cwd())
    except OSError:  # it has been removed
        return None


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user often has no name
        return None


def _cpu_model() -> str | None:
    with contextlib.suppress(OSError), Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
        for line in lines:
            name, _, value = line.partition(":")
            if name.strip() in {"model name", "Model"}:
                return value.strip()
    return platform.processor() or None


def _disks(paths: Sequence[str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for path in paths:
        with contextlib.suppress(OSError):
            usage = psutil.disk_usage(path)
            found[path] = {"total": usage.total, "used": usage.used}
    return found


def _slurm(environ: Mapping[str, str], secrets: Secrets) -> dict[str, str]:
    """`SLURM_JOB_ID` is `job_id`."""
    masked = secrets.mask_environment(environ, ["SLURM_*"])
    return {name.removeprefix("SLURM_").lower(): value for name, value in masked.items()}


def _torchrun(environ: Mapping[str, str]) -> dict[str, str]:
    """What `torchrun` and its like tell each rank."""
    if "RANK" not in environ or "WORLD_SIZE" not in environ:
        return {}
    return {name.lower(): environ[name] for name in _RANKS if name in environ}


def _kubernetes(environ: Mapping[str, str]) -> dict[str, Any]:
    if "KUBERNETES_SERVICE_HOST" not in environ:
        return {}
    pod = environ.get("POD_NAME") or environ.get("HOSTNAME")
    facts = {"pod": pod} if pod else {}
    with contextlib.suppress(OSError):
        facts["namespace"] = _NAMESPACE.read_text("utf-8").strip()
    return facts
