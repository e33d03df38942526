"""Selectors as clients write them: labels of Kubernetes, fields of Argo's list, fields of a node. Pure."""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from controller.ports import BadOption

Labels = Mapping[str, str]
_SET = re.compile(r"^(\S+)\s+(in|notin)\s*\(([^()]*)\)$")
_PAIR = re.compile(r"^([^\s!=]+)\s*(==|=|!=)\s*(\S*)$")
_NODE = re.compile(r"^([^=!]+?)\s*(==|=|!=)\s*(.*)$")


@lru_cache(maxsize=256)
def labels(text: str) -> Callable[[Labels], bool]:
    """A test of labels: `a=1,b!=2,c in (x,y),d notin (z),e,!f`, all of which must hold. Raises BadOption."""
    if not text.strip():
        return lambda _labels: True
    tests = [_label_test(part.strip()) for part in _split_outside_parentheses(text)]
    return lambda found: all(test(found) for test in tests)


def _split_outside_parentheses(text: str) -> list[str]:
    return re.split(r",(?![^(]*\))", text)


def _label_test(text: str) -> Callable[[Labels], bool]:
    if not text:
        raise BadOption("found '', expected: identifier after ','")
    if matched := _SET.match(text):
        key, operator, inside = matched.groups()
        values = {value.strip() for value in inside.split(",")}
        if operator == "in":
            return lambda found: found.get(key) in values
        return lambda found: found.get(key) not in values
    if matched := _PAIR.match(text):
        key, operator, value = matched.groups()
        if operator == "!=":
            return lambda found: found.get(key) != value
        return lambda found: found.get(key) == value
    return _existence_test(text)


def is_key(text: str) -> bool:
    """Whether a text may be the key of a label."""
    return re.fullmatch(r"[A-Za-z0-9._/-]+", text) is not None


def _existence_test(text: str) -> Callable[[Labels], bool]:
    name = text.removeprefix("!").strip()
    if not is_key(name):
        raise BadOption(f"unable to parse requirement: found '{text}', expected: a label selector")
    if text.startswith("!"):
        return lambda found: name not in found
    return lambda found: name in found


def name_in(field_selector: str) -> str:
    """The value of `metadata.name=` in a field selector, or nothing."""
    for part in field_selector.split(","):
        key, separator, value = part.partition("=")
        if separator and key.strip() == "metadata.name":
            return value.removeprefix("=").strip()
    return ""


def node_matches(selector: str, node: Mapping[str, Any]) -> bool:
    """Whether a node of Argo's status fulfils every requirement of a node field selector. Raises BadOption."""
    fields = node_fields(node)
    for part in filter(None, (piece.strip() for piece in selector.split(","))):
        matched = _NODE.match(part)
        if matched is None:
            raise BadOption(f"invalid selector: '{part}'; expected FIELD=VALUE or FIELD!=VALUE")
        field, operator, value = matched.groups()
        if (fields.get(field, "") == value) == (operator == "!="):
            return False
    return True


def node_fields(node: Mapping[str, Any]) -> dict[str, str]:
    """The fields of a node that selectors may name."""
    fields = {key: str(node.get(key, "")) for key in _NODE_FIELDS}
    reference = node.get("templateRef") or {}
    fields["templateRef.name"] = str(reference.get("name", ""))
    fields["templateRef.template"] = str(reference.get("template", ""))
    for parameter in (node.get("inputs") or {}).get("parameters") or []:
        fields[f"inputs.parameters.{parameter['name']}.value"] = str(parameter.get("value", ""))
    return fields


_NODE_FIELDS = ("displayName", "templateName", "phase", "name", "id")
