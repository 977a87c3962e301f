"""The life of a board around its process: power, reach, drop-outs, and what of it is counted.

The same for simulated and emulated boards; what they run on is their `Shell`.
"""

from __future__ import annotations

from collections.abc import Callable

from edge_client.core.agent import LOST, Agent, Phase
from edge_client.core.conditions.scheduler import Scheduler
from edge_client.core.events import Halt, SaveUpdate, SettleUpdate, SettleWish, TrainingOrder
from edge_client.protocol.machine import Note, Refused
from edge_client.runtime.transport import Will
from firmware_profiles.fleet.founding import MIDNIGHT_MS, DeviceSetup
from firmware_profiles.fleet.shell import Disk, Executors, Shell
from firmware_profiles.report.tally import Tally
from firmware_profiles.report.traced import Traced, leave_point
from firmware_profiles.twin import draws
from firmware_profiles.twin.device import Began, Compute, Died, Keep, Progress, TwinDevice
from firmware_profiles.twin.mishaps import RESTART_MS, Mishap

PAST_ROUNDS_MAX = 1000
"""Whose costs a starting process reads."""


class HaltedError(RuntimeError):
    """A device found two histories: our own bug, or a chain that forked."""


class FleetDevice:
    """A board; its disk and its physics survive the process."""

    def __init__(self, setup: DeviceSetup, shell: Shell, tally: Tally) -> None:
        self.setup = setup
        self.twin: TwinDevice | None = None
        """None while no process runs."""
        self._traced: Traced | None = None
        """Around the twin, if the board is one of those that are traced."""
        self.starts = 0
        self.drop_outs = 0
        self._shell = shell
        self._tally = tally
        self._started_ms = 0
        self._attempts: tuple[int, int] = (0, 0)
        """Of the round, how often work on it began."""
        self._made: dict[bytes, int] = {}
        """When each update was made that is not settled."""
        self._is_reachable = True
        self._crashes = setup.mishaps.crashes(setup.number)
        self._reach()
        self._expect_crash()

    @property
    def state(self) -> str:
        """As in a trace."""
        if self.twin is None:
            return "off"
        if self.twin.is_training:
            return "training"
        return "asleep" if self._shell.is_asleep else "idle"

    def is_joining(self, within_ms: int) -> bool:
        """It has been started no longer ago, and still fetches what it needs to take part."""
        if self.twin is None or self._shell.now_ms() - self._started_ms > within_ms:
            return False
        return self.twin.agent.phase in {Phase.JOINING, Phase.SYNCING}

    # --- life ---------------------------------------------------------------------------------------------

    def power_up(self) -> None:
        """Somebody switches the board on; or the service manager starts the process again."""
        board = self.setup.board
        board.advance(self._shell.now_ms())
        if self.twin is not None:
            return
        if board.is_alive:
            self._start()
        else:
            self._wait_for_power()

    def kill(self, back_ms: int = RESTART_MS) -> None:
        """As `kill -9` or a crash do; the process is started again after `back_ms`."""
        if self.twin is not None:
            self.end()
            self._shell.later(back_ms, self.power_up)

    def end(self) -> None:
        """The process is gone; what it counted is in the tally."""
        if self._traced is not None:
            self._traced.catch_up(self._shell.now_ms())
        twin, self.twin, self._traced = self.twin, None, None
        if twin is None:
            return
        self.setup.board.advance(self._shell.now_ms())  # what it did until now took energy
        self._tally.ended(self.setup.number, twin.closed_ms, twin.up_bytes, twin.down_bytes)
        self.setup.board.work(on=False)
        self.setup.board.hold(on=False)
        self._shell.kill()
        self._leave_off_point()

    def finish(self) -> None:
        """The rehearsal is over: everything that was counted is in the tally."""
        self.end()
        own, board = self._tally.of(self.setup.number), self.setup.board
        board.advance(self._shell.now_ms())
        own.joules_training, own.joules_radio = board.training_j, board.radio_j
        own.joules_board = board.energy_mj / 1000
        own.floor_breaks = board.floor_breaks
        self._leave_off_point()

    def _leave_off_point(self) -> None:
        points, now_ms = self._tally.trace(self.setup.number), self._shell.now_ms()
        if points is not None:
            leave_point(points, self.setup.board, (now_ms, MIDNIGHT_MS), self.state)

    def _start(self) -> None:
        """Build everything from the disk, and connect."""
        setup = self.setup
        self.starts += 1
        self._started_ms = self._shell.now_ms()
        disk = self._shell.open()
        stored = disk.stored()
        scheduler = Scheduler(setup.limits, disk.costs(PAST_ROUNDS_MAX))
        seed = draws.drawn(setup.seed, f"start {self.starts}", setup.number)
        agent = Agent(setup.identity, seed, stored, scheduler, setup.sleep)
        kept = None if stored.interrupted is None else disk.objects.get(stored.interrupted.root)
        progress = None if kept is None else Progress.decode(kept)
        self.twin = TwinDevice(agent, scheduler, setup.board, setup.samples, progress)
        points = self._tally.trace(setup.number)
        if points is not None:
            self._traced = Traced(self.twin, setup.board, points, lambda: self.state, MIDNIGHT_MS)
        will = Will(setup.identity.topics.up_state(setup.identity.device), LOST)
        self._shell.run(self._traced or self.twin, self._executors(disk), will)

    # --- effects ------------------------------------------------------------------------------------------

    def _executors(self, disk: Disk) -> Executors:
        """All but those of the link."""
        tally, saved = self._tally, disk.executors()
        return {
            **saved,
            SaveUpdate: lambda one: self._made_update(one, saved[SaveUpdate]),
            SettleUpdate: lambda one: self._settle(one, saved[SettleUpdate]),
            Began: self._begin,
            Compute: lambda one: self._work(one.order),
            Keep: lambda one: disk.objects.put(one.root, one.data),
            Died: lambda _one: self._lose_power(),
            Note: tally.note,
            Refused: tally.refused,
            Halt: _halt,
            SettleWish: lambda _one: None,
        }

    def _made_update(self, effect: SaveUpdate, save: Callable[[SaveUpdate], None]) -> None:
        head = effect.update.head
        self._made[head.update_root] = self._shell.now_ms()
        save(effect)
        self._tally.made(self.setup.number, head.round)

    def _settle(self, effect: SettleUpdate, save: Callable[[SettleUpdate], None]) -> None:
        save(effect)
        made_ms = self._made.pop(effect.update_root, self._shell.now_ms())
        self._tally.settled(self.setup.number, effect, made_ms)

    def _begin(self, effect: Began) -> None:
        """Whether this work is one of those that the fleet file lets fail, and when it does."""
        setup, starts, round_number = self.setup, self.starts, effect.round
        before = self._attempts[1] if self._attempts[0] == round_number else 0
        self._attempts = round_number, before + 1
        at = setup.mishaps.drop_out(setup.number, round_number, before)
        if at is None:
            return
        self.drop_outs += 1

        def vanish() -> None:
            if self.starts == starts:
                self._suffer(Mishap.DROP_OUT, f"device {setup.number} in round {round_number}")
                self.kill()

        self._shell.later(int(at * (effect.ends_ms - self._shell.now_ms())), vanish)

    def _work(self, order: TrainingOrder) -> None:
        if self.setup.lies:
            self._inject(Mishap.LIE, f"device {self.setup.number} in round {order.round}")
        self._shell.train(order)

    # --- what goes wrong ----------------------------------------------------------------------------------

    def _expect_crash(self) -> None:
        at_ms = next(self._crashes, None)
        if at_ms is not None:
            self._shell.later(max(1, MIDNIGHT_MS + at_ms - self._shell.now_ms()), self._crash)

    def _crash(self) -> None:
        self._suffer(Mishap.CRASH, f"process of device {self.setup.number}")
        self.kill()
        self._expect_crash()

    def _suffer(self, kind: Mishap, what: str) -> None:
        """A fault of a running process; where none runs, there is nothing to break."""
        if self.twin is not None:
            self._inject(kind, what)

    def _inject(self, kind: Mishap, what: str) -> None:
        self._tally.injected.note(self._shell.now_ms() - MIDNIGHT_MS, kind.value, what)

    # --- power and reach ----------------------------------------------------------------------------------

    def _lose_power(self) -> None:
        self.end()
        if self.setup.board.battery_share is not None:  # else it was the mains
            self._tally.of(self.setup.number).empty_batteries += 1
        self._wait_for_power()

    def _wait_for_power(self) -> None:
        change_ms = self.setup.board.next_change()
        if change_ms is not None:
            self._shell.later(max(1, change_ms - self._shell.now_ms()), self.power_up)

    def _reach(self) -> None:
        """Follow the patterns from the beginning, whether the board runs or not."""
        patterns, now_ms = self.setup.online, self._shell.now_ms()
        for one in patterns:
            one.advance((now_ms - MIDNIGHT_MS) / 1000)
        was_on, self._is_reachable = self._is_reachable, all(one.on for one in patterns)
        if was_on and not self._is_reachable and not self._shell.is_asleep:
            self._suffer(Mishap.LOST_LINK, f"device {self.setup.number} out of reach")
        self._shell.reach(on=self._is_reachable)
        next_s = min((one.next_s for one in patterns), default=None)
        if next_s is not None:
            due_ms = MIDNIGHT_MS + round(next_s * 1000)
            self._shell.later(max(1, due_ms - now_ms), self._reach)


def _halt(effect: Halt) -> None:
    raise HaltedError(f"a device halted: {effect.why}")
