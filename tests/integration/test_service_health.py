"""Active health checks: what a server is asked, by HTTP and by gRPC, what comes of its answers, who learns of it, and what stays
over changes of the configuration and over masters.
"""
import contextlib
import json
import re
import ssl
import subprocess

import pytest
from hpack import Encoder
from hyperframe.frame import DataFrame, Frame, HeadersFrame, SettingsFrame

from conftest import BINARY, wait_until
from h2kit import PREFACE
from ports import free_port
from processes import freeze
from proxying import server  # noqa: F401 a fixture
from rawhttp import get, ok
from routing import routed, url, write  # noqa: F401 fixtures
from tlskit import Maker

pytestmark = pytest.mark.usefixtures("server", "routed")
SOON, NEVER = "20ms", "1h"


class App:
    """A server that says its name to clients, and to probes what `probe` says: a status, None for silence."""

    def __init__(self, server, name, probe=200, fields=()):
        self.name, self.probe, self.fields, self.probes = name, probe, fields, []
        self.server = server(self.handle)
        self.port = self.server.port

    def handle(self, peer, server):
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                request = peer.request()
                if not request.line.split()[1].startswith("/well"):
                    peer.send(ok(self.name.encode()))
                    continue
                self.probes.append(request)
                if self.probe is None:
                    peer.rest()
                    return
                peer.send(ok(b"", *self.fields, status=f"{self.probe} Said"))


def check(**options):
    return {"path": "/well", "interval": SOON, "timeout": "20s", **options}


def service(*apps, **options):
    return {"loadBalancer": {"servers": [{"url": url(app.server)} for app in apps], "healthCheck": check(**options)}}


def config(services, to="app"):
    return {"routers": {"all": {"rule": "PathPrefix(`/`)", "service": to}}, "services": services}


def ask(proxied, path="/"):
    client = proxied.connect()
    client.send(get(path, "Connection: close"))
    return client.response()


def other_checks(proxied, http):
    """What is served does not change by it, so there is no new generation."""
    mark = proxied.router.mark()
    write(proxied.path, http)
    proxied.router.wait_log("Configuration changed", mark)


def names(proxied, count=8):
    """Whom clients of all workers get."""
    return {(answer.body.decode().strip() if answer.status == 200 else answer.status) for answer in (ask(proxied) for _ in range(count))}


def failed(proxied, app, start=0):
    return proxied.router.wait_log(rf"WRN Health check failed\. .*targetURL={url(app.server)}", start)


def recovered(proxied, app, start=0):
    return proxied.router.wait_log(rf"INF Health check passed: .*targetURL={url(app.server)}", start)


def test_out_and_in_again(server, routed):
    a, b = App(server, "a"), App(server, "b")
    proxied = routed(config({"app": service(a, b)}), workers=2)
    assert names(proxied) == {"a", "b"}
    for _ in range(2):
        mark = proxied.router.mark()
        a.probe = 503
        failed(proxied, a, mark)
        assert names(proxied) == {"b"}
        a.probe = 204
        recovered(proxied, a, mark)
        assert names(proxied) == {"a", "b"}
    mark = proxied.router.mark()
    a.probe = b.probe = 400
    failed(proxied, a, mark), failed(proxied, b, mark)
    answer = ask(proxied)
    assert (answer.status, answer.body) == (503, b"no available server\n")
    assert "received error status code: 400" in proxied.router.log()


def test_what_is_asked(server, routed):
    other, app = App(server, "other"), App(server, "app")
    proxied = routed(config({"app": service(app, path="/well?a=b%20c", method="HEAD", hostname="some.host", port=other.port, status=200,
                                            headers={"X-Own": "1", "User-Agent": "mine", "Host": "not.this"})}))
    wait_until("it is asked", lambda: other.probes)
    probe = other.probes[0]
    assert probe.line == "HEAD /well?a=b%20c HTTP/1.1"
    assert (probe.all("host"), probe.get("x-own"), probe.get("user-agent")) == (["some.host"], "1", "mine")
    assert not app.probes and names(proxied) == {"app"}


@pytest.mark.parametrize("base,path,asked", [("/well/base/", "deep", "/well/base/deep"), ("/well", "", "/well"), ("/x/y", "/well", "/well"),
                                             ("/", "/well x/é?b=%20", "/well%20x/%C3%A9?b=%20")])
