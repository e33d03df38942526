"""The `awsLambda` trigger: one invocation per firing.

    template:
      name: resize
      awsLambda:
        functionName: resize
        region: eu-central-1
        accessKey: {name: aws, key: access}
        secretKey: {name: aws, key: secret}
        invocationType: RequestResponse
        payload:
          - {src: {dependencyName: upload, dataKey: notification.0.s3.object.key}, dest: key}
    policy: {status: {allow: [200]}}

Without keys, credentials come from where AWS tools look; `roleARN` is assumed with either. A function that has failed
(`FunctionError`) is a failure, although the service's own status is 200. The client context holds the firing's id as
`custom.idempotencyKey`. `endpoint` (our own field) is the service's address.
"""

import base64
import json
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import msgspec

from bireme.kit.errors import BiremeError
from bireme.manifests.base import KeySelector
from events import aws, fields
from events.model import Event
from events.ports import BadSourceConfig
from sensors import definition, standing
from sensors import fields as blocks
from sensors.clients import Clients
from sensors.errors import BadSensor, TriggerFailed, TriggerRefused
from sensors.model import Firing, Origin, Receipt
from sensors.registry import triggers
from sensors.surroundings import Surroundings

Json = dict[str, Any]

_TYPES = ("RequestResponse", "Event", "DryRun")
_REFUSED = frozenset(
    {"ResourceNotFoundException", "InvalidParameterValueException", "InvalidRequestContentException",
     "RequestTooLargeException", "ValidationException"}
)  # fmt: skip


class Access(fields.Fields, frozen=True, kw_only=True):
    """Where the function is and who calls it."""

    region: str
    access_key: fields.SecretRef | None = None
    secret_key: fields.SecretRef | None = None
    role_arn: str = msgspec.field(name="roleARN", default="")
    endpoint: str = ""


@triggers.register("awsLambda")
class AwsLambdaTrigger:
    """Keeps one client per account and region, until a call on it fails."""

    class Config(blocks.Sent, frozen=True):
        """Argo's fields, which the manifest is checked against."""

        function_name: str = ""
        region: str = ""
        access_key: KeySelector | None = None
        secret_key: KeySelector | None = None
        invocation_type: str = ""
        role_arn: str = ""
        endpoint: str = ""

    def __init__(self, surroundings: Surroundings) -> None:
        self.around = surroundings
        self.clients: Clients[_Client] = Clients(lambda client: client.close())

    def prepare(self, given: Json, events: Mapping[str, Event], origin: Origin) -> Json:
        block = definition.block(given, "awsLambda", events)
        for field in ("functionName", "region", "payload"):
            if not block.get(field):
                raise BadSensor(f"awsLambda.{field} is missing")
        kind = block.get("invocationType") or _TYPES[0]
        if kind not in _TYPES:
            raise BadSensor(f"awsLambda.invocationType is {kind!r}, expected one of {_TYPES}")
        access = {name: block[name] for name in _fields() if block.get(name)}
        _decoded(access)
        return {
            "function": block["functionName"],
            "type": kind,
            "access": access,
            "body": definition.payload(block, events).decode(),
            "allow": definition.allowed_statuses(given),
        }

    async def fire(self, firing: Firing) -> Receipt:
        spec = firing.spec or {}
        what = f"awsLambda: function {spec['function']}"
        key = (firing.namespace, json.dumps(spec["access"], sort_keys=True))
        try:
            async with self.clients.use(key, partial(self._open, firing)) as client:
                with aws.speaking_to(what):
                    return await client.invoke(firing.id, spec)
        except aws.AwsError as error:
            kind = TriggerRefused if error.code in _REFUSED else TriggerFailed
            raise kind(str(error)) from error

    async def close(self) -> None:
        await self.clients.close()

    async def _open(self, firing: Firing) -> "_Client":
        access = _decoded((firing.spec or {})["access"])
        account = aws.Account(
            access_key=access.access_key,
            secret_key=access.secret_key,
            role_arn=access.role_arn,
            region=access.region,
            endpoint=access.endpoint,
        )
        stack = AsyncExitStack()
        try:
            asker = standing.of(firing, self.around.secrets)
            found = await stack.enter_async_context(aws.Aws(account, asker).client("lambda"))
        except BadSourceConfig as error:
            raise BadSensor(f"awsLambda: {error}") from error
        except aws.AwsError:
            raise
        except BiremeError as error:
            raise TriggerFailed(f"awsLambda: {error}") from error
        return _Client(found, stack)


class _Client:
    """The service's client, and what closes it."""

    def __init__(self, client: Any, stack: AsyncExitStack) -> None:
        self._client, self._stack = client, stack

    async def invoke(self, identity: str, spec: Json) -> Receipt:
        """Raises TriggerFailed for a function that fails or a status that is not allowed."""
        context = json.dumps({"custom": {"idempotencyKey": identity}}).encode()
        answer = await self._client.invoke(
            FunctionName=spec["function"],
            InvocationType=spec["type"],
            Payload=spec["body"].encode(),
            ClientContext=base64.b64encode(context).decode(),
        )
        status = int(answer["StatusCode"])
        async with answer["Payload"] as body:
            words = (await body.read())[:500].decode(errors="replace")
        if answer.get("FunctionError"):
            raise TriggerFailed(f"awsLambda: function {spec['function']} failed: {words}")
        definition.check_status(status, spec["allow"])
        return Receipt(kind="awsLambda", name=spec["function"], status=status)

    async def close(self) -> None:
        await self._stack.aclose()


def _fields() -> tuple[str, ...]:
    return Access.__struct_encode_fields__


def _decoded(access: Json) -> Access:
    try:
        return msgspec.convert(access, Access)
    except msgspec.ValidationError as error:
        raise BadSensor(f"awsLambda: {error}") from error
