"""A fake of the endpoint where a machine of Azure (an App Service) asks who it is; Microsoft's own library asks it."""

from typing import Any

from aiohttp import web

from tests.servers import webapi

_SECRET = "header-of-the-machine"


class Machine(webapi.WebApi):
    """Gives a token for every resource, `token for <resource>`, unless it `is_nobody`."""

    def __init__(self) -> None:
        super().__init__()
        self.is_nobody = False

    @property
    def environment(self) -> dict[str, str]:
        """What Azure sets for the processes of the machine."""
        return {"IDENTITY_ENDPOINT": f"{self.url}/token", "IDENTITY_HEADER": _SECRET}

    def token(self, resource: str) -> str:
        return f"token-for-{resource.removeprefix('https://')}"

    async def reply(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("X-IDENTITY-HEADER") != _SECRET or self.is_nobody:
            return web.json_response({"statusCode": 400, "message": "no identity"}, status=400)
        resource = request.query["resource"].removesuffix("/")
        answer: dict[str, Any] = {
            "access_token": self.token(resource), "expires_on": "4000000000",
            "resource": resource, "token_type": "Bearer",
        }  # fmt: skip
        return web.json_response(answer)
