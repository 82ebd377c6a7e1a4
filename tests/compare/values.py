"""values.py - for compare.py: options with values that are odd but can be read (zero, negative, huge, empty, in another case, not
quite right), one object each, behind a host of its own, asked for what shows the difference.

Not here: what people write (cases.py), what is drawn at random (corners.py).
"""
import json
import re

from cases import ENTRY_POINTS, coded, request

SHA = "{SHA}2oguq15ANCGsJCWKX31fllwpyEk="
POINTS = [name for name in ENTRY_POINTS if name in ("web", "trust", "insecure", "strict", "rawpath")]


def each(kind, field, values, **more):
    return [{kind: {**more, field: value}} for value in values]


REPLACEMENTS = ["$1", "${1}", "$1x", "${1}x", "$name", "${name}", "$name-", "$namex", "$$1", "$", "${", "${}", "$10", "${10}", "$0", "/$2/$1", "$é", "\\1", "$-1", "${1", "$1$2", "$$$1", "/a%20$1", "/é$1"]
EXPRESSIONS = ["", "(", "^/(?P<name>[a-z]+)/(.*)$", "^/(?<name>[a-z]+)/(.*)$", "(?i)^/FOO", "^/foo(?=/)", "^/(a)\\1", "\\pL+", "^/foo\\z", "^/foo\\Z", "\\Qa.b\\E", "[[:alpha:]]+", "x{1001}", "x{1000}", "(?U)/.*", "^/foo$", "(?m)^b$",
               "(?s)a.b", "a.b", "\\C", "[^/]*", "/+", "\\bfoo\\b", "(?x) f o o", "^/(foo|bar)?", "a**", "(?P<name>a)(?P<name>b)", "\\x{e9}", "é", "\\/foo", "\\_", "[a-", "(?P<n", "^(/foo)?(/bar)?", "$", "\\d+", "\\p{Greek}", "[\\d-z]", "(?i)É", "\\07", "\\8", "a{,2}", "{", "a{2", "\\h", "\\R", "\\K", "(?#c)a", "(?>a)", "a++", "\\G"]
STATUSES = [["500-599", "404"], ["500-400"], ["99"], ["1000"], [" 500"], ["500 - 599"], ["500-599,404"], ["500,404"], [""], ["-"], ["500-"], ["-500"], ["0"], ["0-999"], ["500-500"], ["200-299", "500"], ["+500"], ["5e2"], ["0500"], ["500-599-600"]]
BYTES = [0, -1, -9223372036854775808, 1, 9223372036854775807]

