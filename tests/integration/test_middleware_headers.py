"""headers: CORS as browsers ask, security headers, hosts, custom ones; and a change of them in the middle."""
import pytest

from conftest import curl
from h2kit import Http2
from proxying import server  # noqa: F401 a fixture
from rawhttp import answer_all
from routing import one_route, routed  # noqa: F401 a fixture

CORS = {"accessControlAllowMethods": ["GET", "PUT"], "accessControlAllowHeaders": ["X-A"], "accessControlAllowOriginList": ["https://good.test"],
        "accessControlAllowOriginListRegex": [r"^https://[a-z]+\.more\.test$"], "accessControlMaxAge": 60, "accessControlExposeHeaders": ["X-B"],
        "addVaryHeader": True}


def preflight(port, origin, method="PUT"):
    return curl(port, "/", method="OPTIONS", headers=[f"Origin: {origin}", f"Access-Control-Request-Method: {method}",
                                                      "Access-Control-Request-Headers: x-a"])


def test_browsers_are_answered(server, routed):
    app = server(answer_all(b"ok", "Vary: Accept"))
    port = routed(one_route(app, {"h": {"headers": CORS}})).port
    for origin, allowed in (("https://good.test", True), ("https://x.more.test", True), ("https://bad.test", False), ("null", False)):
        answer = preflight(port, origin)
        assert (answer.status, answer.body, answer.header("Content-Length")) == (200, "", "0")
        assert answer.header("Access-Control-Allow-Origin") == (origin if allowed else None)
        assert (answer.header("Access-Control-Allow-Methods"), answer.header("Access-Control-Allow-Headers")) == ("GET,PUT", "X-A")
        assert (answer.header("Access-Control-Max-Age"), answer.header("Access-Control-Expose-Headers")) == ("60", "X-B")
        answer = curl(port, "/", headers=[f"Origin: {origin}"])
        assert answer.header("Access-Control-Allow-Origin") == (origin if allowed else None)
        assert (answer.header("Vary"), answer.body) == ("Accept,Origin", "ok")
    assert len(app.requests) == 4  # no preflight got there
    assert curl(port, "/", method="OPTIONS").body == "ok"  # and that was none


def test_security_headers(server, routed):
    app = server(answer_all(b"ok", "X-Frame-Options: ALLOW", "Server: app"))
    config = one_route(app, {"h": {"headers": {"frameDeny": True, "contentTypeNosniff": True, "referrerPolicy": "no-referrer", "stsSeconds": 5,
                                               "contentSecurityPolicy": "default-src 'self'", "customResponseHeaders": {"server": ""}}}})
    proxied = routed(config)
    answer = curl(proxied.port, "/")
    assert [v for k, v in answer.headers if k == "X-Frame-Options"] == ["DENY"]
    assert (answer.header("X-Content-Type-Options"), answer.header("Referrer-Policy")) == ("nosniff", "no-referrer")
    assert (answer.header("Content-Security-Policy"), answer.header("Server")) == ("default-src 'self'", None)
    assert answer.header("Strict-Transport-Security") is None  # not over TLS
    config["middlewares"]["h"]["headers"] = {"stsSeconds": 5, "sslProxyHeaders": {"X-Tls": "on"}, "stsPreload": True}
    proxied.change(config)
    assert curl(proxied.port, "/").header("Strict-Transport-Security") is None
    assert curl(proxied.port, "/", headers=["X-Tls: on"]).header("Strict-Transport-Security") == "max-age=5; preload"


EVERY = {"stsSeconds": 7, "stsIncludeSubdomains": True, "forceSTSHeader": True, "customFrameOptionsValue": "SAMEORIGIN", "frameDeny": True, "browserXssFilter": True,
         "contentSecurityPolicyReportOnly": "img-src *", "permissionsPolicy": "camera=()", "publicKey": "pin"}


