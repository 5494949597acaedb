"""Holds the commands that Redis does not have against pyroaring's BitMap, on random, clustered and real data.

    roaring.py HOST PORT        needs redis-py and pyroaring

Real data are the sets in ../shared/realdata beside the repository, where they are.
"""

import itertools
import random
import tarfile
from pathlib import Path

import redis
from jobs import Jobs, address, equal
from pyroaring import BitMap, BitMap64

REAL = Path(__file__).resolve().parents[4] / "shared" / "realdata"
OPERATORS = ["AND", "OR", "XOR", "DIFF", "DIFF1", "ANDOR", "ONE"]


def scattered(seed, ones, limit):
    source = random.Random(seed)
    return BitMap(source.randrange(limit) for _ in range(ones))


def clustered(seed, runs, limit):
    """Ones in runs of up to 3,000, with holes in some."""
    source = random.Random(seed)
    bitmap = BitMap()
    for _ in range(runs):
        start = source.randrange(limit)
        step = source.choice([1, 1, 1, 2, 7])
        bitmap |= BitMap(range(start, start + source.randrange(3000) * step, step))
    return bitmap


def real(name, count):
    """The first bitmaps of a set."""
    with tarfile.open(REAL / f"{name}.tar.xz") as archive:
        files = itertools.islice((member for member in archive if member.isfile()), count)
        return [BitMap(map(int, archive.extractfile(file).read().split(b","))) for file in files]


def data():
    yield "random", [scattered(seed, 10 ** (2 + seed), 3_000_000) for seed in range(4)]
    yield "random, far", [scattered(seed, 3000, 1 << 32) for seed in range(3)]
    yield "clustered", [clustered(seed, 40 * (1 + seed), 2_000_000) for seed in range(4)]
    yield "dense", [BitMap(range(1 << 18)) ^ scattered(seed, 100_000, 1 << 18) for seed in range(3)]
    for name in ["census-income", "census-income_srt"]:
        if (REAL / f"{name}.tar.xz").is_file():
            yield name, real(name, 25)


def combined(operator, bitmaps):
    first, rest = bitmaps[0], bitmaps[1:]
    any_other = BitMap.union(*rest) if rest else BitMap()
    if operator == "AND":
        return BitMap.intersection(*bitmaps)
    if operator == "OR":
        return BitMap.union(*bitmaps)
    if operator == "DIFF":
        return first - any_other
    if operator == "DIFF1":
        return any_other - first
    if operator == "ANDOR":
        return first & any_other
    odd, once, twice = BitMap(), BitMap(), BitMap()
    for bitmap in bitmaps:
        odd ^= bitmap
        twice |= once & bitmap
        once |= bitmap
    return odd if operator == "XOR" else once - twice


def scanned(r, key, *options):
    cursor = 0
    while True:
        cursor, page = r.execute_command("BITSCAN", key, cursor, *options)
        yield from page
        cursor = int(cursor)
        if cursor == 0:
            return


def optimized(bitmap):
    bitmap = type(bitmap)(bitmap)
    bitmap.run_optimize()
    return bitmap.serialize()


