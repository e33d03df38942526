"""Workflows: list, create, submit, read, watch, logs, operations."""

import re
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any

import msgspec
from aiohttp import web

from controller import listing
from controller.fields import Fields
from controller.submission import SubmitOptions, kind_of
from server.api import replies
from server.api.routes import Ask, BadRequest, Routes
from server.objects import check

routes = Routes()
add = routes.add

BASE = "/api/v1/workflows/{namespace}"
ONE = BASE + "/{name}"


@add("GET", BASE, "list", "workflows")
async def list_(ask: Ask) -> web.StreamResponse:
    page = await ask.deck.controller.list(wanted(ask))
    shown = Fields(ask.query("fields"))
    remaining = page.remaining or None
    answer = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "WorkflowList",
        "metadata": _present({"continue": page.continue_, "remainingItemCount": remaining}),
        "items": page.items,
    }
    return replies.reply(shown.clean(answer))


def wanted(ask: Ask) -> listing.ListQuery:
    """The query of a list or watch. Raises BadOption."""
    query = listing.query(
        namespace=ask.namespace,
        label_selector=ask.query("listOptions.labelSelector"),
        field_selector=ask.query("listOptions.fieldSelector"),
        limit=ask.number("listOptions.limit"),
        continue_=ask.query("listOptions.continue"),
        name_prefix=ask.query("namePrefix"),
    )
    times = {
        field: _time(ask, name)
        for field, name in (
            ("created_after", "createdAfter"),
            ("finished_before", "finishedBefore"),
        )
        if ask.query(name)
    }
    return msgspec.structs.replace(query, name_filter=_name_filter(ask, query), **times)


def _name_filter(ask: Ask, query: listing.ListQuery) -> listing.NameFilter:
    asked = ask.query("nameFilter")
    if asked not in ("", "Exact", "Prefix", "Contains", "NotEquals"):
        raise BadRequest(
            f"nameFilter: expected Exact, Prefix, Contains or NotEquals, found '{asked}'"
        )
    return asked or query.name_filter  # type: ignore[return-value]


def _time(ask: Ask, name: str) -> datetime:
    try:
        return msgspec.convert(ask.query(name), datetime)
    except msgspec.ValidationError as error:
        raise BadRequest(f"query parameter {name}: expected a time as in RFC 3339") from error


def _present(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value}


@add("POST", BASE, "create", "workflows")
async def create(ask: Ask) -> web.StreamResponse:
    body = await ask.body()
    checked = check.value(_object(body, "workflow"), ask.namespace, "Workflow")
    options = body.get("createOptions")
    is_dry = bool(body.get("serverDryRun") or (isinstance(options, dict) and options.get("dryRun")))
    asked = SubmitOptions(server_dry_run=True) if is_dry else None
    return replies.reply(await ask.deck.controller.create(checked.manifest, asked))


@add("POST", BASE + "/lint", "lint", "workflows")
async def lint(ask: Ask) -> web.StreamResponse:
    body = await ask.body()
    manifest = _object(body, "workflow")
    checked = check.value(manifest, ask.namespace, "Workflow")
    check.validate(checked, ask.deck.template)
    return replies.reply(checked.manifest)


@add("POST", BASE + "/submit", "submit", "workflows")
async def submit(ask: Ask) -> web.StreamResponse:
    body = await ask.body()
    try:
        options = msgspec.convert(body.get("submitOptions") or {}, SubmitOptions)
    except msgspec.ValidationError as error:
        raise BadRequest(f"submitOptions: {error}") from error
    kind, name = str(body.get("resourceKind") or ""), str(body.get("resourceName") or "")
    controller, namespace = ask.deck.controller, ask.namespace
    if kind_of(kind) == "CronWorkflow":
        return replies.reply(await ask.deck.crons.create(namespace, name, options))
    return replies.reply(await controller.create_from(kind, namespace, name, options))


@add("GET", ONE, "get", "workflows")
async def get(ask: Ask) -> web.StreamResponse:
    found = await ask.deck.controller.get(ask.namespace, ask.part("name"))
    return replies.reply(Fields(ask.query("fields")).clean(found))


@add("DELETE", ONE, "delete", "workflows")
async def delete(ask: Ask) -> web.StreamResponse:
    await ask.deck.controller.delete(ask.namespace, ask.part("name"))
    return replies.reply({})


OPERATIONS = ("suspend", "resume", "stop", "terminate", "retry", "resubmit", "set")


@add("PUT", ONE + "/{operation:" + "|".join(OPERATIONS) + "}", "operate", "workflows")
async def operate(ask: Ask) -> web.StreamResponse:
    options = await ask.body()
    controller, name = ask.deck.controller, ask.part("name")
    done = await controller.operate(ask.namespace, name, ask.part("operation"), dict(options))
    return replies.reply(await controller.get(done["namespace"], done["name"]))


@add("GET", "/api/v1/workflow-events/{namespace}", "watch", "workflows")
async def watch(ask: Ask) -> web.StreamResponse:
    initial = not ask.query("listOptions.resourceVersion")
    changes = ask.deck.controller.watch(wanted(ask), initial=initial)
    shown = Fields(ask.query("fields"))

    async def results() -> AsyncIterator[Any]:
        async for change in changes:
            answer = {"result": {"object": {"type": change.type, "object": change.object}}}
            kept = shown.clean({"result": {"type": change.type, "object": change.object}})
            yield kept.get("result") or answer

    return await replies.stream(ask.request, results())


@add("GET", ONE + "/log", "logs", "workflows")
async def log(ask: Ask) -> web.StreamResponse:
    return await _logs(ask, ask.query("podName"))


@add("GET", ONE + "/{pod}/log", "logs", "workflows")
async def pod_log(ask: Ask) -> web.StreamResponse:
    return await _logs(ask, ask.part("pod"))


async def _logs(ask: Ask, node: str) -> web.StreamResponse:
    try:
        wanted_line = re.compile(ask.query("grep"))
    except re.error as error:
        raise BadRequest(f"grep: {error}") from error
    follow = ask.flag("logOptions.follow")
    chunks = ask.deck.controller.logs(ask.namespace, ask.part("name"), node=node, follow=follow)
    entries = _lines(chunks, wanted_line)
    if ask.query("logOptions.tailLines"):
        entries = _tail(entries, ask.number("logOptions.tailLines"))
    return await replies.stream(ask.request, entries)


async def _lines(chunks: AsyncIterator[Any], wanted_line: re.Pattern[str]) -> AsyncIterator[Any]:
    """One entry per line. A pod's unfinished line waits for its rest, and comes as it is at the end."""
    rests: dict[str, bytes] = {}
    async for chunk in chunks:
        *whole, rest = (rests.pop(chunk.node, b"") + chunk.data).split(b"\n")
        for line in whole:
            if wanted_line.search(text := line.decode("utf-8", "replace")):
                yield {"content": text, "podName": chunk.node, "nodeName": chunk.node_name}
        if rest:
            rests[chunk.node] = rest
    for pod, rest in rests.items():
        if wanted_line.search(text := rest.decode("utf-8", "replace")):
            yield {"content": text, "podName": pod}


async def _tail(entries: AsyncIterator[Any], count: int) -> AsyncIterator[Any]:
    from collections import deque

    last: deque[Any] = deque(maxlen=max(count, 0))
    async for entry in entries:
        last.append(entry)
    for entry in last:
        yield entry


def _object(body: dict[str, Any], field: str) -> dict[str, Any]:
    found = body.get(field)
    if not isinstance(found, dict):
        raise BadRequest(f'the body needs an object "{field}"')
    return found
