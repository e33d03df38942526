"""The resource source against a small Kubernetes API of our own."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from events.ports import BadSourceConfig
from events.sources import resource
from tests.servers import cluster

CASES = Path(__file__).parents[2] / ".." / "shared" / "conformance" / "cases" / "argo-events.json"
ALL = ["ADD", "UPDATE", "DELETE"]


@pytest.fixture
async def api() -> AsyncIterator[cluster.Api]:
    async with cluster.running() as running:
        yield running


@pytest.fixture
def apply(bench: Any, api: cluster.Api) -> Callable[..., Any]:
    bench.secrets.values["cluster", "token"] = b"cluster-token\n"

    async def with_(**config: Any) -> None:
        event = {
            "namespace": "shop",
            "version": "v1",
            "resource": "pods",
            "eventTypes": ALL,
            "cluster": {
                "url": f"http://127.0.0.1:{api.port}",
                "token": {"name": "cluster", "key": "token"},
            },
            **config,
        }
        await bench.apply({"resource": {"pods": event}}, "cluster")

    return with_


def told(events: Any) -> list[tuple[str, str]]:
    payloads = [json.loads(event.data) for event in events]
    return [(one["type"], one["body"]["metadata"]["name"]) for one in payloads]


async def test_objects_are_added_updated_and_deleted(
    bench: Any, api: cluster.Api, apply: Any
) -> None:
    for name in "abc":
        api.add(name)
    await apply(metadata={"team": "shop"})
    api.update("a", status={"phase": "Running"})
    api.remove("b")
    events = await bench.arrived(5)
    assert told(events) == [
        ("ADD", "a"), ("ADD", "b"), ("ADD", "c"), ("UPDATE", "a"), ("DELETE", "b"),
    ]  # fmt: skip
    update = json.loads(events[3].data)
    assert update["oldBody"]["metadata"]["name"] == "a"
    assert "status" not in update["oldBody"]
    assert update["body"]["status"] == {"phase": "Running"}
    assert (update["group"], update["version"], update["resource"]) == ("", "v1", "pods")
    assert json.loads(events[0].data)["oldBody"] is None


async def test_a_restart_goes_on_where_it_was_and_adds_nothing_twice(
    bench: Any, api: cluster.Api, apply: Any
) -> None:
    api.add("a")
    await apply()
    await bench.arrived(1)
    await bench.bank.remove("default", "cluster")
    api.add("b")
    api.remove("a")
    await apply()
    assert told(await bench.arrived(3)) == [("ADD", "a"), ("ADD", "b"), ("DELETE", "a")]
    assert sum("watch" not in query for query in api.log) == 1


async def test_a_place_that_is_forgotten_is_made_up_for_by_listing(
    bench: Any, api: cluster.Api, apply: Any
) -> None:
    for name in "abc":
        api.add(name)
    await apply()
    await bench.arrived(3)
    await bench.bank.remove("default", "cluster")
    api.add("d")
    api.update("a", status={})
    api.remove("b")
    api.forget()
    await apply()
    events = await bench.arrived(6)
    assert sorted(told(events)[3:]) == [("ADD", "d"), ("DELETE", "b"), ("UPDATE", "a")]
    api.add("e")
    assert told(await bench.arrived(7))[-1] == ("ADD", "e")


async def test_after_start_what_is_there_is_no_event(
    bench: Any, api: cluster.Api, apply: Any
) -> None:
    api.add("a")
    await apply(filter={"afterStart": True})
    api.add("b")
    assert told(await bench.arrived(1)) == [("ADD", "b")]


async def test_filters_choose(bench: Any, api: cluster.Api, apply: Any) -> None:
    wanted = {
        "prefix": "web-",
        "labels": [{"key": "app", "value": "web"}],
        "fields": [{"key": "status.phase", "operation": "!=", "value": "Pend"}],
        "createdBy": "2026-06-01T00:00:00Z",
    }
    await apply(filter=wanted, eventTypes=["ADD"])
    running = {"status": {"phase": "Running"}}
    api.add("web-1", {"app": "web"}, status={"phase": "Pending"})
    api.add("web-2", {"app": "web"})
    api.add("web-3", {"app": "db"}, **running)
    api.add("db-4", {"app": "web"}, **running)
    api.add("web-5", {"app": "web"}, **running)
    api.remove("web-5")
    api.add("web-6", {"app": "web"}, **running)
    assert told(await bench.arrived(2)) == [("ADD", "web-5"), ("ADD", "web-6")]
    assert api.log[0]["labelSelector"] == "app=web"


async def test_wrong_credentials_are_said(bench: Any, api: cluster.Api, apply: Any) -> None:
    bench.secrets.values["cluster", "token"] = b"other"
    await apply()
    (status,) = bench.bank.status()
    assert status.state == "waiting to restart"
    assert "the credentials are not accepted" in status.error
    bench.secrets.values["cluster", "token"] = b"cluster-token"
    api.add("a")
    assert told(await bench.arrived(1)) == [("ADD", "a")]


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"version": ""}, "version and resource are needed"),
        ({"eventTypes": []}, "eventTypes is missing"),
        ({"eventTypes": ["CHANGE"]}, "unknown 'CHANGE'; known: ADD, UPDATE, DELETE"),
        ({"filter": {"labels": [{"key": "a", "operation": "<="}]}}, "filter.labels: unknown"),
        ({"filter": {"fields": [{"key": "a", "operation": "gt"}]}}, "filter.fields: unknown"),
        ({"filter": {"fields": [{"key": "a", "value": "("}]}}, "filter.fields: '('"),
    ],
)
async def test_a_config_that_cannot_work_is_refused(
    bench: Any, apply: Any, config: dict[str, Any], complaint: str
) -> None:
    await apply(**config)
    (status,) = bench.bank.status()
    assert status.state == "refused"
    assert complaint in status.error


@pytest.mark.parametrize(
    ("operation", "value", "text"),
    [
        ("", "v", "k=v"),
        ("==", "v", "k=v"),
        ("!=", "v", "k!=v"),
        ("exists", "", "k"),
        ("!", "", "!k"),
        ("in", "a,b,", "k in (a,b,)"),
        ("notin", "a", "k notin (a)"),
        ("gt", "1", "k>1"),
        ("lt", "2", "k<2"),
    ],
)
def test_label_selectors_are_written_as_the_api_reads_them(
    operation: str, value: str, text: str
) -> None:
    selector = resource.Selector(key="k", operation=operation, value=value)
    assert resource.requirement(selector) == text


def test_fields_hold_as_upstream() -> None:
    if not CASES.exists():
        pytest.skip("no conformance material")
    groups = json.loads(CASES.read_text())
    for case in groups["resourceFieldSelector"]:
        selectors = tuple(resource.Selector(**one) for one in case["fields"])
        assert resource.matches(case["object"], selectors) is case["result"]
    for case in groups["resourceLabelSelector"]:
        selector = resource.Selector(key=case["key"], operation=case["operation"])
        if case.get("error"):
            with pytest.raises(BadSourceConfig):
                resource.requirement(selector)
        else:
            assert resource.requirement(selector)
