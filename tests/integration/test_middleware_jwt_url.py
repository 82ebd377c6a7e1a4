"""jwt, jwksUrl: keys that come over http and https: none yet, others, unknown ones, servers that fail, lie or are not believed."""
import base64
import hashlib
import hmac
import http.server
import json
import ssl
import threading

import pytest

from conftest import wait_until
from ports import free_port
from proxying import server  # noqa: F401 a fixture
from rawhttp import get
from routing import balancer, routed  # noqa: F401 fixtures
from tlskit import Maker

pytestmark = pytest.mark.usefixtures("server", "routed")


def coded(data):
    return base64.urlsafe_b64encode(data if isinstance(data, bytes) else json.dumps(data).encode()).decode().rstrip("=")


def secret(kid):
    return f"the secret of {kid}, long enough".encode()


def key_set(*kids):
    return json.dumps({"keys": [{"kty": "oct", "alg": "HS256", "kid": kid, "k": coded(secret(kid))} for kid in kids]}).encode()


def token(kid):
    data = f"{coded({'alg': 'HS256', 'kid': kid})}.{coded({'sub': 'bob'})}"
    return f"{data}.{coded(hmac.new(secret(kid), data.encode(), hashlib.sha256).digest())}"


class Issuer:
    """By path: (status, fields, body), may be changed, and an event to wait for first; .asked: the targets, in their order."""

    def __init__(self, pair=None, client_authority=None):
        self.answers, self.asked, self.waits = {}, [], {}
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.asked.append(self.path)
                if self.path in issuer.waits:
                    issuer.waits[self.path].wait(20)
                status, fields, body = issuer.answers.get(self.path.split("?")[0], (404, {}, b""))
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **fields}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
        if pair:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pair.crt, pair.key)
            if client_authority:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(client_authority.crt)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.server.handle_error = lambda *_: None
        self.url = f"http{'s' if pair else ''}://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def issuer():
    made = []

    def start(pair=None, **options):
        made.append(Issuer(pair, **options))
        return made[-1]
    yield start
    for one in made:
        one.close()


def routes(app, urls):
    """/name wants a token of the keys of that URL."""
    return {"routers": {name: {"rule": f"PathPrefix(`/{name}`)", "service": "all", "middlewares": [name]} for name in urls},
            "middlewares": {name: {"jwt": {"jwksUrl": url}} for name, url in urls.items()}, "services": {"all": balancer(app)}}


def ask(proxied, name, kid=None):
    client = proxied.connect()
    client.send(get(f"/{name}", *([f"Authorization: Bearer {token(kid)}"] if kid else [])))
    return client.response().status


def test_until_keys_come_and_change(server, routed, issuer):
    one = issuer()
    one.answers["/keys"] = (500, {}, key_set("one"))  # the status counts
    proxied = routed(routes(server(), {"a": f"{one.url}/keys?p=hush", "b": f"{one.url}/keys?p=hush"}), workers=2)
    proxied.router.wait_log(rf"no keys from {one.url}/keys: it answers 500 ")
    assert (ask(proxied, "a", "one"), ask(proxied, "a")) == (503, 401)  # fails closed, and is no 404
    mark = proxied.router.mark()
    one.answers["/keys"] = (200, {}, key_set("one"))
    proxied.router.in_force(mark, workers=2)
    assert ask(proxied, "a", "one") == 200
    assert (ask(proxied, "b", "one"), ask(proxied, "a"), set(one.asked)) == (200, 401, {"/keys?p=hush"})
    mark = proxied.router.mark()
    one.answers["/keys"] = (200, {}, key_set("two"))
    assert ask(proxied, "b", "two") == 401
    wait_until("the key that was missed", lambda: ask(proxied, "b", "two") == 200)
    proxied.router.in_force(mark, workers=2)
    assert (ask(proxied, "a", "two"), ask(proxied, "a", "one"), ask(proxied, "b", "three")) == (200, 401, 401)
    assert "hush" not in proxied.router.log()


