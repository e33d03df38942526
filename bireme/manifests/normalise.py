"""What Go's decoder does before types matter: nulls count as unwritten, a parameter's number or boolean is its text.

Parts that need no change are shared with the value given, so a large manifest is read through rather than copied.
"""

from typing import Any

from bireme.kit.errors import InvalidManifest, Problem
from bireme.manifests.values import any_string

MAX_DEPTH = 220
_PARAMETER_HOLDERS = frozenset(("arguments", "inputs", "outputs"))


def normalise(value: Any, *, verbatim: frozenset[str]) -> Any:
    """The value without null members and with parameters as text. What lies under a `verbatim` key stays as it is.

    Raises InvalidManifest for a value nested too deeply.
    """
    return _Normalising(verbatim).value(value, 0)


class _Normalising:
    def __init__(self, verbatim: frozenset[str]) -> None:
        self.verbatim = verbatim

    def value(self, value: Any, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise _too_deep()
        if isinstance(value, dict):
            return self._mapping(value, depth + 1)
        if isinstance(value, str):
            check_text(value)
        elif isinstance(value, list):
            items = [self.value(item, depth + 1) for item in value]
            same = all(map(_is, items, value))
            return value if same else items
        return value

    def _mapping(self, value: dict[str, Any], depth: int) -> dict[str, Any]:
        changed: dict[str, Any] = {}
        for key, member in value.items():
            if member is None:
                changed[key] = None
            elif isinstance(member, str):
                check_text(member)
            elif isinstance(member, dict | list):
                new = self._member(key, member, depth)
                if new is not member:
                    changed[key] = new
            check_text(key)
        if not changed:
            return value
        return {key: new for key, new in (value | changed).items() if new is not None}

    def _member(self, key: str, member: Any, depth: int) -> Any:
        if key in self.verbatim:
            check_texts(member, depth)
            return member
        new = self.value(member, depth)
        is_holder = key in _PARAMETER_HOLDERS and isinstance(new, dict)
        return with_texts(new) if is_holder else new


def check_texts(value: Any, depth: int) -> None:
    """Every text and key below is Unicode, and nothing is nested too deeply. Raises InvalidManifest."""
    if depth > MAX_DEPTH:
        raise _too_deep()
    if isinstance(value, str):
        check_text(value)
    elif isinstance(value, list):
        for item in value:
            check_texts(item, depth + 1)
    elif isinstance(value, dict):
        for key, member in value.items():
            check_text(key)
            check_texts(member, depth + 1)


def check_text(text: str) -> None:
    """Half of a surrogate pair, which JSON can spell, fits into no file and no database."""
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        shown = text.encode("ascii", "backslashreplace").decode()
        raise InvalidManifest([Problem(message=f"text is not Unicode: {shown[:60]}")]) from error


def _too_deep() -> InvalidManifest:
    return InvalidManifest([Problem(message=f"nested more than {MAX_DEPTH} levels deep")])


def _is(a: Any, b: Any) -> bool:
    return a is b


def with_texts(holder: dict[str, Any]) -> dict[str, Any]:
    """Arguments, inputs or outputs with the values of their parameters as text."""
    given = holder.get("parameters")
    if not isinstance(given, list):
        return holder
    parameters = [_parameter(parameter) for parameter in given]
    return holder if all(map(_is, parameters, given)) else {**holder, "parameters": parameters}


def _parameter(parameter: Any) -> Any:
    if not isinstance(parameter, dict):
        return parameter
    changed: dict[str, Any] = _texts(parameter, ("value", "default", "description"))
    if isinstance(source := parameter.get("valueFrom"), dict) and (
        new := _texts(source, ("default",))
    ):
        changed["valueFrom"] = {**source, **new}
    if isinstance(choices := parameter.get("enum"), list):
        changed["enum"] = [_text(choice) for choice in choices]
    return {**parameter, **changed} if changed else parameter


def _texts(holder: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    """The members that are not text yet, as text."""
    return {
        key: _text(value)
        for key in keys
        if (value := holder.get(key)) is not None and not isinstance(value, str)
    }


def _text(value: Any) -> Any:
    """Lists and objects stay, so that typing complains about them: Argo drops them in silence."""
    text = any_string(value)
    return value if text is None else text
