"""What nodes leave behind: outputs of steps and dag templates, global outputs, supplied values."""

import json
from typing import Any

from bireme.lang.errors import LangError
from controller.dag import expressions, substitute
from controller.dag.library import Definition
from controller.dag.loops import BadLoop, scalar_text
from controller.dag.model import Json, Node, NodeOutputs
from controller.dag.scope import Frame, Variables
from controller.dag.turn import Turn


class OutputFault(Exception):
    """A declared output cannot be made; the message is Argo's."""


def of_template(frame: Frame) -> NodeOutputs | None:
    """The declared outputs of a steps or dag template whose children are done. Raises OutputFault."""
    definition = frame.definition
    if not definition.outputs and not definition.output_artifacts:
        return None
    try:
        parameters: dict[str, str | None] = {
            p["name"]: _parameter(p, frame.scope) for p in definition.outputs
        }
        found = {a["name"]: artifact_from(a, frame) for a in definition.output_artifacts}
    except LangError as error:
        raise OutputFault(str(error)) from error
    return NodeOutputs(
        parameters=parameters, artifacts={k: v for k, v in found.items() if v is not None}
    )


def _parameter(declared: Json, scope: Variables) -> str:
    source = declared.get("valueFrom") or {}
    try:
        if source.get("parameter"):
            return from_parameter(declared["name"], source["parameter"], scope)
        if source.get("expression"):
            return from_expression(source["expression"], scope)
    except BadLoop:
        raise  # a default stands for a value that is not there, not for rounds that left no JSON
    except LangError:
        if source.get("default") is None:
            raise
        return str(source["default"])
    if declared.get("value") is not None:
        return str(declared["value"])
    raise OutputFault(
        f"output parameter {declared['name']} has no valueFrom: parameter or expression expected"
    )


def from_parameter(name: str, reference: str, scope: Variables) -> str:
    """The value a reference (with or without braces) names. Raises LangError."""
    wanted = substitute.pure_reference(reference) or reference.strip()
    if wanted not in scope:
        raise LangError(f'Unable to resolve: "{wanted}"')
    value = scope[wanted]
    if value is None:
        raise LangError(
            f'output parameter "{name}": "{wanted}" is an absent optional '
            "(skipped/omitted node output with no default)"
        )
    return value


def from_expression(text: str, scope: Variables) -> str:
    """The value of an expression as text; nothing is a failure. Raises LangError."""
    value = expressions.evaluate(text, scope)
    if value is None:
        raise LangError(f"failed to evaluate expression {text}: it has no value")
    return scalar_text(value)


def artifact_from(declared: Json, frame: Frame) -> Json | None:
    """The artifact that `from` or `fromExpression` points at, under the declared name; None for an absent optional."""
    found: Any = None
    try:
        found = _pointed_at(declared, frame)
    except LangError as error:
        if not declared.get("optional"):
            raise OutputFault(f"Unable to resolve {declared['name']}: {error}") from error
    if found is None:
        if declared.get("optional"):
            return None
        raise OutputFault(
            f"failed to resolve {declared.get('from') or declared.get('fromExpression')}"
        )
    return {**found, "name": declared["name"]}


def _pointed_at(declared: Json, frame: Frame) -> Json | None:
    if text := declared.get("fromExpression"):
        return evaluate_artifact(text, frame)
    reference = (
        substitute.pure_reference(declared.get("from", "")) or declared.get("from", "").strip()
    )
    return frame.artifact(reference)


def evaluate_artifact(text: str, frame: Frame) -> Json | None:
    """An expression whose value is an artifact: artifacts stand in it as placeholders."""
    value = expressions.evaluate(text, _WithArtifacts(frame))
    if isinstance(value, str) and value.startswith(_MARK):
        return frame.artifact(value.removeprefix(_MARK))
    return None


_MARK = "artifact:"


class _WithArtifacts(dict[str, str | None]):
    """The frame's scope plus one placeholder text per artifact."""

    def __init__(self, frame: Frame) -> None:
        super().__init__({key: frame.scope[key] for key in frame.scope})
        self |= {name: f"{_MARK}{name}" for name in frame.artifact_names()}


# --- global outputs ---------------------------------------------------------------------------------------------


def export(turn: Turn, definition: Definition, node: Node) -> None:
    """Copy outputs with a globalName to the workflow; the last writer wins."""
    if not definition.exports or node.outputs is None:
        return
    known = turn.run.outputs or NodeOutputs()
    parameters, artifacts = dict(known.parameters), dict(known.artifacts)
    for declared in definition.outputs:
        value = node.outputs.parameters.get(declared["name"])
        if value is not None and (name := declared.get("globalName")):
            parameters[name] = value
            turn.run.variables[f"workflow.outputs.parameters.{name}"] = value
    for declared in definition.output_artifacts:
        found = node.outputs.artifacts.get(declared["name"])
        if found is not None and (name := declared.get("globalName")):
            artifacts[name] = {**{k: v for k, v in found.items() if k != "path"}, "name": name}
    turn.change_run(
        outputs=NodeOutputs(parameters=parameters, artifacts=artifacts, result=known.result)
    )


# --- supplied outputs -------------------------------------------------------------------------------------------


def supplied(definition: Definition) -> NodeOutputs | None:
    """The outputs a suspended node waits for, without values."""
    names = [p["name"] for p in definition.outputs if "supplied" in (p.get("valueFrom") or {})]
    return NodeOutputs(parameters=dict.fromkeys(names)) if names else None


def with_defaults(definition: Definition, node: Node) -> NodeOutputs | None:
    """The supplied outputs with defaults where nothing was given. Raises OutputFault when one has neither."""
    if node.outputs is None:
        return None
    values = dict(node.outputs.parameters)
    fallback = {p["name"]: _default(definition, node, p) for p in definition.outputs}
    for name, value in values.items():
        if value is None and fallback.get(name) is None:
            raise OutputFault(
                f"raw output parameter '{name}' has not been set and does not have a default value"
            )
        values[name] = fallback[name] if value is None else value
    return NodeOutputs(
        parameters=values, artifacts=node.outputs.artifacts, result=node.outputs.result
    )


def choices(definition: Definition, node: Node, name: str) -> list[str]:
    """What may be supplied for the output; anything when it is empty.

    The `enum` of the output itself, or of the input of the same name; an input may also be given its `enum` as a
    JSON object, which the form of Argo's UI reads.
    """
    declared = next(p for p in definition.outputs if p["name"] == name)
    if declared.get("enum") or name not in definition.input_names:
        return list(declared.get("enum") or ())
    at = definition.input_names.index(name)
    return definition.inputs[at].get("enum") or _choices_in(
        node.inputs[at] if node.inputs else None
    )


def _choices_in(text: str | None) -> list[str]:
    try:
        found = json.loads(text or "null")
    except ValueError:
        return []
    given = found.get("enum") if isinstance(found, dict) else None
    return [str(choice) for choice in given] if isinstance(given, list) else []


def _default(definition: Definition, node: Node, declared: Json) -> str | None:
    own = (declared.get("valueFrom") or {}).get("default")
    if own is not None or declared["name"] not in definition.input_names:
        return None if own is None else str(own)
    source = definition.inputs[definition.input_names.index(declared["name"])]
    return source.get("default")