def test_paths_of_the_url(server, routed, base, path, asked):
    app = App(server, "app")
    one = service(app, path=path)
    one["loadBalancer"]["servers"][0]["url"] += base
    routed(config({"app": one}))
    wait_until("it is asked", lambda: app.probes)
    assert app.probes[0].line == f"GET {asked} HTTP/1.1" and app.probes[0].get("host") == f"127.0.0.1:{app.port}"


@pytest.mark.parametrize("answer,options,well", [
    (399, {}, True), (199 + 1, {}, True), (400, {}, False), (500, {"status": 500}, True), (200, {"status": 204}, False)])
def test_statuses(server, routed, answer, options, well):
    app, other = App(server, "app", answer), App(server, "other")
    one, two = service(app, **options), service(other)
    proxied = routed(config({"both": {"weighted": {"services": [{"name": "app"}, {"name": "other"}], "healthCheck": {}}},
                             "app": one, "other": two}, "both"))
    if well:
        wait_until("it was asked again and again", lambda: len(app.probes) > 2)
        assert not [line for line in proxied.router.lines if "Health check failed" in line and f":{app.port}" in line]
    else:
        failed(proxied, app)
        assert "app" not in names(proxied)


def test_redirections(server, routed):
    end = App(server, "end", 200)
    fields = (f"Location: {url(end.server)}/well/there?x=1",)
    there, here = App(server, "there", 302, fields), App(server, "here", 307, ("Location: /well",))
    proxied = routed(config({"app": service(there, here, method="POST", headers={"Authorization": "secret", "X-Own": "1"}, hostname="own.host")}))
    wait_until("it was led there", lambda: end.probes)
    assert end.probes[0].line == "GET /well/there?x=1 HTTP/1.1" and end.probes[0].get("host") == f"127.0.0.1:{end.port}"
    assert (end.probes[0].get("authorization"), end.probes[0].get("x-own")) == (None, "1")
    proxied.router.wait_log(rf"targetURL={url(here.server)}.*stopped after 10 redirects|stopped after 10 redirects.*targetURL={url(here.server)}")
    assert {(p.line, p.get("host"), p.get("authorization")) for p in here.probes} == {("POST /well HTTP/1.1", "own.host", "secret")}
    assert names(proxied) == {"there"}
    other_checks(proxied, config({"app": service(there, here, method="POST", followRedirects=False)}))
    wait_until("both are asked", lambda: there.probes[-1].get("x-own") is None and here.probes[-1].get("x-own") is None)
    recovered(proxied, here)
    asked = len(there.probes)
    wait_until("it is asked again and again", lambda: len(there.probes) > asked + 2)
    assert names(proxied) == {"there", "here"} and {probe.get("x-own") for probe in end.probes} == {"1"}  # of the check before


def test_servers_that_do_not_answer(server, routed):
    silent, fine = App(server, "silent", None), App(server, "fine")
    closed = free_port()
    one = service(silent, fine, timeout="500ms")
    one["loadBalancer"]["servers"].append({"url": f"http://127.0.0.1:{closed}"})
    proxied = routed(config({"app": one}))
    failed(proxied, silent)
    proxied.router.wait_log(rf"Health check failed.*127\.0\.0\.1:{closed}")
    assert "no answer within 500 ms" in proxied.router.log()
    wait_until("the fine one answers in time", lambda: names(proxied) == {"fine"})


def test_intervals(server, routed):
    """A server that is down is asked after another time than one that is well."""
    app, down = App(server, "app"), App(server, "down", 500)
    proxied = routed(config({"app": service(app, down, interval=NEVER, unhealthyInterval=SOON)}))
    wait_until("it is asked again", lambda: len(down.probes) > 3 and app.probes)
    assert len(app.probes) == 1
    down.probe = 200
    recovered(proxied, down)
    asked = len(down.probes)
    services = {"app": service(app, down, interval=NEVER, unhealthyInterval=SOON), "more": service(app)}
    services["app"]["loadBalancer"]["passHostHeader"] = False
    proxied.change(config(services))
    assert len(down.probes) == asked and len(app.probes) == 1  # what did not change is not asked anew


