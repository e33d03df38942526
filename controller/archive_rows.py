"""Archived workflows as rows. Functions of a Transaction; reads are RunReader's."""

from collections.abc import Sequence

from bireme.storage.ports import Transaction

COLUMNS = (
    "uid, namespace, name, phase, live, firing, cron, labels, manifest, status, created_at, started_at,"
    " finished_at"
)
FINISHED = f"(SELECT {COLUMNS} FROM runs WHERE live=0 UNION ALL SELECT {COLUMNS} FROM archived) AS finished"
"""Every finished workflow, for a FROM clause."""


def move(tx: Transaction, uid: str, at: float) -> None:
    """Out of the list, into the archive. A run that is alive stays where it is."""
    tx.execute(
        f"INSERT INTO archived ({COLUMNS}, archived_at) SELECT {COLUMNS}, ? FROM runs"
        " WHERE uid=? AND live=0",
        (at, uid),
    )
    tx.execute("DELETE FROM runs WHERE uid=? AND live=0", (uid,))


def restore(tx: Transaction, uid: str) -> bool:
    """Back into the list; False when its name is taken there."""
    made = tx.execute(
        f"INSERT INTO runs ({COLUMNS}) SELECT {COLUMNS} FROM archived WHERE uid=?"
        " ON CONFLICT DO NOTHING",
        (uid,),
    )
    if made:
        tx.execute("DELETE FROM archived WHERE uid=?", (uid,))
    return made > 0


def delete(tx: Transaction, uids: Sequence[str]) -> None:
    """Forget them and all they did."""
    for uid in uids:
        tx.execute("DELETE FROM history WHERE run=?", (uid,))
        tx.execute("DELETE FROM sleepers WHERE run=?", (uid,))
        tx.execute("DELETE FROM archived WHERE uid=?", (uid,))
