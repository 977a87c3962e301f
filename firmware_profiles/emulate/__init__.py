"""Fleets of real agents on a real MQTT server and real disks, on a clock that goes faster (ADR 0015)."""
