"""Masks what must not be recorded: in arguments, in the environment, in addresses."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MASK = "***"
# Each begins where a word does: else a long word would be looked through from each of its letters.
_LOGIN = re.compile(
    r"(?<![A-Za-z0-9+.-])(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?P<login>[^/\s\"']+)@"
)
# Keys that say by their beginning whose they are, and tokens of three parts in base64.
_KEYS = re.compile(
    r"\b(?:(?:gh[opsu]|github_pat|glpat|hf|sk|xox[abp]|npm|pypi)[_-][A-Za-z0-9_-]{16,}"
    r"|A[KS]IA[A-Z0-9]{16}|AIza[\w-]{35}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]+)"
    r"|(?:(?<=Bearer )|(?<=Basic ))[^\s\"']+"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*KEY-----|\Z)",
    re.DOTALL,
)
# Tokens of hosts that mark theirs by nothing: 20 letters and digits or more.
_LOOKS_DRAWN = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z])[A-Za-z0-9_-]{20,}")
# A name with its value, as in JSON, in a query, behind a flag.
_PAIR = re.compile(
    r"(?<![\w.-])-*(?P<name>[A-Za-z][\w.-]*)[\"']?\s*[=:]\s*[\"']?(?=(?P<value>[^\s\"'&,;}]+))"
)
# The same with a blank: only behind a flag is what follows its value.
_OPTION = re.compile(
    r"(?<![\w.-])--?(?P<name>[A-Za-z][\w.-]*)\s+[\"']?(?=(?P<value>[^\s\"'&,;}-][^\s\"'&,;}]*))"
)
_WORD = re.compile(r"[A-Za-z0-9]+")


class Secrets:
    """Knows what is one, by patterns of names (`*` stands for anything, case does not matter)."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = [pattern.upper() for pattern in patterns]

    def is_named(self, name: str) -> bool:
        """Whether the value of this name is one."""
        upper = "_".join(_WORD.findall(name)).upper()
        return any(fnmatchcase(upper, pattern) for pattern in self._patterns)

    def mask(self, text: str) -> str:
        """A text without the logins of addresses, and without keys that can be told by their look.

        Of an address user and password go: a token often stands in the user's place.
        """
        text = _LOGIN.sub(rf"\g<scheme>{MASK}@", text)  # its user may be called `…token`
        for pattern in (_PAIR, _OPTION):
            parts, at = [], 0
            for pair in pattern.finditer(text):
                is_scheme = pair["value"] in {
                    "Bearer",
                    "Basic",
                }  # what follows is masked by its look
                if pair.start() >= at and not is_scheme and self.is_named(pair["name"]):
                    parts += [text[at : pair.end()], MASK]
                    at = pair.end() + len(pair["value"])
            text = "".join([*parts, text[at:]])
        return self.mask_patch(text)

    def mask_remote(self, address: str) -> str:
        """The address of a repository, which its user is a part of.

        A password goes. The user of SSH is an account's name, whatever it looks like, unless a
        password follows; any other that looks like a token is masked.
        """
        found = _LOGIN.search(address)
        if found is None:
            return self.mask(address)
        user, colon, password = found["login"].partition(":")
        is_ssh = "ssh" in found["scheme"].lower()
        # A token takes the user's place, with this or nothing as its password.
        is_token = not user or password == "x-oauth-basic"  # noqa: S105  # it is none
        if not is_ssh or colon:
            is_token |= bool(_KEYS.search(user) or _LOOKS_DRAWN.fullmatch(user))
        before, behind = address[: found.start()], address[found.end() :]
        kept = MASK if is_token else user
        return f"{self.mask(before)}{found['scheme']}{kept}@{self.mask(behind)}"

    def mask_patch(self, text: str) -> str:
        """The same but for what only its name makes one: code is full of names."""
        return _KEYS.sub(MASK, _LOGIN.sub(rf"\g<scheme>{MASK}@", text))

    def mask_arguments(self, arguments: Sequence[str]) -> list[str]:
        """A command's arguments: `--api-key x`, `--api-key=x` and `api_key=x` lose the `x`."""
        masked: list[str] = []
        is_value = False
        for argument in arguments:
            name, equals, value = argument.partition("=")
            if is_value and not argument.startswith("-"):
                masked.append(MASK)
                is_value = False
                continue
            is_secret = self.is_named(name) and _is_name(name)
            is_value = is_secret and not equals and argument.startswith("-")
            masked.append(
                f"{name}={MASK}" if is_secret and equals and value else self.mask(argument)
            )
        return masked

    def mask_environment(
        self, environ: Mapping[str, str], patterns: Sequence[str]
    ) -> dict[str, str]:
        """The variables of some patterns, by name; those that are secret are masked."""
        upper = [pattern.upper() for pattern in patterns]
        return {
            name: MASK if self.is_named(name) and value else self.mask(value)
            for name, value in sorted(environ.items())
            if any(fnmatchcase(name.upper(), pattern) for pattern in upper)
        }


def _is_name(text: str) -> bool:
    """Whether this names an option, rather than being a sentence or a path."""
    return re.fullmatch(r"[\w.+-]+", text) is not None
