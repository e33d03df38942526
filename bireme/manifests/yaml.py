"""YAML and JSON text to plain JSON values, with the line each one stands on.

Documents are read one by one, so that a broken one costs nobody else. The parser's events are folded without
recursion: text nested a million deep is an error, not a crash.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import yaml as pyyaml

from bireme.kit.errors import InvalidManifest, Problem
from bireme.manifests import scalars

_SEPARATOR = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_WRITTEN = re.compile(r"^(?!---\s*(?:#|$)|\.\.\.\s*$|%)\s*[^\s#]", re.MULTILINE)
_INDEX = re.compile(r"\[(\d+)\]|\[\"([^\"]*)\"\]|([^.\[\]]+)")

MAX_DEPTH = 200
MAX_ALIASED = 100_000  # values that aliases may stand for in one document
Lines = tuple[
    int, dict[Any, "Lines"] | None
]  # line of this value, lines of its members by key or index


class Document:
    """One document of a file: `value` in plain JSON types, `file`, and the line of any path in it."""

    __slots__ = ("_lines", "file", "value", "warnings")

    def __init__(self, value: Any, file: str = "", lines: Lines = (0, None)) -> None:
        self.value = value
        self.file = file
        self.warnings: list[Problem] = []
        self._lines = lines

    def line(self, path: str = "") -> int:
        """Line (from 1) of `spec.templates[0].steps`, or of the nearest parent that is written; 0 when unknown."""
        line, members = self._lines
        for step in split_path(path):
            found = members.get(step) if members else None
            if found is None:
                break
            line, members = found
        return line

    def member(self, path: str, value: Any) -> "Document":
        """A value inside as a document of its own, with its own lines."""
        self.line(path)  # reads the lines when they were not read yet
        lines: Lines = self._lines
        for step in split_path(path):
            lines = (lines[1] or {}).get(step, (lines[0], None))
        return Document(value, self.file, lines)

    def lines(self) -> dict[str, int]:
        """The line of every path."""
        self.line("")
        return dict(_flat("", self._lines))


def _flat(path: str, lines: Lines) -> Iterator[tuple[str, int]]:
    if path:
        yield path, lines[0]
    for key, inner in (lines[1] or {}).items():
        yield from _flat(join(path, key), inner)


def join(path: str, key: str | int) -> str:
    """`path.key` or `path[0]`; keys that hold dots or brackets are quoted."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    if not key or any(char in key for char in ".[]"):
        return f'{path}["{key}"]'
    return f"{path}.{key}" if path else key


def split_path(path: str) -> list[str | int]:
    """`spec.templates[0].hooks["a.b"]` -> ["spec", "templates", 0, "hooks", "a.b"]."""
    return [int(index) if index else quoted or name for index, quoted, name in _INDEX.findall(path)]


def load(text: str, file: str = "") -> list[Document]:
    """Every document of the text that is not empty. Raises InvalidManifest with the problems of all broken ones."""
    documents, problems = load_all(text, file)
    if problems:
        raise InvalidManifest(problems)
    return documents


def load_all(text: str, file: str = "") -> tuple[list[Document], list[Problem]]:
    """The documents that could be read, and one problem for each that could not."""
    documents: list[Document] = []
    problems: list[Problem] = []
    for chunk, first_line in _chunks(text):
        try:
            documents.append(_read(chunk, file, first_line))
        except InvalidManifest as error:
            problems += error.problems
    return documents, problems


def _chunks(text: str) -> list[tuple[str, int]]:
    text = text.removeprefix("\ufeff")
    starts = [0, *(match.start() for match in _SEPARATOR.finditer(text))]
    chunks = []
    line = 0
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        chunk = text[start:end]
        if _WRITTEN.search(chunk):
            chunks.append((chunk, line))
        line += chunk.count("\n")
    return chunks


def _read(chunk: str, file: str, first_line: int) -> Document:
    if chunk.lstrip()[:1] == "{":
        try:  # JSON is read a hundred times faster this way; its lines are read again when somebody asks
            return _JsonDocument(msgspec.json.decode(chunk), file, chunk, first_line)
        except (msgspec.DecodeError, RecursionError):
            pass  # a YAML flow mapping, or broken JSON that the YAML reader explains with a line
    return _Composer(file, first_line).document(chunk)


class _JsonDocument(Document):
    __slots__ = ("_chunk", "_first_line")

    def __init__(self, value: Any, file: str, chunk: str, first_line: int) -> None:
        super().__init__(value, file)
        self._chunk = chunk
        self._first_line = first_line

    def line(self, path: str = "") -> int:
        if self._chunk:
            self._lines = self._read_lines()
            self._chunk = ""
        return super().line(path)

    def _read_lines(self) -> Lines:
        try:
            return _Composer(self.file, self._first_line).document(self._chunk)._lines
        except InvalidManifest:  # JSON that YAML does not accept, such as a duplicate key
            return (self._first_line + 1, None)


class _Open:
    """A mapping or list whose end has not come yet."""

    __slots__ = ("anchor", "key", "line", "lines", "merges", "size", "value", "waits_for_key")

    def __init__(self, value: dict[str, Any] | list[Any], line: int, anchor: str | None) -> None:
        self.value = value
        self.line = line
        self.anchor = anchor
        self.lines: dict[Any, Lines] = {}
        self.key: tuple[Any, int] = ("", 0)
        self.waits_for_key = isinstance(value, dict)
        self.merges: list[Any] = []
        self.size = 1


