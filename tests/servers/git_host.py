"""GitHub as far as an App that reads repositories sees it: `git http-backend` behind a fake of the API.

The repositories are served by git itself; the fake verifies the App's statement, and that git shows the token.
"""

import asyncio
import base64
import os
from pathlib import Path

from aiohttp import web

from tests.servers import webapi


class GitHost(webapi.Github):
    """An Enterprise server: the API below `/api/v3`, the repositories of `folder` beside it. `echoes` makes it a rude
    one, which refuses and shows what it was shown."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.echoes = False
        self.answer_of_api: object = None

    async def reply(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/api/v3/app/installations/7/access_tokens":
            granted = self._token(request)
            if self.answer_of_api is None:
                return granted
            return web.json_response(self.answer_of_api, status=201)
        shown = request.headers.get("Authorization", "")
        wanted = base64.b64encode(b"x-access-token:github-token").decode()
        if self.echoes or shown != f"Basic {wanted}":
            status = 403 if self.echoes else 401
            return web.Response(status=status, text=f"who is {shown} or github-token?")
        return await self._served(request)

    async def _served(self, request: web.Request) -> web.StreamResponse:
        process = await asyncio.create_subprocess_exec(
            "git", "http-backend", env=self._environment(request),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        answer, _ = await process.communicate(await request.read())
        head, _, body = answer.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        status = int(headers.pop("Status", "200").split()[0])
        return web.Response(status=status, headers=headers, body=body)

    def _environment(self, request: web.Request) -> dict[str, str]:
        return {
            "PATH": os.defpath,
            "GIT_PROJECT_ROOT": str(self.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "REQUEST_METHOD": request.method,
            "PATH_INFO": request.path,
            "QUERY_STRING": request.query_string,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": "",
            "HTTP_GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
            "REMOTE_ADDR": "127.0.0.1",
        }
