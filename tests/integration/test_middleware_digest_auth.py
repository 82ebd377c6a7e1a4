"""digestAuth: who passes (curl as the client), what the server gets, users files, and that each proof lets one request pass."""
import hashlib
import os
import re
import subprocess

import pytest

from conftest import wait_until
from h2kit import Http2
from proxying import server  # noqa: F401 a fixture
from rawhttp import get
from routing import one_route, routed  # noqa: F401 fixtures

pytestmark = pytest.mark.usefixtures("server", "routed")


def md5(*parts):
    return hashlib.md5(":".join(parts).encode()).hexdigest()


def line(user, password, realm="traefik"):
    return f"{user}:{realm}:{md5(user, realm, password)}"


def through(app, **options):
    return one_route(app, {"a": {"digestAuth": options}})


def ask(proxied, *fields, target="/x", method="GET", client=None):
    client = client or proxied.connect()
    client.send(get(target, *fields, method=method))
    return client.response(method)


def challenge(answer):
    """{parameter: value} of a 401."""
    assert answer.status == 401 and answer.body in (b"401 Unauthorized\n", b""), answer
    assert answer.get("content-type") == "text/plain"
    kind, _, rest = answer.get("www-authenticate").partition(" ")
    assert kind == "Digest"
    return dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', rest))


class Session:
    """What a client makes of one challenge."""

    def __init__(self, told, user="bob", password="secret"):
        self.told, self.user, self.password, self.count = told, user, password, 0

    def field(self, target="/x", method="GET", count=None, **other):
        self.count = count or self.count + 1
        nc = f"{self.count:08x}"
        values = {"username": self.user, "realm": self.told["realm"], "nonce": self.told["nonce"], "uri": target, "cnonce": "me",
                  "opaque": self.told["opaque"], **other}
        ha1 = other.pop("ha1", md5(self.user, self.told["realm"], self.password))
        values.pop("ha1", None)
        response = md5(ha1, values["nonce"], nc, values["cnonce"], "auth", md5(method, values["uri"]))
        return "Authorization: Digest " + ", ".join(f'{k}="{v}"' for k, v in values.items()) + f', algorithm=MD5, qop=auth, nc={nc}, response="{response}"'


def session(proxied, **who):
    return Session(challenge(ask(proxied)), **who)


def curl(proxied, user, *more, path="/x"):
    got = subprocess.run(["curl", "-s", "--noproxy", "*", "--digest", "-u", user, "-o", "/dev/null", "-w", "%{http_code}", *more,
                          f"http://127.0.0.1:{proxied.port}{path}"], capture_output=True, text=True, timeout=30)
    return int(got.stdout)


def test_curl_logs_in(server, routed):
    app = server()
    proxied = routed(through(app, users=[line("bob", "secret"), line("eve", "pass:word"), line("bob", "elsewhere", "other"), line("two", "old"), line("two", "new")]))
    for user, status in (("bob:secret", 200), ("eve:pass:word", 200), ("bob:wrong", 401), ("bob:", 401), ("nobody:secret", 401), ("bob:elsewhere", 401),
                         ("two:new", 200), ("two:old", 401)):
        for method in ("GET", "POST", "DELETE"):
            assert curl(proxied, user, "-X", method, path="/a/b?c=d%20e") == status, (user, method)


def test_over_http2(server, routed):
    """By hand: curl does not ask again there."""
    app = server()
    proxied = routed(through(app, users=[line("bob", "secret")]))
    h2, s = Http2(proxied.connect()), session(proxied)
    for wanted in (200, 401, 200):
        field = s.field("/a/b?c=d%20e") if wanted == 200 else field
        assert h2.answer(h2.request("/a/b?c=d%20e", ("authorization", field.partition(": ")[2]))).status == wanted


def test_the_challenge(server, routed):
    app = server()
    proxied = routed(through(app, users=[line("bob", "secret")]))
    first, second = challenge(ask(proxied)), challenge(ask(proxied))
    assert first.pop("nonce") != second.pop("nonce")
    assert first == second == {"realm": "traefik", "opaque": first["opaque"], "algorithm": "MD5", "qop": "auth"}
    assert not app.requests


def test_a_proof_is_good_once(server, routed):
    """Also when it comes to another worker; later counts of the same nonce go on."""
    app = server()
    proxied = routed(through(app, users=[line("bob", "secret")]), workers=2)
    s = session(proxied)
    first = s.field()
    assert ask(proxied, first).status == 200
    for _ in range(8):  # connections are spread over the workers
        assert "stale" not in challenge(ask(proxied, first))
    for _ in range(8):
        assert ask(proxied, s.field()).status == 200
    assert challenge(ask(proxied, s.field(count=4)))["stale"] == "true"
    assert ask(proxied, s.field(count=0xffffffff)).status == 200
    assert len(app.requests) == 10


