"""The `cloudevents` trigger: sends a CloudEvent 1.0 over HTTP. Our own kind; `bireme lint --strict-argo` says so.

    template:
      name: forward
      cloudevents:
        url: https://broker.example.com/default
        mode: structured
        type: com.example.build
        source: /bireme/builds
        payload:
          - {src: {dependencyName: push, dataKey: body.ref}, dest: ref}

Without `payload` the data of the firing's event is passed on as it is; of several events `dependency` says which.
`mode` is `binary` (the default: attributes as headers, data as the body) or `structured` (one JSON document). `id` is
the firing's, the same at every attempt, so that receivers recognise it. `type`, `source`, `subject` and
`datacontenttype` default to the event's. Only statuses 2xx are a success, unless `policy.status.allow` lists others.
`headers`, `secureHeaders`, `basicAuth`, `tls` and `timeout` are as in `http`.
"""
# ruff: noqa: RUF012 (a Struct copies an empty default for each instance)

import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from bireme.kit import outward
from events.model import Event
from sensors import definition, fields
from sensors.credentials import Credentials
from sensors.errors import BadSensor, TriggerFailed, TriggerRefused
from sensors.model import Firing, Origin, Receipt
from sensors.registry import triggers
from sensors.surroundings import Surroundings
from sensors.web import Web

Json = dict[str, Any]

_MODES = ("binary", "structured")
_STRUCTURED = "application/cloudevents+json; charset=UTF-8"
_PASSING = frozenset({408, 425, 429})
# What the HTTP binding leaves as it is in a header; the rest is percent-encoded.
_PLAIN = "".join(chr(n) for n in range(0x21, 0x7F) if chr(n) not in '"%')


@triggers.register("cloudevents")
class CloudEventsTrigger:
    """Passes events on."""

    class Config(fields.Sent, frozen=True):
        """Argo's fields, which the manifest is checked against."""

        url: str = ""
        mode: str = ""
        type: str = ""
        source: str = ""
        subject: str = ""
        datacontenttype: str = ""
        dependency: str = ""
        headers: dict[str, str] = {}
        secure_headers: list[fields.SecureHeader] = []
        basic_auth: fields.BasicAuth | None = None
        tls: fields.Tls | None = None
        timeout: int = 0

    def __init__(self, surroundings: Surroundings) -> None:
        self.secrets = surroundings.secrets
        self.web = Web(surroundings.reach)

    def prepare(self, given: Json, events: Mapping[str, Event], origin: Origin) -> Json:
        block = definition.block(given, "cloudevents", events)
        mode = block.get("mode") or "binary"
        if mode not in _MODES:
            raise BadSensor(f"cloudevents.mode is {mode!r}, expected binary or structured")
        if urlsplit(str(block.get("url") or "")).scheme not in ("http", "https"):
            raise BadSensor(
                f"cloudevents.url is {block.get('url')!r}, expected http://… or https://…"
            )
        return {
            "url": block["url"],
            "mode": mode,
            **_event(block, events, origin),
            "headers": block.get("headers") or {},
            "secure": block.get("secureHeaders") or [],
            "basic": block.get("basicAuth"),
            "tls": block.get("tls"),
            "timeout_s": block.get("timeout") or 60,
            "allow": definition.allowed_statuses(given),
        }

    async def fire(self, firing: Firing) -> Receipt:
        spec = firing.spec or {}
        credentials = Credentials(self.secrets, firing.namespace, "cloudevents")
        attributes = {"specversion": "1.0", "id": firing.id, **spec["attributes"]}
        data = base64.b64decode(spec["data"])
        headers, body = _ENCODED[spec["mode"]](attributes, data)
        request = outward.Request(
            "POST",
            spec["url"],
            headers={**spec["headers"], **headers},
            secrets=credentials.headers(spec["secure"]) | credentials.basic(spec["basic"]),
            body=body,
            tls=credentials.tls(spec["tls"]),
        )
        answer = await self.web.send(request, timeout_s=spec["timeout_s"])
        _check(answer.status, spec)
        return Receipt(kind="cloudevents", status=answer.status)

    async def close(self) -> None:
        await self.web.close()


def _check(status: int, spec: Json) -> None:
    if spec["allow"]:
        definition.check_status(status, spec["allow"])
    elif not 200 <= status < 300:
        kind = TriggerFailed if status in _PASSING or status >= 500 else TriggerRefused
        raise kind(f"cloudevents: POST {spec['url']} answered {status}")


def _event(block: Json, events: Mapping[str, Event], origin: Origin) -> Json:
    """Attributes and data (in base64) of what is sent."""
    event = _chosen(block, events)
    if block.get("payload"):
        data, content_type = definition.payload(block, events), "application/json"
    elif event is not None:
        data, content_type = event.data, event.content_type
    else:
        names = ", ".join(events)
        raise BadSensor(f"cloudevents needs payload, or a dependency out of: {names}")
    defaults = {
        "type": event.type if event else "bireme.firing",
        "source": event.source if event else f"bireme/{origin.namespace}/{origin.sensor}",
        "subject": event.subject if event else origin.trigger,
        "datacontenttype": content_type,
    }
    given = {name: str(block[name]) for name in defaults if block.get(name)}
    return {"attributes": {**defaults, **given}, "data": base64.b64encode(data).decode()}


def _chosen(block: Json, events: Mapping[str, Event]) -> Event | None:
    if name := block.get("dependency"):
        if name not in events:
            raise BadSensor(f"cloudevents.dependency is {name!r}, which has no event here")
        return events[name]
    return next(iter(events.values())) if len(events) == 1 else None


def _binary(attributes: Json, data: bytes) -> tuple[dict[str, str], bytes]:
    headers = {
        f"ce-{name}": quote(value, safe=_PLAIN + " ")
        for name, value in attributes.items()
        if name != "datacontenttype"
    }
    return {**headers, "Content-Type": attributes["datacontenttype"]}, data


def _structured(attributes: Json, data: bytes) -> tuple[dict[str, str], bytes]:
    document = dict(attributes)
    try:
        if attributes["datacontenttype"].partition(";")[0].strip() != "application/json":
            raise ValueError("not JSON")
        document["data"] = json.loads(data)
    except ValueError:
        document["data_base64"] = base64.b64encode(data).decode()
    return {"Content-Type": _STRUCTURED}, json.dumps(document).encode()


_ENCODED = {"binary": _binary, "structured": _structured}
