"""Webhook sent → first step's process running, on an idle engine: the step writes the moment it started."""

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
                      command: [sh, -c, 'date +%%s%%N > "$0/$1"', "%s", "{{workflow.parameters.n}}"]
          parameters:
            - src: {dependencyName: hook, dataKey: body.n}
              dest: spec.arguments.parameters.0.value
"""


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        engine, port, stamps = Engine(Path(folder)), free_port(), Path(folder) / "stamps"
        stamps.mkdir()
        engine.write("bench.yaml", MANIFESTS % (port, stamps))
        engine.start()
        try:
            time.sleep(1)
            waits = sorted(_one(port, stamps, n) for n in range(-20, COUNT))[: COUNT + 20]
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


def _one(port: int, stamps: Path, n: int) -> float:
    """Milliseconds from sending to the step's first `date`, which includes starting sh and date."""
    sent = time.time_ns()
    if post(f"http://127.0.0.1:{port}/hook", b'{"n":"%d"}' % n) != 200:
        raise RuntimeError("the webhook was not accepted")
    stamp = stamps / str(n)
    deadline = time.monotonic() + 10
    while not (stamp.exists() and stamp.read_text().endswith("\n")):
        if time.monotonic() > deadline:
            raise TimeoutError("the step did not start within 10 s")
        time.sleep(0.002)
    time.sleep(0.03)
    return (int(stamp.read_text()) - sent) / 1e6
