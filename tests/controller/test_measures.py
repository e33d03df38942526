"""Custom metrics: counters, gauges and histograms of nodes and workflows, realtime ones while they run."""

import asyncio
from typing import Any

import pytest

from controller.dag.measure import Fault, Sample
from controller.listing import ListQuery
from controller.measures import MOST, Measures
from tests.controller.scripted import fails, hangs
from tests.controller.worlds import World, workflow

pytestmark = pytest.mark.looptime


def metric(name: str = "m", labels: dict[str, str] | None = None, **body: Any) -> dict[str, Any]:
    listed = [{"key": key, "value": value} for key, value in (labels or {}).items()]
    return {"name": name, "help": "Says something.", "labels": listed, **body}


def measured(*metrics: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A template with metrics that is called by itself."""
    container = {"image": "x", "command": ["echo"]}
    return {
        "name": "main",
        "container": container,
        "metrics": {"prometheus": list(metrics)},
        **more,
    }


def values(world: World) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    found = world.controller.measures.families.values()
    return {(f.name, labels): s.value for f in found for labels, s in f.series.items()}


async def test_a_counter_counts_ends_by_their_labels(world: World) -> None:
    counted = metric(
        "ends", {"status": "{{status}}", "wf": "{{workflow.name}}"}, counter={"value": "2"}
    )
    made = await world.controller.create(workflow(measured(counted), metadata={"name": "a"}))
    await world.end_of(made)
    world.executor.outcome = fails
    made = await world.controller.create(workflow(measured(counted), metadata={"name": "b"}))
    await world.end_of(made)
    assert values(world) == {
        ("ends", (("status", "Succeeded"), ("wf", "a"))): 2,
        ("ends", (("status", "Failed"), ("wf", "b"))): 2,
    }


async def test_a_metric_is_only_emitted_when_its_condition_holds(world: World) -> None:
    only = metric("only", when="{{status}} == Failed", counter={"value": "1"})
    await world.end_of(await world.controller.create(workflow(measured(only))))
    assert values(world) == {}
    world.executor.outcome = fails
    await world.end_of(await world.controller.create(workflow(measured(only))))
    assert values(world) == {("only", ()): 1}


async def test_a_retried_node_counts_once_and_knows_its_attempts(world: World) -> None:
    world.executor.outcome = fails
    counted = metric("ends", {"retries": "{{retries}}"}, counter={"value": "1"})
    made = workflow(measured(counted, retryStrategy={"limit": 2}))
    await world.end_of(await world.controller.create(made))
    assert values(world) == {("ends", (("retries", "2"),)): 1}


async def test_a_realtime_gauge_moves_while_the_workflow_runs(world: World) -> None:
    world.executor.outcome = hangs
    running = metric("lasts", gauge={"value": "{{duration}}", "realtime": True})
    whole = metric("whole", gauge={"value": "{{workflow.duration}}", "realtime": True})
    made = workflow(measured(running), metrics={"prometheus": [whole]})
    await world.controller.create(made)
    await asyncio.sleep(90)
    found = values(world)
    assert (90 <= found["lasts", ()] < 92, 90 <= found["whole", ()] < 92) == (True, True)


async def test_a_workflow_says_its_status_and_resources_at_its_end(world: World) -> None:
    labels = {"status": "{{workflow.status}}"}
    ends = metric("ends", labels, gauge={"value": "{{workflow.duration}}", "operation": "Add"})
    made = workflow(metrics={"prometheus": [ends]})
    await world.end_of(await world.controller.create(made))
    assert list(values(world)) == [("ends", (("status", "Succeeded"),))]


async def test_what_cannot_be_computed_is_a_fault_and_not_a_failure(world: World) -> None:
    bad = [
        metric("nameless", gauge={"value": "{{outputs.parameters.nope}}"}),
        metric("wordy", counter={"value": "many"}),
        metric("typeless"),
    ]
    ended = await world.end_of(await world.controller.create(workflow(measured(*bad))))
    assert ended["status"]["phase"] == "Succeeded"
    assert (values(world), world.controller.measures.faults) == ({}, 3)


def sample(value: float, **more: Any) -> Sample:
    return Sample(
        **{"name": "m", "help": "h", "kind": "gauge", "labels": (), "value": value, **more}
    )


def test_a_histogram_counts_each_value_in_its_bucket() -> None:
    measures = Measures()
    for value in (0.5, 1, 1.5, 9):
        measures.take("w", [sample(value, kind="histogram", buckets=(2.0, 1.0))])
    (series,) = measures.families["m"].series.values()
    assert (measures.families["m"].buckets, series.counts, series.value) == (
        (1.0, 2.0),
        [2, 1, 1],
        12,
    )


def test_gauges_are_set_raised_and_lowered() -> None:
    measures = Measures()
    measures.take("w", [sample(5), sample(3, operation="Add"), sample(1, operation="Sub")])
    assert measures.families["m"].series[()].value == 7


def test_a_name_keeps_its_kind_and_series_have_a_limit() -> None:
    measures = Measures()
    measures.take("w", [sample(1), sample(1, kind="counter"), Fault("x", "why")])
    assert measures.faults == 2
    measures.take("w", (sample(1, labels=(("run", str(n)),)) for n in range(MOST + 5)))
    assert (len(measures.families["m"].series), measures.faults) == (MOST, 8)


async def test_a_metric_without_a_value_is_a_condition_of_the_workflow_and_fails_nothing(
    world: World,
) -> None:
    bad = metric("bad", gauge={"value": "{{status}}"})
    text = metric("text", counter={"value": "many"})
    made = await world.controller.create(
        workflow(measured(bad, metric("good", counter={"value": "1"}), text))
    )
    ended = await world.end_of(made)
    found = [c for c in ended["status"]["conditions"] if c["type"] == "MetricsError"]
    assert ended["status"]["phase"] == "Succeeded"
    assert len(found) == 1
    assert "metric 'bad': value 'Succeeded' is not a number" in found[0]["message"]
    assert "metric 'text': value 'many' is not a number" in found[0]["message"]
    assert "good" not in found[0]["message"]


async def test_without_faults_there_is_no_such_condition(world: World) -> None:
    made = await world.controller.create(workflow(measured(metric(counter={"value": "1"}))))
    ended = await world.end_of(made)
    assert "MetricsError" not in [c["type"] for c in ended["status"]["conditions"]]


async def test_the_condition_is_told_to_who_asks_while_it_runs_and_costs_its_steps_nothing(
    world: World,
) -> None:
    calls = [[{"name": "a", "template": "a"}], [{"name": "b", "template": "wait"}]]
    bad = {**measured(metric("bad", counter={"value": "many"})), "name": "a"}
    made = await world.controller.create(workflow({"name": "main", "steps": calls}, bad))
    await asyncio.sleep(10)
    whole = await world.controller.get("default", made["metadata"]["name"])
    (listed,) = (await world.controller.list(ListQuery())).items
    kinds = [[c["type"] for c in one["status"]["conditions"]] for one in (whole, listed)]
    assert whole["status"]["phase"] == "Running"
    assert [("MetricsError" in found) for found in kinds] == [True, False]
