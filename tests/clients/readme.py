"""Runs the README's examples against a server, and holds what they print against what the README says they print.

    readme.py HOST PORT        needs redis-cli (or REDIS_CLI), redis-py, pyroaring, node and the npm package `redis`

- In a `console` block, a line after `$ ` is a command of redis-cli, the lines below it what it prints.
- In `python` and `js` blocks, a `print` or `console.log` prints what the comment behind it says.
- Examples of the section on commands of its own are left out where the server does not have them.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import redis

README = Path(__file__).resolve().parents[2] / "README.md"


OWN = re.compile(r"^## Commands of its own\n.*?(?=^## )", re.MULTILINE | re.DOTALL)
TEXT = README.read_text()
assert OWN.search(TEXT), "the section is called otherwise"


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def run(command, text=None):
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


def console(host, port):
    """Yields each command of redis-cli with what it should print and what it does print."""
    for block in blocks("console"):
        for example in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, _, expected = example.partition("\n")
            words = shlex.split(line)
            assert words[0] == "redis-cli", f"only redis-cli can be tried here: {line}"
            command = [os.environ.get("REDIS_CLI", "redis-cli"), "-h", host, "-p", port, *words[1:]]
            yield line, expected, run(command)


def programs(host, port):
    """Yields each program with what it should print and what it does print."""
    for block in blocks("python"):
        expected = "".join(f"{comment}\n" for comment in re.findall(r"print\(.*\)  # (.*)", block))
        program = block.replace("redis.Redis()", f"redis.Redis({host!r}, {port})")
        assert program != block, "an example that does not connect"
        yield block, expected, run([sys.executable, "-"], program)
    for block in blocks("js"):
        expected = "".join(f"{comment}\n" for comment in re.findall(r"console\.log\(.*\); // (.*)", block))
        # NODE_PATH, where the packages are, is not looked at by `import`; and `await` wants a function around it then.
        program = re.sub(r'^import (.*) from "(.*)";$', r'const \1 = require("\2");', block, flags=re.MULTILINE)
        connected = program.replace("createClient()", f'createClient({{ url: "redis://{host}:{port}" }})')
        assert connected != program, "an example that does not connect"
        yield block, expected, run(["node", "-"], f"(async () => {{\n{connected}\n}})();")


def main():
    global TEXT
    host, port = sys.argv[1:]
    if not redis.Redis(host, port).execute_command("COMMAND DOCS", "BITSCAN"):
        TEXT = OWN.sub("", TEXT)
    wrong = 0
    for source in (console, programs):
        for what, expected, printed in source(host, port):
            assert expected, f"an example that says nothing of what it prints:\n{what}"
            title = what.strip().splitlines()[0]
            if printed == expected:
                print(f"ok {title}")
            else:
                wrong += 1
                print(f"not ok {title}\n  should print {expected!r}\n  prints       {printed!r}")
    sys.exit(wrong != 0)


if __name__ == "__main__":
    main()
