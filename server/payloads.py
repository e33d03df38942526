"""Realistic events to send: a GitHub push, an object notification, a message, a plain webhook. Each one is new."""

import hashlib
import hmac
import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One HTTP request: a body and the headers its sender gives it."""

    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _commit_id() -> str:
    return hashlib.sha1(uuid.uuid4().bytes, usedforsecurity=False).hexdigest()


def _repository(full_name: str) -> Json:
    owner, _, name = full_name.partition("/")
    url = f"https://github.com/{full_name}"
    return {
        "id": 186853002,
        "node_id": "MDEwOlJlcG9zaXRvcnkxODY4NTMwMDI=",
        "name": name,
        "full_name": full_name,
        "private": False,
        "owner": {"login": owner, "name": owner, "id": 21031067, "type": "User"},
        "html_url": url,
        "clone_url": f"{url}.git",
        "default_branch": "main",
    }


def github_push(*, ref: str = "refs/heads/main", repository: str = "bireme/ship") -> Json:
    """A push of one commit, as GitHub describes it."""
    after, before = _commit_id(), _commit_id()
    author = {"name": "Mona Lisa", "email": "mona@example.com", "username": "mona"}
    commit = {
        "id": after,
        "tree_id": _commit_id(),
        "distinct": True,
        "message": "Trim the sails",
        "timestamp": _now(),
        "url": f"https://github.com/{repository}/commit/{after}",
        "author": author,
        "committer": author,
        "added": [],
        "removed": [],
        "modified": ["src/sails.py"],
    }
    return {
        "ref": ref,
        "before": before,
        "after": after,
        "repository": _repository(repository),
        "pusher": {"name": "mona", "email": "mona@example.com"},
        "sender": {"login": "mona", "id": 583231, "type": "User"},
        "created": False,
        "deleted": False,
        "forced": False,
        "base_ref": None,
        "compare": f"https://github.com/{repository}/compare/{before[:12]}...{after[:12]}",
        "commits": [commit],
        "head_commit": commit,
    }


def github_pull_request(*, ref: str = "refs/heads/topic", repository: str = "bireme/ship") -> Json:
    """A pull request that was just opened."""
    branch = ref.removeprefix("refs/heads/")
    return {
        "action": "opened",
        "number": 42,
        "pull_request": {
            "number": 42,
            "state": "open",
            "title": "Trim the sails",
            "user": {"login": "mona", "id": 583231},
            "head": {"ref": branch, "sha": _commit_id(), "repo": _repository(repository)},
            "base": {"ref": "main", "sha": _commit_id(), "repo": _repository(repository)},
            "draft": False,
            "merged": False,
            "created_at": _now(),
        },
        "repository": _repository(repository),
        "sender": {"login": "mona", "id": 583231, "type": "User"},
    }


def github_ping(*, ref: str = "", repository: str = "bireme/ship") -> Json:
    """What GitHub sends when a hook is made."""
    return {
        "zen": "Keep it logically awesome.",
        "hook_id": 1,
        "repository": _repository(repository),
    }


GITHUB = {"push": github_push, "pull_request": github_pull_request, "ping": github_ping}


def object_created(*, bucket: str = "landing", key: str = "sales.csv", size: int = 1024) -> Json:
    """An object store's notification about a new object."""
    record = {
        "eventVersion": "2.0",
        "eventSource": "minio:s3",
        "eventTime": _now(),
        "eventName": "s3:ObjectCreated:Put",
        "s3": {
            "s3SchemaVersion": "1.0",
            "bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"},
            "object": {
                "key": key,
                "size": size,
                "eTag": uuid.uuid4().hex,
                "sequencer": uuid.uuid4().hex[:16].upper(),
            },
        },
    }
    return {"EventName": "s3:ObjectCreated:Put", "Key": f"{bucket}/{key}", "Records": [record]}


def rows() -> bytes:
    """What the ETL examples read."""
    return b"north,1\nsouth,2\nwest,3\n"


def name() -> str:
    """A new object's."""
    return f"sent-{uuid.uuid4().hex[:8]}"


def message(*, number: int = 1, state: str = "paid", total: float = 120) -> Json:
    """An order, as a stream of orders carries it."""
    return {"id": number, "state": state, "total": total, "currency": "EUR", "at": _now()}


def webhook() -> Json:
    """A plain JSON body."""
    return {"message": "hello from bireme", "id": uuid.uuid4().hex, "at": _now()}


def deliver(body: Json, headers: dict[str, str] | None = None) -> Delivery:
    """The body as JSON with the headers every sender gives."""
    raw = json.dumps(body, separators=(",", ":")).encode()
    return Delivery(raw, {"Content-Type": "application/json", **(headers or {})})


def deliver_github(event: str, body: Json, secret: str, delivery: str = "") -> Delivery:
    """As GitHub delivers it: event name, delivery id, and a signature when there is a secret."""
    plain = deliver(body)
    headers = {
        **plain.headers,
        "User-Agent": "GitHub-Hookshot/bireme",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery or str(uuid.uuid4()),
    }
    if secret:
        signature = hmac.new(secret.encode(), plain.body, hashlib.sha256).hexdigest()
        headers["X-Hub-Signature-256"] = f"sha256={signature}"
    return Delivery(plain.body, headers)
