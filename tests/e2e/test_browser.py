"""The dashboard in a real browser, against a real server."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
from typing import Any

import pytest

import steplog

WEB = pathlib.Path(__file__).parents[2] / "web"
STATIC = pathlib.Path(steplog.__file__).parent / "server" / "static" / "index.html"

# Logs one step for each line that it reads.
STEP_BY_STEP = """
import sys, steplog
with steplog.init(project="p", name="grows", settings={"quiet": True}) as run:
    for step, _ in enumerate(sys.stdin):
        run.log({"loss": 1 / (1 + step)})
"""


def need_browser():
    if pathlib.Path("/usr/bin/chromium").exists() and shutil.which("node") and STATIC.exists():
        return
    reason = "no Chromium, node or built page: `apt-get install chromium`, then `make build`"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def log_runs(server, folder, project, *, runs, steps, spike=None):
    """Log runs in this process; `spike` is the one step that stands out."""
    settings = {"base_url": server.url, "quiet": True, "finish_timeout_secs": 60.0}
    for number in range(runs):
        with steplog.init(
            project=project,
            dir=str(folder),
            name=f"run {number}",
            config={"lr": number / 10},
            settings=settings,
        ) as run:
            for step in range(steps):
                value = 100.0 if step == spike else step % 7 / 10
                run.log({"loss": value} if spike else {"loss": value, "accuracy": step / steps})


def run_page(server, script, *arguments):
    """Run a script in a browser, which must find everything on the page as it expects it."""
    command = ["node", script, server.url, server.login, "local", *arguments]
    done = subprocess.run(command, cwd=WEB, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def online(server, monkeypatch):
    need_browser()
    monkeypatch.setenv("STEPLOG_CONFIG_DIR", server.environ["STEPLOG_CONFIG_DIR"])
    return server


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_run_appears_and_grows_and_a_spike_in_a_million_points_is_drawn(online, tmp_path):
    log_runs(online, tmp_path, "spikes", runs=1, steps=1_000_000, spike=654_321)
    arguments = [online.url, online.login, "local", "p", "spikes"]
    page = subprocess.Popen(
        ["node", "e2e/live.mjs", *arguments],
        cwd=WEB,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert page.stdout is not None
    assert page.stdout.readline() == "watching\n", page.communicate()[1]
    child = subprocess.Popen(
        [sys.executable, "-c", STEP_BY_STEP],
        stdin=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=online.environ,
    )
    assert child.stdin is not None
    for expected in ("appeared\n", "grew\n"):
        child.stdin.write("log\n" * 20)
        child.stdin.flush()
        assert page.stdout.readline() == expected, page.communicate()[1]
    child.communicate()
    out, errors = page.communicate()
    assert (out, errors, page.returncode) == ("spike\n", "", 0)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_pages_behave(online, tmp_path):
    log_runs(online, tmp_path, "p", runs=3, steps=500)
    run_page(online, "e2e/behave.mjs", "p")


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_run_page_shows_every_digit_and_labels_any_span(online, tmp_path):
    settings = {"base_url": online.url, "quiet": True, "finish_timeout_secs": 60.0}
    config = {"seed": 2**53 + 1, "big": 2**70, "whole": 1.0, "zero": -0.0, "sum": 0.1 + 0.2}
    last = {"int64": 2**63 - 1, "x": 1234567.891, "denormal": 5e-324}
    with steplog.init(
        project="p", dir=str(tmp_path), id="numbers", config=config, settings=settings
    ) as run:
        for step in range(10):
            rest = {
                "huge": 1e300 * (1 + step / 10),
                "ulp": 1.0 + (step % 2) * 2.0**-52,
                "wide": 1.7e308 * (-1) ** step,
                "narrow": 2**63 - 1025 * (1 + step),
            }
            run.log({**last, **rest})
    steplog.init(project="p", dir=str(tmp_path), id="empty", settings=settings).finish()
    # What Python writes is what the page has to show.
    exact = {
        "Config": {key: repr(value) for key, value in config.items()},
        "Summary": {key: repr(value) for key, value in last.items()},
    }
    run_page(
        online,
        "e2e/exact.mjs",
        "p",
        "numbers",
        "empty",
        json.dumps(exact),
    )


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_run_page_tells_writers_steps_and_keys_apart(online, tmp_path):
    def start(label):
        settings = {"base_url": online.url, "quiet": True, "label": label}
        return steplog.init(project="p", dir=str(tmp_path), id="r", settings=settings)

    for label in ("", "2", "10"):
        with start(label) as run:
            run.define_metric("sys/*", hidden=True)
            run.define_metric("sys/gpu")
            for step in range(5):
                run.log({"a": step + len(label), "  ": 1, "sys/cpu": 1, "sys/gpu": 1}, step=step)
            if label == "10":
                run.log({"a": 1}, step=2**62 - 1)
    expected = {
        "step": f"{2**62 - 1:,}",
        "titles": ["a", '"  "', "sys/gpu"],
        "writers": ["(no label)", "2", "10"],
        # Of steps 0 to 4 with 0, 1 and 2 added; the last step of all makes the buckets wide.
        "together": ["3", "0", "6", "3"],
    }
    run_page(online, "e2e/run.mjs", "p", "r", json.dumps(expected))


# Trains in a repository with changes; what GPUs would say comes from nowhere else.
CAPTURED = """
import sys, time, steplog
count, live = int(sys.argv[1]), sys.argv[2] == "live"
settings = {"quiet": True, "stats_interval_secs": 0.2 if live else 10.0, "save_code": True}
run = steplog.init(project="p", id=sys.argv[3], settings=settings, config={"lr": 0.1})
print("begun", flush=True)
for step in range(20):
    run.log({"loss": 1 / (1 + step)})
    gpu = {"gpu": 50.0 + step, "temp": 60.0, "memoryAllocated": 20.0 + step, "powerWatts": 300.0}
    sample = {f"gpu.{n}.{name}": value for n in range(count) for name, value in gpu.items()}
    run._own_writer().put_sample({**sample, "memory_percent": 40.0 + step})
