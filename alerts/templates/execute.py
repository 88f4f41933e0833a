"""A template's tree with data into text, with Go's messages for what goes wrong.

Source:
    Go 1.26, ``text/template/exec.go``, with the option ``missingkey=zero``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum, auto
from typing import Final, NoReturn

from alerts.templates.errors import CallError, TemplateError
from alerts.templates.functions import ANY, RESULT, SAMPLE, STRING, Function
from alerts.templates.lex import quoted
from alerts.templates.nodes import (
    Action,
    Branch,
    Call,
    Chain,
    Command,
    Dot,
    Field,
    Identifier,
    Leave,
    Literal,
    Nil,
    Node,
    Operand,
    Pipeline,
    Text,
    Variable,
)
from alerts.templates.parse import Template
from alerts.templates.printing import shown
from alerts.templates.times import Duration, Time
from alerts.templates.values import FIELDS, AnyMap, QueryResult, Sample, StringMap, Value, is_true, type_name

MOST_STEPS: Final = 100_000
"""Nodes that one text may walk: a loop over 20,000 series with a few actions."""
MOST_CHARACTERS: Final = 1_000_000
MOST_DEPTH: Final = 50
"""Templates within templates."""
_PYTHON_TYPES: Final[Mapping[str, type]] = {
    STRING: str, SAMPLE: Sample, RESULT: QueryResult, "duration": Duration, "time": Time,
}  # fmt: skip
_GO_TYPES: Final = {"duration": "time.Duration", "time": "time.Time"}

Positioned = Node | Operand | Command


class _Missing(Enum):
    """No value came down the pipeline: not the same as nil."""

    MISSING = auto()


MISSING: Final = _Missing.MISSING


class _Left(Exception):
    """``break`` or ``continue`` on its way to its range."""

    def __init__(self, word: str) -> None:
        self.word = word


class Execution:
    """Walks one template once."""

    def __init__(self, template: Template, functions: Mapping[str, Function]) -> None:
        """Remember what is walked and what it may call."""
        self._template, self._functions = template, functions
        self._name = template.name
        self._at: Positioned | None = None
        self._variables: list[tuple[str, Value]] = []
        self._written: list[str] = []
        self._length = self._steps = self._depth = 0

    def text(self, data: Value) -> str:
        """The template filled in with ``data`` as its dot.

        Raises:
            TemplateError: Something in it cannot be evaluated, or it is too much of it.
        """
        nodes = self._template.trees[self._template.name]
        self._variables = [("$", data)]
        try:
            self._walk_all(data, nodes)
        except RecursionError:
            self._fail("exceeded maximum template depth")
        return "".join(self._written)

    # Walking ---------------------------------------------------------------------------------------------------------

    def _fail(self, message: str) -> NoReturn:
        if self._at is None:
            raise TemplateError(f"template: {self._name}: {message}")
        before = self._template.text[: self._at.at]
        line_start = before.rfind("\n") + 1
        place = f"{self._template.name}:{1 + before.count(chr(10))}:{len(before[line_start:].encode())}"
        raise TemplateError(f"template: {place}: executing {quoted(self._name)} at <{self._at}>: {message}")

    def _write(self, text: str) -> None:
        self._length += len(text)
        if self._length > MOST_CHARACTERS:
            self._fail(f"more than {MOST_CHARACTERS} characters")
        self._written.append(text)

    def _walk_all(self, dot: Value, nodes: Iterable[Node]) -> None:
        for node in nodes:
            self._step()
            self._walk(dot, node)

    def _step(self) -> None:
        self._steps += 1
        if self._steps > MOST_STEPS:
            self._fail(f"more than {MOST_STEPS} steps")

    def _walk(self, dot: Value, node: Node) -> None:
        if isinstance(node, Text):
            self._write(node.text)
        elif isinstance(node, Action):
            value = self._pipeline(dot, node.pipeline)
            if not node.pipeline.declared:
                self._write("<no value>" if value is None else shown(value))
        elif isinstance(node, Branch):
            self._branch(dot, node)
        elif isinstance(node, Leave):
            raise _Left(node.word)
        else:
            self._call_template(dot, node)

    def _branch(self, dot: Value, node: Branch) -> None:
        mark = len(self._variables)
        value = self._pipeline(dot, node.pipeline)
        if node.word == "range":
            self._range(dot, node, value)
        elif is_true(value):
            self._walk_all(value if node.word == "with" else dot, node.body)
        else:
            self._walk_all(dot, node.otherwise)
        del self._variables[mark:]

    def _range(self, dot: Value, node: Branch, value: Value) -> None:
        elements = self._elements(node, value)
        mark = len(self._variables)
        for index, element in elements:
            self._step()
            self._bind(node.pipeline, index, element)
            try:
                self._walk_all(element, node.body)
            except _Left as left:
                if left.word == "break":
                    break
            finally:
                del self._variables[mark:]
        if not elements:
            self._walk_all(dot, node.otherwise)

    def _elements(self, node: Branch, value: Value) -> Sequence[tuple[Value, Value]]:
        self._at = node.pipeline
        if value is None:
            return []
        if isinstance(value, list):
            return list(enumerate(value))
        if isinstance(value, dict):
            return [(key, value[key]) for key in sorted(value)]
        if isinstance(value, bool) or not isinstance(value, int):
            self._fail(f"range can't iterate over {shown(value)}")
        if len(node.pipeline.declared) > 1:
            self._fail(f"can't use {value} to iterate over more than one variable")
        return [(None, number) for number in range(min(value, MOST_STEPS + 1))]

    def _bind(self, pipeline: Pipeline, index: Value, element: Value) -> None:
        """The variables of a range: with two the index comes first."""
        values = [element] if len(pipeline.declared) == 1 else [index, element]
        for variable, value in zip(pipeline.declared, values, strict=False):
            self._set(variable.names[0], value)

    def _call_template(self, dot: Value, node: Call) -> None:
        self._at = node
        nodes = self._template.trees.get(node.name)
        if nodes is None:
            self._fail(f"template {quoted(node.name)} not defined")
        if self._depth >= MOST_DEPTH:
            self._fail(f"exceeded maximum template depth ({MOST_DEPTH})")
        inner = None if node.pipeline is None else self._pipeline(dot, node.pipeline)
        around, name = self._variables, self._name
        self._variables, self._name, self._depth = [("$", inner)], node.name, self._depth + 1
        self._walk_all(inner, nodes)
        self._variables, self._name, self._depth = around, name, self._depth - 1

    # Evaluating ------------------------------------------------------------------------------------------------------

    def _pipeline(self, dot: Value, pipeline: Pipeline) -> Value:
        self._at = pipeline
        value: Value = MISSING
        for command in pipeline.commands:
            value = self._command(dot, command, value)
        for variable in pipeline.declared:
            if pipeline.assigns:
                self._set(variable.names[0], value)
            else:
                self._variables.append((variable.names[0], value))
        return value

    def _set(self, name: str, value: Value) -> None:
        for place in range(len(self._variables) - 1, -1, -1):
            if self._variables[place][0] == name:
                self._variables[place] = (name, value)
                return
        self._fail(f"undefined variable: {name}")

    def _command(self, dot: Value, command: Command, final: Value) -> Value:
        first, *arguments = command.operands
        if isinstance(first, Identifier):
            self._at = first
            return self._function(dot, first.name, command, arguments, final)
        if isinstance(first, Field | Variable | Chain):
            return self._fields(dot, first, arguments, final)
        self._at = first if not isinstance(first, Pipeline) else self._at
        if arguments or final is not MISSING:
            self._fail(f"can't give argument to non-function {first}")
        if isinstance(first, Nil):
            self._fail("nil is not a command")
        return self._plain(dot, first)

    def _plain(self, dot: Value, operand: Operand) -> Value:
        if isinstance(operand, Dot):
            return dot
        if isinstance(operand, Pipeline):
            return self._pipeline(dot, operand)
        if isinstance(operand, Literal):
            return operand.value
        if isinstance(operand, Identifier):
            return self._function(dot, operand.name, operand, [], MISSING)
        if isinstance(operand, Field | Variable | Chain):
            return self._fields(dot, operand, [], MISSING)
        return None

    def _fields(self, dot: Value, node: Field | Variable | Chain, arguments: Sequence[Operand], final: Value) -> Value:
        self._at = node
        if isinstance(node, Chain):
            if isinstance(node.of, Nil):
                self._fail(f"indirection through explicit nil in {node}")
            receiver, names = self._plain(dot, node.of), node.names
        elif isinstance(node, Variable):
            receiver, names = self._value_of(node.names[0]), node.names[1:]
            if not names and (arguments or final is not MISSING):
                self._fail(f"can't give argument to non-function {node}")
        else:
            receiver, names = dot, node.names
        for name in names[:-1]:
            receiver = self._field(dot, name, node, [], MISSING, receiver)
        return self._field(dot, names[-1], node, arguments, final, receiver) if names else receiver

    def _value_of(self, name: str) -> Value:
        for known, value in reversed(self._variables):
            if known == name:
                return value
        self._fail(f"undefined variable: {name}")

    def _field(
        self, dot: Value, name: str, node: Operand, arguments: Sequence[Operand], final: Value, receiver: Value
    ) -> Value:
        if receiver is None:
            return None
        if isinstance(receiver, Time | Duration) and name in receiver.methods:
            method = Function(takes=receiver.methods[name], call=getattr(receiver, name))
            return self._called(dot, method, node, name, arguments, final)
        has_arguments = bool(arguments) or final is not MISSING
        if name in FIELDS.get(type(receiver), ()):
            if has_arguments:
                self._fail(f"{name} has arguments but cannot be invoked as function")
            return getattr(receiver, name)
        if isinstance(receiver, StringMap | AnyMap):
            if has_arguments:
                self._fail(f"{name} is not a method but has arguments")
            return receiver.get(name, "" if isinstance(receiver, StringMap) else None)
        self._fail(f"can't evaluate field {name} in type {type_name(receiver)}")

    # Calling ---------------------------------------------------------------------------------------------------------

    def _function(self, dot: Value, name: str, node: Positioned, arguments: Sequence[Operand], final: Value) -> Value:
        function = self._functions[name]
        if name in ("and", "or"):
            return self._and_or(dot, name, arguments, final)
        return self._called(dot, function, node, name, arguments, final)

    def _and_or(self, dot: Value, name: str, arguments: Sequence[Operand], final: Value) -> Value:
        if not arguments and final is MISSING:
            self._fail(f"wrong number of args for {name}: want at least 1 got 0")
        value: Value = None
        for argument in arguments:
            value = self._argument(dot, ANY, argument)
            if is_true(value) == (name == "or"):
                return value
        return value if final is MISSING else final

    def _called(
        self, dot: Value, function: Function, node: Positioned, name: str, arguments: Sequence[Operand], final: Value
    ) -> Value:
        given = len(arguments) + (final is not MISSING)
        if function.rest and given < len(function.takes):
            self._fail(f"wrong number of args for {name}: want at least {len(function.takes)} got {len(arguments)}")
        if not function.rest and given != len(function.takes):
            self._fail(f"wrong number of args for {name}: want {len(function.takes)} got {given}")
        types = [*function.takes, *[function.rest] * (given - len(function.takes))]
        values = [self._argument(dot, kind, one) for kind, one in zip(types, arguments, strict=False)]
        if final is not MISSING:
            values.append(self._validated(final, types[-1]))
        try:
            return function.call(*values)
        except CallError as error:
            self._at = node
            self._fail(f"error calling {name}: {error}")

    def _argument(self, dot: Value, kind: str, node: Operand) -> Value:
        self._at = node
        if isinstance(node, Nil):
            if kind == STRING:
                self._fail("cannot assign nil to string")
            return None
        if not isinstance(node, Literal):
            return self._validated(self._plain(dot, node), kind)
        if kind == STRING and not isinstance(node.value, str):
            self._fail(f"expected string; found {node}")
        if kind not in (STRING, ANY):
            self._fail(f"can't handle {node} for arg of type {_GO_TYPES.get(kind, kind)}")
        return node.value

    def _validated(self, value: Value, kind: str) -> Value:
        wanted = _PYTHON_TYPES.get(kind)
        if wanted is None or isinstance(value, wanted):
            return value
        go_type = _GO_TYPES.get(kind, kind)
        if value is None:
            if kind in (SAMPLE, RESULT):
                return QueryResult() if kind == RESULT else None
            self._fail(f"invalid value; expected {go_type}")
        self._fail(f"wrong type for value; expected {go_type}; got {type_name(value)}")