def test_the_other_security_headers(server, routed):
    config = one_route(server(), {"h": {"headers": EVERY}})
    proxied = routed(config)
    answer = curl(proxied.port, "/")
    assert {name: answer.header(name) for name in ("Strict-Transport-Security", "X-Frame-Options", "X-XSS-Protection", "Content-Security-Policy-Report-Only",
                                                   "Permissions-Policy", "Public-Key-Pins")} == {
        "Strict-Transport-Security": "max-age=7; includeSubDomains", "X-Frame-Options": "SAMEORIGIN", "X-XSS-Protection": "1; mode=block",
        "Content-Security-Policy-Report-Only": "img-src *", "Permissions-Policy": "camera=()", "Public-Key-Pins": None}  # the last over TLS only
    config["middlewares"]["h"]["headers"] = {**EVERY, "customBrowserXSSValue": "0", "isDevelopment": True, "allowedHosts": ["nobody.test"]}
    proxied.change(config)
    answer = curl(proxied.port, "/")
    assert (answer.status, answer.header("X-XSS-Protection"), answer.header("Strict-Transport-Security")) == (200, "0", None)


def test_credentials(server, routed):
    config = one_route(server(), {"h": {"headers": {**CORS, "accessControlAllowCredentials": True}}})
    port = routed(config).port
    assert preflight(port, "https://good.test").header("Access-Control-Allow-Credentials") == "true"
    assert curl(port, "/", headers=["Origin: https://good.test"]).header("Access-Control-Allow-Credentials") == "true"


def test_a_host_in_another_header(server, routed):
    config = one_route(server(), {"h": {"headers": {"allowedHosts": ["good.test"], "hostsProxyHeaders": ["X-Asked"]}}})
    port = routed(config, insecure=True).port
    assert curl(port, "/", host="bad.test", headers=["X-Asked: good.test"]).status == 200
    assert curl(port, "/", host="good.test", headers=["X-Asked: bad.test"]).status == 500


@pytest.mark.parametrize("host, status", [("good.test", 200), ("GOOD.test", 200), ("bad.test", 500), ("good.test:80", 500)])
def test_allowed_hosts(server, routed, host, status):
    port = routed(one_route(server(), {"h": {"headers": {"allowedHosts": ["good.test"]}}})).port
    answer = curl(port, "/", host=host)
    assert (answer.status, answer.body) == (status, "ok" if status == 200 else "Bad Host\n")


def test_a_nonce_is_named(server, routed):
    proxied = routed(one_route(server(), {"h": {"headers": {"contentSecurityPolicy": "script-src $NONCE"}}}))
    assert curl(proxied.port, "/").header("Content-Security-Policy") == "script-src $NONCE"
    proxied.router.wait_log(r"contentSecurityPolicy: \$NONCE")


def test_blanks_around_values_are_not_sent(server, routed):
    """Peers of HTTP/2 reset a stream that has them."""
    app = server()
    proxied = routed(one_route(app, {"h": {"headers": {"customRequestHeaders": {"X-A": " a b\t", "X-B": "\t "}, "referrerPolicy": " same-origin ",
                                                       "customResponseHeaders": {"X-A": " a b ", "X-B": " "}}}}))
    fields = Http2(proxied.connect()).get("/").fields
    assert (fields["x-a"], fields["x-b"], fields["referrer-policy"]) == ("a b", "", "same-origin")
    assert b"\r\nX-A: a b\r\n" in app.requests[0].raw and b"\r\nX-B: \r\n" in app.requests[0].raw


@pytest.mark.parametrize("hosts, status", [(["a b"], 400), (["a b", "good.test"], 200), (["good.test", "a b"], 400)])
def test_the_last_host_counts(server, routed, hosts, status):
    """One that could end the line is not sent, unless another stands in its place by then."""
    app = server()
    chain = {f"h{i}": {"headers": {"customRequestHeaders": {"Host": host}}} for i, host in enumerate(hosts)}
    assert curl(routed(one_route(app, chain)).port, "/").status == status
    assert [request.get("host") for request in app.requests] == (["good.test"] if status == 200 else [])
