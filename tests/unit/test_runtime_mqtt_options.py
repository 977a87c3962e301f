from __future__ import annotations

import pytest

from edge_client.runtime.mqtt_options import ServerAddress, ServerUrlError, parse_server


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mqtt://example.org", ServerAddress("example.org", 1883)),
        ("mqtt://127.0.0.1:2000/", ServerAddress("127.0.0.1", 2000)),
        ("mqtts://example.org", ServerAddress("example.org", 8883, tls=True)),
        ("mqtt://[::1]:1884", ServerAddress("::1", 1884)),
    ],
)
def test_addresses(url: str, address: ServerAddress) -> None:
    assert parse_server(url) == address
    assert parse_server(str(address)) == address


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org",
        "http://example.org",
        "mqtt://",
        "mqtt://h:99999",
        "mqtt://h:x",
        "mqtt://u:p@h",
        "mqtt://h/x",
    ],
)
def test_what_is_no_address_is_named(url: str) -> None:
    with pytest.raises(ServerUrlError, match="not the address of an MQTT server"):
        parse_server(url)
