"""The error axis of the whole house, and the shape of a complaint about a manifest."""

from typing import ClassVar, Literal

import msgspec

Blame = Literal["user", "service", "us"]


class BiremeError(Exception):
    """Base of every error we raise. `retriable` and `blame` are asked by loops; nobody needs an isinstance ladder."""

    retriable: ClassVar[bool] = False
    blame: ClassVar[Blame] = "us"


class UserError(BiremeError):
    """The input is at fault; doing it again changes nothing until the input changes."""

    blame = "user"


class NotFound(UserError):
    """The object named does not exist."""


class Conflict(UserError):
    """The object exists already, or is in a state that forbids the operation."""


class ServiceError(BiremeError):
    """Something outside (a disk, a server, a network) failed; trying again later may help."""

    retriable = True
    blame = "service"


class MissingExtra(UserError):
    """An optional dependency is not installed; the message names the extra to install."""

    def __init__(self, extra: str, needed_for: str) -> None:
        self.extra = extra
        super().__init__(f"{needed_for} needs the extra '{extra}': pip install 'bireme[{extra}]'")


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One complaint about one manifest. Every field is for the reader: where, what was found, what to do.

    `path` is the field as Argo prints it (`spec.templates[0].steps`), `line` counts from 1 and is 0 when unknown.
    """

    message: str
    object: str = ""
    file: str = ""
    line: int = 0
    path: str = ""
    found: str = ""
    expected: str = ""
    advice: str = ""
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        line = f":{self.line}" if self.line else ""
        place = f"{self.file}{line}: " if self.file else ""
        where = " ".join(part for part in (self.object, self.path) if part)
        text = f"{place}{where + ': ' if where else ''}{self.message}"
        return f"{text} ({self.advice})" if self.advice else text


class InvalidManifest(UserError):
    """A manifest cannot be used; `problems` says why, one entry per place."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems
