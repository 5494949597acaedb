"""redis-py's asyncio client: many connections at once, pipelines, transactions, over RESP2 and RESP3.

    python redis_py_asyncio.py HOST PORT        (the server's data is flushed)
"""

import asyncio
import random

import redis.asyncio as redis
from redis.exceptions import ResponseError, WatchError

from jobs import Jobs, address, equal, members, visitors


async def presence(r):
    """Fifty tasks mark users online at once; the counts come out as if one had done it."""
    online = visitors(10, 50, 10_000, 0.02)

    async def mark(minute, users):
        async with r.pipeline(transaction=minute % 2 == 0) as pipe:
            for user in users:
                pipe.setbit("online", user, 1).setbit(f"online:{minute}", user, 1)
            await pipe.execute()

    await asyncio.gather(*(mark(minute, users) for minute, users in enumerate(online)))
    equal(members(await r.get("online")), set().union(*online))
    counts = await asyncio.gather(*(r.bitcount(f"online:{minute}") for minute in range(50)))
    equal(counts, [len(users) for users in online])
    await r.bitop("OR", "joined", *(f"online:{minute}" for minute in range(50)))
    equal(await r.get("joined"), await r.get("online"))


async def weekly_report(r):
    """Seven days, joined and intersected while other tasks keep writing elsewhere."""
    days = visitors(11, 7, 20_000, 0.1)
    for number, day in enumerate(days):
        async with r.pipeline(transaction=False) as pipe:
            for user in day:
                pipe.setbit(f"day:{number}", user, 1)
            await pipe.execute()
    stop = asyncio.Event()

    async def noise():
        source = random.Random(1)
        count = 0
        while not stop.is_set():
            await r.setbit("noise", source.randrange(1_000_000), 1)
            count += 1
        return count

    writers = [asyncio.create_task(noise()) for _ in range(4)]
    keys = [f"day:{number}" for number in range(7)]
    for _ in range(20):
        async with r.pipeline() as pipe:
            pipe.bitop("OR", "tmp:week", *keys).expire("tmp:week", 30).bitcount("tmp:week")
            pipe.bitop("AND", "tmp:daily", *keys).bitcount("tmp:daily").bitop("ONE", "tmp:once", *keys).bitcount("tmp:once")
            replies = await pipe.execute()
        once = [user for user in range(20_000) if sum(user in day for day in days) == 1]
        equal((replies[2], replies[4], replies[6]), (len(set().union(*days)), len(set.intersection(*days)), len(once)))
    stop.set()
    written = await asyncio.gather(*writers)
    equal(0 < await r.bitcount("noise") <= sum(written), True)


async def rollout(r):
    """A flag for 30 per cent of 100,000 users, in one pipeline."""
    chosen = set(random.Random(12).sample(range(100_000), 30_000))
    async with r.pipeline(transaction=False) as pipe:
        for user in range(100_000):
            pipe.setbit("flag", user, int(user in chosen))
        equal(sum(await pipe.execute()), 0)
    equal(members(await r.get("flag")), chosen)
    checks = await asyncio.gather(*(r.getbit("flag", user) for user in range(0, 100_000, 500)))
    equal(checks, [int(user in chosen) for user in range(0, 100_000, 500)])


async def seats(r):
    """Booking: 40 tasks race for 30 seats under WATCH; each seat is sold once."""

    async def book():
        async with r.pipeline() as pipe:
            while True:
                try:
                    await pipe.watch("seats")
                    seat = await pipe.bitpos("seats", 0)
                    if seat >= 30:
                        return None
                    pipe.multi()
                    pipe.setbit("seats", seat, 1)
                    pipe.incr("sold")
                    await pipe.execute()
                    return seat
                except WatchError:
                    continue

    await r.setbit("seats", 31, 0)
    booked = await asyncio.gather(*(book() for _ in range(40)))
    equal(sorted(seat for seat in booked if seat is not None), list(range(30)))
    equal((await r.bitcount("seats"), await r.get("sold")), (30, b"30"))


async def counters(r):
    """BITFIELD from many tasks: no increment is lost, and saturation holds."""
    async def add():
        await r.bitfield("hits").incrby("u16", "#0", 3).incrby("u8", "#7", 10, "SAT").execute()

    await asyncio.gather(*(add() for _ in range(200)))
    equal(await r.bitfield("hits").get("u16", "#0").get("u8", "#7").execute(), [600, 255])
    try:
        await r.setbit("hits", -1, 1)
        raise AssertionError("a negative offset was accepted")
    except ResponseError as error:
        equal(str(error), "bit offset is not an integer or out of range")


async def sessions(r):
    """Keys that expire under load, and a scan that sees every key that stays."""
    await asyncio.gather(*(r.set(f"session:{number}", number, px=30 if number % 2 else 60_000) for number in range(400)))
    await asyncio.sleep(0.1)
    seen = {key async for key in r.scan_iter(match="session:*", count=20)}
    equal(seen, {f"session:{number}".encode() for number in range(0, 400, 2)})
    values = await r.mget(*(f"session:{number}" for number in range(4)))
    equal(values, [b"0", None, b"2", None])


async def run(host, port, jobs):
    for protocol in (2, 3):
        pool = redis.BlockingConnectionPool(host=host, port=port, protocol=protocol, max_connections=60, timeout=30)
        r = redis.Redis.from_pool(pool)
        for job in (presence, weekly_report, rollout, seats, counters, sessions):
            await r.flushall()
            await jobs.run_async(f"{job.__name__} RESP{protocol}", job, r)
        await r.flushall()
        await r.aclose()


def main():
    host, port = address()
    jobs = Jobs()
    asyncio.run(run(host, port, jobs))
    jobs.end()


main()