LIST = [
    *each("addPrefix", "prefix", ["", "/", "//x", "/a?b", "/ü", "x", "/x/", "/a#b", "/%2Fx", "/%zz", "/a b"]),
    *each("stripPrefix", "prefixes", [[], [""], ["/"], ["/foo", "/foo/bar"], ["/foo/bar", "/foo"], ["foo"], ["/FOO"], ["/foo/"], ["/foo//bar"], ["/fo"], ["/foo%2Fbar"], ["/%66oo"], ["/é"], ["/foo", "/foo"]]),
    *each("stripPrefix", "prefixes", [["/foo"], ["/"], ["/foo/"], ["/foo/bar"]], forceSlash=True), *each("stripPrefix", "prefixes", [["/foo"], ["/"], ["/foo/"], ["/foo/bar"]], forceSlash=False),
    *each("stripPrefixRegex", "regex", [[], [""], ["^/foo"], ["/foo/(.*)"], ["("], ["/fo+"], ["bar"], ["/{id}"], ["^/$"], ["/foo", "/bar"], ["/"], ["/foo/bar/?"], ["/(?P<n>[a-z]+)"], [".*"], ["/%2F"], ["//"], ["(?i)/FOO"], ["^"]]),
    *each("replacePath", "path", ["", "/", "x", "//", "/x?y=1", "/é", "/%41", "/a b", "/%", "/x#y", "/a/../b", "?x"]),
    *[{"replacePathRegex": {"regex": "^/(?P<name>[a-z]+)/(.*)$", "replacement": text}} for text in [*REPLACEMENTS, ""]],
    *[{"replacePathRegex": {"regex": regex, "replacement": "/r[$1]"}} for regex in EXPRESSIONS],
    *[{"redirectRegex": {"regex": "^https?://([^/]+)/(?P<name>[a-z]+)(.*)$", "replacement": text}} for text in [*REPLACEMENTS, "https://$1/$name", "https://${1}:8443/${name}$3", "HTTPS://X/", "//x/$2", "http://[::1]/$2", "javascript:x", " https://x/", "https://x/\té"]],
    *[{"redirectRegex": {"regex": regex, "replacement": "https://n.test/$1"}} for regex in EXPRESSIONS],
    *[{"redirectScheme": {"scheme": scheme, **more}} for scheme in ("", "https", "HTTPS", "http", "HTTP", "ws", "wss", "ftp", "x y", "https://") for more in ({}, {"port": "443"}, {"port": "0"}, {"port": "x"}, {"port": " 1"}, {"port": "99999", "permanent": True}, {"port": "80"})],
    *each("headers", "customRequestHeaders", [{"x-oDD-cASE": "v"}, {"X A": "v"}, {"X-É": "v"}, {"X-V": " v "}, {"X-V": "é"}, {"X-V": "a\tb"}, {"content-length": "3"}, {"Transfer-Encoding": "x"}, {"X_Under": "1"}, {"x-gone": ""}, {"X-Forwarded-For": ""},
                                              {"X-Forwarded-Proto": "https"}, {"Host": ""}, {"HOST": "x.test:99"}, {"X-V": "$1 {x} %s"}, {"Authorization": "Basic x"}, {"User-Agent": "me"}, {"Accept-Encoding": ""}, {"X-Real-Ip": "1.1.1.1"}, {"X-V": "a" * 5000}]),
    *each("headers", "customResponseHeaders", [{"x-oDD-cASE": "v"}, {"X A": "v"}, {"X-V": " v "}, {"X-V": "é"}, {"content-type": "a/b"}, {"x-upstream": ""}, {"X-UPSTREAM": "mine"}, {"Server": ""}, {"set-cookie": "a=1"}, {"Content-Encoding": "x"}, {"Location": ""}, {"WWW-Authenticate": "x"}, {"etag": "\"x\""}]),
    *each("headers", "stsSeconds", [0, -1, 1, 9223372036854775807], stsIncludeSubdomains=True, stsPreload=True, forceSTSHeader=True), *each("headers", "stsSeconds", [0, -1, 1], forceSTSHeader=False, stsPreload=True),
    {"headers": {"forceSTSHeader": True}}, {"headers": {"stsPreload": True}}, {"headers": {"stsSeconds": 5, "isDevelopment": True, "sslProxyHeaders": {"x-forwarded-proto": "https"}}},
    {"headers": {"stsSeconds": 5, "sslProxyHeaders": {"X-Own": "Yes"}}}, {"headers": {"stsSeconds": 5, "sslProxyHeaders": {"x-own": "yes"}, "isDevelopment": True, "frameDeny": True, "contentSecurityPolicy": "x", "allowedHosts": ["no.test"]}},
    *each("headers", "allowedHosts", [[""], ["*"], ["V*"], [".test"], ["no.test", "NO.test"]]), *each("headers", "allowedHosts", [["a.test"], ["A.TEST"]], hostsProxyHeaders=["x-own", ""]), *each("headers", "hostsProxyHeaders", [["X-Own"], [""]]),
    *each("headers", "frameDeny", [True, False], customFrameOptionsValue=""), *each("headers", "customFrameOptionsValue", ["allow-from x", "é"]), *each("headers", "browserXssFilter", [True, False], customBrowserXSSValue="z"),
    *each("headers", "contentSecurityPolicy", ["default-src 'self'; script-src x"], contentSecurityPolicyReportOnly="y"), *each("headers", "permissionsPolicy", ["geolocation=()"], referrerPolicy="x", featurePolicy="old"), {"headers": {"publicKey": "p", "stsSeconds": 0}},
    *each("headers", "accessControlMaxAge", [0, -1, 9223372036854775807]), *each("headers", "accessControlMaxAge", [0, 5, -1], accessControlAllowOriginList=["https://a.test"]), {"headers": {"addVaryHeader": True}}, {"headers": {"accessControlAllowCredentials": True}},
    *[{"headers": {"accessControlAllowOriginList": origins, **more}} for origins in (["https://a.test"], ["*"], ["https://a.test", "*"], ["HTTPS://A.test"], ["https://a.test/"], ["null"], [""], ["https://*.test"])
      for more in ({}, {"accessControlAllowCredentials": True}, {"accessControlAllowMethods": ["get", "PUT"], "accessControlAllowHeaders": ["x-q"], "addVaryHeader": True}, {"accessControlAllowMethods": [""], "accessControlExposeHeaders": ["", "X"]})],
    *each("headers", "accessControlAllowOriginListRegex", [["["], [""], ["a.test"], ["^https://a\\.test$", "b"], ["(?i)A\\.TEST"]]), *each("headers", "accessControlAllowMethods", [["*"], ["GET", "*"], []], accessControlAllowOriginListRegex=[".*"]),
    *each("ipAllowList", "sourceRange", [["0.0.0.0/0"], ["::/0"], ["::ffff:127.0.0.1"], ["::ffff:127.0.0.0/104"], ["127.0.0.1/33"], ["localhost"], [""], [" 127.0.0.1"], ["127.0.0.1 "], ["127.0.0.1,10.0.0.1"], ["127.0.0.1/0"], ["127.1"], ["0127.0.0.1"], ["127.0.0.1/08"], ["fe80::1%lo"], ["127.0.0.1", "x"], ["[::1]"], ["127.0.0.1:80"], ["0x7f.0.0.1"]]),
    *each("ipAllowList", "rejectStatusCode", [0, 200, 204, 299, 301, 404, 418, 500, 599], sourceRange=["10.0.0.0/8"]),
    *[{"ipAllowList": {"sourceRange": ["10.0.0.0/8", "2001:db8::/32"], "ipStrategy": strategy}} for strategy in (
        {"depth": 0}, {"depth": -1}, {"depth": 2}, {"depth": 20}, {"depth": 1000000}, {"excludedIPs": []}, {"excludedIPs": ["x"]}, {"excludedIPs": [""]}, {"excludedIPs": ["10.0.0.1", "127.0.0.1/32"]}, {"excludedIPs": ["0.0.0.0/0"]}, {"excludedIPs": ["::/0", "0.0.0.0/0"]}, {"depth": 1, "ipv6Subnet": 0},
        {"depth": 1, "ipv6Subnet": 129}, {"depth": 1, "ipv6Subnet": -1}, {"depth": 1, "ipv6Subnet": 128}, {"depth": 1, "ipv6Subnet": 20}, {"ipv6Subnet": 0}, {"ipv6Subnet": 200}, {"excludedIPs": ["10.0.0.1"], "ipv6Subnet": 200}, {"depth": -1, "excludedIPs": ["10.0.0.1"]}, {"depth": 3, "excludedIPs": ["x"]})],
    *[{"ipWhiteList": {"sourceRange": ["10.0.0.0/8"], "ipStrategy": strategy}} for strategy in ({"depth": 2}, {"excludedIPs": ["10.0.0.1", "127.0.0.0/8"]}, {"depth": 1, "ipv6Subnet": 129})],
    *[{"rateLimit": {"average": average, "period": period, **more}} for average, period in ((-1, "1s"), (0, "1s"), (1, "2400h"), (1, "0s"), (1, "-1s"), (1, 8640000), (1, "8640000"), (1, "100d"), (9223372036854775807, "1s"), (1, "1ns"), (1, "1.5h30m"))
      for more in ({}, {"burst": 0}, {"burst": -1}, {"burst": 2}, {"burst": 9223372036854775807}) if period != "100d"],
    *[{"rateLimit": {"average": 1, "period": "2400h", "sourceCriterion": criterion}} for criterion in (
        {"requestHost": False}, {"requestHeaderName": ""}, {"requestHeaderName": "x-own"}, {"requestHeaderName": "Host"}, {"requestHeaderName": "X-Nobody"}, {"ipStrategy": {"depth": 0}}, {"ipStrategy": {"depth": -1}}, {"ipStrategy": {"depth": 1}, "requestHost": True}, {"ipStrategy": {"depth": 1}, "requestHeaderName": "X"},
        {"ipStrategy": {"depth": 9}}, {"ipStrategy": {"excludedIPs": ["x"]}}, {"ipStrategy": {"depth": 1, "ipv6Subnet": 0}}, {"ipStrategy": {"excludedIPs": ["127.0.0.1", "10.0.0.1"]}}, {"requestHost": True, "requestHeaderName": ""}, {"requestHeaderName": "X A"})],
    *each("inFlightReq", "amount", [0, -1, -5, 1, 9223372036854775807]), *[{"inFlightReq": {"amount": 0, "sourceCriterion": criterion}} for criterion in ({"requestHeaderName": "x-own"}, {"ipStrategy": {"depth": 9}}, {"ipStrategy": {"depth": 1, "ipv6Subnet": 300}}, {"requestHeaderName": "Host"})],
    *[{"buffering": {field: value}} for field in ("maxRequestBodyBytes", "memRequestBodyBytes", "maxResponseBodyBytes", "memResponseBodyBytes") for value in BYTES if value > -2],
    *each("buffering", "retryExpression", ["", " ", "true", "ResponseCode() = 500", "Attempts() < 2 ||", "RequestMethod() == `GET` && Attempts() < 2", "attempts() < 2", "ResponseCode() == 500.0 && Attempts() < 2", "2 > Attempts()", "!IsNetworkError()", "IsNetworkError()", "(((Attempts() < 2)))",
                                           "Attempts() >= 0 && Attempts() <= 1", "Attempts() != 2 && Attempts() < 3", "ResponseCode() > 499 && Attempts() < 2", "RequestMethod() != 'GET' && Attempts() < 2", "Attempts(1) < 2", "Attempts() < 2 && Nope()", "ResponseCode()", "IsNetworkError() == true", "Attempts() < -1", "Attempts() == 1 || ResponseCode() == 500 && Attempts() < 2"]),
    *each("circuitBreaker", "expression", ["", " ", "true", "NetworkErrorRatio() > 0", "NetworkErrorRatio() > 0.0", "NetworkErrorRatio() < 0.5", "networkErrorRatio() > 0.5", "NetworkErrorRatio > 0.5", "NetworkErrorRatio() > 0.5 &&", "ResponseCodeRatio(500, 600) > 0.5", "ResponseCodeRatio(500, 600, 0, 600) > 0.5 && NetworkErrorRatio() >= 0.0",
                                           "ResponseCodeRatio(500, 600, 0, 600) == 1.0", "ResponseCodeRatio(200, 300, 0, 600) != 0.0", "LatencyAtQuantileMS(50) > 1", "LatencyAtQuantileMS(50.0) > 100000.5", "LatencyAtQuantileMS(50.0) >= 0", "LatencyAtQuantileMS(-1.0) > 1000", "0.5 < NetworkErrorRatio()", "RequestThreshold() > 1",
                                           "ResponseCodeRatio(600, 500, 0, 600) > 0.5", "ResponseCodeRatio(-1, 1000, 0, 600) > 2.0", "(NetworkErrorRatio() > 0.9)", "NetworkErrorRatio() > 0.5 || true"], checkPeriod="1ns", fallbackDuration="1h"),
    *[{"circuitBreaker": {"expression": "ResponseCodeRatio(500, 600, 0, 600) > 0.1", **more}} for more in ({"checkPeriod": "0s"}, {"checkPeriod": "-1s"}, {"checkPeriod": 1}, {"fallbackDuration": "0s", "checkPeriod": "1ms"}, {"recoveryDuration": "0s", "checkPeriod": "1ms", "fallbackDuration": "1h"}, {"responseCode": 0, "checkPeriod": "1ms", "fallbackDuration": "1h"}, {"responseCode": 599, "checkPeriod": "1ms", "fallbackDuration": "1h"})],
    *[{"retry": {"attempts": attempts}} for attempts in (0, -1, 1, 100)], *[{"retry": {"attempts": 2, "status": status, "retryNonIdempotentMethod": True}} for status in STATUSES], *each("retry", "initialInterval", ["0s", "-1s", "1ns", 1], attempts=2, status=["500"]),
    *each("retry", "timeout", ["0s", "-1s", "1ns"], attempts=2, status=["500"]), *each("retry", "maxRequestBodyBytes", [0, -1, -2, 3], attempts=2, status=["500"], retryNonIdempotentMethod=True),
    *[{"errors": {"status": status, "service": "upstream", "query": "/{status}"}} for status in STATUSES],
    *[{"errors": {"status": ["500", "401"], "service": "upstream", "query": query}} for query in ("", "x", "//x", "http://h.test/y", "/{url}", "?{url}", "/{status}{status}", "/{STATUS}", "/{unknown}", "/a b", "/é", "/%zz", "/x#y{status}", "/?a={url}&b={url}", "/{originalStatus}")],
    *[{"errors": {"status": ["200-599"], "service": "upstream", "query": "/{status}/{originalStatus}", "statusRewrites": rewrites}} for rewrites in ({"500": 200}, {"200": 500, "401": 599}, {"": 404}, {"x": 404}, {"500-400": 404}, {"500-599": 0}, {"401-500": 999})],
    *[{"compress": {"minResponseBodyBytes": size}} for size in (0, -1, -1000, 7, 9223372036854775807)], *[{"compress": {"minResponseBodyBytes": 1, "encodings": encodings}} for encodings in ([], ["GZIP"], ["identity"], ["br", "br"], [""], ["gzip", "x"])],
    *[{"compress": {"minResponseBodyBytes": 1, "defaultEncoding": encoding}} for encoding in ("", "br", "zstd", "x", "identity", "BR")], *[{"compress": {"minResponseBodyBytes": 1, "encodings": ["gzip"], "defaultEncoding": "br"}}],
    *[{"compress": {"minResponseBodyBytes": 1, field: kinds}} for field in ("includedContentTypes", "excludedContentTypes") for kinds in (["text"], [""], ["text/*"], ["*/*"], ["text/plain; charset=utf-8"], ["TEXT/PLAIN"], ["text/html;charset"], ["text/plain;q=x"], [" text/plain"], ["text/"], ["text/plain", "x"])],
    *each("grpcWeb", "allowOrigins", [[""], ["https://A.test"], ["null"], ["*", "https://a.test"], ["https://*.test"]]),
    *[{"basicAuth": {"users": [f"u:{word}"]}} for word in ("$2a$05$Fw7JwJId54WpLKFbddDOJOgjYbf.GatQqSFve55HkHntgbheM4PnG", "$2b$05$Fw7JwJId54WpLKFbddDOJOgjYbf.GatQqSFve55HkHntgbheM4PnG", "$2x$05$Fw7JwJId54WpLKFbddDOJOgjYbf.GatQqSFve55HkHntgbheM4PnG", "$apr1$$x", SHA, SHA.lower())],
    *[{"basicAuth": {"users": users}} for users in ([f" u:{SHA}"], [f"u:{SHA} "], [f"u :{SHA}"], [f"u:{SHA}", f"u:{SHA}"], [f":{SHA}"], [f"é:{SHA}"])], *[{"basicAuth": {"users": [f"u:{SHA}"], **more}} for more in ({"realm": ""}, {"realm": "é\\"}, {"realm": "a\tb"}, {"headerField": "x-oWN"}, {"headerField": "Authorization", "removeHeader": True}, {"headerField": "X A"}, {"removeHeader": False})],
    *[{"forwardAuth": {"address": address}} for address in ("http://UPSTREAM_ADDRESS/a?b=c#d", "http://u:p@UPSTREAM_ADDRESS/", "HTTP://UPSTREAM_ADDRESS/", "http://UPSTREAM_ADDRESS?x", "http://UPSTREAM_ADDRESS/é", "http://UPSTREAM_ADDRESS/a b", "http://UPSTREAM_ADDRESS//x/../y", "http://UPSTREAM_ADDRESS/%2Fx", "http://127.0.0.1:1")],
    *[{"forwardAuth": {"address": "http://UPSTREAM_ADDRESS/", **more}} for more in ({"authResponseHeaders": ["x-USER", ""]}, {"authResponseHeaders": ["X-User, X-Id-A"]}, {"authResponseHeadersRegex": "x-id"}, {"authResponseHeadersRegex": "["}, {"authResponseHeadersRegex": "^X-Id-A$"}, {"authRequestHeaders": []}, {"authRequestHeaders": ["x-CASE", "X-ANSWER", "x-own"]},
        {"headerField": "x-user"}, {"headerField": "X A"}, {"forwardBody": True, "maxBodySize": 0}, {"forwardBody": True, "maxBodySize": -1}, {"forwardBody": True, "maxBodySize": -5}, {"maxBodySize": 0}, {"maxResponseBodySize": 0}, {"maxResponseBodySize": -1}, {"maxResponseBodySize": -7}, {"authSigninURL": ""}, {"authSigninURL": "/login"},
        {"authSigninURL": "https://l.test/?rd=x"}, {"authSigninURL": "https://l.test/#f"}, {"authSigninURL": "://"}, {"addAuthCookiesToResponse": ["A"]}, {"addAuthCookiesToResponse": ["", "a", "b"]}, {"preserveRequestMethod": True, "forwardBody": True}, {"preserveLocationHeader": True, "authSigninURL": "https://l.test/"}, {"tls": {"insecureSkipVerify": True}},
        {"trustForwardHeader": True, "authRequestHeaders": ["X-Case", "X-Answer"]})],
    *each("chain", "middlewares", [["v0@file"], ["nowhere"], ["v0", "v0"]]), *each("contentType", "autoDetect", [True, False]), *each("encodedCharacters", "allowEncodedSlash", [True, False]),
]
ODD = {f"v{i}": middleware for i, middleware in enumerate(LIST)}
SERVER = "http://UPSTREAM_ADDRESS"
URLS = [f"{SERVER}/", f"{SERVER}/a/b", f"{SERVER}/a/b/", f"{SERVER}?x=1", f"{SERVER}/?x=1", f"{SERVER}/a%2Fb", f"{SERVER}/a b", f"{SERVER}/é", f"{SERVER}#f", "http://u:p@UPSTREAM_ADDRESS", "HTTP://UPSTREAM_ADDRESS", f"{SERVER}//", f"{SERVER}/../x", "http://localhost:1", "http://[::1]:1", "http://127.0.0.1:1/x", "http://nobody.invalid:80"]
COOKIES = [{"name": name} for name in ("", "c", "a b", "é", "a=b", "a;b", "_x")] + [{"name": "c", **more} for more in (
    {"maxAge": 0}, {"maxAge": -1}, {"maxAge": 2147483647}, {"path": ""}, {"path": "x"}, {"path": "/é"}, {"path": "/a b"}, {"domain": ""}, {"domain": "."}, {"domain": "x..y"}, {"domain": "1.2.3.4"}, {"domain": "D.test:80"}, {"sameSite": ""}, {"sameSite": "none", "secure": True}, {"httpOnly": False, "secure": False})]
