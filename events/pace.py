"""How many messages go into one commit: more while commits are quick, fewer when one holds up everybody else. Pure."""

_QUICK_S = 0.1
_SLOW_S = 0.5


class Pace:
    """`most` messages at once, between two bounds. A commit is dear and shared, so that few large ones carry most;
    but the database has one writer, and whoever waits for it waits for the whole of the one before."""

    def __init__(self, least: int, most: int) -> None:
        self._bounds = (least, most)
        self.most = least

    def took(self, seconds: float, count: int) -> None:
        """A commit of `count` messages is done. One that was not full says nothing about a larger one."""
        least, most = self._bounds
        if seconds > _SLOW_S:
            self.most = max(self.most // 2, least)
        elif seconds < _QUICK_S and count >= self.most:
            self.most = min(self.most * 2, most)
