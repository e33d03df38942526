"""A decoded manifest of any kind."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from bireme.kit.errors import Problem
from bireme.manifests.base import Metadata
from bireme.manifests.yaml import Document

S = TypeVar("S", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest(Generic[S]):
    """What somebody wrote, typed (`spec`) and plain (`raw`, older spellings already normalised).

    `document` knows the file and the lines; a manifest that came over the API has none. `renamed` lists the older
    spellings that were written: (path, what to write instead).
    """

    kind: str
    api_version: str
    metadata: Metadata
    spec: S
    raw: dict[str, Any]
    document: Document | None = None
    renamed: tuple[tuple[str, str], ...] = ()

    @property
    def file(self) -> str:
        return self.document.file if self.document else ""

    @property
    def status(self) -> dict[str, Any]:
        """As it came in; empty for what people write."""
        status = self.raw.get("status")
        return status if isinstance(status, dict) else {}

    @property
    def title(self) -> str:
        """`Sensor github`, for messages."""
        return title(self.raw)

    @property
    def lines(self) -> dict[str, int]:
        """The line of every path in the file; empty for what came over the API."""
        return self.document.lines() if self.document else {}

    def line(self, path: str = "") -> int:
        """Line (from 1) of a field path in the file, or of its nearest parent; 0 when unknown."""
        return self.document.line(path) if self.document else 0

    def problem(self, message: str, path: str, **more: Any) -> Problem:
        """A complaint about one of its fields, placed in its file; `more` are other fields of Problem."""
        line = self.line(path)
        return Problem(
            message=message, object=self.title, file=self.file, line=line, path=path, **more
        )


def title(value: dict[str, Any]) -> str:
    """`Workflow hello-` of a plain manifest that may be broken in any way."""
    metadata = value.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    name = metadata.get("name") or metadata.get("generateName") or ""
    return f"{value.get('kind') or 'document'} {name}".strip()
