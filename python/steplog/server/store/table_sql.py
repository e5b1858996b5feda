"""Expressions as SQL: fixed words, columns by their numbers, values as parameters."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from steplog._errors import UsageError
from steplog.server._decode import Pattern
from steplog.server.store.engine import text_param
from steplog.server.store.table_expr import COMPARISONS, TEXT_TESTS, ExprError, Literal, Name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steplog.server.store.table_expr import Call, Node

_NUMBERS = frozenset({"int", "float"})
_TEXTS = frozenset({"text", "media", "json"})
_ARITHMETIC = {
    "+": "plus",
    "-": "minus",
    "*": "multiply",
    "/": "divide",
    "neg": "negate",
    **{name: name for name in ("abs", "floor", "log", "exp", "sqrt")},
}
_WORDS = {"int": "a number", "float": "a number", "bool": "true or false", "text": "a text"}
_MAX_DIGITS = 15


@dataclass(frozen=True)
class Sql:
    """A value in SQL, and its kind: as of a column, or `null`."""

    text: str
    kind: str


@dataclass
class Compiler:
    """Makes SQL of expressions over columns; gathers the parameters of a query.

    Attributes:
        columns: By name: the column in the engine, which is a name of ours, and its kind.
        params: What the SQL refers to.
    """

    columns: Mapping[str, Sql]
    params: dict[str, int | str] = field(default_factory=dict)

    def condition(self, node: Node) -> str:
        """What holds or not; missing values make it not hold.

        Raises:
            ExprError: Something in it does not fit.
        """
        return self._bool(node)

    def value(self, node: Node) -> Sql:
        """What a node comes to.

        Raises:
            ExprError: Something in it does not fit.
        """
        if isinstance(node, Literal):
            return self._literal(node)
        if isinstance(node, Name):
            found = self.columns.get(node.name)
            if found is None:
                raise ExprError(f"there is no column {node.name!r}", node.at)
            return found
        return self._called(node)

    def param(self, value: str | int, of_type: str) -> str:
        """A parameter of a query; `of_type` is a word of ours."""
        name = f"p{len(self.params)}"
        self.params[name] = text_param(value) if isinstance(value, str) else value
        return f"{{{name}:{of_type}}}"

    def _literal(self, node: Literal) -> Sql:
        value = node.value
        if isinstance(value, bool):
            return Sql(self.param(int(value), "UInt8"), "bool")
        if isinstance(value, int):
            return Sql(self.param(value, "Int64"), "int")
        if isinstance(value, float):
            bits = self.param(float_bits(value), "UInt64")
            return Sql(f"reinterpretAsFloat64({bits})", "float")
        if isinstance(value, str):
            return Sql(self.param(value, "String"), "text")
        return Sql("NULL", "null")

    def _called(self, node: Call) -> Sql:
        for names, make, kind in (
            ({"and", "or", "not"}, self._logical, "bool"),
            ({"is null"}, self._is_null, "bool"),
            (COMPARISONS, self._comparison, "bool"),
            ({"in"}, self._is_in, "bool"),
            (TEXT_TESTS, self._text_test, "bool"),
            (_ARITHMETIC, self._arithmetic, "float"),
            ({"round"}, self._round, "float"),
            ({"%"}, self._remainder, "float"),
            ({"lower", "upper"}, self._cased, "text"),
            ({"length"}, self._length, "int"),
        ):
            if node.name in names:
                return Sql(make(node), kind)
        return self._chosen(node)

    def _logical(self, node: Call) -> str:
        return f"{node.name}({', '.join(map(self._bool, node.args))})"

    def _is_null(self, node: Call) -> str:
        return f"isNull({self.value(node.args[0]).text})"

    def _comparison(self, node: Call) -> str:
        return self._compared(node.name, node.args[0], node.args[1])

    def _is_in(self, node: Call) -> str:
        tests = [self._compared("=", node.args[0], one) for one in node.args[1:]]
        return f"or({', '.join(tests)}, 0)"

    def _arithmetic(self, node: Call) -> str:
        return f"{_ARITHMETIC[node.name]}({', '.join(map(self._float, node.args))})"

    def _remainder(self, node: Call) -> str:
        # It has the sign of what is divided, as in C.
        left, right = map(self._float, node.args)
        return f"minus({left}, multiply(trunc(divide({left}, {right})), {right}))"

    def _round(self, node: Call) -> str:
        return f"round({self._float(node.args[0])}, {self._digits(node)})"

    def _cased(self, node: Call) -> str:
        return f"{node.name}({self._text(node.args[0])})"

    def _length(self, node: Call) -> str:
        is_json = self.value(node.args[0]).kind == "json"
        return f"toInt64({'JSONLength' if is_json else 'lengthUTF8'}({self._text(node.args[0])}))"

    def _chosen(self, node: Call) -> Sql:
        """`coalesce` and `if`: values of one kind, one of which it is."""
        values = node.args if node.name == "coalesce" else node.args[1:]
        found = [self.value(one) for one in values]
        kinds = {one.kind for one in found} - {"null"}
        if len(kinds) > 1 and kinds <= _NUMBERS:
            found = [Sql(f"toFloat64({one.text})", "float") for one in found]
            kinds = {"float"}
        if len(kinds) != 1:
            raise ExprError(f"{node.name} chooses among values of one kind", node.at)
        texts = ", ".join(one.text for one in found)
        if node.name == "coalesce":
            return Sql(f"coalesce({texts})", kinds.pop())
        return Sql(f"if(ifNull({self._bool(node.args[0])}, 0), {texts})", kinds.pop())

    def _digits(self, node: Call) -> int:
        if len(node.args) == 1:
            return 0
        digits = node.args[1]
        if (
            not isinstance(digits, Literal)
            or type(digits.value) is not int
            or abs(digits.value) > _MAX_DIGITS
        ):
            raise ExprError(f"round takes a number of digits up to {_MAX_DIGITS}", digits.at)
        return digits.value

    def _bool(self, node: Node) -> str:
        found = self.value(node)
        if found.kind not in {"bool", "null"}:
            raise ExprError(f"this is {_word(found)}, not a condition", node.at)
        return found.text if found.kind == "bool" else "CAST(NULL, 'Nullable(UInt8)')"

    def _float(self, node: Node) -> str:
        found = self.value(node)
        if found.kind in _NUMBERS or found.kind in {"bool", "null"}:
            return f"toFloat64({found.text})"
        if found.kind == "time":
            return f"divide(toFloat64({found.text}), 1000)"
        if found.kind == "json":
            return _number_of_json(found)
        raise ExprError(f"this is {_word(found)}, not a number", node.at)

    def _text(self, node: Node) -> str:
        found = self.value(node)
        if found.kind not in _TEXTS:
            raise ExprError(f"this is {_word(found)}, not a text", node.at)
        return found.text

    def _text_test(self, node: Call) -> str:
        left, right = node.args
        if not isinstance(right, Literal) or not isinstance(right.value, str):
            raise ExprError(f"`{node.name}` takes a text in quotes", right.at)
        if node.name == "matches":
            _check_pattern(right)
        text, pattern = self._text(left), self.param(right.value, "String")
        if node.name == "contains":
            return f"greater(position({text}, {pattern}), 0)"
        return f"{'like' if node.name == 'like' else 'match'}({text}, {pattern})"

    def _compared(self, name: str, left: Node, right: Node) -> str:
        sides = self.value(left), self.value(right)
        kinds = {one.kind for one in sides}
        if "null" in kinds:
            return "CAST(NULL, 'Nullable(UInt8)')"
        if "json" in kinds and len(kinds) > 1:
            sides = self._beside_json((left, right), sides, name)
        elif "time" in kinds and len(kinds) > 1:
            sides = self._beside_time((left, right), sides)
        elif len(kinds) > 1 and not kinds <= _NUMBERS:
            detail = f"{_word(sides[0])} is compared with {_word(sides[1])}"
            raise ExprError(detail, right.at)
        return f"{_COMPARE[name]}({sides[0].text}, {sides[1].text})"

    def _beside_json(
        self, nodes: tuple[Node, Node], sides: tuple[Sql, Sql], name: str
    ) -> tuple[Sql, Sql]:
        """JSON and another kind: as numbers, or by their JSON text."""

        def other(node: Node, side: Sql) -> Sql:
            if side.kind in _NUMBERS:
                return Sql(f"toFloat64({side.text})", "float")
            if side.kind == "bool":
                return Sql(f"if({side.text}, 'true', 'false')", "json")
            if isinstance(node, Literal) and name in {"=", "!="}:
                text = json.dumps(node.value, ensure_ascii=False)
                return Sql(self.param(text, "String"), "json")
            if side.kind == "text" and name in {"=", "!="}:
                return Sql(f"toJSONString({side.text})", "json")
            raise ExprError(f"a column of mixed kinds is compared with {_word(side)}", node.at)

        is_number = any(side.kind in _NUMBERS for side in sides)
        left, right = (
            (Sql(_number_of_json(side), "float") if is_number else side)
            if side.kind == "json"
            else other(node, side)
            for node, side in zip(nodes, sides, strict=True)
        )
        return left, right

    def _beside_time(self, nodes: tuple[Node, Node], sides: tuple[Sql, Sql]) -> tuple[Sql, Sql]:
        """A time and a text that says one, or milliseconds since the epoch."""

        def other(node: Node, side: Sql) -> Sql:
            if side.kind in _NUMBERS:
                return Sql(f"multiply(toFloat64({side.text}), 1000)", "float")
            if isinstance(node, Literal) and isinstance(node.value, str):
                return Sql(self.param(_micros(node), "Int64"), "int")
            raise ExprError(f"a time is compared with {_word(side)}", node.at)

        left, right = (
            side if side.kind == "time" else other(node, side)
            for node, side in zip(nodes, sides, strict=True)
        )
        return left, right


_COMPARE = {
    "=": "equals",
    "!=": "notEquals",
    "<": "less",
    "<=": "lessOrEquals",
    ">": "greater",
    ">=": "greaterOrEquals",
}


def float_bits(value: float) -> int:
    """A float as a parameter of the type UInt64, which loses nothing of it."""
    return int.from_bytes(struct.pack("<d", value), "little")


def _word(sql: Sql) -> str:
    return _WORDS.get(sql.kind, f"of kind {sql.kind}")


def _number_of_json(sql: Sql) -> str:
    return f"toFloat64OrNull({sql.text})"


def _check_pattern(node: Literal) -> None:
    # The engine's dialect is a little different, and refuses what is wrong there later.
    try:
        Pattern(str(node.value))
    except UsageError as error:
        raise ExprError(str(error), node.at) from error


def _micros(node: Literal) -> int:
    try:
        time = datetime.fromisoformat(str(node.value).replace("Z", "+00:00"))
    except ValueError as error:
        detail = "a time is a text such as '2024-01-31T12:00:00', in UTC where it says no zone"
        raise ExprError(detail, node.at) from error
    if time.tzinfo is None:
        time = time.replace(tzinfo=timezone.utc)
    since = time - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


__all__ = ["Compiler", "Sql", "float_bits"]
