"""Errors of this bank's upper deck, and what the controller needs from its surroundings."""

from collections.abc import Mapping
from typing import Any, Protocol

from bireme.kit.errors import BiremeError, Conflict, NotFound, UserError


class ControllerError(BiremeError):
    """Base of what goes wrong in this deck."""


class WorkflowNotFound(ControllerError, NotFound):
    """No workflow of that name."""


class WorkflowExists(ControllerError, Conflict):
    """A workflow of that name exists already."""


class WrongState(ControllerError, Conflict):
    """The workflow's phase forbids the operation."""


class BadOption(ControllerError, UserError):
    """An option of a submit, list or operation cannot be understood; the message names it."""


class TemplateSource(Protocol):
    """Where applied templates are found. Called from the loop and from the writer thread: it only looks things up."""

    def template(self, kind: str, namespace: str, name: str) -> Mapping[str, Any] | None:
        """The applied manifest as plain JSON values; None when there is none. `namespace` is "" for cluster scope."""
        ...
