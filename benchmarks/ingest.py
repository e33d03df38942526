"""Durable webhook ingest against a bare aiohttp handler that keeps nothing, under the same load."""

import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import load
from benchmarks.engine import Engine, free_port
from benchmarks.report import Figure

BARE = """
import sys
from aiohttp import web
import orjson
async def handle(request):
    orjson.loads(await request.read())
    return web.Response(text="success")
app = web.Application()
app.router.add_post("/hook", handle)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
"""
SOURCE = """
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: bench}
spec:
  webhook:
    hook: {endpoint: /hook, method: POST, port: "%d"}
"""
BODY = b'{"ref":"refs/heads/main","pad":"' + b"x" * 980 + b'"}'


def measure() -> list[Figure]:
    """The ratio of events per CPU-second of the server process, each on the same load, in turns."""
    with tempfile.TemporaryDirectory() as folder:
        engine, port, bare_port = Engine(Path(folder)), free_port(), free_port()
        engine.write("source.yaml", SOURCE % port)
        bare = subprocess.Popen([sys.executable, "-c", BARE, str(bare_port)])
        try:
            engine.start()
            assert engine.process is not None
            time.sleep(1)
            rounds = [_round(engine.process.pid, port, bare.pid, bare_port) for _ in range(3)]
        finally:
            bare.kill()
            bare.wait()
            engine.stop()
    durable, plain = sorted(rounds, key=lambda pair: pair[0] / pair[1])[1]
    return [
        Figure(
            name="durable webhook ingest",
            value=durable,
            unit="events per CPU-second",
            limit=plain,
            limit_name="bare aiohttp handler",
            ratio=durable / plain,
            target="≥ 0.40",
            met=durable / plain >= 0.4,
        )
    ]


def _round(engine_pid: int, port: int, bare_pid: int, bare_port: int) -> tuple[float, float]:
    plain = asyncio.run(load.run(bare_port, "/hook", BODY, pid=bare_pid, seconds=3))
    durable = asyncio.run(load.run(port, "/hook", BODY, pid=engine_pid, seconds=3))
    return durable.per_cpu_second, plain.per_cpu_second
