"""How nodes and pods are called. Ids are digests of names, so the same tree has the same ids everywhere."""

import re
from functools import lru_cache

_LEADING = re.compile(r"^(\[\d+\])?\.")
_HASH_START, _HASH_PRIME, _MASK = 2166136261, 16777619, 0xFFFFFFFF
_POD_PREFIX_LIMIT = 242


@lru_cache(maxsize=4096)
def fnv1a(text: str) -> int:
    """The 32-bit FNV-1a digest of the text in UTF-8."""
    digest = _HASH_START
    for byte in text.encode():
        digest = ((digest ^ byte) * _HASH_PRIME) & _MASK
    return digest


def node_id(workflow: str, name: str) -> str:
    """The id of the node with this name; the root node's id is the workflow's name."""
    return workflow if name == workflow else f"{workflow}-{fnv1a(name)}"


def pod_name(workflow: str, name: str, template: str, fmt: str = "v2") -> str:
    """What the step's pod is called (`{{pod.name}}`), also where no pod exists."""
    if fmt == "v1":
        return node_id(workflow, name)
    if name == workflow:
        return workflow
    prefix = f"{workflow}-{template}" if template else workflow
    return f"{prefix[:_POD_PREFIX_LIMIT]}-{fnv1a(name)}"


def display_name(name: str, boundary: str) -> str:
    """The last part of a node's name, as people know it."""
    return _LEADING.sub("", name.removeprefix(boundary)) if boundary else name


def group_name(steps: str, index: int) -> str:
    return f"{steps}[{index}]"


def item_name(step: str, index: int, text: str) -> str:
    """`step(index:text)`, without the parentheses the text may hold."""
    return f"{step}({index}:{text.replace('(', '').replace(')', '')})"


def attempt_name(name: str, index: int) -> str:
    return f"{name}({index})"


def container_name(pod: str, container: str) -> str:
    return f"{pod}.{container}"


def hook_name(name: str, hook: str) -> str:
    return f"{name}.onExit" if hook == "exit" else f"{name}.hooks.{hook}"


def round_number(name: str, start: int) -> int:
    """Which round of a loop a node is, by its name, in which `N:item)` begins at `start`; 0 outside of loops."""
    number = name[start : name.find(":", start)]
    return int(number) if number.isdecimal() else 0
