"""Which log of own votes the database holds, and from which slot on it is whole: what a key is bound to."""

from __future__ import annotations

from broker.core.effects import EndRejoin
from edge_client.runtime.database import Database, transaction

_LOG_ID, _SIGN_ABOVE = "log_id", "sign_above"


class LogName:
    """Two entries of the table `meta`; every write is durable when it returns."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def id(self) -> bytes | None:
        """The id of the log; None before the first start."""
        return self._read(_LOG_ID)

    def entries(self) -> bytes:
        """All of it, in order."""
        return b"".join(
            row[0] for row in self._db.conn.execute("select entry from consensus_log order by seq")
        )

    def above(self) -> int:
        """The slot that a rejoin ended with, 0 when there was none."""
        return int.from_bytes(self._read(_SIGN_ABOVE) or b"", "big")

    def is_blank(self) -> bool:
        """Whether there is neither a vote nor a block: nothing was ever signed from here."""
        query = "select exists(select 1 from consensus_log) or exists(select 1 from headers)"
        return not self._db.conn.execute(query).fetchone()[0]

    def begin(self, log_id: bytes) -> None:
        """From now on the log has this id; the key's marker names the one it signs with."""
        self._write(_LOG_ID, log_id)

    def end_rejoin(self, effect: EndRejoin) -> None:
        """Remember above which slot the log is whole."""
        self._write(_SIGN_ABOVE, effect.sign_above.to_bytes(4, "big"))

    def _read(self, key: str) -> bytes | None:
        row = self._db.conn.execute("select value from meta where key = ?", [key]).fetchone()
        return None if row is None else bytes(row[0])

    def _write(self, key: str, value: bytes) -> None:
        with transaction(self._db):
            self._db.conn.execute("insert or replace into meta (key, value) values (?, ?)", [key, value])
