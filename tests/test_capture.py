"""What a run records without being asked: samples, machine, git, packages."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading
import time
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import psutil
import pytest

import steplog
from steplog._core import RunLog
from steplog.capture import git, packages
from steplog.capture.cgroup import Cgroup
from steplog.capture.metadata import Metadata
from steplog.capture.sampler import Sampler
from steplog.capture.secrets import Secrets
from steplog.capture.system import System

ALL = {"stats": True, "machine_info": True, "git": True, "requirements": True}
FILE = 9
SECRETS = Secrets(steplog.Settings().secrets)


def files_of(run):
    folder = pathlib.Path(run.dir)
    return {path.name: path.read_text("utf-8") for path in folder.iterdir()}


def test_a_run_of_no_time_has_all_of_it(start):
    with start(settings=ALL) as run:
        pass
    files = files_of(run)
    facts = json.loads(files["metadata.json"])
    assert facts["pid"] == os.getpid()
    assert facts["executable"] == sys.executable
    assert facts["cpu_count_logical"] == os.cpu_count()
    assert "pytest==" in files["requirements.txt"]
    assert facts["git"].keys() & {"commit", "reason"}
    # The run's start, and one sample at least; the other records are files, config and the end.
    (writer,) = RunLog(run.sync_dir).writers()
    assert int(str(writer["records"])) >= 5


LOADED = """
import sys, threading, steplog
if sys.argv[1]:
    __import__(sys.argv[1])
settings = {"quiet": True, "machine_info": True}
run = steplog.init(mode="offline", dir=sys.argv[2], settings=settings)
for thread in threading.enumerate():
    if thread.name == "steplog-capture":
        thread.join()
