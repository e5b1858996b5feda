"""Instructions of one call, under valgrind: the figure that a noisy machine cannot blur.

Two processes make N and 2N calls; the difference is that of N calls, without start and end.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import describe

N = 20_000
# Warm calls first: what is done once is in both processes. The caller's thread alone is counted,
# and with the writer's threads, which follow the log meanwhile.
PROGRAM = """
import sys, ormsgpack, steplog
what, calls = sys.argv[1], int(sys.argv[2])
row = {"loss": 0.1, "acc": 0.2, "lr": 0.3, "grad_norm": 0.4}

class Nothing:
    def log(self, row): ...

if what == "log":
    run = steplog.init(mode="offline", dir=sys.argv[3], settings={"silent": True})
    call = run.log
else:
    call = ormsgpack.packb if what == "packb" else Nothing().log
for _ in range(2000 + calls):
    call(row)
if what == "log":
    run.finish()
    assert run.status()["rows"] == 2000 + calls, run.status()
"""


def counts(what: str, calls: int, folder: str) -> dict[str, int]:
    """Instructions of the caller's thread, and of all."""
    out = Path(folder) / "callgrind.out"
    for old in Path(folder).glob("callgrind.out*"):
        old.unlink()
    command = ["valgrind", "--tool=callgrind", "--separate-threads=yes"]
    command += [f"--callgrind-out-file={out}", sys.executable, "-c", PROGRAM]
    done = subprocess.run(
        [*command, what, str(calls), folder], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    threads = {}
    for path in Path(folder).glob("callgrind.out-*"):
        summary = re.search(r"^(?:summary|totals): (\d+)", path.read_text(), re.MULTILINE)
        threads[path.name.rpartition("-")[2]] = int(summary[1]) if summary else 0
    return {"caller": threads["01"], "all": sum(threads.values())}


def main() -> None:
    if shutil.which("valgrind") is None:
        print("valgrind is missing: get it with: apt-get install valgrind")
        return
    print(describe("ormsgpack"))
    print("| instructions of a call, 4 floats | in the caller | with all threads |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for what in ("empty", "packb", "log"):
            once, twice = (counts(what, calls, folder) for calls in (N, 2 * N))
            each = {name: (twice[name] - once[name]) / N for name in once}
            print(f"| {what} | {each['caller']:,.0f} | {each['all']:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
