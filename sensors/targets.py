"""The guard of triggers that connect by a client of their own: their hosts are looked up and checked before it does.

Where the engine reaches everything there is nothing to look up. Elsewhere a name could still change its address
between this look and the client's own; kinds that can be told the address are told it.
"""

import asyncio
import socket

from bireme.kit.reach import Reach, ReachRefused
from sensors.errors import TriggerFailed, TriggerRefused


async def check(reach: Reach, host: str, what: str) -> str:
    """The address of `host`, which is in reach. Raises TriggerRefused or TriggerFailed; `what` begins the message."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        addresses = [str(entry[4][0]) for entry in found]
        for address in addresses:
            reach.check(address)
    except ReachRefused as error:
        raise TriggerRefused(f"{what}: {host}: {error}") from error
    except OSError as error:
        raise TriggerFailed(f"{what}: {host} is not known: {error}") from error
    return addresses[0]


async def check_all(reach: Reach, hosts: list[str], what: str) -> None:
    """Every one of `hosts`, unless everything is in reach."""
    if reach.everywhere:
        return
    for host in hosts:
        await check(reach, host, what)
