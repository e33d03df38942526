"""A fake of Athenz' token service (ZTS): it gives a role token to a service whose statement it can verify.

Faithful in the path, the header and the statement's form and signature, as far as the clients of Pulsar use them.
"""

import base64
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.servers import webapi

ROLE_TOKEN = "role-token-of-athenz"
PARAMS = {
    "tenantDomain": "shop", "tenantService": "orders", "providerDomain": "pulsar", "keyId": "0",
}  # fmt: skip


class Zts(webapi.WebApi):
    """Knows the service `shop.orders` by a key it makes. `asked` is what of it was stated."""

    def __init__(self) -> None:
        super().__init__()
        self.key = rsa.generate_private_key(65537, 2048)
        self.asked: list[dict[str, str]] = []

    @property
    def pem(self) -> str:
        forms = serialization
        raw = self.key.private_bytes(
            forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption()
        )
        return raw.decode()

    @property
    def params(self) -> dict[str, str]:
        return {**PARAMS, "ztsUrl": self.url}

    async def reply(self, request: web.Request) -> web.StreamResponse:
        if request.path != "/zts/v1/domain/pulsar/token":
            return web.json_response({"message": "no such thing"}, status=404)
        stated = request.headers.get("Athenz-Principal-Auth", "")
        if not stated:
            return web.json_response({"message": "who are you?"}, status=401)
        text, _, signature = stated.rpartition(";s=")
        self._verify(text, signature)
        self.asked.append(dict(part.split("=", 1) for part in text.split(";")))
        return web.json_response({"token": ROLE_TOKEN, "expiryTime": 4_000_000_000})

    def _verify(self, text: str, signature: str) -> None:
        # Base64 with signs that a header may carry.
        plain = signature.replace(".", "+").replace("_", "/").replace("-", "=")
        public: Any = self.key.public_key()
        public.verify(base64.b64decode(plain), text.encode(), padding.PKCS1v15(), hashes.SHA256())
