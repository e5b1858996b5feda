"""`make demo`: a server, the sweep of `digits.py`, and a count of what has arrived.

Keeps serving until Ctrl-C in a terminal; with `--once` it stops after the count. Exits with 1 when
the number of values logged and the number at the server differ.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".demo"
PORT = 7837


def free_port() -> int:
    """The default port, or 0 (any) when something listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", PORT))
        except OSError:
            return 0
    return PORT


def start_server(environ: dict[str, str]) -> tuple[subprocess.Popen[str], str, str]:
    """The server's process, address and login link."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "steplog._cli", "server"),
            *("--port", str(free_port()), "--data", str(HOME / "data")),
        ],
        stdout=subprocess.PIPE,
        text=True,
        env=environ,
    )
    assert process.stdout is not None
    lines = [process.stdout.readline().split() for _ in range(2)]
    if not all(lines):
        raise SystemExit("the server did not start; it says why above")
    return process, lines[0][1], lines[1][1]


def train(environ: dict[str, str]) -> tuple[list[str], int]:
    """Run the sweep; the runs' ids and the number of values that they logged."""
    command = [sys.executable, str(ROOT / "examples" / "digits.py")]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, env=environ, cwd=HOME, check=True
    )
    said = json.loads(done.stdout.splitlines()[-1])
    return said["runs"], said["values"]


def count_at(url: str, runs: list[str]) -> int:
    """The number of values that the server has of these runs."""
    key = json.loads((HOME / "config" / "keys.json").read_text("utf-8"))[url]
    count = 0
    for run in runs:
        path = f"/api/v1/projects/local/digits/runs/{urllib.parse.quote(run)}/keys"
        request = urllib.request.Request(url + path, headers={"Authorization": f"Bearer {key}"})
        with urllib.request.urlopen(request) as answer:
            count += sum(one["n"] for one in json.load(answer)["keys"])
    return count


def main() -> int:
    """Run the demo."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--once", action="store_true", help="stop after the count")
    arguments = parser.parse_args()
    HOME.mkdir(exist_ok=True)
    # The demo's own server and keys, whatever the environment says of others.
    environ = {name: text for name, text in os.environ.items() if not name.startswith("STEPLOG_")}
    environ["STEPLOG_CONFIG_DIR"] = str(HOME / "config")
    server, url, login = start_server(environ)
    try:
        print(f"dashboard: {login}", flush=True)
        runs, values = train({**environ, "STEPLOG_BASE_URL": url})
        count = count_at(url, runs)
        print(f"{values:,} values logged, {count:,} at the server", flush=True)
        if sys.stdin.isatty() and not arguments.once:
            print("serving until Ctrl-C", flush=True)
            server.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=30)
    return int(values != count)


if __name__ == "__main__":
    sys.exit(main())
