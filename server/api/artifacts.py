"""Artifacts of finished and running nodes, as Argo serves them: bytes, and directories as a list of links.

What a step wrote is not to be trusted: a browser that shows it is told to run nothing of it.
"""

import html
import mimetypes
from collections.abc import AsyncIterator
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from aiohttp import web

from bireme.kit.errors import NotFound
from executor.ports import Artifact, ArtifactMissing, ReadsArtifacts
from executor.stores import location_kind
from server.api.routes import Ask, BadRequest, Routes

routes = Routes()
add = routes.add

_WHICH = "/{node}/{artifact}"
_PLACE_KEYS = ("key", "blob", "path", "url", "repo")
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Content-Security-Policy": (
        "sandbox; base-uri 'none'; default-src 'none'; img-src 'self';"
        " style-src 'self' 'unsafe-inline'"
    ),
}


@add("GET", "/artifacts/{namespace}/{name}" + _WHICH, "get", "workflows")
async def output(ask: Ask) -> web.StreamResponse:
    return await _whole(ask, await _by_name(ask), "outputs")


@add("GET", "/input-artifacts/{namespace}/{name}" + _WHICH, "get", "workflows")
async def input_(ask: Ask) -> web.StreamResponse:
    return await _whole(ask, await _by_name(ask), "inputs")


@add("GET", "/artifacts-by-uid/{uid}" + _WHICH, "get", "archivedworkflows")
async def output_by_uid(ask: Ask) -> web.StreamResponse:
    return await _whole(ask, await _by_uid(ask, ask.part("uid")), "outputs")


@add("GET", "/input-artifacts-by-uid/{uid}" + _WHICH, "get", "archivedworkflows")
async def input_by_uid(ask: Ask) -> web.StreamResponse:
    return await _whole(ask, await _by_uid(ask, ask.part("uid")), "inputs")


FILES = "/artifact-files/{namespace}/{kind:workflows|archived-workflows}/{name}/{node}"


@add("GET", FILES + "/{side:outputs|inputs}/{artifact}{below:(?:/.*)?}", "get", "workflows")
async def file(ask: Ask) -> web.StreamResponse:
    """A file, a file of a directory, or (for the directory itself) a page of links to its files."""
    archived = ask.part("kind") == "archived-workflows"
    workflow = await (_by_uid(ask, ask.part("name")) if archived else _by_name(ask))
    artifact = _artifact(ask, workflow, ask.part("side"))
    files = await _files(ask, artifact)
    below = ask.part("below").strip("/")
    if below in files:
        return await _bytes(ask, artifact, below)
    shown = [path for path in files if not below or path.startswith(f"{below}/")]
    if not shown:
        raise NotFound(f"artifact '{artifact['name']}' has no file '{below}'")
    return _page(ask, shown)


async def _by_name(ask: Ask) -> dict[str, Any]:
    return await ask.deck.controller.get(ask.namespace, ask.part("name"))


async def _by_uid(ask: Ask, uid: str) -> dict[str, Any]:
    found: dict[str, Any] = await ask.deck.controller.archive.get(uid, ask.namespace, "")
    if ask.namespace not in ("", found["metadata"].get("namespace")):
        raise NotFound(f"there is no workflow {uid} in namespace {ask.namespace}")
    return found


def _artifact(ask: Ask, workflow: dict[str, Any], side: str) -> Artifact:
    node_id, name = ask.part("node"), ask.part("artifact")
    node = ((workflow.get("status") or {}).get("nodes") or {}).get(node_id)
    if node is None:
        raise NotFound(f"workflow {workflow['metadata']['name']} has no node {node_id}")
    for artifact in (node.get(side) or {}).get("artifacts") or ():
        if artifact["name"] == name:
            return dict(artifact)
    raise NotFound(f"node {node_id} has no artifact '{name}' among its {side}")


async def _whole(ask: Ask, workflow: dict[str, Any], side: str) -> web.StreamResponse:
    artifact = _artifact(ask, workflow, side)
    if await _files(ask, artifact) != [""]:
        raise BadRequest(
            f"artifact '{artifact['name']}' is a directory: ask for its files below /artifact-files"
        )
    return await _bytes(ask, artifact, "")


def _reader(ask: Ask) -> ReadsArtifacts:
    executor = ask.deck.executor
    if not isinstance(executor, ReadsArtifacts):
        raise NotFound("this engine keeps no artifacts that could be read")
    return executor


async def _files(ask: Ask, artifact: Artifact) -> list[str]:
    try:
        return await _reader(ask).files(artifact)
    except ArtifactMissing as error:
        raise NotFound(str(error)) from error


async def _bytes(ask: Ask, artifact: Artifact, below: str) -> web.StreamResponse:
    name = _file_name(artifact, below)
    chunks = _reader(ask).read(artifact, below)
    first = await _first(chunks)
    response = web.StreamResponse(headers=_HEADERS)
    response.content_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    response.headers["Content-Disposition"] = f"inline; filename*=UTF-8''{quote(name, safe='')}"
    await response.prepare(ask.request)
    await response.write(first)
    async for chunk in chunks:
        await response.write(chunk)
    await response.write_eof()
    return response


async def _first(chunks: AsyncIterator[bytes]) -> bytes:
    """Before the answer begins: what is gone is told as an error, not as an empty file."""
    try:
        return await anext(chunks, b"")
    except (ArtifactMissing, FileNotFoundError) as error:
        raise NotFound(str(error)) from error


def _file_name(artifact: Artifact, below: str) -> str:
    location = artifact.get(location_kind(artifact)) or {}
    key = next((str(location[field]) for field in _PLACE_KEYS if location.get(field)), "")
    return PurePosixPath(below or key).name or str(artifact["name"])


def _page(ask: Ask, files: list[str]) -> web.Response:
    base = ask.request.raw_path.partition("?")[0].removesuffix(quote(ask.part("below")))
    links = (
        f'<li><a href="{html.escape(f"{base}/{quote(path)}")}">{html.escape(path)}</a></li>'
        for path in files
    )
    body = f"<!doctype html><meta charset=utf-8><ul>{''.join(links)}</ul>"
    return web.Response(text=body, content_type="text/html", headers=_HEADERS)
