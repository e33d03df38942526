"""A webhook whose events travel over a NATS server: accepted when the bus has them, run once through kills."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.engine import Engine, free_port, post
from tests.e2e.test_crash_loop import MANIFESTS, settled
from tests.servers import nats, process

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

BUS = """
apiVersion: argoproj.io/v1alpha1
kind: EventBus
metadata: {name: default}
spec: {jetstreamExotic: {url: "nats://127.0.0.1:%d"}}
"""


@pytest.fixture
def server() -> Iterator[process.Server]:
    with nats.running() as found:
        yield found


def test_what_a_bus_accepted_runs_once_although_engine_and_bus_are_killed(
    tmp_path: Path, server: process.Server
) -> None:
    engine, port, ran = Engine(tmp_path), free_port(), tmp_path / "ran"
    engine.write("bus.yaml", BUS % server.port)
    engine.write("load.yaml", MANIFESTS % (port, ran))
    engine.start()
    accepted: set[int] = set()
    url = f"http://127.0.0.1:{port}/hook"

    def send(numbers: range) -> None:
        accepted.update(n for n in numbers if post(url, b'{"n":"%d"}' % n) == 200)

    send(range(20))
    engine.kill()
    engine.start()
    send(range(20, 40))
    server.kill()
    send(range(40, 41))
    server.start()
    engine.until(lambda: post(url, b'{"n":"1000"}') == 200)
    send(range(60, 80))
    assert {*range(40), *range(60, 80)} <= accepted
    assert 40 not in accepted
    engine.until(lambda: len(engine.workflows()) > len(accepted) and settled(engine), 90)
    engine.stop()
    lines = Counter(ran.read_text().splitlines())
    assert set(lines.values()) == {1}
    done = {int(line.split()[0]) for line in lines if line.endswith("second")}
    assert accepted | {1000} <= done <= accepted | {40, 1000}
