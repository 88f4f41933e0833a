"""A template's tokens into its tree, with Go's messages for what is wrong.

Source:
    Go 1.26, ``text/template/parse/parse.go``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final, NoReturn

from alerts.templates.constants import number_of, string_of
from alerts.templates.errors import TemplateError
from alerts.templates.lex import Kind, Lexer, Token, quoted
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

MAX_DEPTH: Final = 100
"""Of nested parentheses and blocks; Go allows 10,000, Python's stack does not."""
_OPERANDS: Final = frozenset(
    [Kind.BOOL, Kind.CHAR_CONSTANT, Kind.DOT, Kind.FIELD, Kind.IDENTIFIER, Kind.NUMBER, Kind.STRING, Kind.VARIABLE]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A parsed text: its own tree and those that it defines, by name."""

    name: str
    text: str
    trees: dict[str, tuple[Node, ...]]


@dataclass(slots=True, kw_only=True)
class _End:
    """What ended a list of nodes: ``end`` or ``else``; ``pending`` where an ``if`` or ``with`` follows the else."""

    word: str
    pending: str = ""


def parse(name: str, text: str, functions: Collection[str]) -> Template:
    """The tree of ``text``.

    Raises:
        TemplateError: It is no template, or calls a function that is not in ``functions``.
    """
    parser = _Parser(name, text, functions)
    parser.parse()
    return Template(name=name, text=text, trees=parser.trees)


@dataclass(slots=True)
class _Scope:
    """What one definition knows: its variables, and how deep it is in ranges."""

    variables: list[str] = field(default_factory=lambda: ["$"])
    ranges: int = 0


class _Parser:
    """Reads one text; ``trees`` holds what it defined."""

    def __init__(self, name: str, text: str, functions: Collection[str]) -> None:
        self._name, self._functions = name, functions
        self._tokens = list(Lexer(text).tokens())
        self._next = 0
        self._scope = _Scope()
        self._action_line = 0
        self._depth = 0
        self.trees: dict[str, tuple[Node, ...]] = {}

    # Tokens ----------------------------------------------------------------------------------------------------------

    def _take(self) -> Token:
        token = self._tokens[min(self._next, len(self._tokens) - 1)]
        self._next += 1
        return token

    def _peek(self) -> Token:
        return self._tokens[min(self._next, len(self._tokens) - 1)]

    def _take_word(self) -> Token:
        """The next token that is no space."""
        while self._peek().kind is Kind.SPACE:
            self._next += 1
        return self._take()

    def _peek_word(self) -> Token:
        token = self._take_word()
        self._next -= 1
        return token

    def _fail(self, message: str) -> NoReturn:
        line = self._tokens[min(max(self._next - 1, 0), len(self._tokens) - 1)].line
        raise TemplateError(f"template: {self._name}:{line}: {message}")

    def _unexpected(self, token: Token, context: str) -> NoReturn:
        if token.kind is Kind.ERROR:
            started = ""
            if self._action_line and self._action_line != token.line:
                started = f" in action started at {self._name}:{self._action_line}"
                if token.text.endswith(" action"):
                    started = started.removeprefix(" in action")
            self._fail(f"{token}{started}")
        self._fail(f"unexpected {token} in {context}")

    def _expect(self, kind: Kind, context: str) -> Token:
        token = self._take_word()
        if token.kind is not kind:
            self._unexpected(token, context)
        return token

    # Lists of nodes --------------------------------------------------------------------------------------------------

    def parse(self) -> None:
        """Read to the end."""
        nodes: list[Node] = []
        while self._peek().kind is not Kind.EOF:
            if self._defines():
                self._definition()
                continue
            node = self._text_or_action()
            if isinstance(node, _End):
                self._fail(f"unexpected {{{{{node.word}}}}}")
            nodes.append(node)
        self._add(self._name, tuple(nodes))

    def _defines(self) -> bool:
        start = self._next
        if self._take().kind is Kind.LEFT and (token := self._take_word()).kind is Kind.KEYWORD:
            if token.text == "define":
                return True
        self._next = start
        return False

    def _definition(self) -> None:
        context = "define clause"
        name = self._template_name(self._take_word(), context)
        self._expect(Kind.RIGHT, context)
        self._add(name, self._own_scope(context))

    def _own_scope(self, context: str) -> tuple[Node, ...]:
        """The body of a definition, which sees no variables of what is around it."""
        around, self._scope = self._scope, _Scope()
        nodes, end = self._list()
        if end.word != "end":
            self._fail(f"unexpected {{{{{end.word}}}}} in {context}")
        self._scope = around
        return nodes

    def _add(self, name: str, nodes: tuple[Node, ...]) -> None:
        before = self.trees.get(name)
        if before is None or _is_empty(before):
            self.trees[name] = nodes
        elif not _is_empty(nodes):
            self._fail(f"template: multiple definition of template {quoted(name)}")

    def _list(self) -> tuple[tuple[Node, ...], _End]:
        nodes: list[Node] = []
        while self._peek_word().kind is not Kind.EOF:
            node = self._text_or_action()
            if isinstance(node, _End):
                return tuple(nodes), node
            nodes.append(node)
        self._fail("unexpected EOF")

    def _text_or_action(self) -> Node | _End:
        token = self._take_word()
        if token.kind is Kind.TEXT:
            return Text(at=token.at, text=token.text)
        if token.kind is Kind.LEFT:
            self._action_line = token.line
            node = self._action()
            self._action_line = 0
            return node
        self._unexpected(token, "input")

    # Actions ---------------------------------------------------------------------------------------------------------

    def _action(self) -> Node | _End:
        token = self._take_word()
        if token.kind is Kind.KEYWORD and token.text not in ("nil", "define"):
            return self._control(token)
        self._next -= 1
        pipeline = self._pipeline("command", Kind.RIGHT)
        return Action(at=pipeline.at, pipeline=pipeline)

    def _control(self, token: Token) -> Node | _End:
        word = token.text
        if word == "end":
            self._expect(Kind.RIGHT, "end")
            return _End(word="end")
        if word == "else":
            return self._else()
        if word in ("break", "continue"):
            return self._leave(token)
        if word == "template":
            return self._call()
        if word == "block":
            return self._block()
        return self._branch(word)

    def _else(self) -> _End:
        following = self._peek_word()
        if following.kind is Kind.KEYWORD and following.text in ("if", "with"):
            return _End(word="else", pending=following.text)
        self._expect(Kind.RIGHT, "else")
        return _End(word="else")

    def _leave(self, token: Token) -> Leave:
        closing = self._take_word()
        if closing.kind is not Kind.RIGHT:
            self._unexpected(closing, f"{{{{{token.text}}}}}")
        if not self._scope.ranges:
            self._fail(f"{{{{{token.text}}}}} outside {{{{range}}}}")
        return Leave(at=token.at, word=token.text)

    def _branch(self, word: str) -> Branch:
        self._deeper()
        known = len(self._scope.variables)
        pipeline = self._pipeline(word, Kind.RIGHT)
        self._scope.ranges += word == "range"
        body, end = self._list()
        self._scope.ranges -= word == "range"
        otherwise = self._otherwise(word, end) if end.word == "else" else ()
        del self._scope.variables[known:]
        self._depth -= 1
        return Branch(at=pipeline.at, word=word, pipeline=pipeline, body=body, otherwise=otherwise)

    def _otherwise(self, word: str, end: _End) -> tuple[Node, ...]:
        """``else``; ``else if`` is an ``if`` inside whose end is that of both."""
        if end.pending and end.pending == word:
            self._take_word()
            return (self._branch(word),)
        if end.pending:
            self._unexpected(self._take_word(), "else")
        nodes, last = self._list()
        if last.word != "end":
            self._fail("expected end; found {{else}}")
        return nodes

    def _call(self) -> Call:
        token = self._take_word()
        name = self._template_name(token, "template clause")
        if self._peek_word().kind is Kind.RIGHT:
            self._take_word()
            return Call(at=token.at, name=name, pipeline=None)
        return Call(at=token.at, name=name, pipeline=self._pipeline("template clause", Kind.RIGHT))

    def _block(self) -> Call:
        token = self._take_word()
        name = self._template_name(token, "block clause")
        pipeline = self._pipeline("block clause", Kind.RIGHT)
        self._add(name, self._own_scope("block clause"))
        return Call(at=token.at, name=name, pipeline=pipeline)

    def _template_name(self, token: Token, context: str) -> str:
        if token.kind is not Kind.STRING:
            self._unexpected(token, context)
        return self._string(token)

    # Pipelines -------------------------------------------------------------------------------------------------------

    def _pipeline(self, context: str, closing: Kind) -> Pipeline:
        first = self._peek_word()
        declared, assigns = self._declarations(context)
        commands: list[Command] = []
        while True:
            token = self._take_word()
            if token.kind is closing:
                break
            is_operand = token.kind in _OPERANDS or token.kind is Kind.LEFT_PAREN or token.text == "nil"
            if not is_operand or token.kind is Kind.ERROR:
                self._unexpected(token, context)
            self._next -= 1
            commands.append(self._command())
        self._check(commands, context)
        return Pipeline(at=first.at, declared=tuple(declared), assigns=assigns, commands=tuple(commands))

    def _check(self, commands: list[Command], context: str) -> None:
        if not commands:
            self._fail(f"missing value for {context}")
        for number, command in enumerate(commands[1:], start=2):
            if isinstance(command.operands[0], Literal | Dot | Nil):
                self._fail(f"non executable command in pipeline stage {number}")

    def _declarations(self, context: str) -> tuple[list[Variable], bool]:
        """``$x :=``, ``$x =``, ``$i, $x :=``; nothing is taken where none is there."""
        declared: list[Variable] = []
        while self._peek_word().kind is Kind.VARIABLE:
            start = self._next
            token = self._take_word()
            following = self._peek_word()
            if following.kind not in (Kind.ASSIGN, Kind.DECLARE, Kind.COMMA):
                self._next = start
                break
            self._take_word()
            declared.append(Variable(at=token.at, names=tuple(token.text.split("."))))
            self._scope.variables.append(token.text)
            if following.kind is not Kind.COMMA:
                return declared, following.kind is Kind.ASSIGN
            self._second(context, declared)
        return declared, False

    def _second(self, context: str, declared: list[Variable]) -> None:
        if context != "range" or len(declared) > 1:
            self._fail(f"too many declarations in {context}")
        if self._peek_word().kind not in (Kind.VARIABLE, Kind.RIGHT, Kind.RIGHT_PAREN):
            self._fail("range can only initialize variables")

    def _command(self) -> Command:
        at = self._peek_word().at
        operands: list[Operand] = []
        while True:
            operand = self._operand()
            if operand is not None:
                operands.append(operand)
            token = self._take()
            if token.kind is Kind.SPACE:
                continue
            if token.kind in (Kind.RIGHT, Kind.RIGHT_PAREN):
                self._next -= 1
            elif token.kind is not Kind.PIPE:
                self._unexpected(token, "operand")
            break
        if not operands:
            self._fail("empty command")
        return Command(at=at, operands=tuple(operands))

    def _operand(self) -> Operand | None:
        term = self._term()
        if term is None or self._peek().kind is not Kind.FIELD:
            return term
        at, names = self._peek().at, []
        while self._peek().kind is Kind.FIELD:
            names.append(self._take().text[1:])
        if isinstance(term, Field):
            return Field(at=at, names=(*term.names, *names))
        if isinstance(term, Variable):
            return Variable(at=at, names=(*term.names, *names))
        if isinstance(term, Literal | Nil | Dot):
            self._fail(f"unexpected . after term {quoted(str(term))}")
        return Chain(at=at, of=term, names=tuple(names))

    def _term(self) -> Operand | None:
        token = self._take_word()
        if token.kind is Kind.IDENTIFIER:
            if token.text not in self._functions:
                self._fail(f"function {quoted(token.text)} not defined")
            return Identifier(at=token.at, name=token.text)
        if token.kind is Kind.LEFT_PAREN:
            return self._parenthesised()
        if token.kind is Kind.VARIABLE:
            return self._variable(token)
        simple = self._simple(token)
        if simple is None:
            self._next -= 1
        return simple

    def _simple(self, token: Token) -> Operand | None:
        if token.kind is Kind.DOT:
            return Dot(at=token.at)
        if token.kind is Kind.FIELD:
            return Field(at=token.at, names=(token.text[1:],))
        if token.kind is Kind.KEYWORD and token.text == "nil":
            return Nil(at=token.at)
        if token.kind is Kind.BOOL:
            return Literal(at=token.at, written=token.text, value=token.text == "true")
        if token.kind is Kind.STRING:
            return Literal(at=token.at, written=token.text, value=self._string(token))
        if token.kind in (Kind.NUMBER, Kind.CHAR_CONSTANT):
            return Literal(at=token.at, written=token.text, value=self._number(token))
        return None

    def _parenthesised(self) -> Pipeline:
        self._deeper()
        pipeline = self._pipeline("parenthesized pipeline", Kind.RIGHT_PAREN)
        self._depth -= 1
        return pipeline

    def _variable(self, token: Token) -> Variable:
        if token.text not in self._scope.variables:
            self._fail(f"undefined variable {quoted(token.text)}")
        return Variable(at=token.at, names=(token.text,))

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._fail("max expression depth exceeded")

    def _string(self, token: Token) -> str:
        try:
            return string_of(token.text)
        except ValueError:
            self._fail("invalid syntax")

    def _number(self, token: Token) -> int | float:
        try:
            return number_of(token.text)
        except ValueError as error:
            self._fail(str(error))


def _is_empty(nodes: tuple[Node, ...]) -> bool:
    return all(isinstance(node, Text) and not node.text.strip() for node in nodes)
