"""What the Python programs share: running jobs, telling how they went, and bitmaps as plain sets."""

import inspect
import random
import sys
import time
import traceback


def address():
    """The server to work with, from the command line: HOST PORT."""
    if len(sys.argv) != 3:
        sys.exit(f"usage: {sys.argv[0]} HOST PORT")
    return sys.argv[1], int(sys.argv[2])


class Jobs:
    """Runs jobs one after the other and prints `ok NAME` or `not ok NAME: WHY` for each."""

    def __init__(self):
        self.failed = 0

    def _done(self, name, began, error):
        if error is None:
            print(f"ok {name} ({time.monotonic() - began:.2f} s)", flush=True)
        else:
            self.failed += 1
            print(f"not ok {name}: {error!r}", flush=True)
            traceback.print_exception(error)

    def run(self, name, job, *arguments):
        began = time.monotonic()
        try:
            job(*arguments)
        except Exception as error:
            self._done(name, began, error)
        else:
            self._done(name, began, None)

    async def run_async(self, name, job, *arguments):
        assert inspect.iscoroutinefunction(job)
        began = time.monotonic()
        try:
            await job(*arguments)
        except Exception as error:
            self._done(name, began, error)
        else:
            self._done(name, began, None)

    def end(self):
        sys.exit(1 if self.failed else 0)


def equal(got, expected):
    """An assertion whose failure shows both sides, shortened."""
    if got != expected:
        raise AssertionError(f"got {shortened(got)}, expected {shortened(expected)}")


def shortened(value):
    text = repr(value)
    return text if len(text) < 400 else f"{text[:200]} ... {text[-100:]} ({len(text)} characters)"


def members(bitmap):
    """The positions of the ones in the bytes of a bitmap, as a set."""
    return {8 * at + bit for at, byte in enumerate(bitmap or b"") if byte for bit in range(8) if byte & (0x80 >> bit)}


def visitors(seed, days, users, share):
    """A set of user numbers for each of `days` days: everybody comes with a probability of `share`."""
    source = random.Random(seed)
    return [{user for user in range(users) if source.random() < share} for _ in range(days)]
