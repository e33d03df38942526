"""Kubernetes' label selectors: keys, values, and what each operator wants."""

import re

from bireme.manifests.validate_names import Invalid
from bireme.manifests.workflow import LabelSelector

_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_NAME_RULE = "at most 63 letters, digits, '-', '_' or '.', the first and the last a letter or digit"
_LISTED = frozenset(("In", "NotIn"))
_OPERATORS = _LISTED | {"Exists", "DoesNotExist"}
_LONGEST_NAME, _LONGEST_PREFIX = 63, 253


def check_selector(selector: LabelSelector) -> None:
    """Raises Invalid for the first thing a cluster would refuse."""
    for key, value in selector.match_labels.items():
        _check_key(key)
        _check_value(key, value)
    for rule in selector.match_expressions:
        if rule.operator not in _OPERATORS:
            raise Invalid(f'"{rule.operator}" is not a valid label selector operator')
        _check_key(rule.key)
        if rule.operator in _LISTED and not rule.values:
            raise Invalid(
                f"values: for 'in', 'notin' operators, values set can't be empty: {rule.key}"
            )
        if rule.operator not in _LISTED and rule.values:
            raise Invalid(
                f"values: values set must be empty for exists and does not exist: {rule.key}"
            )
        for value in rule.values:
            _check_value(rule.key, value)


def _check_key(key: str) -> None:
    prefix, slash, name = key.rpartition("/")
    is_prefix = len(prefix) <= _LONGEST_PREFIX and _PREFIX.fullmatch(prefix)
    if (slash and not is_prefix) or not _is_name(name):
        raise Invalid(
            f'key: Invalid value: "{key}": a key is {_NAME_RULE}, after "domain/" or alone'
        )


def _check_value(key: str, value: str) -> None:
    if value and not _is_name(value):
        raise Invalid(
            f'values of {key}: Invalid value: "{value}": a value is empty, or {_NAME_RULE}'
        )


def _is_name(text: str) -> bool:
    return len(text) <= _LONGEST_NAME and _NAME.fullmatch(text) is not None
