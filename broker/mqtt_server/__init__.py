"""MQTT servers that we start ourselves: an embedded one for demo and tests, Mosquitto in production."""
