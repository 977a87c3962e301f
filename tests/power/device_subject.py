"""A device's folder after a cut: opened, checked, and lived on in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge_client.adapters.status_file import read_status_file
from tests.model_life import learning_chain, samples
from tests.owned_device import init_device
from tests.power.device_round import Round
from tests.power.judging import Ending, Found
from tests.power.words import Teller

MODULE = "tests.power.device_round"
NOT_COMPARED = ("agent.db/costs", "traffic.db/months")
"""How long training took, and bytes of both lives: not the same when it goes on later."""


def prepare(place: Path) -> Path:
    """A new state folder and the data it points to, as their owner makes them."""
    x, y = samples()
    np.savez(place / "data.npz", x=x, y=y)
    return init_device(place / "state", learning_chain().chain_id, f"npz:{place / 'data.npz'}")


class DeviceSubject:
    """See `Subject`."""

    def look(self, folder: Path) -> Found:
        """What a starting agent finds; everything that is pointed to must be there. The last words of the
        status can be asked for, whatever became of them."""
        read_status_file(folder)
        life = Round(folder, Teller())
        real = life.device_disk.real
        units, here = life.units(), set(real.objects.roots())
        referenced = real._referenced()
        life.close_files()
        missing = tuple(f"the object {root.hex()[:8]} is pointed to and gone" for root in referenced - here)
        return Found(units, missing, frozenset(root.hex() for root in here))

    def finish(self, folder: Path, chain: Sequence[Sequence[str]]) -> Ending:
        """To the same updates, residual and chain."""
        teller = Teller()
        life = Round(folder, teller, chain)
        life.live()
        units = {name: one for name, one in life.units().items() if name not in NOT_COMPARED}
        life.close_files()
        return Ending(teller.signed, (), units)
