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


def packed(values):
    """One byte of width, then the values of so many bits each, the lowest bit first."""
    width = max([value.bit_length() for value in values], default=0)
    bits = sum(value << number * width for number, value in enumerate(values))
    return bytes([width]) + bits.to_bytes((len(values) * width + 7) // 8, "little")


def blocks(values, size):
    return [values[start : start + size] for start in range(0, len(values), size)]


def postings(ordinals, events):
    """The postings of a key that has these ordinals among so many events."""
    count = len(ordinals)
    if count in (0, 1, events):
        return b""
    if count * 16 > events:
        ranks = b"".join(
            struct.pack("<I", sum(ordinal < start for ordinal in ordinals))
            for start in range(0, events, 512)
        )
        words = sum(1 << ordinal for ordinal in ordinals).to_bytes((events + 63) // 64 * 8, "little")
        return padded(ranks, 8) + words
    encoded = []
    for block in blocks(ordinals, 128):
        gaps = [after - before - 1 for before, after in zip(block, block[1:])]
        encoded.append((block[0], packed(gaps)))
    if len(encoded) == 1:
        return struct.pack("<I", encoded[0][0]) + encoded[0][1]
    table, at = b"", len(encoded) * 8
    for first, block in encoded:
        table += struct.pack("<II", first, at)
        at += len(block)
    return table + b"".join(block for _, block in encoded)


def offsets(units):
    encoded = [(min(block), packed([unit - min(block) for unit in block])) for block in blocks(units, 128)]
    table, at = b"", len(encoded) * 8
    for base, block in encoded:
        table += struct.pack("<II", base, at)
        at += len(block)
    return table + b"".join(block for _, block in encoded)


def names(texts):
    """Names, sorted by their bytes, in blocks of 16."""
    encoded = []
    for block in blocks(sorted(text.encode() for text in texts), 16):
        out = struct.pack("<H", len(block[0])) + block[0]
        for before, name in zip(block, block[1:]):
            shared = 0
            while name[: shared + 1] == before[: shared + 1]:
                shared += 1
            out += struct.pack("<HH", shared, len(name) - shared) + name[shared:]
        encoded.append(out)
    head, at = struct.pack("<II", len(texts), len(encoded)), 8 + len(encoded) * 4
    for block in encoded:
        head += struct.pack("<I", at)
        at += len(block)
    return head + b"".join(encoded)


def directory(keys, bits):
    slots = [sum(key >> 128 - bits < slot for key in keys) for slot in range((1 << bits) + 1)]
    return b"".join(struct.pack("<I", slot) for slot in slots)


U64 = 0xFFFFFFFFFFFFFFFF


def probe(key, seed, length):
    """The three places that a key asks of a filter with one start, and what they must give together."""
    value = (key + seed) & U64
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        value = (value ^ value >> 33) * factor & U64
    value ^= value >> 33
    start = value * length >> 64
    second = start + length ^ value >> 18 & length - 1
    third = start + 2 * length ^ value & length - 1
    return [start, second, third], (value ^ value >> 32) & 0xFF


def fuse(keys, length):
    """A filter that holds these keys: its descriptor and its fingerprints, found by peeling.

    Places that nobody asks for hold 0x5a.
    """
    for seed in range(1, 1000):
        probes = [probe(key & U64, seed, length) for key in keys]
        order, left = [], list(probes)
        while left:
            alone = [
                (one, place)
                for one in left
                for place in one[0]
                if sum(place in other[0] for other in left) == 1
            ]
            if not alone:
                break
            order.append(alone[0])
            left.remove(alone[0][0])
        if left:
            continue
        prints = [0x5A] * (3 * length)
        for (places, value), free in reversed(order):
            for place in places:
                value ^= prints[place] if place != free else 0
            prints[free] = value
        return struct.pack("<QIII", seed, length, length - 1, length), bytes(prints)
    raise AssertionError("no seed will do")


def index_file(contents, first, last, about, bits, descriptor, sections):
    """An index file. `about` is what follows the segments: 44 bytes, of which the number of entries is 4."""
    masks = struct.pack("<III", 0x01, 0x02, 0x04)
    tie = struct.pack("<I", contents) + STORE + struct.pack("<II", first, last) + about
    assert len(tie) == 68
    body, places = b"", []
    for section in sections:
        body = padded(body, 64)
        places.append((4096 + len(body), len(section)))
        body += section
    body = padded(body, 4096)
    checks = b""
    for number in range(len(body) // 4096):
        summed = body[number * 4096 : number * 4096 + 4096] + tie + struct.pack("<I", number + 1)
        checks += struct.pack("<I", zlib.crc32(summed))
    places.append((4096 + len(body), len(checks)))
    header = b"QUIPUIDX" + masks + tie + descriptor + bytes([bits, 0, 0, 0])
    header += b"".join(struct.pack("<QQ", *place) for place in places)
    header += struct.pack("<I", zlib.crc32(checks))
    assert len(header) == 228
    return page(header) + body + checks


def key(number):
    """A key: its number in the highest byte and, turned over, in the lowest."""
    return number << 120 | 0x0123456789ABCDEF << 32 | 0xFF - number


def index_segment():
    """Segment 7 with 2,400 events: a key for each layout of postings."""
    events = 2400
    held = [
        # number, before, ordinals, prev, jump, depth
        (0x10, 0, [2399], 0, 0, 0),
        (0x21, 5, list(range(events)), 6, 0, 1),
        (0x43, 0, list(range(1, events, 3)), 0, 0, 0),
        (0x44, 70000000000, [3, 4, 9, 1000, 1001, 2000], 5, 2, 9),
        (0x88, 1, [16 * n + n % 7 for n in range(150)], 6, 0, 3),
        (0xA0, 12, [], 3, 0, 2),
        (0xFE, 0, [77], 0, 0, 0x80000000),
    ]
    entries = stored = b""
    for number, before, ordinals, prev, jump, depth in held:
        bytes_here = postings(ordinals, events)
        if bytes_here:
            stored = padded(stored, 4)
        at = len(stored) // 4 if bytes_here else 0
        stored += bytes_here
        entries += key(number).to_bytes(16, "little") + struct.pack(
            "<QIIIIII", before, len(ordinals), ordinals[-1] if ordinals else 0, at, prev, jump, depth
        )
    keys = [key(one[0]) for one in held]
    descriptor, prints = fuse(keys, 8)
    about = struct.pack(
        "<QQIIIIQ", SALT, 1000, events, 2000, 0x8000, len(held), 1700000600000000
    )
    streams = [f"order-{number}" for number in range(14)] + ["a", "größe-L", "größe-M", "x" * 512]
    places = [262 + 5 * n + n % 3 for n in range(events)]
    sections = [prints, directory(keys, 2), entries, stored, offsets(places), names(streams)]
    return index_file(1, 7, 7, about, 2, descriptor, sections)


def index_run():
    """The heads of segments 1 to 8. It has no filter."""
    heads = [
        (0x10, 1, 3399, 7, 0),
        (0x21, 2405, 3399, 7, 1),
        (0x90, 70000000006, 4000, 8, 10),
    ]
    entries = b""
    for number, count, position, segment, depth in heads:
        entries += key(number).to_bytes(16, "little")
        entries += struct.pack("<QQII", count, position, segment, depth)
    keys = [key(one[0]) for one in heads]
    about = struct.pack("<QQIIIIQ", SALT, 0, 0, 0, 0, len(heads), 0)
    sections = [b"", directory(keys, 0), entries, b"", b"", b""]
    return index_file(2, 1, 8, about, 0, bytes(20), sections)


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
    live = EPOCH + struct.pack(
        "<QQQIHBx", 7 << 32 | 0x8000, 7 << 32 | 0x8004, 1100, 2, 1, 1
    )
    yield "live", live + struct.pack("<I4x", zlib.crc32(b"quipu lv" + live))
    yield "index_segment", index_segment()
    yield "index_run", index_run()


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
