"""Tokens of a GitHub App's installation: asked for with a signed statement of who we are, renewed before they end."""

import base64
from datetime import datetime, timedelta
from typing import Any

import msgspec
import orjson

from bireme.kit.clock import Clock
from bireme.kit.errors import MissingExtra, UserError
from events import fields
from events.rest import Api, ApiError

_SPARE = timedelta(minutes=5)
_CLOCK_SKEW_S = 60
_STATEMENT_S = 540  # GitHub accepts ten minutes at most


class BadKey(UserError):
    """The private key of the App cannot be used."""


class GithubApp(fields.Fields, frozen=True, kw_only=True):
    """Argo's GithubAppCreds: whose key signs, and where the App is installed."""

    private_key: fields.SecretRef | None = None
    app_id: int | str = msgspec.field(name="appID", default=0)
    installation_id: int | str = msgspec.field(name="installationID", default=0)

    @property
    def is_whole(self) -> bool:
        return bool(self.private_key and self.app_id and self.installation_id)


class InstallationToken:
    """The token of one installation of one App."""

    def __init__(self, api: Api, app_id: str, installation_id: str, clock: Clock) -> None:
        self._api = api
        self._app_id = app_id
        self._path = f"/app/installations/{installation_id}/access_tokens"
        self._clock = clock
        self._token = ""
        self._until: datetime | None = None

    async def get(self, private_key: bytes) -> str:
        """Good for some minutes at least. Raises BadKey, and ApiError."""
        now = self._clock.now()
        if self._until is None or now + _SPARE >= self._until:
            statement = signed_statement(self._app_id, private_key, now)
            bearer = {"Authorization": f"Bearer {statement}"}
            answer = await self._api.call("POST", self._path, headers=bearer)
            self._token, self._until = _granted(answer)
        return self._token


def _granted(answer: Any) -> tuple[str, datetime]:
    """The complaint shows nothing of the answer: there may be a token in it."""
    try:
        return str(answer["token"]), datetime.fromisoformat(answer["expires_at"])
    except (KeyError, TypeError, ValueError) as error:
        raise ApiError("GitHub's answer is no token of an installation and its end") from error


def signed_statement(app_id: str, private_key: bytes, now: datetime) -> str:
    """A JSON Web Token by RS256."""
    moment = int(now.timestamp())
    claims = {"iat": moment - _CLOCK_SKEW_S, "exp": moment + _STATEMENT_S, "iss": app_id}
    text = f"{_part({'alg': 'RS256', 'typ': 'JWT'})}.{_part(claims)}"
    return f"{text}.{_encoded(_signature(private_key, text.encode()))}"


def _part(value: dict[str, Any]) -> str:
    return _encoded(orjson.dumps(value))


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _signature(private_key: bytes, text: bytes) -> bytes:
    try:
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import padding, rsa
    except ModuleNotFoundError as error:
        raise MissingExtra("crypto", "a GitHub App's token") from error
    try:
        key = serialization.load_pem_private_key(private_key, None)
    except (ValueError, TypeError) as error:
        raise BadKey("githubApp.privateKey is no PEM key without a password") from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise BadKey("githubApp.privateKey is no RSA key")
    return key.sign(text, padding.PKCS1v15(), hashes.SHA256())
