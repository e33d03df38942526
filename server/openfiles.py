"""How many files an engine may have open: each sender of a webhook is one, and shells often grant 1024."""

import contextlib
import resource

WANTED = 65536


def raise_limit() -> None:
    """As many as the machine lets us have without asking, up to `WANTED`; steps inherit it. Never fewer than before."""
    granted, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED if most == resource.RLIM_INFINITY else min(WANTED, most)
    if granted == resource.RLIM_INFINITY or granted >= wanted:
        return
    with contextlib.suppress(OSError, ValueError):  # a system whose own bound is lower than it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