def test_over_changes(server, routed):
    app, down = App(server, "app"), App(server, "down", 500)
    services = {"app": service(app, down, interval=NEVER)}
    proxied = routed(config(services))
    failed(proxied, down)
    services["app"]["loadBalancer"]["passHostHeader"] = False
    proxied.change(config(services))
    assert names(proxied) == {"app"} and len(down.probes) == 1
    down.probe = 200
    services["app"]["loadBalancer"]["healthCheck"]["headers"] = {"X-New": "1"}  # another question: asked at once
    mark = proxied.router.mark()
    other_checks(proxied, config(services))
    recovered(proxied, down, mark)
    assert names(proxied) == {"app", "down"}
    mark = proxied.router.mark()
    app.probe = 500
    services["app"]["loadBalancer"]["healthCheck"]["headers"] = {"X-New": "2"}
    other_checks(proxied, config(services))
    failed(proxied, app, mark)
    del services["app"]["loadBalancer"]["healthCheck"]
    proxied.change(config(services))
    assert names(proxied) == {"app", "down"}  # nobody looks after them any more


def test_over_masters(server, routed):
    app, down = App(server, "app"), App(server, "down", 500)
    proxied = routed(config({"app": service(app, down)}), workers=2)
    failed(proxied, down)
    before = proxied.router.master()
    freeze(before)
    down.probe = 200
    assert names(proxied) == {"app"}
    recovered(proxied, down, proxied.router.kill_master(before))  # the next master knows that it was down
    assert names(proxied) == {"app", "down"}


@pytest.mark.parametrize("kind", ["weighted", "highestRandomWeight"])
def test_parents(server, routed, kind):
    a, b = App(server, "a"), App(server, "b")
    services = {"app": {kind: {"services": [{"name": "a", "weight": 3}, {"name": "nested", "weight": 1000}], "healthCheck": {}}},
                "nested": {"weighted": {"services": [{"name": "b"}], "healthCheck": {}}}, "a": service(a), "b": service(b)}
    proxied = routed(config(services), workers=2)
    wait_until("both are asked", lambda: a.probes and b.probes)
    assert "b" in names(proxied)
    b.probe = 500
    failed(proxied, b)
    assert names(proxied) == {"a"}
    a.probe = 500
    failed(proxied, a)
    assert names(proxied, 2) == {503}
    b.probe = 200
    recovered(proxied, b)
    assert names(proxied) == {"b"}
    del services["app"][kind]["healthCheck"]  # it no longer learns
    proxied.change(config(services))
    if kind == "weighted":
        services["app"][kind]["services"][1]["weight"] = 3
        proxied.change(config(services))
        assert names(proxied) == {"b", 503}


def test_failover(server, routed):
    main, backup = App(server, "main"), App(server, "backup")
    services = {"app": {"failover": {"service": "main", "fallback": "backup", "healthCheck": {}}}, "main": service(main), "backup": service(backup),
                "outer": {"failover": {"service": "app", "fallback": "last"}}, "last": service(App(server, "last"))}
    config_of = {"routers": {"all": {"rule": "PathPrefix(`/`)", "service": "app"}, "outer": {"rule": "PathPrefix(`/outer`)", "service": "outer"}},
                 "services": services}
    proxied = routed(config_of, workers=2)
    assert names(proxied) == {"main"}
    main.probe = 500
    failed(proxied, main)
    assert names(proxied) == {"backup"} and ask(proxied, "/outer").body == b"backup"
    backup.probe = 500
    failed(proxied, backup)
    answer = ask(proxied)
    assert (answer.status, answer.body) == (503, b"Service Unavailable\n") and ask(proxied, "/outer").body == b"last"
    main.probe = 200
    recovered(proxied, main)
    assert names(proxied) == {"main"} and ask(proxied, "/outer").body == b"main"


def test_clients_stick_to_who_is_up(server, routed):
    a, b = App(server, "a"), App(server, "b")
    one = service(a, b)
    one["loadBalancer"]["sticky"] = {"cookie": {"name": "s"}}
    proxied = routed(config({"app": one}))
    first = ask(proxied)
    cookie = first.get("set-cookie").split(";")[0]

    def again():
        client = proxied.connect()
        client.send(get("/", f"Cookie: {cookie}", "Connection: close"))
        return client.response()
    mine, other = (a, b) if first.body == b"a" else (b, a)
    assert [again().body for _ in range(4)] == [mine.name.encode()] * 4
    mine.probe = 500
    failed(proxied, mine)
    moved = again()
    assert moved.body == other.name.encode() and moved.get("set-cookie")


