"""forwardAuth: what the server that decides gets, what its answer does, and what happens when it gives none that counts."""
import contextlib
import socket
import ssl

import pytest

from conftest import wait_until
from proxying import server  # noqa: F401 a fixture
from rawhttp import answer_each, get, ok
from routing import one_route, routed, url  # noqa: F401 fixtures
from tlskit import Maker

pytestmark = pytest.mark.usefixtures("server", "routed")


def says(status="200 OK", *fields, body=b""):
    return answer_each(lambda request: ok(b"" if request.line.startswith("HEAD") else body, *fields, status=status))


def through(app, auth, path="/decide", **options):
    return one_route(app, {"a": {"forwardAuth": {"address": url(auth) + path, **options}}})


def ask(proxied, *fields, client=None, data=None, **kw):
    client = client or proxied.connect()
    client.send(get(kw.pop("path", "/x"), *fields, **kw) if data is None else data)
    return client.response(kw.get("method"))


def test_who_is_asked_and_how(server, routed):
    app, auth = server(), server(says())
    config = through(app, auth, "/de cide/é?a=%20b")
    proxied = routed(config)
    client = proxied.connect()
    for _ in range(2):  # over one connection to each
        answer = ask(proxied, "X-One: 1", "Connection: X-Hop", "X-Hop: 2", "Proxy-Authorization: p", "TE: trailers", "X-Forwarded-Uri: /evil",
                     client=client, method="PUT", path="/x%2Fy?q=1")
        assert answer.status == 200
    assert len(auth.peers) == 1
    got = auth.requests[-1]
    assert got.line == "GET /de%20cide/%C3%A9?a=%20b HTTP/1.1" and got.get("host") == url(auth)[7:]
    for name, value in (("X-One", "1"), ("X-Hop", None), ("Proxy-Authorization", "p"), ("TE", None), ("Connection", None), ("Content-Length", None),
                        ("X-Forwarded-Method", "PUT"), ("X-Forwarded-Uri", "/x%2Fy?q=1"), ("X-Forwarded-Host", "a.test"), ("X-Forwarded-Proto", "http"),
                        ("X-Forwarded-For", "127.0.0.1")):
        assert got.get(name) == value, name
    assert app.requests[-1].line == "PUT /x%2Fy?q=1 HTTP/1.1"
    config["middlewares"]["a"]["forwardAuth"].update(authRequestHeaders=["x-TWO"], preserveRequestMethod=True)
    proxied.change(config)
    assert ask(proxied, "X-One: 1", "X-Two: 2", method="HEAD").status == 200
    got = auth.requests[-1]
    assert (got.line.split()[0], got.get("x-one"), got.get("x-two"), got.get("x-forwarded-host")) == ("HEAD", None, "2", "a.test")


@pytest.mark.parametrize("trust, named, wanted", [
    (None, [], ("127.0.0.1", "PUT", "/real", "real.test", "/prefix", None)),
    (False, [], ("127.0.0.1", "PUT", "/real", "real.test", None, "80")),
    (True, [], ("1.2.3.4, 127.0.0.1", "GET", "/was", "was.test", "/prefix", "99")),
    (True, ["X-Nothing"], ("1.2.3.4, 127.0.0.1", "GET", "/was", "was.test", "/prefix", "99")),
    (False, ["X-Forwarded-Prefix"], ("127.0.0.1", "PUT", "/real", "real.test", None, "80")),
])
def test_trust_forward_header(server, routed, trust, named, wanted):
    app, auth = server(), server(says())
    options = {"authRequestHeaders": named, **({} if trust is None else {"trustForwardHeader": trust})}
    proxied = routed(through(app, auth, **options), insecure=True)
    assert ask(proxied, "X-Forwarded-For: 1.2.3.4", "X-Forwarded-Method: GET", "X-Forwarded-Uri: /was", "X-Forwarded-Host: was.test",
               "X-Forwarded-Prefix: /prefix", "X-Forwarded-Port: 99", method="PUT", host="real.test", path="/real").status == 200
    got = auth.requests[-1]
    names = ("For", "Method", "Uri", "Host", "Prefix", "Port")
    assert [got.get(f"X-Forwarded-{name}") for name in names[:5]] == list(wanted[:5])
    if trust is not None:
        assert got.get("X-Forwarded-Port") == wanted[5]


