"""The least a webhook can be that keeps what it is sent and starts a program: `python -m benchmarks.bare PORT LOG`.

One append and its fdatasync, one spawn: no decision, no workflow, nothing that could be asked afterwards.
"""

import os
import sys

from aiohttp import web


def main(port: int, log: str) -> None:
    out = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    kept = os.open(f"{log}.kept", os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    async def hook(request: web.Request) -> web.Response:
        os.write(kept, await request.read())
        os.fdatasync(kept)
        spawn((await request.json())["n"], out)
        return web.Response(text="success")

    app = web.Application()
    app.router.add_post("/hook", hook)
    web.run_app(app, host="127.0.0.1", port=port, print=None)


def spawn(number: str, out: int) -> None:
    """The program that prints when it runs, and the number of what it runs for."""
    os.posix_spawnp(
        "date",
        ["date", f"+%s%N {number}"],
        {"LC_ALL": "C", "PATH": os.environ["PATH"]},
        file_actions=[(os.POSIX_SPAWN_DUP2, out, 1)],
        setsid=True,
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
