"""`resource` templates over a cluster in memory: actions, conditions, outputs, what a crash may not do twice."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bireme.kit.clock import SystemClock
from bireme.lang.errors import LangError
from bireme.lang.script import Program
from bireme.storage.open import open_database
from executor import resource_conditions, resource_outputs
from executor.backends.resource import ResourceBackend
from executor.model import Report, Task
from executor.records import Records
from executor.surroundings import Surroundings
from server.secrets import KeptSecrets
from tests.executor.bench import Bench, make_task
from tests.executor.clusters import MemoryCluster

JOB = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: job}\nstatus: {phase: Pending}\n"


class Hurried(SystemClock):
    """Never waits."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


class FirstLine:
    """Instead of jq: knows one program."""

    def run(self, program: Program, data: bytes) -> bytes:
        assert program == Program("jq.all", ".items[]")
        return b'"a"\n{"b":1}\n'

    def check(self, program: Program) -> None: ...


@pytest.fixture
def cluster() -> MemoryCluster:
    return MemoryCluster()


@pytest.fixture
async def around(tmp_path: Path, cluster: MemoryCluster) -> AsyncIterator[Surroundings]:
    database = await open_database(tmp_path / "bireme.db")
    yield Surroundings(
        root=tmp_path,
        clock=Hurried(),
        database=database,
        secrets=KeptSecrets(tmp_path, {}),
        cluster=cluster,
        scripts=FirstLine(),
    )
    await database.close()


@pytest.fixture
async def bench(around: Surroundings) -> AsyncIterator[Bench]:
    backend = ResourceBackend(around)
    yield Bench(backend)
    await backend.close()


def acting(action: str, manifest: str = JOB, **fields: Any) -> Task:
    outputs = fields.pop("outputs", [])
    block = {"action": action, "manifest": manifest, **fields}
    return make_task("act", {"resource": block, "outputs": {"parameters": outputs}})


def parameters(report: Report) -> dict[str, str]:
    assert report.outputs is not None
    return report.outputs.parameters


async def test_an_object_is_made_in_the_namespace_of_the_workflow(
    bench: Bench, cluster: MemoryCluster
) -> None:
    assert (await bench.run(acting("create"))).state == "succeeded"
    assert list(cluster.things) == [("batch/v1", "Job", "default", "job")]


async def test_an_object_that_is_there_already_fails_the_step(bench: Bench) -> None:
    await bench.run(acting("apply"))
    task = make_task("other", {"resource": {"action": "create", "manifest": JOB}})
    report = await bench.run(task)
    assert (report.state, report.message) == ("failed", 'Job "job" already exists')


@pytest.mark.parametrize("action", ["get", "replace", "patch"])
async def test_what_must_be_there_and_is_not_fails_the_step(bench: Bench, action: str) -> None:
    report = await bench.run(acting(action))
    assert (report.state, report.message) == ("failed", 'Job "job" not found')


async def test_each_action_is_done_with_its_strategy(bench: Bench, cluster: MemoryCluster) -> None:
    for number, action in enumerate(("apply", "patch", "get", "replace", "delete", "delete")):
        strategy = {"mergeStrategy": "merge"} if action == "patch" else {}
        block = {"action": action, "manifest": JOB, **strategy}
        report = await bench.run(make_task(f"act{number}", {"resource": block}))
        assert report.state == "succeeded", report.message
    assert cluster.calls == ["apply", "patch merge", "get", "replace", "delete", "delete"]
    assert cluster.things == {}


async def test_conditions_are_looked_at_until_one_decides(
    bench: Bench, cluster: MemoryCluster
) -> None:
    cluster.later = [{}, {"status": {"phase": "Running"}}, {"status": {"phase": "Done", "n": 3}}]
    task = acting(
        "create",
        successCondition="status.phase == Done, status.n > 2",
        failureCondition="status.phase == Bad",
        outputs=[{"name": "phase", "valueFrom": {"jsonPath": "{.status.phase}"}}],
    )
    report = await bench.run(task)
    assert (report.state, parameters(report)) == ("succeeded", {"phase": "Done"})
    assert cluster.calls == ["create", "get", "get", "get"]


async def test_a_failure_condition_fails_the_step_in_argos_words(
    bench: Bench, cluster: MemoryCluster
) -> None:
    cluster.later = [{"status": {"phase": "Bad"}}]
    report = await bench.run(
        acting("create", successCondition="status.phase == Done", failureCondition="status.phase == Bad")
    )  # fmt: skip
    assert report.state == "failed"
    assert report.message == "failure condition '{status.phase == [Bad]}' evaluated true"


async def test_an_object_that_vanishes_while_it_is_watched_fails_the_step(
    bench: Bench, cluster: MemoryCluster
) -> None:
    class Vanishing(MemoryCluster):
        async def get(self, thing: dict[str, Any]) -> dict[str, Any]:
            self.things.clear()
            return await super().get(thing)

    cluster.__class__ = Vanishing
    report = await bench.run(acting("create", successCondition="status.phase == Done"))
    assert (report.state, report.message) == ("failed", 'Job "job" not found')


async def test_a_cluster_that_is_away_is_asked_again(bench: Bench, cluster: MemoryCluster) -> None:
    cluster.away = 3
    assert (await bench.run(acting("create"))).state == "succeeded"
    cluster.away = 100
    report = await bench.run(make_task("other", {"resource": {"action": "get", "manifest": JOB}}))
    assert (report.state, report.message) == ("error", "the cluster is away")


