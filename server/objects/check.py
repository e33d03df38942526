"""From a file's text or a request's body to objects that may be applied; everything wrong is said at once."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from bireme.kit.errors import BiremeError, InvalidManifest, Problem
from bireme.manifests import decode, yaml
from bireme.manifests.manifest import Manifest
from bireme.manifests.object_names import bad_names
from server.objects.model import CLUSTER_SCOPED, Key, content_of

Templates = Callable[[str, str, str], Mapping[str, Any] | None]
"""Kind, namespace and name of an applied template, as validation asks for it."""


@dataclass(frozen=True)
class Checked:
    """One manifest that decodes. `kind` is "" for what this engine has no use for (a ServiceAccount, a Role)."""

    kind: str
    namespace: str
    name: str
    manifest: dict[str, Any]
    lines: dict[str, int] = field(default_factory=dict)
    file: str = ""

    @property
    def key(self) -> Key:
        return self.kind, self.namespace, self.name

    @cached_property
    def content(self) -> str:
        return content_of(self.manifest)

    @property
    def title(self) -> str:
        return f"{self.manifest.get('kind')} {self.name}"

    def problems_of(self, error: BiremeError) -> list[Problem]:
        """A refusal as complaints that name the object, its file and the line it begins on."""
        given = error.problems if isinstance(error, InvalidManifest) else None
        return [self.placed(p) for p in given or [Problem(message=str(error))]]

    def placed(self, problem: Problem) -> Problem:
        """The complaint with the object, file and line it lacks."""
        line = problem.line or self.line(problem.path)
        return msgspec.structs.replace(
            problem, object=problem.object or self.title, file=problem.file or self.file, line=line
        )

    def line(self, path: str) -> int:
        return nearest_line(self.lines, path)


def nearest_line(lines: Mapping[str, int], path: str) -> int:
    """The line of the field, or of the nearest field around it; 0 when nothing is known."""
    while path and path not in lines:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return lines.get(path, 0)


def file(path: Path, largest_bytes: int, namespace: str = "default") -> list[Checked]:
    """The objects of a file. Raises InvalidManifest with the complaints about all of them."""
    return text(content(path, largest_bytes), str(path), namespace)


def content(path: Path, largest_bytes: int | None = None) -> str:
    """The text of a file. Raises InvalidManifest when it cannot be read, is no text or is larger than allowed."""
    try:
        if largest_bytes is not None and path.stat().st_size > largest_bytes:
            raise _unreadable(path, f"it is larger than {largest_bytes} bytes")
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        why = f"it is not text in UTF-8 (byte {error.start})"
        raise _unreadable(path, why) from error
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error


def _unreadable(path: Path, why: str) -> InvalidManifest:
    return InvalidManifest([Problem(message=f"the file cannot be read: {why}", file=str(path))])


def text(text: str, file: str = "", namespace: str = "default") -> list[Checked]:
    """The objects of a YAML or JSON text. Raises InvalidManifest with the complaints about all of them."""
    documents, problems = yaml.load_all(text, file)
    checked: list[Checked] = []
    for document in documents:
        for member in decode.members(document):
            try:
                if member.value is not None:
                    checked.append(_checked(member.value, member, namespace))
            except InvalidManifest as error:
                problems += error.problems
    if problems:
        raise InvalidManifest(problems)
    return checked


def value(manifest: Mapping[str, Any], namespace: str = "default", kind: str = "") -> Checked:
    """One object given as JSON values. `kind` completes a body that names none. Raises InvalidManifest."""
    whole = dict(manifest)
    if kind:
        whole["apiVersion"] = whole.get("apiVersion") or decode.ARGO
        whole["kind"] = whole.get("kind") or kind
    if kind and whole["kind"] != kind:
        message = f"expected a {kind}, found a {whole['kind']}"
        raise InvalidManifest([Problem(message=message, path="kind")])
    return _checked(whole, None, namespace)


def validate(checked: Checked, templates: Templates) -> None:
    """Beyond the types: references, cycles, expressions. Raises InvalidManifest with every error."""
    if checked.kind not in decode.KINDS:
        return
    problems = problems_in(checked, templates)
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        raise InvalidManifest(errors)


def problems_in(checked: Checked, templates: Templates) -> list[Problem]:
    """What is wrong with a manifest that decodes, by file and line; warnings too."""
    from bireme.manifests import validate as rules

    found = rules.validate(decode.decode(checked.manifest), templates, "lint")
    return [checked.placed(problem) for problem in found]


def _checked(value: Any, document: yaml.Document | None, namespace: str) -> Checked:
    if isinstance(value, dict) and not _is_ours(value):
        named = value.get("metadata")
        name = str(named.get("name", "")) if isinstance(named, dict) else ""
        return Checked("", namespace, name, value, {}, document.file if document else "")
    manifest = decode.decode(document or value)
    metadata = manifest.metadata
    home = "" if manifest.kind in CLUSTER_SCOPED else metadata.namespace or namespace
    name = metadata.name or metadata.generate_name
    if problems := [*bad_names(manifest), *_misfits(manifest)]:
        raise InvalidManifest(problems)
    raw = _with_namespace(manifest.raw, home)
    return Checked(manifest.kind, home, name, raw, manifest.lines, manifest.file)


def _misfits(manifest: Manifest[Any]) -> Iterator[Problem]:
    """The kinds of triggers are loaded for Sensors only."""
    if manifest.kind == "Sensor":
        from sensors.check import misfits

        yield from misfits(manifest)


def _is_ours(value: Mapping[str, Any]) -> bool:
    """Whether the manifest speaks of Argo's API group, or of nothing at all (then decoding says what is missing)."""
    version = str(value.get("apiVersion") or "")
    return value.get("kind") in decode.CORE or not version or version.startswith("argoproj.io/")


def _with_namespace(value: dict[str, Any], namespace: str) -> dict[str, Any]:
    metadata = {k: v for k, v in (value.get("metadata") or {}).items() if k != "namespace"}
    if namespace:
        metadata["namespace"] = namespace
    return {**value, "metadata": metadata}
