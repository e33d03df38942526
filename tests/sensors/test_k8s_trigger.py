"""The k8s trigger on a cluster in memory, and on this engine's own workflows."""

import asyncio
import copy
from typing import Any

import pytest

from bireme.kit.errors import Conflict
from sensors import objects
from sensors.errors import BadSensor, TriggerFailed, TriggerRefused
from tests.sensors.acting import Actor
from tests.servers import waiting

Json = dict[str, Any]


class MemoryCluster:
    """Fits `sensors.ports.Cluster`. `later` are labels an object has from the next looks on; `loses` answers."""

    def __init__(self) -> None:
        self.things: dict[tuple[str, ...], Json] = {}
        self.calls: list[str] = []
        self.later: list[dict[str, str]] = []
        self.loses = False

    async def get(self, thing: Json) -> Json | None:
        self.calls.append("get")
        found = self.things.get(key(thing))
        if found is not None and self.later:
            found["metadata"]["labels"] = self.later.pop(0)
        return copy.deepcopy(found)

    async def create(self, thing: Json) -> Json:
        self.calls.append("create")
        if key(thing) in self.things:
            raise Conflict(f"{thing['metadata']['name']} already exists")
        self.things[key(thing)] = copy.deepcopy(thing)
        if self.loses:
            raise TriggerFailed("the connection was lost")
        return copy.deepcopy(thing)

    async def replace(self, thing: Json) -> Json:
        self.calls.append("replace")
        self.things[key(thing)] = copy.deepcopy(thing)
        return copy.deepcopy(thing)

    async def patch(self, thing: Json, strategy: str) -> Json | None:
        self.calls.append(f"patch {strategy}")
        if key(thing) not in self.things:
            return None
        return thing

    async def delete(self, thing: Json) -> None:
        self.calls.append("delete")
        self.things.pop(key(thing), None)

    async def close(self) -> None:
        """Holds nothing."""


def key(thing: Json) -> tuple[str, ...]:
    metadata = thing["metadata"]
    return thing["apiVersion"], thing["kind"], metadata.get("namespace", ""), metadata["name"]


def thing(**metadata: Any) -> Json:
    return {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "1"},
    }  # fmt: skip


def source(given: Json) -> Json:
    return {"source": {"resource": given}}


@pytest.fixture
def cluster() -> MemoryCluster:
    return MemoryCluster()


async def test_what_is_created_is_labelled_and_named_by_the_firing(cluster: MemoryCluster) -> None:
    async with Actor("k8s", cluster=cluster) as actor:
        made = await actor.fire({}, **source(thing(generateName="c-")))
    [found] = cluster.things.values()
    assert found["metadata"]["name"] == made.name
    assert made.name.startswith("c-")
    assert found["metadata"]["namespace"] == "default"
    assert found["metadata"]["labels"]["events.argoproj.io/sensor"] == "s"


async def test_a_lost_answer_does_not_make_a_second_object(cluster: MemoryCluster) -> None:
    cluster.loses = True
    async with Actor("k8s", cluster=cluster) as actor:
        with pytest.raises(TriggerFailed):
            await actor.fire({}, **source(thing(generateName="c-")))
        again = await actor.fire({}, **source(thing(generateName="c-")))
    assert [one["metadata"]["name"] for one in cluster.things.values()] == [again.name]


async def test_an_object_of_somebody_else_is_not_taken_for_ours(cluster: MemoryCluster) -> None:
    theirs = thing(name="c", namespace="default")
    cluster.things[key(theirs)] = theirs
    async with Actor("k8s", cluster=cluster) as actor:
        with pytest.raises(TriggerRefused, match="ConfigMap c exists already"):
            await actor.fire({}, **source(thing(name="c")))


async def test_an_update_merges_and_empty_values_change_nothing(cluster: MemoryCluster) -> None:
    live = {**thing(name="c", namespace="default"), "data": {"a": "old", "b": "2"}, "list": [1, 2]}
    cluster.things[key(live)] = live
    given = {**thing(name="c"), "data": {"a": "new", "b": ""}, "list": [3]}
    async with Actor("k8s", cluster=cluster) as actor:
        await actor.fire({}, operation="update", **source(given))
    [found] = cluster.things.values()
    assert (found["data"], found["list"]) == ({"a": "new", "b": "2"}, [3])


@pytest.mark.parametrize("operation", ["update", "patch"])
async def test_what_is_not_there_is_created(cluster: MemoryCluster, operation: str) -> None:
    async with Actor("k8s", cluster=cluster) as actor:
        await actor.fire({}, operation=operation, **source(thing(name="c")))
    [found] = cluster.things.values()
    assert "labels" not in found["metadata"]


async def test_values_are_placed_in_the_live_object(
    cluster: MemoryCluster, make_event: Any
) -> None:
    live = {**thing(name="c", namespace="default"), "data": {"count": "1", "kept": "yes"}}
    cluster.things[key(live)] = live
    append = {
        "src": {"dependencyName": "a", "dataKey": "body.n"},
        "dest": "data.count",
        "operation": "append",
    }
    block = {"operation": "update", "liveObject": True, "parameters": [append]}
    async with Actor("k8s", cluster=cluster) as actor:
        await actor.fire({"a": make_event("e1")}, **block, **source(thing(name="c")))
        [found] = cluster.things.values()
        assert found["data"] == {"count": "11", "kept": "yes"}
        with pytest.raises(TriggerFailed, match="failed to retrieve existing object"):
            await actor.fire({"a": make_event("e1")}, **block, **source(thing(name="none")))