async def test_an_answer_that_was_lost_does_not_make_two_objects(
    bench: Bench, cluster: MemoryCluster
) -> None:
    cluster.lose = True
    manifest = JOB.replace("name: job", "generateName: job-")
    assert (await bench.run(acting("create", manifest))).state == "succeeded"
    assert len(cluster.things) == 1


async def test_what_was_made_before_a_crash_is_taken_up_after_it(
    bench: Bench, around: Surroundings, cluster: MemoryCluster
) -> None:
    manifest = JOB.replace("name: job", "generateName: job-")
    task = acting("create", manifest)
    await bench.run(task)
    await around.database.write(lambda tx: tx.execute("UPDATE agent_tasks SET report = NULL"))
    assert (await Records(around.database).begin(task.id, Hurried().now())).again
    bench.reports.clear()
    assert (await bench.run(task)).state == "succeeded"
    assert len(cluster.things) == 1


async def test_a_manifest_can_come_from_an_artifact(bench: Bench, cluster: MemoryCluster) -> None:
    inputs = {"artifacts": [{"name": "m", "path": "/m", "raw": {"data": JOB}}]}
    block = {"action": "create", "manifestFrom": {"artifact": {"name": "m"}}}
    report = await bench.run(make_task("act", {"resource": block, "inputs": inputs}))
    assert report.state == "succeeded", report.message
    assert len(cluster.things) == 1


REFUSED = {
    "flags": ({"flags": ["--now"]}, "resource.flags: these are options of kubectl"),
    "owner": ({"setOwnerReference": True}, "resource.setOwnerReference: the workflow is no object"),
    "two objects": ({"manifest": f"{JOB}---\n{JOB}"}, "resource.manifest: expected one object, found 2"),
    "no kind": ({"manifest": "apiVersion: v1"}, "resource.manifest has no kind"),
    "condition": ({"successCondition": "a == b == c"}, "cannot read the condition 'a == b == c'"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
async def test_a_field_that_cannot_be_honoured_is_named(bench: Bench, case: str) -> None:
    fields, message = REFUSED[case]
    report = await bench.run(acting("create", **fields))
    assert report.state == "error"
    assert message in report.message


async def test_without_a_cluster_the_step_says_so(around: Surroundings) -> None:
    backend = ResourceBackend(replace(around, cluster=None))
    report = await Bench(backend).run(acting("create"))
    assert (report.state, report.message) == (
        "error",
        "template 'act' resource: needs a Kubernetes cluster, and this engine has none;"
        " start it with BIREME_KUBECONFIG=FILE or in-cluster",
    )
    await backend.close()


# --- conditions and outputs, pure -------------------------------------------------------------------------------

OBJECT = {
    "status": {"phase": "Done", "n": 3, "ready": True, "list": [{"a": "x"}, {"a": "y"}]},
    "metadata": {"name": "job"},
}
CLAUSES = {
    "status.phase = Done": True, "status.phase==Done": True, "status.phase != Done": False,
    "status.phase in (Ready, Done)": True, "status.phase notin (Ready, Done)": False,
    "status.nowhere notin (a)": True, "status.n > 2": True, "status.n < 3": False,
    "status.phase > 2": False, "status.phase": True, "!status.phase": False, "!status.nowhere": True,
    "status.ready == true": True, "status.list.#.a == x": False, "status.list.1.a == y": True,
    "status.phase == Done, status.n > 5": False, "status.phase == Done,status.n>2": True, "": True,
}  # fmt: skip


@pytest.mark.parametrize("selector", CLAUSES)
def test_a_selector_holds_when_all_its_clauses_do(selector: str) -> None:
    verdict = resource_conditions.judge(OBJECT, selector, "")
    assert verdict == ("success" if CLAUSES[selector] else "wait")


@pytest.mark.parametrize("selector", ["a = b = c", "a > x", "= b", "a in b", "a,,b"])
def test_a_selector_that_cannot_be_read_is_an_error(selector: str) -> None:
    with pytest.raises(LangError):
        resource_conditions.judge(OBJECT, selector, "")


PATHS = {
    "{.metadata.name}": "job", "{.status.n}": "3", "{.status.list[*].a}": "x y", "{.status.nowhere}": "",
    "name={.metadata.name} {'!'}": "name=job !", ".status.phase": "Done", "{.status.list[0]}": '{"a":"x"}',
}  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_a_json_path_prints_as_kubectl_does(path: str) -> None:
    assert resource_outputs.by_json_path(path, OBJECT) == PATHS[path]


def test_a_jq_filter_gives_one_line_for_each_value() -> None:
    assert resource_outputs.by_jq(".items[]", {}, FirstLine()) == 'a\n{"b":1}'


def test_nothing_is_replaced_by_the_default() -> None:
    declared = [{"name": "p", "valueFrom": {"jsonPath": "{.status.nowhere}", "default": "d"}}]
    assert resource_outputs.values(declared, OBJECT, FirstLine()) == {"p": "d"}
    assert resource_outputs.values(declared, {}, FirstLine()) == {"p": "d"}
    broken = [{"name": "p", "valueFrom": {"jsonPath": "{range .items[*]}"}}]
    with pytest.raises(LangError, match=r"outputs\.parameters 'p': '\{range"):
        resource_outputs.values(broken, OBJECT, FirstLine())