class _Composer:
    """Folds the parser's events of one document into a value and its lines."""

    def __init__(self, file: str, first_line: int) -> None:
        self.file = file
        self.first_line = first_line
        self.stack: list[_Open] = []
        self.anchors: dict[str, tuple[Any, Lines, int]] = {}
        self.aliased = 0
        self.warnings: list[Problem] = []
        self.result: tuple[Any, Lines] = (None, (0, None))

    def document(self, chunk: str) -> Document:
        try:
            for event in pyyaml.parse(chunk, Loader=pyyaml.CLoader):
                self._take(event)
        except pyyaml.MarkedYAMLError as error:
            raise self._syntax(error) from error
        except pyyaml.YAMLError as error:
            raise self._wrong(str(error), 0, "Save the file as UTF-8 text.") from error
        value, lines = self.result
        document = Document(value, self.file, lines)
        document.warnings = self.warnings
        return document

    def _take(self, event: Any) -> None:
        if isinstance(event, pyyaml.ScalarEvent):
            self._add(self._scalar(event), (self._line(event), None), 1, event.anchor)
        elif isinstance(event, pyyaml.MappingStartEvent):
            self._open({}, event)
        elif isinstance(event, pyyaml.SequenceStartEvent):
            self._open([], event)
        elif isinstance(event, pyyaml.MappingEndEvent | pyyaml.SequenceEndEvent):
            self._close()
        elif isinstance(event, pyyaml.AliasEvent):
            self._alias(event)

    def _line(self, event: Any) -> int:
        return self.first_line + int(event.start_mark.line) + 1

    def _open(self, value: dict[str, Any] | list[Any], event: Any) -> None:
        if len(self.stack) >= MAX_DEPTH:
            raise self._wrong(f"nested more than {MAX_DEPTH} levels deep", self._line(event))
        self.stack.append(_Open(value, self._line(event), event.anchor))

    def _close(self) -> None:
        top = self.stack.pop()
        for merged in top.merges:
            for key, value in merged.items():
                top.value.setdefault(key, value)  # type: ignore[union-attr]
        self._add(top.value, (top.line, top.lines), top.size, top.anchor)

    def _alias(self, event: Any) -> None:
        if event.anchor not in self.anchors:
            raise self._wrong(f"unknown alias '*{event.anchor}'", self._line(event))
        value, (_, members), size = self.anchors[event.anchor]
        self.aliased += size
        if self.aliased > MAX_ALIASED:
            advice = "Write the repeated part out, or repeat it less."
            raise self._wrong("aliases stand for too many values", self._line(event), advice)
        self._add(value, (self._line(event), members), size, None)

    def _add(self, value: Any, lines: Lines, size: int, anchor: str | None) -> None:
        if anchor:
            self.anchors[anchor] = (value, lines, size)
        if not self.stack:
            self.result = (value, lines)
            return
        top = self.stack[-1]
        top.size += size
        if isinstance(top.value, list):
            top.lines[len(top.value)] = lines
            top.value.append(value)
        elif top.waits_for_key:
            top.key, top.waits_for_key = (value, lines[0]), False
        else:
            self._member(top, value, lines)
            top.waits_for_key = True

    def _member(self, top: _Open, value: Any, lines: Lines) -> None:
        key, line = top.key
        if key is _MERGE:
            top.merges += value if isinstance(value, list) else [value]
            if not all(isinstance(merged, dict) for merged in top.merges):
                raise self._wrong("'<<' merges something that is not a mapping", line)
            return
        if isinstance(key, dict | list):
            raise self._wrong("a mapping or list cannot be a key", line)
        if key in top.value:
            self._twice(key, line)
        top.value[key] = value
        top.lines[key] = (line, lines[1])

    def _twice(self, key: str, line: int) -> None:
        """Argo's reader takes the later one in silence, and one of Argo's own examples relies on it."""
        message = f"key '{key}' is written twice in one mapping; the later one counts"
        warning = Problem(
            message=message,
            file=self.file,
            line=line,
            advice="Keep one of the two, or merge them.",
            severity="warning",
        )
        self.warnings.append(warning)

    def _scalar(self, event: Any) -> Any:
        text: str = event.value
        if self.stack and self.stack[-1].waits_for_key:
            return _MERGE if text == "<<" and event.implicit[0] else text
        if event.tag in (None, "!") and not event.implicit[0]:
            return text
        if event.tag in ("tag:yaml.org,2002:str", "tag:yaml.org,2002:binary"):
            return text
        return scalars.resolve(text)

    def _syntax(self, error: pyyaml.MarkedYAMLError) -> InvalidManifest:
        mark = error.problem_mark or error.context_mark
        line = self.first_line + mark.line + 1 if mark else 0
        return self._wrong(f"not valid YAML: {error.problem or error.context}", line)

    def _wrong(self, message: str, line: int, advice: str = "") -> InvalidManifest:
        return InvalidManifest([Problem(message=message, file=self.file, line=line, advice=advice)])


_MERGE = object()
