"""rateLimit: how many pass, of whom, over all workers and generations; what the others are told."""
import math
import os
import signal
import threading
import time

import pytest

from proxying import server  # noqa: F401 a fixture
from rawhttp import get
from routing import one_route, routed  # noqa: F401 fixtures
from waiting import wait_until

pytestmark = pytest.mark.usefixtures("server", "routed")

HOUR = {"average": 1, "period": "1h"}  # nothing comes back while a test runs


def limit(**options):
    return {"rateLimit": {**HOUR, **options}}


def statuses(proxied, count, *fields, path="/", **kw):
    client, out = proxied.connect(), []
    for _ in range(count):
        client.send(get(path, *fields, **kw))
        out.append(client.response().status)
    return out


def passed(*args, **kw):
    got = statuses(*args, **kw)
    assert set(got) <= {200, 429}
    return got.count(200)


def test_burst_and_what_is_said(server, routed):
    app = server()
    proxied = routed(one_route(app, {"r": limit(burst=3)}))
    assert statuses(proxied, 5) == [200] * 3 + [429] * 2
    client = proxied.connect()
    client.send(get("/"))
    answer = client.response()
    assert answer.status == 429 and answer.body == b"Too Many Requests"
    assert 3590 < int(answer.get("retry-after")) <= 3600
    assert answer.get("x-retry-in").startswith("59m") or answer.get("x-retry-in") == "1h0m0s"
    assert len(app.requests) == 3


def test_defaults(server, routed):
    """A burst of one, a second, and an average of 0 is no limit."""
    config = one_route(server(), {"r": {"rateLimit": {}}})
    proxied = routed(config)
    assert passed(proxied, 50) == 50
    config["middlewares"]["r"] = {"rateLimit": {"average": 1, "period": "1h", "burst": 0}}
    proxied.change(config)
    assert passed(proxied, 5) == 1


@pytest.mark.parametrize("options", [
    {"average": 1000000000, "burst": 1000000000},
    {"average": 1, "period": "87600h", "burst": 1000000000},
    {"average": 9000000000000000000, "burst": 9000000000000000000},
    {"average": 1, "period": "2500000h", "burst": 9000000000000000000},
])
def test_extreme_values(server, routed, options):
    proxied = routed(one_route(server(), {"r": {"rateLimit": options}}))
    assert passed(proxied, 50) == 50


def test_sources(server, routed):
    config = one_route(server(), {"r": limit(burst=2)})
    proxied = routed(config, trusted="127.0.0.1")
    field = "X-Forwarded-For: {}".format
    seen = []

    def source(**criterion):
        name = f"r{len(seen)}"  # one that nobody counted with
        seen.append(criterion)
        config["middlewares"] = {name: limit(burst=2, sourceCriterion=criterion)}
        config["routers"]["all"]["middlewares"] = [name]
        proxied.change(config)

    # by the peer: what it says of others does not matter
    assert [passed(proxied, 2, field("10.0.0.1")), passed(proxied, 2, field("10.0.0.2"))] == [2, 0]
    source(ipStrategy={"depth": 1})
    assert [passed(proxied, 3, field(a)) for a in ("10.1.0.1", "10.1.0.2", "10.9.9.9, 10.1.0.1")] == [2, 2, 0]
    source(ipStrategy={"excludedIPs": ["10.2.0.0/24"]})
    assert [passed(proxied, 3, field(a)) for a in ("10.3.0.1, 10.2.0.1", "10.3.0.2,10.2.0.2", "10.3.0.1")] == [2, 2, 0]
    source(ipStrategy={"depth": 1, "ipv6Subnet": 64})
    assert [passed(proxied, 3, field(a)) for a in ("2001:db8:0:1::1", "2001:db8:0:1::2", "2001:db8:0:2::1")] == [2, 0, 2]
    source(requestHeaderName="x-USER")
    assert [passed(proxied, 3, f"X-User: {name}") for name in ("ann", "bob", "ann", "Ann")] == [2, 2, 0, 2]
    assert passed(proxied, 3) == 2  # without it: one source
    source(requestHost=True)
    assert [passed(proxied, 3, host=name) for name in ("one.test", "two.test", "one.test")] == [2, 2, 0]


def two_routers(app, **options):
    config = one_route(app, {"r": limit(burst=2, **options)})
    config["routers"]["other"] = {"rule": "PathPrefix(`/other`)", "service": "all", "middlewares": ["r"]}
    return config


