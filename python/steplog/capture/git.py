"""The commit that the working directory is at, and how it differs: by the `git` command."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from steplog.capture.secrets import Secrets

MAX_SECS = 2.0
"""All of it together; a repository on a slow disk is left alone then."""
MAX_CHECKOUT_SECS = 0.8
"""Of the installed packages' folders: with the above less than a run waits for at its end."""
_MAX_PATCH_BYTES = 900_000
_MAX_OUTPUT_BYTES = 1_000_000
_MAX_ERROR_BYTES = 10_000
_MAX_UNTRACKED = 100
# Nothing of the repository's own is run, nothing is asked, and its index stays as it is.
_GIT = ("git", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false", "--no-optional-locks")
_TOO_LONG = "took too long"
_BRANCH = ("symbolic-ref", "--short", "-q", "HEAD")
_GIT_PLACE = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"}
_DIFF = (
    *("diff", "--no-color", "--no-ext-diff", "--no-textconv", "--submodule=diff", "--binary"),
    *("--src-prefix=a/", "--dst-prefix=b/"),
)


class _Failed(Exception):  # noqa: N818  # of this file; its text is the reason
    """Git did not answer; `printed` is what it had said by then."""

    def __init__(self, reason: str, printed: bytes = b"") -> None:
        super().__init__(reason)
        self.printed = printed


@dataclass
class Found:
    """What git said.

    Attributes:
        facts: `commit`, `branch`, `remote`, `dirty`, `untracked`, `root`, `cut`, `has_program`
            (whether git tracks the program), `is_pushed` (whether a remote branch is known to have
            the commit), `has_submodules`; or `reason`.
        patches: Files of the run by their names.
        cut: Names of those that are not whole.
    """

    facts: dict[str, object] = field(default_factory=dict)
    patches: dict[str, bytes] = field(default_factory=dict)
    cut: list[str] = field(default_factory=list)


def read(
    secrets: Secrets,
    environ: Mapping[str, str],
    *,
    with_patches: bool,
    program: Path | None = None,
    max_secs: float = MAX_SECS,
) -> Found:
    """What git says of the working directory, within `max_secs`; never raises for git.

    `program` is the script that runs, which may be anywhere.

    Differences to the commit are in `patches` as `diff.patch`. Those to the upstream branch, or
    where there is none to the nearest commit that a remote is known to have, are there as
    `diff_<its commit>.patch`. One that is too large is cut, and says so at its end.
    """
    found = Found()
    git = _Git(environ, time.monotonic() + max_secs)
    try:
        found.facts["root"] = git.text("rev-parse", "--show-toplevel")
        found.facts["commit"] = git.text("rev-parse", "HEAD")
        found.facts |= _optional(git, secrets, str(found.facts["root"]))
        if program is not None:
            tracked = git.maybe("ls-files", "--error-unmatch", "--", str(program))
            found.facts["has_program"] = bool(tracked)
        _read_changes(git, found.facts)
        if with_patches and found.facts["dirty"]:
            _read_patch(git, found, secrets, name="diff.patch", commit="HEAD")
        base = _read_base(git, found.facts)
        if with_patches and base not in {"", found.facts["commit"]}:
            _read_patch(git, found, secrets, name=f"diff_{base}.patch", commit=base)
    except _Failed as failed:
        found.facts["reason"] = secrets.mask(str(failed))
    return found


@dataclass(frozen=True)
class Checkout:
    """Where somebody else gets what is in a folder: its repository's address has no password.

    `subdirectory` is the folder's path in the repository; empty at its top.
    """

    remote: str
    commit: str
    subdirectory: str


def checkouts(
    folders: Iterable[Path],
    secrets: Secrets,
    environ: Mapping[str, str],
    *,
    max_secs: float = MAX_CHECKOUT_SECS,
) -> dict[Path, Checkout]:
    """Those of some folders whose commit holds them and whose repository has a remote.

    All of it takes `max_secs` at most; never raises for git.
    """
    # Of a hook of git's these name the repository that it runs in.
    elsewhere = {name: text for name, text in environ.items() if name not in _GIT_PLACE}
    until = time.monotonic() + max_secs
    found: dict[Path, Checkout] = {}
    for folder in folders:
        with contextlib.suppress(_Failed):
            checkout = _checkout(_Git(elsewhere, until, folder), secrets)
            if checkout is not None:
                found[folder] = checkout
        if time.monotonic() >= until:
            break
    return found


def _checkout(git: _Git, secrets: Secrets) -> Checkout | None:
    commit = git.text("rev-parse", "HEAD")
    is_in_commit = git.maybe("rev-parse", "-q", "--verify", "HEAD:./")
    root = git.text("rev-parse", "--show-toplevel")
    remote = _remote(git, git.maybe(*_BRANCH), root) if is_in_commit else ""
    if not remote:
        return None
    below = git.text("rev-parse", "--show-prefix").rstrip("/")
    return Checkout(secrets.mask_remote(remote), commit, below)


def _optional(git: _Git, secrets: Secrets, root: str) -> dict[str, object]:
    facts: dict[str, object] = {}
    branch = git.maybe(*_BRANCH)
    remote = _remote(git, branch, root)
    if branch:
        facts["branch"] = branch
    if remote:
        facts["remote"] = secrets.mask_remote(remote)
    return facts


def _remote(git: _Git, branch: str, root: str) -> str:
    """That of the branch's upstream, else `origin`; it may hold a password."""
    # The commit may be in that of the upstream branch alone; `.` is this repository.
    upstream = git.maybe("config", "--get", f"branch.{branch}.remote") if branch else ""
    remote = ""
    for name in (upstream, "origin"):
        remote = git.maybe("config", "--get", f"remote.{name}.url") if name not in {"", "."} else ""
        if remote:
            break
    if remote.startswith(("./", "../")):  # relative to the repository
        return os.path.normpath(os.path.join(root, remote))  # noqa: PTH118  # it is a text
    return remote


def _read_changes(git: _Git, facts: dict[str, object]) -> None:
    entries = git.run("status", "--porcelain=v1", "-z", "--untracked-files=normal").split(b"\0")
    untracked = [
        os.fsdecode(entry[3:])
        for entry in entries
        if entry.startswith(b"?? ") and b"steplog-runs" not in entry[3:].split(b"/")  # our own
    ]
    if git.maybe("ls-files", "--", ":(top).gitmodules"):
        facts["has_submodules"] = True
    facts["dirty"] = any(entry and not entry.startswith(b"?? ") for entry in entries)
    if untracked:
        printable = [name.encode("utf-8", "replace").decode() for name in untracked]
        facts["untracked"] = printable[:_MAX_UNTRACKED]
        facts["untracked_count"] = len(untracked)


def _read_base(git: _Git, facts: dict[str, object]) -> str:
    """The commit that others can have: the upstream branch's, else the nearest one of any remote.

    Empty where none is known.
    """
    upstream = git.maybe("rev-parse", "-q", "--verify", "@{upstream}")
    if not git.maybe("for-each-ref", "--count=1", "refs/remotes"):
        return upstream
    # Those that no remote has, and behind a dash those that they follow.
    own = git.text("rev-list", "--boundary", "HEAD", "--not", "--remotes").split()
    facts["is_pushed"] = not own
    return upstream or next((one[1:] for one in own if one.startswith("-")), "")


def _read_patch(git: _Git, found: Found, secrets: Secrets, *, name: str, commit: str) -> None:
    """The difference to a commit; of one that takes too long what has come until then."""
    late: _Failed | None = None
    try:
        patch = git.run(*_DIFF, commit)
    except _Failed as failed:
        late, patch = failed, failed.printed
    patch = _masked(patch, secrets)
    if patch and (late is not None or len(patch) > _MAX_PATCH_BYTES):
        why = "it is too large" if late is None else f"git {_TOO_LONG}"
        found.cut.append(name)
        found.facts["cut"] = found.cut
        patch = _cut(patch, why)
    if patch:
        found.patches[name] = patch
    if late is not None:
        raise late


def _masked(patch: bytes, secrets: Secrets) -> bytes:
    """Whatever bytes it holds besides, they stay as they are."""
    return secrets.mask_patch(patch.decode("utf-8", "surrogateescape")).encode(
        "utf-8", "surrogateescape"
    )


def _cut(patch: bytes, why: str) -> bytes:
    end = patch.rfind(b"\n", 0, _MAX_PATCH_BYTES) + 1
    return patch[:end] + f"\n# cut here, after {end:,} bytes: {why}\n".encode()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End it and what it has started, which would keep its output open."""
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()


class _Git:
    """Runs git until a time of `time.monotonic`, in the working directory or in `folder`."""

    def __init__(
        self, environ: Mapping[str, str], until: float, folder: Path | None = None
    ) -> None:
        self._place = () if folder is None else ("-C", str(folder))
        self._environ = {**environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
        self._until = until

    def run(self, *arguments: str) -> bytes:
        """What it printed.

        Raises:
            _Failed: It is not there, takes too long, or refuses.
        """
        try:
            process = subprocess.Popen(
                [*_GIT, *self._place, *arguments],
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            where = "git is not installed" if error.filename == "git" else str(error)
            raise _Failed(where) from error
        except OSError as error:
            raise _Failed(f"git cannot be run: {error}") from error
        with process:
            timer = threading.Timer(max(self._until - time.monotonic(), 0.01), _kill, (process,))
            timer.daemon = True
            timer.start()
            # More than is kept is not read, however large the difference is.
            printed = process.stdout.read(_MAX_OUTPUT_BYTES) if process.stdout else b""
            is_cut = len(printed) == _MAX_OUTPUT_BYTES
            if is_cut:
                _kill(process)
            said = process.stderr.read(_MAX_ERROR_BYTES) if process.stderr else b""
        timer.cancel()
        if time.monotonic() >= self._until:
            raise _Failed(f"git {arguments[0]} {_TOO_LONG}", printed)
        if process.returncode != 0 and not is_cut:
            line = said.decode("utf-8", "replace").strip().partition("\n")[0]
            raise _Failed(line or f"git {arguments[0]} ended with {process.returncode}")
        return printed

    def text(self, *arguments: str) -> str:
        """The line that it printed."""
        return os.fsdecode(self.run(*arguments)).rstrip("\n").encode("utf-8", "replace").decode()

    def maybe(self, *arguments: str) -> str:
        """The same, nothing where git has no answer.

        Raises:
            _Failed: It takes too long.
        """
        try:
            return self.text(*arguments)
        except _Failed:
            if time.monotonic() >= self._until:
                raise
            return ""
