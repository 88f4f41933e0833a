"""A template's tree; each node knows where it stands and how Go writes it in a message.

Source:
    Go 1.26, ``text/template/parse/node.go``.
"""

from __future__ import annotations

from dataclasses import dataclass

from alerts.templates.lex import quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """What is written as it stands."""

    at: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Literal:
    """A string, a number or a boolean, as it was written and what it is; an ``int`` is one where Go sees one."""

    at: int
    written: str
    value: str | int | float | bool

    def __str__(self) -> str:
        """As it was written."""
        return self.written


@dataclass(frozen=True, slots=True, kw_only=True)
class Nil:
    """The word ``nil``."""

    at: int

    def __str__(self) -> str:
        """As it was written."""
        return "nil"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """The data here."""

    at: int

    def __str__(self) -> str:
        """As it was written."""
        return "."


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """``.Labels.job``."""

    at: int
    names: tuple[str, ...]

    def __str__(self) -> str:
        """As it was written."""
        return "".join(f".{name}" for name in self.names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """``$x.Labels.job``; the first name begins with ``$``."""

    at: int
    names: tuple[str, ...]

    def __str__(self) -> str:
        """As it was written."""
        return ".".join(self.names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """A function's name."""

    at: int
    name: str

    def __str__(self) -> str:
        """As it was written."""
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Fields of what a parenthesised pipeline or a function yields."""

    at: int
    of: Operand
    names: tuple[str, ...]

    def __str__(self) -> str:
        """As Go writes it."""
        inner = f"({self.of})" if isinstance(self.of, Pipeline) else str(self.of)
        return inner + "".join(f".{name}" for name in self.names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """An operand, or a function with its arguments."""

    at: int
    operands: tuple[Operand, ...]

    def __str__(self) -> str:
        """As Go writes it."""
        return " ".join(f"({one})" if isinstance(one, Pipeline) else str(one) for one in self.operands)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """Commands, each given what the one before yields; and the variables that hold the last one's."""

    at: int
    declared: tuple[Variable, ...]
    assigns: bool
    commands: tuple[Command, ...]

    def __str__(self) -> str:
        """As Go writes it."""
        said = " | ".join(map(str, self.commands))
        names = ", ".join(map(str, self.declared))
        return f"{names} {'=' if self.assigns else ':='} {said}" if names else said


Operand = Literal | Nil | Dot | Field | Variable | Identifier | Chain | Pipeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """``{{pipeline}}``."""

    at: int
    pipeline: Pipeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """``if``, ``with`` or ``range``, by ``word``."""

    at: int
    word: str
    pipeline: Pipeline
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """``break`` or ``continue``, by ``word``."""

    at: int
    word: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """``{{template "name" pipeline}}``."""

    at: int
    name: str
    pipeline: Pipeline | None

    def __str__(self) -> str:
        """As Go writes it."""
        return f"{{{{template {quoted(self.name)}{f' {self.pipeline}' if self.pipeline else ''}}}}}"


Node = Text | Action | Branch | Leave | Call
