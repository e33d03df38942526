"""Artifacts of finished and running nodes, as Argo serves them: bytes, and directories as a list of links.

What a step wrote is not to be trusted: a browser that shows it is told to run nothing of it.
"""

import html
import mimetypes
import os
from collections.abc import AsyncIterator
from contextlib import suppress
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
    response.content_type = _type_of(name)
    response.headers["Content-Disposition"] = (
        f"inline; filename*=UTF-8''{quote(os.fsencode(name), safe='')}"
    )
    await response.prepare(ask.request)
    with suppress(ConnectionError):  # who has gone wants no more
        await response.write(first)
        async for chunk in chunks:
            await response.write(chunk)
        await response.write_eof()
    return response


def _type_of(name: str) -> str:
    """Of the bytes as they are kept: what is packed is not what is in it."""
    kind, packed_by = mimetypes.guess_type(name)
    if packed_by:
        return "application/gzip" if packed_by == "gzip" else "application/octet-stream"
    return kind or "application/octet-stream"


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
    parts = ("namespace", "kind", "name", "node", "side", "artifact")
    base = "/".join(["/artifact-files", *(quote(ask.part(part), safe="") for part in parts)])
    body = f"<!doctype html><meta charset=utf-8><ul>{''.join(_link(base, path) for path in files)}</ul>"
    return web.Response(text=body, content_type="text/html", headers=_HEADERS)


def _link(base: str, path: str) -> str:
    """Also to a file whose name is no UTF-8."""
    name = os.fsencode(path)
    shown = html.escape(name.decode(errors="replace"))
    return f'<li><a href="{base}/{quote(name)}">{shown}</a></li>'
