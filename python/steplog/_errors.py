"""The exception tree of steplog; imports nothing of ours.

SteplogError
├─ UsageError(ValueError)        the caller's mistake: raised at once, at the call
│  ├─ ArgumentTypeError(TypeError)   … of type
│  ├─ ConfigError                    a config cannot be read, or would change without leave
│  ├─ RunClosedError(RuntimeError)   logging after finish
│  ├─ ArtifactFinalizedError         an artifact that is logged takes nothing more
│  ├─ ArtifactNotLoggedError(AttributeError)  … that is not logged, or not committed, has it not yet
│  ├─ MissingEntryError(KeyError)    an artifact has no such entry
│  └─ BatchError                     a batch that the server cannot read
│     └─ BatchTooLargeError          … or that is over the documented size
├─ StorageError(OSError)         the log cannot be written or read; errno kept
│  └─ CorruptLogError            bytes disagree with their checksum, not at the tail
├─ ServerError                   the server refused for good; never for "try again"
│  └─ RefusedError                   … with a status of HTTP
│     └─ NotFoundError(LookupError)     … since it has no such run or file
├─ WaitTimeoutError(TimeoutError)   what was waited for has not come in time
└─ InternalError(RuntimeError)   our bug; asks for a report
"""

from __future__ import annotations

import contextlib
import json


class SteplogError(Exception):
    """Base of every exception that steplog raises on purpose."""


class UsageError(SteplogError, ValueError):
    """The caller's mistake, raised at the call that made it."""


class ArgumentTypeError(UsageError, TypeError):
    """An argument has the wrong type."""


class ConfigError(UsageError):
    """A config cannot be read, or a value of it would change without leave."""


class RunClosedError(UsageError, RuntimeError):
    """The run has finished and takes no more data."""

    @classmethod
    def at(cls, call: str) -> RunClosedError:
        """That of a call, which is named."""
        return cls(f"the run is finished: {call} takes nothing more")


class ArtifactFinalizedError(UsageError):
    """The artifact is logged: a new version of it begins with `new_draft`."""


class ArtifactNotLoggedError(UsageError, AttributeError):
    """The artifact has this only once it is logged, and the server has committed it."""


class MissingEntryError(UsageError, KeyError):
    """The artifact has no entry of that name."""

    __str__ = Exception.__str__  # KeyError's is the repr of it


class BatchError(UsageError):
    """A batch of records is malformed: the server cannot read it."""


class BatchTooLargeError(BatchError):
    """A batch is over the size that the server accepts, decoded."""


class StorageError(SteplogError, OSError):
    """The log cannot be written or read. `errno` is kept where the system gave one."""


class CorruptLogError(StorageError):
    """Bytes of the log disagree with their checksum, and not at the torn tail of a crash."""


class ServerError(SteplogError):
    """The server refused for good: wrong key, unknown version, request too large."""


class RefusedError(ServerError):
    """The server answered a request with another status than 200, and with which."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class NotFoundError(RefusedError, LookupError):
    """The server has no such run, or no such file of it, or not yet what the file holds."""


class WaitTimeoutError(SteplogError, TimeoutError):
    """What was waited for has not come in the time that it was given."""


class InternalError(SteplogError, RuntimeError):
    """A bug in steplog. Please report it with the traceback."""


def problem_text(data: bytes) -> str:
    """The reason in a server's problem document, nothing when the bytes are none."""
    with contextlib.suppress(ValueError, AttributeError):
        problem = json.loads(data)
        return str(problem.get("detail") or problem.get("title") or "")
    return ""
