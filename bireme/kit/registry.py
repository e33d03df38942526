"""Plugins: one file per kind, registered by decorator, imported only when a manifest in use names the kind."""

import importlib
import pkgutil
import re
from collections.abc import Callable
from typing import Generic, TypeVar

from bireme.kit.errors import BiremeError, UserError

T = TypeVar("T")
C = TypeVar("C")


class UnknownKind(UserError):
    """No plugin of that kind; the message lists the known ones."""


class DuplicateKind(BiremeError):
    """Two modules registered the same kind; the message names both."""


class Registry(Generic[T]):
    """Kinds of one family, by Argo's spec key (`argoWorkflow`).

    Ours live in `package`, one module per kind, named in snake case (`argo_workflow.py`); others' come from the entry
    point group of the same name. A module is imported when its kind is first asked for; a bad import is an error of
    whoever asked.
    """

    def __init__(self, package: str) -> None:
        self.package = package
        self._plugins: dict[str, T] = {}
        self._homes: dict[str, str] = {}

    def register(self, kind: str) -> Callable[[C], C]:
        """Decorate a plugin class. Raises DuplicateKind when another module holds the kind."""

        def add(plugin: C) -> C:
            home = getattr(plugin, "__module__", "?")
            if self._homes.get(kind, home) != home:
                raise DuplicateKind(
                    f"kind '{kind}' is registered by {self._homes[kind]} and by {home}"
                )
            self._plugins[kind] = plugin  # type: ignore[assignment]
            self._homes[kind] = home
            return plugin

        return add

    def __getitem__(self, kind: str) -> T:
        """The plugin of that kind, importing its module if need be. Raises UnknownKind."""
        if kind not in self._plugins:
            self._load(kind)
        if kind not in self._plugins:
            known = ", ".join(self.kinds()) or "none"
            raise UnknownKind(f"unknown kind '{kind}' in {self.package}; known: {known}")
        return self._plugins[kind]

    def __contains__(self, kind: str) -> bool:
        try:
            self[kind]
        except UnknownKind:
            return False
        return True

    def kinds(self) -> list[str]:
        """Every kind there is, sorted; imports all modules of the family."""
        folder = importlib.import_module(self.package)
        for module in pkgutil.iter_modules(folder.__path__):
            importlib.import_module(f"{self.package}.{module.name}")
        self._load_foreign()
        return sorted(self._plugins)

    def _load(self, kind: str) -> None:
        name = f"{self.package}.{_snake(kind)}"
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            self._load_foreign(kind)

    def _load_foreign(self, kind: str = "") -> None:
        """What other packages bring: one kind, or all."""
        # Imported here, because it costs every start 10 ms.
        from importlib.metadata import entry_points

        for entry in entry_points(group=self.package):
            if kind in ("", entry.name):
                entry.load()


def _snake(kind: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind).replace("-", "_").lower()
