"""sticky: clients come back to the server, the service or both that they had, by a cookie with the values of Traefik."""
import hashlib

import pytest

from proxying import server  # noqa: F401 a fixture
from rawhttp import answer_all, get
from routing import routed, url  # noqa: F401 fixtures

pytestmark = pytest.mark.usefixtures("server", "routed")


def named(name, *fields):
    return answer_all(name.encode(), *fields)


def value(name):
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def fnv(text):
    out = 0xcbf29ce484222325
    for byte in text.encode():
        out = out * 0x100000001b3 % 2**64 ^ byte
    return f"{out:x}"


def one_service(*servers, cookie, **options):
    return {"routers": {"all": {"rule": "PathPrefix(`/`)", "service": "all"}},
            "services": {"all": {"loadBalancer": {"servers": [s if isinstance(s, dict) else {"url": url(s)} for s in servers],
                                                  "sticky": {"cookie": cookie}, **options}}}}


def ask(proxied, cookie=None, path="/"):
    """On a connection of its own: any worker may get it."""
    client = proxied.connect()
    client.send(get(path, *([f"Cookie: {cookie}"] if cookie else [])))
    answer = client.response()
    client.sock.close()
    return answer


def test_clients_stay_over_workers_and_generations(server, routed):
    servers = {name: server(named(name, "Set-Cookie: own=1")) for name in "abc"}
    config = one_service(*servers.values(), cookie={"name": "who"})
    proxied = routed(config, workers=2)
    first = [ask(proxied) for _ in range(6)]
    assert sorted(answer.body for answer in first) == [b"a", b"a", b"b", b"b", b"c", b"c"]
    for answer in first:
        name = answer.body.decode()
        assert sorted(answer.all("set-cookie")) == ["own=1", f"who={value(url(servers[name]))}; Path=/"]
    for generation in range(2):
        for name, one in servers.items():
            for _ in range(4):
                answer = ask(proxied, f"x=y; who={value(url(one))}")
                assert (answer.body, answer.all("set-cookie")) == (name.encode(), ["own=1"])
        config["services"]["all"]["loadBalancer"]["servers"].reverse()
        proxied.change(config)


def test_values_of_earlier_releases(server, routed):
    one, other = server(named("one")), server(named("other"))
    proxied = routed(one_service(one, other, cookie={"name": "c"}))
    for old in (url(one), fnv(url(one)), fnv(fnv(url(one)))):
        for _ in range(3):
            answer = ask(proxied, f"c={old}")
            assert (answer.body, answer.get("set-cookie")) == (b"one", f"c={value(url(one))}; Path=/")


@pytest.mark.parametrize("cookie, said", [
    ({"name": "a b(é€😀"}, "a_b____={value}; Path=/"),  # a letter is one, whatever its bytes
    ({}, "{name}={value}; Path=/"),
    ({"name": "a(b"}, "a_b={value}; Path=/"),
    ({"name": "c", "path": "/p", "domain": "d.test", "maxAge": 7, "httpOnly": True, "secure": True, "sameSite": "strict"},
     "c={value}; Path=/p; Domain=d.test; Max-Age=7; HttpOnly; Secure; SameSite=Strict"),
    ({"name": "c", "sameSite": "LAX"}, "c={value}; Path=/; SameSite=Lax"),
    ({"name": "c", "maxAge": -1, "sameSite": "none"}, "c={value}; Path=/; Max-Age=0; SameSite=None"),
    ({"name": "c", "sameSite": "wild"}, "c={value}; Path=/"),  # as Traefik: a word that it does not know is not said
])
def test_what_the_cookie_says(server, routed, cookie, said):
    one = server(named("one"))
    proxied = routed(one_service(one, cookie=cookie))
    name = "_" + hashlib.sha1(b"_TRAEFIK_BACKEND_all@file").hexdigest()[:5]
    assert ask(proxied).get("set-cookie") == said.format(name=name, value=value(url(one)))


def test_a_domain_that_is_none(server, routed):
    one = server(named("one"))
    proxied = routed(one_service(one, cookie={"name": "c", "domain": "a_b"}))
    assert ask(proxied).get("set-cookie") == f"c={value(url(one))}; Path=/"
    proxied.router.wait_log(r'sticky.cookie.domain \\?"a_b\\?" is not a host name')


