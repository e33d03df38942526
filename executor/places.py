"""Where a task's files lie: its step directory, and the mirror of the absolute paths it declares."""

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from executor import parts, volumes
from executor.runner import files

_SHOWN_AS_THEY_ARE = frozenset(
    ("bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "proc", "sbin", "sys", "usr")
)
_SHOWN_THEMSELVES = frozenset(("home", "opt", "root", "run", "var"))


class Place:
    """The directory of one task's step, and the files beside it.

    An absolute path of a template is *private*: it lies in the mirror below the step directory. Directories every
    program needs (`/usr`, `/etc/ssl`, `/home`) are not hidden from it when they exist and are declared themselves.
    """

    def __init__(
        self, root: Path, task_id: str, binds: Mapping[str, volumes.Bind] = MappingProxyType({})
    ) -> None:
        self.prefix = f"{root}/steps/{task_id}"
        self.binds = binds

    @property
    def folder(self) -> Path:
        return Path(self.prefix)

    @property
    def log(self) -> Path:
        return self.beside(files.LOG)

    @property
    def stdout(self) -> Path:
        return self.beside(files.STDOUT)

    @property
    def progress(self) -> Path:
        return self.beside(files.PROGRESS)

    def private_paths(self, template: dict[str, Any]) -> list[str]:
        """The declared absolute paths that must be the step's own, links in their parents resolved.

        What lies in a volume is the volume's.
        """
        every = self._declared(template)
        return [path for path in every if not self.in_volume(path)] if self.binds else every

    def in_volume(self, path: str) -> bool:
        """Whether a volume is mounted at this path or above it."""
        return self._bound(path) is not None

    def _bound(self, path: str) -> Path | None:
        """Where a path of a volume lies on this machine."""
        above = [at for at in self.binds if path == at or path.startswith(f"{at.rstrip('/')}/")]
        if not above:
            return None
        at = max(above, key=len)
        return self.binds[at].source / path[len(at) :].strip("/")

    def _declared(self, template: dict[str, Any]) -> list[str]:
        inputs = {canonical(path) for path in input_paths(template) if path.startswith("/")}
        outputs = {canonical(path) for path in output_paths(template) if path.startswith("/")}
        return sorted(inputs | {path for path in outputs if self._is_private(path)})

    def for_input(self, path: str, template: dict[str, Any]) -> Path:
        """Where an input artifact is put: never on the machine's own file of that name."""
        if bound := self._bound(os.path.normpath(path)):
            return bound
        return (
            self.mirrored(canonical(path))
            if path.startswith("/")
            else self._relative(path, template)
        )

    def of_output(self, path: str, template: dict[str, Any]) -> Path:
        """Where the file a template declares as an output lies after the step."""
        if bound := self._bound(os.path.normpath(path)):
            return bound
        if not path.startswith("/"):
            return self._relative(path, template)
        real = canonical(path)
        mirrored = self.mirrored(real)
        found = mirrored if self._is_private(real) or mirrored.exists() else Path(real)
        return found if os.path.lexists(found) else self._at_the_root(real, template) or found

    def _at_the_root(self, real: str, template: dict[str, Any]) -> Path | None:
        """A file of the root directory that was written by its bare name: images mostly work in `/`."""
        left = self.folder / os.path.basename(real)
        at_root = os.path.dirname(real) == "/" and not _working_directory(template)
        return left if at_root and left.exists() else None

    def mirrored(self, real: str) -> Path:
        return Path(self.prefix + files.VIEW + real)

    def everything(self) -> list[Path]:
        """All that is kept of the step."""
        return [self.folder, *(self.beside(name) for name in files.ALL)]

    def beside(self, name: str) -> Path:
        """A file of ours about the step; the step's own directory holds none."""
        return Path(self.prefix + name)

    def _relative(self, path: str, template: dict[str, Any]) -> Path:
        cwd = _working_directory(template)
        return Path(cwd, path) if cwd else self.folder / path

    def _is_private(self, real: str) -> bool:
        if (
            real == "/"
            or self.folder.is_relative_to(real)
            or Path(real).is_relative_to(self.folder)
        ):
            return False
        parts = real.strip("/").split("/")
        if parts[0] in _SHOWN_AS_THEY_ARE:
            return not os.path.exists(real)
        return not (len(parts) == 1 and parts[0] in _SHOWN_THEMSELVES)


def input_paths(template: dict[str, Any]) -> list[str]:
    """The path of every input artifact, as written."""
    artifacts = (template.get("inputs") or {}).get("artifacts") or ()
    return [artifact["path"] for artifact in artifacts if artifact.get("path")]


def output_paths(template: dict[str, Any]) -> list[str]:
    """The path of every output artifact and of every output parameter read from a file, as written."""
    outputs = template.get("outputs") or {}
    paths = [artifact.get("path") for artifact in outputs.get("artifacts") or ()]
    paths += [
        (parameter.get("valueFrom") or {}).get("path")
        for parameter in outputs.get("parameters") or ()
    ]
    return [path for path in paths if path]


def canonical(path: str) -> str:
    """The path without `..`, links in its parents resolved (`/bin/tool` is `/usr/bin/tool` on many machines)."""
    whole = os.path.normpath(path)
    return os.path.join(os.path.realpath(os.path.dirname(whole)), os.path.basename(whole))


def _working_directory(template: dict[str, Any]) -> str:
    return str(parts.main_of(template).get("workingDir") or "")
