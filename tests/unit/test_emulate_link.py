"""A link that loses messages: those the plan names, both ways, and they are counted."""

from __future__ import annotations

from edge_client.protocol.machine import LinkUp, Publish, Received
from edge_client.runtime.transport import Deliver, Traffic
from firmware_profiles.emulate.link import Losses, ReachableLink


class Wire:
    """A transport that is up at once and keeps what it is given."""

    def __init__(self) -> None:
        self.sent: list[Publish] = []
        self.hear: Deliver = lambda _event: None

    @property
    def traffic(self) -> Traffic:
        return Traffic()

    def start(self, deliver: Deliver) -> None:
        self.hear = deliver
        deliver(LinkUp("wire"))

    def publish(self, message: Publish) -> None:
        self.sent.append(message)

    def subscribe(self, filters: tuple[str, ...]) -> None: ...

    def unsubscribe(self, filters: tuple[str, ...]) -> None: ...

    def sleep(self) -> None: ...

    def wake(self) -> None: ...

    def stop(self) -> None: ...


def test_every_third_message_is_lost_whichever_way_it_goes_but_never_the_link_itself() -> None:
    wire, heard = Wire(), list[object]()
    losses = Losses(lambda number: number % 3 == 0)
    link = ReachableLink(wire, losses, reachable=True)
    link.start(heard.append)
    for number in range(1, 5):
        link.publish(Publish(f"up/{number}", b""))
        wire.hear(Received(f"down/{number}", b""))
    assert heard[0] == LinkUp("wire")
    assert [one.topic for one in wire.sent] == ["up/1", "up/3", "up/4"]
    assert [one.topic for one in heard[1:] if isinstance(one, Received)] == ["down/1", "down/2", "down/4"]
    assert losses.take() == 2
    assert losses.take() == 0
