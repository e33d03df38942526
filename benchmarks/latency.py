"""Webhook sent → first step's process running, on an idle engine: the step's program prints the time it runs at."""

import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.engine import Engine, free_port, post
from benchmarks.report import Figure

COUNT = 200
MANIFESTS = """
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: bench}
spec:
  webhook:
    hook: {endpoint: /hook, method: POST, port: "%d"}
---
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: bench}
spec:
  dependencies: [{name: hook, eventSourceName: bench, eventName: hook}]
  triggers:
    - template:
        name: go
        argoWorkflow:
          operation: submit
          source:
            resource:
              apiVersion: argoproj.io/v1alpha1
              kind: Workflow
              metadata: {generateName: lat-}
              spec:
                entrypoint: main
                arguments: {parameters: [{name: n, value: none}]}
                templates:
                  - name: main
                    container:
                      image: none
                      command: [date, "+%%s%%N {{workflow.parameters.n}}"]
          parameters:
            - src: {dependencyName: hook, dataKey: body.n}
              dest: spec.arguments.parameters.0.value
"""


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        engine, port = Engine(Path(folder)), free_port()
        engine.write("bench.yaml", MANIFESTS % port)
        engine.start()
        try:
            time.sleep(1)
            waits = sorted(_one(engine, port, n) for n in range(-20, COUNT))[: COUNT + 20]
        finally:
            engine.stop()
    p50, p99 = statistics.median(waits), waits[int(len(waits) * 0.99)]
    return [
        Figure(
            name="webhook → first process, p50", value=p50, unit="ms", target="≤ 5 ms", met=p50 <= 5
        ),
        Figure(
            name="webhook → first process, p99",
            value=p99,
            unit="ms",
            target="≤ 25 ms",
            met=p99 <= 25,
        ),
    ]


def _one(engine: Engine, port: int, n: int) -> float:
    """Milliseconds from before the request is sent to inside the step's program."""
    sent = time.time_ns()
    if post(f"http://127.0.0.1:{port}/hook", b'{"n":"%d"}' % n) != 200:
        raise RuntimeError("the webhook was not accepted")
    deadline = time.monotonic() + 10
    while (stamp := _printed(engine, n)) is None:
        if time.monotonic() > deadline:
            raise TimeoutError("the step did not start within 10 s")
        time.sleep(0.01)
    time.sleep(0.03)
    return (stamp - sent) / 1e6


def _printed(engine: Engine, n: int) -> int | None:
    for log in (engine.data / "steps").rglob("*.log"):
        stamp, _, number = log.read_text().strip().partition(" ")
        if number == str(n):
            return int(stamp)
    return None
