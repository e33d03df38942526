"""The builtins that evaluate a piece of expression per element: all, filter, map, reduce, sortBy, …"""

from collections.abc import Callable, Iterator
from functools import cmp_to_key
from typing import Any, Final

from bireme.lang.errors import LangError
from bireme.lang.expr import values
from bireme.lang.expr.frame import Frame, Run, elements, walk

Maker = Callable[[str, Run, Run | None, Run | None], Run]


def _bool(value: Any) -> bool:
    if value is True or value is False:
        return bool(value)
    raise LangError(f"interface conversion: interface {{}} is {values.go_type(value)}, not bool")


def _verdicts(
    name: str, array: Run, body: Run | None, frame: Frame, backwards: bool = False
) -> Iterator[tuple[Any, int]]:
    """Each element with its index for which the predicate holds."""
    items = elements(name, array(frame))
    step = -1 if backwards else 1
    index = len(items) - 1 if backwards else 0
    for verdict in walk(frame, items, body or _itself, backwards):
        if _bool(verdict):
            yield items[index], index
        index += step


def _itself(frame: Frame) -> Any:
    return frame.item


def _all(name: str, array: Run, body: Run | None, _: Run | None) -> Run:
    def run(frame: Frame) -> bool:
        items = elements(name, array(frame))
        return all(_bool(verdict) for verdict in walk(frame, items, body or _itself))

    return run


def _any(name: str, array: Run, body: Run | None, _: Run | None) -> Run:
    return lambda frame: any(True for _ in _verdicts(name, array, body, frame))


def _none(name: str, array: Run, body: Run | None, _: Run | None) -> Run:
    return lambda frame: not any(True for _ in _verdicts(name, array, body, frame))


def _one(name: str, array: Run, body: Run | None, _: Run | None) -> Run:
    return lambda frame: sum(1 for _ in _verdicts(name, array, body, frame)) == 1


def _count(name: str, array: Run, body: Run | None, _: Run | None) -> Run:
    return lambda frame: sum(1 for _ in _verdicts(name, array, body, frame))


def _filter(name: str, array: Run, body: Run | None, _: Run | None) -> Run:
    return lambda frame: [item for item, _ in _verdicts(name, array, body, frame)]


def _find(name: str, array: Run, body: Run | None, _: Run | None) -> Run:
    backwards, part = name.startswith("findLast"), 1 if name.endswith("Index") else 0

    def run(frame: Frame) -> Any:
        found = next(_verdicts(name, array, body, frame, backwards), None)
        return None if found is None else found[part]

    return run


def _map(name: str, array: Run, body: Run | None, _: Run | None) -> Run:
    return lambda frame: list(walk(frame, elements(name, array(frame)), body or _itself))


def _sum(name: str, array: Run, body: Run | None, _: Run | None) -> Run:
    def run(frame: Frame) -> Any:
        total: Any = 0
        for value in walk(frame, elements(name, array(frame)), body or _itself):
            total = values.add(total, value)
        return total

    return run


def _group_by(name: str, array: Run, body: Run | None, _: Run | None) -> Run:
    def run(frame: Frame) -> values.Grouped:
        items = elements(name, array(frame))
        groups = values.Grouped()
        for item, key in zip(items, walk(frame, items, body or _itself), strict=True):
            groups.setdefault(values.hashable(key), []).append(item)
        return groups

    return run


def _sort_by(name: str, array: Run, body: Run | None, last: Run | None) -> Run:
    def run(frame: Frame) -> list[Any]:
        items = elements(name, array(frame))
        keys = list(walk(frame, items, body or _itself))
        order = order_of(last(frame) if last else "asc")
        ranks = sorted_ranks(keys, order)
        return [items[rank] for rank in ranks]

    return run


def order_of(value: Any) -> bool:
    """True for descending. Raises LangError for anything but asc and desc."""
    if value not in ("asc", "desc"):
        raise LangError(f"unknown order, use asc or desc, got {value}")
    return bool(value == "desc")


def sorted_ranks(keys: list[Any], descending: bool) -> list[int]:
    """The indexes of `keys` in order."""

    def compare(a: int, b: int) -> int:
        if values.less(keys[a], keys[b]):
            return -1
        return 1 if values.less(keys[b], keys[a]) else 0

    return sorted(range(len(keys)), key=cmp_to_key(compare), reverse=descending)


def _reduce(name: str, array: Run, body: Run | None, last: Run | None) -> Run:
    step = body or _itself

    def run(frame: Frame) -> Any:
        items = elements(name, array(frame))
        if last is None and not items:
            raise LangError("reduce of empty array with no initial value")
        start = 1 if last is None else 0
        before = frame.acc, frame.item, frame.index
        frame.acc = items[0] if last is None else last(frame)
        frame.spend(len(items))
        for index in range(start, len(items)):
            frame.item, frame.index = items[index], index
            frame.acc = step(frame)
        result = frame.acc
        frame.acc, frame.item, frame.index = before
        return result

    return run


MAKERS: Final[dict[str, Maker]] = {
    "all": _all,
    "any": _any,
    "none": _none,
    "one": _one,
    "count": _count,
    "filter": _filter,
    "find": _find,
    "findIndex": _find,
    "findLast": _find,
    "findLastIndex": _find,
    "map": _map,
    "sum": _sum,
    "groupBy": _group_by,
    "sortBy": _sort_by,
    "reduce": _reduce,
}
