"""The five calls that every kind of applied object answers alike: list, create, read, update, delete."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from bireme.kit.errors import Conflict
from controller import selectors
from server.api import replies
from server.api.routes import Ask, BadRequest, Handler, Routes
from server.objects import check

Project = Callable[[Ask, dict[str, Any]], Awaitable[dict[str, Any]]]


class StaleVersion(Conflict):
    """The object has changed since it was read."""


class AlreadyThere(Conflict):
    """An object of that name exists."""


def declare(
    routes: Routes, base: str, resource: str, kind: str, field: str, show: Project | None = None
) -> None:
    """Declare the calls under `base`. `field` names the object in request bodies; `show` completes what is answered."""
    calls: list[tuple[str, str, str, Handler]] = [
        ("GET", base, "list", _list(kind, show)),
        ("POST", base, "create", _create(kind, field, show)),
        ("POST", base + "/lint", "lint", _lint(kind, field)),
        ("GET", base + "/{name}", "get", _get(kind, show)),
        ("PUT", base + "/{name}", "update", _update(kind, field, show)),
        ("DELETE", base + "/{name}", "delete", _delete(kind)),
    ]
    for method, path, verb, handler in calls:
        routes.add(method, path, verb, resource)(handler)


async def _shown(ask: Ask, manifest: dict[str, Any], show: Project | None) -> dict[str, Any]:
    return await show(ask, manifest) if show is not None else manifest


def _list(kind: str, show: Project | None) -> Handler:
    async def list_(ask: Ask) -> web.StreamResponse:
        accepts = selectors.labels(ask.query("listOptions.labelSelector"))
        pattern = ask.query("namePattern")
        found = [o.as_manifest() for o in ask.deck.objects.of_kind(kind, ask.namespace)]
        items = [
            await _shown(ask, manifest, show)
            for manifest in found
            if pattern in manifest["metadata"]["name"]
            and accepts(manifest["metadata"].get("labels") or {})
        ]
        return replies.listing(f"{kind}List", items)

    return list_


def _create(kind: str, field: str, show: Project | None) -> Handler:
    async def create(ask: Ask) -> web.StreamResponse:
        checked = await _checked(ask, kind, field)
        if any(o.key == checked.key for o in ask.deck.objects.of_kind(kind)):
            raise AlreadyThere(f'{kind} "{checked.name}" already exists')
        return await _apply(ask, checked, show)

    return create


def _lint(kind: str, field: str) -> Handler:
    async def lint(ask: Ask) -> web.StreamResponse:
        checked = await _checked(ask, kind, field)
        check.validate(checked, ask.deck.template)
        return replies.reply(checked.manifest)

    return lint


def _get(kind: str, show: Project | None) -> Handler:
    async def get(ask: Ask) -> web.StreamResponse:
        found = ask.deck.objects.get(kind, ask.namespace, ask.part("name"))
        return replies.reply(await _shown(ask, found.as_manifest(), show))

    return get


def _update(kind: str, field: str, show: Project | None) -> Handler:
    async def update(ask: Ask) -> web.StreamResponse:
        checked = await _checked(ask, kind, field)
        if checked.name != ask.part("name"):
            raise BadRequest(
                f"the path names '{ask.part('name')}', the object in the body '{checked.name}'"
            )
        before = ask.deck.objects.get(kind, ask.namespace, checked.name)
        version = (checked.manifest.get("metadata") or {}).get("resourceVersion")
        if version and version != str(before.generation):
            raise StaleVersion(
                f'{kind} "{checked.name}" has changed: you have version {version}, it is at'
                f" {before.generation}; read it again"
            )
        return await _apply(ask, checked, show)

    return update


def _delete(kind: str) -> Handler:
    async def delete(ask: Ask) -> web.StreamResponse:
        await ask.deck.objects.delete(kind, ask.namespace, ask.part("name"))
        return replies.reply({})

    return delete


async def _checked(ask: Ask, kind: str, field: str) -> check.Checked:
    body = await ask.body()
    found = body.get(field)
    if not isinstance(found, dict):
        raise BadRequest(f'the body needs an object "{field}"')
    return check.value(found, ask.namespace, kind)


async def _apply(ask: Ask, checked: check.Checked, show: Project | None) -> web.StreamResponse:
    check.validate(checked, ask.deck.template)
    await ask.deck.objects.apply(checked)
    stored = ask.deck.objects.get(*checked.key)
    return replies.reply(await _shown(ask, stored.as_manifest(), show))