SERVICES = {f"w{i}": service for i, service in enumerate([
    *[{"loadBalancer": {"servers": [{"url": url}]}} for url in URLS], *[{"loadBalancer": {"servers": [{"url": url, "preservePath": True}], "passHostHeader": False}} for url in URLS],
    *[{"loadBalancer": {"servers": [{"url": SERVER}], "sticky": {"cookie": cookie}}} for cookie in COOKIES], *[{"weighted": {"services": [{"name": "upstream"}], "sticky": {"cookie": cookie}}} for cookie in COOKIES],
    *[{"loadBalancer": {"servers": [{"url": SERVER, "weight": weight}]}} for weight in (0, -1, 1, 1000000)], {"loadBalancer": {"servers": [{"url": SERVER}, {"url": SERVER}, {"url": f"{SERVER}/"}]}},
    {"loadBalancer": {"servers": [{"url": SERVER, "weight": 0}, {"url": SERVER, "weight": 3}], "sticky": {"cookie": {"name": "c"}}}}, *[{"loadBalancer": {"servers": [{"url": SERVER}], "strategy": word}} for word in ("", "WRR", "P2C", "hrw", "leastTime", "random")],
    *[{"loadBalancer": {"servers": [{"url": SERVER}], "responseForwarding": {"flushInterval": value}}} for value in ("0s", "-1s", 5, "1h")], *[{"loadBalancer": {"servers": [{"url": SERVER}], "serversTransport": name}} for name in ("", "nowhere", "nowhere@file", "odd")],
    *[{"loadBalancer": {"servers": [{"url": SERVER}], "passiveHealthCheck": check}} for check in ({"maxFailedAttempts": 0}, {"maxFailedAttempts": -1}, {"failureWindow": "0s"}, {"failureWindow": "-1s"}, {"failureWindow": 3})],
    *[{"loadBalancer": {"servers": [{"url": SERVER}], "healthCheck": check}} for check in ({"path": ""}, {"path": "x"}, {"path": "/x", "interval": "0s"}, {"path": "/x", "interval": "-1s"}, {"path": "/x", "timeout": "0s"}, {"path": "/x", "timeout": "40s"}, {"path": "/x", "port": 0}, {"path": "http://u/x"}, {"path": "/%zz"}, {"path": "/x", "scheme": "ftp"}, {"path": "/x", "method": "get"},
                                                                                  {"path": "/x", "method": "A B"}, {"path": "/x", "status": 0}, {"path": "/x", "unhealthyInterval": "0s"}, {"path": "/x", "unhealthyInterval": "-1s"}, {"path": "/x", "mode": ""}, {"path": "/x", "hostname": "a b"}, {"path": "/x", "headers": {"X A": "1"}})],
    *[{"weighted": {"services": children}} for children in ([], [{"name": ""}], [{"name": "nowhere"}], [{"name": "upstream", "weight": 0}], [{"name": "upstream", "weight": -1}], [{"name": "upstream", "weight": 0}, {"name": "empty"}], [{"name": "upstream"}, {"name": "upstream", "weight": 0}], [{"name": "upstream@file"}], [{"name": "upstream@nowhere"}], [{"name": "empty"}])],
    *[{"mirroring": {"service": "upstream", "mirrors": [{"name": "empty", "percent": percent}]}} for percent in (0, 100)], {"mirroring": {"service": "upstream", "mirrors": [{"name": "empty", "percent": 60}, {"name": "dead", "percent": 70}]}}, {"mirroring": {"service": "upstream", "maxBodySize": 0, "mirrors": [{"name": "empty", "percent": 100}]}},
    {"mirroring": {"service": "upstream", "maxBodySize": -5, "mirrors": [{"name": "empty", "percent": 100}]}}, {"mirroring": {"service": "empty", "mirrors": [{"name": "upstream", "percent": 0}]}}, {"mirroring": {"service": "nowhere", "mirrors": []}}, {"mirroring": {"service": "", "mirrors": [{"name": "upstream", "percent": 0}]}},
    *[{"mirroring": {"service": "upstream", "mirrors": [{"name": "empty", "percent": percent}]}} for percent in (-1, 101)],
    *[{"failover": {"service": "dead", "fallback": "upstream", "errors": {"status": status}}} for status in STATUSES], *[{"failover": {"service": "dead", "fallback": "upstream", "errors": {"status": ["502"], "maxRequestBodyBytes": size}}} for size in BYTES], {"failover": {"service": "upstream", "fallback": ""}}, {"failover": {"service": "empty", "fallback": "upstream"}},
    {"failover": {"service": "empty", "fallback": "upstream", "errors": {"status": ["503"]}}}, *[{"highestRandomWeight": {"services": children}} for children in ([{"name": "upstream", "weight": 0}], [{"name": "upstream", "weight": -1}], [{"name": ""}], [{"name": "upstream"}, {"name": "upstream"}], [{"name": "empty", "weight": 0}, {"name": "upstream"}])],
    *[{"middlewares": names, "loadBalancer": {"servers": [{"url": SERVER}]}} for names in (["added"], ["added@file"], ["nowhere"], [], ["added", "stripped"], [""])],
])}
TRANSPORTS = {"odd": {"maxIdleConnsPerHost": -1, "forwardingTimeouts": {"dialTimeout": "0s", "responseHeaderTimeout": "0s", "idleConnTimeout": "0s", "pingTimeout": "0s"}}}


