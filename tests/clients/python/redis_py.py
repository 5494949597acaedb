"""redis-py doing what people do with bitmaps, over RESP2 and RESP3. Answers are checked against plain sets.

    python redis_py.py HOST PORT        (the server's data is flushed)
"""

import threading
import time
import zlib

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from jobs import Jobs, address, equal, members, visitors


def active_users(r):
    """Daily, weekly and monthly active users; weeks by BITOP OR into a key that goes away by itself."""
    days = visitors(1, 28, 5_000, 0.08)
    for number, day in enumerate(days):
        with r.pipeline() as pipe:  # in MULTI and EXEC, as redis-py does by default
            for user in day:
                pipe.setbit(f"active:2026-02-{number + 1:02}", user, 1)
            replies = pipe.execute()
        equal(sum(replies), 0)

    keys = [f"active:2026-02-{number + 1:02}" for number in range(28)]
    for key, day in zip(keys, days):
        equal(r.bitcount(key), len(day))
    for week in range(4):
        temporary = f"tmp:week:{week}"
        with r.pipeline() as pipe:
            pipe.bitop("OR", temporary, *keys[7 * week : 7 * week + 7])
            pipe.expire(temporary, 60)
            pipe.bitcount(temporary)
            _, expires, count = pipe.execute()
        expected = set().union(*days[7 * week : 7 * week + 7])
        equal((bool(expires), count), (True, len(expected)))
        equal(0 < r.ttl(temporary) <= 60, True)
        equal(members(r.get(temporary)), expected)
    r.bitop("OR", "tmp:month", *keys)
    equal(r.bitcount("tmp:month"), len(set().union(*days)))
    r.pexpire("tmp:month", 20)
    time.sleep(0.06)
    equal(r.exists("tmp:month"), 0)
    every_day = set.intersection(*days[:3])
    r.bitop("AND", "tmp:faithful", *keys[:3])
    equal(members(r.get("tmp:faithful")), every_day)


def retention(r):
    """Who signed up on a day, and how many of them were back after 1, 2 ... days: the cohort table."""
    signups = visitors(2, 10, 8_000, 0.03)
    active = visitors(3, 20, 8_000, 0.2)
    with r.pipeline(transaction=False) as pipe:
        for number, day in enumerate(signups):
            for user in day:
                pipe.setbit(f"signup:{number}", user, 1)
        for number, day in enumerate(active):
            for user in day:
                pipe.setbit(f"active:{number}", user, 1)
        pipe.execute()
    with r.pipeline() as pipe:
        for cohort in range(10):
            for after in range(1, 10):
                pipe.bitop("AND", "tmp:cohort", f"signup:{cohort}", f"active:{cohort + after}")
                pipe.bitcount("tmp:cohort")
        pipe.delete("tmp:cohort")
        counts = pipe.execute()[1:-1:2]
    expected = [len(signups[cohort] & active[cohort + after]) for cohort in range(10) for after in range(1, 10)]
    equal(counts, expected)
    churned = signups[0].difference(*active)
    r.bitop("DIFF", "tmp:churned", "signup:0", *[f"active:{number}" for number in range(20)])
    equal(members(r.get("tmp:churned")), churned)


def feature_flags(r):
    """A feature switched on for a tenth of 100,000 users in one pipeline, then rolled out to half of them."""
    users = range(100_000)
    share = {user: zlib.crc32(b"new-checkout:%d" % user) % 100 for user in users}
    for percent in (10, 50):
        with r.pipeline(transaction=False) as pipe:
            for user in users:
                pipe.setbit("flag:new-checkout", user, int(share[user] < percent))
            before = pipe.execute()
        enabled = {user for user in users if share[user] < percent}
        equal(len(before), 100_000)
        equal(sum(before), 0 if percent == 10 else len([user for user in users if share[user] < 10]))
        equal(r.bitcount("flag:new-checkout"), len(enabled))
        equal(members(r.get("flag:new-checkout")), enabled)
        equal(r.strlen("flag:new-checkout"), 12_500)
    for user in (0, 1, 99_999, 100_000):
        equal(r.getbit("flag:new-checkout", user), int(user in enabled))
    equal(r.bitpos("flag:new-checkout", 1), min(enabled))
    equal(r.bitpos("flag:new-checkout", 0), min(set(users) - enabled))
    for low, high in ((0, 9_999), (12_345, 23_456), (99_990, 99_999)):
        inside = len([user for user in enabled if low <= user <= high])
        equal(r.bitcount("flag:new-checkout", low, high, "BIT"), inside)