def test_each_router_counts_for_itself(server, routed):
    proxied = routed(two_routers(server()))
    assert [passed(proxied, 3), passed(proxied, 3, path="/other")] == [2, 2]


def test_scope_middleware(server, routed):
    proxied = routed(two_routers(server(), scope="middleware"))
    assert [passed(proxied, 1), passed(proxied, 3, path="/other")] == [1, 1]


def test_held_back(server, routed):
    """Half an interval too early: it waits, is let pass, and the connection goes on."""
    app = server()
    proxied = routed(one_route(app, {"r": {"rateLimit": {"average": 1, "period": "1100ms"}}}))
    client = proxied.connect()
    begin = time.monotonic()
    got = []
    while len(app.requests) < 3:
        client.send(get("/"))
        got.append(client.response().status)
    assert time.monotonic() - begin >= 2 * 1.1 - 0.01 and got.count(200) == 3


def test_leaves_while_held_back(server, routed):
    app = server()
    proxied = routed(one_route(app, {"r": {"rateLimit": {"average": 1, "period": "1100ms"}}}))
    waiting = [proxied.connect() for _ in range(2)]
    begin = time.monotonic()
    while time.monotonic() - begin < 0.7:
        waiting[0].send(get("/"))
        waiting[0].response()
    waiting[1].send(get("/"))
    waiting[1].reset()
    while statuses(proxied, 1) != [200]:
        pass
    # timers and descriptors that are left over are looked for at the end of every test


def crowd(proxied, connections, until, statuses_of):
    """Each asks without a pause until the time; all that came back, and the seconds it took."""
    lock = threading.Lock()

    def ask():
        client, mine = proxied.connect(), []
        while not until():
            client.send(get("/"))
            mine.append(client.response().status)
        with lock:
            statuses_of.extend(mine)

    threads = [threading.Thread(target=ask) for _ in range(connections)]
    for thread in threads:
        thread.start()
    return threads


def test_exact_over_workers_and_generations(server, routed):
    """200 at once and none after: however many workers, over reloads and a change of something else."""
    app = server()
    config = one_route(app, {"r": limit(burst=200)})
    proxied = routed(config, workers=4)
    got, stop = [], threading.Event()
    threads = crowd(proxied, 16, stop.is_set, got)
    mark = proxied.router.mark()
    os.kill(proxied.router.pid, signal.SIGHUP)
    proxied.router.wait_log("SIGHUP", mark)
    config["routers"]["more"] = {"rule": "Path(`/more`)", "service": "all"}
    proxied.change(config)
    wait_until("all that may are let through", lambda: len(app.requests) >= 200)
    config["routers"]["more"]["rule"] = "Path(`/less`)"
    proxied.change(config)
    stop.set()
    for thread in threads:
        thread.join()
    assert got.count(200) == 200 and set(got) <= {200, 429}


def test_rate_over_workers(server, routed):
    """The formula over the wall clock, whatever the speed of the machine: never more, and not less while all ask."""
    app = server()
    config = one_route(app, {"r": {"rateLimit": {"average": 100, "burst": 10}}})
    proxied = routed(config, workers=4)
    got, stop = [], threading.Event()
    begin = time.monotonic()
    threads = crowd(proxied, 8, stop.is_set, got)
    config["routers"]["more"] = {"rule": "Path(`/more`)", "service": "all"}
    proxied.change(config)
    wait_until("more than the burst are let through", lambda: len(app.requests) >= 160)
    stop.set()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - begin
    assert 160 <= got.count(200) <= 10 + math.ceil(100 * seconds) + 1


@pytest.mark.parametrize("wrong, text", [
    ({"sourceCriterion": {"requestHost": True, "requestHeaderName": "X"}}, r"mutually exclusive"),
    ({"sourceCriterion": {"requestHost": True, "ipStrategy": {}}}, r"mutually exclusive"),
    ({"sourceCriterion": {"ipStrategy": {"excludedIPs": ["x"]}}}, r"excludedIPs"),
])
def test_wrong_options_disable_the_router(server, routed, wrong, text):
    app = server()
    config = one_route(app, {"r": {"rateLimit": wrong}})
    config["routers"]["other"] = {"rule": "Path(`/other`)", "service": "all", "priority": 1000}
    proxied = routed(config)
    assert statuses(proxied, 1) == [404]
    assert statuses(proxied, 1, path="/other") == [200]
    proxied.router.wait_log(text)
