"""Files as ComfyUI writes them, as far as texts in them go."""

import struct
import zlib
from collections.abc import Mapping


def png(texts: Mapping[str, str], *, kind: bytes = b"tEXt") -> bytes:
    chunks = [_chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))]
    chunks += [_chunk(kind, _png_text(kind, keyword, text)) for keyword, text in texts.items()]
    chunks += [_chunk(b"IDAT", zlib.compress(b"\0\0\0\0")), _chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png_text(kind: bytes, keyword: str, text: str) -> bytes:
    head = keyword.encode() + b"\0"
    if kind == b"zTXt":
        return head + b"\0" + zlib.compress(text.encode())
    if kind == b"iTXt":
        return head + b"\1\0" + b"en\0" + b"\0" + zlib.compress(text.encode())
    return head + text.encode()


def exif(texts: Mapping[str, str], order: str = "<") -> bytes:
    values = [f"{key}:{text}".encode() + b"\0" for key, text in texts.items()]
    at = 8 + 2 + 12 * len(values) + 4
    entries = b""
    for tag, value in zip(range(0x0110, 0, -1), values, strict=False):
        entries += struct.pack(order + "HHII", tag, 2, len(value), at)
        at += len(value)
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HIH", 42, 8, len(values))
    return head + entries + b"\0\0\0\0" + b"".join(values)


def webp(texts: Mapping[str, str]) -> bytes:
    chunks = b"".join(
        kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
        for kind, data in ((b"VP8L", b"odd"), (b"EXIF", exif(texts)))
    )
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks


def jpeg(texts: Mapping[str, str]) -> bytes:
    data = b"Exif\0\0" + exif(texts, ">")
    return b"\xff\xd8\xff\xe1" + struct.pack(">H", len(data) + 2) + data + b"\xff\xda\0\2\xff\xd9"


def mp4(texts: Mapping[str, str], *, is_mov: bool = False) -> bytes:
    keys = b"".join(_box(b"mdta", key.encode()) for key in texts)
    values = b"".join(
        _box(struct.pack(">I", at), _box(b"data", struct.pack(">II", 1, 0) + text.encode()))
        for at, text in enumerate(texts.values(), start=1)
    )
    content = [
        _box(b"hdlr", b"\0" * 25),
        _box(b"keys", struct.pack(">II", 0, len(texts)) + keys),
        _box(b"ilst", values),
    ]
    meta = _box(b"meta", (b"" if is_mov else b"\0\0\0\0") + b"".join(content))
    movie = _box(b"moov", _box(b"mvhd", b"\0" * 100) + (meta if is_mov else _box(b"udta", meta)))
    return _box(b"ftyp", b"isomiso2") + struct.pack(">I4sQ", 1, b"mdat", 20) + b"data" + movie


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content) + 8) + kind + content


def webm(texts: Mapping[str, str]) -> bytes:
    tags = b"".join(
        b"\x45\xa3" + bytes([0x80 | len(key)]) + key.upper().encode() + b"\x44\x87" + _length(text.encode())
        for key, text in texts.items()
    )
    return b"\x1a\x45\xdf\xa3\x80" + b"\x18\x53\x80\x67" + tags


def _length(text: bytes) -> bytes:
    return struct.pack(">I", 1 << 28 | len(text)) + text


def flac(texts: Mapping[str, str]) -> bytes:
    comments = [f"{key}={text}".encode() for key, text in texts.items()]
    block = struct.pack("<I", 4) + b"Lavf" + struct.pack("<I", len(comments))
    block += b"".join(struct.pack("<I", len(one)) + one for one in comments)
    info = b"\0" * 34
    return b"fLaC\0" + len(info).to_bytes(3, "big") + info + b"\x84" + len(block).to_bytes(3, "big") + block
