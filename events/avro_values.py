"""Values of JSON as the values that a writer of Avro takes. Pure.

JSON has neither bytes nor whole numbers of their own, and no way to say which type of a union is meant but Avro's
`{"type": value}`.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

_TEXTS = {"string", "enum"}


class Values:
    """Of one schema, whose types `named` has by their full names."""

    def __init__(self, named: Mapping[str, Any]) -> None:
        self._named = named

    def of(self, schema: Any, value: Any) -> Any:
        """What does not fit is left as it is: the writer knows better what to say."""
        if isinstance(schema, list):
            return self._of_union(schema, value)
        if isinstance(schema, str):
            found = self._named.get(schema)
            return self.of(found, value) if found else _plain(schema, "", value)
        kind = schema["type"]
        if not isinstance(kind, str) or kind in self._named:
            return self.of(kind, value)
        if kind in ("record", "error") and isinstance(value, dict):
            return self._of_record(schema, value)
        if kind == "array" and isinstance(value, list):
            return [self.of(schema["items"], one) for one in value]
        if kind == "map" and isinstance(value, dict):
            return {key: self.of(schema["values"], one) for key, one in value.items()}
        return _plain(kind, schema.get("logicalType", ""), value)

    def _of_record(self, schema: Any, value: dict[str, Any]) -> dict[str, Any]:
        types = {field["name"]: field["type"] for field in schema.get("fields", ())}
        return {name: self.of(types[name], one) for name, one in value.items() if name in types}

    def _of_union(self, schema: list[Any], value: Any) -> Any:
        if value is None:
            return None
        if isinstance(value, dict) and len(value) == 1:
            ((name, inner),) = value.items()
            for branch in schema:
                if name in self._names(branch):
                    return self._marked(branch, self.of(branch, inner))
        return self._of_fitting(schema, value)

    def _marked(self, branch: Any, value: Any) -> Any:
        """With the name of the type where the writer reads one; it finds the others by the value."""
        if isinstance(branch, str) and branch not in self._named:
            return (branch, value)
        is_record = self._kind(branch) in ("record", "error")
        return (self._full_name(branch), value) if is_record else value

    def _of_fitting(self, schema: list[Any], value: Any) -> Any:
        """A value that does not say of which type it is: of the first that JSON would write like it."""
        kinds = [self._kind(branch) for branch in schema]
        if isinstance(value, str) and _TEXTS & set(kinds):
            return value
        for branch, kind in zip(schema, kinds, strict=True):
            if kind in _WRITTEN_AS.get(type(value), ()):
                return self.of(branch, value)
        return value

    def _names(self, branch: Any) -> set[str]:
        """By which a union's value may say that it is of this type."""
        name = self._full_name(branch)
        logical = branch.get("logicalType") if isinstance(branch, dict) else None
        return {name, name.rpartition(".")[2], f"{name}.{logical}"}

    def _full_name(self, branch: Any) -> str:
        return branch if isinstance(branch, str) else branch.get("name") or self._kind(branch)

    def _kind(self, schema: Any) -> str:
        while not isinstance(schema, str) or schema in self._named:
            schema = self._named[schema] if isinstance(schema, str) else schema["type"]
        return schema


_WRITTEN_AS: dict[type, tuple[str, ...]] = {
    dict: ("record", "error", "map"),
    list: ("array",),
    str: ("bytes", "fixed"),
    float: ("int", "long"),
}


def _plain(kind: str, logical: str, value: Any) -> Any:
    if kind in ("bytes", "fixed"):
        return _bytes(logical, value)
    if kind in ("int", "long") and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _bytes(logical: str, value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("latin-1")
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return Decimal(str(value)) if logical == "decimal" and is_number else value