def test_what_the_server_behind_gets(server, routed):
    app = server()
    auth = server(says("204 No Content", "X-User: bob", "X-Group: one", "X-Group: two", "X-Id-A: 1", "X-Id-A: 2", "X-Other: o", "Set-Cookie: s=1", "Set-Cookie: n=2"))
    proxied = routed(through(app, auth, authResponseHeaders=["x-user", "X-Group", "X-Missing"], authResponseHeadersRegex="^X-Id-"))
    assert ask(proxied, "X-User: eve", "X_User: eve", "X!User: eve", "X-Missing: eve", "X-Id-B: eve", "X~Id-B: eve", "X_Id-C: eve", "X-Id.D: eve", "X_Idle: mine", "X-Other: mine").status == 200
    got = app.requests[-1]
    assert [got.all(name) for name in ("x-user", "x_user", "x-group", "x-missing", "x-id-a", "x-id-b", "x_id-c", "x-id.d", "x_idle", "x-other", "x!user", "x~id-b")] == \
        [["bob"], [], ["one", "two"], [], ["1", "2"], [], [], [], ["mine"], ["mine"], [], []]


def test_header_that_cannot_be_judged(server, routed):
    """An expression that takes too long to say: the client's header goes, nothing is taken from the answer."""
    name = f"X-{'a' * 64}!y"
    app = server()
    auth = server(says("200 OK", f"{name}: auth", "X-Aaay: 1"))
    proxied = routed(through(app, auth, authResponseHeadersRegex="^X-(A?a+a+)+y"))
    assert ask(proxied, f"{name}: eve", "X-Other: mine").status == 200
    got = app.requests[-1]
    assert [got.all(header) for header in (name, "x-aaay", "x-other")] == [[], ["1"], ["mine"]]


def test_cookies(server, routed):
    app = server(says("200 OK", "Set-Cookie: s=app", "Set-Cookie: mine=1"))
    auth = server(says("200 OK", "Set-Cookie: s=auth; Path=/", "Set-Cookie: n=auth"))
    config = through(app, auth, addAuthCookiesToResponse=["s"])
    proxied = routed(config)
    assert sorted(ask(proxied).all("set-cookie")) == ["mine=1", "s=auth; Path=/"]
    config["middlewares"]["a"]["forwardAuth"]["addAuthCookiesToResponse"] = []
    proxied.change(config)
    assert sorted(ask(proxied).all("set-cookie")) == ["mine=1", "s=app"]


def test_no_is_passed_on(server, routed):
    app = server()
    auth = server(says("403 Nope", "X-Why: because", "Connection: X-Hop", "X-Hop: 1", "Content-Type: text/x", "Www-Authenticate: Some", body=b"go away"))
    proxied = routed(through(app, auth))
    client = proxied.connect()
    for method in ("GET", "HEAD", "GET"):
        answer = ask(proxied, client=client, method=method)
        assert (answer.status, answer.get("x-why"), answer.get("x-hop"), answer.get("content-type"), answer.get("www-authenticate")) == \
            (403, "because", None, "text/x", "Some")
        assert answer.body == (b"" if method == "HEAD" else b"go away")
    assert not app.requests


@pytest.mark.parametrize("before, query", [(False, "a=1;b=2"), (True, "a=1&b=2")])
def test_a_redirection_behind_shows_the_query_as_servers_get_it(server, routed, before, query):
    auth = server(says())
    middlewares = {"auth": {"forwardAuth": {"address": f"http://127.0.0.1:{auth.port}/"}}, "away": {"redirectScheme": {"scheme": "https"}}}
    if not before:
        del middlewares["auth"]
    answer = ask(routed(one_route(server(), middlewares)), path="/x/y?a=1;b=2")
    assert (answer.status, answer.get("location")) == (302, f"https://a.test/x/y?{query}")


def test_who_decides_may_ask_for_a_password_of_the_proxy(server, routed):
    """What is hop-by-hop of a server is for whoever speaks in the proxy's name to say."""
    app, auth = server(), server(says("407 Who", 'Proxy-Authenticate: Basic realm="x"'))
    answer = ask(routed(through(app, auth)))
    assert (answer.status, answer.all("proxy-authenticate")) == (407, ['Basic realm="x"'])


@pytest.mark.parametrize("location, keep, wanted", [
    ("/login?x=1", False, "http://{auth}/login?x=1"), ("login", False, "http://{auth}/a/login"), ("../up/./x", False, "http://{auth}/up/x"),
    ("?q", False, "http://{auth}/a/b?q"), ("//other.test/z", False, "http://other.test/z"), ("https://other.test/", False, "https://other.test/"),
    ("/login?x=1", True, "/login?x=1"), ("login", True, "login"), ("http://[::1", False, None),
])
def test_location(server, routed, location, keep, wanted):
    app, auth = server(), server(says("302 Found", f"Location: {location}"))
    proxied = routed(through(app, auth, "/a/b", preserveLocationHeader=keep))
    answer = ask(proxied)
    if wanted is None:
        assert answer.status == 500
    else:
        assert (answer.status, answer.get("location")) == (302, wanted.format(auth=url(auth)[7:]))


