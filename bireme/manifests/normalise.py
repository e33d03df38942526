"""What Go's decoder does before types matter: nulls count as unwritten, a parameter's number or boolean is its text."""

from typing import Any

from bireme.kit.errors import InvalidManifest, Problem
from bireme.manifests.values import any_string

MAX_DEPTH = 220
_PARAMETER_HOLDERS = frozenset(("arguments", "inputs", "outputs"))


def normalise(value: Any, *, verbatim: frozenset[str], depth: int = 0) -> Any:
    """A deep copy without null members and with parameters as text. What lies under a `verbatim` key stays as it is."""
    if depth > MAX_DEPTH:
        raise InvalidManifest([Problem(message=f"nested more than {MAX_DEPTH} levels deep")])
    if isinstance(value, list):
        return [normalise(item, verbatim=verbatim, depth=depth + 1) for item in value]
    if not isinstance(value, dict):
        return value
    copy = {}
    for key, member in value.items():
        if member is None:
            continue
        if key in verbatim:
            copy[key] = member
            continue
        copy[key] = normalise(member, verbatim=verbatim, depth=depth + 1)
        if key in _PARAMETER_HOLDERS and isinstance(member, dict):
            _parameters(copy[key].get("parameters"))
    return copy


def _parameters(parameters: Any) -> None:
    for parameter in parameters if isinstance(parameters, list) else []:
        if isinstance(parameter, dict):
            _texts(parameter, ("value", "default", "description"))
            if isinstance(source := parameter.get("valueFrom"), dict):
                _texts(source, ("default",))
            if isinstance(choices := parameter.get("enum"), list):
                parameter["enum"] = [_text(choice) for choice in choices]


def _texts(holder: dict[str, Any], keys: tuple[str, ...]) -> None:
    for key in keys:
        if key in holder:
            holder[key] = _text(holder[key])


def _text(value: Any) -> Any:
    """Lists and objects stay, so that typing complains about them: Argo drops them in silence."""
    text = any_string(value)
    return value if text is None else text
