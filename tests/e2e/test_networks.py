"""Ways to the server: a private CA, a proxy, IPv6."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import socketserver
import ssl
import threading
import urllib.parse

import pytest
import trustme

import steplog
from steplog.client import Api

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


def pass_on(one, other):
    """Between two sockets, until one side closes."""
    ends = {one: other, other: one}
    while True:
        # What TLS has already taken in does not show in `select`.
        ready = [end for end in ends if getattr(end, "pending", int)()]
        for end in ready or select.select([*ends], [], [])[0]:
            data = end.recv(65536)
            if not data:
                return
            ends[end].sendall(data)


class Relay(socketserver.ThreadingTCPServer):
    """Passes connections on to a server; `ready` makes each one ready for that."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, target, ready):
        super().__init__(("127.0.0.1", 0), Handler)
        parts = urllib.parse.urlsplit(target)
        self.target = (parts.hostname, parts.port)
        self.ready = ready
        self.asked = []

    @property
    def port(self):
        return self.server_address[1]


class Handler(socketserver.BaseRequestHandler):
    server: Relay

    def handle(self):
        with (
            contextlib.suppress(OSError),
            socket.create_connection(self.server.target) as other,
            self.server.ready(self.server, self.request, other) as one,
        ):
            pass_on(one, other)


class Ways:
    """A server, and what may lie before it."""

    def __init__(self, server, online, environ):
        self.server = server
        self.online = online
        self.set = environ.setenv
        self.relays = []

    def relay(self, ready):
        relay = Relay(self.server.url, ready)
        threading.Thread(target=relay.serve_forever, daemon=True).start()
        self.relays.append(relay)
        return relay

    def log(self, url, **settings):
        """Log a row by a run `r`."""
        settings = {"base_url": url, "finish_timeout_secs": 10.0, **settings}
        with self.online("r", settings=settings) as run:
            run.log({"y": 1.5})
        return run

    @property
    def values(self):
        return [row["y"] for row in self.server.rows("r")]


@pytest.fixture
def ways(server, online, monkeypatch):
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    made = Ways(server, online, monkeypatch)
    yield made
    for relay in made.relays:
        relay.shutdown()
        relay.server_close()


@pytest.fixture
def secure(ways, tmp_path):
    """The server behind TLS with a certificate of a private CA: its address, and the CA's file."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    port = ways.relay(lambda _, one, __: context.wrap_socket(one, server_side=True)).port
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    url = f"https://localhost:{port}"
    keys = ways.server.folder / "config" / "keys.json"
    keys.write_text(json.dumps({**json.loads(keys.read_text()), url: ways.server.key}))
    return url, path


def test_a_private_ca_is_trusted_when_it_is_named(ways, secure):
    url, ca_file = secure
    ways.log(url, ca_file=ca_file)
    assert ways.values == [1.5]
    # Reading, resuming and `sync` trust it as well.
    ways.set("STEPLOG_CA_FILE", str(ca_file))
    with Api(url) as api:
        assert next(iter(api.run("p/r").scan_history()))["y"] == 1.5
    run = ways.online("r", settings={"base_url": url}, resume="must")
    run.log({"y": 2.5})
    run.finish()
    assert ways.values == [1.5, 2.5]
    command = ("sync", run.sync_dir, "--base-url", url)
    assert ways.server.cli(*command).returncode == 1  # it does not know the CA
    ways.server.environ["STEPLOG_CA_FILE"] = str(ca_file)
    synced = ways.server.cli(*command)
    assert (synced.returncode, synced.stderr) == (0, "")


def test_an_unknown_ca_is_refused_and_nothing_is_lost(ways, secure):
    url, _ = secure
    run = ways.log(url)
    assert ways.server.ask("/api/v1/projects/local/p/runs/r")[0] == 404
    assert "certificate" in run.status()["upload_reason"]
    assert ways.server.cli("sync", run.sync_dir).returncode == 0
    assert ways.values == [1.5]
    with pytest.raises(steplog.ServerError, match="certificate"), Api(url) as api:
        api.run("p/r")


@pytest.mark.parametrize("text", [None, "", "no certificate", "-----BEGIN CERTIFICATE-----\nx"])
def test_a_ca_file_without_certificates_is_refused_at_once(online, tmp_path, text):
    path = tmp_path / "bad.pem"
    if text is not None:
        path.write_text(text)
    settings = {"base_url": "https://localhost", "ca_file": str(path)}
    with pytest.raises(steplog.UsageError, match=rf"ca_file cannot be used: .*{path}"):
        online("r", settings=settings)
    assert not [*tmp_path.glob("steplog-runs/*-r")]


def behind_proxy(relay, one, other):
    """A proxy for HTTP: takes the server's name off the first line, as the server wants it."""
    head = b""
    while b"\r\n" not in head:
        head += one.recv(65536)
    method, url, rest = head.split(b" ", 2)
    relay.asked.append(url.decode())
    parts = urllib.parse.urlsplit(url.decode())
    other.sendall(b" ".join([method, urllib.parse.urlunsplit(("", "", *parts[2:])).encode(), rest]))
    return contextlib.nullcontext(one)


def tunnel(relay, one, _):
    """A proxy for HTTPS: CONNECT, and then bytes."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += one.recv(65536)
    relay.asked.append(head.split(b" ")[1].decode())
    one.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    return contextlib.nullcontext(one)


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
def test_a_proxy_from_the_environment_is_used(ways, variable):
    proxy = ways.relay(behind_proxy)
    ways.set(variable, f"http://127.0.0.1:{proxy.port}")
    # No such host: only the proxy leads there.
    ways.log("http://steplog.invalid:7837", api_key=ways.server.key)
    assert ways.values == [1.5]
    asked = {urllib.parse.urlsplit(url).netloc for url in proxy.asked}
    assert asked == {"steplog.invalid:7837"}


def test_reading_uses_the_proxy_too(ways):
    server = ways.server
    ways.log(server.url)
    proxy = ways.relay(behind_proxy)
    ways.set("http_proxy", f"http://127.0.0.1:{proxy.port}")
    with Api("http://steplog.invalid", server.key) as api:
        assert api.run("p/r").state == "finished"
    asked = len(proxy.asked)
    assert asked > 0
    ways.set("no_proxy", "127.0.0.1")
    with Api(server.url, server.key) as api:
        assert api.run("p/r").state == "finished"
    assert len(proxy.asked) == asked


def test_no_proxy_leads_past_the_proxy(ways):
    proxy = ways.relay(behind_proxy)
    ways.set("http_proxy", f"http://127.0.0.1:{proxy.port}")
    ways.set("no_proxy", "127.0.0.1")
    ways.log(ways.server.url)
    assert ways.values == [1.5]
    assert proxy.asked == []


def test_https_goes_through_a_tunnel(ways, secure):
    url, ca_file = secure
    proxy = ways.relay(tunnel)
    proxy.target = ("127.0.0.1", urllib.parse.urlsplit(url).port)
    ways.set("https_proxy", f"http://127.0.0.1:{proxy.port}")
    ways.log(url, ca_file=ca_file)
    assert ways.values == [1.5]
    assert set(proxy.asked) == {url.removeprefix("https://")}


def test_a_server_at_an_ipv6_address_is_reached(ways):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    ways.server.stop()
    ways.server.host, ways.server.port = "::1", 0
    ways.server.start()
    assert ways.server.url.startswith("http://[::1]:")
    ways.log(ways.server.url)
    with Api(ways.server.url, ways.server.key) as api:
        assert [row["y"] for row in api.run("p/r").scan_history()] == [1.5]