# ---- gRPC ----

def grpc_server(answers, asked):
    """Answers each Check with the next of `answers`: (status of the response or None, grpc-status); the last one stays."""
    def handler(peer, server):
        with contextlib.suppress(EOFError, ConnectionError):
            assert peer.exactly(len(PREFACE)) == PREFACE
            peer.send(SettingsFrame(0).serialize())
            body = b""
            while True:
                head = peer.exactly(9)
                frame, length = Frame.parse_frame_header(memoryview(head))
                frame.parse_body(memoryview(peer.exactly(length)))
                if isinstance(frame, SettingsFrame) and "ACK" not in frame.flags:
                    peer.send(SettingsFrame(0, flags=["ACK"]).serialize())
                elif isinstance(frame, DataFrame):
                    body += frame.data
                    if "END_STREAM" in frame.flags:
                        break
            asked.append(body)
            encoder = Encoder()
            status, code = answers[0] if len(answers) == 1 else answers.pop(0)
            message = b"" if status is None else bytes([8, status]) if status else b""
            peer.send(HeadersFrame(1, encoder.encode([(":status", "200"), ("content-type", "application/grpc")]), flags=["END_HEADERS"]).serialize())
            if status is not None:
                peer.send(DataFrame(1, b"\0" + len(message).to_bytes(4, "big") + message).serialize())
            peer.send(HeadersFrame(1, encoder.encode([("grpc-status", str(code))]), flags=["END_HEADERS", "END_STREAM"]).serialize())
            peer.rest()
    return handler


@pytest.mark.parametrize("answer,words", [((0, 0), "received gRPC status code: UNKNOWN"), ((2, 0), "received gRPC status code: NOT_SERVING"),
                                          ((None, 12), "does not implement the health protocol"), ((None, 2), "code = 2"),
                                          ((None, 0), "the answer is malformed")])
def test_grpc(server, routed, answer, words):
    asked, answers = [], [(1, 0), answer]
    checker, app, other = server(grpc_server(answers, asked)), App(server, "app"), App(server, "other")
    services = {"both": {"weighted": {"services": [{"name": "app"}, {"name": "other"}], "healthCheck": {}}}, "other": service(other),
                "app": {"loadBalancer": {"servers": [{"url": url(app.server)}], "healthCheck": {"mode": "grpc", "port": checker.port, "interval": SOON, "timeout": "20s"}}}}
    proxied = routed(config(services, "both"))
    failed(proxied, app)
    assert names(proxied) == {"other"} and words in proxied.router.log()
    assert asked[0] == b"\0\0\0\0\0"
    answers[:] = [(1, 0)]
    recovered(proxied, app)
    assert names(proxied) == {"app", "other"}


def test_grpc_of_a_server_of_http1(server, routed):
    app, other = App(server, "app"), App(server, "other")
    services = {"both": {"weighted": {"services": [{"name": "app"}, {"name": "other"}], "healthCheck": {}}}, "other": service(other),
                "app": service(app, mode="grpc", timeout="300ms")}
    proxied = routed(config(services, "both"))
    failed(proxied, app)
    assert names(proxied) == {"other"}


