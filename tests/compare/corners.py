"""corners.py - configurations and requests for compare.py that are drawn at random: every option of every middleware, and
services, each behind a host of its own, asked for what concerns it; and requests that are odd in their bytes.

Not here: what is asked each time (cases.py), random rules and chains of rewriting middlewares (cases.py).
"""
import base64

from cases import coded, crowd, random_path, request

HEADERS = {
    "customRequestHeaders": [{"X-A": "1"}, {"X-A": "", "x-b": "2"}, {"Host": "set.test"}, {"host": ""}, {"Cookie": "a=1", "Authorization": ""}, {"X-Forwarded-Host": "f.test"}, {"Te": "x"},
                             {"User-Agent": ""}, {"Accept-Encoding": "gzip"}, {"X-Real-Ip": ""}, {"Content-Type": "x/y"}, {"Connection": "close"}, {"Upgrade": "x"}],
    "customResponseHeaders": [{"X-Out": "1"}, {"X-Upstream": ""}, {"x-upstream": "no"}, {"Set-Cookie": "z=1"}, {"Set-Cookie": ""}, {"Vary": "A"}, {"Vary": ""}, {"Cache-Control": "no-store"},
                              {"Access-Control-Allow-Origin": ""}, {"Strict-Transport-Security": "x"}, {"X-Frame-Options": ""}, {"Date": ""}, {"Location": "/set"}, {"Etag": ""}],
    "accessControlAllowCredentials": [True], "accessControlAllowHeaders": [["X-A"], ["*"], ["x-a", "Content-Type"], [""]], "accessControlAllowMethods": [["GET"], ["*"], ["get", "POST", "OPTIONS"]],
    "accessControlAllowOriginList": [["https://a.test"], ["*"], ["https://A.test", "null"], ["https://b.test", "*"], ["https://*.test"]],
    "accessControlAllowOriginListRegex": [["^https://[a-z]+\\.test$"], ["a"], [".*"], ["^HTTPS"]], "accessControlExposeHeaders": [["X-C"], ["*"]], "accessControlMaxAge": [0, 1, -1, 86400],
    "addVaryHeader": [True], "allowedHosts": [["*.test"], ["nobody.test"], ["X.test"]], "hostsProxyHeaders": [["X-Forwarded-Host"], ["X-Asked"]],
    "sslProxyHeaders": [{"X-Forwarded-Proto": "https"}, {"X-Own": "yes", "X-Forwarded-Proto": "https"}], "stsSeconds": [0, 1, 31536000, -1], "stsIncludeSubdomains": [True], "stsPreload": [True],
    "forceSTSHeader": [True], "frameDeny": [True], "customFrameOptionsValue": ["SAMEORIGIN", "x"], "contentTypeNosniff": [True], "browserXssFilter": [True], "customBrowserXSSValue": ["1; mode=block; report=x"],
    "contentSecurityPolicy": ["default-src 'self'"], "contentSecurityPolicyReportOnly": ["x"], "publicKey": ["p"], "referrerPolicy": ["no-referrer"], "permissionsPolicy": ["c=()"], "isDevelopment": [True],
}
RANGES = [["127.0.0.1"], ["10.0.0.0/8"], ["::1"], ["0.0.0.0/0"], ["1.2.3.4", "5.6.0.0/16"], ["2001:db8::/32"], ["10.0.0.1/8"], ["127.0.0.0/31"]]
STRATEGIES = [{"depth": 1}, {"depth": 2}, {"depth": 9}, {"excludedIPs": ["127.0.0.1"]}, {"excludedIPs": ["10.0.0.0/8", "1.2.3.4"]}, {"depth": 1, "ipv6Subnet": 32}, {"ipv6Subnet": 64}, {"depth": 1, "excludedIPs": ["1.2.3.4"]}]
FORWARDED = ["1.2.3.4", "10.0.0.1", "1.2.3.4, 10.0.0.1", "10.0.0.1,1.2.3.4", " 5.6.7.8 ", "2001:db8::1", "[2001:db8::1]", "1.2.3.4:80", "x", "", ",", "1.2.3.4,", "1.2.3.4, x, 10.0.0.1", "::ffff:1.2.3.4", "2001:DB8:0::1", "10.0.0.1, 127.0.0.1"]
STATUSES = [["500-599"], ["404"], ["200"], ["400-499", "503"], ["300-399"], ["100-199"], ["418"], ["200-299", "500"]]
MODES = ["", "redirect", "empty", "error", "chunked", "hop", "vary", "html", "bare", "deny", "user", "encoded", "many", "status 201", "status 206", "status 304", "status 400", "status 404", "status 418",
         "status 503", "status 599", "status 205", "unended", "dropped", "trailers", "interim", "cors", "typed image/png", "typed application/json", "typed text/event-stream", "typed application/grpc", "typed x", "long", "lower", "crowd 12", "crowd 25", "crowd 60"]
