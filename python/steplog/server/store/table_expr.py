"""The language of `where` and of computed columns: read into a tree, whatever the text is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_CHARS = 10_000
MAX_DEPTH = 30
"""Of parentheses and the like within each other."""
MAX_LEVELS = 100
"""Of the tree."""
MAX_NODES = 2_000

COMPARISONS = ("=", "!=", "<", "<=", ">", ">=")
TEXT_TESTS = ("like", "contains", "matches")
FUNCTIONS = {
    "length": (1, 1),
    "lower": (1, 1),
    "upper": (1, 1),
    "abs": (1, 1),
    "floor": (1, 1),
    "log": (1, 1),
    "exp": (1, 1),
    "sqrt": (1, 1),
    "round": (1, 2),
    "coalesce": (2, 10),
    "if": (3, 3),
}
"""Of each: the least and the most arguments."""

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")
    |(?P<quoted>`(?:[^`]|``)+`)
    |(?P<word>[^\W\d]\w*(?:\.\w+)*)
    |(?P<mark><=|>=|!=|<>|==|[-+*/%(),=<>])""",
    re.VERBOSE,
)
_SAME = {"==": "=", "<>": "!="}
_NAMED = {"true": True, "false": False, "null": None}
_WORDS = frozenset({"and", "or", "not", "in", "is", *TEXT_TESTS, *_NAMED})
_INT64 = 1 << 63


class ExprError(ValueError):
    """A text is no expression; `position` counts its characters from 0."""

    def __init__(self, detail: str, position: int) -> None:
        super().__init__(detail)
        self.position = position


@dataclass(frozen=True)
class Literal:
    """A value."""

    value: str | int | float | bool | None  # they are told apart
    at: int


@dataclass(frozen=True)
class Name:
    """A column."""

    name: str
    at: int


@dataclass(frozen=True)
class Call:
    """An operator or function of values."""

    name: str
    args: tuple[Node, ...]
    at: int
    levels: int
    """How deep the tree is from here on."""


Node = Literal | Name | Call


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    at: int


def parse(text: str) -> Node:
    """The tree of an expression.

    Raises:
        ExprError: It is none, or longer or deeper than we read.
    """
    if len(text) > MAX_CHARS:
        raise ExprError(f"an expression has at most {MAX_CHARS:,} characters", MAX_CHARS)
    return _Parser(text).whole()


