"""Names: which are allowed, that they are there and unique, and graphs of names without cycles."""

import re
from collections.abc import Iterable, Mapping, Sequence

_FIELD = re.compile(r"[a-zA-Z0-9][-a-zA-Z0-9]*")
_PARAMETER = re.compile(r"[-a-zA-Z0-9_]+")
_PLACEHOLDER = re.compile(r"__argo__internal__placeholder-\d+")  # stands for text known at run time
_METRIC = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_FIELD_RULE = (
    "name must consist of alpha-numeric characters or '-', and must start with an alpha-numeric character "
    "(e.g. My-name1-2, 123-NAME)"
)
_PARAMETER_RULE = (
    "Parameter/Artifact name must consist of alpha-numeric characters, '_' or '-' "
    "e.g. my_param_1, MY-PARAM-1"
)
_LONGEST = 128


def is_placeholder(text: str) -> bool:
    """Whether a text holds what stands for a value known only at run time."""
    return _PLACEHOLDER.search(text) is not None


class Invalid(Exception):
    """What is wrong, in Argo's words. Caught at the edge of validation, which adds file, line and path."""


def field_name_fault(name: str) -> str:
    """What is wrong with the name of a template, step or task; "" when nothing."""
    name = _PLACEHOLDER.sub("x", name)
    if len(name) > _LONGEST:
        return f"must be no more than {_LONGEST} characters"
    return "" if _FIELD.fullmatch(name) else _FIELD_RULE


def parameter_name_fault(name: str) -> str:
    """What is wrong with the name of a parameter or artifact; "" when nothing."""
    return "" if _PARAMETER.fullmatch(name) else _PARAMETER_RULE


def check_names(names: Iterable[str], *, parameters: bool = False) -> None:
    """Every name is there, unique and well formed. Raises Invalid with `[i].name …`."""
    seen: set[str] = set()
    fault_of = parameter_name_fault if parameters else field_name_fault
    for index, name in enumerate(names):
        if not name:
            raise Invalid(f"[{index}].name is required")
        if name in seen:
            raise Invalid(f"[{index}].name '{name}' is not unique")
        if fault := fault_of(name):
            raise Invalid(f"[{index}].name: '{name}' is invalid: {fault}")
        seen.add(name)


def check_acyclic(graph: Mapping[str, Sequence[str]]) -> None:
    """Raises Invalid with a cycle found by following dependencies, in order of name."""
    done: set[str] = set()
    for start in sorted(graph):
        _walk(graph, start, done)


def _walk(graph: Mapping[str, Sequence[str]], start: str, done: set[str]) -> None:
    """Depth first without recursion: a chain may be as long as a manifest is."""
    path: list[str] = []
    on_path: set[str] = set()
    open_ = [(start, iter(graph.get(start, ())))]
    while open_:
        name, rest = open_[-1]
        following = next(rest, None)
        if following is None:
            open_.pop()
            done.add(name)
            if path:
                on_path.discard(path.pop())
        elif following in on_path:
            raise Invalid(f"dependency cycle detected: {'->'.join([*path, following])}")
        elif following not in done:
            path.append(following)
            on_path.add(following)
            open_.append((following, iter(graph.get(following, ()))))


def is_valid_metric_name(name: str) -> bool:
    """Letters, digits and `_`, not starting with a digit."""
    return _METRIC.fullmatch(name) is not None
