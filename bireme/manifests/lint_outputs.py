"""Outputs that nothing produces: a declared path that the step's own text never speaks of."""

import posixpath
from collections.abc import Iterator

from bireme.manifests.containers import Container, Script
from bireme.manifests.doubts import Doubt
from bireme.manifests.template import Template
from bireme.manifests.workflow import WorkflowSpec

_ANYWHERE = frozenset(("", "/", "/tmp", "/var", "/mnt", "/home", "/root"))

_OF_THE_IMAGE = ("/etc", "/usr", "/bin", "/lib", "/opt", "/dev", "/proc")


def output_doubts(spec: WorkflowSpec) -> Iterator[Doubt]:
    for index, template in enumerate(spec.templates):
        text = _text(template)
        if text:
            yield from _unwritten(template, text, f"templates[{index}].outputs")


def _text(template: Template) -> str:
    """All that a shell step says; empty for a program that may write what it likes."""
    body: Container | None = template.script or template.container
    if body is None or template.sidecars:
        return ""
    source = body.source if isinstance(body, Script) else ""
    words = [source, *body.command, *body.args]
    if not any(" " in word.strip() for word in words):
        return ""
    words += [str(variable.get("value", "")) for variable in body.env]
    return "\n".join(words)


def _unwritten(template: Template, text: str, path: str) -> Iterator[Doubt]:
    kept = _kept(template)
    for index, parameter in enumerate(template.outputs.parameters):
        source = parameter.value_from
        if source is not None and source.path and source.default is None:
            name = f"outputs.parameters.{parameter.name}.path"
            if not _spoken_of(source.path, name, text, kept):
                yield _doubt(f"{path}.parameters[{index}]", parameter.name, source.path)
    for index, artifact in enumerate(template.outputs.artifacts):
        if artifact.path and not artifact.optional:
            name = f"outputs.artifacts.{artifact.name}.path"
            if not _spoken_of(artifact.path, name, text, kept):
                yield _doubt(f"{path}.artifacts[{index}]", artifact.name, artifact.path)


def _doubt(path: str, name: str, file: str) -> Doubt:
    message = f"output '{name}' is never produced: nothing in the step speaks of {file}"
    return path, message, "Write the file, or give the output a default (an artifact: optional)."


def _kept(template: Template) -> list[str]:
    """Paths that come from elsewhere: inputs and volumes."""
    body = template.script or template.container
    mounts = body.volume_mounts if body is not None else []
    paths = [str(mount.get("mountPath", "")) for mount in mounts]
    return [path for path in [*paths, *(a.path for a in template.inputs.artifacts)] if path]


def _spoken_of(path: str, name: str, text: str, kept: list[str]) -> bool:
    if path.startswith(_OF_THE_IMAGE) or "{{" in path:
        return True
    if name in text or posixpath.basename(path.rstrip("/")) in text:
        return True
    if any(path.startswith(other) or other.startswith(path) for other in kept):
        return True
    parents = _parents(path)
    return any(parent in text for parent in parents)


def _parents(path: str) -> Iterator[str]:
    parent = posixpath.dirname(path)
    while parent not in _ANYWHERE:
        yield parent
        parent = posixpath.dirname(parent)