def _tokens(text: str) -> list[_Token]:
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            what = (
                "a quote is not closed" if text[at] in "'\"`" else f"{text[at]!r} is not expected"
            )
            raise ExprError(what, at)
        kind, word = str(match.lastgroup), match.group()
        at = match.end()
        if kind == "space":
            continue
        if kind == "word" and word.lower() in _WORDS:
            kind, word = "mark", word.lower()
        found.append(_Token(kind, _SAME.get(word, word), match.start()))
    return [*found, _Token("end", "", len(text))]


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._next = 0
        self._depth = 0
        self._nodes = 0

    def whole(self) -> Node:
        found = self._either()
        if self._peek().kind != "end":
            raise self._unexpected()
        return found

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self, *marks: str) -> _Token | None:
        token = self._peek()
        if token.kind != "mark" or token.text not in marks:
            return None
        self._next += 1
        return token

    def _need(self, mark: str) -> None:
        if self._take(mark) is None:
            raise self._unexpected(f"`{mark}` is missing")

    def _unexpected(self, before: str = "") -> ExprError:
        token = self._peek()
        what = f"{token.text!r} is not expected" if token.kind != "end" else "it ends too early"
        return ExprError(f"{before}: {what}" if before else what, token.at)

    def _call(self, name: str, *args: Node, at: int) -> Call:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise ExprError(f"an expression has at most {MAX_NODES:,} parts", at)
        levels = 1 + max(one.levels if isinstance(one, Call) else 0 for one in args)
        if levels > MAX_LEVELS:
            raise ExprError(f"an expression has at most {MAX_LEVELS} levels", at)
        return Call(name, args, at, levels)

    def _deeper(self, read: Callable[[], Node]) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ExprError(f"parts are nested over {MAX_DEPTH} deep", self._peek().at)
        found = read()
        self._depth -= 1
        return found

    def _chain(self, read: Callable[[], Node], *marks: str) -> Node:
        left = read()
        while token := self._take(*marks):
            left = self._call(token.text, left, read(), at=token.at)
        return left

    def _flat(self, read: Callable[[], Node], mark: str) -> Node:
        """Of any number, without a level for each."""
        at = self._peek().at
        parts = [read()]
        while self._take(mark):
            parts.append(read())
        return parts[0] if len(parts) == 1 else self._call(mark, *parts, at=at)

    def _either(self) -> Node:
        return self._deeper(lambda: self._flat(self._all, "or"))

    def _all(self) -> Node:
        return self._flat(self._not, "and")

    def _not(self) -> Node:
        token = self._take("not")
        if token is None:
            return self._test()
        return self._call("not", self._deeper(self._not), at=token.at)

    def _test(self) -> Node:
        left = self._sum()
        if token := self._take(*COMPARISONS):
            return self._call(token.text, left, self._sum(), at=token.at)
        if token := self._take("is"):
            is_not = self._take("not")
            self._need("null")
            found: Node = self._call("is null", left, at=token.at)
            return self._call("not", found, at=token.at) if is_not else found
        is_not = self._take("not")
        token = self._take("in", *TEXT_TESTS)
        if token is None:
            if is_not:
                raise self._unexpected("`in`, `like`, `contains` or `matches` is missing")
            return left
        if token.text == "in":
            self._need("(")
            found = self._call("in", left, *self._listed(), at=token.at)
        else:
            found = self._call(token.text, left, self._sum(), at=token.at)
        return self._call("not", found, at=token.at) if is_not else found

    def _sum(self) -> Node:
        return self._chain(self._product, "+", "-")

    def _product(self) -> Node:
        return self._chain(self._sign, "*", "/", "%")

    def _sign(self) -> Node:
        token = self._take("-")
        if token is None:
            return self._atom()
        found = self._deeper(self._sign)
        if isinstance(found, Literal) and type(found.value) in {int, float}:
            return Literal(-found.value, token.at)  # type: ignore[operator]  # a number
        return self._call("neg", found, at=token.at)

    def _atom(self) -> Node:
        token = self._peek()
        if self._take("("):
            return self._closed()
        if token.kind == "end" or (token.kind == "mark" and token.text not in _NAMED):
            raise self._unexpected()
        self._next += 1
        if token.kind in {"mark", "number", "text"}:
            return _literal(token)
        if token.kind == "quoted":
            return Name(token.text[1:-1].replace("``", "`"), token.at)
        return self._function(token) if self._take("(") else Name(token.text, token.at)

    def _closed(self) -> Node:
        found = self._either()
        self._need(")")
        return found

    def _function(self, token: _Token) -> Node:
        name = token.text.lower()
        if name not in FUNCTIONS:
            known = ", ".join(FUNCTIONS)
            raise ExprError(f"there is no function {token.text!r}, but {known}", token.at)
        args = self._listed()
        least, most = FUNCTIONS[name]
        if not least <= len(args) <= most:
            many = f"{least}" if least == most else f"{least} to {most}"
            raise ExprError(f"{name} takes {many} values, not {len(args)}", token.at)
        return self._call(name, *args, at=token.at)

    def _listed(self) -> list[Node]:
        found = [self._either()]
        while self._take(","):
            found.append(self._either())
        self._need(")")
        return found


def _literal(token: _Token) -> Literal:
    if token.kind == "mark":
        return Literal(_NAMED[token.text], token.at)
    if token.kind == "number":
        return Literal(_number(token), token.at)
    quote = token.text[0]
    return Literal(token.text[1:-1].replace(quote * 2, quote), token.at)


def _number(token: _Token) -> int | float:  # they are told apart
    if token.text.isdigit() and int(token.text[:20]) < _INT64:
        return int(token.text) if len(token.text) < 20 else float(token.text)  # noqa: PLR2004
    return float(token.text)


__all__ = ["Call", "ExprError", "Literal", "Name", "Node", "parse"]
