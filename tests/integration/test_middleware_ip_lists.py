"""ipAllowList, ipWhiteList: whose address counts, what others get, and a list that does not parse keeps everybody out."""
import pytest

from proxying import server  # noqa: F401 a fixture
from rawhttp import get
from routing import one_route, routed  # noqa: F401 fixtures

pytestmark = pytest.mark.usefixtures("server", "routed")


def ask(proxied, *forwarded):
    client = proxied.connect()
    client.send(get("/", *(f"X-Forwarded-For: {line}" for line in forwarded)))
    answer = client.response()
    return answer.status if answer.body == b"ok" or answer.status != 200 else answer.body


@pytest.mark.parametrize("kind", ["ipAllowList", "ipWhiteList"])
@pytest.mark.parametrize("options, cases", [
    ({"sourceRange": ["127.0.0.1"]}, [((), 200)]),
    ({"sourceRange": ["127.0.0.0/30", "10.0.0.0/8"]}, [((), 200), (("192.0.2.1",), 200)]),
    ({"sourceRange": ["10.0.0.0/8", "::1"]}, [((), 403), (("10.0.0.1",), 403)]),
    ({"sourceRange": ["10.0.0.0/8", "2001:db8::/64"], "ipStrategy": {"depth": 2}},
     [((), 403), (("10.0.0.1",), 403), (("10.0.0.1, 192.0.2.1",), 200), (("10.0.0.1, 192.0.2.1, 192.0.2.2",), 403), (("2001:db8::7, 192.0.2.1",), 200)]),
    ({"sourceRange": ["10.0.0.0/8"], "ipStrategy": {"excludedIPs": ["192.0.2.0/24", "127.0.0.0/8"]}},
     [((), 403), (("10.0.0.1, 192.0.2.1",), 200), (("10.0.0.1, 198.51.100.1, 192.0.2.1",), 403)]),
    ({"sourceRange": ["2001:db8::/64"], "ipStrategy": {"depth": 1, "ipv6Subnet": 64}}, [(("2001:db8::9",), 200), (("2001:db8:0:1::9",), 403)]),
])
def test_whose_address_counts(server, routed, kind, options, cases):
    proxied = routed(one_route(server(), {"l": {kind: options}}), insecure=True)
    assert [ask(proxied, *forwarded) for forwarded, _ in cases] == [status for _, status in cases]


def test_what_others_get(server, routed):
    app = server()
    config = one_route(app, {"l": {"ipAllowList": {"sourceRange": ["10.0.0.0/8"], "rejectStatusCode": 404}}})
    proxied = routed(config, workers=2)
    assert ask(proxied) == 404
    config["middlewares"]["l"]["ipAllowList"] = {"sourceRange": ["127.0.0.0/8"], "rejectStatusCode": 404}
    proxied.change(config)
    assert ask(proxied) == 200
    config["middlewares"]["l"]["ipAllowList"] = {"sourceRange": ["10.0.0.0/8"]}
    proxied.change(config)
    assert (ask(proxied), len(app.requests)) == (403, 1)


@pytest.mark.parametrize("options, words", [({"sourceRange": ["127.0.0.0/33"]}, "127.0.0.0/33"), ({"sourceRange": ["127.0.0.1", "home"]}, "home"),
                                            ({"sourceRange": []}, "sourceRange"),
                                            ({"sourceRange": ["10.0.0.0/8"], "rejectStatusCode": 100}, "invalid HTTP status code 100"),  # ends no answer
                                            ({"sourceRange": ["127.0.0.1"], "ipStrategy": {"excludedIPs": ["x"]}}, "x")])
def test_a_list_that_does_not_parse_lets_nobody_in(server, routed, options, words):
    app = server()
    proxied = routed(one_route(app, {"l": {"ipAllowList": options}}))
    proxied.router.wait_log(words)
    assert (ask(proxied), app.requests) == (404, [])
