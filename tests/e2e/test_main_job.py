"""The whole path, for real: a webhook comes in, a sensor decides, a workflow runs, and the answer can be explained."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.engine import Engine, free_port, post
from tests import postgres

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server | None]:
    with postgres.running() as found:
        yield found


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(
    request: pytest.FixtureRequest, tmp_path: Path, server: postgres.Server | None
) -> Iterator[Engine]:
    """An engine on each of the two databases."""
    options = () if request.param == "sqlite" else ("--database", postgres.url_or_skip(server))
    engine = Engine(tmp_path, *options)
    yield engine
    if engine.process is not None and engine.process.poll() is None:
        engine.stop()


def manifests(folder: str, **replace: str) -> str:
    texts = [path.read_text() for path in sorted((ROOT / "examples" / folder).glob("*.yaml"))]
    text = "\n---\n".join(texts)
    for old, new in replace.items():
        text = text.replace(old, new)
    return text


def finished(engine: Engine, prefix: str) -> list[dict[str, object]]:
    return [
        w
        for w in engine.workflows()
        if w["metadata"]["name"].startswith(prefix) and w["status"].get("phase") == "Succeeded"
    ]


def test_a_paid_order_starts_a_pipeline_and_an_unpaid_one_leaves_a_reason(engine: Engine) -> None:
    port = free_port()
    engine.write("orders.yaml", manifests("stream-pipeline").replace("12000", str(port)))
    engine.start()
    url = f"http://127.0.0.1:{port}/orders"
    assert post(url, b'{"id": 1, "state": "paid", "total": 120}') == 200
    assert post(url, b'{"id": 2, "state": "open", "total": 500}') == 200
    engine.until(lambda: len(finished(engine, "order-")) == 1)
    decisions = engine.call("/api/v1/bireme/decisions")
    outcomes = {(d["seq"], d["outcome"]) for d in decisions["items"]}
    assert (1, "fired") in outcomes
    assert (2, "filtered") in outcomes
    run = engine.workflow(engine.workflows()[0]["metadata"]["name"])
    parameters = run["spec"]["arguments"]["parameters"]
    assert parameters[0]["value"] == "1"


def test_a_github_push_with_a_wrong_signature_is_refused_and_a_right_one_runs_ci(
    engine: Engine,
) -> None:
    import hashlib
    import hmac

    port = free_port()
    engine.write("ci.yaml", manifests("github-ci").replace("12000", str(port)))
    engine.start()
    body = json.dumps(
        {"ref": "refs/heads/main", "after": "c0ffee", "repository": {"full_name": "bireme/ship"}}
    ).encode()
    signature = "sha256=" + hmac.new(b"demo-secret-change-me", body, hashlib.sha256).hexdigest()
    headers = {"X-GitHub-Event": "push", "X-GitHub-Delivery": "d-1"}
    url = f"http://127.0.0.1:{port}/push"
    assert post(url, body, {**headers, "X-Hub-Signature-256": "sha256=" + "0" * 64}) in {
        400,
        401,
        403,
    }
    for _ in range(2):  # the sender delivers the same push twice
        assert post(url, body, {**headers, "X-Hub-Signature-256": signature}) == 200
    engine.until(lambda: len(finished(engine, "ci-")) == 1)
    assert len(engine.workflows()) == 1
    run = engine.workflow(engine.workflows()[0]["metadata"]["name"])
    names = {node["displayName"] for node in run["status"]["nodes"].values()}
    assert {"checkout", "lint", "test", "report"} <= names


def test_runs_survive_a_kill_on_either_database(engine: Engine) -> None:
    port = free_port()
    engine.write("orders.yaml", manifests("stream-pipeline").replace("12000", str(port)))
    engine.start()
    url = f"http://127.0.0.1:{port}/orders"
    for number in range(1, 6):
        assert post(url, b'{"id": %d, "state": "paid", "total": 120}' % number) == 200
    engine.kill()
    engine.start()
    engine.until(lambda: len(finished(engine, "order-")) == 5)
    assert len(engine.workflows()) == 5
