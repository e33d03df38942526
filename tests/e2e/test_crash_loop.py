"""kill -9 under load: every accepted event is in the log once, fired once, and its step ran once."""

import os
import threading
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.engine import Engine, free_port, post
from tests.e2e.fleet import SOURCE

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

MANIFESTS = (
    SOURCE
    + """
---
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: load}
spec:
  dependencies: [{name: hook, eventSourceName: load, eventName: hook}]
  triggers:
    - template:
        name: go
        argoWorkflow:
          operation: submit
          source:
            resource:
              apiVersion: argoproj.io/v1alpha1
              kind: Workflow
              metadata: {generateName: run-}
              spec:
                entrypoint: main
                arguments: {parameters: [{name: n, value: none}]}
                templates:
                  - name: main
                    steps:
                      - - {name: first, template: mark, arguments: {parameters: [{name: part, value: first}]}}
                      - - {name: second, template: mark, arguments: {parameters: [{name: part, value: second}]}}
                  - name: mark
                    inputs: {parameters: [{name: part}]}
                    container:
                      image: none
                      command: [sh, -c]
                      args: ['echo "{{workflow.parameters.n}} {{inputs.parameters.part}}" >> %s']
          parameters:
            - src: {dependencyName: hook, dataKey: body.n}
              dest: spec.arguments.parameters.0.value
"""
)
KILLS = int(os.environ.get("SOAK_KILLS", "4"))


class Sender(threading.Thread):
    """Posts numbered events until told to stop; remembers which were answered 200. What was not is never sent again."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.url, self.accepted, self.unsure = url, set[int](), set[int]()
        self.stopping = threading.Event()

    def run(self) -> None:
        n = 0
        while not self.stopping.wait(0.01):
            n += 1
            status = post(self.url, b'{"n":"%d"}' % n)
            (self.accepted if status == 200 else self.unsure).add(n)


def test_nothing_is_lost_and_nothing_runs_twice_when_the_engine_is_killed_again_and_again(
    tmp_path: Path,
) -> None:
    engine, port, ran = Engine(tmp_path), free_port(), tmp_path / "ran"
    engine.write("load.yaml", MANIFESTS % (port, ran))
    engine.start()
    sender = Sender(f"http://127.0.0.1:{port}/hook")
    sender.start()
    for kill in range(KILLS):
        wanted = 25 * (kill + 1)
        engine.until(lambda wanted=wanted: len(sender.accepted) >= wanted)
        engine.kill()
        engine.start()
    sender.stopping.set()
    sender.join()
    engine.until(lambda: settled(engine))
    lines = Counter(ran.read_text().splitlines())
    engine.stop()
    assert all(count == 1 for count in lines.values()), {k: c for k, c in lines.items() if c > 1}
    first = {int(line.split()[0]) for line in lines if line.endswith("first")}
    second = {int(line.split()[0]) for line in lines if line.endswith("second")}
    assert sender.accepted <= first == second
    assert first <= sender.accepted | sender.unsure


def settled(engine: Engine) -> bool:
    return all(w["status"].get("phase") == "Succeeded" for w in engine.workflows())