print("steplog.data.image" in sys.modules, "numpy" in sys.modules, "PIL" in sys.modules)
"""


@pytest.mark.parametrize(
    ("library", "loaded"),
    [("", "False False False"), ("numpy", "True True False"), ("PIL", "True False True")],
)
def test_what_takes_images_is_loaded_beside_a_program_that_may_have_some(tmp_path, library, loaded):
    child = subprocess.run(
        [sys.executable, "-c", LOADED, library, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert child.stdout.split("\n")[0] == loaded


def test_each_part_can_be_switched_off(start):
    before = {thread.name for thread in threading.enumerate()}
    with start() as run:
        # Threads of runs before may end meanwhile.
        assert {thread.name for thread in threading.enumerate()} <= before
    assert set(files_of(run)) == {"config.yaml", "summary.json"}
    with start(settings={"machine_info": True}) as run:
        pass
    assert set(files_of(run)) == {"config.yaml", "summary.json", "metadata.json"}
    assert "git" not in json.loads(files_of(run)["metadata.json"])


def test_the_program_is_what_a_shell_calls_again(run_program, tmp_path, monkeypatch):
    monkeypatch.setenv("STEPLOG_MACHINE_INFO", "true")
    folder, _ = run_program(
        "import steplog, sys\n"
        "sys.argv.append('--token=abc')\n"
        "steplog.init(mode='offline', dir=sys.argv[1]).finish()\n",
        returncode=0,
    )
    facts = json.loads((folder / "files" / "metadata.json").read_text())
    program = str(tmp_path / "program.py")
    assert facts["command"] == ["python", program, str(tmp_path)]
    assert facts["args"] == [str(tmp_path), "--token=***"]
    assert facts["program"] == program


def test_a_program_on_the_command_line_is_called_so(tmp_path, monkeypatch):
    monkeypatch.setenv("STEPLOG_MACHINE_INFO", "true")
    code = "import steplog, sys; steplog.init(mode='offline', dir=sys.argv[1]).finish()"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, capture_output=True)
    (path,) = tmp_path.glob("steplog-runs/2*/files/metadata.json")
    assert json.loads(path.read_text())["program"] == "-c"


@pytest.mark.parametrize(
    ("variables", "pod"), [({}, None), ({"HOSTNAME": "h"}, "h"), ({"POD_NAME": "p"}, "p")]
)
def test_a_pod_whose_name_is_not_known_has_none(start, monkeypatch, variables, *, pod):
    for name in ("HOSTNAME", "POD_NAME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"KUBERNETES_SERVICE_HOST": "10.0.0.1", **variables}.items():
        monkeypatch.setenv(name, value)
    with start(settings={"machine_info": True}) as run:
        pass
    facts = json.loads(files_of(run)["metadata.json"])
    assert facts.get("kubernetes", {}).get("pod") == pod


def test_an_end_in_a_forked_child_waits_for_nothing(run_program, monkeypatch):
    for name in ALL:
        monkeypatch.setenv(f"STEPLOG_{name.upper()}", "true")
    folder, _ = run_program(
        "import os, steplog, sys\n"
        "run = steplog.init(mode='offline', dir=sys.argv[1])\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    import email, http.client, importlib.metadata, psutil, anyio\n"
        "    run.log({'child': 1})\n"
        "    run.finish()\n"
        "    os._exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "run.finish()\n",
        returncode=0,
    )
    assert len(RunLog(folder).writers()) == 2


# ---- samples -----------------------------------------------------------------------------------


def test_a_sample_counts_the_processes_below(tmp_path):
    system = System(["/", str(tmp_path / "missing")])
    first = system.read()
    assert "cpu" not in first
    busy = (
        "import time\nuntil = time.time() + 20\nprint(flush=True)\nwhile time.time() < until: pass"
    )
    child: Any = subprocess.Popen([sys.executable, "-c", busy], stdout=subprocess.PIPE)
    try:
        child.stdout.readline()
        alone = system.read()
        until = subprocess.run(
            [sys.executable, "-c", "import time; time.sleep(0.3)"], check=True
        ).returncode
        assert until == 0
        sample = system.read()
    finally:
        child.kill()
        child.communicate()
    assert child.pid in system.processes.pids
    assert sample["proc.count"] == first["proc.count"] + 1
    assert alone["proc.memory.rssMB"] > first["proc.memory.rssMB"]
    assert 0 < sample["cpu"] <= 101
    assert 0 < sample["disk./.usagePercent"] <= 100
    assert not [name for name in sample if "missing" in name]
    assert system.unavailable == {f"disk.{tmp_path / 'missing'}": "No such file or directory"}
    assert sample["host.cpu"] > 0
    system.read()
    assert system.read()["proc.count"] == first["proc.count"]


def test_small_processes_share_their_pages():
    code = "import json; from steplog.capture import system as s; "
    code += "print(json.dumps(s.System([]).read()))"
    sample = json.loads(subprocess.check_output([sys.executable, "-c", code]))
    assert 0 < sample["proc.memory.pssMB"] <= sample["proc.memory.rssMB"]


def write_group(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_limits_of_a_container_in_version_2(tmp_path):
    own = tmp_path / "cgroup"
    own.write_text("0::/box\n")
    write_group(tmp_path / "fs", cgroup__controllers="cpu memory\n")
    write_group(
        tmp_path / "fs" / "box",
        memory__max="1048576\n",
        memory__current="524288\n",
        memory__events="low 0\noom 3\noom_kill 2\n",
        cpu__max="150000 100000\n",
        cpu__stat="usage_usec 1\nnr_periods 10\nnr_throttled 4\n",
    )
    group = Cgroup(tmp_path / "fs", own)
    first = {
        "cgroup.memory.limitMB": 1.0,
        "cgroup.memory.usedMB": 0.5,
        "cgroup.memory.percent": 50.0,
        "cgroup.cpu.limit": 1.5,
        "proc.memory.oomKills": 2,
    }
    assert group.read() == first
    write_group(
        tmp_path / "fs" / "box",
        cpu__stat="nr_periods 20\nnr_throttled 8\n",
        memory__stat="anon 1\ninactive_file 262144\n",
    )
    assert group.read() == {
        **first,
        "cgroup.memory.usedMB": 0.25,
        "cgroup.memory.percent": 25.0,
        "proc.cpu.throttledPercent": 40.0,
    }
    assert group.facts() == {"memory_limit": 1 << 20, "cpu_limit": 1.5}


def test_a_group_above_limits_those_below_it(tmp_path):
    own = tmp_path / "cgroup"
    own.write_text("0::/job/step/task\n")
    root = tmp_path / "fs"
    write_group(root, cgroup__controllers="cpu memory\n")
    write_group(root / "job", memory__max="8589934592\n", cpu__max="400000 100000\n")
    write_group(root / "job" / "step", memory__max="max\n", cpu__max="max 100000\n")
    write_group(
        root / "job" / "step" / "task",
        memory__max="max\n",
        memory__current="1\n",
        cpu__max="max 100000\n",
        cpu__stat="nr_periods 0\n",
    )
    assert Cgroup(root, own).facts() == {"memory_limit": 8 << 30, "cpu_limit": 4.0}


def test_limits_of_a_container_in_version_1(tmp_path):
    own = tmp_path / "cgroup"
    own.write_text("4:memory:/docker/1\n3:cpu,cpuacct:/docker/1\n1:name=systemd:/\n")
    write_group(  # a container sees its own group as the root
        tmp_path / "fs" / "memory",
        memory__limit_in_bytes="2097152\n",
        memory__usage_in_bytes="1048576\n",
        memory__oom_control="oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
    )
    write_group(
        tmp_path / "fs" / "cpu",
        cpu__stat="nr_periods 0\nnr_throttled 0\n",
        cpu__cfs_quota_us="-1\n",
        cpu__cfs_period_us="100000\n",
    )
    group = Cgroup(tmp_path / "fs", own)
    assert group.read() == {
        "cgroup.memory.limitMB": 2.0,
        "cgroup.memory.usedMB": 1.0,
        "cgroup.memory.percent": 50.0,
        "proc.memory.oomKills": 1,
    }
    assert Cgroup(tmp_path / "nothing", tmp_path / "nothing").read() == {}


async def test_a_source_that_hangs_is_given_up():
    hangs, asked, kept, told = threading.Event(), [], {}, anyio.Event()
    system: Any = await anyio.to_thread.run_sync(System, [])

    def hang():
        asked.append(1)
        hangs.wait()
        return {}

    def put_file(name, content):
        kept[name] = json.loads(content)
        if "system" in kept[name].get("not_available", {}):
            anyio.from_thread.run_sync(told.set)

    system.read = hang
    sampler = Sampler(
        *(system, Metadata(put_file)),
        put=lambda _: True,
        environ={},
        interval_secs=0.1,
        deadline_secs=0.2,
    )
    try:
        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                group.start_soon(sampler.run)
                await told.wait()
                await anyio.sleep(0.5)  # time for five samples more
                group.cancel_scope.cancel()
    finally:
        hangs.set()
    assert kept["metadata.json"]["not_available"]["system"] == "no answer within 0.2 s"
    assert asked == [1]


def test_a_part_that_fails_costs_only_itself(start, monkeypatch, capfd):
    def fail(*_, **__):
        raise OSError(5, "no such machine")

    monkeypatch.setattr("steplog.capture.machine.describe", fail)
    with start(settings=ALL) as run:
        pass
    files = files_of(run)
    facts = json.loads(files["metadata.json"])
    assert facts["not_available"]["machine_info"] == "OSError: [Errno 5] no such machine"
    assert "pytest==" in files["requirements.txt"]
    assert "git" in facts
    assert "machine_info is not captured" in capfd.readouterr().err


# ---- secrets, git, packages --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "masked"),
    [
        (["--api-key", "x", "--lr", "1"], ["--api-key", "***", "--lr", "1"]),
        (["--api-key=x"], ["--api-key=***"]),
        (["db_password=x", "lr=1"], ["db_password=***", "lr=1"]),
        (["--token", "--verbose"], ["--token", "--verbose"]),
        (["https://me:pass@host/x"], ["https://***@host/x"]),
        (["--data", "s3://bucket/key"], ["--data", "s3://bucket/key"]),
        (["--max-tokens", "100", "keyboard=1"], ["--max-tokens", "100", "keyboard=1"]),
        (["sk-abcdefghijklmnopqrstuvwx"], ["***"]),
        (["mysql://u:p@w@h/db"], ["mysql://***@h/db"]),
        (["-e=HF_TOKEN=x1"], ["-e=HF_TOKEN=***"]),
        (["Authorization: Bearer abc.def"], ["Authorization: Bearer ***"]),
        (['{"token":"x1","lr":1}'], ['{"token":"***","lr":1}']),
        (["https://h/x?token=x1&a=1"], ["https://h/x?token=***&a=1"]),
        (["--lr=1", "model.key_dim=3"], ["--lr=1", "model.key_dim=3"]),
    ],
)
def test_secrets_in_arguments(given, masked):
    assert SECRETS.mask_arguments(given) == masked


def test_long_words_are_no_burden():
    # What is looked through from each letter would take minutes: pytest's own limit would end it.
    for word in ("x" * 2_000_000, "a." * 1_000_000, "-x" * 1_000_000, "e" * 2_000_000 + "://"):
        assert SECRETS.mask(word) == word


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("--token SEKRET --lr 3", "--token *** --lr 3"),
        ("x --api-key 'SEKRET' -password S3", "x --api-key '***' -password ***"),
        ("--token --lr 3", "--token --lr 3"),
        ("https://x.y/z?access_token=A&sig=B&n=1", "https://x.y/z?access_token=***&sig=***&n=1"),
        ('ext::sh -c "curl --token SEKRET"', 'ext::sh -c "curl --token ***"'),
        ("a token SEKRET of words", "a token SEKRET of words"),
        ("https://x-access-token:SEKRET@github.com/x/y.git", "https://***@github.com/x/y.git"),
        ("https://oauth2:SEKRET@gitlab.com/x/y.git", "https://***@gitlab.com/x/y.git"),
    ],
)
def test_secrets_behind_flags_within_a_text(text, masked):
    assert SECRETS.mask(text) == masked


def test_secrets_in_the_environment():
    environ = {
        "AWS_SECRET_ACCESS_KEY": "x",
        "CUDA_VISIBLE_DEVICES": "0",
        "HF_TOKEN": "x",
        "OMP_NUM_THREADS": "4",
        "TF_URL": "http://a:b@c",
        "HOME": "/h",
    }
    assert SECRETS.mask_environment(environ, steplog.Settings().environment) == {
        "CUDA_VISIBLE_DEVICES": "0",
        "HF_TOKEN": "***",
        "OMP_NUM_THREADS": "4",
        "TF_URL": "http://***@c",
    }
    assert SECRETS.mask_environment(environ, ["*"])["AWS_SECRET_ACCESS_KEY"] == "***"  # noqa: S105


def run_git(folder, *arguments):
    who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main")
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path, monkeypatch):
    folder = tmp_path / "repository"
    folder.mkdir()
    run_git(folder, "init")
    (folder / "train.py").write_text("lr = 1\n")
    run_git(folder, "add", ".")
    run_git(folder, "commit", "-m", "one")
    monkeypatch.chdir(folder)
    return folder


def read_git(**arguments):
    return git.read(SECRETS, os.environ, **{"with_patches": True, **arguments})


def test_git_says_where_the_code_is(repository):
    run_git(repository, "remote", "add", "origin", "https://me:secret@example.com/x.git")
    clean = read_git()
    assert clean.facts.keys() == {"root", "commit", "branch", "remote", "dirty"}
    assert (clean.facts["branch"], clean.facts["dirty"]) == ("main", False)
    assert clean.facts["remote"] == "https://me@example.com/x.git"
    assert clean.patches == {}
    (repository / "train.py").write_text("lr = 2\n")
    (repository / "nötig.txt").write_text("new")
    dirty = read_git()
    assert dirty.facts["dirty"] is True
    assert dirty.facts["untracked"] == ["nötig.txt"]
    assert b"-lr = 1\n+lr = 2\n" in dirty.patches["diff.patch"]
    assert read_git(with_patches=False).patches == {}
    (repository / "train.py").write_text("token = 'ghp_abcdefghijklmnopqrstuvwx'  # \n")
    patch = read_git().patches["diff.patch"]
    assert b"+token = '***'" in patch


@pytest.mark.parametrize(
    ("remote", "kept"),
    [
        ("ssh://git@host/x.git", "ssh://git@host/x.git"),
        ("ssh://git:SEKRET@host:22/x.git", "ssh://git@host:22/x.git"),
        ("ssh://svc0123456789abcdefghij@host/x.git", "ssh://svc0123456789abcdefghij@host/x.git"),
        ("git@host:team/x.git", "git@host:team/x.git"),
        ("https://me@bitbucket.org/t/x.git", "https://me@bitbucket.org/t/x.git"),
        ("https://me:SEK@RET@host/x.git", "https://me@host/x.git"),
        ("https://oauth2:SEKRET@gitlab.com/x.git", "https://oauth2@gitlab.com/x.git"),
        ("https://:SEKRET@host/x.git", "https://***@host/x.git"),
        ("https://ghp_abcdefghijklmnopqrstuvwx@host/x.git", "https://***@host/x.git"),
        ("https://ghp_abcdefghijklmnopqrstuvwx:x@host/x.git", "https://***@host/x.git"),
        (f"https://{'0123456789abcdef' * 2}01234567@host/x.git", "https://***@host/x.git"),
        ("https://SEKRET:x-oauth-basic@github.com/x.git", "https://***@github.com/x.git"),
        ("https://host/y.git?access_token=abc", "https://host/y.git?access_token=***"),
    ],
)
def test_a_remote_keeps_its_user_and_no_secret(repository, remote, kept):
    run_git(repository, "remote", "add", "origin", remote)
    assert read_git(max_secs=20).facts["remote"] == kept


def test_git_says_whether_it_has_the_program(repository, tmp_path):
    (repository / ".gitignore").write_text("*.ignored.py\n")
    (repository / "sub").mkdir()
    found = {
        repository / "train.py": True,
        repository / "new.py": False,
        repository / "a.ignored.py": False,
        repository / "sub" / "train.py": False,
        tmp_path / "train.py": False,
    }
    for path, is_there in found.items():
        if not is_there:
            path.write_text("lr = 1\n")
        assert read_git(program=path, max_secs=20).facts["has_program"] is is_there, path
    run_git(repository, "add", "new.py")
    staged = read_git(program=repository / "new.py", max_secs=20)
    assert staged.facts["has_program"] is True
    assert b"+++ b/new.py" in staged.patches["diff.patch"]


def test_a_git_that_hangs_is_ended_with_what_it_started(tmp_path, monkeypatch):
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text(f"#!/bin/sh\nsleep 600 & echo $! > {tmp_path}/pid; wait\n")
    slow.chmod(0o755)
    environ = {"PATH": f"{slow.parent}:{os.environ['PATH']}"}
    monkeypatch.setenv("PATH", environ["PATH"])
    found = git.read(SECRETS, environ, with_patches=True, max_secs=2.0)
    assert found.facts == {"reason": "git rev-parse took too long"}
    pid = int((tmp_path / "pid").read_text())
    until = time.monotonic() + 20
    with contextlib.suppress(psutil.NoSuchProcess):
        while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < until


def test_a_patch_against_upstream_and_one_that_is_cut(repository, tmp_path, monkeypatch):
    run_git(tmp_path, "clone", str(repository), "clone")
    clone = tmp_path / "clone"
    monkeypatch.chdir(clone)
    (clone / "train.py").write_text("lr = 3\n" * 300_000)
    run_git(clone, "commit", "-am", "two")
    upstream = subprocess.run(
        ["git", "rev-parse", "@{upstream}"], cwd=clone, check=True, capture_output=True, text=True
    ).stdout.strip()
    (name,) = read_git(max_secs=20).patches
    assert name == f"diff_{upstream}.patch"
    (patch,) = read_git(max_secs=20).patches.values()
    assert len(patch) < 1 << 20
    assert b"# cut here" in patch[-100:]
    assert read_git(max_secs=20).facts["cut"] == [name]


def test_what_no_remote_has_is_told_with_a_patch_to_what_one_has(repository, tmp_path, monkeypatch):
    assert "is_pushed" not in read_git().facts  # it has no remote
    run_git(tmp_path, "clone", str(repository), "clone")
    clone = tmp_path / "clone"
    monkeypatch.chdir(clone)
    pushed = read_git(max_secs=20)
    assert (pushed.facts["is_pushed"], pushed.patches) == (True, {})
    run_git(clone, "checkout", "-b", "mine")
    for number in (2, 3):
        (clone / "train.py").write_text(f"lr = {number}\n")
        run_git(clone, "commit", "-am", "mine")
    own = read_git(max_secs=20)
    assert own.facts["is_pushed"] is False
    assert own.patches.keys() == {f"diff_{pushed.facts['commit']}.patch"}
    run_git(tmp_path, "clone", str(repository), "again")
    (tmp_path / "diff.patch").write_bytes(*own.patches.values())
    run_git(tmp_path / "again", "apply", "../diff.patch")
    assert (tmp_path / "again" / "train.py").read_text() == "lr = 3\n"
    unpatched = read_git(with_patches=False, max_secs=20)
    assert (unpatched.facts["is_pushed"], unpatched.patches) == (False, {})


def test_git_says_whether_there_are_submodules(repository, tmp_path, monkeypatch):
    run_git(tmp_path, "clone", str(repository), "above")
    allowed = ("-c", "protocol.file.allow=always")
    run_git(tmp_path / "above", *allowed, "submodule", "add", str(repository), "part")
    run_git(tmp_path / "above", "commit", "-m", "with a part")
    (tmp_path / "above" / "below").mkdir()
    monkeypatch.chdir(tmp_path / "above" / "below")
    assert read_git(max_secs=20).facts["has_submodules"] is True
    monkeypatch.chdir(repository)
    assert "has_submodules" not in read_git(max_secs=20).facts


def test_of_a_difference_that_takes_too_long_there_is_what_came(repository, tmp_path, monkeypatch):
    (repository / "train.py").write_text("lr = 2\n")
    slow, real = tmp_path / "bin" / "git", shutil.which("git")
    slow.parent.mkdir()
    # All that git says of it but for the end, and then no more.
    slow.write_text(f"""#!/bin/sh
