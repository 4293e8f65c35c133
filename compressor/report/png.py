"""Pixels as a PNG file, standard library only: a report needs no imaging library to show a few small images."""

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, COLOUR = 0, 2
"""Colour types of one and of three bytes a pixel."""


def png(pixels: bytes, *, height: int, width: int) -> bytes:
    """Return a PNG file.

    Args:
        pixels: rows from the top, pixels from the left, one byte each for grey or three for red, green and blue.
        height: in pixels.
        width: in pixels.

    Source: Portable Network Graphics, third edition (W3C); no filter, one chunk of data.
    """
    channels = len(pixels) // (height * width)
    assert channels in (1, 3)
    assert len(pixels) == channels * height * width
    stride = width * channels
    rows = b"".join(b"\x00" + pixels[start : start + stride] for start in range(0, len(pixels), stride))
    header = struct.pack(">IIBBBBB", width, height, 8, GREY if channels == 1 else COLOUR, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return SIGNATURE + b"".join(_chunk(kind, content) for kind, content in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