def values_configuration():
    routers = {name: {"rule": f"Host(`{name}.test`)", "service": "upstream", "middlewares": [name], "entryPoints": POINTS} for name in ODD}
    routers |= {name: {"rule": f"Host(`{name}.test`)", "service": name, "entryPoints": POINTS} for name in SERVICES}
    return {"http": {"routers": routers, "middlewares": {**ODD, "added": {"addPrefix": {"prefix": "/added"}}, "stripped": {"stripPrefix": {"prefixes": ["/added/foo"]}}}, "serversTransports": TRANSPORTS,
                     "services": {**SERVICES, "dead": {"loadBalancer": {"servers": [{"url": "http://127.0.0.1:1"}]}}, "empty": {"loadBalancer": {"servers": []}}}}}


PATHS = ["/", "/foo", "/foo/", "/foo/bar", "/foo//bar/x?y=1&z", "/foobar", "/fo%6F/bar", "/foo%2Fbar", "/FOO/bar", "/%C3%A9/x", "/a.b/%20", "/a%0Ab", "/foo/bar%0A", "/12/é".encode().decode("latin-1"), "/foo/bar/baz?q=%2F#f"]
CHAINS = ["10.0.0.1", "10.0.0.1, 1.2.3.4", "1.2.3.4, 10.0.0.1", ", ".join(f"10.0.0.{i}" for i in range(40)), "2001:db8::1, 10.0.0.1", "1.1.1.1, 2001:db8:ffff::1", "::ffff:10.0.0.1", "10.0.0.1,,", " 10.0.0.1 ,127.0.0.1", "fe80::1%lo", "10.0.0.1:99", "[2001:db8::1]:80", "é"]


