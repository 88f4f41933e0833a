"""Files and folders become one ``RuleSet``, or every mistake of every file at once.

A folder is walked; documents are recognised by their content. What stands in a folder and is not ours (a Prometheus
configuration, a Deployment) is passed over; a file that was named must hold a document of ours.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from domain.errors import Mistake, RuleDocumentError
from rules import cross_checks, yaml_tree
from rules.document import API_VERSION
from rules.ruleset import RuleSet
from rules.validate import Validated, is_ours, validate
from rules.written import CheckQuery

MAX_FILES: Final = 10_000
_SUFFIXES: Final = (".yaml", ".yml")
_TESTS: Final = ("_test.yaml", "_test.yml")
_PASSED_OVER: Final = (".", "#", "~")
"""First letters of hidden files and of what editors leave behind (``.x.swp``, ``.#x``, ``#x#``, ``~$x``)."""
_MARK: Final = API_VERSION.partition("/")[0].encode() + b"/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file to read; ``named`` by the operator, or met in a folder."""

    file: str
    named: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReading:
    """What one file holds: documents of ours, and mistakes (theirs and the file's own)."""

    documents: tuple[Validated, ...]
    mistakes: tuple[Mistake, ...]


def load_paths(paths: Iterable[str | Path], *, check_query: CheckQuery) -> RuleSet:
    """All documents of files and folders.

    Args:
        paths: Files and folders; a folder is walked with its subfolders.
        check_query: Raises ``QueryError`` for a PromQL text that cannot be evaluated.

    Raises:
        RuleDocumentError: Every mistake of every file. The caller keeps what it runs.
    """
    sources, mistakes = find(paths)
    readings = [read_source(source, check_query=check_query) for source in sources]
    return assemble([FileReading(documents=(), mistakes=tuple(mistakes)), *readings])


def check_files(paths: Iterable[str | Path], check_query: CheckQuery) -> list[Mistake]:
    """Every mistake of every file, in order of file and line; empty where there is none."""
    try:
        load_paths(paths, check_query=check_query)
    except RuleDocumentError as error:
        return list(error.mistakes)
    return []


def find(paths: Iterable[str | Path]) -> tuple[list[Source], list[Mistake]]:
    """The files behind ``paths``, each once, and what is wrong with the paths themselves."""
    sources: dict[str, Source] = {}
    mistakes: list[Mistake] = []
    for path in map(str, paths):
        if os.path.isdir(path):
            for file in walk(path):
                sources.setdefault(os.path.abspath(file), Source(file=file, named=False))
        elif os.path.lexists(path):
            sources[os.path.abspath(path)] = Source(file=path, named=True)
        else:
            mistakes.append(_of_file(path, "no such file or folder"))
    if len(sources) > MAX_FILES:
        mistakes.append(_of_file("", f"more than {MAX_FILES} files; give a smaller folder"))
    return list(sources.values())[:MAX_FILES], mistakes


def walk(folder: str) -> Iterator[str]:
    """The YAML files of a folder and its subfolders in order of their names; links to folders are not followed.

    A ConfigMap's ``..data`` is hidden, its files are links beside it: each rule is met once.
    """
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(_PASSED_OVER))
        for name in sorted(files):
            if name.endswith(_SUFFIXES) and not name.endswith(_TESTS) and not name.startswith(_PASSED_OVER):
                yield os.path.join(here, name)


def read_source(source: Source, *, check_query: CheckQuery) -> FileReading:
    """The documents and mistakes of one file; never raises."""
    try:
        raw = read_bytes(source.file)
    except OSError as error:
        if not source.named and isinstance(error, FileNotFoundError):  # gone since the folder was listed
            return FileReading(documents=(), mistakes=())
        return FileReading(documents=(), mistakes=(_of_file(source.file, f"cannot be read: {error.strerror}"),))
    return read_text(raw, source, check_query=check_query)


def read_bytes(file: str) -> bytes:
    """A regular file's bytes, one more than allowed at most; ``OSError`` for devices, pipes and what is not there."""
    with open(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            raise OSError(0, "not a regular file")
        return opened.read(yaml_tree.MAX_BYTES + 1)


def read_text(raw: bytes, source: Source, *, check_query: CheckQuery) -> FileReading:
    """The documents and mistakes in ``raw``; never raises for anything that it holds."""
    reading = yaml_tree.read(raw, file=source.file)
    ours = [validate(one, check_query=check_query) for one in reading.documents if is_ours(one)]
    mistakes = [mistake for one in ours for mistake in one.mistakes]
    if source.named or ours or _MARK in raw.replace(b"\0", b""):  # b"\0": UTF-16 is a mistake of ours, too
        mistakes += reading.mistakes
    if source.named and not ours and not mistakes:
        message = f"no document with apiVersion {API_VERSION} in it"
        mistakes.append(_of_file(source.file, message))
    if len(mistakes) > yaml_tree.MAX_MISTAKES:
        more = len(mistakes) - yaml_tree.MAX_MISTAKES
        mistakes[yaml_tree.MAX_MISTAKES :] = [_of_file(source.file, f"and {more} more mistakes")]
    return FileReading(documents=tuple(ours), mistakes=tuple(mistakes))


def assemble(readings: Sequence[FileReading]) -> RuleSet:
    """The set of all files, checked across them; ``RuleDocumentError`` with every mistake otherwise."""
    documents = [document for reading in readings for document in reading.documents]
    mistakes = [mistake for reading in readings for mistake in reading.mistakes]
    mistakes += cross_checks.across([one.document for one in documents])
    if mistakes:
        order = {mistake.file: number for number, mistake in reversed(list(enumerate(mistakes)))}
        raise RuleDocumentError(sorted(mistakes, key=lambda one: (order[one.file], one.line or 10**9, one.column)))
    return RuleSet.of(documents)


def _of_file(file: str, message: str) -> Mistake:
    return Mistake(file=file, line=0, column=0, field="", message=message)
