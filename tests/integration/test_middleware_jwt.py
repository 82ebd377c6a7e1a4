"""jwt: tokens of every algorithm, keys of every source, what is no token, claims, headers from claims, key files that change."""
import base64
import hashlib
import hmac
import json
import os
import subprocess
import time

import pytest

from conftest import BINARY, wait_until
from proxying import server  # noqa: F401 a fixture
from rawhttp import get
from routing import one_route, routed  # noqa: F401 fixtures
from tlskit import openssl

pytestmark = pytest.mark.usefixtures("server", "routed")
KINDS = {"rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "other": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
         "short": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"],
         "ES256": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], "ES384": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
         "ES512": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"], "EdDSA": ["-algorithm", "ED25519"], "X25519": ["-algorithm", "X25519"]}
SIZES = {"ES256": 32, "ES384": 48, "ES512": 66}


def coded(data):
    return base64.urlsafe_b64encode(data if isinstance(data, bytes) else json.dumps(data).encode()).decode().rstrip("=")


def raw_of_der(der, size):
    """r and s of an ECDSA signature side by side."""
    numbers, at = [], 3 if der[1] & 0x80 else 2
    for _ in range(2):
        length = der[at + 1]
        numbers.append(int.from_bytes(der[at + 2:at + 2 + length], "big"))
        at += 2 + length
    return b"".join(n.to_bytes(size, "big") for n in numbers)


class Key:
    def __init__(self, folder, name):
        self.name, self.path = name, folder / f"{name}.pem"
        openssl(folder, "genpkey", *KINDS[name], "-out", f"{name}.pem")
        openssl(folder, "pkey", "-in", f"{name}.pem", "-pubout", "-out", f"{name}.pub")
        openssl(folder, "pkey", "-in", f"{name}.pem", "-pubout", "-outform", "DER", "-out", f"{name}.der")
        self.pub, self.pem, self.der = folder / f"{name}.pub", (folder / f"{name}.pub").read_text(), (folder / f"{name}.der").read_bytes()

    def sign(self, algorithm, data):
        (self.path.parent / "data").write_bytes(data)
        more = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"] if algorithm.startswith("PS") else []
        command = ["pkeyutl", "-sign", "-rawin", "-inkey", self.path, "-in", "data"] if algorithm == "EdDSA" else \
            ["dgst", f"-sha{algorithm[2:]}", "-sign", self.path, *more, "data"]
        done = subprocess.run(["openssl", *command], cwd=self.path.parent, capture_output=True, check=True).stdout
        return raw_of_der(done, SIZES[algorithm]) if algorithm.startswith("ES") else done

    def jwk(self, **more):
        if self.name in SIZES:
            size = SIZES[self.name]
            point = self.der[-2 * size:]
            return {"kty": "EC", "crv": {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}[self.name], "x": coded(point[:size]), "y": coded(point[size:]), **more}
        if self.name == "EdDSA":
            return {"kty": "OKP", "crv": "Ed25519", "x": coded(self.der[-32:]), **more}
        modulus = subprocess.run(["openssl", "rsa", "-pubin", "-in", self.pub, "-noout", "-modulus"], capture_output=True, text=True, check=True).stdout
        return {"kty": "RSA", "n": coded(bytes.fromhex(modulus.strip().split("=")[1])), "e": "AQAB", **more}


class Secret:
    def __init__(self, text):
        self.text = text

    def sign(self, algorithm, data):
        return hmac.new(self.text, data, getattr(hashlib, f"sha{algorithm[2:]}")).digest()


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    return {name: Key(folder, name) for name in KINDS}


def token(key, algorithm, claims=None, **header):
    head = {"alg": algorithm, "typ": "JWT", **header}
    data = f"{coded(head)}.{coded({'sub': 'bob'} if claims is None else claims)}"
    return f"{data}.{coded(key.sign(algorithm, data.encode()))}"


def through(app, **options):
    return one_route(app, {"a": {"jwt": options}})


def ask(proxied, *fields, target="/x"):
    client = proxied.connect()
    client.send(get(target, *fields))
    return client.response()


def bears(proxied, text):
    return ask(proxied, f"Authorization: Bearer {text}").status


SECRET = Secret(b"a secret of some length")