def test_who_does_not_pass(server, routed):
    app = server()
    proxied = routed(through(app, users=[line("bob", "secret")]))
    s = session(proxied)
    for field in (s.field(opaque="other"), s.field(nonce="AAAA"), s.field(nonce="A" * 32), s.field(target="/other"), s.field(method="POST"), s.field(target="/x/y"),
                  s.field(username="eve"), s.field(username=""), s.field(username="eve", ha1=""), s.field(username="eve", ha1="0" * 32), s.field(cnonce="a").replace('cnonce="a"', 'cnonce="b"'),
                  s.field().replace("qop=auth", "qop=auth-int"), s.field().replace("MD5", "SHA-256"), s.field() + ",", s.field() + ', username="bob"',
                  s.field().replace("Digest", "Basic"), s.field(count=1).replace("nc=00000001", "nc=00000000")):
        assert "stale" not in challenge(ask(proxied, field)), field
    assert not app.requests
    assert ask(proxied, s.field()).status == 200


def test_paths(server, routed):
    """The client means what it asks for, however it spells it, or a path in front of it."""
    app = server()
    proxied = routed(through(app, users=[line("bob", "secret")]))
    s = session(proxied)
    for target, asked, status in (("/x?a=1", "/x?a=1", 200), ("/x?a=1", "/x?a=2", 200), ("/x/y", "/x", 200), ("/", "/x", 401), ("/a/../x", "/a/../x", 200),
                                  ("/x%2Fy", "/x%2Fy", 200), ("/x", "http://127.0.0.1/x", 200), ("/x", "/%zz", 401), ("/é", "/%C3%A9", 200)):
        answer = ask(proxied, s.field(target=asked), target=target.replace("é", "%C3%A9"))
        assert answer.status == status, (target, asked)


def test_what_the_server_gets(server, routed):
    app = server()
    config = through(app, users=[line("bob", "secret"), line("bob", "secret", "the \"office\"")])
    proxied = routed(config)
    s = session(proxied)
    assert ask(proxied, s.field(), "X-User: eve").status == 200
    assert app.requests[-1].get("authorization").startswith("Digest ") and app.requests[-1].all("x-user") == ["eve"]
    config["middlewares"]["a"]["digestAuth"].update(headerField="X-User", removeHeader=True)
    proxied.change(config)
    assert ask(proxied, s.field(), "x-user: eve", "X_User: mallory").status == 200  # the nonce outlives the change
    got = app.requests[-1]
    assert (got.get("authorization"), got.all("x-user"), got.get("x_user")) == (None, ["bob"], None)
    assert challenge(ask(proxied, s.field(count=1)))["stale"] == "true"  # so do its counts
    config["middlewares"]["a"]["digestAuth"]["realm"] = "the \"office\""
    proxied.change(config)
    assert challenge(ask(proxied))["realm"] == 'the \\"office\\"'
    assert curl(proxied, "bob:secret") == 200


def test_users_file(server, routed, tmp_path):
    app, path = server(), tmp_path / "users"
    path.write_text(f"# people\n\n {line('bob', 'from file')}\n{line('both', 'from file')}\n")
    proxied = routed(through(app, usersFile=str(path), users=[line("both", "inline")]))
    assert [curl(proxied, who) for who in ("bob:from file", "both:inline", "both:from file")] == [200, 200, 401]

    def put(text):
        part = tmp_path / "part"
        part.write_text(text)
        os.rename(part, path)

    put(line("bob", "changed") + "\n")
    wait_until("the new password of bob", lambda: curl(proxied, "bob:changed") == 200)
    assert curl(proxied, "bob:from file") == 401
    mark = proxied.router.mark()
    put("bob:traefik:plain text\n")
    proxied.router.wait_log(r'usersFile .*line 1: user "bob": the hash is not .*users that it held before stay', start=mark)
    assert curl(proxied, "bob:changed") == 200
    assert "plain text" not in proxied.router.log()


@pytest.mark.parametrize("options, text", [
    ({"users": ["bob:" + "0" * 32]}, r"users\[0\]: a user is written name:realm:hash"),
    ({"users": ["a:b:c:" + "0" * 32]}, r"users\[0\]: a user is written name:realm:hash"),
    ({"users": [":traefik:" + "0" * 32]}, r"users\[0\]: a user without a name"),
    ({"users": ["bob:traefik:" + "0" * 31 + "g"]}, r'users\[0\]: user "bob": the hash is not 32 hexadecimal digits'),
    ({"usersFile": "/nowhere/users"}, "usersFile /nowhere/users: .*No such file"),
    ({"users": [line("bob", "x")], "headerField": "X User"}, 'headerField "X User" is no name'),
])
def test_wrong_options_disable_the_router(server, routed, options, text):
    app = server()
    config = through(app, **options)
    config["routers"]["other"] = {"rule": "Path(`/other`)", "service": "all", "priority": 1000}
    proxied = routed(config)
    assert ask(proxied).status == 404
    assert ask(proxied, target="/other").status == 200
    proxied.router.wait_log(text)
    assert "0" * 31 not in proxied.router.log()


def test_nobody_without_users(server, routed):
    proxied = routed(through(server(), users=[]))
    s = session(proxied)
    assert [challenge(ask(proxied, s.field(**how))).get("stale") for how in ({}, {"ha1": ""})] == [None, None]
