"""A trigger's secret, from its reference to the target and nowhere else: every kind, failing until it is dead."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiohttp import web

from bireme.kit import logs
from sensors.registry import triggers
from server.settings import Settings
from tests.security.secretive import CANARY, blocks, forms, gossip
from tests.server.conftest import Running, engine
from tests.server.conftest import settings as plain_settings
from tests.server.test_api_events import APPLY, free_port, post
from tests.server.test_cli_engine import Terminal
from tests.servers.waiting import until

__all__ = ["engine", "plain_settings"]

KINDS = [kind for kind in triggers.kinds() if triggers[kind].__module__.startswith("sensors.")]
OVER = {"dead", "fired"}
SLOW = {"azureEventHubs": 1, "pulsar": 1}
"""Their libraries try for half a minute before an attempt has failed: how many of them are enough."""


@pytest.fixture
def settings(plain_settings: Settings) -> Settings:
    """The secret is a file of the engine; a row, answer or line with its value is a leak."""
    place = plain_settings.data_dir / "secrets" / "safe"
    place.mkdir(parents=True)
    (place / "word").write_text(CANARY)
    return plain_settings


@pytest.fixture
async def target() -> AsyncIterator[str]:
    runner = web.ServerRunner(web.Server(gossip))  # type: ignore[arg-type]
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


def sensor(kind: str, given: list[dict[str, Any]]) -> dict[str, Any]:
    """Each block is tried again, and a dlqTrigger like it follows on its death."""
    retry = {"steps": SLOW.get(kind, 2), "duration": "1ms"}
    made = [
        {
            "template": {"name": f"t{number}", kind: block},
            "retryStrategy": retry,
            "atLeastOnce": True,
            "policy": {"status": {"allow": [200]}},
            "dlqTrigger": {
                "template": {"name": "after", kind: block},
                "retryStrategy": retry,
                "atLeastOnce": True,
            },
        }
        for number, block in enumerate(given)
    ]
    if kind in SLOW:
        for trigger in made:
            del trigger["dlqTrigger"]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Sensor",
        "metadata": {"name": "teller"},
        "spec": {
            "dependencies": [{"name": "a", "eventSourceName": "src", "eventName": "a"}],
            "triggers": made,
        },
    }


async def fire(engine: Running, kind: str, given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The firings once all are over."""
    port = free_port()
    hook = {"a": {"endpoint": "/a", "method": "POST", "port": str(port)}}
    source = {
        "apiVersion": "argoproj.io/v1alpha1", "kind": "EventSource",
        "metadata": {"name": "src"}, "spec": {"webhook": hook},
    }  # fmt: skip
    for manifest in (sensor(kind, given), source):
        done = await engine.ask("POST", APPLY, {"manifest": manifest})
        assert done.status == 200, done
    assert await post(f"http://127.0.0.1:{port}/a", number=1) == 200

    async def are_over() -> bool:
        found = await firings(engine)
        return len(found) >= len(given) and {one["status"] for one in found} <= OVER

    await until(are_over, f"firings of {kind}", 60)
    return await firings(engine)


async def firings(engine: Running) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await engine.get("/api/v1/bireme/firings"))["items"]
    return found


def files(folder: Path) -> Iterator[bytes]:
    """All that the engine has written, database and its log of changes among it, byte for byte."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.parts[-3] != "secrets":
            yield path.read_bytes()


async def answers(engine: Running, found: list[dict[str, Any]]) -> list[str]:
    paths = [
        "firings", "decisions", "events", "explain/event/1", "explain/sensor/default/teller",
        "sensor-state/default/teller", "quarantine", "objects/default/Sensor",
        *(f"firings/{one['id']}" for one in found),
    ]  # fmt: skip
    said = [json.dumps(await engine.get(f"/api/v1/bireme/{path}")) for path in paths]
    terminal = Terminal(engine)
    wide = ("dlq", "list", "-o", "wide")
    for words in (("explain", "event", "1"), ("explain", "sensor", "teller"), wide):
        said += [await terminal.says(*words)]
    return [*said, str((await engine.ask("GET", "/metrics")).body)]


LACKS = re.compile("secret.*not found")
"""What is said of a secret that is not there: then nothing would have been shown."""


def kinds() -> list[Any]:
    return [pytest.param(k, marks=pytest.mark.slow) if k in SLOW else k for k in KINDS]


@pytest.mark.parametrize("kind", kinds())
async def test_a_secret_is_seen_by_the_target_only(
    engine: Running, settings: Settings, target: str, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    logs.configure(level="debug")
    with structlog.testing.capture_logs() as lines:
        found = await fire(engine, kind, blocks(target)[kind])
        said = await answers(engine, found)
    written = capfd.readouterr()
    said += [str(lines), written.out, written.err]
    everything = [*files(settings.data_dir), *files(settings.state_dir), *map(str.encode, said)]
    assert all(one["attempts"] and not LACKS.search(one["error"]) for one in found), found
    for form in forms(CANARY):
        hits = [text for text in everything if form.encode() in text]
        assert not hits, f"{form}: {shown(hits[-1], form)}"


def shown(text: bytes, form: str) -> bytes:
    at = text.index(form.encode())
    return text[max(0, at - 200) : at + 200]
