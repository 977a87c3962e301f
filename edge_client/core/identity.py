"""Who this device is on which chain: what every part of the agent needs and never changes."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge_client.core.timing import Timing
from edge_client.core.verify import DAY_MS, TRUSTING_PERIOD_D
from edge_client.protocol import keys
from edge_client.protocol.execution.checks import voucher_claim
from edge_client.protocol.join import Checkpoint, Voucher
from edge_client.protocol.keys import Signer, Verify, node_id
from edge_client.protocol.machine import Publish
from edge_client.protocol.messages import Ask
from edge_client.protocol.records import Register
from edge_client.protocol.topics import Topics


@dataclass(frozen=True, slots=True)
class Identity:
    """Key, chain, what the join string gave beside (a voucher for admission, a checkpoint), and for how long
    the owner trusts what was verified once."""

    signer: Signer
    chain_id: bytes
    voucher: Voucher | None = None
    checkpoint: Checkpoint | None = None
    trusting_ms: int = TRUSTING_PERIOD_D * DAY_MS
    timing: Timing = field(default_factory=Timing)
    verify: Verify = keys.verify

    @property
    def device(self) -> str:
        """The node id."""
        return node_id(self.signer.public_key)

    @property
    def topics(self) -> Topics:
        """Topics of the chain."""
        return Topics.of(self.chain_id)

    def ask(self, ask: Ask) -> Publish:
        """A question on its topic."""
        return Publish(self.topics.up_ask(self.device), ask.encode())

    def registration(self) -> Register:
        """The signed record that asks for an account."""
        record, voucher = Register(self.signer.public_key), self.voucher
        if voucher is not None:
            holder = Signer(voucher.seed)
            record = Register(
                self.signer.public_key,
                voucher.number,
                voucher.owner,
                holder.public_key,
                voucher.owner_signature,
                holder.sign(voucher_claim(self.chain_id, self.signer.public_key)),
            )
        return record.sign(self.signer, self.chain_id)
