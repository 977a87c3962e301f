"""What the device has verified of the chain: headers, tip, head, rules, own account."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from edge_client.adapters.shown_headers import keep_shown, read_shown
from edge_client.core.anchors import BODY_ROOTS_MAX
from edge_client.core.events import SaveAccount, SaveChain, SaveConflict, SaveHandoffs, SaveParams
from edge_client.core.segments import History, Segment
from edge_client.core.trusted import Tip, TrustedHead, verified_head
from edge_client.protocol.accounts import AccountProof
from edge_client.protocol.encoding import Reader
from edge_client.protocol.handoff import Handoff, TrustedSet
from edge_client.protocol.hashing import HASH_BYTES
from edge_client.protocol.header import LINKED_BYTES, AppLeaves, StateLeaves
from edge_client.protocol.keys import KEY_BYTES
from edge_client.protocol.light import LightBlock
from edge_client.protocol.mmr import Peaks
from edge_client.protocol.params import ParamsPair
from edge_client.protocol.proofs import AncestorProof
from edge_client.protocol.validators import ValidatorSet
from edge_client.runtime.database import Database, transaction

EARNINGS_KEPT_MAX = 10_000
"""Rounds whose earnings are kept, some 20 bytes each."""
INTEGER_MAX = (1 << 63) - 1
"""Of SQLite; the sum of a balance and a bond could be larger."""


class ChainStore:
    """Tables `headers`, `jumps`, `handoffs`, `vouched`, `earnings`, `facts`. Headers (96 bytes) stay until
    pruned."""

    def __init__(self, database: Database, chain_id: bytes) -> None:
        self._database = database
        self._chain_id = chain_id

    def claim(self) -> bytes:
        """The id of the chain that this database is of: ours from now on, if it was of none."""
        if (lived_on := self._get("chain")) is not None:
            return lived_on
        with transaction(self._database):
            self._set("chain", self._chain_id)
        return self._chain_id

    # --- writing ------------------------------------------------------------------------------------------

    def save_chain(self, effect: SaveChain) -> None:
        """Headers, tip and head in one transaction."""
        tip, first = effect.tip, effect.tip.height - len(effect.linked) + 1
        rows = enumerate(effect.linked, start=first)
        with transaction(self._database):
            self._database.conn.executemany("INSERT INTO headers (height, linked) VALUES (?, ?)", rows)
            if effect.extension:
                jump = first, b"".join(effect.extension)
                self._database.conn.execute("INSERT INTO jumps (first, extension) VALUES (?, ?)", jump)
            if effect.vouching is not None:
                handoff = effect.vouching.handoff
                row = handoff.epoch, handoff.encode()
                self._database.conn.execute(
                    "INSERT OR REPLACE INTO vouched (epoch, handoff) VALUES (?, ?)", row
                )
                keep_shown(self._database, [effect.vouching.at])
            self._set("tip", tip.height.to_bytes(4, "big") + tip.time_s.to_bytes(4, "big") + tip.hash)
            self._set("peaks", tip.peaks.encode())
            self._set("signing", effect.signing.epoch.to_bytes(4, "big") + effect.signing.validators.encode())
            if effect.head is not None and effect.head.block is not None:
                self._set("head", effect.head.block.encode())

    def save_handoffs(self, effect: SaveHandoffs) -> None:
        """How later validator sets were reached."""
        rows = [(one.epoch, one.encode()) for one in effect.handoffs]
        with transaction(self._database):
            self._database.conn.executemany(
                "INSERT OR REPLACE INTO handoffs (epoch, handoff) VALUES (?, ?)", rows
            )

    def save_params(self, effect: SaveParams) -> None:
        """The rules of training."""
        with transaction(self._database):
            self._set("params", effect.params.encode())

    def save_account(self, effect: SaveAccount) -> None:
        """The own account, its proof, and the leaves that proof leads to."""
        with transaction(self._database):
            self._set("account", effect.height.to_bytes(4, "big") + effect.proof.encode())
            self._set("account_leaves", effect.app.encode() + effect.state.encode())
            own = effect.proof.account
            row = (own.last_round, min(own.balance + own.stake, INTEGER_MAX))
            self._database.conn.execute("INSERT OR REPLACE INTO earnings (round, total) VALUES (?, ?)", row)
            self._database.conn.execute(
                "DELETE FROM earnings WHERE round <= ?", (own.last_round - EARNINGS_KEPT_MAX,)
            )

    def save_conflict(self, effect: SaveConflict) -> None:
        """Why the device halted, and what it saw."""
        with transaction(self._database):
            self._set("conflict", effect.why.encode())
            self._set("evidence", effect.evidence)

    def rewards(self) -> dict[int, int]:
        """What the account got for a round that counted, by round, oldest first: the change since the round
        before it that is known. A round nobody showed us in time is counted with the next."""
        rows = self._database.conn.execute("SELECT round, total FROM earnings ORDER BY round").fetchall()
        return {after[0]: after[1] - before[1] for before, after in pairwise(rows)}

    def prune(self, first: int, extension: Sequence[bytes], shown: Iterable[AncestorProof]) -> int:
        """Inside the caller's transaction: forget the headers below `first` but those shown, all of them in
        the range that `extension` leads to; how many were dropped."""
        conn = self._database.conn
        dropped: int = conn.execute("DELETE FROM headers WHERE height < ?", (first,)).rowcount
        conn.execute("DELETE FROM jumps WHERE first <= ?", (first,))
        conn.execute("INSERT INTO jumps (first, extension) VALUES (?, ?)", (first, b"".join(extension)))
        conn.execute("DELETE FROM shown WHERE height < ?", (first,))
        keep_shown(self._database, shown)
        return dropped

    def _set(self, name: str, value: bytes) -> None:
        self._database.conn.execute("INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)", (name, value))

    # --- reading ------------------------------------------------------------------------------------------

    def _get(self, name: str) -> bytes | None:
        row = self._database.conn.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else bytes(row[0])

    def tip(self) -> Tip | None:
        """The last linked header."""
        data, peaks = self._get("tip"), self._get("peaks")
        if data is None or peaks is None:
            return None
        height, time_s = int.from_bytes(data[:4], "big"), int.from_bytes(data[4:8], "big")
        return Tip(height, data[8:], time_s, Peaks.decode(peaks))

    def signing(self) -> TrustedSet | None:
        """The validator set of the tip's epoch."""
        data = self._get("signing")
        if data is None:
            return None
        keys = tuple(data[at : at + KEY_BYTES] for at in range(4, len(data), KEY_BYTES))
        return TrustedSet(int.from_bytes(data[:4], "big"), ValidatorSet(keys))

    def handoffs(self, first: int) -> tuple[Handoff, ...]:
        """Those of this epoch and later ones."""
        query = "SELECT handoff FROM handoffs WHERE epoch >= ? ORDER BY epoch"
        return tuple(Handoff.decode(row[0]) for row in self._database.conn.execute(query, (first,)))

    def vouched(self) -> tuple[Handoff, ...]:
        """Those that the owner's word showed."""
        rows = self._database.conn.execute("SELECT handoff FROM vouched ORDER BY epoch")
        return tuple(Handoff.decode(row[0]) for row in rows)

    def head_block(self) -> LightBlock | None:
        """The light block of the head, with its certificate."""
        data = self._get("head")
        return None if data is None else LightBlock.decode(data)

    def head(self) -> TrustedHead | None:
        """The head; it was verified before it was saved."""
        block = self.head_block()
        return None if block is None else verified_head(block, block.header.hash(self._chain_id))

    def params(self) -> ParamsPair | None:
        """The rules of training."""
        data = self._get("params")
        return None if data is None else ParamsPair.decode(data)

    def account(self) -> tuple[int, AccountProof] | None:
        """The own account, and the height it was proven at."""
        data = self._get("account")
        if data is None:
            return None
        reader = Reader(data, "account")
        return reader.uint(4), AccountProof.read(reader)

    def account_leaves(self) -> tuple[AppLeaves, StateLeaves] | None:
        """The leaves of the block the own account was proven at; older versions did not keep them."""
        data = self._get("account_leaves")
        if data is None:
            return None
        reader = Reader(data, "account leaves")
        return reader.fixed(AppLeaves), reader.fixed(StateLeaves)

    def conflict(self) -> str | None:
        """Why the device halted."""
        data = self._get("conflict")
        return None if data is None else data.decode()

    def linked(self, first: int, last: int) -> Iterator[bytes]:
        """The 84-byte headers of these heights."""
        query = "SELECT linked FROM headers WHERE height BETWEEN ? AND ? ORDER BY height"
        return (bytes(row[0]) for row in self._database.conn.execute(query, (first, last)))

    def history(self, last: int) -> History:
        """All that is stored of the chain up to this height."""
        return History(self._segments(last), read_shown(self._database))

    def _segments(self, last: int) -> Iterator[Segment]:
        jumps = self._database.conn.execute("SELECT first, extension FROM jumps ORDER BY first").fetchall()
        starts = [(1, b""), *((first, bytes(data)) for first, data in jumps if first <= last + 1)]
        ends = [first - 1 for first, _ in starts[1:]] + [last]
        for (first, data), end in zip(starts, ends, strict=True):
            hashes = tuple(data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES))
            yield Segment(first, hashes, self.linked(first, end))

    def first_above(self, height: int) -> int | None:
        """Height of the first stored header above this one."""
        row = self._database.conn.execute("SELECT min(height) FROM headers WHERE height > ?", (height,))
        found = row.fetchone()[0]
        return None if found is None else int(found)

    def held_below(self, first: int, heights: Iterable[int]) -> frozenset[int]:
        """Those of these heights below `first` whose header is stored, in a stretch or alone."""
        query = "SELECT 1 FROM headers WHERE height = :at UNION SELECT 1 FROM shown WHERE height = :at"
        below = (height for height in heights if height < first)
        held = (at for at in below if self._database.conn.execute(query, {"at": at}).fetchone())
        return frozenset(held)

    def header_count(self) -> int:
        """How many headers are stored."""
        return int(self._database.conn.execute("SELECT count(*) FROM headers").fetchone()[0])

    def body_roots(self, above: int) -> dict[int, bytes]:
        """Body roots of the first stored headers above `above`."""
        body_root = slice(LINKED_BYTES - 64, LINKED_BYTES - 32)
        query = "SELECT height, linked FROM headers WHERE height > ? ORDER BY height LIMIT ?"
        rows = self._database.conn.execute(query, (above, BODY_ROOTS_MAX))
        return {height: bytes(data)[body_root] for height, data in rows}