def test_every_algorithm(server, routed, keys):
    """Of keys of each kind; each is taken for what it is for, and for nothing else."""
    app = server()
    config = through(app, signingSecret=SECRET.text.decode())
    algorithms = {"rsa": ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"], **{name: [name] for name in ("ES256", "ES384", "ES512", "EdDSA")}}
    proxied = routed(config)
    signed = {name: [token(keys[name], algorithm) for algorithm in names] for name, names in algorithms.items()}
    signed["secret"] = [token(SECRET, algorithm) for algorithm in ("HS256", "HS384", "HS512")]
    options = {"secret": {"signingSecret": SECRET.text.decode()}, "rsa": {"publicKey": keys["rsa"].pem}, "ES256": {"publicKey": str(keys["ES256"].pub)},
               **{name: {"jwksFile": json.dumps({"keys": [keys[name].jwk()]})} for name in ("ES384", "ES512", "EdDSA")}}
    for name, jwt in options.items():
        if name != "secret":
            config["middlewares"]["a"]["jwt"] = jwt
            proxied.change(config)
        for other, texts in signed.items():
            for text in texts:
                assert bears(proxied, text) == (200 if other == name else 401), (name, other)
                assert bears(proxied, text) == (200 if other == name else 401), (name, other)  # now it may be remembered
    assert app.requests[-1].get("authorization") is None


def test_algorithms_cannot_be_confused(server, routed, keys):
    proxied = routed(through(server(), publicKey=keys["rsa"].pem))
    good = token(keys["rsa"], "RS256")
    head, body, signature = good.split(".")
    assert bears(proxied, good) == 200
    for text in (token(Secret(keys["rsa"].pem.encode()), "HS256"), token(Secret(keys["rsa"].der), "HS256"), token(Secret(b""), "HS256"),
                 f"{coded({'alg': 'none'})}.{body}.", f"{coded({'alg': 'none'})}.{body}.{signature}", f"{coded({'alg': 'None'})}.{body}.AA", f"{coded({})}.{body}.{signature}",
                 f"{coded({'alg': 'RS384'})}.{body}.{signature}", f"{coded({'alg': 'PS256'})}.{body}.{signature}", f"{coded({'alg': ['RS256']})}.{body}.{signature}",
                 token(keys["rsa"], "RS256", crit=["exp"], exp=1), token(keys["rsa"], "RS256", jwk=keys["other"].jwk())[:-2], token(keys["other"], "RS256", jwk=keys["other"].jwk())):
        assert bears(proxied, text) == 401, text


def test_what_is_no_token(server, routed):
    proxied = routed(through(server(), signingSecret=SECRET.text.decode()))
    good = token(SECRET, "HS256")
    head, body, signature = good.split(".")
    assert bears(proxied, good) == 200

    def signed(head, body):
        return f"{head}.{body}.{coded(SECRET.sign('HS256', f'{head}.{body}'.encode()))}"

    last = signature[-1]
    stray = chr(ord(last) + 1) if last not in "Zz9-_" else last + "A"  # other bits at the end that mean nothing
    for text in ("", ".", "..", "...", good + ".", "." + good, good + "=", good[:-1], f"{head}.{body}", f"{head}.{body}.", f"{head}..{signature}", f"{head}.{body}x.{signature}",
                 f"{head}.{body}.{signature[:-1]}{stray}", good.replace(".", ". ", 1), signed(head + "=", body), signed(coded(b"{"), body), signed(coded(b"[]"), body), signed(coded(b'"x"'), body),
                 signed(coded(b'{"alg":"HS256","alg":"HS256"}'), body), signed(head, coded(b"[1]")), signed(head, coded(b"{} x")), signed(head, coded(b"\xff")), signed(head, coded(b"")),
                 signed(head, coded(b'{"a":1,"a":2}')), signed(coded({"alg": "HS256", "x": "y" * 4000}), body), signed(head, coded({"x": "y" * 7000})) + "x" * 20000):
        assert ask(proxied, f"Authorization: Bearer {text}").status in (401, 431), text
    for field in ("X: y", "Authorization: " + good, "Authorization: Basic " + good, "Authorization: Bearer"):
        answer = ask(proxied, field)
        assert (answer.status, answer.get("www-authenticate"), answer.body) == (401, "Bearer", b"Unauthorized\n")
    assert ask(proxied, "Authorization: Bearer x").get("www-authenticate") == 'Bearer error="invalid_token"'
    assert bears(proxied, signed(head, coded({"x": "y" * 5000}))) == 200


def test_times(server, routed):
    config = through(server(), signingSecret=SECRET.text.decode())
    proxied = routed(config)
    now = int(time.time())
    cases = [({"exp": now + 1000, "nbf": now - 1000, "iat": now - 1000}, 200), ({"exp": now - 100}, 401), ({"nbf": now + 100}, 401), ({"iat": now + 100}, 401), ({"exp": now + 1000.5}, 200),
             ({"exp": str(now + 1000)}, 401), ({"exp": None}, 401), ({"nbf": "x"}, 401), ({"iat": []}, 401), ({"exp": 10**300}, 200), ({"exp": 0}, 401), ({"exp": -1}, 401), ({}, 200)]
    for claims, status in cases:
        assert bears(proxied, token(SECRET, "HS256", claims)) == status, claims
    config["middlewares"]["a"]["jwt"]["leeway"] = "1000s"
    proxied.change(config)
    for claims, status in (({"exp": now - 100}, 200), ({"nbf": now + 100, "iat": now + 100}, 200), ({"exp": now - 2000}, 401), ({"nbf": now + 3000}, 401)):
        assert bears(proxied, token(SECRET, "HS256", claims)) == status, claims


def test_issuers_and_audiences(server, routed):
    proxied = routed(through(server(), signingSecret=SECRET.text.decode(), issuers=["https://a.test", "b"], audiences=["here", "there"]))
    for claims, status in (({"iss": "b", "aud": "here"}, 200), ({"iss": "https://a.test", "aud": ["x", "there"]}, 200), ({"iss": "b"}, 401), ({"aud": "here"}, 401), ({"iss": "c", "aud": "here"}, 401),
                           ({"iss": ["b"], "aud": "here"}, 401), ({"iss": "b", "aud": ["x"]}, 401), ({"iss": "b", "aud": []}, 401), ({"iss": "b", "aud": {"here": 1}}, 401)):
        assert bears(proxied, token(SECRET, "HS256", claims)) == status, claims


CLAIMS = {"active": True, "grp": "admin", "scope": "reader writer deploy", "referrer": "http://example.com/foo/bar", "areas": ["office", "home"],
          "user": {"name": "John Snow", "a.b": {"c\\d": 7}}}


def test_claims(server, routed):
    config = through(server(), signingSecret=SECRET.text.decode(), claims="Equals(`grp`, `admin`)")
    proxied = routed(config)
    answer = ask(proxied, "Authorization: Bearer " + token(SECRET, "HS256", {"grp": "user"}))
    assert (answer.status, answer.body) == (403, b"Forbidden\n")
    assert bears(proxied, token(SECRET, "HS256", CLAIMS)) == 200
    config["middlewares"]["a"]["jwt"]["claims"] = r"(Equals(`grp`,`x`) || SplitContains(`scope`, ` `, `writer`)) && !Contains(`areas`, `cellar`) && Equals(`user.a\.b.c\\d`, `7`)"
    proxied.change(config)
    assert bears(proxied, token(SECRET, "HS256", CLAIMS)) == 200
    assert bears(proxied, token(SECRET, "HS256", {**CLAIMS, "scope": "rewriter"})) == 403


def test_what_the_server_gets(server, routed):
    app = server()
    config = through(app, signingSecret=base64.b64encode(SECRET.text).decode(), signingSecretBase64Encoded=True, tokenKey="access_token", forwardAuthorization=True,
                     forwardHeaders={"Group": "grp", "x-expires": "exp", "X-Areas": "areas", "X-Name": "user.name", "X-Gone": "gone", "X-User": "user", "X-Bad": "bad", "X-On": "active"})
    proxied = routed(config)
    text = token(SECRET, "HS256", {**CLAIMS, "exp": 99999999999, "bad": "a\r\nX-Evil: 1"})
    lies = ("group: lie", "X_Expires: lie", "X-Gone: lie", "X-Bad: lie")
    assert ask(proxied, f"Authorization: Bearer {text}", *lies).status == 200
    got = app.requests[-1]
    assert [got.all(name) for name in ("group", "x-expires", "x-areas", "x-name", "x-gone", "x-bad", "x-on", "x-evil", "x_expires")] == [
        ["admin"], ["99999999999"], ["office,home"], ["John Snow"], [""], [""], ["true"], [], []]
    assert json.loads(got.get("x-user")) == CLAIMS["user"] and got.get("authorization") == f"Bearer {text}"
    assert ask(proxied, f"Authorization: Bearer {text}", "Authorization: Bearer another").status == 200
    assert app.requests[-1].all("authorization") == [f"Bearer {text}"]  # the one that was looked at
    assert ask(proxied, target=f"/?x=1&access_token={text}").status == 200
    assert ask(proxied, "Authorization: Bearer x", target=f"/?access_token={text}").status == 401  # the header counts first
    assert ask(proxied, target="/?access_token=x").status == 401
    config["middlewares"]["a"]["jwt"].update(forwardAuthorization=False, tokenKey="")
    proxied.change(config)
    assert ask(proxied, f"Authorization: Bearer {text}").status == 200 and app.requests[-1].get("authorization") is None
    assert ask(proxied, target=f"/?access_token={text}").status == 401


def test_key_sets(server, routed, keys, tmp_path):
    """By kid; what is for something else does not count; a file that changes, also for the worse."""
    path = tmp_path / "keys.json"

    def put(*items):
        part = tmp_path / "part"
        part.write_text(json.dumps({"keys": items}))
        os.rename(part, path)

    put(keys["rsa"].jwk(kid="one", alg="PS256", use="sig"), keys["ES256"].jwk(kid="two"), keys["EdDSA"].jwk(), keys["other"].jwk(kid="enc", use="enc"),
        {"kty": "oct", "k": coded(SECRET.text), "kid": "oct"}, {"kty": "new"}, {"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"})
    proxied = routed(through(server(), jwksFile=str(path)))
    cases = [(keys["rsa"], "PS256", "one", 200), (keys["rsa"], "RS256", "one", 401), (keys["rsa"], "PS256", "two", 401), (keys["rsa"], "PS256", None, 401), (keys["ES256"], "ES256", "two", 200),
             (keys["ES256"], "ES256", "three", 401), (keys["EdDSA"], "EdDSA", None, 200), (keys["EdDSA"], "EdDSA", "one", 401), (keys["other"], "RS256", "enc", 401), (SECRET, "HS256", "oct", 200)]
    for key, algorithm, kid, status in cases:
        assert bears(proxied, token(key, algorithm, **({"kid": kid} if kid else {}))) == status, (algorithm, kid)
    put(*[keys[name].jwk() for name in ("rsa", "rsa", "rsa", "other", "ES384", "ES384", "ES512", "ES512")])
    several = token(keys["other"], "RS256")
    wait_until("keys without names", lambda: bears(proxied, several) == 200)  # the fourth of four
    assert [bears(proxied, token(keys[name], name)) for name in ("ES384", "ES512")] == [200, 200]
    put(keys["ES256"].jwk(kid="two"))
    old, new = token(keys["ES256"], "ES256", kid="two"), token(keys["ES384"], "ES384", kid="new")
    wait_until("the old key", lambda: bears(proxied, old) == 200)
    put(keys["ES384"].jwk(kid="new"))
    wait_until("the new key", lambda: bears(proxied, new) == 200)
    assert bears(proxied, old) == 401  # though it was remembered
    mark = proxied.router.mark()
    path.write_text('{"keys": [{"kty": "RSA", "n": "!", "e": "AQAB"}]}')
    proxied.router.wait_log(r"jwksFile .*keys\[0\]: n is missing, or no base64url; the keys that it held before stay", start=mark)
    assert bears(proxied, new) == 200


@pytest.mark.parametrize("plugin, kind", [("plugin", "jwt"), ("Plugin", "JWT")])
def test_as_traefik_hub_writes_it(server, routed, plugin, kind):
    """Also the name of the user, for logs."""
    config = through(server())
    config["middlewares"]["a"] = {plugin: {kind: {"signingSecret": "one secret", "usernameClaim": "user.name"}}}
    proxied = routed(config, "--log.level=DEBUG")
    assert bears(proxied, token(Secret(b"one secret"), "HS256", {"user": {"name": "bob\nx"}})) == 200
    assert bears(proxied, token(Secret(b"another"), "HS256")) == 401
    assert bears(proxied, token(Secret(b"one secret"), "HS256", {"user": {"name": "anna"}})) == 200
    proxied.router.wait_log("jwt: the user is anna")
    assert "one secret" not in proxied.router.log() and "\nx" not in proxied.router.log()


def test_a_plugin_of_another_name_is_unknown(server, routed):
    config = through(server())
    config["middlewares"]["a"] = {"plugin": {"jwts": {"signingSecret": "hush"}}}
    proxied = routed(config)
    assert ask(proxied).status == 404
    proxied.router.wait_log("unknown plugin type: jwts")


@pytest.mark.parametrize("options, text", [
    ({}, "jwt: one of signingSecret, publicKey, jwksFile and jwksUrl must be set"),
    ({"jwksUrl": "https://a.test/keys", "signingSecret": "hush"}, "exclude each other"),
    ({"signingSecret": "hush", "publicKey": "x"}, "exclude each other"),
    ({"signingSecret": "hush!", "signingSecretBase64Encoded": True}, "jwt.signingSecret is no base64"),
    ({"publicKey": "/nowhere/key"}, "jwt.publicKey: .*No such file"),
    ({"publicKey": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"}, "jwt.publicKey: it holds no public key"),
    ({"publicKey": "SHORT"}, "jwt.publicKey: an RSA key of 1024 bits"),
    ({"publicKey": "X25519"}, "jwt.publicKey: a key of a kind that signs no tokens"),
    ({"jwksFile": "{\"keys\": 1}"}, "jwt.jwksFile: a key set is"),
    ({"jwksFile": "{\"keys\": []}"}, "jwt.jwksFile: it holds no key that signs tokens"),
    ({"jwksFile": "{"}, "jwt.jwksFile: "),
    ({"jwksFile": "{\"keys\": [{\"kty\": \"EC\", \"crv\": \"P-256\", \"x\": \"AQ\", \"y\": \"AQ\"}]}"}, r"keys\[0\]: x and y are no point of the curve"),
    ({"jwksFile": "{\"keys\": [{\"kty\": \"oct\", \"k\": \"aHVzaA\", \"alg\": \"RS256\"}]}"}, r"keys\[0\]: alg RS256 is not for such a key"),
    ({"signingSecret": "hush", "claims": "Equals(`a`)"}, "jwt.claims: another text is missing"),
    ({"signingSecret": "hush", "usernameClaim": "a\\b"}, "jwt.usernameClaim: .* is no name of a claim"),
    ({"signingSecret": "hush", "forwardHeaders": {"X Y": "a"}}, 'jwt.forwardHeaders "X Y" is no name'),
    ({"signingSecret": "hush", "forwardHeaders": {"X": "a\\b"}}, "jwt.forwardHeaders.X: .* is no name of a claim"),
])
def test_wrong_options_disable_the_router(server, routed, keys, options, text):
    named = {"SHORT": keys["short"].pem, "X25519": keys["X25519"].pem}
    options = {name: named.get(value, value) if isinstance(value, str) else value for name, value in options.items()}
    proxied = routed(through(server(), **options))
    assert ask(proxied).status == 404
    proxied.router.wait_log(text)
    assert "hush" not in proxied.router.log() and "aHVzaA" not in proxied.router.log()


def test_shown_without_its_secrets(tmp_path):
    path = tmp_path / "dynamic.json"
    path.write_text(json.dumps({"http": {"middlewares": {"a": {"jwt": {"signingSecret": "hush"}}, "b": {"jwt": {"jwksFile": "{\"keys\":[{\"kty\":\"oct\",\"k\":\"aHVzaA\"}]}"}}}}}))
    shown = subprocess.run([BINARY, "config", f"--providers.file.filename={path}"], capture_output=True, text=True)
    assert '"jwt"' in shown.stdout and "hush" not in shown.stdout + shown.stderr and "aHVzaA" not in shown.stdout + shown.stderr