def test_over_tls(server, routed, tmp_path):
    """Who is asked is who the authority vouches for, and relative places are of that server."""
    own = Maker(tmp_path).own("auth", ["IP:127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.crt, own.key)

    def secure(peer, server):
        with contextlib.suppress(OSError):
            peer.sock = context.wrap_socket(peer.sock, server_side=True)
            says("302 Found", "Location: login?x=1")(peer, server)
    auth = server(secure)
    for tls, status, location in (({"ca": own.pem}, 302, f"https://127.0.0.1:{auth.port}/a/login?x=1"), ({"insecureSkipVerify": True}, 302, f"https://127.0.0.1:{auth.port}/a/login?x=1"),
                                  ({}, 500, None)):
        proxied = routed(one_route(server(), {"a": {"forwardAuth": {"address": f"https://127.0.0.1:{auth.port}/a/b", "tls": tls}}}))
        answer = ask(proxied)
        assert (answer.status, answer.get("location")) == (status, location)


def test_signin(server, routed):
    app, auth = server(), server(says("401 Who", "X-Why: because", body=b"no"))
    proxied = routed(through(app, auth, authSigninURL="https://login.test/?a=1&b=2"))
    answer = ask(proxied)
    assert (answer.status, answer.get("location"), answer.get("x-why")) == (302, "https://login.test/?a=1&b=2", None)
    assert (answer.body, answer.get("content-type")) == (b"", None)
    assert ask(proxied, "User-Agent: ").status == 302 and auth.requests[-1].get("user-agent") is None
    auth.handler = says("403 No")
    for peer in auth.peers:
        peer.sock.shutdown(socket.SHUT_RDWR)
    wait_until("the other answer", lambda: ask(proxied).status == 403)


POST = b"POST /x HTTP/1.1\r\nHost: a.test\r\n"


def test_forward_body(server, routed):
    app, auth = server(), server(says())
    config = through(app, auth, forwardBody=True)
    proxied = routed(config)
    big = bytes(range(256)) * 4096
    client = proxied.connect()
    for head, body in ((b"Content-Length: 3\r\n\r\nabc", b"abc"), (b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", b"abcde"),
                       (b"Content-Length: %d\r\n\r\n" % len(big) + big, big), (b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b""),
                       (b"Content-Length: 0\r\n\r\n", b"")):
        assert ask(proxied, client=client, data=POST + head).status == 200
        assert (auth.requests[-1].body, app.requests[-1].body) == (body, body)
    config["middlewares"]["a"]["forwardAuth"]["maxBodySize"] = 4
    proxied.change(config)
    count = len(auth.requests)
    for head, status in ((b"Content-Length: 4\r\n\r\nabcd", 200), (b"Content-Length: 5\r\n\r\nabcde", 401),
                         (b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 401)):
        answer = ask(proxied, data=POST + head)
        assert answer.status == status and (status == 200 or answer.body == b"")
    assert len(auth.requests) == count + 1


@pytest.mark.parametrize("status", ["200 OK", "403 No"])
def test_max_response_body_size(server, routed, status):
    app, auth = server(), server(says(status, body=b"12345"))
    config = through(app, auth, maxResponseBodySize=5)
    proxied = routed(config)
    assert ask(proxied).status == int(status[:3])
    config["middlewares"]["a"]["forwardAuth"]["maxResponseBodySize"] = 4
    proxied.change(config)
    answer = ask(proxied)
    assert (answer.status, answer.body) == (401, b"")


def endless(status):
    def handler(peer, server):
        with contextlib.suppress(EOFError, OSError):
            server.requests.append(peer.request())
            peer.send(b"HTTP/1.1 %s\r\nContent-Length: 100000000\r\n\r\n" % status)
            for _ in range(1000):
                peer.send(b"x" * 100000)
            server.requests.append("all")
            peer.rest()
    return handler


def test_a_hundred_megabytes(server, routed):
    app, auth = server(), server(endless(b"403 No"))
    proxied = routed(through(app, auth))
    before = proxied.resident_kib()
    answer = ask(proxied)
    assert (answer.status, answer.body) == (401, b"")
    assert proxied.resident_kib() - before < 16 * 1024 and "all" not in auth.requests


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
                                    b"HTTP/1.1 403 No\r\nContent-Length: 10\r\n\r\nhalf", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"])
def test_lies(server, routed, answer):
    def liar(peer, server):
        peer.request()
        peer.send(answer)
    app, auth = server(), server(liar)
    proxied = routed(through(app, auth))
    got = ask(proxied)
    assert (got.status, got.body) == (500, b"") and not app.requests


def test_nobody_there(server, routed):
    app, dead = server(), server()
    dead.close()
    answer = ask(routed(through(app, dead)))
    assert (answer.status, answer.body) == (500, b"") and not app.requests


def silent(peer, server):
    with contextlib.suppress(EOFError, ConnectionError):
        server.requests.append(peer.request())
        server.going = peer
        peer.rest()


def test_client_leaves_while_it_is_asked(server, routed):
    app, auth = server(), server(silent)
    proxied = routed(through(app, auth, forwardBody=True))
    client = proxied.connect()
    client.send(POST + b"Content-Length: 3\r\n\r\nabc")
    wait_until("the question", lambda: auth.requests)
    client.reset()
    auth.handler = says()
    assert ask(proxied).status == 200  # what is left over is looked for at the end of every test


def test_a_change_in_the_middle(server, routed):
    app, auth, other = server(), server(silent), server(says("403 No"))
    config = through(app, auth, authResponseHeaders=["X-User"])
    proxied = routed(config)
    client = proxied.connect()
    client.send(get("/x"))
    wait_until("the question", lambda: auth.requests and getattr(auth, "going", None))
    config["middlewares"]["a"]["forwardAuth"] = {"address": url(other)}
    proxied.change(config)
    auth.going.send(ok(b"", "X-User: bob"))
    assert client.response().status == 200 and app.requests[-1].get("x-user") == "bob"
    client.send(get("/x"))
    assert client.response().status == 403


@pytest.mark.parametrize("options, text", [
    ({}, "forwardAuth.address is missing"),
    ({"address": "https://auth.test/", "tls": {"cert": "/x"}}, "cert and key go together"),
    ({"address": "ftp://auth.test/"}, '"ftp" is neither http nor https'),
    ({"address": "http://bob:secret@auth.test/"}, "holds a user"),
    ({"address": "auth.test"}, "forwardAuth.address: "),
    ({"address": "http://auth.test/?a=b c"}, "control characters in its query"),
    ({"address": "http://auth.test/%zz"}, "escapes that are none"),
    ({"address": "http://127.0.0.1:1", "authResponseHeaders": ["X Y"]}, 'authResponseHeaders "X Y" is no name'),
])
def test_wrong_options_disable_the_router(server, routed, options, text):
    app = server()
    proxied = routed(one_route(app, {"a": {"forwardAuth": options}}))
    assert ask(proxied).status == 404
    proxied.router.wait_log(text)
    assert "secret" not in proxied.router.log()


@pytest.mark.parametrize("trust, fields, port", [
    (False, ["X-Forwarded-Proto: https"], "80"), (False, ["X-Forwarded-Proto: wss", "X-Forwarded-Port: 4443"], "80"),
    (True, ["X-Forwarded-Proto: wss"], "443"), (True, ["X-Forwarded-Proto: https", "X-Forwarded-Port: 4443"], "4443"),
])
def test_the_port_goes_with_the_scheme_that_is_told(server, routed, trust, fields, port):
    app, auth = server(), server(says())
    proxied = routed(through(app, auth, trustForwardHeader=trust), insecure=True)
    assert ask(proxied, *fields).status == 200
    assert auth.requests[-1].get("x-forwarded-port") == port
    assert auth.requests[-1].get("x-forwarded-proto") == (fields[0].split(": ")[1] if trust else "http")


def chunked(*pieces):
    return POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@pytest.mark.parametrize("inner, statuses", [
    ({"forwardAuth": {"forwardBody": True, "maxBodySize": 10}}, (200, 401)), ({"forwardAuth": {"forwardBody": True}}, (200, 200)),
    ({"buffering": {"maxRequestBodyBytes": 10}}, (200, 413)), ({"buffering": {"maxRequestBodyBytes": 1000000}}, (200, 200)),
])
def test_one_behind_that_wants_the_body_too(server, routed, inner, statuses):
    """Also one that refuses in the middle of it."""
    app, auth = server(), server(says())
    config = through(app, auth, forwardBody=True)
    if "forwardAuth" in inner:
        inner["forwardAuth"]["address"] = url(auth)
    config["middlewares"]["b"] = inner
    config["routers"]["all"]["middlewares"] = ["a", "b"]
    proxied = routed(config)
    for pieces, status in (((b"short",), statuses[0]), ([b"x" * 50000] * 5, statuses[1])):
        for _ in range(3):
            answer = ask(proxied, data=chunked(*pieces))
            assert answer.status == status, (inner, len(pieces))
        if status == 200:
            assert app.requests[-1].body == b"".join(pieces)


def test_a_server_that_decides_goes_away_within_the_body(server, routed):
    def rude(peer, server):
        peer.head()
        peer.reset()

    app, auth = server(), server(rude)
    proxied = routed(through(app, auth, forwardBody=True))
    for _ in range(5):
        answer = ask(proxied, data=POST + b"Content-Length: 3000000\r\n\r\n" + b"b" * 3000000)
        assert (answer.status, answer.body) == (500, b"")
    assert not app.requests
