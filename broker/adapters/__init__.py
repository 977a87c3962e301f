"""What a validator touches: its disk and its MQTT servers."""
