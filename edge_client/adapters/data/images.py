"""One file, one sample: `.npy` and raw PGM/PPM by ourselves, PNG and JPEG through Pillow if it is there."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import numpy as np

from edge_client.adapters.data.source import UNREADABLE, Array

PILLOW_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
IMAGE_BYTES_MAX = 1 << 26
PIXELS_MAX = 1 << 24
COLOURS = 3
_NETPBM = re.compile(rb"P([56])(?:\s+|#[^\n]*\n)+(\d+)(?:\s+|#[^\n]*\n)+(\d+)(?:\s+|#[^\n]*\n)+(\d+)\s")


class ImageError(Exception):
    """This one file cannot be used; the text says why, without its name."""


def read_image(path: Path, dims: tuple[int, ...]) -> Array:
    """The values of a file: [height, width] or [height, width, 3] for pictures. Raises `ImageError`."""
    suffix = path.suffix.lower()
    try:
        if path.stat().st_size > IMAGE_BYTES_MAX:
            raise ImageError(f"a file is larger than {IMAGE_BYTES_MAX >> 20} MiB")
        if suffix == ".npy":
            with path.open("rb") as file:
                return np.asarray(np.lib.format.read_array(file, allow_pickle=False))
        if suffix in (".pgm", ".ppm"):
            return _netpbm(path.read_bytes())
        if suffix in PILLOW_SUFFIXES:
            return _pillow(path, dims)
    except FileNotFoundError:
        raise ImageError("a file vanished while the folder was read") from None
    except UNREADABLE as error:
        raise ImageError(f"a {suffix} file cannot be read") from error
    raise ImageError(f"'{suffix}' files are not read; .npy, .pgm, .ppm, .png and .jpg are")


def _netpbm(data: bytes) -> Array:
    """A binary picture (P5, P6) of one byte a value."""
    found = _NETPBM.match(data)
    if found is None or int(found[4]) > np.iinfo(np.uint8).max:
        raise ImageError("a .pgm or .ppm file is not a binary one (P5, P6) of 8 bits")
    colours = COLOURS if found[1] == b"6" else 1
    width, height = int(found[2]), int(found[3])
    if len(data) - found.end() != width * height * colours:
        raise ImageError("a .pgm or .ppm file is cut off")
    pixels = np.frombuffer(data, np.uint8, offset=found.end())
    return pixels.reshape((height, width, colours) if colours > 1 else (height, width))


def _pillow(path: Path, dims: tuple[int, ...]) -> Array:
    try:
        image_module = import_module("PIL.Image")
    except ImportError:
        raise ImageError("a picture needs Pillow: pip install 'edge-client[images]'") from None
    try:
        with image_module.open(path) as image:
            if image.width * image.height > PIXELS_MAX:
                raise ImageError(f"a picture has more than {PIXELS_MAX} pixels")
            return np.asarray(image.convert("RGB" if dims[-1:] == (COLOURS,) else "L"))
    except image_module.DecompressionBombError:  # Pillow's own bound, met before the size can be asked
        raise ImageError(f"a picture has more than {PIXELS_MAX} pixels") from None