def permissions(r):
    """Eight permissions a user in one byte of a BITFIELD; checks and changes of several in one command."""
    read, write, admin = 0, 1, 7
    fields = r.bitfield("permissions")
    for user in range(1_000):
        fields.set("u1", user * 8 + read, 1).set("u1", user * 8 + write, int(user % 3 == 0))
        fields.set("u1", user * 8 + admin, int(user == 42))
    equal(set(fields.execute()), {0})
    equal(r.getbit("permissions", 42 * 8 + admin), 1)
    equal(r.bitcount("permissions"), 1_000 + 334 + 1)
    equal(r.bitfield("permissions").get("u8", "#42").get("u8", "#43").execute(), [0b11000001, 0b10000000])
    equal(r.bitfield_ro("permissions", "u1", 3 * 8 + write), [1])
    equal(r.bitfield("permissions").set("u8", "#42", 0).get("u8", "#42").execute(), [0b11000001, 0])
    equal(r.bitpos("permissions", 1, 42, 42), -1)


def presence(r):
    """Who is online: one bitmap a minute that expires, the last five of them joined."""
    minutes = visitors(4, 8, 20_000, 0.05)
    for number, online in enumerate(minutes):
        with r.pipeline() as pipe:
            for user in online:
                pipe.setbit(f"online:{number}", user, 1)
            pipe.expire(f"online:{number}", 300)
            pipe.execute()
    last = [f"online:{number}" for number in range(3, 8)]
    equal(r.bitop("OR", "online:now", *last), max(max(minute) for minute in minutes[3:]) // 8 + 1)
    equal(members(r.get("online:now")), set().union(*minutes[3:]))
    gone = set().union(*minutes[:3]).difference(*minutes[3:])
    r.bitop("OR", "online:before", "online:0", "online:1", "online:2")
    r.bitop("DIFF", "online:left", "online:before", "online:now")
    equal(members(r.get("online:left")), gone)
    equal(sorted(r.keys("online:[0-9]")), [f"online:{number}".encode() for number in range(8)])
    equal(r.unlink(*last), 5)
    equal(r.exists(*last), 0)


def intersections(r):
    """Every operation of BITOP on three events, as set algebra."""
    a, b, c = visitors(5, 3, 30_000, 0.3)
    for name, event in (("a", a), ("b", b), ("c", c)):
        whole = bytearray(max(event) // 8 + 1)
        for user in event:
            whole[user // 8] |= 0x80 >> user % 8
        r.set(name, bytes(whole))
    expected = {
        "AND": a & b & c,
        "OR": a | b | c,
        "XOR": a ^ b ^ c,
        "DIFF": a - (b | c),
        "DIFF1": (b | c) - a,
        "ANDOR": a & (b | c),
        "ONE": (a - b - c) | (b - a - c) | (c - a - b),
    }
    for operation, users in expected.items():
        r.bitop(operation, "result", "a", "b", "c")
        equal(members(r.get("result")), users)
        equal(r.bitcount("result"), len(users))
    r.bitop("NOT", "result", "a")
    equal(members(r.get("result")), set(range(8 * r.strlen("a"))) - a)
    try:
        r.bitop("NOT", "result", "a", "b")
        raise AssertionError("NOT of two keys was accepted")
    except redis.ResponseError as error:
        equal(str(error), "BITOP NOT must be called with a single source key.")


def counters(r):
    """Small counters packed into one string, with each way to overflow."""
    for _ in range(20):
        r.bitfield("hits", default_overflow="SAT").incrby("u4", "#0", 1).incrby("u4", "#1", 2, "WRAP").execute()
    equal(r.bitfield("hits").get("u4", "#0").get("u4", "#1").execute(), [15, 40 % 16])
    equal(r.bitfield("hits").incrby("u4", "#0", 1, "FAIL").incrby("i8", "#1", -100).execute(), [None, -100])
    equal(r.bitfield("hits").set("i64", 64, -(2**63)).get("i64", 64).execute(), [0, -(2**63)])


def optimistic(host, port, protocol):
    """Several threads add to a string under WATCH; nothing is lost."""
    clients = [redis.Redis(host=host, port=port, protocol=protocol) for _ in range(4)]

    def work(r):
        for _ in range(25):
            def step(pipe):
                value = int(pipe.get("balance") or 0)
                pipe.multi()
                pipe.set("balance", value + 1)
                pipe.setbit("steps", value, 1)

            r.transaction(step, "balance")

    threads = [threading.Thread(target=work, args=(client,)) for client in clients]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    equal(clients[0].get("balance"), b"100")
    equal(clients[0].bitcount("steps"), 100)
    [client.close() for client in clients]


def strings_and_keys(r):
    """A bitmap is a string: what else one does with strings and keys."""
    equal(r.set("k", "value", ex=100, nx=True), True)
    equal(r.set("k", "other", nx=True), None)
    equal(r.set("k", "other", xx=True, get=True, keepttl=True), b"value")
    equal(0 < r.ttl("k") <= 100, True)
    equal(r.getex("k", persist=True), b"other")
    equal((r.ttl("k"), r.ttl("missing")), (-1, -2))
    equal(r.append("k", "!"), 6)
    equal(r.setrange("k", 8, "x"), 9)
    equal(r.getrange("k", 0, -1), b"other!\x00\x00x")
    equal(r.mset({"a": 1, "b": "two", "c": b"\x00\xff"}), True)
    equal(r.mget("a", "b", "c", "missing"), [b"1", b"two", b"\x00\xff", None])
    equal(r.msetnx({"a": 5, "new": 5}), False)
    equal((r.incr("a"), r.incrby("a", 10), r.decr("a", 5)), (2, 12, 7))
    equal(float(r.incrbyfloat("f", 0.1)), 0.1)
    equal(r.incrbyfloat("f", 0.2), 0.3)
    equal(r.lcs("a", "b"), b"")
    equal((r.getdel("b"), r.getdel("b")), (b"two", None))
    equal(r.getset("c", "3"), b"\x00\xff")
    equal((r.type("c"), r.type("missing")), (b"string", b"none"))
    equal((r.object("encoding", "a"), r.object("encoding", "k")), (b"int", b"raw"))
    equal(r.copy("a", "d"), True)
    equal(r.rename("d", "e"), True)
    equal(r.renamenx("e", "a"), False)
    equal(r.expireat("e", 99_999_999_999), True)
    equal(r.expiretime("e"), 99_999_999_999)
    equal(r.expire("e", 10, gt=True), False)
    equal(r.expire("e", 10, lt=True), True)
    equal(r.persist("e"), True)
    equal(r.move("e", 3), True)
    for number in range(500):
        r.setbit(f"scan:{number}", number, 1)
    equal(len(set(r.scan_iter(match="scan:*", count=50))), 500)
    equal(set(r.keys("scan:1?")), {b"scan:1%d" % number for number in range(10)})
    equal(r.touch("scan:1", "scan:2", "missing"), 2)
    equal(isinstance(r.memory_usage("scan:1"), int), True)
    equal(r.randomkey() is not None, True)


def server(r, host, port, protocol):
    """What tools ask a server about itself."""
    equal(r.ping(), True)
    equal(r.echo("hello"), b"hello")
    info = r.info()
    equal((info["redis_version"], info["redis_mode"], info["role"]), ("8.2.3", "standalone", "master"))
    equal(info["connected_clients"] >= 1, True)
    r.setbit("k", 1, 1)
    equal(r.info("keyspace")["db0"]["keys"], r.dbsize())
    equal(r.config_get("maxmemory")["maxmemory"], "0")
    equal(r.config_set("timeout", 0), True)
    equal(r.client_setname("analyst"), True)
    equal(r.client_getname() in ("analyst", b"analyst"), True)
    me = r.client_info()
    equal((me["name"], me["resp"], me["lib-name"].startswith("redis-py")), ("analyst", str(protocol), True))
    equal(me["id"] in [int(client["id"]) for client in r.client_list()], True)
    equal(r.command_count(), len(r.command()))
    keys = r.command_getkeys("BITOP", "AND", "d", "a", "b")  # text over RESP2, bytes over RESP3
    equal([key.decode() if isinstance(key, bytes) else key for key in keys], ["d", "a", "b"])
    table = r.command()
    equal((table["setbit"]["arity"], table["setbit"]["first_key_pos"]), (4, 1))
    equal(r.role()[0] in (b"master", "master"), True)
    seconds, micros = r.time()
    equal(abs(seconds + micros / 1e6 - time.time()) < 5, True)
    other = redis.Redis(host=host, port=port, db=5, protocol=protocol, client_name="reporter", decode_responses=True)
    other.set("elsewhere", "é")
    equal((other.get("elsewhere"), r.get("elsewhere")), ("é", None))
    equal(other.client_getname(), "reporter")
    equal(r.swapdb(0, 5), True)
    equal(r.get("elsewhere"), "é".encode())
    equal(r.swapdb(0, 5), True)
    other.close()
    # Ending a connection from another one; the pool opens a new one by itself.
    victim = redis.Redis(host=host, port=port, protocol=protocol, retry=Retry(NoBackoff(), 0))
    number = victim.client_id()
    equal(r.client_kill_filter(_id=number), 1)
    equal(reconnected(victim), True)
    victim.close()


def reconnected(r):
    """A PING after the connection was ended: the first may fail, the second is on a new connection."""
    try:
        return r.ping()
    except redis.ConnectionError:
        return r.ping()


def errors(r):
    """Wrong commands come back as exceptions with Redis's words, and the connection goes on."""
    r.set("text", "abc")
    for words, text in (
        (("SETBIT", "k", -1, 1), "bit offset is not an integer or out of range"),
        (("SETBIT", "k", 2**32, 1), "bit offset is not an integer or out of range"),
        (("SETBIT", "k", 1, 2), "bit is not an integer or out of range"),
        (("BITCOUNT", "k", 1, 2, "BYTES"), "syntax error"),
        (("BITPOS", "k", 2), "The bit argument must be 1 or 0."),
        (("INCR", "text"), "value is not an integer or out of range"),
        (("GETBIT", "k"), "wrong number of arguments for 'getbit' command"),
        (("NOSUCH", "x"), "unknown command 'NOSUCH', with args beginning with: 'x' "),
        (("SET", "k", "v", "EX", 0), "invalid expire time in 'set' command"),
    ):
        try:
            r.execute_command(*words)
            raise AssertionError(f"{words} was accepted")
        except redis.ResponseError as error:
            equal(str(error), text)
    with r.pipeline() as pipe:
        pipe.setbit("k", 1, 1).incr("text").setbit("k", 2, 1)
        replies = pipe.execute(raise_on_error=False)
    equal((replies[0], type(replies[1]), replies[2]), (0, redis.ResponseError, 0))
    equal(r.ping(), True)


def live_dashboard(r):
    """Messages and events while visits come in: a listener on a thread of its own, and one that is asked."""
    heard = []
    with r.pubsub() as listener:
        listener.subscribe(**{"visits": lambda message: heard.append(message["data"])})
        thread = listener.run_in_thread(sleep_time=0.01)
        while r.pubsub_numsub("visits")[0][1] == 0:
            time.sleep(0.001)
        equal([r.publish("visits", number) for number in range(100)], [1] * 100)
        deadline = time.monotonic() + 5
        while len(heard) < 100 and time.monotonic() < deadline:
            time.sleep(0.005)
        thread.stop()
        thread.join()
    equal(heard, [b"%d" % number for number in range(100)])

    r.config_set("notify-keyspace-events", "KEA")
    with r.pubsub(ignore_subscribe_messages=True) as listener:
        listener.psubscribe("__keyevent@0__:*")
        listener.get_message(timeout=1)
        r.setbit("visited", 7, 1)
        r.set("session", "x", px=20)
        events = []
        deadline = time.monotonic() + 5
        while len(events) < 4 and time.monotonic() < deadline:
            message = listener.get_message(timeout=0.1)
            if message:
                events.append((message["channel"].decode().split(":")[1], message["data"]))
    r.config_set("notify-keyspace-events", "")
    equal(events, [("setbit", b"visited"), ("set", b"session"), ("expire", b"session"), ("expired", b"session")])


def watched(r):
    """What whoever runs the server looks at: MONITOR, the slow log, pauses."""
    with r.monitor() as monitor:
        r.setbit("seen", 7, 1)
        equal(monitor.next_command()["command"], "SETBIT seen 7 1")
    r.config_set("slowlog-log-slower-than", 0)
    r.slowlog_reset()
    r.bitcount("seen")
    entries = r.slowlog_get(10)
    r.config_set("slowlog-log-slower-than", 10000)
    equal(b"BITCOUNT seen" in [entry["command"] for entry in entries], True)
    equal(r.client_pause(60_000, all=False), True)
    equal(r.getbit("seen", 7), 1)
    equal(r.client_unpause(), b"OK")
    equal(r.setbit("seen", 7, 0), 1)
    stats = r.info("latencystats")
    equal(set(stats["latency_percentiles_usec_setbit"]) >= {"p50", "p99"}, True)


def far_away(r):
    """The last bit there is. A plain string of half a gigabyte in Redis, so it goes away at once."""
    equal(r.setbit("far", 2**32 - 1, 1), 0)
    equal((r.strlen("far"), r.bitcount("far"), r.bitpos("far", 1)), (2**29, 1, 2**32 - 1))
    equal(r.bitcount("far", -10, -1), 1)
    equal(r.getrange("far", -2, -1), b"\x00\x01")
    equal(r.delete("far"), 1)


def main():
    host, port = address()
    jobs = Jobs()
    for protocol in (2, 3):
        r = redis.Redis(host=host, port=port, protocol=protocol)
        for job in (
            active_users,
            retention,
            feature_flags,
            permissions,
            presence,
            intersections,
            counters,
            strings_and_keys,
            errors,
            live_dashboard,
            watched,
            far_away,
        ):
            r.flushall()
            jobs.run(f"{job.__name__} RESP{protocol}", job, r)
        r.flushall()
        jobs.run(f"optimistic RESP{protocol}", optimistic, host, port, protocol)
        r.flushall()
        jobs.run(f"server RESP{protocol}", server, r, host, port, protocol)
        r.flushall()
        r.close()
    jobs.end()


main()
