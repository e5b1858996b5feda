"""What a content is, by its first bytes: a name or a client's word decides nothing."""

from __future__ import annotations

import codecs
import re

from steplog.server.schema import OCTETS

HEAD_BYTES = 512
"""What is looked at."""
TEXT = "text/plain; charset=utf-8"

_STARTS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}
_BMP_HEADERS = {12, 40, 52, 56, 64, 108, 124}
"""Sizes of the header behind that of the file."""
_M4A = {b"M4A ", b"M4B "}
_MP4 = re.compile(rb"iso[m2-9]|mp4[12]|avc1|M4V |M4VP|dash|MSNV|f4v ")
_MP3_SYNC, _MP3_MASK = 0xFFE2, 0xFFE6
"""A frame of MPEG 1, 2 or 2.5, of layer III."""
# Besides the white space of text: form feed, and the escape of colours.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")


def kind_of(head: bytes) -> str:
    """The content type of what begins with `head`, its first `HEAD_BYTES`.

    Types that a browser shows and runs nothing of: pictures, video, audio, plain text. All else,
    HTML and SVG among it, is plain text or octets.
    """
    for start, kind in _STARTS:
        if head.startswith(start):
            return kind
    return _container(head) or _bitmap(head) or _mp3(head) or _text(head) or OCTETS


def _container(head: bytes) -> str | None:
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12])
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "video/webm" if b"webm" in head[:64] else None
    if head[:4] == b"OggS":
        return "video/ogg" if b"theora" in head else "audio/ogg"
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        return "audio/mp4" if brand in _M4A else "video/mp4" if _MP4.fullmatch(brand) else None
    return None


def _bitmap(head: bytes) -> str | None:
    is_it = head[:2] == b"BM" and head[6:10] == bytes(4)
    return "image/bmp" if is_it and int.from_bytes(head[14:18], "little") in _BMP_HEADERS else None


def _mp3(head: bytes) -> str | None:
    is_it = int.from_bytes(head[:2], "big") & _MP3_MASK == _MP3_SYNC
    return "audio/mpeg" if is_it and len(head) > 1 else None


def _text(head: bytes) -> str | None:
    try:
        # A letter may be cut at the end.
        text = codecs.getincrementaldecoder("utf-8")().decode(head, final=len(head) < HEAD_BYTES)
    except UnicodeDecodeError:
        return None
    return None if _CONTROL.search(text) else TEXT


__all__ = ["HEAD_BYTES", "TEXT", "kind_of"]