USERS = ["sha:{SHA}2oguq15ANCGsJCWKX31fllwpyEk=", "md5:$apr1$F.MFzUVj$uzZ//1y78r2VEpyD.v/tv.", "bc:$2y$05$Fw7JwJId54WpLKFbddDOJOgjYbf.GatQqSFve55HkHntgbheM4PnG"]
LOCATIONS = ["https://$1/$2", "https://new.test/$1", "/rel/$2", "//x/$1", "$0", "${1}x", "$1x", "https://new.test/${path}", "http://${host}/p", "x y", "https://é.test/", "?q=$1", "#f", "https://new.test/a b?c d", "", "https://u:p@new.test/"]
EXPRESSIONS = ["^https?://([^/:]+)(?::\\d+)?/(.*)$", "^(.*)$", "^http://(?P<host>[^/]+)(?P<path>/.*)$", "(?i)^HTTP://H[0-9]+(.*)", "/a", "[?&]a=([^&]*)", "^http://h(\\d+)\\.test/?(.*)", ":80", "$", "(a)|(b)"]


def some(rng, options, chance):
    out = {key: rng.choice(values) for key, values in options.items() if rng.random() < chance}
    first = next(iter(options), None)  # an empty section is refused by Traefik, and the whole file with it
    return out or ({first: rng.choice(options[first])} if first else {})


def headers(rng):
    return some(rng, HEADERS, rng.choice((0.08, 0.2, 0.5)))


def criterion(rng):
    return rng.choice([{"ipStrategy": rng.choice(STRATEGIES)}, {"requestHeaderName": "X-Own"}, {"requestHost": True}])


def buffering(rng):
    out = some(rng, {"maxRequestBodyBytes": [5, 100], "memRequestBodyBytes": [1, 50], "maxResponseBodyBytes": [5, 100], "memResponseBodyBytes": [1, 50],
                     "retryExpression": ["ResponseCode() == 503 && Attempts() <= 2", "IsNetworkError() && Attempts() < 3", "ResponseCode() != 200 && RequestMethod() == \"GET\" && Attempts() < 2", "Attempts() < 2"]}, 0.5)
    if "retryExpression" in out:  # an answer of unknown length over the bound: docs/differences.md
        out.pop("maxResponseBodyBytes", None)
    return out