def test_a_server_that_is_gone_or_dead(server, routed):
    one, other = server(named("one")), server(named("other"))
    config = one_service(one, other, cookie={"name": "c"})
    proxied = routed(config)
    one.close()
    for _ in range(2):  # it takes no connection: the client is moved
        answer = ask(proxied, f"c={value(url(one))}")
        assert (answer.body, answer.all("set-cookie")) == (b"other", [f"c={value(url(other))}; Path=/"])
    config["services"]["all"]["loadBalancer"]["servers"].pop(0)
    proxied.change(config)
    answer = ask(proxied, f"c={value(url(one))}")
    assert (answer.body, answer.all("set-cookie")) == (b"other", [f"c={value(url(other))}; Path=/"])
    other.close()
    answer = ask(proxied)  # also what weir answers itself
    assert (answer.status, answer.all("set-cookie")) == (502, [f"c={value(url(other))}; Path=/"])


def test_a_server_on_its_way_out(server, routed):
    one, other = server(named("one")), server(named("other"))
    proxied = routed(one_service({"url": url(one), "fenced": True}, {"url": url(other)}, cookie={"name": "c"}))
    for _ in range(4):
        assert ask(proxied).body == b"other"
        answer = ask(proxied, f"c={value(url(one))}")
        assert (answer.body, answer.get("set-cookie")) == (b"one", None)


def test_weighted_and_both_at_once(server, routed):
    servers = [server(named(name)) for name in "abcd"]

    def balanced(*members, **options):
        return {"loadBalancer": {"servers": [{"url": url(s)} for s in members], **options}}
    config = {"routers": {"all": {"rule": "PathPrefix(`/`)", "service": "w"}},
              "services": {"w": {"weighted": {"services": [{"name": "x", "weight": 3}, {"name": "y@file"}, {"name": "z", "weight": 0}],
                                              "sticky": {"cookie": {"name": "out", "httpOnly": True}}}},
                           "x": balanced(*servers[:2], sticky={"cookie": {"name": "in"}}), "y": balanced(servers[2]), "z": balanced(servers[3])}}
    proxied = routed(config, workers=2)
    first = [ask(proxied) for _ in range(8)]
    assert sorted(answer.body for answer in first) == [b"a"] * 3 + [b"b"] * 3 + [b"c"] * 2
    for answer in first:
        if answer.body == b"c":
            assert answer.all("set-cookie") == [f"out={value('y@file')}; Path=/; HttpOnly"]
        else:
            inner = value(url(servers["ab".index(answer.body.decode())]))
            assert answer.all("set-cookie") == [f"out={value('x')}; Path=/; HttpOnly", f"in={inner}; Path=/"]
    for _ in range(4):
        answer = ask(proxied, f"out={value('x')}; in={value(url(servers[1]))}")
        assert (answer.body, answer.all("set-cookie")) == (b"b", [])
        answer = ask(proxied, f"in={value(url(servers[1]))}; out={value('y@file')}")
        assert (answer.body, answer.all("set-cookie")) == (b"c", [])
        assert ask(proxied, f"out={value('z')}").body != b"d"  # without a share it gets nobody
    answer = ask(proxied, f"out={value('x')}")
    assert answer.body in b"ab" and len(answer.all("set-cookie")) == 1


def test_an_upgraded_connection_gets_its_cookie(server, routed):
    def switching(peer, server):
        peer.request()
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n")
        peer.rest()
    one = server(switching)
    client = routed(one_service(one, cookie={"name": "c"})).connect()
    client.send(get("/", "Connection: Upgrade", "Upgrade: test"))
    head = client.head()
    assert (head.status, head.get("set-cookie")) == (101, f"c={value(url(one))}; Path=/")


def test_a_page_of_errors_sticks_by_its_own_name(server, routed):
    """The service is reached by a middleware alone."""
    app, page = server(answer_all(b"no", status="500 No")), server(named("page"))
    config = one_service(app, cookie={"name": "c"})
    config["routers"]["all"]["middlewares"] = ["e"]
    config["middlewares"] = {"e": {"errors": {"status": ["500"], "service": "pages", "query": "/"}}}
    config["services"]["pages"] = {"loadBalancer": {"servers": [{"url": url(page)}], "sticky": {"cookie": {}}}}
    name = "_" + hashlib.sha1(b"_TRAEFIK_BACKEND_pages@file").hexdigest()[:5]
    answer = ask(routed(config))
    assert (answer.status, answer.body) == (500, b"page")
    assert f"{name}={value(url(page))}; Path=/" in answer.all("set-cookie")
