"""Clients of AWS services and of what speaks like them, for the sources that need one. Only here is aiobotocore known.

Keys come from the secrets a manifest names, read anew whenever a source (re)starts; without any, from where AWS
tools look (environment, profile, instance or pod role).
"""

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

import msgspec

from bireme.kit.errors import ServiceError
from events import fields
from events.ports import Asker, BadSourceConfig, EventsError
from events.sigv4 import Keys

_CONNECT_S = 5.0
_READ_S = 30.0
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
_WRONG_KEYS = frozenset(
    {
        "InvalidClientTokenId",
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
        "AuthFailure",
    }
)
_FORBIDDEN = frozenset({"AccessDenied", "AccessDeniedException", "AuthorizationError", "403"})


class AwsError(EventsError, ServiceError):
    """A call did not work; keys may be renewed and endpoints come back, so it is worth trying again.

    `code` is the service's own word for it, empty when no answer came.
    """

    retriable = True
    blame = "service"

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class Account(fields.Fields, frozen=True, kw_only=True):
    """How to reach a service and as whom: fields that every AWS kind has."""

    access_key: fields.SecretRef | None = None
    secret_key: fields.SecretRef | None = None
    session_token: fields.SecretRef | None = None
    role_arn: str = msgspec.field(name="roleARN", default="")
    region: str = ""
    endpoint: str = ""


class Aws:
    """Clients for one source. They live as long as the `async with` around them."""

    def __init__(
        self,
        account: Account,
        asker: Asker,
        authority: fields.SecretRef | None = None,
    ) -> None:
        if (account.access_key is None) != (account.secret_key is None):
            raise BadSourceConfig("accessKey and secretKey go together; one is missing")
        self._account = account
        self._asker = asker
        self._authority = authority

    @asynccontextmanager
    async def client(self, service: str) -> AsyncIterator[Any]:
        """A client of `service` (`sqs`, `s3`, `sns`). Raises AwsError when the role cannot be had."""
        from aiobotocore.session import get_session

        session = get_session()
        async with AsyncExitStack() as stack:
            keys = self._keys()
            with speaking_to(f"the service {service}"):
                if self._account.role_arn:
                    keys = await self._assumed(stack, session, keys)
                client = await stack.enter_async_context(
                    session.create_client(service, **self._where(), **keys, **self._trusted(stack))
                )
            yield client

    def _keys(self) -> dict[str, str]:
        account = self._account
        named = {
            "aws_access_key_id": account.access_key,
            "aws_secret_access_key": account.secret_key,
            "aws_session_token": account.session_token,
        }
        return {word: self._secret(ref) for word, ref in named.items() if ref is not None}

    def _secret(self, ref: fields.SecretRef) -> str:
        return fields.secret(self._asker.secrets, self._asker.place, ref).decode().strip()

    def _trusted(self, stack: AsyncExitStack) -> dict[str, str]:
        """The client reads certificates from files only."""
        if self._authority is None:
            return {}
        file = stack.enter_context(_pem())
        file.write(fields.secret(self._asker.secrets, self._asker.place, self._authority))
        file.flush()
        return {"verify": file.name}

    def _where(self) -> dict[str, Any]:
        from aiobotocore.config import AioConfig

        # The source's own loop tries again, in the open; the client must not do so for minutes in silence.
        config = AioConfig(
            connect_timeout=_CONNECT_S,
            read_timeout=_READ_S,
            retries={"total_max_attempts": 2},
            s3={"addressing_style": "path"} if self._account.endpoint else None,
        )
        where: dict[str, Any] = {"config": config}
        if self._account.region:
            where["region_name"] = self._account.region
        if self._account.endpoint:
            where["endpoint_url"] = self._account.endpoint
        return where

    async def _assumed(
        self, stack: AsyncExitStack, session: Any, keys: dict[str, str]
    ) -> dict[str, str]:
        """Keys of the role; when they run out the source restarts, and assumes it again."""
        sts = await stack.enter_async_context(session.create_client("sts", **self._where(), **keys))
        name = f"bireme-{self._asker.place.subject}"[:64]
        answer = await sts.assume_role(RoleArn=self._account.role_arn, RoleSessionName=name)
        given = answer["Credentials"]
        return {
            "aws_access_key_id": given["AccessKeyId"],
            "aws_secret_access_key": given["SecretAccessKey"],
            "aws_session_token": given["SessionToken"],
        }


class EngineKeys:
    """The keys that AWS tools find where the engine runs: environment, profile, instance or pod role."""

    def __init__(self) -> None:
        self._session: Any = None

    async def __call__(self) -> Keys:
        """Kept, and renewed when they are about to expire. Raises AwsError where there are none."""
        from aiobotocore.session import get_session

        self._session = self._session or get_session()
        with speaking_to("the credentials of the engine"):
            found = await self._session.get_credentials()
            if found is None:
                raise AwsError("the engine has no AWS credentials: no environment, profile or role")
            keys = await found.get_frozen_credentials()
        return Keys(keys.access_key, keys.secret_key, keys.token or "")


def _pem() -> Any:
    return tempfile.NamedTemporaryFile(suffix=".pem")


@contextmanager
def speaking_to(what: str) -> Iterator[None]:
    """The client's errors as AwsError that says what was spoken to, what is wrong and what helps."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        found = error.response.get("Error", {})
        code = str(found.get("Code", ""))
        raise AwsError(f"{what}: {_advice(code)}{found.get('Message') or error}", code) from error
    except BotoCoreError as error:
        raise AwsError(f"{what} cannot be reached: {error}") from error


def _advice(code: str) -> str:
    if code in _EXPIRED:
        return "the credentials have expired, renew the secret: "
    if code in _WRONG_KEYS:
        return "the credentials are not accepted, check accessKey and secretKey: "
    if code in _FORBIDDEN:
        return "the credentials are not allowed to do this: "
    return f"{code}: " if code else ""
