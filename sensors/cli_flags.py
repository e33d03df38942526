"""The `args` of an argoWorkflow trigger: flags of Argo's command line, as far as they change what is made. Pure."""

from collections.abc import Callable, Iterator
from typing import Any

from sensors.errors import BadSensor

Json = dict[str, Any]

_SILENT = frozenset({"--wait", "-w", "--watch", "--log", "--strict"})
_SWITCHES = frozenset({"--memoized", "--restart-successful"})
_SHORT = {"-p": "--parameter", "-l": "--labels"}


def options(flags: list[str]) -> Json:
    """Flags of an operation as a plain table: `--node-field-selector x` becomes `nodeFieldSelector`."""
    found: Json = {}
    for name, value in _pairs(flags):
        if name == "--parameter":
            found.setdefault("parameters", []).append(value)
        elif name in _SWITCHES:
            found[_camel(name)] = value != "false"
        else:
            found[_camel(name)] = value
    return found


def apply(manifest: Json, flags: list[str]) -> Json:
    """`manifest` as `argo submit` with these flags would send it. Raises BadSensor naming a flag we do not know."""
    made = {**manifest, "spec": dict(manifest.get("spec") or {})}
    for name, value in _pairs(flags):
        if name not in _SUBMIT:
            raise BadSensor(
                f"argoWorkflow.args: flag '{name}' is not supported; known: {', '.join(sorted(_SUBMIT))}"
            )
        _SUBMIT[name](made, value)
    return made


def _pairs(flags: list[str]) -> Iterator[tuple[str, str]]:
    rest = iter(flags)
    for flag in rest:
        name, equals, value = flag.partition("=")
        if name in _SILENT:
            continue
        if not name.startswith("-"):
            raise BadSensor(f"argoWorkflow.args: '{flag}' is not a flag")
        has_value = equals or name in _SWITCHES
        yield _SHORT.get(name, name), value if has_value else next(rest, "")


def _camel(name: str) -> str:
    first, *rest = name.lstrip("-").split("-")
    return first + "".join(word.capitalize() for word in rest)


def _parameter(made: Json, value: str) -> None:
    name, equals, text = value.partition("=")
    if not equals:
        raise BadSensor(f"expected parameter of the form: NAME=VALUE. Received: {value}")
    arguments = dict(made["spec"].get("arguments") or {})
    others = [item for item in arguments.get("parameters") or () if item.get("name") != name]
    arguments["parameters"] = [*others, {"name": name, "value": text}]
    made["spec"]["arguments"] = arguments


def _labels(made: Json, value: str) -> None:
    pairs = dict(item.split("=", 1) for item in value.split(",") if "=" in item)
    made["metadata"] = {
        **made["metadata"],
        "labels": {**(made["metadata"].get("labels") or {}), **pairs},
    }


def _metadata(field: str) -> Callable[[Json, str], None]:
    def put(made: Json, value: str) -> None:
        made["metadata"] = {**made["metadata"], field: value}

    return put


def _spec(field: str, convert: Callable[[str], Any] = str) -> Callable[[Json, str], None]:
    def put(made: Json, value: str) -> None:
        made["spec"][field] = convert(value)

    return put


_SUBMIT: dict[str, Callable[[Json, str], None]] = {
    "--parameter": _parameter,
    "--labels": _labels,
    "--name": _metadata("name"),
    "--generate-name": _metadata("generateName"),
    "--entrypoint": _spec("entrypoint"),
    "--priority": _spec("priority", int),
    "--serviceaccount": _spec("serviceAccountName"),
}
