"""redis-py with users of their own rights: made, used, changed under a running connection, and refused as Redis refuses.

    python redis_py_acl.py HOST PORT        (the server's data is flushed, its users but the default one deleted)
"""

import redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError
from redis.retry import Retry

from jobs import Jobs, address, equal


def refused(kind, text, call, *arguments):
    try:
        call(*arguments)
    except kind as error:
        equal(str(error), text)
    else:
        raise AssertionError(f"{text!r} expected, and nothing was refused")


def connect(protocol, name="app", password="secret"):
    host, port = address()
    who = {"username": name, "password": password, "retry": Retry(NoBackoff(), 0)}
    return redis.Redis(host=host, port=port, protocol=protocol, decode_responses=True, **who)


def make_user(r):
    equal(
        r.acl_setuser(
            "app",
            enabled=True,
            reset=True,
            passwords=["+secret", "+other"],
            categories=["+@bitmap", "-@dangerous"],
            commands=["+get", "-bitop", "+acl|whoami", "+multi", "+exec"],
            keys=["app:*"],
            channels=["news.*"],
            selectors=[("+set", "%W~log:*")],
        ),
        True,
    )


def users(r, protocol):
    """What was said is what is shown, and enough to make the same user again."""
    make_user(r)
    user = r.acl_getuser("app")
    equal(set(user["flags"]) >= {"on", "sanitize-payload"}, True)
    equal(len(user["passwords"]), 2)
    equal(user["commands"], ["+get", "-bitop", "+acl|whoami", "+multi", "+exec"])
    equal((set(user["categories"]), user["keys"]), ({"-@all", "+@bitmap", "-@dangerous"}, ["~app:*"]))
    equal(r.acl_users(), ["app", "default"])
    line = next(line for line in r.acl_list() if line.startswith("user app "))
    equal(r.execute_command("ACL", "SETUSER", "copy", *line.split(" ")[2:]), "OK")
    equal(r.acl_list()[1], line.replace("user app", "user copy"))
    equal(r.acl_deluser("copy"), 1)
    equal(r.acl_getuser("copy"), None)
    equal("setbit" in r.acl_cat("bitmap") and "bitmap" in r.acl_cat(), True)
    equal(len(r.acl_genpass()), 64)


def rights(r, protocol):
    """A user may do what the rules say, on the keys they name, and hears in Redis's words what it may not."""
    make_user(r)
    with connect(protocol) as app:
        equal(app.acl_whoami(), "app")
        equal((app.setbit("app:1", 7, 1), app.get("app:1")), (0, "\x01"))
        key = "No permissions to access a key"
        refused(NoPermissionError, key, app.setbit, "other", 1, 1)
        refused(NoPermissionError, key, app.set, "app:1", "x")
        equal(app.set("log:1", "x"), True)
        refused(NoPermissionError, key, app.get, "log:1")
        command = "User app has no permissions to run the '{}' command".format
        refused(NoPermissionError, command("bitop"), app.bitop, "AND", "app:2", "app:1")
        refused(NoPermissionError, command("config|get"), app.config_get, "port")
        with app.pipeline() as pipe:
            pipe.setbit("app:1", 6, 1).getbit("app:1", 7)
            equal(pipe.execute(), [0, 1])
    reasons = [entry["reason"] for entry in r.acl_log()]
    equal(set(reasons), {"key", "command"})
    equal(r.acl_log(1)[0]["username"], "app")
    equal(r.execute_command("ACL", "DRYRUN", "app", "BITCOUNT", "app:1"), "OK")


def passwords(r, protocol):
    make_user(r)
    wrong = "invalid username-password pair or user is disabled."
    refused(AuthenticationError, wrong, connect(protocol, password="nope").ping)
    refused(AuthenticationError, wrong, connect(protocol, name="nobody").ping)
    connect(protocol, password="other").acl_whoami()
    r.acl_setuser("app", enabled=False)
    refused(AuthenticationError, wrong, connect(protocol).acl_whoami)
    equal(r.acl_log(1)[0]["reason"], "auth")


def changes(r, protocol):
    """A change is felt by the connections that are there; who is deleted is disconnected."""
    make_user(r)
    app = connect(protocol)
    app.setbit("app:1", 1, 1)
    r.execute_command("ACL", "SETUSER", "app", "-setbit")
    refused(NoPermissionError, "User app has no permissions to run the 'setbit' command", app.setbit, "app:1", 1, 1)
    pubsub = app.pubsub()
    r.execute_command("ACL", "SETUSER", "app", "+@pubsub")
    pubsub.subscribe("news.today")
    equal(pubsub.get_message(timeout=5)["type"], "subscribe")
    equal(len([client for client in r.client_list() if client["user"] == "app"]), 1)
    r.execute_command("ACL", "DELUSER", "app")
    equal([client for client in r.client_list() if client["user"] == "app"], [])
    refused(AuthenticationError, "invalid username-password pair or user is disabled.", app.get, "app:1")
    pubsub.close()


def rules_of_other_commands(r, protocol):
    """Rules may name any command of Redis, and no other."""
    r.execute_command("ACL", "SETUSER", "app", "+lpush", "-xgroup|create", "+@list", "+geoadd")
    equal(r.acl_getuser("app")["commands"], ["+lpush", "-xgroup|create", "+geoadd"])
    text = "Error in ACL SETUSER modifier '+nosuch': Unknown command or category name in ACL"
    refused(ResponseError, text, r.execute_command, "ACL", "SETUSER", "app", "+nosuch")


def main():
    host, port = address()
    jobs = Jobs()
    for protocol in (2, 3):
        r = redis.Redis(host=host, port=port, protocol=protocol, decode_responses=True)
        for job in (users, rights, passwords, changes, rules_of_other_commands):
            r.flushall()
            r.acl_log_reset()
            jobs.run(f"{job.__name__} RESP{protocol}", job, r, protocol)
            r.acl_deluser("app")
        r.acl_log_reset()
        r.close()
    jobs.end()


main()
