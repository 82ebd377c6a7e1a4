"""mirroring: which requests are copied, what a mirror gets, and that nothing of it costs the client anything."""
import contextlib
import json
import subprocess
import threading

import pytest

from conftest import BINARY, wait_until
from ports import free_port
from proxying import server  # noqa: F401 a fixture
from rawhttp import answer_all, get
from routing import balancer, routed  # noqa: F401 fixtures

pytestmark = pytest.mark.usefixtures("server", "routed")


def says(name, status=200):
    return answer_all(name.encode(), status=f"{status} Said")


def mirrored(main, mirrors, services=None, **options):
    """mirrors: name to (server, percent)."""
    return {"routers": {"all": {"rule": "PathPrefix(`/`)", "service": "app"}},
            "services": {"app": {"mirroring": {"service": "main", "mirrors": [{"name": n, "percent": p} for n, (_, p) in mirrors.items()], **options}},
                         "main": balancer(main), **{n: balancer(s) for n, (s, _) in mirrors.items()}, **(services or {})}}


def ask(proxied, request=None):
    client = proxied.connect()
    client.send(request or get("/", "Connection: close"))
    return client.response()


def lines(one):
    return [request.line for request in one.requests]


def figures(proxied):
    out = subprocess.run([BINARY, "status", "--json", "--pid", str(proxied.router.pid)], capture_output=True, text=True, check=True)
    counters = json.loads(out.stdout)["counters"]
    return counters["mirrored"], counters["mirrorsDropped"]


@pytest.mark.parametrize("percent,copied", [(0, []), (1, [0]), (10, [0, 10]), (50, range(0, 20, 2)), (100, range(20)), (33, [0, 3, 6, 9, 12, 15, 18])])
def test_percent(server, routed, percent, copied):
    """The first of each part, as Traefik: with 50 the first and the third of four."""
    main, mirror = server(says("main")), server(says("mirror"))
    proxied = routed(mirrored(main, {"m": (mirror, percent)}))
    for i in range(20):
        assert ask(proxied, get(f"/{i}", "Connection: close")).body == b"main"
    wait_until("all copies are there", lambda: len(mirror.requests) >= len(copied))
    assert sorted(lines(mirror)) == sorted(f"GET /{i} HTTP/1.1" for i in copied)


