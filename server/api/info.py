"""Who we are: info, version, user."""

import platform

from aiohttp import web

from bireme.kit.version import installed
from server.api import replies
from server.api.routes import Ask, Routes

routes = Routes()


@routes.add("GET", "/api/v1/info", "get", "info")
async def info(ask: Ask) -> web.StreamResponse:
    return replies.reply(
        {"managedNamespace": "", "links": [], "modals": {}, "navColor": "", "columns": []}
    )


@routes.add("GET", "/api/v1/version", "get", "version")
async def version(ask: Ask) -> web.StreamResponse:
    number = installed()
    return replies.reply(
        {
            "version": f"v{number}",
            "buildDate": "1970-01-01T00:00:00Z",
            "gitCommit": "unknown",
            "gitTag": f"v{number}",
            "gitTreeState": "clean",
            "goVersion": f"python{platform.python_version()}",
            "compiler": platform.python_implementation(),
            "platform": f"{platform.system().lower()}/{platform.machine()}",
        }
    )


@routes.add("GET", "/api/v1/userinfo", "get", "userinfo")
async def userinfo(ask: Ask) -> web.StreamResponse:
    return replies.reply({"subject": "token", "groups": [], "name": "the holder of the token"})
