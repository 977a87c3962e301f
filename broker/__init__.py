"""The operator's side: validators and the MQTT server they talk through; importing it loads nothing else."""
