"""CVE-2025-62157, and CVE-2026-42295 after its incomplete fix: credentials in logs and errors.

Here secrets are read when a trigger acts: they are in no row, and a failure names the secret, not its value.
"""

import base64
import urllib.parse
from typing import Any

import pytest
import structlog

from bireme.kit.errors import BiremeError
from tests.sensors.acting import Actor, payload, ref

CANARY = "canary-7f3a/+=value"

BLOCKS: dict[str, dict[str, Any]] = {
    "http": {
        "url": "http://127.0.0.1:1/", "basicAuth": {"username": ref("c"), "password": ref("c")},
        "secureHeaders": [{"name": "X", "valueFrom": {"secretKeyRef": ref("c")}}],
    },
    "cloudevents": {
        "url": "http://127.0.0.1:1/", "payload": payload(),
        "basicAuth": {"username": ref("c"), "password": ref("c")},
    },
    "kafka": {
        "url": "127.0.0.1:1", "topic": "t", "payload": payload(),
        "sasl": {"mechanism": "PLAIN", "userSecret": ref("c"), "passwordSecret": ref("c")},
    },
    "nats": {"url": "nats://127.0.0.1:1", "subject": "s", "auth": {"token": ref("c")}},
    "slack": {
        "endpoint": "http://127.0.0.1:1", "channel": "c", "message": "m", "slackToken": ref("c"),
    },
    "email": {
        "host": "127.0.0.1", "port": 1, "username": "me", "smtpPassword": ref("c"), "subject": "s",
        "from": "a@b.c", "to": ["a@b.c"], "body": "b",
    },
    "openWhisk": {
        "host": "http://127.0.0.1:1", "actionName": "a", "authToken": ref("c"), "payload": payload(),
    },
    "awsLambda": {
        "functionName": "f", "region": "us-east-1", "endpoint": "http://127.0.0.1:1",
        "accessKey": ref("c"), "secretKey": ref("c"), "payload": payload(),
    },
    "custom": {
        "serverURL": "127.0.0.1:1", "secure": True, "certSecret": ref("c"), "spec": {"a": "b"},
    },
    "azureServiceBus": {"queueName": "q", "connectionString": ref("c"), "payload": payload()},
}  # fmt: skip


def forms(secret: str) -> list[str]:
    raw = secret.encode()
    return [
        secret, base64.b64encode(raw).decode(), raw.hex(), urllib.parse.quote(secret, safe=""),
        base64.b64encode(f"{secret}:{secret}".encode()).decode(),
    ]  # fmt: skip


@pytest.mark.parametrize("kind", BLOCKS)
async def test_a_failure_shows_no_secret(kind: str, make_event: Any) -> None:
    with structlog.testing.capture_logs() as lines:
        async with Actor(kind, c=CANARY) as actor:
            firing = actor.firing(actor.prepared({"a": make_event("e1")}, **BLOCKS[kind]))
            with pytest.raises(BiremeError) as failure:
                await actor.act(firing)
    shown = f"{failure.value} {firing} {lines}"
    for form in forms(CANARY):
        assert form not in shown