FAILURES = {"status": ((503, {}, key_set("evil")), "it answers 503"), "garbage": ((200, {}, b"<html>"), "its answer"),
            "empty": ((200, {}, key_set()), "it holds no key that signs tokens"),
            "redirect": ((302, {"Location": "/evil"}, b""), "it answers 302"), "cut": ((200, {"Content-Length": "9999"}, key_set("evil")), ""),
            "long": ((200, {}, key_set("evil") + b" " * (1 << 20)), "its answer is longer than 1048576 bytes")}


def test_the_last_good_keys_stay(server, routed, issuer):
    one, gone = issuer(), issuer()
    one.answers = {f"/{name}": (200, {}, key_set("one")) for name in FAILURES}
    one.answers["/evil"] = (200, {}, key_set("evil"))
    gone.answers["/gone"] = (200, {}, key_set("one"))
    urls = {**{name: f"{one.url}/{name}" for name in FAILURES}, "gone": f"{gone.url}/gone"}
    config = routes(server(), urls)
    proxied = routed(config)
    for name in urls:
        wait_until(name, lambda name=name: ask(proxied, name, "one") == 200)
    one.answers.update({f"/{name}": answer for name, (answer, _) in FAILURES.items()})
    gone.close()
    mark = proxied.router.mark()
    for name in urls:
        assert ask(proxied, name, "evil") == 401  # missed: asked for
    for name, url in urls.items():
        words = FAILURES[name][1] if name in FAILURES else "refused"
        proxied.router.wait_log(rf"no keys from {url}: .*{words}.*; those that it gave before stay in force", mark)
    config["routers"]["more"] = {"rule": "Path(`/more`)", "service": "all"}
    proxied.change(config)
    for name in urls:
        assert (ask(proxied, name, "one"), ask(proxied, name, "evil")) == (200, 401), name
    assert "/evil" not in one.asked


def test_keys_outlive_a_master(server, routed, issuer):
    one = issuer()
    one.answers["/keys"] = (200, {}, key_set("one"))
    proxied = routed(routes(server(), {"a": f"{one.url}/keys"}))
    wait_until("keys", lambda: ask(proxied, "a", "one") == 200)
    one.answers["/keys"] = (500, {}, b"")
    for _ in range(2):
        proxied.router.wait_log(r"no keys from .*: it answers 500; those that it gave before stay in force",
                                proxied.router.kill_master())
        assert (ask(proxied, "a", "one"), ask(proxied, "a", "two")) == (200, 401)


def test_https_is_verified(server, routed, issuer, tmp_path, monkeypatch):
    maker = Maker(tmp_path)
    authority, stranger = maker.authority("authority"), maker.authority("stranger")
    names = ["IP:127.0.0.1"]
    good, bad, other = [issuer(pair) for pair in (maker.signed("good", authority, names), maker.signed("bad", stranger, names),
                                                  maker.signed("other", authority, ["IP:127.0.0.2"]))]
    for one in (good, bad, other):
        one.answers["/"] = (200, {}, key_set("one"))
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.crt))
    proxied = routed(routes(server(), {"good": good.url, "bad": bad.url, "other": other.url}))
    wait_until("keys", lambda: ask(proxied, "good", "one") == 200)
    for name, one in (("bad", bad), ("other", other)):
        proxied.router.wait_log(rf"no keys from {one.url}: ")
        assert (ask(proxied, name, "one"), one.asked) == (503, [])


