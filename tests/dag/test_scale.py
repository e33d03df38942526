"""A completion costs what it affects: the work per task does not grow with the number of tasks."""

import gc
import sys
import tracemalloc
from collections import deque
from types import FrameType
from typing import Any

import pytest

from controller.dag.model import Tick
from tests.dag.play import Play

ECHO = {
    "name": "echo",
    "inputs": {"parameters": [{"name": "i"}]},
    "container": {"image": "x", "command": ["echo"], "args": ["{{inputs.parameters.i}}"]},
}


def arguments(value: str) -> dict[str, Any]:
    return {"parameters": [{"name": "i", "value": value}]}


def flat(n: int) -> list[dict[str, Any]]:
    step = {
        "name": "a",
        "template": "echo",
        "withSequence": {"count": n},
        "arguments": arguments("{{item}}"),
    }
    return [{"name": "main", "steps": [[step]]}]


def layered(n: int) -> list[dict[str, Any]]:
    return [dag(n, lambda i: [i - 50, i - 51] if i > 50 else [])]


def chain(n: int) -> list[dict[str, Any]]:
    return [dag(n, lambda i: [i - 1] if i else [])]


def nested(n: int) -> list[dict[str, Any]]:
    group = {"name": "g", "template": "inner", "withSequence": {"count": n // 10}}
    step = {
        "name": "s",
        "template": "echo",
        "withSequence": {"count": 10},
        "arguments": arguments("{{item}}"),
    }
    return [{"name": "main", "dag": {"tasks": [group]}}, {"name": "inner", "steps": [[step]]}]


def dag(n: int, needs: Any) -> dict[str, Any]:
    tasks = [
        {
            "name": f"t{i}", "template": "echo", "dependencies": [f"t{j}" for j in needs(i)],
            "arguments": arguments(f"{{{{tasks.t{needs(i)[0]}.status}}}}" if needs(i) else "first"),
        }
        for i in range(n)
    ]  # fmt: skip
    return {"name": "main", "dag": {"tasks": tasks}}


SHAPES = {"flat": flat, "layered": layered, "chain": chain, "nested": nested}


def played(templates: list[dict[str, Any]], **fields: Any) -> Play:
    """Ends one task after the other, each in an advance of its own, and forgets the history."""
    play = Play({"entrypoint": "main", "templates": [*templates, ECHO], **fields})
    ready = deque(play.out)
    while play.run.phase == "Running":
        known = len(play.started)
        if ready:
            play.ends(ready.popleft(), exit_code="0")
        else:
            play.step(Tick())
        ready.extend(play.started[known:])
        play.history.clear()
    assert play.run.phase == "Succeeded"
    return play


def calls_per_task(templates: list[dict[str, Any]], n: int, **fields: Any) -> float:
    count = 0

    def counting(frame: FrameType, event: str, arg: Any) -> None:
        nonlocal count
        count += event == "call" or event == "c_call"

    sys.setprofile(counting)
    try:
        played(templates, **fields)
    finally:
        sys.setprofile(None)
    return count / n


@pytest.mark.parametrize("shape", SHAPES)
def test_the_work_per_task_does_not_grow(shape: str) -> None:
    small, large = (calls_per_task(SHAPES[shape](n), n) for n in (200, 2000))
    assert large <= small * 1.2


@pytest.mark.parametrize("shape", SHAPES)
def test_nor_does_it_where_places_are_few_and_go_by_the_order_of_the_tree(shape: str) -> None:
    small, large = (calls_per_task(SHAPES[shape](n), n, parallelism=4) for n in (200, 2000))
    assert large <= small * 1.2


@pytest.mark.parametrize("shape", SHAPES)
def test_a_finished_task_keeps_less_than_a_kibibyte(shape: str) -> None:
    small, large = (bytes_kept(SHAPES[shape](n)) for n in (1000, 4000))
    assert (large - small) / 3000 <= 1024


def bytes_kept(templates: list[dict[str, Any]]) -> int:
    """What a run that has ended holds, its manifest apart."""
    gc.collect()
    tracemalloc.start()
    try:
        play = played(templates)
        play.started.clear()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
