"""`data` templates over the local store."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bireme.kit.clock import SystemClock
from bireme.storage.open import open_database
from executor.backends.data import DataBackend
from executor.model import Task
from executor.surroundings import Surroundings
from server.secrets import KeptSecrets
from tests.executor.bench import Bench, make_task


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    database = await open_database(tmp_path / "bireme.db")
    for key in ("logs/a.log", "logs/deep/b.log", "logs/c.txt", "logs-old/d.log", "other/e.log"):
        path = tmp_path / "artifacts" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    around = Surroundings(
        root=tmp_path, clock=SystemClock(), database=database, secrets=KeptSecrets(tmp_path, {})
    )
    bench = Bench(DataBackend(around))
    yield bench
    await bench.backend.close()
    await database.close()


def listing(*steps: str, **location: Any) -> Task:
    source = {"artifactPaths": {"name": "all", **location}}
    block = {"source": source, "transformation": [{"expression": step} for step in steps]}
    return make_task("list", {"data": block}, capture_result=True)


CASES = {
    "a directory": ({"s3": {"key": "logs"}}, (), '["logs/a.log","logs/c.txt","logs/deep/b.log"]'),
    "a prefix": ({"local": {"key": "logs-"}}, (), '["logs-old/d.log"]'),
    "nothing there": ({"local": {"key": "nowhere/x"}}, (), "[]"),
    "filtered": (
        {"local": {"key": "logs"}}, ("filter(data, # endsWith '.log')",),
        '["logs/a.log","logs/deep/b.log"]',
    ),
    "step after step": (
        {"local": {"key": "logs"}}, ("filter(data, # endsWith '.log')", "map(data, len(#))", "len(data)"), "2",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
async def test_the_keys_go_through_every_expression(bench: Bench, case: str) -> None:
    location, steps, result = CASES[case]
    report = await bench.run(listing(*steps, **location))
    assert report.state == "succeeded", report.message
    assert report.outputs is not None
    assert report.outputs.result == result


async def test_a_broken_expression_is_named_by_its_place(bench: Bench) -> None:
    report = await bench.run(listing("data", "filter(data, # +)", local={"key": "logs"}))
    assert report.state == "failed"
    assert report.message.startswith("template 'list' data.transformation[1].expression: ")


async def test_an_expression_sees_nothing_but_the_data(bench: Bench) -> None:
    report = await bench.run(listing("workflow.name", local={"key": "logs"}))
    assert "unknown name workflow" in report.message


REFUSED = {
    "no source": ({"data": {}}, "template 'list' data.source: expected artifactPaths"),
    "no list": ({"data": {"source": {"artifactPaths": {"name": "a", "raw": {"data": "x"}}}}}, "cannot list"),
    "outside": ({"data": {"source": {"artifactPaths": {"name": "a", "local": {"key": "../x"}}}}}, "relative path"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
async def test_a_source_that_cannot_be_listed_is_an_error(bench: Bench, case: str) -> None:
    template, message = REFUSED[case]
    report = await bench.run(make_task("list", template))
    assert report.state == "error"
    assert message in report.message
