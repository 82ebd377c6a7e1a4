"""apiKey: keys in headers, query and cookies, hashes of every kind, what is refused, Secrets of Kubernetes."""
import base64
import subprocess

import pytest

from proxying import server  # noqa: F401 a fixture
from rawhttp import get
from routing import one_route, routed  # noqa: F401 fixtures

pytestmark = pytest.mark.usefixtures("server", "routed")


def hashed(key, *how):
    return subprocess.run(["htpasswd", "-nb", *how, "", key], capture_output=True, text=True, check=True).stdout.strip()[1:]


def coded(key):
    return base64.b64encode(key.encode()).decode()


def through(app, **options):
    return one_route(app, {"a": {"apiKey": options}})


def ask(proxied, *fields, target="/x"):
    client = proxied.connect()
    client.send(get(target, *fields))
    return client.response()


def test_every_kind_of_hash(server, routed):
    app = server()
    kinds = {"bcrypt": ["-B", "-C", "4"], "md5": ["-m"], "sha1": ["-s"], "sha512": ["-5"]}
    proxied = routed(through(app, keySource={"header": "X-Key"}, secretValues=[hashed(f"of {kind}", *how) for kind, how in kinds.items()]))
    for kind in kinds:
        for _ in range(2):  # the second time it is known
            assert ask(proxied, f"X-Key: {coded('of ' + kind)}").status == 200
            assert ask(proxied, f"X-Key: {coded('not ' + kind)}").status == 401
    assert app.requests[-1].get("x-key") == coded("of sha512")
    answer = ask(proxied)
    assert (answer.status, answer.body) == (401, b"Unauthorized\n")


def test_where_it_stands(server, routed):
    app = server()
    proxied = routed(through(app, keySource={"header": "Authorization", "headerAuthScheme": "Bearer", "query": "the key", "cookie": "key"},
                             secretNonBase64Encoded=True, secretValues=[hashed("a b+c", "-s")]))
    for field, target, status in (("Authorization: Bearer a b+c", "/", 200), ("authorization: bEARER a b+c", "/", 200), ("Authorization: a b+c", "/", 401),
                                  ("Authorization: Bearera b+c", "/", 401), ("Authorization: Bearer", "/", 401), ("Authorization: Bearer  a b+c", "/", 401),
                                  ("X: y", "/?the+key=a+b%2Bc", 200), ("X: y", "/?the%20key=a%20b%2bc&the+key=x", 200), ("X: y", "/?the+key=x&the+key=a+b%2Bc", 401),
                                  ("X: y", "/?the+key=a+b+c", 401), ("X: y", "/?the+key=", 401), ("Cookie: x=y; key=a", "/", 401), ("Cookie: key=\"a b+c\"", "/", 200),
                                  ("Cookie: key=", "/", 401), ("Authorization: Basic x", "/?the+key=a+b%2Bc", 200), ("Authorization: Bearer x", "/?the+key=a+b%2Bc", 401)):
        assert ask(proxied, field, target=target).status == status, (field, target)


def test_what_is_no_base64(server, routed):
    proxied = routed(through(server(), keySource={"header": "X-Key"}, secretValues=[hashed("key!", "-s"), hashed("", "-s")]))
    for value, status in ((coded("key!"), 200), (coded("key!").rstrip("="), 401), ("key!", 401), ("", 401), ("=", 401), ("====", 401), (coded("key!") + "AAAA", 401),
                          ("A" * 7000, 401)):
        assert ask(proxied, f"X-Key: {value}").status == status, value


def test_a_change(server, routed):
    config = through(server(), keySource={"header": "X-Key"}, secretNonBase64Encoded=True, secretValues=[hashed("old", "-B", "-C", "4"), hashed("both", "-B", "-C", "4")])
    proxied = routed(config)
    assert [ask(proxied, f"X-Key: {key}").status for key in ("old", "both", "new")] == [200, 200, 401]
    config["middlewares"]["a"]["apiKey"]["secretValues"] = [hashed("new", "-B", "-C", "4"), hashed("both", "-B", "-C", "4")]
    proxied.change(config)
    assert [ask(proxied, f"X-Key: {key}").status for key in ("old", "both", "new")] == [401, 200, 200]


@pytest.mark.parametrize("options, text", [
    ({"secretValues": ["{SHA}2oguq15ANCGsJCWKX31fllwpyEk="]}, "apiKey.keySource is missing"),
    ({"keySource": {"header": "X Key"}, "secretValues": ["{SHA}2oguq15ANCGsJCWKX31fllwpyEk="]}, 'keySource.header "X Key" is no name'),
    ({"keySource": {"cookie": "a b"}, "secretValues": ["{SHA}2oguq15ANCGsJCWKX31fllwpyEk="]}, 'keySource.cookie "a b" is no name'),
    ({"keySource": {"query": "k", "headerAuthScheme": "Bearer"}, "secretValues": ["{SHA}2oguq15ANCGsJCWKX31fllwpyEk="]}, "headerAuthScheme needs keySource.header"),
    ({"keySource": {"query": "k"}}, "apiKey.secretValues is empty"),
    ({"keySource": {"query": "k"}, "secretValues": ["{SHA}2oguq15ANCGsJCWKX31fllwpyEk=", "plain words"]}, r"apiKey.secretValues\[1\]: the hash is none of"),
])
def test_wrong_options_disable_the_router(server, routed, options, text):
    proxied = routed(through(server(), **options))
    assert ask(proxied).status == 404
    proxied.router.wait_log(text)
    for secret in ("plain words", "2oguq15ANCGs"):
        assert secret not in proxied.router.log()


def test_shown_without_its_secrets(tmp_path):
    import json
    from conftest import BINARY
    path = tmp_path / "dynamic.json"
    path.write_text(json.dumps({"http": {"middlewares": {"a": {"apiKey": {"keySource": {"header": "X-Key"}, "secretValues": ["{SHA}2oguq15ANCGsJCWKX31fllwpyEk="]}}}}}))
    shown = subprocess.run([BINARY, "config", f"--providers.file.filename={path}"], capture_output=True, text=True)
    assert '"X-Key"' in shown.stdout and "2oguq15" not in shown.stdout + shown.stderr