def test_exact_over_workers_and_changes(server, routed):
    main, half, tenth = server(says("main")), server(says("half")), server(says("tenth"))
    config = mirrored(main, {"half": (half, 50), "tenth": (tenth, 10)})
    proxied = routed(config, workers=4)

    def clients():
        for _ in range(25):
            ask(proxied)
    for round in (1, 2):
        threads = [threading.Thread(target=clients) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wait_until("all copies are there", lambda: (len(half.requests), len(tenth.requests)) >= (50 * round, 10 * round))
        assert (len(half.requests), len(tenth.requests), len(main.requests)) == (50 * round, 10 * round, 100 * round)
        config["services"]["main"]["loadBalancer"]["passHostHeader"] = round == 2
        proxied.change(config)
    assert figures(proxied) == (120, 0)


@pytest.mark.parametrize("chunked", [False, True])
def test_what_a_mirror_gets(server, routed, chunked):
    main, mirror = server(says("main", 500)), server(says("mirror"))
    config = mirrored(main, {"m": (mirror, 100)})
    config["middlewares"] = {"head": {"headers": {"customRequestHeaders": {"X-By": "weir"}}}, "strip": {"stripPrefix": {"prefixes": ["/api"]}}}
    config["routers"]["all"]["middlewares"] = ["head", "strip"]
    proxied = routed(config)
    for size in (0, 5, 200_000):
        body = bytes(i % 251 for i in range(size))
        fields = ["X-Asked: yes", "Cookie: a=b", "Connection: close"]
        if chunked:
            request = get("/api/x?y=z", "Transfer-Encoding: chunked", *fields, method="PUT") + (b"%x\r\n%s\r\n" % (size, body) if size else b"") + b"0\r\n\r\n"
        else:
            request = get("/api/x?y=z", f"Content-Length: {size}", *fields, method="PUT") + body
        assert ask(proxied, request).status == 500
        wait_until("the copy is there", lambda: mirror.requests)
        copy, original = mirror.requests.pop(), main.requests.pop()
        assert copy.line == original.line == "PUT /x?y=z HTTP/1.1" and copy.body == original.body == body
        # Connection is each connection's own; an empty body has no length to be told
        own = {"transfer-encoding", "content-length"} if size == 0 else set()
        assert [f for f in sorted(copy.fields) if f[0].lower() not in own] == [f for f in sorted(original.fields) if f[0].lower() not in own]
        assert copy.get("x-forwarded-for") == "127.0.0.1" and copy.get("x-by") == "weir" and copy.get("x-forwarded-prefix") == "/api"


def test_bodies_that_are_not_copied(server, routed):
    main, mirror = server(says("main")), server(says("mirror"))
    proxied = routed(mirrored(main, {"m": (mirror, 100)}, maxBodySize=10))
    large = b"x" * 100_000

    def chunked(body):
        return get("/chunked", "Transfer-Encoding: chunked", method="POST") + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    assert ask(proxied, get("/large", "Content-Length: 100000", method="POST") + large).body == b"main"
    assert ask(proxied, chunked(large)).body == b"main"
    assert [r.body for r in main.requests] == [large, large]
    assert ask(proxied, chunked(b"x" * 10)).body == b"main"
    assert ask(proxied, get("/last")).body == b"main"
    wait_until("the small ones are copied", lambda: len(mirror.requests) == 2)
    assert sorted((r.line.split()[1], r.body) for r in mirror.requests) == [("/chunked", b"x" * 10), ("/last", b"")]
    mirror.requests.clear()
    proxied.change(mirrored(main, {"m": (mirror, 100)}, mirrorBody=False))
    assert ask(proxied, get("/none", "Content-Length: 100000", method="POST") + large).body == b"main"
    wait_until("it is copied without its body", lambda: mirror.requests)
    assert (mirror.requests[0].line, mirror.requests[0].body) == ("POST /none HTTP/1.1", b"") and main.requests[-1].body == large


def test_mirrors_that_are_of_no_use(server, routed):
    """One that does not answer, one that is not there, one that has no server: the client notices nothing."""
    asked = []

    def silent(peer, server):
        asked.append(peer.request())
        with contextlib.suppress(ConnectionError):
            peer.rest()
    main, mirror = server(says("main")), server(silent, backlog=512)
    config = mirrored(main, {"silent": (mirror, 100), "gone": (free_port(), 100)}, services={"empty": {"loadBalancer": {"servers": []}}})
    config["services"]["app"]["mirroring"]["mirrors"].append({"name": "empty", "percent": 100})
    proxied = routed(config)
    client = proxied.connect()
    for _ in range(300):
        client.send(get("/"))
        assert client.response().body == b"main"
    wait_until("256 wait for an answer", lambda: len(asked) >= 256)
    wait_until("those of the last answer are counted", lambda: sum(figures(proxied)) >= 900)
    made, dropped = figures(proxied)
    assert made + dropped == 900 and dropped >= 44 and len(asked) == 256
    mirror.close()  # those that wait are over: there is room again
    wait_until("copies are made again", lambda: (ask(proxied), figures(proxied)[0] > made)[1])


def test_a_mirror_that_says_too_much(server, routed):
    ended = []

    def endless(peer, server):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        with contextlib.suppress(OSError):
            while True:
                peer.send(b"x" * 65536)
        ended.append(1)
    proxied = routed(mirrored(server(says("main")), {"m": (server(endless), 100)}))
    assert ask(proxied).body == b"main"
    wait_until("nobody listens any more", lambda: ended)


def test_in_each_other(server, routed):
    main, first, second, third = (server(says(name)) for name in ("main", "first", "second", "third"))
    config = mirrored(main, {"outer": (first, 100)}, services={
        "inner": {"mirroring": {"service": "main", "mirrors": [{"name": "second", "percent": 100}]}}, "second": balancer(second),
        "third": balancer(third), "both": {"weighted": {"services": [{"name": "deep"}]}},
        "deep": {"mirroring": {"service": "outer", "mirrors": [{"name": "third", "percent": 100}]}}})
    config["services"]["app"]["mirroring"] |= {"service": "inner", "mirrors": [{"name": "both", "percent": 100}]}
    proxied = routed(config)
    request = get("/", "Content-Length: 5", "Connection: close", method="POST") + b"hello"
    assert ask(proxied, request).body == b"main"
    wait_until("all have it", lambda: first.requests and second.requests and third.requests)
    assert [[r.body for r in s.requests] for s in (main, first, second, third)] == [[b"hello"]] * 4


def test_a_service_that_fails_over_behind_a_mirror(server, routed):
    main, backup, mirror = server(says("main", 500)), server(says("backup")), server(says("mirror"))
    config = mirrored(main, {"m": (mirror, 100)}, services={
        "safe": {"failover": {"service": "main", "fallback": "backup", "errors": {"status": ["500"]}}}, "backup": balancer(backup)})
    config["services"]["app"]["mirroring"]["service"] = "safe"
    answer = ask(routed(config), get("/", "Content-Length: 5", method="POST") + b"hello")
    assert answer.body == b"backup"
    wait_until("it is copied", lambda: mirror.requests)
    assert len(mirror.requests) == 1 and mirror.requests[0].body == backup.requests[0].body == main.requests[0].body == b"hello"


def test_a_switch_of_protocols_is_not_copied(server, routed):
    def switching(peer, server):
        peer.request()
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\nhello")
        peer.rest()
    mirror = server(says("mirror"))
    proxied = routed(mirrored(server(switching), {"m": (mirror, 100)}))
    client = proxied.connect()
    client.send(get("/", "Connection: Upgrade", "Upgrade: test"))
    assert client.head().status == 101 and client.exactly(5) == b"hello"
    assert figures(proxied) == (0, 0)


def test_wrong_options(server, routed):
    app = server(says("app"))
    config = mirrored(app, {"m": (app, 50)})
    config["services"]["app"]["mirroring"]["mirrors"].append({"name": "nobody", "percent": 1})
    config["routers"]["fine"] = {"rule": "Path(`/fine`)", "service": "main"}
    proxied = routed(config)
    proxied.router.wait_log('the service "nobody@file" does not exist')
    assert ask(proxied).status == 404 and ask(proxied, get("/fine")).status == 200
