"""slowStart: the share of a server that is new beside others, or up again, grows; without it, and behind it, shares are exact."""
import collections

import pytest

from proxying import server  # noqa: F401 a fixture
from rawhttp import get
from routing import routed, url  # noqa: F401 fixtures
from test_service_health import App, check, failed, recovered

pytestmark = pytest.mark.usefixtures("server", "routed")


def config(*apps, slow, **options):
    return {"routers": {"all": {"rule": "PathPrefix(`/`)", "service": "app"}},
            "services": {"app": {"loadBalancer": {"servers": [{"url": url(app.server)} for app in apps], "slowStart": slow, **options}}}}


def ask(proxied):
    client = proxied.connect()
    client.send(get("/", "Connection: close"))
    answer = client.response()
    client.close()
    return answer


def shares(proxied, count):
    return collections.Counter(ask(proxied).body.decode().strip() for _ in range(count))


@pytest.mark.parametrize("strategy", ["wrr", "leastconn"])
def test_a_new_server(server, routed, strategy):
    a, b, new = App(server, "a"), App(server, "b"), App(server, "new")
    proxied = routed(config(a, b, slow="1h", strategy=strategy), workers=2)
    got = shares(proxied, 8)  # all are new: whole shares; what is under way at one moment is exact for nobody
    assert got == {"a": 4, "b": 4} or (strategy != "wrr" and set(got) == {"a", "b"})
    proxied.change(config(a, b, new, slow="1h", strategy=strategy))
    got = shares(proxied, 30)
    assert got["new"] <= 4 and got["a"] and got["b"]
    proxied.change(config(a, b, new, slow="1ms", strategy=strategy))
    got = shares(proxied, 12)
    assert got == {"a": 4, "b": 4, "new": 4} or (strategy != "wrr" and got["new"])


def test_up_again(server, routed):
    a, b = App(server, "a"), App(server, "b")
    proxied = routed(config(a, b, slow="1h", healthCheck=check()))
    assert shares(proxied, 8) == {"a": 4, "b": 4}
    b.probe = 503
    failed(proxied, b)
    mark = proxied.router.mark()
    b.probe = 200
    recovered(proxied, b, mark)
    got = shares(proxied, 20)
    assert got["b"] <= 4 and got["a"] >= 16
    proxied.change(config(b, slow="1h", healthCheck=check()))
    assert shares(proxied, 4) == {"b": 4}  # who is alone has all
