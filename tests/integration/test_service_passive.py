"""Passive health checks: failures in a row within the window take a server out for all workers, over changes, for as long."""
import contextlib

import pytest

from conftest import wait_until
from ports import free_port
from proxying import server  # noqa: F401 a fixture
from rawhttp import answer_in_turn, get, ok
from routing import routed, url  # noqa: F401 fixtures
from waiting import pass_time

pytestmark = pytest.mark.usefixtures("server", "routed")
LONG = "1h"


class App:
    """Answers with its status, None: closes."""

    def __init__(self, server, name, status=200):
        self.name, self.status, self.asked = name, status, 0
        self.server = server(self.handle)

    def handle(self, peer, server):
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                peer.request()
                self.asked += 1
                if self.status is None:
                    return
                peer.send(ok(self.name.encode(), status=f"{self.status} Said"))


def config(*apps, most=1, window=LONG, **options):
    return {"routers": {"all": {"rule": "PathPrefix(`/`)", "service": "app"}},
            "services": {"app": {"loadBalancer": {"servers": [{"url": url(app.server)} for app in apps],
                                                  "passiveHealthCheck": {"maxFailedAttempts": most, "failureWindow": window}, **options}}}}


def ask(proxied):
    client = proxied.connect()
    client.send(get("/", "Connection: close"))
    return client.response()


def statuses(proxied, count):
    return sorted(ask(proxied).status for _ in range(count))


@pytest.mark.parametrize("status", [500, 599, None])
def test_one_failure(server, routed, status):
    bad, good = App(server, "bad", status), App(server, "good")
    proxied = routed(config(bad, good), workers=2)
    assert statuses(proxied, 8) == [200] * 7 + [502 if status is None else status]
    assert bad.asked == 1
    proxied.change(config(bad, good, passHostHeader=False))
    assert statuses(proxied, 4) == [200] * 4 and bad.asked == 1


def test_a_refused_connection(server, routed):
    good = App(server, "good")
    whole = config(good)
    whole["services"]["app"]["loadBalancer"]["servers"].insert(0, {"url": f"http://127.0.0.1:{free_port()}"})
    proxied = routed(whole)
    assert statuses(proxied, 6) == [200] * 6
    retries = proxied.router.log().count("failed: Connection refused")
    assert retries <= 1  # it is passed over from then on


def test_failures_in_a_row(server, routed):
    app, good = App(server, "app", 500), App(server, "good")
    proxied = routed(config(app, good, most=3), workers=2)
    assert statuses(proxied, 4) == [200, 200, 500, 500]
    app.status = 499
    assert statuses(proxied, 2) == [200, 499]  # none: it begins again
    app.status = 503
    assert statuses(proxied, 12) == [200] * 9 + [503] * 3


def test_the_window(server, routed):
    app, good = App(server, "app", 500), App(server, "good")
    proxied = routed(config(app, good, most=2, window="700ms"))

    def failure():
        before = app.asked
        while app.asked == before:
            ask(proxied)
    failure()
    pass_time("longer than the window", 0.8)
    failure()
    failure()  # so it was not out; now it is, or, on a slow machine, not
    wait_until("two failures come soon enough behind each other", lambda: (before := app.asked, statuses(proxied, 4), app.asked)[2] == before)
    wait_until("it is asked again", lambda: (before := app.asked, statuses(proxied, 2), app.asked)[2] > before)


def test_all_are_out(server, routed):
    """Nobody is asked then, by any worker: there is no bound to how many may be out, as with Traefik."""
    apps = [App(server, name, 500) for name in ("a", "b", "c")]
    proxied = routed(config(*apps), workers=2)
    assert statuses(proxied, 3) == [500] * 3
    for _ in range(4):
        answer = ask(proxied)
        assert (answer.status, answer.body) == (503, b"no available server\n")
    assert [app.asked for app in apps] == [1, 1, 1]


def test_all_come_back(server, routed):
    apps = [App(server, name, 500) for name in ("a", "b")]
    proxied = routed(config(*apps, window="1s"))
    wait_until("all are out", lambda: ask(proxied).status == 503)
    for app in apps:
        app.status = 200
    before = [app.asked for app in apps]
    wait_until("both are asked again", lambda: (ask(proxied), all(app.asked > n for app, n in zip(apps, before)))[1])
    before = [app.asked for app in apps]
    assert statuses(proxied, 4) == [200] * 4 and [app.asked for app in apps] == [n + 2 for n in before]


def test_with_an_active_check(server, routed):
    """Who was taken out waits for the check to find him well."""
    checker, app = server(answer_in_turn(lambda status: ok(b"", status=f"{status} Said"), 503, 200)), App(server, "app", 500)
    proxied = routed(config(app, window="1ms", healthCheck={"path": "/", "port": checker.port, "interval": LONG, "unhealthyInterval": "50ms"}))
    proxied.router.wait_log("INF Health check passed")  # in force before it is said; for long nobody is asked again
    assert statuses(proxied, 5) == [500, 503, 503, 503, 503]
    proxied.router.stop()
    proxied = routed(config(app, window=LONG, healthCheck={"path": "/", "port": checker.port, "interval": "50ms"}))
    wait_until("it fails, and is found well, again and again", lambda: (ask(proxied), app.asked > 3)[1])
    assert set(statuses(proxied, 3)) <= {500, 503}


def test_parents_are_not_told(server, routed):
    app, backup = App(server, "app", 500), App(server, "backup")
    whole = config(app)
    whole["services"] |= {"outer": {"failover": {"service": "app", "fallback": "backup", "errors": {"status": ["500-503"]}}},
                          "backup": {"loadBalancer": {"servers": [{"url": url(backup.server)}]}}}
    whole["routers"]["all"]["service"] = "outer"
    proxied = routed(whole)
    assert {ask(proxied).body for _ in range(4)} == {b"backup"} and app.asked == 1
