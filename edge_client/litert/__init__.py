"""Reads, differentiates, builds and runs .tflite graphs of built-in ops."""
