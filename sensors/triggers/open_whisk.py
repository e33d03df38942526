"""The `openWhisk` trigger: one blocking invocation of an action per firing.

    template:
      name: resize
      openWhisk:
        host: https://openwhisk.example.com
        namespace: images
        actionName: resize
        authToken: {name: whisk, key: auth}
        payload:
          - {src: {dependencyName: upload, dataKey: key}, dest: key}
    policy: {status: {allow: [200, 202]}}

`namespace` is `_` (that of the credentials) by default, `version` is `v1`. The secret holds `user:password`. Any status
is a success unless the policy lists the allowed ones.
"""

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from bireme.kit import outward
from bireme.manifests.base import KeySelector
from events.model import Event
from sensors import definition, fields
from sensors.credentials import Credentials
from sensors.errors import BadSensor
from sensors.model import Firing, Origin, Receipt
from sensors.registry import triggers
from sensors.surroundings import Surroundings
from sensors.web import Web

Json = dict[str, Any]

_TIMEOUT_S = 90


@triggers.register("openWhisk")
class OpenWhiskTrigger:
    """Calls the REST interface."""

    class Config(fields.Sent, frozen=True):
        """Argo's fields, which the manifest is checked against."""

        host: str = ""
        version: str = ""
        namespace: str = ""
        action_name: str = ""
        auth_token: KeySelector | None = None

    def __init__(self, surroundings: Surroundings) -> None:
        self.secrets = surroundings.secrets
        self.web = Web(surroundings.reach)

    def prepare(self, given: Json, events: Mapping[str, Event], origin: Origin) -> Json:
        block = definition.block(given, "openWhisk", events)
        for field in ("host", "actionName", "payload"):
            if not block.get(field):
                raise BadSensor(f"openWhisk.{field} is missing")
        return {
            "url": _url(block),
            "token": block.get("authToken"),
            "body": definition.payload(block, events).decode(),
            "allow": definition.allowed_statuses(given),
        }

    async def fire(self, firing: Firing) -> Receipt:
        spec = firing.spec or {}
        credentials = Credentials(self.secrets, firing.namespace, "openWhisk")
        token = credentials.optional(spec["token"], "authToken")
        basic = f"Basic {base64.b64encode(token.encode()).decode()}"
        request = outward.Request(
            "POST",
            spec["url"],
            headers={"Content-Type": "application/json", "Idempotency-Key": firing.id},
            secrets={"Authorization": basic} if token else {},
            body=spec["body"],
        )
        answer = await self.web.send(request, timeout_s=_TIMEOUT_S)
        definition.check_status(answer.status, spec["allow"])
        return Receipt(kind="openWhisk", status=answer.status)

    async def close(self) -> None:
        await self.web.close()


def _url(block: Json) -> str:
    host = str(block["host"]).rstrip("/")
    host = host if "://" in host else f"https://{host}"
    space = quote(block.get("namespace") or "_", safe="")
    # An action may lie in a package: `package/action`.
    action = quote(block["actionName"], safe="/").lstrip("/")
    version = quote(block.get("version") or "v1", safe="")
    return f"{host}/api/{version}/namespaces/{space}/actions/{action}?blocking=true"
