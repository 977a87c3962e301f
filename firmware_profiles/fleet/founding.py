"""From a fleet and a seed to its chain, its keys and the start of each device: the same however it is run."""

from __future__ import annotations

from dataclasses import dataclass, replace

from broker.founding import ChainFiles, Founders, found
from broker.founding_folder import election_rules, make_params
from edge_client.core.bursts import Sleep
from edge_client.core.conditions.limits import Limits
from edge_client.core.identity import Identity
from edge_client.core.timing import Timing
from edge_client.protocol.keys import Signer, Verify
from edge_client.protocol.params import REGISTRATIONS_PER_BLOCK_MAX
from firmware_profiles.lesson.shares import share_of
from firmware_profiles.profiles.fleet import Fleet
from firmware_profiles.profiles.parts import Parts
from firmware_profiles.twin.board import TwinBoard
from firmware_profiles.twin.draws import drawn, share
from firmware_profiles.twin.members import Member, board_of, online_of
from firmware_profiles.twin.mishaps import Mishaps
from firmware_profiles.twin.presence import Pattern

MIDNIGHT_S = 1_799_971_200
"""Every rehearsal begins at this midnight (Unix seconds; January 2027): a seed knows no today."""
MIDNIGHT_MS = MIDNIGHT_S * 1000
POWER_UP_MS = 1_800_000
"""Within the first half hour, every board is switched on."""


@dataclass(frozen=True, slots=True)
class DeviceSetup:
    """What a board is: `number` names its random streams, `share` its part of the lesson. It can reach the
    MQTT server while all patterns of `online` are on. In a round it takes part in, it fails with the
    probability `drop_out`. Somebody switches it on `power_up_ms` after midnight."""

    number: int
    share: int
    identity: Identity
    limits: Limits
    sleep: Sleep
    board: TwinBoard
    online: tuple[Pattern, ...]
    samples: int
    mishaps: Mishaps
    lies: bool
    power_up_ms: int
    seed: int


@dataclass(frozen=True, slots=True)
class Founding:
    """A fleet, the seed of all that is random beside its file's own draws, and when its boards sleep."""

    fleet: Fleet
    parts: Parts
    seed: int
    sleep: Sleep = Sleep.AUTO

    @property
    def mishaps(self) -> Mishaps:
        """What goes wrong, and when."""
        return Mishaps(self.fleet.faults, self.fleet.dropout, self.seed)

    def validator_seed(self, number: int) -> bytes:
        """Of the key of a validator."""
        return drawn(self.seed, "validator", number)

    def validator(self, number: int) -> Signer:
        """The key of a validator."""
        return Signer(self.validator_seed(number))

    def chain(self, graph: bytes) -> ChainFiles:
        """A block has room for the registrations of the whole fleet."""
        job = self.fleet.job
        rules = job.rules()
        params = make_params(graph, {**rules, **election_rules(job.validators, rules)})
        params = replace(params, registrations_max=min(REGISTRATIONS_PER_BLOCK_MAX, self.fleet.devices))
        keys = tuple(self.validator(number).public_key for number in range(job.validators))
        owner = Signer(drawn(self.seed, "owner", 0))
        return found(graph, Founders(keys, (owner.public_key,)), params, MIDNIGHT_S)

    def device(
        self, member: Member, chain_id: bytes, verify: Verify, timing: Timing | None = None
    ) -> DeviceSetup:
        """A board with its key; `timing` are its agent's waits, the usual ones unless given."""
        signer = Signer(drawn(self.seed, f"key {member.name}"))
        return DeviceSetup(
            number=member.number,
            share=share_of(member.number),
            identity=Identity(signer, chain_id, timing=timing or Timing(), verify=verify),
            limits=member.group.limits,
            sleep=self.sleep,
            board=board_of(member, self.fleet, self.parts, MIDNIGHT_MS),
            online=online_of(member, self.fleet),
            samples=member.samples,
            mishaps=self.mishaps,
            lies=member.is_byzantine,
            power_up_ms=round(share(self.seed, f"power-up {member.name}") * POWER_UP_MS),
            seed=self.seed,
        )
