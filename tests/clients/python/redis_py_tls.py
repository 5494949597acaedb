"""redis-py and redis-cli over TLS, with certificates made for the occasion and given to a running server.

    python redis_py_tls.py HOST PORT        (OPENSSL and REDIS_CLI name other programs than those in the path)
"""

import os
import socket
import ssl
import subprocess
import tempfile
import time
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from jobs import Jobs, address, equal

OPENSSL = os.environ.get("OPENSSL", "openssl")
REDIS_CLI = os.environ.get("REDIS_CLI", "redis-cli")


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, timeout=30).stdout


def make_certificates(place):
    """An authority, a server's certificate and a client's from it, and the server's key once more, encrypted."""
    ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    run(OPENSSL, "req", "-x509", *ec, "-keyout", place / "ca.key", "-out", place / "ca.crt", "-subj", "/CN=authority", "-days", "2")
    (place / "extensions").write_text("basicConstraints=CA:FALSE\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n")
    for name in ("server", "client"):
        key, request, certificate = (place / f"{name}.{kind}" for kind in ("key", "csr", "crt"))
        run(OPENSSL, "req", *ec, "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        authority = ["-CA", place / "ca.crt", "-CAkey", place / "ca.key", "-CAcreateserial", "-days", "2"]
        run(OPENSSL, "x509", "-req", "-in", request, "-out", certificate, *authority, "-extfile", place / "extensions")
    sealed = ["-v2", "aes-256-cbc", "-passout", "pass:open sesame"]
    run(OPENSSL, "pkcs8", "-topk8", "-in", place / "server.key", "-out", place / "sealed.key", *sealed)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Place:
    """The server, the port it speaks TLS on, and the certificates."""

    def __init__(self, files, plain):
        self.files, self.plain, self.port = files, plain, free_port()

    def set(self, **settings):
        self.plain.config_set(*[word for name, value in settings.items() for word in (name.replace("_", "-"), str(value))])

    def connect(self, client=False, **more):
        if client:
            more |= {"ssl_certfile": str(self.files / "client.crt"), "ssl_keyfile": str(self.files / "client.key")}
        more |= {"ssl_ca_certs": str(self.files / "ca.crt"), "retry": Retry(NoBackoff(), 0)}
        return redis.Redis(host="127.0.0.1", port=self.port, ssl=True, **more)

    def cli(self, *arguments, client=False):
        more = ["--cert", self.files / "client.crt", "--key", self.files / "client.key"] if client else []
        tls = ["--tls", "--cacert", self.files / "ca.crt", *more]
        done = subprocess.run([REDIS_CLI, "-p", str(self.port), *tls, *arguments], capture_output=True, timeout=30)
        return done.stdout.decode().strip()


def fails(call):
    try:
        call()
    except (redis.ConnectionError, redis.ResponseError, ssl.SSLError, OSError):
        return
    raise AssertionError("it worked")


def opens(place):
    """All the settings at once, while the server runs; what is wrong with them changes nothing."""
    files = place.files
    fails(lambda: place.set(tls_port=place.port))
    place.set(
        tls_cert_file=files / "server.crt",
        tls_key_file=files / "sealed.key",
        tls_key_file_pass="open sesame",
        tls_ca_cert_file=files / "ca.crt",
        tls_port=place.port,
    )
    equal(place.connect(client=True).ping(), True)
    fails(lambda: place.set(tls_cert_file=files / "nosuch.crt"))
    fails(lambda: place.set(tls_key_file_pass="wrong"))
    equal(place.connect(client=True).ping(), True)
    place.set(tls_key_file=files / "server.key")
    equal((place.connect(client=True).ping(), place.plain.ping()), (True, True))


def certificates_of_clients(place):
    fails(place.connect().ping)
    place.set(tls_auth_clients="optional")
    equal((place.connect().ping(), place.connect(client=True).ping()), (True, True))
    place.set(tls_auth_clients="no")
    equal(place.connect().ping(), True)
    # A client's own authority is not ours.
    other = redis.Redis(host="127.0.0.1", port=place.port, ssl=True, retry=Retry(NoBackoff(), 0))
    fails(other.ping)


def work(place):
    for protocol in (2, 3):
        r = place.connect(protocol=protocol)
        with r.pipeline() as pipe:
            for at in range(20_000):
                pipe.setbit("days", 3 * at, 1)
            equal(sum(pipe.execute()), 0 if protocol == 2 else 20_000)
        equal(r.bitcount("days"), 20_000)
        value = bytes(range(256)) * 40_000
        r.set("long", value)
        equal(r.get("long"), value)
        r.close()


def versions(place):
    newest = {"ssl_min_version": ssl.TLSVersion.TLSv1_3}
    place.set(tls_protocols="TLSv1.2")
    fails(place.connect(**newest).ping)
    equal(place.connect().ping(), True)
    place.set(tls_protocols="TLSv1.3", tls_ciphersuites="TLS_AES_256_GCM_SHA384")
    equal(place.connect(**newest).ping(), True)
    fails(lambda: place.set(tls_protocols="SSLv3"))
    place.set(tls_protocols="", tls_ciphersuites="")


def strangers(place):
    """Who does not speak TLS, or says nothing, is in nobody's way."""
    silent = [socket.create_connection(("127.0.0.1", place.port)) for _ in range(50)]
    for words in (b"PING\r\n" * 100, b"\x16\x03\x01\xff\xff" + b"x" * 5000):
        with socket.create_connection(("127.0.0.1", place.port), timeout=20) as stranger:
            stranger.sendall(words)
            try:
                while stranger.recv(4096):
                    pass
            except ConnectionResetError:
                pass
    began = time.monotonic()
    equal(place.connect().ping(), True)
    equal(time.monotonic() - began < 5, True)
    for one in silent:
        one.close()


def redis_cli(place):
    equal(place.cli("SETBIT", "cli", "7", "1"), "0")
    equal(place.cli("BITCOUNT", "cli", client=True), "1")


def plain_port_closed(place):
    """Everything may go on over TLS alone."""
    r = place.connect()
    host, port = address()
    r.config_set("port", 0)
    fails(redis.Redis(host=host, port=port, retry=Retry(NoBackoff(), 0)).ping)
    r.config_set("port", port)
    equal(redis.Redis(host=host, port=port).ping(), True)
    place.set(tls_port=0)
    fails(place.connect().ping)
    equal(r.ping(), True)


def main():
    host, port = address()
    jobs = Jobs()
    plain = redis.Redis(host=host, port=port)
    plain.flushall()
    with tempfile.TemporaryDirectory() as files:
        make_certificates(Path(files))
        place = Place(Path(files), plain)
        for job in (opens, certificates_of_clients, work, versions, strangers, redis_cli, plain_port_closed):
            jobs.run(job.__name__, job, place)
    plain.flushall()
    jobs.end()


main()
