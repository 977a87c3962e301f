"""A transport that is stopped gives back what it has open, and is deaf to what comes too late."""

from __future__ import annotations

import gc
import warnings

from edge_client.protocol.machine import Publish
from edge_client.runtime.mqtt import MqttTransport
from edge_client.runtime.mqtt_options import MqttOptions, parse_server


def test_a_stopped_transport_leaves_nothing_open() -> None:
    transport = MqttTransport(MqttOptions((parse_server("mqtt://127.0.0.1:1"),), "client"))
    transport.stop()
    transport.publish(Publish("too/late", b""))
    gc.collect()  # what other tests left open is not ours
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always", ResourceWarning)
        del transport
        gc.collect()
    assert [str(one.message) for one in seen] == []
