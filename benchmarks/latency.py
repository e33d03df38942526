"""Webhook sent → first step's process running, on an idle engine: the step's program prints the time it runs at.

The sender keeps its connection and writes a request at once, as curl and the usual proxies do. The limit is a bare
handler that writes the request down, syncs that and starts the same program, whatever the request says.
"""

import http.client
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.engine import Engine, free_port
from benchmarks.report import Figure

COUNT = 200
_PAUSE_S = 0.04  # to look for the stamp at once would take the processor from the program that is to print it
SOURCE = """
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: bench}
spec:
  webhook:
    hook: {endpoint: /hook, method: POST, port: "%d"}
"""
SENSOR = """
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
                      command: [date, "+%s%N {{workflow.parameters.n}}"]
                      env: [{name: LC_ALL, value: C}]
          parameters:
            - src: {dependencyName: hook, dataKey: body.n}
              dest: spec.arguments.parameters.0.value
"""


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        engine, port = Engine(Path(folder)), free_port()
        engine.write("source.yaml", SOURCE % port)
        engine.write("sensor.yaml", SENSOR)
        engine.start()
        try:
            ours = _waits(port, lambda n: stamp_of((engine.data / "steps").rglob("*.log"), n))
        finally:
            engine.stop()
    floor = _floor()
    limit, p50, p99 = statistics.median(floor), statistics.median(ours), _p99(ours)
    return [
        _figure("webhook → first process, p50", p50, limit, 5),
        _figure("webhook → first process, p99", p99, _p99(floor), 25),
    ]


def _figure(name: str, value: float, limit: float, target: float) -> Figure:
    return Figure(
        name=name,
        value=value,
        unit="ms",
        limit=limit,
        limit_name="bare handler that syncs and spawns",
        ratio=value / limit,
        target=f"≤ {target:.0f} ms",
        met=value <= target,
    )


def _floor() -> list[float]:
    """The same for `benchmarks.bare`, which syncs, spawns and answers."""
    with tempfile.TemporaryDirectory() as folder:
        port, log = free_port(), Path(folder, "bare.log")
        command = [sys.executable, "-m", "benchmarks.bare", str(port), str(log)]
        with subprocess.Popen(command) as bare:
            try:
                return _waits(port, lambda n: stamp_of([log], n))
            finally:
                bare.terminate()


def _p99(waits: list[float]) -> float:
    return sorted(waits)[int(len(waits) * 0.99)]


def _waits(port: int, printed: Callable[[int], int | None]) -> list[float]:
    """Milliseconds from before each request is sent to inside the program it starts; the first twenty do not count."""
    sender = _connect(port)
    waits = [_one(sender, printed, n) for n in range(COUNT + 20)]
    sender.close()
    return waits[20:]


def _connect(port: int) -> http.client.HTTPConnection:
    for _ in range(200):
        try:
            sender = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            sender.connect()
        except OSError:
            time.sleep(0.05)
        else:
            return sender
    raise TimeoutError(f"nobody listens on port {port}")


def _one(sender: http.client.HTTPConnection, printed: Callable[[int], int | None], n: int) -> float:
    body = b'{"n":"%d"}' % n
    head = b"POST /hook HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    sent = time.time_ns()
    sender.sock.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    answer = http.client.HTTPResponse(sender.sock, method="POST")
    answer.begin()
    answer.read()
    if answer.status != 200:
        raise RuntimeError(f"the webhook was answered {answer.status}")
    time.sleep(_PAUSE_S)
    deadline = time.monotonic() + 10
    while (stamp := printed(n)) is None:
        if time.monotonic() > deadline:
            raise TimeoutError("the step did not start within 10 s")
        time.sleep(0.01)
    return (stamp - sent) / 1e6


def stamp_of(logs: Iterable[Path], n: int) -> int | None:
    """When the program of message `n` ran, in nanoseconds of the clock, if it has printed that yet."""
    for log in logs:
        for line in log.read_text().splitlines() if log.exists() else ():
            stamp, _, number = line.partition(" ")
            if number == str(n):
                return int(stamp)
    return None
