"""The processor time of one run, in the child."""

import signal


class Deadline:
    """Ends the process once a run has used its time. Reading large data gets as much more as its size needs."""

    def __init__(self, cpu_s: float, bytes_per_s: float = 2e6) -> None:
        self._cpu_s = cpu_s
        self._bytes_per_s = bytes_per_s

    def start(self, size: int = 0) -> None:
        """From now on; `size` is how many bytes are read or written in passing."""
        signal.setitimer(signal.ITIMER_PROF, self._cpu_s + size / self._bytes_per_s)

    def stop(self) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