KINDS = {
    "headers": headers,
    "cors": lambda rng: some(rng, {key: value for key, value in HEADERS.items() if key.startswith(("access", "addVary"))}, 0.6),
    "ipAllowList": lambda rng: {"sourceRange": rng.choice(RANGES), **some(rng, {"ipStrategy": STRATEGIES, "rejectStatusCode": [403, 404, 418, 200]}, 0.6)},
    "redirectRegex": lambda rng: {"regex": rng.choice(EXPRESSIONS), "replacement": rng.choice(LOCATIONS), "permanent": rng.random() < 0.5},
    "redirectScheme": lambda rng: {"scheme": rng.choice(["https", "http", "HTTPS"]), **some(rng, {"port": ["443", "80", "8443", ""], "permanent": [True]}, 0.6)},
    "stripPrefix": lambda rng: {"prefixes": rng.sample(["/a", "/a/", "/", "/%41", "/a%2Fb", "/é", "/%C3%A9", "/a b", "/A", "a", "/a//b", "/foo/bar", "/api"], 2)},
    "stripPrefixRegex": lambda rng: {"regex": rng.sample(["^/a", "/[a-z]+", "/a/[0-9]+/", "/%2F", "/(a|b)$", "b", "/.*?/", "^/é", "(?i)/A"], 2)},
    "replacePath": lambda rng: {"path": rng.choice(["/x", "/a b", "/é", "/a%2Fb", "/a?b=c", "x", "/%", "/a#b", "//x", "/../x"])},
    "replacePathRegex": lambda rng: {"regex": rng.choice(["^/(.*)", "(/a)(/b)?", "%2F", "[^/]+$", "^(?P<x>/[a-z])"]), "replacement": rng.choice(["/x/$1", "/$2", "${x}", "$1?y=1", "/é/$1", "$1%2F", " $1", "//$1"])},
    "addPrefix": lambda rng: {"prefix": rng.choice(["/p", "/é", "/a%2Fb", "/a b", "p", "/p/", "/p?x", "/%zz"])},
    "errors": lambda rng: {"status": rng.choice(STATUSES), "service": rng.choice(["upstream", "upstream", "dead", "empty"]), "query": rng.choice(["/{status}", "/e?{url}", "{status}", "/{originalStatus}/{status}", "/a b", "/p?u={url}&x=%zz", ""]),
                           **some(rng, {"statusRewrites": [{"500": 404, "404": 500}, {"400-599": 200}, {"418": 503}], "errorRequestHeaders": [["X-Own"], ["X-Case", "Cookie"], []]}, 0.3)},
    "rateLimit": lambda rng: {"average": 1, "period": "2400h", "burst": rng.choice((1, 3, 30)), **({"sourceCriterion": criterion(rng)} if rng.random() < 0.7 else {})},
    "inFlightReq": lambda rng: {"amount": rng.choice((1, 5)), **({"sourceCriterion": criterion(rng)} if rng.random() < 0.7 else {})},
    "basicAuth": lambda rng: {"users": rng.sample(USERS, rng.randint(1, 3)), **some(rng, {"realm": ["r", "é", "a\"b\\c", ""], "headerField": ["X-User", "x-user", "Authorization"], "removeHeader": [True]}, 0.4)},
    "forwardAuth": lambda rng: {"address": "http://UPSTREAM_ADDRESS" + rng.choice(["", "/auth", "/auth?x=1", "/a%20b"]), **some(rng, {
        "trustForwardHeader": [True], "authResponseHeaders": [["X-User"], ["x-user", "X-Id-A", "X-Upstream"], ["Set-Cookie"], ["Content-Type"], ["*"]], "authResponseHeadersRegex": ["^X-", "(?i)^x-id", ".*"],
        "authRequestHeaders": [["X-Case", "X-Answer", "User-Agent"], ["X-Case", "X-Answer", "User-Agent", "Cookie"]], "addAuthCookiesToResponse": [["a"], ["a", "b"], ["c"]], "headerField": ["X-User", "X-Set"],
        "forwardBody": [True], "maxBodySize": [0, 3, 1000, -1], "maxResponseBodySize": [3, 1000, -1], "preserveLocationHeader": [True], "preserveRequestMethod": [True], "authSigninURL": ["https://in.test/?b={url}"]}, 0.25)},
    "compress": lambda rng: {"minResponseBodyBytes": rng.choice([1, 7, 8, 1000]), **rng.choice([{}, {"excludedContentTypes": rng.choice([["image/png"], ["text/plain", "x"], ["text/*"]])},
                             {"includedContentTypes": rng.choice([["text/plain"], ["application/json", "image/png"]])}]),
                             **some(rng, {"encodings": [["gzip"], ["br", "gzip"], ["zstd"], ["zstd", "gzip", "br"]]}, 0.4)},
    "contentType": lambda rng: {},
    "buffering": buffering,
    "grpcWeb": lambda rng: {"allowOrigins": rng.choice([["*"], ["https://a.test"], ["https://a.test", "null"], []])},
    "encodedCharacters": lambda rng: some(rng, {f"allowEncoded{name}": [True, False] for name in ("Slash", "BackSlash", "NullCharacter", "Semicolon", "Percent", "QuestionMark", "Hash")}, 0.5),
    "retry": lambda rng: {"attempts": rng.choice([1, 2, 4]), **some(rng, {"initialInterval": ["1ms"], "status": [["500-599"], ["404", "418"], ["503"]], "disableRetryOnNetworkError": [True], "retryNonIdempotentMethod": [True],
                                                                          "maxRequestBodyBytes": [0, 5, -1]}, 0.4)},
    # What does not depend on time: it is looked at after each answer, and an open one stays open.
    "circuitBreaker": lambda rng: {"checkPeriod": "1ns", "fallbackDuration": "1h", "expression": rng.choice(["NetworkErrorRatio() > 0.0", "ResponseCodeRatio(500, 600, 0, 600) > 2.0", "LatencyAtQuantileMS(50.0) > 90000",
                                                                                                            "ResponseCodeRatio(400, 500, 200, 500) > 1.1 || NetworkErrorRatio() > 1.5"])},
    "passTLSClientCert": lambda rng: {"pem": rng.random() < 0.5},
}
COOKIE = {"name": ["c", "a.b", "x y"], "secure": [True], "httpOnly": [True], "sameSite": ["none", "lax", "strict", ""], "maxAge": [0, 5, -1], "path": ["/p", "", "/é", "/a;b"], "domain": ["d.test", ".d.test", "a b", "1.2.3.4"]}
SERVER = {"url": "http://UPSTREAM_ADDRESS"}
DEAD = {"url": "http://127.0.0.1:1"}


