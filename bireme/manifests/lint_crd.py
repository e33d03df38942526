"""What only the API server of a cluster refuses, by the schema of Argo's resources: words it does not know, sizes."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from bireme.manifests.doubts import Doubt, texts_in

_GC: Final = ("", "OnWorkflowCompletion", "OnWorkflowDeletion", "Never")
_WORDS: Final = (
    (re.compile(r"\.resource\.mergeStrategy$"), ("strategic", "merge", "json")),
    (re.compile(r"\.gauge\.operation$"), ("", "Set", "Add", "Sub")),
    (re.compile(r"\bartifactGC\.strategy$"), _GC),
    (re.compile(r"\.s3\.addressingStyle$"), ("", "path", "virtual-hosted")),
)


def word_doubts(spec: Mapping[str, Any]) -> Iterator[Doubt]:
    """Words that stand where only certain ones may; `spec` is plain JSON values."""
    for path, text in texts_in(dict(spec), ""):
        for field, words in _WORDS:
            if field.search(path) and text not in words and "{{" not in text:
                known = ", ".join(word for word in words if word)
                yield path.lstrip("."), f"'{text}' is not one of {known}", f"Write one of {known}."


def size_doubts(spec: Mapping[str, Any]) -> Iterator[Doubt]:
    """Lists that are longer than a cluster's API server takes. There is no such limit here."""
    templates = spec.get("templates") or []
    yield from _longer("templates", templates, 200)
    for index, template in enumerate(templates):
        path = f"templates[{index}]"
        yield from _longer(f"{path}.dag.tasks", (template.get("dag") or {}).get("tasks"), 200)
        inputs = (template.get("inputs") or {}).get("parameters")
        yield from _longer(f"{path}.inputs.parameters", inputs, 500)
        metrics = (template.get("metrics") or {}).get("prometheus")
        yield from _longer(f"{path}.metrics.prometheus", metrics, 100)


def _longer(path: str, found: list[Any] | None, most: int) -> Iterator[Doubt]:
    if found and len(found) > most:
        message = f"{len(found)} are more than the {most} that a cluster admits"
        yield path, message, "Split it, or keep it to this engine."
