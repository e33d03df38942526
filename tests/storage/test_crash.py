"""kill -9 while writing: what was acknowledged is there."""

import signal
import subprocess
import sys

from bireme.storage.open import open_database

WRITER = """
import asyncio, sys
from bireme.storage.open import open_database

async def main(place):
    database = await open_database(place)
    async def write(start):
        for n in range(start, 1_000_000, 8):
            sql = "INSERT INTO cursors (consumer, position) VALUES (?, ?)"
            await database.write(lambda tx: tx.execute(sql, (str(n), n)))
            print(n, flush=True)
    await asyncio.gather(*(write(start) for start in range(8)))

asyncio.run(main(sys.argv[1]))
"""


async def test_rows_that_were_acknowledged_survive_kill_9(place: str) -> None:
    acknowledged = write_until_killed(place, lines=300)
    database = await open_database(place)
    rows = {row[0] for row in await database.read("SELECT position FROM cursors")}
    await database.close()
    assert len(acknowledged) >= 300
    assert acknowledged <= rows


def write_until_killed(place: str, lines: int) -> set[int]:
    """Every number the child said was durable before it was killed in the middle of its work."""
    command = [sys.executable, "-c", WRITER, place]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        heard = [next(child.stdout) for _ in range(lines)]
        child.send_signal(signal.SIGKILL)
        heard += child.stdout.readlines()
    return {int(line) for line in heard if line.endswith("\n")}