async def test_a_patch_has_its_strategy_and_a_delete_is_done_once_it_is_gone(
    cluster: MemoryCluster,
) -> None:
    live = thing(name="c", namespace="default")
    cluster.things[key(live)] = live
    strategy = "application/strategic-merge-patch+json"
    async with Actor("k8s", cluster=cluster) as actor:
        await actor.fire({}, operation="patch", patchStrategy=strategy, **source(thing(name="c")))
        for _ in range(2):
            await actor.fire({}, operation="delete", **source(thing(name="c")))
    assert cluster.calls == [f"patch {strategy}", "delete", "delete"]


async def test_a_policy_waits_for_labels_and_says_when_they_do_not_come(
    cluster: MemoryCluster,
) -> None:
    backoff = {"steps": 3, "duration": "10s", "factor": 2, "jitter": 0}
    policy = {"k8s": {"labels": {"done": "true"}, "backoff": backoff}}
    cluster.later = [{}, {"done": "true"}]
    async with Actor("k8s", cluster=cluster) as actor:
        began = actor.clock.now()
        receipt = await actor.fire({}, policy, **source(thing(name="c")))
        assert receipt.note == "create; the policy's labels are there"
        assert (actor.clock.now() - began).total_seconds() == 30
        cluster.later = [{}, {}, {}]
        receipt = await actor.fire({}, policy, id="f2", **source(thing(name="d")))
        assert "were not there after 3 looks" in receipt.note
        strict = {"k8s": {**policy["k8s"], "errorOnBackoffTimeout": True}}
        cluster.later = [{}, {}, {}]
        with pytest.raises(TriggerFailed, match="policy application resulted in failure"):
            await actor.fire({}, strict, id="f3", **source(thing(name="e")))


WORKFLOW = {
    "apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow",
    "metadata": {"generateName": "b-"}, "spec": {"entrypoint": "main"},
}  # fmt: skip


def k8s(policy: Any = None, **block: Any) -> Json:
    return {"template": {"name": "t", "k8s": block}, "policy": policy}


async def test_without_a_cluster_a_workflow_is_made_in_the_commit_of_its_event(
    deck: Any, make_sensor: Any, make_event: Any
) -> None:
    deck.bank.add(make_sensor(k8s(operation="create", **source(WORKFLOW))))
    await deck.publish(make_event("e1"))
    await deck.publish(make_event("e1"))
    assert await deck.firings() == [("t", "fired", 1, "")]
    assert len(deck.workflows.started) == 1


async def test_a_workflow_under_a_policy_is_made_once_and_watched(
    deck: Any, make_sensor: Any, make_event: Any
) -> None:
    labels = {"workflows.argoproj.io/phase": "Succeeded"}
    policy = {"k8s": {"labels": labels, "backoff": {"steps": 3}}}
    deck.workflows.labelled = [{}, labels]
    deck.bank.add(make_sensor(k8s(policy, **source(WORKFLOW))))
    await deck.publish(make_event("e1"))
    running = asyncio.create_task(deck.bank.outbox.run())

    async def fired() -> bool:
        return bool(await deck.firings() == [("t", "fired", 1, "")])

    await waiting.until(fired)
    running.cancel()
    assert len(await deck.rows("SELECT 1 FROM runs")) == 1
    [(receipt,)] = await deck.rows("SELECT receipt FROM firings")
    assert "the policy's labels are there" in receipt


OWN: dict[str, tuple[str, Json, str]] = {
    "a pause": ("patch", {"suspend": True}, "suspend"),
    "going on": ("patch", {"suspend": False}, "resume"),
    "a stop": ("patch", {"shutdown": "Stop"}, "stop"),
    "an end": ("patch", {"shutdown": "Terminate"}, "terminate"),
    "a deletion": ("delete", {}, "delete"),
}


@pytest.mark.parametrize("name", OWN)
async def test_changes_of_own_workflows_are_operations(deck: Any, name: str) -> None:
    operation, spec, wanted = OWN[name]
    actor = Actor("k8s")
    actor.trigger.around = deck.bank.outbox.surroundings
    given = {**WORKFLOW, "metadata": {"name": "run-1"}, "spec": spec}
    receipt = await actor.fire({}, operation=operation, **source(given))
    assert (receipt.name, receipt.note) == ("run-1", wanted)
    assert deck.workflows.operations == [("default", "run-1", wanted, {})]


async def test_without_a_cluster_other_objects_say_that_they_need_one() -> None:
    async with Actor("k8s") as actor:
        with pytest.raises(TriggerRefused, match="create of ConfigMap c needs a cluster"):
            await actor.fire({}, **source(thing(name="c")))
        given = {**WORKFLOW, "metadata": {"name": "w"}}
        with pytest.raises(TriggerRefused, match="update of a Workflow needs a cluster"):
            await actor.fire({}, operation="update", **source(given))
        with pytest.raises(TriggerRefused, match="liveObject needs a cluster"):
            await actor.fire({}, operation="update", liveObject=True, **source(thing(name="c")))


REFUSED: dict[str, tuple[Json, str]] = {
    "an operation nobody knows": ({"operation": "apply"}, "unknown operation type apply"),
    "a strategy nobody knows": ({"patchStrategy": "x"}, "k8s.patchStrategy is 'x'"),
    "no name": (source(thing()), "create needs metadata.name"),
    "no kind": (source({"metadata": {"name": "x"}}), "needs apiVersion and kind"),
    "a name to be made for a deletion": (
        {"operation": "delete", **source(thing(generateName="c-"))},
        "delete needs metadata.name",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_work_is_refused(name: str) -> None:
    block, message = REFUSED[name]
    with pytest.raises(BadSensor) as failure:
        Actor("k8s").prepared({}, **block)
    assert message in str(failure.value)


def test_kinds_without_a_namespace_get_none() -> None:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "namespace": "x"}}
    assert objects.placed(node, "default")["metadata"] == {"name": "n"}
