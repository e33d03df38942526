"""What an idle engine costs: memory, CPU, start; and how fast the command line answers."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.engine import Engine, free_port
from benchmarks.ingest import SOURCE
from benchmarks.report import Figure


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(Path(folder))
        engine.write("source.yaml", SOURCE % free_port())
        started = min(_restart(engine) for _ in range(3))
        assert engine.process is not None
        process = psutil.Process(engine.process.pid)
        time.sleep(2)
        before = process.cpu_times()
        time.sleep(5)
        after = process.cpu_times()
        cpu = ((after.user - before.user) + (after.system - before.system)) / 5 * 100
        memory = process.memory_info().rss / 2**20
        engine.stop()
    helped = min(_help() for _ in range(5)) * 1000
    return [
        Figure(
            name="idle engine, memory", value=memory, unit="MB", target="≤ 60 MB", met=memory <= 60
        ),
        Figure(name="idle engine, CPU", value=cpu, unit="%", target="0 %", met=cpu < 0.5),
        Figure(
            name="engine exec → ready", value=started, unit="s", target="≤ 1.0 s", met=started <= 1
        ),
        Figure(name="bireme --help", value=helped, unit="ms", target="≤ 200 ms", met=helped <= 200),
    ]


def _restart(engine: Engine) -> float:
    if engine.process is not None:
        engine.stop()
    return engine.start()


def _help() -> float:
    begun = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "server", "--help"], check=True, stdout=subprocess.DEVNULL
    )
    return time.perf_counter() - begun
