"""What a transfer over a link takes: time and joules, with the radio's promotion before and tail after."""

from __future__ import annotations

from dataclasses import dataclass

from firmware_profiles.profiles.link import Link

BITS = 8
MEGA = 1_000_000
PING_BYTES = 100
"""One way: MQTT's two bytes in TLS, TCP and IP."""
KEEPALIVE_S = 60
"""The agent's own default; the twin knows no shell, so a test compares them."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """`time_s` until the last byte is there, `energy_j` of it, promotion included and the tail not."""

    time_s: float
    energy_j: float


class Radio:
    """A link in use; `rate` scales both directions, as where the signal is weaker."""

    def __init__(self, link: Link, rate: float = 1.0) -> None:
        self.link = link
        kept = 1 - link.loss.typical
        self._down_bit_s = link.rate_down.typical * MEGA * rate * kept
        self._up_bit_s = link.rate_up.typical * MEGA * rate * kept
        self._down_byte_j = link.energy_down.typical / MEGA / rate
        self._up_byte_j = link.energy_up.typical / MEGA / rate
        self._promotion_s, self._promotion_w = link.promotion_time.typical, link.promotion_power.typical
        self._rtt_s, self._tail_s = link.rtt.typical / 1000, link.tail_time.typical
        self._tail_w = link.tail_power.typical
        self._rate = rate
        self._up_until_s = float("-inf")
        self._transfer_until_s = float("-inf")

    @property
    def standby_w(self) -> float:
        """While nothing is carried."""
        return self.link.standby_power.typical

    @property
    def keepalive_w(self) -> float:
        """What a connection costs that is held and carries nothing: a ping and its tail, again and again."""
        link, every_s = self.link, KEEPALIVE_S
        tail_s = min(link.tail_time.typical, every_s)
        wakes = link.tail_time.typical < every_s
        energy_j = link.promotion_time.typical * link.promotion_power.typical if wakes else 0.0
        energy_j += tail_s * link.tail_power.typical
        energy_j += PING_BYTES / MEGA * (link.energy_up.typical + link.energy_down.typical) / self._rate
        return energy_j / every_s

    def transfer(self, down_bytes: int, up_bytes: int, now_s: float) -> Transfer:
        """Carry this now. Bytes that follow within the tail find the radio up; the longer way at a low rate
        costs as much more as it takes longer."""
        promotion_s = 0.0 if now_s <= self._up_until_s else self._promotion_s
        energy_j = promotion_s * self._promotion_w
        energy_j += down_bytes * self._down_byte_j + up_bytes * self._up_byte_j
        carried_s = down_bytes * BITS / self._down_bit_s + up_bytes * BITS / self._up_bit_s
        self._transfer_until_s = max(self._transfer_until_s, now_s + promotion_s + carried_s)
        self._up_until_s = self._transfer_until_s + self._tail_s
        return Transfer(promotion_s + self._rtt_s + carried_s, energy_j)

    def tail_j(self, from_s: float, until_s: float) -> float:
        """What tails cost in a span of time, by the transfers so far."""
        begin_s, end_s = max(from_s, self._transfer_until_s), min(until_s, self._up_until_s)
        return max(0.0, end_s - begin_s) * self._tail_w

    @property
    def tail_ends_s(self) -> float:
        """When the radio goes down if nothing more is carried."""
        return self._up_until_s