def asks_of(kind):
    """What shows how a middleware of this kind works: (entry point, arguments of request)."""
    if "Prefix" in kind or "Path" in kind or kind.startswith("redirect") or kind in ("chain", "encodedCharacters"):
        yield from (("web", {"target": path}) for path in PATHS)
        yield from (("rawpath", {"target": path}) for path in PATHS[4:6])
        if kind.startswith("redirect"):
            for method in ("POST", "HEAD", "OPTIONS"):
                yield "web", {"target": "/foo/bar", "method": method}
            for proto in ("https", "wss", "x"):
                yield "trust", {"target": "/foo?a=b", "headers": [("X-Forwarded-Proto", proto)]}
            for port in (":80", ":443", ":8080", ":0", ":"):
                yield "web", {"target": "/foo/x", "port": port}
    elif kind == "headers":
        for method, asked in (("GET", None), ("OPTIONS", "PUT"), ("OPTIONS", None), ("OPTIONS", "get"), ("POST", "PUT")):
            for origin in (None, "https://a.test", "HTTPS://A.test", "null", "https://b.test"):
                more = ([("Origin", origin)] if origin else []) + ([("Access-Control-Request-Method", asked), ("Access-Control-Request-Headers", "x-q, X-R")] if asked else [])
                yield "web", {"target": "/", "method": method, "headers": more}
        for mode in ("cors", "many", "redirect", "vary", "lower"):
            yield "web", {"target": "/", "headers": [("X-Answer", mode), ("Origin", "https://a.test"), ("X-Gone", "1"), ("X-Own", "yes"), ("X-Under", "0")]}
        yield "trust", {"target": "/", "headers": [("X-Forwarded-Proto", "https"), ("X-Own", "a.test")]}
        yield "web", {"target": "/", "headers": [("X-Forwarded-Proto", "https"), ("X-Own", "Yes")]}
    elif kind.startswith("ip") or kind in ("rateLimit", "inFlightReq"):
        for chain in CHAINS if kind.startswith("ip") else CHAINS[:5]:
            yield "trust", {"target": "/", "headers": [("X-Forwarded-For", chain.encode().decode("latin-1"))]}
        for own in (None, "a", "b", "a"):
            yield "web", {"target": "/", "headers": [("X-Own", own)] if own else []}
            yield "insecure", {"target": "/", "headers": [("X-Forwarded-For", "9.9.9.9"), ("X-Forwarded-For", "10.0.0.9")]}
    elif kind in ("buffering", "retry", "errors", "circuitBreaker", "failover"):
        for mode in ("", "error", "deny", "empty", "status 404", "dropped", "long"):
            for method, body in (("GET", b""), ("POST", b"body"), ("HEAD", b""), ("PUT", b"")):
                if (mode, method) != ("dropped", "GET"):
                    yield "web", {"target": "/a%2Fb?x=1&y=%20", "method": method, "body": body, "headers": [("X-Answer", mode)]}
        yield "web", {"target": "/", "method": "POST", "headers": [("Content-Type", "application/grpc"), ("X-Answer", "error")], "body": b"x"}
    elif kind == "compress":
        for accepted in ("gzip", "br", "zstd", "gzip, br", "identity", "x", "gzip;q=0", "br;q=0.001, gzip;q=0.002", "*;q=0", "gzip;q=1.5", "gzip;q=.5,br;q=0.4", "br;Q=0.3, gzip;q=0.2", "br;q=0.5;x=y", "br,,gzip", "br;q", "*, gzip;q=0"):
            yield "web", {"target": "/", "headers": [("Accept-Encoding", accepted)]}
        for mode in ("html", "long", "typed text/plain; charset=utf-8", "typed TEXT/PLAIN", "typed text", "typed image/png", "typed text/event-stream", "status 206", "status 304", "empty", "vary", "chunked", "trailers", "bare"):
            for method in ("GET", "HEAD"):
                yield "web", {"target": "/", "method": method, "headers": [("Accept-Encoding", "br"), ("X-Answer", mode)]}
    elif kind == "basicAuth":
        for user in ("u", " u", "u ", "", "é", "U"):
            for word in ("pass word", "wrong"):
                yield "web", {"target": "/", "headers": [("Authorization", "Basic " + coded(f"{user}:{word}")), ("X-Own", "eve")]}
        yield "web", {"target": "/"}
        yield "web", {"target": "/", "headers": [("Authorization", "Basic " + coded("u:wrong")), ("Authorization", "Basic " + coded("u:pass word"))]}
    elif kind == "forwardAuth":
        for mode in ("", "user", "deny", "redirect", "error", "many", "long", "empty", "status 302", "status 299", "status 399", "chunked"):
            for method, body in (("GET", b""), ("POST", b"body"), ("HEAD", b""), ("POST", b"")):
                yield "web", {"target": "/a%2Fb?x=1", "method": method, "body": body, "headers": [("X-Answer", mode), ("User-Agent", "me"), ("X-User", "eve"), ("Cookie", "a=0; A=1")]}
        yield "trust", {"target": "/", "headers": [("X-Forwarded-Uri", "/f"), ("X-Forwarded-Method", "PUT"), ("X-Forwarded-Host", "h"), ("User-Agent", "me"), ("X-Forwarded-For", "1.2.3.4")]}
    elif kind == "grpcWeb":
        for origin in ("https://a.test", "https://A.test", "null", ""):
            yield "web", {"target": "/", "method": "OPTIONS", "headers": [("Origin", origin), ("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "x-grpc-web")]}
            yield "web", {"target": "/", "method": "POST", "body": b"x", "headers": [("Origin", origin), ("Content-Type", "application/grpc-web")]}
    else:
        yield from (("web", {"target": path}) for path in PATHS[:5])
        yield "web", {"target": "/foo", "method": "POST", "body": b"hello"}
        yield "trust", {"target": "/x", "headers": [("Cookie", "c=nobody; c=x"), ("X-Forwarded-For", "1.2.3.4"), ("X-Answer", "bare")]}
        yield "web", {"target": "/x", "method": "HEAD", "headers": [("X-Answer", "error")]}


def values_requests():
    out = []
    for name, of in {**ODD, **SERVICES}.items():
        kind = next(key for key in of if key != "middlewares")
        for entry_point, words in asks_of(kind):
            words = dict(words)
            out.append((entry_point, request(words.pop("target"), host=f"{name}.test{words.pop('port', '')}", **words)))
    return out


# What docs/differences.md says of these objects, found by their text.
ON_PURPOSE = [
    (r'"(average|burst|depth|amount|minResponseBodyBytes)": -|"(maxRequestBodyBytes|maxBodySize|maxResponseBodySize)": -[2-9]', "a number below zero means nothing"),
    (r'"ipv6Subnet": (0|-1|129|[23]00)', "no address has so many bits"),
    (r'"regex": ""', "an expression is missing"),
    (r'"(\+500|500-599-600)"', "no range of statuses"),
    (r'"X A"|"X-\\u00c9"|"X-User, X-Id-A"|"x-USER", ""', "no name of a header"),
    (r'"query": "/%zz"|"method": "A B"', "nothing that can be asked for"),
    (r'"responseCode": 0|"500-599": 0', "no answer has that status"),
    (r'"encodings": \[\]', "an empty list is nothing"),
    (r'apr1\$\$|\{sha\}', "no hash"),
    (r'forwardAuth.*u:p@', "a user in an address is not sent"),
    (r'"(average|maxRequestBodyBytes)": 9223372036854775807', "a number that is too large there is none here"),
    (r'nobody\.invalid', "who has no address is not asked"),
    (r'"path": "(http://u/x|/%zz)"|"scheme": "ftp"', "servers with a check are asked at once, not after its first interval"),
    (r'"X_Under"', "other spellings of a header that is set are removed"),
    (r'includedContentTypes', "no Content-Type is none of those included"),
    (r'"ipv6Subnet": 20', "an IPv4 address is none of IPv6, however it is written"),
    (r'"minResponseBodyBytes": (0|9223372036854775807)', "an event stream whose length is known is no stream"),
    (r'"preserveRequestMethod": true, "forwardBody": true', "a body without bytes is told by its length"),
    (r'"checkPeriod": "(0s|-1s)"', "it depends on the time between two requests"),
]


def values_accepted():
    """(pattern over a request's bytes, reason), as ACCEPTED in compare.py."""
    out = []
    for pattern, why in ON_PURPOSE:
        names = [name for name, of in {**ODD, **SERVICES}.items() if re.search(pattern, json.dumps(of))]
        assert names, pattern
        out.append((rb"Host: (" + "|".join(names).encode() + rb")\.test", why))
    return out