def service(rng):
    balanced = {"servers": [rng.choice([SERVER, SERVER, SERVER, {"url": "http://UPSTREAM_ADDRESS/sub"}, {"url": "http://UPSTREAM_ADDRESS/sub/?q=1"}, {**SERVER, "preservePath": True}, {**SERVER, "weight": 3},
                                        {"url": "http://UPSTREAM_ADDRESS/a%2Fb/", "preservePath": True}, DEAD, {"url": "UPSTREAM_ADDRESS"},
                                        {"url": "http://UPSTREAM_ADDRESS#f"}, {"url": "http://u:p@UPSTREAM_ADDRESS/"}])],
                **some(rng, {"passHostHeader": [False, True], "strategy": ["p2c", "hrw", "leasttime"], "serversTransport": ["nowhere"] if rng.random() < 0.2 else ["tr"]}, 0.25),
                **({"sticky": {"cookie": some(rng, COOKIE, 0.4)}} if rng.random() < 0.4 else {})}
    return rng.choice([
        lambda: {"loadBalancer": balanced}, lambda: {"loadBalancer": balanced}, lambda: {"loadBalancer": balanced},
        lambda: {"weighted": {"services": [{"name": rng.choice(["upstream", "upstream@file", "empty", "nowhere"]), "weight": rng.choice([1, 5])}, {"name": "dead", "weight": 0}],
                              **({"sticky": {"cookie": some(rng, COOKIE, 0.4)}} if rng.random() < 0.5 else {})}},
        lambda: {"failover": {"service": rng.choice(["upstream", "dead", "empty"]), "fallback": rng.choice(["upstream", "dead"]),
                              "errors": {"status": rng.choice(STATUSES[:2]), **some(rng, {"maxRequestBodyBytes": [-1, 0, 3]}, 0.5)}}},
        lambda: {"mirroring": {"service": rng.choice(["upstream", "dead"]), "mirrors": [{"name": "empty", "percent": rng.choice([0, 50, 100])}], **some(rng, {"mirrorBody": [False], "maxBodySize": [-1, 0, 3]}, 0.4)}},
        lambda: {"highestRandomWeight": {"services": [{"name": "upstream", "weight": 1}]}},
    ])()


def corner_configuration(rng):
    points = ["web", "trust", "insecure", "strict", "rawpath", "semicolon"]
    names = [*KINDS, *KINDS]
    middlewares = {f"k{i}": {"headers" if kind == "cors" else kind: KINDS[kind](rng)} for i, kind in enumerate(names)}
    routers = {f"k{i}": {"rule": f"Host(`k{i}.test`)", "service": "upstream", "middlewares": [f"k{i}"] + ([f"k{rng.randrange(len(names))}"] if rng.random() < 0.15 else []), "entryPoints": points}
               for i in range(len(names))}
    services = {f"s{i}": service(rng) for i in range(20)}
    for name in services:
        routers[name] = {"rule": f"Host(`{name}.test`)", "service": name, "entryPoints": points}
    return {"http": {"routers": routers, "middlewares": middlewares, "serversTransports": {"tr": {"maxIdleConnsPerHost": 2}},
                     "services": {**services, "dead": {"loadBalancer": {"servers": [DEAD]}}, "empty": {"loadBalancer": {"servers": []}}}}}


