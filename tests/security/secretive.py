"""Every trigger kind with all the secrets it can refer to, at targets that fail or repeat what they are shown."""

import base64
import urllib.parse
from typing import Any

from aiohttp import web

CANARY = "canary-7f3a/+=value"
DEAD = "127.0.0.1:1"


def ref() -> dict[str, str]:
    """What the environment of the engine holds as BIREME_SECRET_SAFE_WORD."""
    return {"name": "safe", "key": "word"}


def forms(secret: str) -> list[str]:
    """What a secret looks like in rows, headers, addresses and dumps."""
    raw = secret.encode()
    pair = f"{secret}:{secret}".encode()
    return [
        secret, base64.b64encode(raw).decode(), raw.hex(), urllib.parse.quote(secret, safe=""),
        urllib.parse.quote(secret), base64.b64encode(pair).decode(),
    ]  # fmt: skip


async def gossip(request: web.Request) -> web.Response:
    """A target that fails and says aloud what it was shown, in its status line too."""
    shown = " ".join(request.headers.getall("Authorization", []) + request.headers.getall("X", []))
    said = f"go away, {shown} " + (await request.read()).decode(errors="replace")
    status = 200 if request.path == "/fine" else 500
    return web.Response(status=status, reason=f"you sent {shown}", text=said, headers={"X": shown})


_PAYLOAD = [{"src": {"dependencyName": "a", "contextKey": "id"}, "dest": "n"}]
_PAIR = {"username": ref(), "password": ref()}
_HEADERS = [{"name": "X", "valueFrom": {"secretKeyRef": ref()}}]
_TLS = {"caCertSecret": ref(), "clientCertSecret": ref(), "clientKeySecret": ref()}
_KEYS = {"accessKey": ref(), "secretKey": ref()}
_S3 = {"endpoint": DEAD, "insecure": True, "bucket": {"name": "b", "key": "k"}, **_KEYS}
_GIT = {
    "url": f"http://{DEAD}/r.git", "filePath": "f", "cloneDirectory": "/d", "branch": "main",
    "creds": _PAIR,
}  # fmt: skip
_KAFKA = {"url": DEAD, "topic": "t", "payload": _PAYLOAD, "secureHeaders": _HEADERS}
_SASL = {"mechanism": "PLAIN", "userSecret": ref(), "passwordSecret": ref()}
_NATS = {"url": f"nats://{DEAD}", "subject": "s", "payload": _PAYLOAD}
_MAIL = {
    "host": "127.0.0.1", "port": 1, "username": "me", "smtpPassword": ref(), "subject": "s",
    "from": "a@b.c", "to": ["a@b.c"], "body": "b",
}  # fmt: skip


def blocks(gossip: str) -> dict[str, list[dict[str, Any]]]:
    """The blocks of each kind, of one without secrets too; `gossip` is the address of such a target."""
    web_ = [
        {"url": f"{url}/", "payload": _PAYLOAD, "basicAuth": _PAIR, "secureHeaders": _HEADERS}
        for url in (gossip, f"http://{DEAD}")
    ]
    lambda_ = {"functionName": "f", "region": "us-east-1", "payload": _PAYLOAD, **_KEYS}
    slack = {"channel": "c", "message": "m", "slackToken": ref()}
    whisk = {"actionName": "a", "authToken": ref(), "payload": _PAYLOAD}
    return {
        "http": [*web_, {**web_[0], "tls": _TLS}, {**web_[0], "url": f"{gossip}/fine"}],
        "cloudevents": web_,
        "kafka": [{**_KAFKA, "sasl": _SASL}, {**_KAFKA, "tls": _TLS}],
        "nats": [
            {**_NATS, "auth": {"basic": _PAIR}}, {**_NATS, "auth": {"token": ref()}},
            {**_NATS, "auth": {"nkey": ref()}}, {**_NATS, "tls": _TLS},
        ],
        "slack": [{**slack, "endpoint": gossip}, {**slack, "endpoint": f"http://{DEAD}"}],
        "email": [_MAIL],
        "openWhisk": [{**whisk, "host": gossip}, {**whisk, "host": f"http://{DEAD}"}],
        "awsLambda": [
            {**lambda_, "endpoint": gossip}, {**lambda_, "endpoint": f"http://{DEAD}"},
        ],
        "custom": [{"serverURL": DEAD, "secure": True, "certSecret": ref(), "spec": {"a": "b"}}],
        "azureServiceBus": [{"queueName": "q", "connectionString": ref(), "payload": _PAYLOAD}],
        "azureEventHubs": [
            {"fqdn": DEAD, "hubName": "h", "sharedAccessKeyName": ref(), "sharedAccessKey": ref(),
             "payload": _PAYLOAD},
        ],
        "pulsar": [
            {"url": f"pulsar://{DEAD}", "topic": "t", "authTokenSecret": ref(), "payload": _PAYLOAD},
            {"url": f"pulsar+ssl://{DEAD}", "topic": "t", "tlsTrustCertsSecret": ref(),
             "payload": _PAYLOAD},
        ],
        "argoWorkflow": [
            {"operation": "submit", "source": {"s3": _S3}},
            {"operation": "submit", "source": {"git": _GIT}},
        ],
        "k8s": [{"operation": "create", "source": {"s3": _S3}}],
        "log": [{}],
        "workflowEventBinding": [{"workflowTemplateRef": {"name": "none"}, "binding": "b"}],
    }  # fmt: skip