case " $* " in *" diff "*) {real} "$@"; printf '+half a li'; exec sleep 600;; esac
exec {real} "$@"
""")
    slow.chmod(0o755)
    environ = {**os.environ, "PATH": f"{slow.parent}:{os.environ['PATH']}"}
    monkeypatch.setenv("PATH", environ["PATH"])
    found = git.read(SECRETS, environ, with_patches=True, max_secs=5.0)
    assert found.facts["reason"] == "git diff took too long"
    assert found.facts["cut"] == ["diff.patch"]
    before, after = found.patches["diff.patch"].split(b"\n# cut here, ")
    assert before.endswith(b"+lr = 2\n")
    assert after == f"after {len(before)} bytes: git took too long\n".encode()


def test_the_remote_is_that_of_the_upstream_branch(repository, tmp_path, monkeypatch):
    run_git(tmp_path, "clone", "-o", "up", str(repository), "clone")
    clone = tmp_path / "clone"
    monkeypatch.chdir(clone)
    run_git(clone, "remote", "add", "origin", "https://example.org/other.git")
    assert read_git(max_secs=20).facts["remote"] == str(repository)
    run_git(clone, "remote", "set-url", "up", f"../{repository.name}")
    assert read_git(max_secs=20).facts["remote"] == str(clone.parent / repository.name)
    run_git(clone, "checkout", "--detach")
    assert read_git(max_secs=20).facts["remote"] == "https://example.org/other.git"


def test_where_git_cannot_say_there_is_a_reason(repository, tmp_path, monkeypatch):
    run_git(repository, "worktree", "add", str(tmp_path / "tree"))
    monkeypatch.chdir(tmp_path / "tree")
    assert read_git().facts["branch"] == "tree"
    run_git(tmp_path, "init", "--bare", "bare")
    run_git(tmp_path, "init", "empty")
    (tmp_path / "broken" / ".git").mkdir(parents=True)
    for folder in ("bare", "empty", "broken", "."):
        monkeypatch.chdir(tmp_path / folder)
        facts = read_git().facts
        assert "commit" not in facts
        assert facts["reason"], folder
    monkeypatch.chdir(repository)
    assert read_git(max_secs=0.0).facts["reason"].endswith("took too long")
    assert git.read(SECRETS, {"PATH": str(tmp_path)}, with_patches=True).facts == {
        "reason": "git is not installed"
    }


def install(site, name, origin):
    folder = site / f"{name.replace('-', '_')}-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    if origin:
        (folder / "direct_url.json").write_text(json.dumps(origin))


def editable(folder):
    return {"url": folder.as_uri(), "dir_info": {"editable": True}}


def frozen(site):
    """What pip itself writes, without its remarks."""
    command = [sys.executable, "-m", "pip", "freeze", "--path", str(site)]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    return [line for line in found.stdout.splitlines() if not line.startswith("#")]


def lines_of(environ=os.environ, **arguments):
    found = packages.installed(SECRETS)
    folders = [folder for _, folder in found.folders.values()]
    found.spell_checkouts(git.checkouts(folders, SECRETS, environ, **arguments))
    return found.text().splitlines()


@pytest.mark.parametrize(
    "remote",
    [
        *("https://host/me/pkg.git", "https://me@host/pkg.git", "git@host:me/pkg.git"),
        *("ssh://git@host/me/pkg.git", "/", ""),
    ],
)
def test_editable_checkouts_are_spelled_as_pip_freezes_them(
    repository, tmp_path, monkeypatch, *, remote
):
    if remote:
        run_git(repository, "remote", "add", "origin", remote)
    below = repository / "libs" / "two"
    below.mkdir(parents=True)
    (below / "pyproject.toml").write_text("[project]\n")
    (repository / "pyproject.toml").write_text("[project]\n")
    run_git(repository, "add", ".")
    run_git(repository, "commit", "-m", "two")
    install(tmp_path / "site", "pkg-one", editable(repository))
    install(tmp_path / "site", "pkg-two", editable(below))
    install(tmp_path / "site", "plain", None)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site")])
    monkeypatch.chdir(tmp_path)
    lines = lines_of(max_secs=20)
    if remote:
        assert lines == frozen(tmp_path / "site")
        assert lines[1].endswith("#egg=pkg_two&subdirectory=libs/two")
        # A hook of another repository's runs with this.
        assert lines_of({**os.environ, "GIT_DIR": "/nowhere"}, max_secs=20) == lines
    else:
        assert lines[:2] == [f"-e {repository.as_uri()}", f"-e {below.as_uri()}"]


def test_an_editable_package_that_no_commit_has_is_its_folder(repository, tmp_path, monkeypatch):
    run_git(repository, "remote", "add", "origin", "https://me:SEKRET@host/pkg.git")
    new, plain = repository / "new", tmp_path / "plain"
    new.mkdir()
    plain.mkdir()
    install(tmp_path / "site", "held", editable(repository))
    install(tmp_path / "site", "new", editable(new))
    install(tmp_path / "site", "plain", editable(plain))
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site")])
    held, *others = lines_of(max_secs=20)
    assert re.fullmatch(r"-e git\+https://me@host/pkg\.git@[0-9a-f]{40}#egg=held", held)
    assert others == [f"-e {new.as_uri()}", f"-e {plain.as_uri()}"]
    assert lines_of(max_secs=0.0)[0] == f"-e {repository.as_uri()}"


def test_a_run_lists_an_editable_checkout_by_its_commit(
    start, repository, tmp_path, *, monkeypatch
):
    run_git(repository, "remote", "add", "origin", "https://me:SEKRET@host/pkg.git")
    install(tmp_path / "site", "pkg", editable(repository))
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site"), *sys.path])
    with start(settings={"requirements": True, "git": True}) as run:
        pass
    found = pathlib.Path(run.dir, "requirements.txt").read_text()
    assert "-e git+https://me@host/pkg.git@" in found
    assert "SEKRET" not in found
    with start(settings={"requirements": True, "git": False}) as run:
        pass
    assert f"-e {repository.as_uri()}\n" in pathlib.Path(run.dir, "requirements.txt").read_text()


def test_packages_are_spelled_so_that_pip_installs_them(tmp_path, monkeypatch):
    origins = {
        "plain": None,
        "edited": {"url": "file:///home/me/a%20b", "dir_info": {"editable": True}},
        "source": {"url": "file:///home/me/c", "dir_info": {}},
        "cloned": {
            "url": "https://u:p@example.com/x.git",
            "vcs_info": {"vcs": "git", "commit_id": "abc"},
            "subdirectory": "py",
        },
        "hidden": {
            "url": "https://ghp_abcdefghijklmnopqrstuvwx@example.com/y.git",
            "vcs_info": {"vcs": "git", "commit_id": "def"},
        },
    }
    for name, origin in origins.items():
        install(tmp_path, name, origin)
    (tmp_path / "broken-1.0.dist-info").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert packages.installed(SECRETS).text().splitlines() == [
        "cloned @ git+https://u@example.com/x.git@abc#subdirectory=py",
        "-e file:///home/me/a%20b",
        "hidden @ git+https://example.com/y.git@def",
        "plain==1.0",
        "source @ file:///home/me/c",
    ]
