"""What a line of output says of how much it matters.

Forms: Python's `logging`, `warnings` and tracebacks, uvicorn, glog (https://github.com/google/glog,
"Log Line Prefix Format"), and records such as `level=error` or `"level": "error"`.
"""

from __future__ import annotations

from functools import lru_cache

from steplog.server._decode import Pattern

LEVELS = ("error", "warn", "info", "debug")
"""From the one that matters most on."""

_WORDS = {
    "error": "critical|fatal|error|severe",
    "warn": "warning|warn",
    "info": "info|notice",
    "debug": "debug|trace",
}
_GLOG = {"error": "[EF]", "warn": "W", "info": "I", "debug": "V"}
_PLAIN = "KeyboardInterrupt|SystemExit|StopIteration|StopAsyncIteration|GeneratorExit"
_OTHER = {
    "error": (
        # Those of a group of errors have a frame of `|` and `+`.
        r"^[ |+]*(?:Exception Group )?Traceback \(most recent call last\):",
        rf"^(?: *\| )*(?:\w+\.)*\w*(?:Error|Exception|ExceptionGroup|{_PLAIN})(?::|$)",
    ),
    "warn": (r"\b\w*Warning: ",),
}


@lru_cache(maxsize=len(LEVELS))
def least(level: str) -> str:
    """A regular expression of lines that name a level, or one that matters more."""
    levels = LEVELS[: LEVELS.index(level) + 1]
    words = "|".join(_WORDS[one] for one in levels)
    return "|".join(
        (
            rf"\b(?:{words.upper()})\b",
            rf"(?i:\b(?:level|lvl|severity)[\"']?\s*[=:]\s*[\"']?(?:{words})\b)",
            rf"(?i:^\s*(?:{words}):\s)",
            rf"(?i:\[(?:{words})\])",
            *(rf"^{_GLOG[one]}[0-9]{{4}} [0-9]{{2}}:" for one in levels),
            *(pattern for one in levels for pattern in _OTHER.get(one, ())),
        )
    )


@lru_cache(maxsize=len(LEVELS))
def pattern(level: str) -> Pattern:
    """The same, for lines that the engine does not have."""
    return Pattern(least(level))
