"""The floor under every step: a bare loop of posix_spawn, `width` processes at a time, nothing kept."""

import os
import selectors
import time

TRUE = "/bin/true"


def processes_per_second(count: int = 2000, width: int = 16) -> float:
    """Start and reap `count` processes of /bin/true with `width` of them alive."""
    selector = selectors.DefaultSelector()
    started = ended = 0
    begun = time.perf_counter()
    while ended < count:
        while started < count and started - ended < width:
            _spawn(selector)
            started += 1
        for key, _ in selector.select():
            selector.unregister(key.fd)
            os.close(key.fd)
            os.waitpid(key.data, 0)
            ended += 1
    return count / (time.perf_counter() - begun)


def _spawn(selector: selectors.BaseSelector) -> None:
    pid = os.posix_spawn(TRUE, [TRUE], {}, setsid=True)
    selector.register(os.pidfd_open(pid), selectors.EVENT_READ, pid)