FIELDS = [
    lambda rng: ("X-Forwarded-For", rng.choice(FORWARDED)), lambda rng: ("X-Forwarded-Proto", rng.choice(["http", "https", "ws", "wss", "x", "HTTPS", "http, https", ""])),
    lambda rng: ("X-Forwarded-Host", rng.choice(["f.test", "f.test:99", "a b", "", "nobody.test"])), lambda rng: ("X-Forwarded-Port", rng.choice(["1", "x", "", "443"])),
    lambda rng: ("Origin", rng.choice(["https://a.test", "https://b.test", "null", "", "https://A.test", "http://a.test", "x"])), lambda rng: ("Access-Control-Request-Method", rng.choice(["GET", "put", "POST", ""])),
    lambda rng: ("Access-Control-Request-Headers", rng.choice(["x-a", "X-A, x-b", "", "x-grpc-web"])), lambda rng: ("Accept-Encoding", rng.choice(
        ["gzip", "br", "zstd", "gzip, br", "gzip;q=0.1, br;q=0.2", "identity", "gzip;q=0", "br;q=1.0, gzip;q=0.8, *;q=0", "GZIP", "x-gzip", "deflate, gzip;q=1.0", ",gzip", "gzip;q=2", "zstd;q=0.5,gzip;q=0.5", "*"])),
    lambda rng: ("Authorization", rng.choice(["Basic " + coded(f"{user}:{word}") for user in ("sha", "md5", "bc", "x") for word in ("pass word", "wrong")] + [
        "basic " + coded("sha:pass word"), "Basic", "Basic =", "Bearer x", "", "Basic " + base64.b64encode(b"\xff:\xfe").decode(), "Digest username=\"x\""])),
    lambda rng: ("Cookie", rng.choice(["a=1", "c=x", "a=1; b=2; a=3", "", "=", "c=\"q\"", ";;", "a=b=c"])), lambda rng: ("X-Own", rng.choice(["yes", "no", "", "a b"])),
    lambda rng: ("Content-Type", rng.choice(["text/plain", "application/grpc-web", "application/grpc", "application/x-www-form-urlencoded", ""])), lambda rng: ("User-Agent", rng.choice(["mine", ""])),
    lambda rng: ("Connection", rng.choice(["close", "X-Own", "keep-alive, X-A", "upgrade"])), lambda rng: ("X-A", "client"), lambda rng: ("X-User", "eve"), lambda rng: ("X-Asked", "nobody.test"), lambda rng: ("TE", rng.choice(["trailers", "gzip, trailers"])),
    lambda rng: ("Range", "bytes=0-1"), lambda rng: ("X-Real-Ip", "9.9.9.9"), lambda rng: ("X-Forwarded-Prefix", "/p"), lambda rng: ("X-Forwarded-Server", "x"), lambda rng: ("Forwarded", "for=1.1.1.1"),
    lambda rng: ("X-Forwarded-Uri", "/u"), lambda rng: ("X-Forwarded-Method", "PUT"), lambda rng: ("If-None-Match", "\"a\""), lambda rng: ("Content-Encoding", "gzip"), lambda rng: ("Expect", "100-continue"),
    lambda rng: ("X-HTTP-Method-Override", "PUT"), lambda rng: ("Via", "1.1 x"), lambda rng: ("X-Forwarded-Tls-Client-Cert", "x"), lambda rng: ("X-Forwarded-Tls-Client-Cert-Info", "x"),
]
SIMPLE = ["/", "/a", "/a/b", "/a/b/c?x=1", "/a%2Fb", "/api/x", "/%C3%A9/x", "/a%20b/c", "/A", "//a", "/foo/bar/1", "/a/12/b"]


