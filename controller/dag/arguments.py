"""From what a caller gives to what a template receives: values of input parameters, input artifacts."""

from collections.abc import Collection, Sequence

from bireme.lang import tags
from controller.dag import scope, variables
from controller.dag.library import Definition
from controller.dag.model import Json, Node
from controller.dag.scope import Layered
from controller.dag.state import Run

_OF_THE_INPUT = ("path", "mode", "recurseMode", "optional", "name", "globalName")
_LOCATIONS = (
    "local",
    "s3",
    "git",
    "http",
    "artifactory",
    "hdfs",
    "raw",
    "oss",
    "gcs",
    "azure",
    "plugin",
)


ABSENT = "argument references an absent optional (skipped/omitted node output with no default)"


class ArgumentFault(Exception):
    """An input cannot be filled; the message is Argo's."""


def process(run: Run, definition: Definition, node: Node, arguments: Json) -> None:
    """Fill the draft node's inputs from the arguments. Raises ArgumentFault."""
    if definition.inputs:
        given = {p["name"]: p for p in arguments.get("parameters") or ()}
        absent = arguments.get("absent") or ()
        values = [
            _value(run, parameter, given.get(parameter["name"]), absent)
            for parameter in definition.inputs
        ]
        node.inputs = _resolved(run, definition, node, values)
    if definition.input_artifacts:
        offered = {a["name"]: a for a in arguments.get("artifacts") or ()}
        found = [_artifact(a, offered.get(a["name"])) for a in definition.input_artifacts]
        node.artifacts = [a for a in found if a is not None]


def _value(run: Run, parameter: Json, argument: Json | None, absent: Collection[str]) -> str:
    value, source = parameter.get("value"), parameter.get("valueFrom")
    if value is None:
        value = parameter.get("default")
    if argument is not None and argument.get("value") is not None:
        value, source = argument["value"], None
    elif argument is not None and argument.get("valueFrom") is not None:
        value, source = None, argument["valueFrom"]
    if source and (ref := source.get("configMapKeyRef")):
        value = _from_config_map(run, ref, source.get("default"))
    if value is None and parameter["name"] in absent:
        raise ArgumentFault(f"inputs.parameters.{parameter['name']}: {ABSENT}")
    if value is None:
        raise ArgumentFault(f"inputs.parameters.{parameter['name']} was not supplied")
    return str(value)


def _from_config_map(run: Run, ref: Json, default: str | None) -> str:
    wanted = tags.compile_tags(ref).substitute(run.variables, strict="all")
    found = variables.config_value(run, wanted)
    if found is None and default is None:
        raise ArgumentFault(
            f"failed to retrieve value from configmap with name {wanted['name']} and key {wanted['key']}: "
            f"{variables.config_fault(run, wanted)}"
        )
    return default if found is None and default is not None else str(found)


def _resolved(
    run: Run, definition: Definition, node: Node, values: Sequence[str]
) -> tuple[str | None, ...]:
    """Values that hold tags: first what the workflow knows, then the other inputs."""
    if not any("{{" in value for value in values):
        return tuple(values)
    around = Layered(scope.own_variables(run, node, definition, ()), run.variables)
    once = tuple(tags.replace(value, around) for value in values)
    inputs = Layered(scope.own_variables(run, node, definition, once), run.variables)
    return tuple(tags.replace(value, inputs) for value in once)


def _artifact(declared: Json, argument: Json | None) -> Json | None:
    name = declared["name"]
    if argument is None:
        if has_location(declared):
            return declared
        if declared.get("optional"):
            return None
        raise ArgumentFault(f"inputs.artifacts.{name} was not supplied")
    if not has_location(argument) and not declared.get("optional"):
        raise ArgumentFault(f"inputs.artifacts.{name} missing location information")
    kept = {key: declared[key] for key in _OF_THE_INPUT if key in declared}
    return {
        **{
            k: v for k, v in argument.items() if k not in ("from", "fromExpression", "path", "mode")
        },
        **kept,
    }


def has_location(artifact: Json) -> bool:
    return any(artifact.get(kind) is not None for kind in _LOCATIONS)
