"""Limits of semaphores and caches of memoized steps, as clients of the API and people see them."""

from typing import Any

import pytest

from tests.server.conftest import Running
from tests.server.test_cli_engine import Terminal

LIMITS = "/api/v1/sync/default"
MEMO = "/api/v1/bireme/memo/default"
KEPT = {"namespace": "default", "key": "k", "limit": 2, "type": "DATABASE"}


def workflow(**template: Any) -> dict[str, Any]:
    """A workflow of one step."""
    step = {"name": "main", "container": {"image": "x", "command": ["echo", "hello"]}, **template}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"generateName": "w-"},
        "spec": {"entrypoint": "main", "templates": [step]},
    }


async def run(engine: Running, manifest: dict[str, Any]) -> str:
    """Run it to its end; its name."""
    made = await engine.ask("POST", "/api/v1/workflows/default", {"workflow": manifest})
    name = str(made.body["metadata"]["name"])
    await engine.ended(name)
    return name


def memoized(key: str, cache: str = "c") -> dict[str, Any]:
    left = [{"name": "o", "valueFrom": {"path": "/nowhere/o", "default": "X"}}]
    memoize = {"key": key, "maxAge": "1h", "cache": {"configMap": {"name": cache}}}
    return workflow(memoize=memoize, outputs={"parameters": left})


# --- limits ---


async def test_a_limit_is_created_read_changed_and_deleted(engine: Running) -> None:
    made = await engine.ask("POST", LIMITS, {"key": "k", "limit": 2, "type": "DATABASE"})
    assert (made.status, made.body) == (200, KEPT)
    assert await engine.get(f"{LIMITS}/k?type=DATABASE") == KEPT
    changed = await engine.ask("PUT", f"{LIMITS}/k", {"limit": 3, "type": "DATABASE"})
    assert changed.body == {**KEPT, "limit": 3}
    assert (await engine.get("/api/v1/sync/-"))["items"] == [{**KEPT, "limit": 3}]
    assert (await engine.ask("DELETE", f"{LIMITS}/k?type=DATABASE")).body == {}
    assert (await engine.get(LIMITS))["items"] == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("POST", LIMITS, {"key": "k", "limit": 1}, 409, "already exists"),
        ("POST", LIMITS, {"key": "n", "limit": 0}, 400, "limit: found 0"),
        ("POST", LIMITS, {"key": "n", "limit": 2**31}, 400, "limit: found 2147483648"),
        ("POST", LIMITS, {"key": "n", "limit": "many"}, 400, "$.limit"),
        ("POST", LIMITS, {"key": "n", "size": 1}, 400, "size"),
        ("POST", LIMITS, {"key": "", "limit": 1}, 400, "key: expected"),
        ("POST", "/api/v1/sync/-", {"key": "n", "limit": 1}, 400, "namespace: found"),
        ("POST", LIMITS, {"key": "n", "limit": 1, "cmName": "m"}, 400, "applying its manifest"),
        ("PUT", f"{LIMITS}/n", {"limit": 1}, 404, "not found"),
        ("GET", f"{LIMITS}/n", None, 404, "not found"),
        ("GET", f"{LIMITS}/k?type=CONFIG_MAP", None, 400, "applying its manifest"),
        ("GET", f"{LIMITS}/k?type=TEA", None, 400, "found 'TEA'"),
        ("DELETE", f"{LIMITS}/n", None, 404, "not found"),
    ],
)
async def test_what_cannot_be_done_to_a_limit_is_said_and_changes_nothing(
    engine: Running, method: str, path: str, body: Any, status: int, said: str
) -> None:
    await engine.ask("POST", LIMITS, {"key": "k", "limit": 2})
    answer = await engine.ask(method, path, body)
    assert answer.status == status, answer
    assert said in answer.body["message"]
    assert (await engine.get("/api/v1/sync/-"))["items"] == [KEPT]