if live:
    sys.stdin.readline()
run.finish()
"""


FILES = "/api/v1/projects/local/p/runs/r/files"


def capturing(server):
    """The environment of a program of which everything is captured."""
    names = ("STATS", "MACHINE_INFO", "GIT", "REQUIREMENTS")
    return {**server.environ, **{f"STEPLOG_{name}": "true" for name in names}}


def make_repository(folder, remote):
    """Commit what is in a folder."""
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]
    for arguments in (
        *(["init"], ["remote", "add", "origin", remote]),
        *(["add", "."], ["commit", "-m", "one"]),
    ):
        subprocess.run([*git, *arguments], cwd=folder, check=True, capture_output=True)


def wait_for_files(server, *names):
    """Wait until the server has these files of the run."""
    found: set[str] = set()
    while not found.issuperset(names):
        status, _, body = server.ask(FILES)
        found = {file["name"] for file in json.loads(body)["files"]} if status == 200 else set()


def captured_commit(server):
    return json.loads(server.ask(f"{FILES}/metadata.json")[2])["git"]["commit"]


def check_captured(server, **expected):
    """Check what a run's page shows; by default of a run that is over and had one GPU."""
    packages = len(server.ask(f"{FILES}/requirements.txt")[2].splitlines())
    wanted = {"packages": packages, "cards": 1, "heat": {}, "live": False, **expected}
    run_page(server, "e2e/capture.mjs", "p", "r", json.dumps(wanted))


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize(("gpus", "way"), [(8, "live"), (64, "over")])
def test_a_run_page_shows_what_was_captured(online, tmp_path, gpus, *, way):
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "train.py").write_text(CAPTURED)
    make_repository(folder, "https://me:pass@example.com/x.git")
    (folder / "train.py").write_text(f"{CAPTURED}# changed\n")
    child = subprocess.Popen(
        [sys.executable, "train.py", str(gpus), way, "r"],
        cwd=folder,
        env=capturing(online),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "begun\n"
    if way == "over":
        child.communicate()
    wait_for_files(online, "diff.patch", "requirements.txt")
    check_captured(
        online,
        commands=[
            "git clone https://me@example.com/x.git && cd x",
            f"git checkout {captured_commit(online)}",
            "git apply diff.patch",
            "pip install -r requirements.txt",
            f"python train.py {gpus} {way} r",
        ],
        patch="train.py",
        added="# changed",
        cards=gpus if gpus <= 16 else 0,
        heat={} if gpus <= 16 else {"GPU *": gpus},
        live=way == "live",
    )
    if way == "live":
        child.communicate("\n")


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_run_page_says_where_code_is_that_no_commit_has(online, tmp_path):
    folder = tmp_path / "plain"
    folder.mkdir()
    (folder / "train.py").write_text(CAPTURED)
    environ = capturing(online)
    command = [sys.executable, "train.py", "1", "over", "r"]
    subprocess.run(command, cwd=folder, env=environ, check=True, capture_output=True)
    wait_for_files(online, "code/train.py", "requirements.txt")
    fetch = (
        "import steplog; [file.download(replace=True) for file in "
        'steplog.Api().run("local/p/r").files() if file.name.startswith("code/")]'
    )
    commands = [
        f"python -c '{fetch}'",
        "pip install -r requirements.txt",
        "cd code",
        "python train.py 1 over r",
    ]
    check_captured(online, commands=commands, code=["code/train.py"])
    again = tmp_path / "again"
    again.mkdir()
    subprocess.run([sys.executable, "-c", fetch], cwd=again, env=environ, check=True)
    assert (again / "code" / "train.py").read_text() == CAPTURED


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_run_page_has_the_program_that_git_does_not_track(online, tmp_path):
    folder = tmp_path / "repository"
    (folder / "jobs").mkdir(parents=True)
    (folder / "jobs" / "model.py").write_text("layers = 3\n")
    make_repository(folder, str(folder))
    (folder / "jobs" / "train.py").write_text(CAPTURED)
    environ = capturing(online)
    command = [sys.executable, "train.py", "1", "over", "r"]
    subprocess.run(command, cwd=folder / "jobs", env=environ, check=True, capture_output=True)
    wait_for_files(online, "code/train.py", "requirements.txt", "metadata.json")
    fetch = (
        'import steplog; [file.download("saved", replace=True) for file in '
        'steplog.Api().run("local/p/r").files() if file.name.startswith("code/")]'
    )
    commands = [
        f"git clone {folder} && cd repository",
        f"git checkout {captured_commit(online)}",
        "pip install -r requirements.txt",
        "cd jobs",
        f"python -c '{fetch}'",
        "cp saved/code/train.py train.py",
        "python train.py 1 over r",
    ]
    check_captured(online, commands=commands, code=["code/train.py"])
    again = tmp_path / "again"
    again.mkdir()
    lines = [line for line in commands[:-1] if not line.startswith("pip ")]
    environ["PATH"] = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
    script = "\n".join(["set -e", *lines])
    subprocess.run(["sh", "-c", script], cwd=again, env=environ, check=True, capture_output=True)
    assert (again / "repository" / "jobs" / "train.py").read_text() == CAPTURED


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_large_file_appears_on_a_run_page_as_it_comes(online, tmp_path):
    large, text = bytes(2 << 20), b"".join(b"line %d\n" % number for number in range(99_999))
    settings = {"base_url": online.url, "quiet": True, "finish_timeout_secs": 60.0}
    with steplog.init(project="p", dir=str(tmp_path), id="r", settings=settings) as run:
        run.log({"loss": 1.0})
        for name, content in (("ckpt/model.pt", large), ("train.log", text)):
            log: Any = run._own_writer()
            log.put_blob(name, hashlib.sha256(content).digest(), len(content))

    (writer,) = online.get("/projects/local/p/runs/r")["writers"]
    blobs = f"/api/v1/projects/local/p/runs/r/writers/{writer['writer']}/blobs"

    def put(content, start, stop):
        path = f"{blobs}/{hashlib.sha256(content).hexdigest()}?from={start}"
        headers = {"Content-Type": "application/octet-stream"}
        status, _, data = online.ask(path, content[start:stop], method="PUT", headers=headers)
        assert status == 200, data

    put(text, 0, None)
    put(large, 0, 1 << 20)
    wanted = {"name": "model.pt", "sha256": hashlib.sha256(large).hexdigest()}
    wanted |= {"path": "ckpt/model.pt", "arrived": "1 of 2 MiB"}
    expected = json.dumps({"wanted": wanted, "long": "train.log"})
    page = subprocess.Popen(
        ["node", "e2e/files.mjs", online.url, online.login, "local", "p", "r", expected],
        cwd=WEB,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert page.stdout is not None
    assert page.stdout.readline() == "waiting\n", page.communicate()[1]
    put(large, 1 << 20, None)
    _, errors = page.communicate()
    assert (errors, page.returncode) == ("", 0)


# Prints what Logs has to show; "live" goes on until its input ends.
PRINTS = """
import sys, threading, steplog
which = sys.argv[1]
run = steplog.init(project="p", id=which, settings={"quiet": True})
if which == "over":
    print("\\x1b[32mgreen\\x1b[0m")
    sys.stderr.write("".join(f"\\rbar: {percent:3}%" for percent in range(101)) + "\\n")
    for number in range(1200):
        print("needle" if number % 100 == 0 else "hay", number, "ERROR" if number % 50 == 7 else "")
elif which == "failed":
    for step in range(60):
        run.log({"loss": float("nan") if step >= 48 else 1.0})
    print("about to fail")
    with run:
        raise ValueError("CUDA out of memory")
else:
    for number in range(1000):
        print("line", number)
    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), over.set())).start()
    while not over.wait(0.2):
        print("tick")
        run.alert("something is up", level="WARN", wait_duration=5)
run.finish()
"""


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_run_page_shows_what_was_printed_and_why_a_run_failed(online, tmp_path):
    wanted = {"CONSOLE": "wrap", "REQUIREMENTS": "true", "MACHINE_INFO": "true"}
    environ = online.environ | {f"STEPLOG_{name}": value for name, value in wanted.items()}

    def start(which):
        return subprocess.Popen(
            [sys.executable, "-c", PRINTS, which],
            cwd=tmp_path,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    for which in ("over", "failed"):
        start(which).communicate()
    live = start("live")
    while online.ask("/api/v1/projects/local/p/runs/live/logs")[0] != 200:
        pass
    expected = {
        "total": 1202,
        "last": "hay 1199 ",
        "colored": {"text": "green", "look": "fg-2"},
        "bar": {"line": 1, "updates": 100, "before": "bar:   0%"},
        "search": {"q": "needle", "matched": 12},
        "stderr": 1,
        "errors": 24,
        "live": "live",
        "failed": {
            "run": "failed",
            "says": "exit code 1",
            "hint": "loss is NaN from step 48 on",
            "last": "ValueError: CUDA out of memory",
        },
    }
    try:
        run_page(online, "e2e/logs.mjs", "p", "over", json.dumps(expected))
    finally:
        live.communicate("\n")


# Prints between its steps, each of which has a time of its own.
PRINTS_AND_LOGS = """
import sys, steplog
settings = {"quiet": True, "console": "wrap", "stats": True, "stats_interval_secs": 0.1}
with steplog.init(project="p", id="both", settings=settings) as run:
    print("begun")
    for step in range(120):
        print("ERROR in step" if step % 20 == 9 else "step", step)
        run.log({"loss": 1 / (1 + step), "acc": step / 120})
        run._own_writer().put_sample({"memory_percent": 40.0 + step / 10})
        run.flush()
with steplog.init(project="p", id="silent", settings={"quiet": True, "console": "off"}) as run:
    for step in range(20):
        run.log({"loss": step})
"""


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_charts_lead_to_the_output_and_back(online, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PRINTS_AND_LOGS],
        cwd=tmp_path,
        env=online.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    run_page(online, "e2e/moments.mjs", "p", "both", "silent")


HTML = """<!DOCTYPE html><script>
const attempt = (get) => { try { return get(); } catch (error) { return error.name; } };
(async () => {
  fetch('/ran-html').catch(() => {});
  const post = { method: 'POST', mode: 'no-cors', credentials: 'include' };
  await fetch('/api/v1/logout', post).catch(() => {});
  const ask = await fetch('/api/v1/projects', { credentials: 'include' })
    .then((answer) => answer.text()).catch((error) => error.name);
  const found = {
    cookie: attempt(() => document.cookie),
    storage: attempt(() => localStorage.getItem('secret')),
    parent: attempt(() => (parent === window ? 'none' : parent.document.body.innerHTML)),
    ask, own: origin,
  };
  document.title = JSON.stringify(found);
  parent.postMessage(found, '*');
})();
</script>"""
SVG = """<svg xmlns="http://www.w3.org/2000/svg" width="30" height="20" onload="fetch('/ran-svg')">
<rect width="9" height="9"/><script>fetch('/ran-svg')</script></svg>"""


def test_html_and_svg_that_were_logged_get_at_nothing(online, tmp_path):
    texts = {"a.html": HTML, "a.svg": SVG}
    settings = {"base_url": online.url, "quiet": True}
    with steplog.init(project="p", dir=str(tmp_path), settings=settings) as run:
        for name, text in texts.items():
            (tmp_path / name).write_text(text)
            run.save(str(tmp_path / name), base_path=str(tmp_path))
    hashes = [hashlib.sha256(text.encode()).hexdigest() for text in texts.values()]
    run_page(online, "e2e/sandbox.mjs", *hashes)
