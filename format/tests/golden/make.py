#!/usr/bin/env python3
"""Writes the golden bytes beside this file, from docs/FORMAT.md and apart from the crate.

Nothing here is shared with the encoder in Rust: lengths are counted out, fields are packed with
`struct`, checksums are summed by zlib. A change of the format changes both sides by hand.

    python3 make.py            write the files
    python3 make.py --check    compare them with what would be written, and fail on a difference
"""

import pathlib
import struct
import sys
import zlib

SALT = 0x1122334455667788
STORE = bytes(range(0xA0, 0xB0))
EPOCH = bytes(range(0xE0, 0xF0))
SECRET = bytes(range(0x50, 0x60))
WRITER = 1 << 16 | 2 << 8 | 3
EVENT_ID = bytes.fromhex("0198c0de7abc7def8123456789abcdef")

# The domains of checksums.
FRAME, BODY, RECORD, EDIT = 1, 2, 3, 4


def padded(data, alignment=16):
    """`data` with zeros up to a multiple of `alignment`."""
    return data + bytes(-len(data) % alignment)


def sealed(domain, structure, offset, salt=SALT):
    """A structure with its checksum in bytes 0 to 4.

    The checksum is the CRC-32 of zlib over, in this order: what follows the first 32 bytes, then
    bytes 4 to 32, then the salt (u64, rotated left by 8 bits times the domain), the offset in units of 16 bytes (u32) and the number of the
    domain (u32), little-endian.
    """
    assert len(structure) >= 32 and len(structure) % 16 == 0 and offset % 16 == 0
    turned = (salt << 8 * domain | salt >> 64 - 8 * domain) & 0xFFFFFFFFFFFFFFFF
    summed = structure[32:] + structure[4:32] + struct.pack("<QII", turned, offset // 16, domain)
    return struct.pack("<I", zlib.crc32(summed)) + structure[4:]


def page(content):
    """A header page: the content, zeros, and the plain CRC-32 of all before it as the last 4 bytes."""
    front = content + bytes(4092 - len(content))
    return front + struct.pack("<I", zlib.crc32(front))


def frame_header(offset, length, position, time, durable_to, events, kind, flags):
    raw = struct.pack(
        "<IIQQIHBB", 0, length, position, time, durable_to // 16, events, kind, flags
    )
    assert len(raw) == 32
    return sealed(FRAME, raw, offset)


def link_frame(offset, position, time, durable_to, last_time, predecessor):
    segment, end, salt = predecessor or (0, 0, 0)
    body = struct.pack(
        "<IIQ16sIIQI12x", 0, 64, last_time, EPOCH, segment, end // 16, salt, WRITER
    )
    header = frame_header(offset, 96, position, time, durable_to, 0, 1, 0)
    return header + sealed(BODY, body, offset + 32)


def seal_body(occurred):
    low, high = occurred or (0x7FFFFFFFFFFFFFFF, -0x8000000000000000)
    numbers = struct.pack("<QQQQQQqq", 90, 10, 1000, 1100, 1700000000000000, 1700000600000000, low, high)
    return numbers + bytes([0xC0] * 32) + bytes([0x0A] * 32) + bytes([0xCC] * 32)


def seal_frame(offset, position, time, durable_to, occurred):
    body = struct.pack("<II24x", 0, 192) + seal_body(occurred)
    header = frame_header(offset, 224, position, time, durable_to, 0, 5, 0)
    return header + sealed(BODY, body, offset + 32)


def record(frame, back, version, ordinal, stream, kind, payload=b"", **more):
    """One event record that stands `back` bytes after the frame at offset `frame`."""
    flags = more.get("codec", 0)
    optional = b""
    if "occurred" in more:
        flags |= 1 << 8
        optional += struct.pack("<q", more["occurred"])
    if "id" in more:
        flags |= 1 << 12
        optional += more["id"]
    tags = more.get("tags", [])
    metadata = more.get("metadata", b"")
    names = stream.encode() + kind.encode()
    names += b"".join(bytes([len(tag.encode())]) + tag.encode() for tag in tags)
    body = padded(optional + names + metadata) + payload
    header = struct.pack(
        "<IIQIHHBBHI",
        0,
        32 + len(body),
        version,
        back // 16,
        len(stream.encode()),
        ordinal,
        len(kind.encode()),
        len(tags),
        flags,
        len(metadata),
    )
    assert len(header) == 32
    return sealed(RECORD, padded(header + body), frame + back)


def events_frame(offset, position, time, durable_to):
    """A commit of three events, in two streams."""
    events = [
        {"version": 0, "stream": "a", "kind": "b"},
        {
            "version": 41,
            "stream": "order-42",
            "kind": "OrderPlaced",
            "payload": b'{"total":12}',
            "codec": 1,
            "occurred": -62135596800000000,
            "id": EVENT_ID,
            "tags": ["customer:7", "größe:L"],
            "metadata": b'{"by":"web"}',
        },
        {
            "version": 42,
            "stream": "order-42",
            "kind": "OrderPaid",
            "payload": bytes(range(24)),
            "codec": 2,
        },
    ]
    records = b""
    for ordinal, event in enumerate(events):
        records += record(offset, 32 + len(records), ordinal=ordinal, **event)
    length = 32 + len(records)
    return frame_header(offset, length, position, time, durable_to, 3, 2, 0) + records


def edit(offset, number, kind, body):
    header = struct.pack("<IIQH14x", 0, 32 + len(body), number, kind)
    return sealed(EDIT, padded(header + body), offset)


def structures():
    """Every structure: its name and its bytes."""
    masks = struct.pack("<III", 0x01, 0x02, 0x04)
    yield "segment_header", page(
        b"QUIPUSEG" + masks + struct.pack("<I", 7) + STORE + struct.pack("<QQ", SALT, 1 << 20)
    )
    yield "frame_link_first", link_frame(4096, 0, 1700000000000000, 4096, 0, None)
    yield "frame_link_after", link_frame(
        4096, 1000, 1700000000000002, 4096, 1700000000000001, (6, 0x0FFFF0, 0x99AABBCCDDEEFF00)
    )
    yield "frame_mark", frame_header(8192, 32, 1003, 1700000000000003, 8192, 0, 4, 0)
    yield "frame_mark_closed", frame_header(8224, 32, 1003, 1700000000000004, 8224, 0, 4, 1)
    yield "frame_events", events_frame(4192, 1000, 1700000000000003, 4096)
    yield "frame_seal", seal_frame(
        0x80000, 1100, 1700000600000000, 0x7FFF0, (-62135596800000000, 1800000000000000)
    )
    yield "manifest_header", page(
        b"QUIPUMAN" + masks + bytes(4) + STORE + SECRET + struct.pack("<QQ", SALT, 3)
    )
    yield "edit_opened", edit(4096, 1, 1, EPOCH)
    yield "edit_closed", edit(4144, 2, 2, struct.pack("<QQ", 7 << 32 | 0x0FFFF, 1100))
    yield "edit_segment", edit(
        4192, 3, 3, struct.pack("<I4xQQ", 7, SALT, 1 << 20) + STORE
    )
    yield "edit_sealed", edit(
        4272, 4, 4, struct.pack("<QQ", 7 << 32 | 0x8000, 0) + seal_body(None)
    )
    yield "edit_sealed_cut", edit(
        4480, 5, 4, struct.pack("<QQ", 7 << 32 | 0x8000, 1) + seal_body((-1, 1))
    )
    yield "edit_retired", edit(4688, 6, 5, struct.pack("<I", 7))
    yield "edit_skippable", edit(4736, 7, 0x8001, b"")


def listing(data):
    """`data` as text: its size, then rows of 32 bytes by offset; rows of zeros are left out."""
    lines = [f"size {len(data)}"]
    for start in range(0, len(data), 32):
        row = data[start : start + 32]
        if any(row):
            lines.append(f"{start:04x} {row.hex()}")
    return "\n".join(lines) + "\n"


def main():
    folder = pathlib.Path(__file__).parent
    stale = []
    for name, data in structures():
        path = folder / f"{name}.hex"
        text = listing(data)
        if "--check" not in sys.argv:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(path.name)
    if stale:
        sys.exit("differ: " + ", ".join(stale))


if __name__ == "__main__":
    main()
