"""WorkflowEventBindings: events posted to the API submit templates, with the decision that says why."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.server.conftest import Running

APPLY = "/api/v1/bireme/objects/apply"
EXAMPLES = Path(__file__).parents[2] / "examples" / "event-binding" / "binding.yaml"
TEMPLATE, BINDING = yaml.safe_load_all(EXAMPLES.read_text())


def binding(selector: str = "true", **submit: Any) -> dict[str, Any]:
    whole = {"workflowTemplateRef": {"name": "greet"}, **submit}
    spec = {"event": {"selector": selector}, "submit": whole}
    return {**BINDING, "spec": spec}


def asking(**expressions: str) -> dict[str, Any]:
    return {"parameters": [{"name": k, "valueFrom": {"event": e}} for k, e in expressions.items()]}


async def apply(engine: Running, *manifests: dict[str, Any]) -> None:
    for manifest in manifests:
        done = await engine.ask("POST", APPLY, {"manifest": manifest})
        assert done.status == 200, done


async def post(engine: Running, body: Any, discriminator: str = "names") -> None:
    answer = await engine.ask("POST", f"/api/v1/events/default/{discriminator}", body)
    assert (answer.status, answer.body) == (200, {})


async def workflows(engine: Running) -> list[dict[str, Any]]:
    items = (await engine.get("/api/v1/workflows/default"))["items"] or []
    return [await engine.get(f"/api/v1/workflows/default/{i['metadata']['name']}") for i in items]


async def decisions(engine: Running) -> list[tuple[str, str, str]]:
    rows = await engine.deck.database.read(
        "SELECT sensor, outcome, reason FROM decisions ORDER BY id"
    )
    return [tuple(row) for row in rows]  # type: ignore[misc]


async def test_the_example_greets_whom_it_is_told(engine: Running) -> None:
    await apply(engine, TEMPLATE, BINDING)
    await post(engine, {"appellation": "Ada"})
    [made] = await workflows(engine)
    name, labels = made["metadata"]["name"], made["metadata"]["labels"]
    assert name.startswith("greet-")
    assert labels["workflows.argoproj.io/workflow-event-binding"] == "names"
    assert labels["greeted"] == "Ada"
    assert made["spec"]["arguments"]["parameters"] == [{"name": "appellation", "value": "Ada"}]
    await engine.ended(name)
    assert (await engine.get(f"/api/v1/workflows/default/{name}"))["status"]["phase"] == "Succeeded"
    [event] = (await engine.get("/api/v1/bireme/events"))["items"]
    told = await engine.get(f"/api/v1/bireme/explain/event/{event['id']}")
    assert name in str(told)
    assert "event-binding:names" in str(told)
    path = "/api/v1/bireme/explain/sensor/default"
    assert (await engine.get(f"{path}/event-binding:names"))["outcomes"] == {"fired": 1}
    assert (await engine.ask("GET", f"{path}/event-binding:nobody")).status == 404


async def test_what_the_selector_is_false_of_or_cannot_be_asked_starts_nothing_and_says_why(
    engine: Running,
) -> None:
    await apply(engine, TEMPLATE, binding("payload.who.name == 'Ada'"))
    await post(engine, {"who": {"name": "Bob"}})
    await post(engine, {})
    assert await workflows(engine) == []
    [(sensor, first, why), (_, second, error)] = await decisions(engine)
    assert (sensor, first, second) == ("event-binding:names", "filtered", "error")
    assert why == "the selector is false"
    assert "payload.who.name" in error


async def test_arguments_are_texts_as_they_are_and_json_for_the_rest(engine: Running) -> None:
    event = {"text": "a b", "number": 5, "half": 0.5, "list": [1, "x"], "nothing": None}
    names = {name: f"payload.{name}" for name in event}
    await apply(
        engine, TEMPLATE, binding(arguments=asking(**names, where="discriminator + namespace"))
    )
    await post(engine, event, "a/b")
    [made] = await workflows(engine)
    given = {p["name"]: p["value"] for p in made["spec"]["arguments"]["parameters"]}
    assert given == {
        "text": "a b", "number": "5", "half": "0.5", "list": '[1,"x"]', "nothing": "null",
        "where": "a/bdefault",
    }  # fmt: skip


async def test_a_name_and_annotations_are_expressions_too(engine: Running) -> None:
    metadata = {"name": "'run-' + payload.n", "annotations": {"a": "payload.n + '!'"}}
    await apply(engine, TEMPLATE, binding(metadata=metadata))
    await post(engine, {"n": "1"})
    [made] = await workflows(engine)
    assert made["metadata"]["name"] == "run-1"
    assert made["metadata"]["annotations"]["a"] == "1!"


@pytest.mark.parametrize(
    ("submit", "why"),
    [
        (
            {"metadata": {"labels": {"n": "payload.n"}}},
            "submit.metadata.labels.n: 'payload.n' is 5",
        ),
        (
            {"arguments": asking(x="payload.n.m.o")},
            "submit.arguments.parameters[0].valueFrom.event",
        ),
        ({"workflowTemplateRef": {"name": "missing"}}, "missing"),
    ],
)
async def test_what_cannot_be_made_is_a_dead_firing_with_its_reason(
    engine: Running, submit: dict[str, Any], why: str
) -> None:
    await apply(engine, TEMPLATE, binding(**submit))
    await post(engine, {"n": 5})
    assert await workflows(engine) == []
    rows = await engine.deck.database.read("SELECT status, error FROM firings")
    assert [row[0] for row in rows] == ["dead"]
    assert why in rows[0][1]


async def test_of_the_headers_only_those_that_begin_with_x_are_seen(engine: Running) -> None:
    await apply(engine, TEMPLATE, binding("metadata == {}"))
    await post(engine, {})
    [event] = await engine.deck.database.read("SELECT data FROM events")
    assert b"Bearer" not in bytes(event[0])
    assert len(await workflows(engine)) == 1


async def test_a_binding_that_is_edited_or_deleted_is_so_from_the_next_event_on(
    engine: Running,
) -> None:
    await apply(engine, TEMPLATE, binding("false"))
    await post(engine, {})
    await apply(engine, binding("true"))
    await post(engine, {})
    assert len(await workflows(engine)) == 1
    base = "/api/v1/workflow-event-bindings/default"
    assert [i["metadata"]["name"] for i in (await engine.get(base))["items"]] == ["names"]
    assert (await engine.ask("DELETE", f"{base}/names")).status == 200
    await post(engine, {})
    assert len(await workflows(engine)) == 1


@pytest.mark.parametrize("raw", [b"{", b"\xff", b"not json"])
async def test_a_body_that_is_no_json_is_refused(engine: Running, raw: bytes) -> None:
    answer = await engine.ask("POST", "/api/v1/events/default/names", raw=raw)
    assert answer.status == 400
    assert await engine.deck.database.read("SELECT 1 FROM events") == []


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"event": {"selector": "payload. =="}}, "spec.event.selector"),
        ({"event": {}}, "spec.event.selector"),
        ({"submit": {"workflowTemplateRef": {}}}, "spec.submit.workflowTemplateRef.name"),
        (
            {"submit": {"workflowTemplateRef": {"name": "greet"}, "arguments": {"parameters": [{"name": "a"}]}}},
            "spec.submit.arguments.parameters[0].valueFrom.event",
        ),
    ],
)  # fmt: skip
async def test_lint_names_what_a_binding_lacks(
    engine: Running, change: dict[str, Any], path: str
) -> None:
    from bireme.manifests.decode import decode
    from bireme.manifests.validate import validate

    spec = {**binding()["spec"], **change}
    found = validate(decode({**BINDING, "spec": spec}), lambda *_: TEMPLATE, "lint")
    assert [problem.path for problem in found] == [path]