def load(r, bitmaps):
    r.flushdb()
    keys = [f"bitmap:{at}" for at in range(len(bitmaps))]
    for key, bitmap in zip(keys, bitmaps):
        equal(r.execute_command("BITIMPORT", key, bitmap.serialize()), len(bitmap))
        equal(r.strlen(key), max(bitmap) // 8 + 1)
    return keys


def imports_and_exports(r, bitmaps):
    for key, bitmap in zip(load(r, bitmaps), bitmaps):
        equal(r.bitcount(key), len(bitmap))
        blob = r.execute_command("BITEXPORT", key)
        assert BitMap.deserialize(blob) == bitmap
        assert blob == optimized(bitmap), "not the smallest containers"
        equal(r.execute_command("BITIMPORT", "again", optimized(bitmap)), len(bitmap))
        if r.strlen(key) < 1 << 20:
            assert r.get("again") == r.get(key)


def counts(r, bitmaps):
    keys = load(r, bitmaps)
    source = random.Random(5)
    for _ in range(10):
        picked = source.sample(range(len(keys)), source.randrange(2, len(keys) + 1))
        names = [keys[at] for at in picked]
        for operator in OPERATORS:
            expected = len(combined(operator, [bitmaps[at] for at in picked]))
            equal(r.execute_command("BITOPCARD", operator, len(names), *names), expected)
            limit = expected // 2 + 1
            got = r.execute_command("BITOPCARD", operator, len(names), *names, "LIMIT", limit)
            equal(got, min(expected, limit))
    for key, bitmap in zip(keys, bitmaps):
        equal(r.execute_command("BITOPCARD", "NOT", 1, key), r.strlen(key) * 8 - len(bitmap))


def pages(r, bitmaps):
    for key, bitmap in zip(load(r, bitmaps[:6]), bitmaps):
        ones = list(bitmap)
        for count in [5000, 1_000_000]:
            assert list(scanned(r, key, "COUNT", count)) == ones, count
        middle, last = ones[len(ones) // 2], ones[-1]
        equal(list(scanned(r, key, "COUNT", 500, "RANGE", middle, -1)), [one for one in ones if one >= middle])
        start = max(last - 5000, 0)
        zeros = [bit for bit in range(start, last) if bit not in bitmap]
        equal(list(scanned(r, key, "COUNT", 99, "BIT", 0, "RANGE", start, last)), zeros)


def ranks(r, bitmaps):
    source = random.Random(6)
    for key, bitmap in zip(load(r, bitmaps), bitmaps):
        wanted = [0, -1, len(bitmap) // 2, len(bitmap) - 1, *(source.randrange(len(bitmap)) for _ in range(200))]
        equal(r.execute_command("BITSELECT", key, *wanted), [bitmap[rank] for rank in wanted])
        equal(r.execute_command("BITSELECT", key, len(bitmap), -len(bitmap) - 1), [None, None])


def changes(r, bitmaps):
    source = random.Random(7)
    for key, bitmap in zip(load(r, bitmaps), bitmaps):
        for turn in range(30):
            value = turn % 2
            before = len(bitmap)
            limit = max(bitmap) + 10_000 if bitmap else 10_000
            if turn % 3 == 0:
                offsets = [min(source.randrange(limit), (1 << 32) - 1) for _ in range(50)]
                bits = r.execute_command("GETBITS", key, *offsets)
                equal(bits, [int(offset in bitmap) for offset in offsets])
                bitmap = bitmap | BitMap(offsets) if value else bitmap - BitMap(offsets)
                got = r.execute_command("SETBITS", key, value, *offsets)
            else:
                start = min(source.randrange(limit), (1 << 32) - 1)
                end = min(start + source.randrange(300_000), (1 << 32) - 1)
                if value:
                    bitmap.add_range(start, end + 1)
                else:
                    bitmap.remove_range(start, end + 1)
                got = r.execute_command("SETBITRANGE", key, start, end, value)
            equal(got, abs(len(bitmap) - before))
            equal(r.bitcount(key), len(bitmap))
        assert BitMap.deserialize(r.execute_command("BITEXPORT", key)) == bitmap
        info = r.execute_command("BITINFO", key)
        if not isinstance(info, dict):  # RESP2 has no maps
            info = dict(zip(info[::2], info[1::2]))
        equal(info[b"ones"], len(bitmap))


def merges(r, bitmaps):
    for mode in ["AND", "OR", "XOR", "DIFF", "REPLACE"]:
        for (key, mine), other in zip(zip(load(r, bitmaps), bitmaps), reversed(bitmaps)):
            expected = other if mode == "REPLACE" else combined(mode, [mine, other])
            equal(r.execute_command("BITIMPORT", key, other.serialize(), mode), len(expected))
            assert BitMap.deserialize(r.execute_command("BITEXPORT", key)) == expected, mode


def wide(r):
    """Offsets past 2^32, in the format that has room for them."""
    before = r.config_get("proto-max-bulk-len")["proto-max-bulk-len"]
    r.config_set("proto-max-bulk-len", 1 << 40)
    try:
        source = random.Random(8)
        bitmap = BitMap64(source.randrange(1 << 42) for _ in range(2000))
        bitmap |= BitMap64(range(1 << 41, (1 << 41) + 100_000))
        equal(r.execute_command("BITIMPORT", "wide", bitmap.serialize()), len(bitmap))
        blob = r.execute_command("BITEXPORT", "wide")
        assert BitMap64.deserialize(blob) == bitmap
        assert list(scanned(r, "wide", "COUNT", 5000)) == list(bitmap)
    finally:
        r.delete("wide")
        r.config_set("proto-max-bulk-len", before)


def damaged(r):
    """What is taken of damaged blobs is what CRoaring takes them for."""
    source = random.Random(9)
    blob = bytes(optimized(clustered(1, 5, 300_000)))
    for _ in range(500):
        bad = bytearray(blob)
        for _ in range(source.randrange(1, 4)):
            bad[source.randrange(min(len(bad), source.choice([40, len(bad)])))] = source.randrange(256)
        bad = bytes(bad[: source.randrange(len(bad))] if source.randrange(3) == 0 else bad)
        try:
            count = r.execute_command("BITIMPORT", "bad", bad)
        except redis.ResponseError as error:
            assert "portable Roaring" in str(error) or "proto-max-bulk-len" in str(error), error
        else:
            equal(len(BitMap.deserialize(bad)), count)


def main():
    host, port = address()
    r = redis.Redis(host, port)
    jobs = Jobs()
    for name, bitmaps in data():
        for job in [imports_and_exports, counts, pages, ranks, changes, merges]:
            jobs.run(f"{name}: {job.__name__}", job, r, bitmaps)
    jobs.run("wide", wide, r)
    jobs.run("damaged", damaged, r)
    jobs.end()


if __name__ == "__main__":
    main()
