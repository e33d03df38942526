"""Programs in manifests, jq and Lua, as values, and what must run them. The pure languages hold neither of them:
both libraries hold the whole process while they run, so whoever evaluates is given a `Scripts` (see bireme.sandbox).
"""

from typing import Literal, NamedTuple, Protocol

from bireme.lang.errors import LangError

Kind = Literal["jq.first", "jq.all", "lua.table", "lua.truth"]
"""The language, and what is wanted of the program: jq's first output or all of them; the table a Lua chunk returns, or
whether it returns `true`."""


class Program(NamedTuple):
    """One program text and what is wanted of it."""

    kind: Kind
    text: str


class ScriptError(LangError):
    """The program does not compile, or failed; the text is the language's own."""


class Overrun(ScriptError):
    """The program took more time, memory or output than it may, or is left alone for having done so repeatedly."""


class Scripts(Protocol):
    """Runs programs out of reach of everything: no environment, files, network or other processes."""

    def run(self, program: Program, data: bytes) -> bytes:
        """What the program makes of `data` (one JSON value): JSON values, one a line, as long as the budget lasts.

        Empty when a jq program puts out nothing. `lua.table` is an object or a list, `lua.truth` is `true` or `false`.
        Raises ScriptError, Overrun, MissingExtra where the libraries are not installed, or a ServiceError when programs
        cannot be run just now.
        """
        ...

    def check(self, program: Program) -> None:
        """Compile the program without running it. Raises ScriptError with the compiler's words."""
        ...


class NoScripts:
    """Where no program can be run: every one is an error that says so."""

    def run(self, program: Program, data: bytes) -> bytes:
        raise ScriptError(f"{language(program)} programs cannot be run here")

    def check(self, program: Program) -> None:
        raise ScriptError(f"{language(program)} programs cannot be checked here")


NO_SCRIPTS: Scripts = NoScripts()


def language(program: Program) -> str:
    """`jq` or `lua`."""
    return program.kind.partition(".")[0]