def corner_request(rng):
    host = rng.choice([f"k{rng.randrange(2 * len(KINDS))}.test"] * 3 + [f"s{rng.randrange(20)}.test"])
    method = rng.choice(["GET", "GET", "GET", "POST", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"])
    body = rng.choice([b"", b"abc", b"abcdef", b"x" * 120]) if method in ("POST", "PUT", "PATCH") else b""
    more = crowd(rng) + [rng.choice(FIELDS)(rng) for _ in range(rng.choice([0, 1, 1, 2, 3, 5]))]
    if rng.random() < 0.6:
        more.append(("X-Answer", rng.choice(MODES)))
    if method == "OPTIONS" and rng.random() < 0.7:
        more += [("Origin", "https://a.test"), ("Access-Control-Request-Method", "PUT")]
    if body and rng.random() < 0.3:
        more.append(("Transfer-Encoding", "chunked"))
        body = b"%x\r\n%s\r\n0\r\n%s\r\n" % (len(body), body, rng.choice([b"", b"", b"X-Trail: 1\r\n"]))
    return (rng.choice(["web", "web", "trust", "insecure", "strict", "rawpath", "semicolon"]),
            request(rng.choice(SIMPLE) if rng.random() < 0.7 else random_path(rng), host=host + rng.choice(["", "", "", ":80", ":8443", "."]), method=method, headers=more, body=body,
                    version=rng.choice(["1.1"] * 9 + ["1.0"])))


TARGETS = ["/", "*", "http://k1.test/x", "http://k1.test", "HTTP://K1.test/x", "https://k1.test/x?y", "http://u:p@k1.test/", "http://k1.test:99/", "http:///x", "/?", "/#", "//k1.test/x", "/%", "/%0d%0a", "/a\tb", "/\xe9", "k1.test:80", "?x", "#", "http://[::1]/",
           "/a?b?c", "/a&b", "/%2e%2e/", "/..;/x", "/a/..%2f", "/a%00", "/a%ff", "///", "/./", "/../../x", "/a/./../b/", "/a//", "/%2F%2F", "/a;p=1/b", "http://k1.test?x=1"]
ODD_HOSTS = ["k1.test", "K1.TEST", "k1.test.", "k1.test:", "k1.test:0", "k1.test:99999", "k1.test:a", "k1.test:80:80", " k1.test", "k1.test ", "k1.test,k2.test", "u@k1.test", "[::1]", "[::1", "::1", "127.0.0.1", "k1_test", "k1.t\xe9st", "xn--k1.test", "", "k1.test/", "k1.test?x", "k1%2etest", "*", "*.test", "-", "k1..test"]
ODD_LINES = [b"X-A : 1", b"X A: 1", b": 1", b"X-A", b"X-A:1", b"X-A:\t1\t", b"X-A:", b"X-A: 1\r\n folded", b"X-A: \x01", b"X-A: \xff", b"X(A): 1", b"Content-Length: 0", b"Content-Length: -0", b"Content-Length: 00", b"Content-Length: 0, 0", b"Content-Length: ",
             b"Content-Length: 0x0", b"Transfer-Encoding: chunked", b"Transfer-Encoding: Chunked", b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked, gzip", b"Transfer-Encoding: x", b"Transfer-Encoding:", b"Expect: 100-continue", b"Expect: x",
             b"Connection: close", b"Connection: Keep-Alive", b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", b"Upgrade: websocket\r\nConnection: Upgrade", b"Trailer: X-T", b"Trailer: Content-Length", b"TE: trailers",
             b"Proxy-Connection: x", b"Keep-Alive: timeout=1", b"X-Forwarded-For: 1.1.1.1", b"X_Forwarded_For: 1.1.1.1", b"Date: x", b"Host: k2.test", b"Content-Type", b"Accept-Encoding: gzip", b"Cookie: a=1\r\nCookie: b=2", b"X-Dup: 1\r\nX-Dup: 2\r\nx-dup: 3", b"X-Long: " + b"v" * 3000]
ODD_METHODS = ["GET", "GET", "GET", "HEAD", "POST", "OPTIONS", "CONNECT", "TRACE", "get", "PRI", "G-T", "G!T", "PUT", "PURGE", "A" * 40, "DELETE", "QUERY"]


def odd_request(rng):
    target = rng.choice(TARGETS) if rng.random() < 0.5 else rng.choice(SIMPLE)
    host = rng.choice(ODD_HOSTS) if rng.random() < 0.4 else "k1.test"
    lines = [f"{rng.choice(ODD_METHODS) if rng.random() < 0.4 else 'GET'} {target} HTTP/{rng.choice(['1.1'] * 8 + ['1.0', '1.0', '1.2', '2.0', '3', '0.9', '1.01', '1.'])}".encode("latin-1")]
    if rng.random() < 0.95:
        lines.append(f"Host: {host}".encode("latin-1"))
    lines += [rng.choice(ODD_LINES) for _ in range(rng.choice([0, 0, 1, 1, 2]))]
    chunked = any(line.lower().startswith(b"transfer-encoding") for line in lines)
    return rng.choice(["web", "trust", "insecure", "strict", "rawpath"]), b"\r\n".join(lines) + b"\r\n\r\n" + (b"0\r\n\r\n" if chunked else b"")


def odd_configuration():
    return {"http": {"routers": {"k1": {"rule": "Host(`k1.test`)", "service": "upstream", "entryPoints": ["web", "trust", "insecure", "strict", "rawpath"]},
                                 "rest": {"rule": "PathPrefix(`/`)", "priority": 1, "service": "upstream", "entryPoints": ["trust", "rawpath"]}}}}
