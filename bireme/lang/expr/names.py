"""Which variables an expression needs before it can be evaluated."""

from collections.abc import Iterator
from typing import Any

from bireme.lang.expr import nodes


def required(tree: nodes.Node) -> frozenset[str]:
    """Dotted paths, each with its parents. Where `??` or `?.` guards a path, only its first name is needed."""
    return frozenset(_needs(tree, False))


def mentioned(tree: nodes.Node) -> frozenset[str]:
    """Every variable the expression looks at, by its full path, guarded or not."""
    return frozenset(_mentions(tree))


def every_name(tree: nodes.Node) -> Iterator[str]:
    """The names that the types of an expression may depend on: variables, what hides a builtin or forbids a `let`."""
    if isinstance(tree, nodes.Name | nodes.Builtin | nodes.Let):
        yield tree.name
    if isinstance(tree, nodes.Member) and tree.target == nodes.Name("$env", tree.target.at):
        yield str(tree.key.value) if isinstance(tree.key, nodes.Constant) else ""
    for child in _children(tree):
        yield from every_name(child)


def _mentions(tree: nodes.Node) -> Iterator[str]:
    path = _path(tree)
    if path:
        yield ".".join(path)
        return
    for child in _children(tree):
        yield from _mentions(child)


def _needs(tree: nodes.Node, guarded: bool) -> Iterator[str]:
    path = _path(tree)
    if path:
        upto = 1 if guarded or _optional(tree) else len(path)
        for size in range(1, upto + 1):
            yield ".".join(path[:size])
        return
    if isinstance(tree, nodes.Binary) and tree.op == "??":
        yield from _needs(tree.left, True)
        yield from _needs(tree.right, guarded)
        return
    for child in _children(tree):
        yield from _needs(child, guarded)


def _path(tree: nodes.Node) -> tuple[str, ...]:
    """`a.b['c']` as its names; empty when the tree is anything else."""
    if isinstance(tree, nodes.Name):
        return () if tree.name == "$env" else (tree.name,)
    if isinstance(tree, nodes.Chain):
        return _path(tree.value)
    if isinstance(tree, nodes.Member) and isinstance(tree.key, nodes.Constant):
        before = _path(tree.target)
        if before and isinstance(tree.key.value, str):
            return (*before, tree.key.value)
    return ()


def _optional(tree: nodes.Node) -> bool:
    if isinstance(tree, nodes.Chain):
        return True
    return isinstance(tree, nodes.Member) and (tree.optional or _optional(tree.target))


def _children(value: Any) -> Iterator[nodes.Node]:
    for name in value.__struct_fields__:
        yield from _inside(getattr(value, name))


def _inside(value: Any) -> Iterator[nodes.Node]:
    if isinstance(value, tuple):
        for item in value:
            yield from _inside(item)
    elif hasattr(value, "at"):
        yield value
