"""`bireme explain` on what people do wrong first."""

import asyncio
import contextlib
import http.client
from urllib.parse import urlsplit

from tests.server.conftest import Running
from tests.server.test_api_events import apply
from tests.server.test_cli_engine import Terminal

HANGING = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Workflow",
    "metadata": {"name": "hanging"},
    "spec": {
        "entrypoint": "main",
        "templates": [
            {"name": "main", "steps": [[{"name": "pause", "template": "wait"}]]},
            {"name": "wait", "suspend": {}},
        ],
    },
}


def _as_curl_does(url: str) -> int:
    place = urlsplit(url)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    with contextlib.closing(
        http.client.HTTPConnection(place.hostname or "", place.port, timeout=10)
    ) as connection:
        connection.request("POST", place.path, b'{"state": "paid"}', form)
        return connection.getresponse().status


async def test_json_that_was_sent_as_a_form_is_told(engine: Running) -> None:
    assert await asyncio.to_thread(_as_curl_does, await apply(engine)) == 200
    told = await Terminal(engine).says("explain", "event", "@latest")
    assert "JSON needs the header 'Content-Type: application/json'" in told


async def test_a_workflow_that_hangs_names_the_step_it_is_at(engine: Running) -> None:
    await engine.ask("POST", "/api/v1/workflows/default", {"workflow": HANGING})
    told = await Terminal(engine).says("explain", "workflow", "hanging")
    assert "Running  pause for " in told