async def test_a_workflow_runs_once_the_command_of_the_message_was_typed(engine: Running) -> None:
    kept = {"semaphores": [{"database": {"key": "a/b"}}]}
    name = await run(engine, workflow(synchronization=kept))
    refused = (await engine.get(f"/api/v1/workflows/default/{name}"))["status"]
    said = str(refused["nodes"])
    command = "bireme sync create a/b --type database --limit N"
    assert f"`{command}`" in said
    terminal = Terminal(engine)
    await terminal.says(*command.replace("N", "1").split()[1:])
    name = await run(engine, workflow(synchronization=kept))
    assert (await engine.get(f"/api/v1/workflows/default/{name}"))["status"]["phase"] == "Succeeded"


async def test_limits_are_kept_by_commands(engine: Running) -> None:
    terminal = Terminal(engine)
    said = await terminal.says("sync", "create", "a/b", "--limit", "2")
    assert said == "Sync limit 'a/b' in namespace default created with limit 2\n"
    assert "updated to limit 3" in await terminal.says("sync", "update", "a/b", "--limit", "3")
    assert (await terminal.json("sync", "get", "a/b"))["limit"] == 3
    assert await terminal.says("sync", "list", "-o", "name") == "a/b\n"
    assert (await terminal.says("sync", "list")).split()[-3:] == ["default", "a/b", "3"]
    there = await terminal.type("sync", "get", "a/b", "--type", "configmap", "--cm-name", "m")
    assert (there.exit_code, "applying its manifest" in there.stderr) == (1, True)
    assert (await terminal.type("sync", "delete", "")).exit_code == 2
    assert await terminal.says("sync", "delete", "a/b") == "Sync limit 'a/b' deleted\n"
    assert await terminal.json("sync", "list") == []


# --- caches ---


async def test_what_a_step_left_is_listed_and_shown_and_used_until_it_is_cleared(
    engine: Running,
) -> None:
    terminal = Terminal(engine)
    first = await run(engine, memoized("a-key"))
    [entry] = await terminal.json("memo", "list", "c")
    assert (entry["cacheName"], entry["key"], entry["workflow"]) == ("c", "a-key", first)
    assert first in await terminal.says("memo", "list")
    assert f"Left by:    {first}" in await terminal.says("memo", "get", "c", "a-key")
    assert (await terminal.json("memo", "get", "c", "a-key"))["outputs"]["parameters"] == {"o": "X"}
    assert "o: X" in await terminal.says("memo", "get", "c", "a-key")
    assert await hit(engine, memoized("a-key")) is True
    assert await terminal.says("memo", "clear", "c", "a-key") == "1 cleared\n"
    assert await hit(engine, memoized("a-key")) is False


async def hit(engine: Running, manifest: dict[str, Any]) -> bool:
    name = await run(engine, manifest)
    [node] = (await engine.get(f"/api/v1/workflows/default/{name}"))["status"]["nodes"].values()
    return bool(node["memoizationStatus"]["hit"])


async def test_a_cache_or_all_of_them_are_cleared_only_when_that_is_meant(engine: Running) -> None:
    terminal = Terminal(engine)
    for key, cache in (("a", "c"), ("b", "c"), ("a", "d"), ("a", "e")):
        await run(engine, memoized(key, cache))
    for words in ((), ("",), ("c", ""), ("c", "--all")):
        assert (await terminal.type("memo", "clear", *words)).exit_code == 2, words
    for asked in (f"{MEMO}?key=a", f"{MEMO}?cache=", f"{MEMO}?cache=c&key=", MEMO[:-7] + "-"):
        assert (await engine.ask("DELETE", asked)).status == 400, asked
    assert len(await terminal.json("memo", "list")) == 4
    assert (
        "only the first 3 are shown" in (await terminal.type("memo", "list", "--limit", "3")).stderr
    )
    assert await terminal.says("memo", "clear", "c") == "2 cleared\n"
    assert await terminal.says("memo", "list", "-o", "name") == "a\na\n"
    assert await terminal.says("memo", "clear", "--all") == "2 cleared\n"
    assert (await engine.get(MEMO))["items"] == []


async def test_an_entry_that_is_not_there_is_named(engine: Running) -> None:
    done = await Terminal(engine).type("memo", "get", "c", "nothing")
    assert (done.exit_code, 'no entry "nothing"' in done.stderr) == (1, True)
