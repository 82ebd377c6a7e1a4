"""One server with a bad URL: the others of its service serve, unless nothing at all can be read in it."""
import pytest

from proxying import server  # noqa: F401 a fixture
from rawhttp import answer_all, get
from routing import routed, url  # noqa: F401 fixtures

pytestmark = pytest.mark.usefixtures("server", "routed")

LEFT_OUT = ["http://", "foo", "ftp://127.0.0.1:80", "http://a:99999", "http://a!b", "http://127.0.0.1/x y", "//127.0.0.1:80"]
REFUSED = ["127.0.0.1:80", "http://bad host:80", "http://a:b", "http://[::1", ":foo"]


def ask(router, name):
    client = router.connect()
    client.send(get(host=f"{name}.test"))
    return client.response().status


def test_bad_urls_of_servers(server, routed):
    good = url(server(answer_all()))
    bad = {f"s{i}": one for i, one in enumerate(LEFT_OUT + REFUSED)}
    router = routed({"routers": {name: {"rule": f"Host(`{name}.test`)", "service": name} for name in [*bad, "alone"]},
                     "services": {name: {"loadBalancer": {"servers": [{"url": one}, {"url": good}]}} for name, one in bad.items()}
                     | {"alone": {"loadBalancer": {"servers": [{"url": LEFT_OUT[1]}]}}}})
    for name, one in bad.items():
        statuses = [ask(router, name) for _ in range(3)]
        assert statuses == [200 if one in LEFT_OUT else 404] * 3, one
    assert ask(router, "alone") == 503
    router.router.wait_log(r"WRN .*service s1@file.*server foo is left out: it does not begin with a scheme")
