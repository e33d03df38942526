"""Bundled events."""

import hashlib
import hmac
import json

from server import payloads


def test_a_github_delivery_is_signed_over_its_bytes() -> None:
    made = payloads.deliver_github("push", payloads.github_push(), "key")
    expected = hmac.new(b"key", made.body, hashlib.sha256).hexdigest()
    assert made.headers["X-Hub-Signature-256"] == f"sha256={expected}"
    assert made.headers["X-GitHub-Event"] == "push"


def test_two_pushes_are_two_deliveries_of_two_commits() -> None:
    first, second = (
        payloads.deliver_github("push", payloads.github_push(), "key") for _ in range(2)
    )
    assert first.headers["X-GitHub-Delivery"] != second.headers["X-GitHub-Delivery"]
    assert json.loads(first.body)["after"] != json.loads(second.body)["after"]


def test_without_a_secret_there_is_no_signature() -> None:
    made = payloads.deliver_github("ping", payloads.github_ping(), "")
    assert "X-Hub-Signature-256" not in made.headers
