"""The bitmapist analytics library as a product team uses it; every number is checked against plain sets.

    python bitmapist_analytics.py HOST PORT        (the server's data is flushed)
"""

import random
from datetime import datetime, timedelta, timezone

import bitmapist
import redis
from bitmapist import BitOpAnd, BitOpNot, BitOpOr, BitOpXor, DayEvents, HourEvents, MonthEvents, UniqueEvents, WeekEvents, YearEvents
from bitmapist.cohort import get_dates_data, render_csv_data, render_html_data

from jobs import Jobs, address, equal

START = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
DAYS = 35
USERS = 600


def traffic():
    """For each event and day, who did it. Everybody who plays a song or pays was active that day."""
    source = random.Random(2026)
    events = {"active": [], "song:played": [], "paid": []}
    for _ in range(DAYS):
        active = {user for user in range(1, USERS) if source.random() < 0.25}
        events["active"].append(active)
        events["song:played"].append({user for user in active if source.random() < 0.5})
        events["paid"].append({user for user in active if source.random() < 0.05})
    return events


EVENTS = traffic()


def day(number):
    return START + timedelta(days=number)


def who(event, wanted):
    """Everybody who did `event` on a day for which `wanted` holds."""
    return set().union(*(users for number, users in enumerate(EVENTS[event]) if wanted(day(number))))


def mark(r):
    """Marks every event: one pipeline a day, three to four SETBITs each."""
    for event, days in EVENTS.items():
        for number, users in enumerate(days):
            with r.pipeline(transaction=False) as pipe:
                for user in users:
                    bitmapist.mark_event(event, user, system=pipe, now=day(number), track_hourly=True, use_pipeline=False)
                pipe.execute()
    bitmapist.mark_event("active", 7, now=day(0))  # in a transaction of its own, and no change where it was marked
    EVENTS["active"][0].add(7)


def periods():
    """Daily, weekly, monthly and yearly active users."""
    for number in (0, 3, 17, DAYS - 1):
        moment = day(number)
        events = DayEvents("active", moment.year, moment.month, moment.day)
        equal((len(events), set(events)), (len(EVENTS["active"][number]), EVENTS["active"][number]))
    for number in (0, 7, 14, 28):
        year, week, _ = day(number).isocalendar()
        expected = who("active", lambda moment: moment.isocalendar()[:2] == (year, week))
        equal(set(WeekEvents("active", year, week)), expected)
    for month in (1, 2):
        equal(set(MonthEvents("active", 2026, month)), who("active", lambda moment: moment.month == month))
    equal(set(YearEvents("active", 2026)), who("active", lambda _: True))
    equal(len(DayEvents("active", 2020, 1, 1)), 0)
    equal(set(HourEvents("paid", 2026, 1, 3, 12)), EVENTS["paid"][2])
    equal(HourEvents("paid", 2026, 1, 3, 13).has_events_marked(), False)
    for user in (1, 7, 300, USERS - 1, 10**6):
        equal(user in DayEvents("active", 2026, 1, 2), user in EVENTS["active"][1])
    bitmapist.delete_runtime_bitop_keys()


def intersections():
    """Who was active in both weeks, who played or paid, who did one and not the other."""
    monday, next_monday = day(4), day(11)
    first, second = (WeekEvents("active", *moment.isocalendar()[:2]) for moment in (monday, next_monday))
    weeks = [who("active", lambda m, week=moment: m.isocalendar()[:2] == week.isocalendar()[:2]) for moment in (monday, next_monday)]
    equal(set(BitOpAnd(first, second)), weeks[0] & weeks[1])
    equal(set(BitOpXor(first, second)), weeks[0] ^ weeks[1])
    equal(set(first | second), weeks[0] | weeks[1])
    played, paid = (MonthEvents(event, 2026, 1) for event in ("song:played", "paid"))
    in_january = {event: who(event, lambda moment: moment.month == 1) for event in EVENTS}
    equal(set(played & ~paid), in_january["song:played"] - in_january["paid"])
    equal(len(BitOpOr(BitOpAnd(played, paid), paid)), len(in_january["paid"]))
    absent = BitOpNot(MonthEvents("active", 2026, 1))
    equal([user for user in absent if 1 <= user < USERS], sorted(set(range(1, USERS)) - in_january["active"]))
    bitmapist.delete_temporary_bitop_keys()
    equal([key for key in bitmapist.get_redis().keys("trackist_bitop_*")], [])


def properties():
    """Flags that do not depend on a date, and taking a mark back."""
    for user in range(0, USERS, 3):
        bitmapist.mark_unique("premium", user)
    premium = set(range(0, USERS, 3))
    equal(set(UniqueEvents("premium")), premium)
    equal(set(UniqueEvents("premium") & DayEvents("active", 2026, 1, 5)), premium & EVENTS["active"][4])
    bitmapist.unmark_unique("premium", 3)
    equal(3 in UniqueEvents("premium"), False)
    bitmapist.unmark_event("paid", 1, now=day(2))
    EVENTS["paid"][2].discard(1)
    equal(set(DayEvents("paid", 2026, 1, 3)), EVENTS["paid"][2])
    names = bitmapist.get_event_names(batch=50)
    equal(sorted(names), ["active", "paid", "premium", "song:played"])
    bitmapist.delete_runtime_bitop_keys()


def cohorts():
    """The cohort table: of those active on a day, how many played a song 0, 1, 2 ... days later."""
    rows = 10
    table = get_dates_data("active", "song:played", time_group="days", as_percent=False, num_results=12, num_of_rows=rows, start_date="2026-01-01")
    equal(len(table), 12)
    for number, row in enumerate(table):
        moment, count, *later = row
        equal((moment.day, count), (number + 1, len(EVENTS["active"][number])))
        both = [len(EVENTS["active"][number] & EVENTS["song:played"][number + after]) for after in range(rows + 1)]
        equal(later, both)
    percents = get_dates_data("active", "active", select2b="paid", time_group="days", num_results=5, num_of_rows=3, start_date="2026-01-06")
    for number, row in enumerate(percents, start=5):
        base = EVENTS["active"][number]
        paying = [EVENTS["active"][number + after] & EVENTS["paid"][number + after] for after in range(4)]
        equal(row[2:], [len(base & users) / len(base) * 100 for users in paying])
    weeks = get_dates_data("active", "paid", time_group="weeks", as_percent=False, num_results=3, num_of_rows=1, start_date="2026-01-05")
    equal(len(weeks), 3)
    equal("<table" in render_html_data(table, as_percent=False, num_of_rows=rows), True)
    equal(len(render_csv_data(table, as_percent=False, num_of_rows=rows).strip().splitlines()) >= 12, True)
    equal(bitmapist.get_redis().keys("trackist_bitop_*"), [])


def clean_up():
    bitmapist.delete_all_events()
    equal(bitmapist.get_redis().dbsize(), 0)


def main():
    host, port = address()
    bitmapist.setup_redis("default", host, port)
    r = redis.StrictRedis(host=host, port=port)
    r.flushall()
    jobs = Jobs()
    jobs.run("marking events", mark, r)
    for job in (periods, intersections, properties, cohorts, clean_up):
        jobs.run(job.__name__.replace("_", " "), job)
    jobs.end()


main()