def test_client_config(server, routed, issuer, tmp_path):
    maker = Maker(tmp_path)
    authority, stranger = maker.authority("authority"), maker.authority("stranger")
    own = maker.signed("own", stranger, ["DNS:weir.test"])
    one = issuer(maker.signed("one", authority, ["IP:127.0.0.1"]), client_authority=stranger)
    one.answers["/"] = (200, {}, key_set("one"))
    pair = {"cert": own.pem, "key": str(own.key)}
    ways = {"good": {"ca": str(authority.crt), **pair}, "any": {"insecureSkipVerify": True, **pair}, "stranger": {"ca": str(stranger.crt), **pair},
            "unknown": {"ca": str(authority.crt)}}
    config = routes(server(), {name: one.url for name in ways})
    for name, tls in ways.items():
        config["middlewares"][name]["jwt"]["clientConfig"] = {"tls": tls, "maxRetries": 0, "timeoutSeconds": 20}
    proxied = routed(config)
    for name in ("good", "any"):
        wait_until(name, lambda name=name: ask(proxied, name, "one") == 200)
    wait_until("both others failed", lambda: proxied.router.log().count(f"no keys from {one.url}") >= 2)
    assert (ask(proxied, "stranger", "one"), ask(proxied, "unknown", "one"), one.asked) == (503, 503, ["/", "/"])
    assert "PRIVATE KEY" not in proxied.router.log()


def test_an_answer_that_takes_too_long(server, routed, issuer):
    one, again = issuer(), threading.Event()
    one.answers = {"/slow": (200, {}, key_set("one")), "/twice": (500, {}, b"")}
    one.waits["/slow"] = again
    config = routes(server(), {"slow": f"{one.url}/slow", "twice": f"{one.url}/twice"})
    config["middlewares"]["slow"]["jwt"]["clientConfig"] = {"timeoutSeconds": 1, "maxRetries": 0}
    config["middlewares"]["twice"]["jwt"]["clientConfig"] = {"maxRetries": 2}
    proxied = routed(config)
    proxied.router.wait_log(rf"WRN jwt: no keys from {one.url}/twice: it answers 500")
    assert one.asked.count("/twice") == 3
    proxied.router.wait_log(rf"WRN jwt: no keys from {one.url}/slow: ")
    assert ask(proxied, "slow", "one") == 503
    again.set()
    wait_until("it is asked again", lambda: ask(proxied, "slow", "one") == 200)


def test_servers_that_hang_keep_nobody_from_their_keys(server, routed, issuer):
    """However many there are, and however long they may take."""
    one, never = issuer(), threading.Event()
    names = [f"hangs{i}" for i in range(40)]
    one.answers["/keys"] = (200, {}, key_set("one"))
    one.waits = {f"/{name}": never for name in names}
    config = routes(server(), {**{name: f"{one.url}/{name}" for name in names}, "good": f"{one.url}/keys"})
    for middleware in config["middlewares"].values():
        middleware["jwt"]["clientConfig"] = {"timeoutSeconds": 300}
    proxied = routed(config)
    wait_until("the keys are there", lambda: ask(proxied, "good", "one") == 200)
    assert ask(proxied, names[0], "one") == 503
    never.set()


@pytest.mark.parametrize("options, words", [({"tls": {"cert": "/a"}}, "cert and key need each other"), ({"tls": {"ca": "/not/there"}}, r"clientConfig\.tls\.ca: "),
                                            ({"tls": {"ca": "-----BEGIN CERTIFICATE-----\nx"}}, r"clientConfig\.tls: "), ({"timeoutSeconds": 0}, "timeoutSeconds"),
                                            ({"maxRetries": -1}, "maxRetries")])
def test_wrong_client_configs(server, routed, options, words):
    config = routes(server(), {"a": "http://127.0.0.1:9/"})
    config["middlewares"]["a"]["jwt"]["clientConfig"] = options
    proxied = routed(config)
    assert ask(proxied, "a", "one") == 404
    proxied.router.wait_log(words)


@pytest.mark.parametrize("url, words", [("keys.test/a", "it does not begin with a scheme"), ("ftp://a.test/keys", "its scheme is none of http and https"),
                                        ("https://bob:hush@a.test/keys", "it holds a user"), ("https://a.test/?a b", "blanks"), ("https://a.test:0/", "no port")])
def test_wrong_urls(server, routed, url, words):
    proxied = routed(routes(server(), {"a": url}))
    assert ask(proxied, "a", "one") == 404
    proxied.router.wait_log(rf"jwt\.jwksUrl: .*{words}")
