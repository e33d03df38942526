"""Which variables a text may use, as validation sees it: tags of a JSON text, placeholders, names in scope."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from bireme.manifests.parameters import Outputs
from bireme.manifests.template import Sequence, Template
from bireme.manifests.validate_names import Invalid
from bireme.manifests.values import item_type

Names = dict[str, str]

_CHECKED = ("item.", "steps.", "inputs.", "outputs.", "pod.", "workflow.", "tasks.")
_LATE = (  # known only at run time, or of the node itself
    "outputs.",
    "workflow.creationTimestamp",
    "workflow.scheduledTime",
    "workflow.duration",
    "tasks.name",
    "steps.name",
    "node.name",
)
ANY_ITEM = "item.*"
ANY_OUTPUT = {
    "parameters": "workflow.outputs.parameters.*",
    "artifacts": "workflow.outputs.artifacts.*",
}
_ANY = {  # magic name -> prefix it stands for
    ANY_ITEM: "item",
    ANY_OUTPUT["parameters"]: "workflow.outputs.parameters.",
    ANY_OUTPUT["artifacts"]: "workflow.outputs.artifacts.",
}
_HAS_RESULT = frozenset(("Container", "Script", "Data", "HTTP", "Plugin"))


class Placeholders:
    """Values that stand for what only a run can know."""

    def __init__(self) -> None:
        self._count = 0

    def next(self) -> str:
        self._count += 1
        return f"__argo__internal__placeholder-{self._count}"


def tags(text: str) -> Iterator[tuple[int, int, str]]:
    """(start, end, inside) of each `{{…}}` in a JSON text. Raises Invalid when the last one is never closed."""
    start = text.find("{{")
    while start >= 0:
        end = text.find("}}", start + 2)
        if end < 0:
            excerpt = text[start : start + 60]
            raise Invalid(f'Cannot find end tag="}}}}" in the template starting from "{excerpt}"')
        yield start, end + 2, text[start + 2 : end]
        start = text.find("{{", end + 2)


def check_tags(text: str, names: Mapping[str, Any], *, lenient: bool = False) -> None:
    """Every simple tag with a known root is in scope. `lenient`: a stored template's parameters may come later."""
    if "{{" not in text:
        return
    for _, _, tag in tags(text):
        name = tag.strip()
        if name.startswith("=") or not name.startswith(_CHECKED) or name in names:
            continue
        if not _is_late(name, names, lenient):
            raise Invalid(f"failed to resolve {{{{{tag}}}}}")


def _is_late(name: str, names: Mapping[str, Any], lenient: bool) -> bool:
    if name.startswith(_LATE) or (lenient and name.startswith("workflow.parameters")):
        return True
    return any(name.startswith(prefix) and magic in names for magic, prefix in _ANY.items())


def substitute(text: str, names: Mapping[str, str]) -> str:
    """The JSON text with the known simple tags replaced; expressions and unknown tags stay."""
    if "{{" not in text:
        return text
    parts = []
    last = 0
    for start, end, tag in tags(text):
        name = tag.strip()
        if name.startswith("="):
            _check_expression(tag)
            continue
        value = names.get(name)
        if value is not None:
            parts += [text[last:start], json.dumps(value)[1:-1]]
            last = end
    return "".join([*parts, text[last:]])


def _check_expression(tag: str) -> None:
    """An expression tag left open swallows the JSON behind it, so that its text is no JSON string any more."""
    try:
        json.loads(f'"{tag}"', strict=False)
    except ValueError as error:
        raise Invalid(f"failed to unmarshall JSON expression: {error}") from error


def add_items(names: Names, items: list[Any] | None, param: str, sequence: Sequence | None) -> None:
    """What `{{item}}` offers inside the loop, if there is one."""
    if bool(items) + bool(param) + (sequence is not None) > 1:
        raise Invalid("only one of withItems, withParam, withSequence can be specified")
    for item in items or ():
        if item_type(item) == "Map":
            names.update((f"item.{key}", "") for key in item)
        elif item_type(item) == "List":
            names.update((f"item.[{index}]", "") for index in range(len(item)))
        names["item"] = ""
    if param:
        names["item"] = names[ANY_ITEM] = ""
    if sequence is not None:
        if sequence.count is not None and sequence.end is not None:
            raise Invalid("only one of count or end can be defined in withSequence")
        names["item"] = ""


def add_outputs(
    names: Names, shared: Names, template: Template | None, prefix: str, *, aggregate: bool
) -> None:
    """What a step or task offers to others; outputs with a globalName go to `shared` as well."""
    for suffix in ("id", "startedAt", "finishedAt", "hostNodeName"):
        names[f"{prefix}.{suffix}"] = ""
    if template is None:
        return
    if template.daemon:
        names[f"{prefix}.ip"] = ""
    if has_result(template):
        names[f"{prefix}.outputs.result"] = names[f"{prefix}.exitCode"] = ""
    _add_declared(names, shared, template.outputs, prefix)
    if aggregate:
        names[f"{prefix}.outputs.parameters"] = ""


def _add_declared(names: Names, shared: Names, outputs: Outputs, prefix: str) -> None:
    declared = (("parameters", outputs.parameters), ("artifacts", outputs.artifacts))
    for family, members in declared:
        for output in members:
            names[f"{prefix}.outputs.{family}.{output.name}"] = ""
            if "{{" in output.global_name:
                names[ANY_OUTPUT[family]] = ""
            elif output.global_name:
                global_name = f"workflow.outputs.{family}.{output.global_name}"
                names[global_name] = shared[global_name] = ""


def has_result(template: Template) -> bool:
    """Whether its standard output and exit code can be asked for."""
    if template.type == "ContainerSet" and template.container_set is not None:
        return any(node.name == "main" for node in template.container_set.containers)
    return template.type in _HAS_RESULT
