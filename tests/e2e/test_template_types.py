"""The example of template types through the real engine; what a kill does to a request and to a set under way."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from benchmarks.engine import Engine, free_port

pytestmark = pytest.mark.e2e

EXAMPLE = Path(__file__).parents[2] / "examples" / "template-types" / "workflow.yaml"


class Slow(ThreadingHTTPServer):
    """Answers requests only once it may; keeps their methods and keys."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[tuple[str, str]] = []
        self.may_answer = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    server: Slow

    def _answer(self) -> None:
        self.server.seen.append((self.command, self.headers["Idempotency-Key"]))
        self.server.may_answer.wait(60)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    do_GET = do_POST = _answer

    def log_message(self, format: str, *args: Any) -> None: ...


@pytest.fixture
def slow() -> Iterator[Slow]:
    server = Slow()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.may_answer.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    running = Engine(tmp_path)
    yield running
    running.stop()


def ended(engine: Engine) -> dict[str, Any] | None:
    """The only workflow, with its nodes, once it has ended."""
    for found in engine.workflows():
        if found["status"].get("phase") in ("Succeeded", "Failed", "Error"):
            return found
    return None


def test_the_example_of_template_types_succeeds(engine: Engine) -> None:
    engine.write("types.yaml", EXAMPLE.read_text().replace("18642", str(free_port())))
    engine.start()
    engine.until(lambda: ended(engine))
    found = ended(engine)
    assert found is not None
    assert found["status"]["phase"] == "Succeeded", found["status"]


def _step(name: str) -> dict[str, Any]:
    return {"name": name, "template": name, "continueOn": {"error": True}}


def _container(name: str, script: str) -> dict[str, Any]:
    return {"name": name, "image": "x", "command": ["sh", "-c"], "args": [script]}


def workflow(url: str, mark: Path) -> str:
    """A request that may be repeated, one that may not, and a set whose containers run once, all at once."""
    wait = f"while ! test -e {mark}.go; do sleep 0.05; done"
    templates = [
        {"name": "main", "steps": [[_step(name) for name in ("get", "post", "set")]]},
        {"name": "get", "http": {"url": url}},
        {"name": "post", "http": {"url": url, "method": "POST"}},
        {
            "name": "set",
            "containerSet": {
                "containers": [
                    _container("a", f"echo a >> {mark}; {wait}"),
                    {**_container("main", f"echo main >> {mark}"), "dependencies": ["a"]},
                ]
            },
        },
    ]
    spec = {"entrypoint": "main", "templates": templates}
    kind = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow"}
    return json.dumps({**kind, "metadata": {"name": "kinds"}, "spec": spec})


def test_a_kill_repeats_no_request_that_may_not_be_repeated_and_no_container(
    engine: Engine, slow: Slow, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    engine.write("kinds.yaml", workflow(f"http://127.0.0.1:{slow.server_address[1]}/", mark))
    engine.start()
    engine.until(lambda: len(slow.seen) == 2 and mark.exists())
    engine.kill()
    engine.start()
    engine.until(lambda: len(slow.seen) == 3)
    slow.may_answer.set()
    Path(f"{mark}.go").touch()
    engine.until(lambda: ended(engine))
    methods = sorted(method for method, _ in slow.seen)
    assert methods == ["GET", "GET", "POST"]
    assert len({key for method, key in slow.seen if method == "GET"}) == 1
    assert mark.read_text().split() == ["a", "main"]
