"""What lies in the state folder of every device."""

from __future__ import annotations

CONFIG_FILE = "edge-client.toml"
KEY_FILE = "device.key"