@pytest.mark.parametrize("by_url", [False, True])
def test_grpc_over_tls(server, routed, tmp_path, by_url):
    """Of the server's own address when its URL is https; on another port when the scheme says so. HTTP/2 is agreed upon."""
    own = Maker(tmp_path).own("well", ["IP:127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.crt, own.key)
    context.set_alpn_protocols(["h2"])
    asked, answers, agreed = [], [(1, 0)], []

    def secure(peer, server):
        with contextlib.suppress(OSError, EOFError):
            peer.sock = context.wrap_socket(peer.sock, server_side=True)
            agreed.append(peer.sock.selected_alpn_protocol())
            grpc_server(answers, asked)(peer, server)
    checker, app, other = server(secure), App(server, "app"), App(server, "other")
    health = {"mode": "grpc", "interval": SOON, "timeout": "20s", **({} if by_url else {"scheme": "https", "port": checker.port})}
    servers = [{"url": f"https://127.0.0.1:{checker.port}" if by_url else url(app.server)}]
    whole = config({"both": {"failover": {"service": "app", "fallback": "other", "healthCheck": {}}}, "other": service(other),
                    "app": {"loadBalancer": {"servers": servers, "healthCheck": health, "serversTransport": "mine"}}}, "both")
    whole["serversTransports"] = {"mine": {"rootCAs": [own.pem]}}
    proxied = routed(whole)
    wait_until("it is asked again and again", lambda: len(asked) > 2)
    assert set(agreed) == {"h2"} and "Health check failed" not in proxied.router.log()
    answers[:] = [(2, 0)]
    proxied.router.wait_log(r"WRN Health check failed\. .*NOT_SERVING")
    assert names(proxied) == {"other"}
    mark = proxied.router.mark()
    whole["serversTransports"] = {"mine": {}}
    answers[:] = [(1, 0)]
    proxied.router.wait_log("INF Health check passed", mark)
    other_checks(proxied, whole)
    proxied.router.wait_log(r"WRN Health check failed\. .*TLS: ", mark)
    assert names(proxied) == {"other"}


# ---- TLS ----

def test_scheme_https(server, routed, tmp_path):
    own = Maker(tmp_path).own("well", ["IP:127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.crt, own.key)
    probes = []

    def secure(peer, server):
        with contextlib.suppress(OSError, EOFError):
            tls = context.wrap_socket(peer.sock, server_side=True)
            tls.recv(4096)
            probes.append(1)
            tls.sendall(ok(b""))
            tls.close()
    checker, app = server(secure), App(server, "app")
    one = service(app, scheme="https", port=checker.port)
    one["loadBalancer"]["serversTransport"] = "mine"
    whole = config({"app": one})
    whole["serversTransports"] = {"mine": {"rootCAs": [own.pem]}}
    proxied = routed(whole)
    wait_until("it is asked again and again", lambda: len(probes) > 2)
    assert names(proxied) == {"app"}
    whole["serversTransports"] = {"mine": {}}
    other_checks(proxied, whole)
    failed(proxied, app)
    assert names(proxied) == {503}
    whole["serversTransports"] = {"mine": {"insecureSkipVerify": True}}
    other_checks(proxied, whole)
    recovered(proxied, app)
    assert names(proxied) == {"app"}


# ---- what is seen of it ----

def servers(proxied):
    """By their URL: service, state."""
    done = subprocess.run([BINARY, "status", "--json", "--pid", str(proxied.router.pid)], capture_output=True, text=True, check=True)
    return {one["url"]: (one["service"], one["state"]) for one in json.loads(done.stdout)["servers"]}


def test_status_names_servers_that_are_down(server, routed):
    a, b, c = App(server, "a"), App(server, "b"), App(server, "c")
    whole = config({"app": service(a, b), "other": {"loadBalancer": {"servers": [{"url": url(c.server)}], "slowStart": "1h",
                                                                     "passiveHealthCheck": {"maxFailedAttempts": 1, "failureWindow": "1h"}}}})
    whole["routers"]["c"] = {"rule": "PathPrefix(`/c`)", "service": "other"}
    proxied = routed(whole)
    assert servers(proxied) == {}
    a.probe = 503
    failed(proxied, a)
    assert servers(proxied) == {url(a.server): ("app@file", "down")}
    c.server.close()
    assert ask(proxied, "/c").status == 502
    assert servers(proxied) == {url(a.server): ("app@file", "down"), url(c.server): ("other@file", "out")}
    said = subprocess.run([BINARY, "status", "--pid", str(proxied.router.pid)], capture_output=True, text=True, check=True).stdout
    assert f"server       app@file {url(a.server)}: down, its health check fails\n" in said
    assert re.search(rf"(?m)^server       other@file {url(c.server)}: out after failures, for another 59 min \d+ s$", said)
    a.probe = 204
    recovered(proxied, a)
    new = App(server, "new")
    whole["services"]["other"]["loadBalancer"]["servers"].append({"url": url(new.server)})
    proxied.change(whole)
    assert servers(proxied) == {url(c.server): ("other@file", "out"), url(new.server): ("other@file", "slowStart")}
