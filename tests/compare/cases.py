"""cases.py - configurations and requests for compare.py: a fixed set that covers each feature, and random ones."""
import base64
import hashlib

ENTRY_POINTS = {
    "web": ["asDefault=true"],
    "trust": ["forwardedHeaders.trustedIPs=127.0.0.1/32"],
    "insecure": ["forwardedHeaders.insecure=true"],
    "strict": ["http.encodedCharacters.allowEncodedSlash=false", "http.encodedCharacters.allowEncodedBackSlash=false",
               "http.encodedCharacters.allowEncodedNullCharacter=false", "http.encodedCharacters.allowEncodedSemicolon=false",
               "http.encodedCharacters.allowEncodedPercent=false", "http.encodedCharacters.allowEncodedQuestionMark=false",
               "http.encodedCharacters.allowEncodedHash=false"],
    "rawpath": ["http.sanitizePath=false"],
    "semicolon": ["http.encodeQuerySemicolons=true"],
    "dropunder": ["http.underscoreHeadersStrategy=delete"],
    "rejectunder": ["http.underscoreHeadersStrategy=reject"],
    "conn": ["forwardedHeaders.connection=X-Kept-Hop,foobar"],
    "scheme": ["forwardedHeaders.addXForwardedSchemeHeaders=true", "forwardedHeaders.notAppendXForwardedFor=true"],
    "redirecting": ["http.redirections.entryPoint.to=web", "http.redirections.entryPoint.scheme=https"],
    "mwep": ["http.middlewares=add@file"],
    "elsewhere": ["http.redirections.entryPoint.to=:8443", "http.redirections.entryPoint.permanent=false", "http.middlewares=add@file"],
    "late": ["http.redirections.entryPoint.to=web", "http.redirections.entryPoint.scheme=http", "http.redirections.entryPoint.priority=10", "forwardedHeaders.insecure=true"],
    "raw": ["http.sanitizePath=false", "http.encodeQuerySemicolons=true", "http.encodedCharacters.allowEncodedSlash=false", "forwardedHeaders.trustedIPs=127.0.0.0/8,::1",
            "forwardedHeaders.connection=X-Foo,X-Forwarded-For,Upgrade", "http.underscoreHeadersStrategy=delete"],
    "scheming": ["forwardedHeaders.insecure=true", "forwardedHeaders.addXForwardedSchemeHeaders=true", "forwardedHeaders.notAppendXForwardedFor=true", "http.underscoreHeadersStrategy=reject"],
    "small": ["http.maxHeaderBytes=2000"],
    "second": ["asDefault=true", "observability.accessLogs=false", "observability.metrics=false", "observability.tracing=false", "transport.keepAliveMaxRequests=2"],
}

MIDDLEWARES = {
    "add": {"addPrefix": {"prefix": "/added"}},
    "add-enc": {"addPrefix": {"prefix": "/a%2Fb"}},
    "strip": {"stripPrefix": {"prefixes": ["/api", "/v1/", "/api/deep"]}},
    "strip-force": {"stripPrefix": {"prefixes": ["/api"], "forceSlash": False}},
    "strip-re": {"stripPrefixRegex": {"regex": ["/foo/[a-z0-9]+/", "/bar/[0-9]+"]}},
    "replace": {"replacePath": {"path": "/replaced"}},
    "replace-query": {"replacePath": {"path": "/re%20placed"}},
    "replace-re": {"replacePathRegex": {"regex": "^/foo/(.*)/(.*)$", "replacement": "/bar/$2-$1"}},
    "replace-named": {"replacePathRegex": {"regex": "^/n/(?P<id>[0-9]+)", "replacement": "/id-${id}"}},
    "scheme": {"redirectScheme": {"scheme": "https"}},
    "scheme-perm": {"redirectScheme": {"scheme": "https", "permanent": True, "port": "8443"}},
    "scheme-443": {"redirectScheme": {"scheme": "https", "port": "443"}},
    "scheme-http": {"redirectScheme": {"scheme": "http", "port": "8080"}},
    "regex": {"redirectRegex": {"regex": "^http://redir.test(:[0-9]+)?/old/(.*)", "replacement": "http://new.test/${2}"}},
    "regex-perm": {"redirectRegex": {"regex": "^http://([^/]+)/p/(.*)", "replacement": "https://$1/q/$2", "permanent": True}},
    "head": {"headers": {"customRequestHeaders": {"X-Added": "one", "X-Gone": "", "host": "changed.test", "x-lower": "v"},
                         "customResponseHeaders": {"X-Out": "two", "X-Upstream": "", "Server": "weird"}}},
    "cors": {"headers": {"accessControlAllowMethods": ["GET", "PUT"], "accessControlAllowHeaders": ["X-A", "X-B"],
                         "accessControlAllowOriginList": ["https://a.test", "https://b.test"], "accessControlMaxAge": 100,
                         "accessControlExposeHeaders": ["X-C", "X-D"], "addVaryHeader": True}},
    "cors-star": {"headers": {"accessControlAllowMethods": ["*"], "accessControlAllowHeaders": ["*"],
                              "accessControlAllowOriginList": ["*"], "accessControlExposeHeaders": ["*"], "accessControlMaxAge": 0}},
    "cors-cred": {"headers": {"accessControlAllowMethods": ["*"], "accessControlAllowHeaders": ["*"], "accessControlAllowCredentials": True,
                              "accessControlAllowOriginList": ["*"], "accessControlExposeHeaders": ["*"]}},
    "cors-re": {"headers": {"accessControlAllowOriginListRegex": ["^https://[a-z]+\\.test$"], "accessControlMaxAge": -1,
                            "customResponseHeaders": {"Vary": "X-Mine", "Access-Control-Allow-Origin": "none"}, "addVaryHeader": True}},
    "cors-vary": {"headers": {"addVaryHeader": True, "customResponseHeaders": {"vary": "Origin"}}},
    "secure": {"headers": {"stsSeconds": 10, "stsIncludeSubdomains": True, "stsPreload": True, "forceSTSHeader": True, "frameDeny": True,
                           "contentTypeNosniff": True, "browserXssFilter": True, "contentSecurityPolicy": "default-src 'self'",
                           "contentSecurityPolicyReportOnly": "img-src *", "publicKey": "pin", "referrerPolicy": "same-origin",
                           "permissionsPolicy": "camera=()", "customResponseHeaders": {"Referrer-Policy": ""}}},
    "secure-own": {"headers": {"stsSeconds": 10, "customFrameOptionsValue": "SAMEORIGIN", "frameDeny": True, "browserXssFilter": True,
                               "customBrowserXSSValue": "0", "publicKey": "pin", "sslProxyHeaders": {"X-Forwarded-Proto": "https"}}},
    "secure-dev": {"headers": {"stsSeconds": 10, "forceSTSHeader": True, "isDevelopment": True, "allowedHosts": ["no.test"], "publicKey": "pin"}},
    "hosts": {"headers": {"allowedHosts": ["HOSTS.test:80", "other.test"], "hostsProxyHeaders": ["X-Asked", "X-Asked-Too"],
                          "customResponseHeaders": {"X-Said": "1"}}},
    "secure-old": {"headers": {"sslRedirect": True, "sslTemporaryRedirect": True, "sslHost": "a.test", "sslForceHost": True, "featurePolicy": "x"}},
    "secure-zero": {"headers": {"stsSeconds": 0}},
    "allow": {"ipAllowList": {"sourceRange": ["127.0.0.1", "10.0.0.0/8"]}},
    "allow-not": {"ipAllowList": {"sourceRange": ["10.0.0.0/8", "::1"], "rejectStatusCode": 418}},
    "allow-depth": {"ipAllowList": {"sourceRange": ["10.0.0.0/8"], "ipStrategy": {"depth": 1}}},
    "allow-excluded": {"ipAllowList": {"sourceRange": ["10.0.0.0/8"], "ipStrategy": {"excludedIPs": ["127.0.0.0/8", "192.168.0.0/16"]}}},
    "allow-subnet": {"ipAllowList": {"sourceRange": ["2001:db8::/64"], "ipStrategy": {"depth": 1, "ipv6Subnet": 64}}},
    "white-all": {"ipWhiteList": {"sourceRange": ["10.0.0.0/8"], "ipStrategy": {"excludedIPs": ["192.168.0.0/16"], "ipv6Subnet": 64}}},
    "allow-none": {"ipAllowList": {"sourceRange": []}},
    "rate": {"rateLimit": {"average": 1, "period": "2400h", "burst": 3}},
    "rate-none": {"rateLimit": {"average": 0}},
    "rate-huge": {"rateLimit": {"average": 1000000, "period": "1s", "burst": 1000000000}},
    "rate-header": {"rateLimit": {"average": 1, "period": "2400h", "sourceCriterion": {"requestHeaderName": "X-Forwarded-Proto"}}},
    "rate-host": {"rateLimit": {"average": 1, "period": "2400h", "burst": 2, "sourceCriterion": {"requestHost": True}}},
    "rate-depth": {"rateLimit": {"average": 1, "period": "2400h", "sourceCriterion": {"ipStrategy": {"depth": 1, "ipv6Subnet": 64}}}},
    "rate-excluded": {"rateLimit": {"average": 1, "period": "2400h", "sourceCriterion": {"ipStrategy": {"excludedIPs": ["127.0.0.0/8"]}}}},
    "rate-both": {"rateLimit": {"sourceCriterion": {"requestHost": True, "requestHeaderName": "X"}}},
    "flight": {"inFlightReq": {"amount": 1}},
    "flight-none": {"inFlightReq": {"amount": 0, "sourceCriterion": {"requestHost": True}}},
    "flight-header": {"inFlightReq": {"amount": 0, "sourceCriterion": {"requestHeaderName": "X-Forwarded-Proto"}}},
    "flight-depth": {"inFlightReq": {"amount": 3, "sourceCriterion": {"ipStrategy": {"depth": 1}}}},
    "flight-excluded": {"inFlightReq": {"amount": 3, "sourceCriterion": {"ipStrategy": {"excludedIPs": ["127.0.0.0/8"], "ipv6Subnet": 64}}}},
    "flight-both": {"inFlightReq": {"amount": 3, "sourceCriterion": {"requestHost": True, "requestHeaderName": "X"}}},
    "white": {"ipWhiteList": {"sourceRange": ["127.0.0.0/8"]}},
    "basic": {"basicAuth": {"users": ["sha:{SHA}2oguq15ANCGsJCWKX31fllwpyEk=", "md5:$apr1$F.MFzUVj$uzZ//1y78r2VEpyD.v/tv.",
                                      "bc:$2y$05$Fw7JwJId54WpLKFbddDOJOgjYbf.GatQqSFve55HkHntgbheM4PnG",
                                      "two:{SHA}AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "two:{SHA}2oguq15ANCGsJCWKX31fllwpyEk="]}},
    "basic-told": {"basicAuth": {"users": ["sha:{SHA}2oguq15ANCGsJCWKX31fllwpyEk="], "realm": "a \"realm\"", "headerField": "X-User", "removeHeader": True}},
    "basic-none": {"basicAuth": {"users": []}},
    "basic-file": {"basicAuth": {"usersFile": "/nowhere/users"}},
    "digest": {"digestAuth": {"users": ["bob:traefik:a0a5e2cf45ec4a4b8c0d2e0d33f42c6c", "bob:other:a0a5e2cf45ec4a4b8c0d2e0d33f42c6c"]}},
    "digest-told": {"digestAuth": {"users": ["bob:the office:a0a5e2cf45ec4a4b8c0d2e0d33f42c6c"], "realm": "the office", "headerField": "X-User", "removeHeader": True}},
    "digest-none": {"digestAuth": {"users": []}},
    "digest-bad": {"digestAuth": {"users": ["bob:a0a5e2cf45ec4a4b8c0d2e0d33f42c6c"]}},
    "digest-file": {"digestAuth": {"usersFile": "/nowhere/users"}},
    "cert": {"passTLSClientCert": {"pem": True, "info": {"notAfter": True, "notBefore": True, "sans": True, "serialNumber": True, "subject": {
        "country": True, "province": True, "locality": True, "organization": True, "organizationalUnit": True, "commonName": True, "serialNumber": True,
        "domainComponent": True}, "issuer": {"country": True, "province": True, "locality": True, "organization": True, "commonName": True,
                                             "serialNumber": True, "domainComponent": True}}}},
    "compress": {"compress": {}},
    "compress-short": {"compress": {"minResponseBodyBytes": 7}},
    "compress-long": {"compress": {"minResponseBodyBytes": 8}},
    "compress-in": {"compress": {"minResponseBodyBytes": 1, "includedContentTypes": ["text/HTML; charset=x"]}},
    "compress-ex": {"compress": {"minResponseBodyBytes": 1, "excludedContentTypes": ["text/html", "text/event-stream"]}},
    "compress-order": {"compress": {"minResponseBodyBytes": 1, "encodings": ["zstd", "br"]}},
    "compress-default": {"compress": {"minResponseBodyBytes": 1, "encodings": ["zstd", "br"], "defaultEncoding": "br"}},
    "compress-both": {"compress": {"includedContentTypes": ["a/b"], "excludedContentTypes": ["a/b"]}},
    "compress-none": {"compress": {"encodings": ["gzip", "deflate"]}},
    "buffer": {"buffering": {"maxRequestBodyBytes": 10, "memRequestBodyBytes": 5, "maxResponseBodyBytes": 7, "memResponseBodyBytes": 3}},
    "buffer-small": {"buffering": {"maxResponseBodyBytes": 6}},
    "buffer-file": {"buffering": {"memRequestBodyBytes": 1, "memResponseBodyBytes": 1}},
    "buffer-again": {"buffering": {"retryExpression": "(ResponseCode() == 500 || IsNetworkError()) && Attempts() < 3 && RequestMethod() != \"PUT\""}},
    "buffer-never": {"buffering": {"retryExpression": "Attempts()"}},
    "grpcweb": {"grpcWeb": {"allowOrigins": ["https://a.test", "https://b.test"]}},
    "grpcweb-all": {"grpcWeb": {"allowOrigins": ["*"]}},
    "encoded": {"encodedCharacters": {"allowEncodedSlash": False}},
    "encoded-some": {"encodedCharacters": {"allowEncodedSlash": True, "allowEncodedBackSlash": True, "allowEncodedNullCharacter": True, "allowEncodedSemicolon": True}},
    "encoded-other": {"encodedCharacters": {"allowEncodedPercent": True, "allowEncodedQuestionMark": True, "allowEncodedHash": True}},
    "auth-dead": {"forwardAuth": {"address": "http://127.0.0.1:1/", "trustForwardHeader": True, "authResponseHeaders": ["X-User"],
                                  "authResponseHeadersRegex": "^X-Id-", "authRequestHeaders": ["X-One"], "addAuthCookiesToResponse": ["a"],
                                  "headerField": "X-User", "forwardBody": True, "maxBodySize": 10, "maxResponseBodySize": 10,
                                  "preserveLocationHeader": True, "preserveRequestMethod": True, "authSigninURL": "https://login.test/"}},
    "auth": {"forwardAuth": {"address": "http://UPSTREAM_ADDRESS/decide?a=1"}},
    "auth-trust": {"forwardAuth": {"address": "http://UPSTREAM_ADDRESS", "trustForwardHeader": True, "authResponseHeaders": ["x-user", "X-Gone"],
                                   "authResponseHeadersRegex": "^X-Id-", "preserveRequestMethod": True, "addAuthCookiesToResponse": ["a"]}},
    "auth-some": {"forwardAuth": {"address": "http://UPSTREAM_ADDRESS/some/where", "trustForwardHeader": False, "headerField": "X-User",
                                  "authRequestHeaders": ["X-Case", "x-answer", "User-Agent", "X-One", "X-Forwarded-Prefix"], "forwardBody": True, "maxBodySize": 5,
                                  "maxResponseBodySize": 7, "preserveLocationHeader": True, "authSigninURL": "https://login.test/?a=1&b=2"}},
    "auth-body": {"forwardAuth": {"address": "http://UPSTREAM_ADDRESS/body/x", "trustForwardHeader": True, "forwardBody": True,
                                  "authRequestHeaders": ["X-Case", "X-Answer", "User-Agent"]}},
    "auth-tls": {"forwardAuth": {"address": "https://SECURE_ADDRESS/decide", "tls": {"ca": "SECURE_CRT", "caOptional": False}}},
    "auth-tls-any": {"forwardAuth": {"address": "https://SECURE_ADDRESS/decide", "tls": {"insecureSkipVerify": True}}},
    "auth-tls-pair": {"forwardAuth": {"address": "https://DEMANDING_ADDRESS/decide", "tls": {"ca": "SECURE_CRT", "cert": "OTHER_CRT", "key": "OTHER_KEY"}}},
    "auth-tls-not": {"forwardAuth": {"address": "https://SECURE_ADDRESS/decide", "tls": {"ca": "OTHER_CRT"}}},
    "errors": {"errors": {"status": ["401", "500-599"], "service": "upstream", "query": "/page/{status}?u={url}&o={originalStatus}"}},
    "errors-told": {"errors": {"status": ["200", "401", "500-502"], "service": "upstream", "query": "page#{status}", "errorRequestHeaders": ["X-Case", "x-two"],
                               "statusRewrites": {"401": 404, "500-599": 418}}},
    "errors-dead": {"errors": {"status": ["401", "500"], "service": "dead", "query": "/{status}"}},
    "errors-bare": {"errors": {"status": ["500"], "service": "upstream"}},
    "errors-none": {"errors": {"status": [], "service": "upstream", "query": "/"}},
    "errors-nowhere": {"errors": {"status": ["500"], "service": "nowhere", "query": "/"}},
    "errors-bad": {"errors": {"status": ["5xx"], "service": "upstream", "query": "/"}},
    "errors-bad-rewrite": {"errors": {"status": ["500"], "service": "upstream", "query": "/", "statusRewrites": {"x": 404}}},
    "errors-out": {"chain": {"middlewares": ["errors-told", "errors", "add"]}},
    "detect": {"contentType": {}},
    "detect-on": {"contentType": {"autoDetect": True}},
    "detect-off": {"contentType": {"autoDetect": False}},
    "detect-out": {"chain": {"middlewares": ["compress-short", "detect", "allow-not"]}},
    "detect-in": {"chain": {"middlewares": ["detect", "compress-long", "add"]}},
    "retry": {"retry": {"attempts": 3}},
    "retry-status": {"retry": {"attempts": 3, "timeout": "60s", "maxRequestBodyBytes": 10, "status": ["418", "500-599"], "retryNonIdempotentMethod": True}},
    "retry-safe": {"retry": {"attempts": 2, "initialInterval": "1ms", "status": ["500", "302"], "disableRetryOnNetworkError": True}},
    "retry-unbounded": {"retry": {"attempts": 2, "maxRequestBodyBytes": -1, "status": ["500"], "retryNonIdempotentMethod": True}},
    "retry-once": {"retry": {"attempts": 1, "status": ["500"]}},
    "retry-none": {"retry": {"attempts": 0}},
    "retry-never": {"retry": {"attempts": 2, "disableRetryOnNetworkError": True}},
    "retry-wrong": {"retry": {"attempts": 2, "status": ["5xx"]}},
    "retry-out": {"chain": {"middlewares": ["retry-status", "add", "buffer-again"]}},
    "breaker": {"circuitBreaker": {"expression": "NetworkErrorRatio() > 0.30"}},
    "breaker-code": {"circuitBreaker": {"expression": "ResponseCodeRatio(500, 600, 0, 600) > 0.02 && RequestThreshold() >= 1 || NetworkErrorRatio() >= .99",
                                        "checkPeriod": "1ms", "fallbackDuration": "1h", "recoveryDuration": "1h", "responseCode": 418}},
    "breaker-slow": {"circuitBreaker": {"expression": "LatencyAtQuantileMS(50.0) > 100000"}},
    "breaker-fast": {"circuitBreaker": {"expression": "(LatencyAtQuantileMS(100.0) < 100000)", "fallbackDuration": "1h"}},
    "breaker-int": {"circuitBreaker": {"expression": "LatencyAtQuantileMS(50) > 100"}},
    "breaker-float": {"circuitBreaker": {"expression": "NetworkErrorRatio() > 1"}},
    "breaker-not": {"circuitBreaker": {"expression": "!(NetworkErrorRatio() > 0.5)"}},
    "breaker-empty": {"circuitBreaker": {"expression": ""}},
    "inner": {"chain": {"middlewares": ["strip", "add"]}},
    "outer": {"chain": {"middlewares": ["inner", "head"]}},
}


def configuration():
    routers = {}

    def router(name, rule, service="upstream", **more):
        routers[name] = dict({"rule": rule, "service": service}, **more)

    every = list(ENTRY_POINTS)
    router("catch", "PathPrefix(`/`) && Host(`all.test`)", entryPoints=every)
    for name in MIDDLEWARES:
        router(f"mw-{name}", f"Host(`{name}.test`)", middlewares=[name], entryPoints=["web", "trust", "insecure", "strict", "rawpath"])
    for name in SECURED:
        router(f"tls-{name}", f"Host(`{name}.tls.test`)", service=f"tls-{name}")
    router("redir", "Host(`redir.test`)", middlewares=["regex"], observability={"accessLogs": False, "metrics": True, "tracing": False, "traceVerbosity": "detailed"})
    for name in ("auth", "auth-trust"):
        router(f"{name}-away", f"Host(`{name}-away.test`)", middlewares=[name, "scheme"])
    router("two", "Host(`two.test`)", middlewares=["strip", "add", "head"])
    router("host-upper", "Host(`UPPER.test`)")
    router("host-dot", "Host(`dot.test.`)")
    router("wild", "Host(`*.wild.test`)")
    router("wild-exact", "Host(`a.wild.test`) && Path(`/exact`)")
    router("hostre", "HostRegexp(`^[a-z]+\\.re\\.test$`)")
    router("any", "Host(`*`) && Path(`/any-host`)")
    router("method", "Host(`m.test`) && Method(`POST`)")
    router("method-lower", "Host(`ml.test`) && Method(`post`)")
    router("header", "Host(`h.test`) && Header(`X-Team`, `red`)")
    router("header-re", "Host(`h.test`) && HeaderRegexp(`X-Team`, `^bl(ue|ack)$`)")
    router("header-host", "Header(`Host`, `hh.test`)")
    router("query", "Host(`q.test`) && Query(`a`, `1`)")
    router("query-flag", "Host(`q.test`) && Query(`flag`)")
    router("query-re", "Host(`q.test`) && QueryRegexp(`re`, `^[0-9]+$`)")
    router("path", "Host(`p.test`) && Path(`/exact`)")
    router("path-slash", "Host(`p.test`) && Path(`/exact/`)")
    router("prefix", "Host(`p.test`) && PathPrefix(`/pre`)")
    router("prefix-enc", "Host(`p.test`) && PathPrefix(`/e%2Fe`)")
    router("path-space", "Host(`p.test`) && Path(`/sp ace`)")
    router("pathre", "Host(`p.test`) && PathRegexp(`\\.(png|jpg)$`)")
    router("pathre-i", "Host(`p.test`) && PathRegexp(`(?i)^/CASE`)")
    router("not", "Host(`n.test`) && !PathPrefix(`/secret`)")
    router("not-paren", "Host(`n2.test`) && !(PathPrefix(`/a`) || Query(`b`, `2`))")
    router("or", "Host(`o1.test`) || Host(`o2.test`) && Path(`/two`)")
    router("ip", "Host(`ip.test`) && ClientIP(`127.0.0.0/8`)")
    router("ip6", "Host(`ip.test`) && ClientIP(`::1`) && Path(`/six`)")
    router("quoted", "Host(\"quoted.test\") && Path(\"/q\\\"x\")")
    router("prio-a", "Host(`prio.test`) && PathPrefix(`/a/long/path`)", middlewares=["add"])
    router("prio-b", "Host(`prio.test`)", priority=1000)
    router("prio-neg", "Host(`neg.test`) && PathPrefix(`/x`)", priority=-1, middlewares=["add"])
    router("prio-neg2", "Host(`neg.test`)", priority=-2)
    router("v2-host", "Host(`v2a.test`, `v2b.test`)", ruleSyntax="v2")
    router("v2-path", "Host(`v2.test`) && Path(`/a/{id:[0-9]+}`, `/b`)", ruleSyntax="v2")
    router("v2-prefix", "Host(`v2.test`) && PathPrefix(`/p/{name}/x`)", ruleSyntax="v2")
    router("v2-hostre", "HostRegexp(`{sub:[a-z]+}.v2re.test`)", ruleSyntax="v2")
    router("v2-headers", "Host(`v2h.test`) && Headers(`X-A`, `1`) && HeadersRegexp(`X-B`, `^2+$`)", ruleSyntax="v2")
    router("v2-query", "Host(`v2q.test`) && Query(`a=1`, `b=2`)", ruleSyntax="v2")
    router("broken-rule", "Host(`broken.test`) && Nope(`x`)")
    router("broken-re", "HostRegexp(`[`)")
    router("broken-mw", "Host(`bmw.test`)", middlewares=["nowhere"])
    router("broken-svc", "Host(`bsvc.test`)", service="nowhere")
    router("broken-ep", "Host(`bep.test`)", entryPoints=["nowhere"])
    router("half-ep", "Host(`hep.test`)", entryPoints=["nowhere", "web"])
    router("empty-svc", "Host(`empty.test`)", service="empty")
    router("dead-svc", "Host(`dead.test`)", service="dead")
    router("nohost", "Host(`nohost.test`)", service="no-host-header")
    router("urlpath", "Host(`urlpath.test`)", service="url-path")
    router("wrr", "Host(`wrr.test`)", service="wrr")
    router("preserved", "Host(`preserved.test`)", service="preserved")
    routers["lay"] = {"rule": "Host(`lay.test`)", "middlewares": ["strip", "head"], "entryPoints": ["web", "strict", "mwep"]}
    router("lay-a", "PathPrefix(`/x`)", parentRefs=["lay"], middlewares=["add"])
    router("lay-b", "Header(`X-Added`, `one`) && Path(`/y`)", parentRefs=["lay@file"])
    routers["lay-mid"] = {"rule": "PathPrefix(`/deep`) || Query(`deep`)", "parentRefs": ["lay"], "middlewares": ["cors"]}
    router("lay-leaf", "Method(`POST`)", parentRefs=["lay-mid", "lay"], service="wrr")
    router("lay-tls", "Path(`/tls`)", parentRefs=["lay"], tls={})
    router("lay-lost", "Path(`/lost`)", parentRefs=["nowhere"])
    routers["lay-dead"] = {"rule": "Path(`/dead`)", "parentRefs": ["lay"]}
    routers["lay-only"] = {"rule": "Host(`lay-only.test`)"}
    router("lay-broken", "Path(`/`)", parentRefs=["lay-only"], service="nowhere")
    for name in HASHED:
        router(f"hrw-{name}", f"Host(`{name}.hrw.test`)", service=f"hrw-{name}")
    for name in FAILOVER:
        router(f"fail-{name}", f"Host(`{name}.fail.test`)", service=f"fail-{name}")
    for name in STICKY:
        router(f"stick-{name}", f"Host(`{name}.stick.test`)", service=f"stick-{name}")
    return {"http": {
        "routers": routers,
        "middlewares": MIDDLEWARES,
        "services": {
            "empty": {"loadBalancer": {"servers": []}},
            "dead": {"loadBalancer": {"servers": [{"url": "http://127.0.0.1:1"}]}},
            "no-host-header": {"loadBalancer": {"passHostHeader": False, "servers": [{"url": "http://127.0.0.1:1"}]}},
            "preserved": {"loadBalancer": {"servers": [{"url": "http://UPSTREAM_ADDRESS/base/", "preservePath": True, "weight": 2}], "passHostHeader": False,
                                           "responseForwarding": {"flushInterval": "-1ms"}}},
            "url-path": {"loadBalancer": {"servers": [{"url": "http://127.0.0.1:1/sub/"}]}},
            "wrr": {"weighted": {"services": [{"name": "upstream", "weight": 3}, {"name": "empty", "weight": 0}]}},
            **{f"hrw-{name}": service for name, service in HASHED.items()},
            **{f"stick-{name}": service for name, service in STICKY.items()},
            **{f"tls-{name}": {"loadBalancer": {"servers": [{"url": f"https://{'DEMANDING' if 'pair' in name else 'SECURE'}_ADDRESS"}],
                                                **({"serversTransport": f"tls-{name}"} if fields else {})}} for name, fields in SECURED.items()},
            **{f"fail-{name}": service for name, service in FAILOVER.items()},
        },
        "serversTransports": {f"tls-{name}": fields for name, fields in SECURED.items() if fields},
    }}


# Transports for a server of https; the names of those that it is not reached by begin with "no-".
BELIEVE = {"rootCAs": ["SECURE_CRT"]}
SECURED = {
    "ca": BELIEVE,
    "insecure": {"insecureSkipVerify": True},
    "name": {**BELIEVE, "serverName": "a.test"},
    "uri": {**BELIEVE, "peerCertURI": "spiffe://house/room"},
    "sans": {**BELIEVE, "peerCertSANs": [{"type": "URI", "value": "x:y"}, {"type": "DNSName", "value": "a.test"}]},
    "sans-insecure": {**BELIEVE, "serverName": "b.test", "insecureSkipVerify": True, "peerCertSANs": [{"type": "DNSName", "value": "a.test"}]},
    "pair": {**BELIEVE, "certificates": [{"certFile": "OTHER_CRT", "keyFile": "OTHER_KEY"}]},
    "old": {**BELIEVE, "maxVersion": "VersionTLS12", "minVersion": "VersionTLS12", "cipherSuites": ["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"]},
    "new": {**BELIEVE, "minVersion": "VersionTLS13", "maxVersion": "VersionTLS13"},
    "min-only": {**BELIEVE, "minVersion": "VersionTLS13"},
    "h1": {**BELIEVE, "disableHTTP2": True, "maxIdleConnsPerHost": 3, "forwardingTimeouts": {
        "dialTimeout": "5s", "idleConnTimeout": "9s", "responseHeaderTimeout": "20s", "readIdleTimeout": "3s", "pingTimeout": "2s"}},
    "no-default": None,
    "no-ca": {"rootCAs": ["OTHER_CRT"]},
    "no-file": {"rootCAs": ["/nowhere/ca.pem"]},
    "no-name": {**BELIEVE, "serverName": "b.test"},
    "no-uri": {**BELIEVE, "peerCertURI": "spiffe://house/cellar"},
    "no-sans": {**BELIEVE, "insecureSkipVerify": True, "peerCertSANs": [{"type": "DNSName", "value": "b.test"}]},
    "no-sans-ca": {"rootCAs": ["OTHER_CRT"], "insecureSkipVerify": True, "peerCertSANs": [{"type": "DNSName", "value": "a.test"}]},
    "no-pair": BELIEVE,
    "no-cipher": {**BELIEVE, "cipherSuites": ["TLS_NONE"]},
    "no-version": {**BELIEVE, "minVersion": "TLS9"},
    "no-crossed": {**BELIEVE, "minVersion": "VersionTLS13", "maxVersion": "VersionTLS12"},
}


# One server or service takes new clients: which of several is chance in Traefik. Values of the cookie: of today and of old.
DEAD = "http://127.0.0.1:1"
ALL_OF_COOKIE = {"name": "a(b", "secure": True, "httpOnly": True, "sameSite": "strict", "maxAge": 7, "path": "/p;x", "domain": ".d.test"}
STICKY = {
    "plain": {"loadBalancer": {"servers": [{"url": DEAD}], "sticky": {"cookie": {}}}},
    "none": {"loadBalancer": {"servers": [{"url": DEAD}], "sticky": {}}},
    "all": {"loadBalancer": {"servers": [{"url": DEAD}], "sticky": {"cookie": ALL_OF_COOKIE}}},
    "lax": {"loadBalancer": {"servers": [{"url": DEAD}], "sticky": {"cookie": {"name": "c", "sameSite": "lax", "maxAge": -1, "path": ""}}}},
    "bad": {"loadBalancer": {"servers": [{"url": DEAD}], "sticky": {"cookie": {"name": "c", "sameSite": "none", "domain": "a_b"}}}},
    "unweighted": {"loadBalancer": {"servers": [{"url": "http://127.0.0.1:3", "weight": 0}], "sticky": {"cookie": {"name": "c"}}}},
    "empty": {"loadBalancer": {"servers": [], "sticky": {"cookie": {"name": "c"}}}},
    "outer": {"weighted": {"services": [{"name": "upstream"}, {"name": "dead", "weight": 0}], "sticky": {"cookie": {"name": "c"}}}},
    "both": {"weighted": {"services": [{"name": "stick-all"}], "sticky": {"cookie": {"name": "c", "httpOnly": True}}}},
    "full": {"weighted": {"services": [{"name": "stick-empty@file"}], "sticky": {"cookie": {"secure": True}}}},
}

# By the client's address, which is 127.0.0.1: everybody is chosen by name and weight.
HASHED = {f"{names}-{weight}": {"highestRandomWeight": {"services": [{"name": name, "weight": weight if i == 0 else 5} if weight else {"name": name}
                                                                     for i, name in enumerate(names.split("-"))]}}
          for names in ("upstream", "upstream-empty", "empty-upstream", "upstream-dead-empty", "dead-empty-upstream", "wrr-upstream")
          for weight in (None, 0, 1, 3, 40, -1)}
HASHED["none"] = {"highestRandomWeight": {"services": []}}
HASHED["nowhere"] = {"highestRandomWeight": {"services": [{"name": "upstream"}, {"name": "nowhere"}]}}
HASHED["strategy"] = {"loadBalancer": {"strategy": "hrw", "servers": [{"url": DEAD}], "sticky": {"cookie": {}}}}
for strategy in ("p2c", "leasttime", "wrr", ""):
    HASHED[f"s{strategy}"] = {"loadBalancer": {"strategy": strategy, "servers": [{"url": DEAD, "weight": 2}], "sticky": {"cookie": {}}}}
    HASHED[f"s{strategy}-0"] = {"loadBalancer": {"strategy": strategy, "servers": [{"url": DEAD, "weight": 0}], "sticky": {"cookie": {}}}}
HASHED["sbest"] = {"loadBalancer": {"strategy": "best", "servers": [{"url": DEAD}]}}
HASHED["unweighted"] = {"loadBalancer": {"strategy": "hrw", "servers": [{"url": DEAD, "weight": 0}]}}

FAILOVER = {
    "refused": {"failover": {"service": "dead", "fallback": "upstream", "errors": {"status": ["502"]}}},
    "nobody": {"failover": {"service": "empty", "fallback": "upstream", "errors": {"status": ["500-599"], "maxRequestBodyBytes": -1}}},
    "fine": {"failover": {"service": "upstream", "fallback": "dead", "errors": {"status": ["500-599"], "maxRequestBodyBytes": 5}}},
    "none": {"failover": {"service": "upstream", "fallback": "dead", "errors": {"status": ["500"], "maxRequestBodyBytes": 0}}},
    "always": {"failover": {"service": "upstream", "fallback": "empty", "errors": {"status": ["200", "404"]}}},
    "inner": {"failover": {"service": "fail-always", "fallback": "upstream", "errors": {"status": ["503"], "maxRequestBodyBytes": 4}}},
    "weighted": {"weighted": {"services": [{"name": "fail-refused"}], "sticky": {"cookie": {"name": "c"}}}},
    "untold": {"failover": {"service": "upstream", "fallback": "dead"}},
    "untold-back": {"failover": {"service": "dead", "fallback": "upstream", "healthCheck": {}, "errors": {"status": ["502"]}}},
    "no-status": {"failover": {"service": "dead", "fallback": "upstream", "errors": {"maxRequestBodyBytes": 3}}},
    "bad-status": {"failover": {"service": "dead", "fallback": "upstream", "errors": {"status": ["50x"]}}},
    "nowhere": {"failover": {"service": "nowhere", "fallback": "upstream", "errors": {"status": ["502"]}}},
    "no-fallback": {"failover": {"service": "upstream", "fallback": "nowhere", "errors": {"status": ["502"]}}},
    "told": {"failover": {"service": "fail-checked", "fallback": "upstream"}},
    "checked": {"loadBalancer": {"servers": [{"url": "http://127.0.0.1:1"}], "healthCheck": {"path": "/", "interval": "500ms"}}},
    "mirrored": {"mirroring": {"service": "upstream", "mirrors": [{"name": "dead", "percent": 100}, {"name": "empty"}]}},
    "mirrored-part": {"mirroring": {"service": "upstream", "mirrorBody": True, "maxBodySize": 5, "mirrors": [{"name": "empty", "percent": 100}]}},
    "mirrored-bare": {"mirroring": {"service": "upstream", "mirrorBody": False, "maxBodySize": -1, "mirrors": [{"name": "empty", "percent": 50}]}},
    "mirrored-dead": {"mirroring": {"service": "dead", "mirrors": [{"name": "empty", "percent": 100}]}},
    "mirrored-none": {"mirroring": {"service": "fail-refused"}},
    "mirrored-nowhere": {"mirroring": {"service": "upstream", "mirrors": [{"name": "nowhere", "percent": 100}]}},
    "mirrored-checked": {"failover": {"service": "fail-mirrored-told", "fallback": "dead"}},
    "mirrored-told": {"mirroring": {"service": "upstream", "healthCheck": {}, "mirrors": []}},
    "passive": {"loadBalancer": {"servers": [{"url": "http://127.0.0.1:1"}], "passiveHealthCheck": {"maxFailedAttempts": 1000, "failureWindow": "1s"}}},
    "all-checks": {"loadBalancer": {"servers": [{"url": "http://127.0.0.1:1"}], "healthCheck": {
        "path": "/a?b", "method": "HEAD", "status": 204, "port": 1, "scheme": "http", "mode": "http", "hostname": "h", "headers": {"A": "b"},
        "interval": "500ms", "unhealthyInterval": "5s", "timeout": "1s", "followRedirects": False}}},
    "parent": {"weighted": {"services": [{"name": "upstream"}], "healthCheck": {}}},
    "hashed": {"highestRandomWeight": {"services": [{"name": "upstream"}], "healthCheck": {}}},
}


# Host: the status with which its server, which is down, is found to be down. Traefik looks after one interval, weir at once.
SETTLED = {"checked.fail.test": 503, "all-checks.fail.test": 503, "told.fail.test": 200}


def sticky_values(name):
    def fnv(text):
        value = 0xcbf29ce484222325
        for byte in text.encode():
            value = value * 0x100000001b3 % 2**64 ^ byte
        return f"{value:x}"
    return [hashlib.sha256(name.encode()).hexdigest()[:16], name, fnv(name), fnv(fnv(name)), "nobody", ""]


def secured_requests():
    for name in SECURED:
        yield request("/x?y=1", host=f"{name}.tls.test")
        yield request("/x", host=f"{name}.tls.test", method="POST", body=b"hello")


def sticky_requests():
    for name in STICKY:
        yield request("/", host=f"{name}.stick.test")
        for of in (DEAD, "http://127.0.0.1:3", "upstream", "dead", "stick-all", "stick-empty@file"):
            for value in sticky_values(of):
                for cookie in (f"c={value}", f"x=1; c=\"{value}\"; c=other", f"a_b={value}", f"c={sticky_values('stick-all')[0]}; a_b={value}"):
                    yield request("/", host=f"{name}.stick.test", headers=[("Cookie", cookie)])


def crowd(rng):
    """At times so many fields more that every list of fields has to grow, once or several times."""
    return [(f"X-Crowd-{i}", "v" * rng.choice([0, 1, 1, 30])) for i in range(rng.randint(1, 70) if rng.random() < 0.25 else 0)]


def request(target, host="all.test", method="GET", headers=(), body=b"", version="1.1"):
    lines = [f"{method} {target} HTTP/{version}"]
    if host is not None:
        lines.append(f"Host: {host}")
    lines += [f"{k}: {v}" for k, v in headers]
    if body and not any(k.lower() in ("content-length", "transfer-encoding") for k, _ in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


PATHS = ["/", "/a", "/a/", "//", "//a//b", "/a/./b", "/a/../b", "/a/b/..", "/..", "/../x", "/.", "/a/%2e%2e/b", "/a%2Fb", "/a%2fb",
         "/%41", "/%7Euser", "/~user", "/a%20b", "/a+b", "/a;b", "/a%3Bb", "/a%3bb", "/a%5Cb", "/a\\b", "/a%00b", "/a%25b", "/a%252Fb",
         "/a%3Fb", "/a%23b", "/a?x=1", "/a?", "/a?x=1;y=2", "/a?x=%zz", "/a%zz", "/a%", "/a%4", "/%C3%A9", "/a'b", "/a\"b", "/a<b>",
         "/a|b", "/a^b", "/a`b", "/a{b}", "/a[b]", "/a!b$c&d(e)f*g,h=i:j@k", "/a%21%24%26", "/a%28%29", "/a%3A%40", "/a%5B%5D",
         "/.well-known/x", "/a/.../b", "/a//../b", "/%2e/a", "/%2E%2E/a", "/a/%2E%2e%2fb", "*", "a", "http://all.test/abs", "http://other.test/abs?x=1",
         "/x#frag", "/a%2F%2e%2e%2Fb", "/?a=b#c", "/a??b", "/a?b=c?d", "/%e4%b8%ad", "/a%0Ab", "/a%09b", "/a%7Fb"]


def coded(text):
    return base64.b64encode(text.encode()).decode()


def forwarding_requests():
    """What the proxy before this one may have said, in odd forms, to entry points that believe it and to those that do not."""
    names = ("X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Host", "X-Forwarded-Server", "X-Forwarded-Prefix", "X-Forwarded-Uri", "X-Forwarded-Scheme", "X-Scheme", "Forwarded", "X-Real-Ip", "X-Original-Url")
    for entry_point in ("web", "trust", "insecure", "conn", "scheme", "scheming", "raw", "late"):
        for value in ("1.2.3.4,5.6.7.8", "", "unknown", "\"[2001:db8::1]:80\"", "1.2.3.4 5.6.7.8", ",,", "\t1.2.3.4\t", "1.2.3.4:99", "127.0.0.1", "::1"):
            yield entry_point, request("/f", headers=[("X-Forwarded-For", value), ("x-forwarded-for", "9.9.9.9"), ("X-Real-IP", value)])
        for name in names:
            for value in ("HTTPS", "http,https", "wss", "443", "a b", "", "\xe9", "f.test:99"):
                yield entry_point, request("/f", host="all.test:8443", headers=[(name, value), (name.lower(), "second")])
        for protocol in ("websocket", "WebSocket", "h2c", ""):
            for connection in ("upgrade", "keep-alive, Upgrade", "Upgrade, close"):
                yield entry_point, request("/f", headers=[("Connection", connection), ("Upgrade", protocol), ("X-Forwarded-Proto", "https")])


def fixed_requests():
    out = []

    def add(entry_point, *args, **kw):
        out.append((entry_point, request(*args, **kw)))

    for entry_point in ("web", "strict", "rawpath", "semicolon", "mwep", "redirecting"):
        for path in PATHS:
            add(entry_point, path)
    for name in (name for name in MIDDLEWARES if name.startswith(("errors", "auth-tls"))):
        for method in ("GET", "POST", "HEAD"):
            for mode in ("", "deny", "error", "redirect", "html", "chunked", "empty"):
                add("web", "/a%20b?x=1&y", host=f"{name}.test", method=method, headers=[("X-Answer", mode), ("X-Two", "2")], body=b"body" if method == "POST" else b"")
    for name in ("allow-subnet", "white-all"):
        for forwarded in ("2001:db8::7", "2001:db8:0:1::7", "10.0.0.1", "10.0.0.1, 192.168.0.1", "x", "10.0.0.1, x"):
            add("trust", "/", host=f"{name}.test", headers=[("X-Forwarded-For", forwarded)])
    for path in ("/", "/x?y=1", "/a%2Fb", "//"):
        add("rawpath", path, host="preserved.test")
        add("web", path, host="preserved.test")
    for path in PATHS[:12]:  # routers that name no entry point are on each that is a default one, and on no other
        for host in ("redir.test", "lay.test", "two.test", "n.test", "nobody.test"):
            add("second", path, host=host)
            add("trust", path, host=host)
    for entry_point in ("web", "strict", "mwep"):
        for path in ("/", "/x", "/api/x", "/y", "/deep", "/deep/er", "/?deep", "/tls", "/lost", "/dead", "/a%2Fb", "/api/y"):
            for method in ("GET", "POST", "OPTIONS"):
                add(entry_point, path, host="lay.test", method=method, headers=[("Origin", "https://a.test")])
    add("web", "/", host="lay-only.test")
    for name in MIDDLEWARES:
        for path in ("/", "/api", "/api/", "/api/x", "/apix", "/api/deep/er", "/v1/x", "/v1", "/foo/ab1/rest", "/foo/a/b", "/bar/12/z",
                     "/n/77/x", "/p/x?y=1", "/old/x?y=z", "/a%2Fb", "/api%2Fx", "/api/%2Fx", "/foo/a%2Fb/c", "/%C3%A9", "/api?q=1", "//api"):
            for method in ("GET", "POST", "HEAD"):
                add("web", path, host=f"{name}.test", method=method)
        for host in (f"{name}.test:8000", f"{name}.test:80", f"{name.upper()}.TEST"):
            add("web", "/p/x?y=1", host=host)
        for proto in ("https", "http", "wss", "ws"):
            add("trust", "/p/x", host=f"{name}.test", headers=[("X-Forwarded-Proto", proto), ("X-Forwarded-Port", "4443")])
            add("web", "/p/x", host=f"{name}.test", headers=[("X-Forwarded-Proto", proto)])
        add("strict", "/api/a%2Fb", host=f"{name}.test")
        add("rawpath", "/api//x/../y", host=f"{name}.test")
    for name in MIDDLEWARES:
        if "headers" not in MIDDLEWARES[name]:
            continue
        for origin in ("https://a.test", "https://c.test", "null", ""):
            for asked in ("PUT", ""):
                for method in ("OPTIONS", "GET"):
                    more = [("Origin", origin)] if origin else []
                    more += [("Access-Control-Request-Method", asked), ("Access-Control-Request-Headers", "x-q, x-r")] if asked else []
                    add("web", "/", host=f"{name}.test", method=method, headers=more)
        for asked in ("other.test", "OTHER.test", "third.test"):
            add("web", "/", host=f"{name}.test", headers=[("X-Asked-Too", asked)])
            add("web", "/", host=f"{name}.test", headers=[("X-Asked", asked), ("X-Asked-Too", "third.test")])
        add("trust", "/", host=f"{name}.test", headers=[("X-Forwarded-Proto", "https")])
    for name in ("basic", "basic-told"):
        for user in ("sha", "md5", "bc", "two", "nobody", ""):
            for password in ("pass word", "wrong", "", "pass:word"):
                add("web", "/", host=f"{name}.test", headers=[("Authorization", "Basic " + coded(f"{user}:{password}")), ("X-User", "eve")])
        for value in ("Basic", "Basic ", "Bearer " + coded("sha:pass word"), "bASIC " + coded("sha:pass word"), "Basic  " + coded("sha:pass word"),
                      "Basic " + coded("sha"), "Basic " + coded("sha:pass word").rstrip("="), "Basic !" + coded("sha:pass word")):
            add("web", "/", host=f"{name}.test", headers=[("Authorization", value)])
    for name in ("digest", "digest-told"):
        for value in ("Digest", "Digest username=\"bob\"", "Basic " + coded("bob:x"), "Digest username=\"bob\", realm=\"traefik\", nonce=\"AAAAAAAAAAAAAAAA\", uri=\"/\", "
                      "response=\"6629fae49393a05397450978507c4ef1\", opaque=\"AAAAAAAAAAAAAAAA\", qop=auth, nc=00000001, cnonce=\"a\""):
            add("web", "/", host=f"{name}.test", headers=[("Authorization", value), ("X-User", "eve")])
    for entry_point in ("web", "insecure"):
        add(entry_point, "/", host="cert.test", headers=[("X-Forwarded-Tls-Client-Cert", "lie"), ("X-Forwarded-Tls-Client-Cert-Info", "lie")])
    for name in MIDDLEWARES:
        if "circuitBreaker" in MIDDLEWARES[name]:
            for mode in ("", "error", "", "error"):
                add("web", "/", host=f"{name}.test", headers=[("X-Answer", mode)])
        if "compress" not in MIDDLEWARES[name]:
            continue
        for accepted in ("gzip", "br", "zstd", "gzip, br, zstd", "br;q=0.5, zstd;q=0.4", "gzip;q=0, br", "*;q=0.5, br;q=0.1", "identity", "identity;q=0.5, br;q=0.6",
                         "deflate", "", "gzip ; q=1", "br;q=abc"):
            for mode in ("", "html", "chunked", "encoded", "vary", "empty", "error"):
                for method in ("GET", "HEAD") if accepted == "br" else ("GET",):
                    add("web", "/", host=f"{name}.test", method=method, headers=[("Accept-Encoding", accepted), ("X-Answer", mode)])
        add("web", "/", host=f"{name}.test", headers=[("Accept-Encoding", "br"), ("Accept-Encoding", "zstd;q=0.9")])
        for kind in ("application/grpc", "text/event-stream", "text/html; charset"):
            add("web", "/", host=f"{name}.test", method="POST", headers=[("Accept-Encoding", "br"), ("Content-Type", kind)], body=b"x")
    for name in (name for name in MIDDLEWARES if name.startswith(("buffer", "retry"))):
        for length in (0, 1, 10, 11, 70000):
            for method in ("POST", "PUT", "GET"):
                body = b"b" * length
                add("web", "/", host=f"{name}.test", method=method, body=body)
                add("web", "/", host=f"{name}.test", method=method, headers=[("Transfer-Encoding", "chunked")],
                    body=(b"%x\r\n%s\r\n" % (length, body) if body else b"") + b"0\r\n\r\n")
        for mode in ("redirect", "empty", "error", "chunked"):
            for method in ("GET", "POST", "HEAD", "PUT"):
                add("web", "/", host=f"{name}.test", method=method, headers=[("X-Answer", mode)])
    for name in ("grpcweb", "grpcweb-all"):
        for origin in ("https://a.test", "https://c.test", "null", "HTTPS://A.TEST", ""):
            more = [("Origin", origin)] if origin else []
            for asked in ("POST", "delete", "get", ""):
                for names in ("x-grpc-web", "content-type, X-GRPC-WEB,x_own  x-q", "x-own", ""):
                    add("web", "/", host=f"{name}.test", method="OPTIONS",
                        headers=more + [("Access-Control-Request-Method", asked), ("Access-Control-Request-Headers", names)])
            for kind in ("application/grpc-web", "application/grpc-web+proto", "application/grpc-webby", "application/grpc", "Application/grpc-web"):
                for mode in ("", "chunked", "vary", "empty", "error"):
                    add("web", "/", host=f"{name}.test", method="POST", headers=more + [("Content-Type", kind), ("X-Answer", mode)], body=b"body")
            add("web", "/", host=f"{name}.test", method="POST", body=b"Ym9keQ==",
                headers=more + [("Content-Type", "application/grpc-web-text+proto"), ("X-Answer", "chunked")])
            add("web", "/", host=f"{name}.test", method="PUT", headers=more + [("Content-Type", "application/grpc-web")], body=b"body")
    for name in (name for name in MIDDLEWARES if name.startswith("detect")):
        for mode in ("", "bare", "html", "chunked", "encoded", "empty", "error", "redirect"):
            for method in ("GET", "HEAD", "POST"):
                add("web", "/", host=f"{name}.test", method=method, headers=[("X-Answer", mode)])
                add("web", "/", host=f"{name}.test", method=method, headers=[("X-Answer", mode), ("Accept-Encoding", "br")])
    for path in PATHS:
        for name in ("encoded", "encoded-some", "encoded-other"):
            add("web", path, host=f"{name}.test")
    for name in (name for name in MIDDLEWARES if name.startswith("auth")):
        for mode in ("", "redirect", "empty", "hop", "error", "chunked", "deny", "user"):
            for method in ("GET", "HEAD", "POST"):
                for entry_point in ("web", "insecure"):
                    add(entry_point, "/x%2Fy?q=1", host=f"{name}.test", method=method, headers=[
                        ("X-Answer", mode), ("X-User", "eve"), ("X-Id-B", "eve"), ("X-One", "1"), ("X-Gone", "1"), ("User-Agent", "mine"),
                        ("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-Method", "PATCH"), ("X-Forwarded-Uri", "/was"), ("X-Forwarded-Prefix", "/p")])
        for body in (b"", b"short", b"longer than five"):
            add("web", "/", host=f"{name}.test", method="POST", headers=[("User-Agent", "mine")], body=body)
        add("web", "/", host=f"{name}.test:8443", headers=[("User-Agent", "mine"), ("Connection", "X-Foo"), ("X-Foo", "1"), ("TE", "trailers"), ("Proxy-Authorization", "p")])
    for host in ("redir.test", "redir.test:8080"):
        add("web", "/old/page?x=1", host=host)
        add("web", "/new", host=host)
    for path in ("/", "/api/x", "/v1/y"):
        add("web", path, host="two.test", headers=[("X-Gone", "1"), ("X-Lower", "0")])
    for host in ("upper.test", "UPPER.TEST", "upper.test.", "dot.test", "dot.test.", "a.wild.test", "b.wild.test", "a.b.wild.test", "wild.test",
                 ".wild.test", "x.re.test", "x1.re.test", "X.RE.TEST", "x.re.test:99", "nothing.test", "[::1]", "[::1]:80", "127.0.0.1", "1.2.3.4:80",
                 "all.test:80", "ALL.test:8080", "all.test.", "all.test..", "", "hh.test", "o1.test", "o2.test", "quoted.test", "a_b.test", "all.test:", "all.test:x"):
        for path in ("/", "/exact", "/two", "/any-host", "/q\"x", "/q%22x"):
            add("web", path, host=host)
    add("web", "/", host=None)
    add("web", "/", host=None, version="1.0")
    add("web", "/any-host", host=None, version="1.0")
    for method in ("GET", "POST", "post", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "FOO", "M-SEARCH", "PROPFIND", "get"):
        for host in ("m.test", "ml.test", "all.test"):
            add("web", "/", host=host, method=method)
    for value in ("red", "Red", "blue", "black", "blueish", "", "red, blue"):
        add("web", "/", host="h.test", headers=[("X-Team", value)])
        add("web", "/", host="h.test", headers=[("x-team", value), ("X-Team", "red")])
    for query in ("a=1", "a=2", "a=1&a=2", "a=2&a=1", "flag", "flag=", "flag=1", "re=12", "re=x", "re=1&re=x", "a=%31", "%61=1", "a=1;b=2", "b=2;a=1", "a=1%", "a=%zz&a=1", "A=1", "a=+1", "&&a=1"):
        add("web", f"/?{query}", host="q.test")
        add("semicolon", f"/?{query}", host="all.test")
    for path in ("/exact", "/exact/", "/exact?x", "/Exact", "/exac%74", "/pre", "/prefix", "/pre/x", "/e%2Fe/x", "/e%2fe", "/e/e", "/sp%20ace", "/a.png",
                 "/a.png/b", "/a.jpg?x=.gif", "/case", "/CaSe/x", "/x/../exact", "//exact", "/exact%2F", "/ex%61ct", "/./pre"):
        add("web", path, host="p.test")
    for path in ("/", "/secret", "/secret/x", "/secre", "/%73ecret", "/a", "/b?b=2", "/b?b=1"):
        add("web", path, host="n.test")
        add("web", path, host="n2.test")
    for host, path in (("ip.test", "/"), ("ip.test", "/six"), ("prio.test", "/"), ("prio.test", "/a/long/path/x"), ("neg.test", "/x"), ("neg.test", "/"),
                       ("v2a.test", "/"), ("v2b.test", "/"), ("V2A.test", "/"), ("v2.test", "/a/12"), ("v2.test", "/a/x"), ("v2.test", "/a/12/"), ("v2.test", "/b"),
                       ("v2.test", "/p/z/x"), ("v2.test", "/p/z/xy"), ("v2.test", "/p/z/w/x"), ("abc.v2re.test", "/"), ("a1.v2re.test", "/"), ("x.abc.v2re.test", "/"),
                       ("v2q.test", "/?a=1"), ("v2q.test", "/?b=2"), ("v2q.test", "/?a=1&b=2"), ("v2q.test", "/?a=2"), ("broken.test", "/"), ("bmw.test", "/"), ("bsvc.test", "/"),
                       ("bep.test", "/"), ("hep.test", "/"), ("empty.test", "/"), ("dead.test", "/"), ("nohost.test", "/"), ("urlpath.test", "/x"), ("wrr.test", "/")):
        add("web", path, host=host)
        add("web", path, host=host, method="POST", body=b"hello")
    out.extend(("web", asked) for asked in sticky_requests())
    out.extend(("web", asked) for asked in secured_requests())
    out.extend(forwarding_requests())
    for name in FAILOVER:
        for answer in ("", "error", "deny", "empty", "redirect", "chunked"):
            add("web", "/a?b=c", host=f"{name}.fail.test", headers=[("X-Answer", answer), ("X-Own", "1")] if answer else [])
        add("web", "/a", host=f"{name}.fail.test", method="POST", body=b"hello")
        add("web", "/a", host=f"{name}.fail.test", method="PUT", body=b"hello!")
        add("web", "/a", host=f"{name}.fail.test", method="POST", headers=[("Transfer-Encoding", "chunked")], body=b"3\r\nabc\r\n0\r\n\r\n")
        add("web", "/a", host=f"{name}.fail.test", method="POST", headers=[("Transfer-Encoding", "chunked")], body=b"8\r\nabcdefgh\r\n0\r\n\r\n")
        add("web", "/a", host=f"{name}.fail.test", method="POST", headers=[("Transfer-Encoding", "chunked")], body=b"0\r\n\r\n")
        add("web", "/a", host=f"{name}.fail.test", method="HEAD")
    for name in HASHED:
        add("web", "/", host=f"{name}.hrw.test")
        add("web", "/", host=f"{name}.hrw.test", headers=[("X-Forwarded-For", "1.2.3.4")])
        add("insecure", "/", host=f"{name}.hrw.test", headers=[("X-Forwarded-For", "1.2.3.5"), ("X-Real-Ip", "1.2.3.6")])
    add("web", "/", host="v2h.test", headers=[("X-A", "1"), ("X-B", "22")])
    add("web", "/", host="v2h.test", headers=[("X-A", "1"), ("X-B", "3")])
    forwarded = [("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-For", "1.2.3.4, 5.6.7.8"), ("X-Forwarded-Host", "evil.test"), ("X-Forwarded-Proto", "https"),
                 ("X-Forwarded-Port", "99"), ("X-Forwarded-Server", "s"), ("X-Real-Ip", "9.9.9.9"), ("X-Forwarded-Uri", "/u"), ("X-Forwarded-Method", "PUT"),
                 ("X-Forwarded-Prefix", "/p"), ("X-Forwarded-Tls-Client-Cert", "x"), ("X-Forwarded-Tls-Client-Cert-Info", "x"), ("X_Forwarded_For", "1.1.1.1"),
                 ("X-Forwarded_Host", "evil"), ("x-forwarded-proto", "wss"), ("Forwarded", "for=1.2.3.4"), ("X-Replaced-Path", "/r"), ("X.Real.Ip", "1.1.1.1"), ("X-Forwarded-Scheme", "https"), ("X-Scheme", "https")]
    for entry_point in ("web", "trust", "insecure", "scheme", "dropunder", "rejectunder"):
        for pair in forwarded:
            add(entry_point, "/f", headers=[pair])
        add(entry_point, "/f", headers=forwarded)
        add(entry_point, "/f", headers=[("X-Forwarded-For", "1.1.1.1"), ("X-Forwarded-For", "2.2.2.2")])
        add(entry_point, "/f", host="all.test:8443")
        add(entry_point, "/f", headers=[("Connection", "Upgrade"), ("Upgrade", "websocket")])
    for value in ("close", "keep-alive", "X-Foo", "X-Kept-Hop", "foobar, X-Foo", "X-Forwarded-For", "Host", "close, X-Foo", "TE", "Upgrade", "X-Real-Ip, X-Forwarded-Proto"):
        for entry_point in ("web", "conn", "trust"):
            add(entry_point, "/c", headers=[("Connection", value), ("X-Foo", "1"), ("X-Kept-Hop", "2"), ("foobar", "3"), ("TE", "trailers")])
    for pair in (("TE", "trailers"), ("TE", "gzip"), ("Keep-Alive", "x"), ("Proxy-Connection", "keep-alive"), ("Proxy-Authorization", "x"), ("Proxy-Authenticate", "x"), ("Trailer", "X-T"),
                 ("Upgrade", "h2c"), ("User-Agent", "mine"), ("User-Agent", ""), ("Accept-Encoding", "gzip"), ("Accept-Encoding", "br"), ("X-Empty", ""), ("X-Spaces", "  a  b  "),
                 ("X-Bytes", "caf\xe9"), ("x-lower-case", "1"), ("X_under", "1"), ("X-Dup", "1"), ("Cookie", "a=b; c=d"), ("Authorization", "Basic eA=="), ("Referer", "http://x"),
                 ("X-Method-Override", "PUT"), ("Max-Forwards", "1"), ("Via", "1.1 x"), ("Range", "bytes=0-1"), ("If-None-Match", "\"x\"")):
        for entry_point in ("web", "dropunder", "rejectunder"):
            add(entry_point, "/h", headers=[pair])
            add(entry_point, "/h", headers=[pair, pair])
    for entry_point in ("elsewhere", "late", "raw", "scheming"):
        for path in PATHS:
            add(entry_point, path)
            add(entry_point, path, host="nobody.test:81", method="POST", body=b"x")
        for host in ("all.test:8443", "ALL.test.", "[::1]", "[::1]:99", "all.test:", "", None, "a b", "xn--9ca.test:1"):
            add(entry_point, "/h?q=1", host=host)
        for pair in forwarded:
            add(entry_point, "/f?a=1;b=2", headers=[pair])
            add(entry_point, "/f", headers=[pair, ("Connection", pair[0])])
        add(entry_point, "/f", headers=forwarded)
        for value in ("X-Foo", "close, X-Foo", "X-Forwarded-For", "Upgrade", "upgrade, keep-alive", "X-Forwarded-Proto, X-Real-Ip", "Cookie", "X-Case-Other"):
            add(entry_point, "/c", headers=[("Connection", value), ("X-Foo", "1"), ("X-Forwarded-For", "9.9.9.9"), ("Upgrade", "websocket"), ("Cookie", "a=1"), ("X-Real-Ip", "8.8.8.8")])
    for size in (100, 1500, 1900, 2000, 2100, 5900, 6100, 6500, 9000, 70000):
        add("small", "/", headers=[("X-Long", "v" * size)])
        add("small", "/" + "p" * size)
        add("small", "/", headers=[("X-Some", "v")] * (size // 10))
    for size in (100, 300, 990):
        add("web", "/", headers=[(f"X-{i}", "v") for i in range(size)])
        add("web", "/", headers=[("Cookie", f"a{i}=1") for i in range(size)])
    for size in (8192, 64000, 500000, 1000000):
        for target in ("/" + "p" * size, "/" + "%41" * (size // 3), "/" + "../" * (size // 3), "/?" + "a=1&" * (size // 4)):
            add("web", target)
        add("web", "/p/" + "p" * size, host="regex-perm.test")
        add("web", "/foo/" + "p" * size + "/x", host="replace-re.test")
        add("web", "/", headers=[("Cookie", "c=" + "v" * size)])
        add("web", "/", host="h" * size + ".all.test")
    for host in ("auth.test", "auth-trust.test"):  # and the redirection behind
        add("web", "/away/x?a=1;b=2", host=f"{host[:-5]}-away.test")
    for mode in ("redirect", "empty", "hop", "error", "chunked"):
        for method in ("GET", "POST", "HEAD"):
            add("web", "/mode", method=method, headers=[("X-Answer", mode)])
            add("web", "/mode", host="head.test", method=method, headers=[("X-Answer", mode)])
        add("web", "/mode", headers=[("X-Answer", mode)], version="1.0")
    chunked = b"5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\n\r\n"
    add("web", "/b", method="POST", headers=[("Transfer-Encoding", "chunked")], body=chunked)
    add("web", "/b", method="GET", headers=[("Transfer-Encoding", "chunked")], body=chunked)
    add("web", "/b", method="POST", headers=[("Content-Length", "0")])
    add("web", "/b", method="POST")
    add("web", "/b", method="GET", body=b"x")
    add("web", "/b", method="DELETE", body=b"x")
    add("web", "/b", method="PUT", body=b"x" * 100000)
    add("web", "/b", method="POST", headers=[("Expect", "100-continue")], body=b"x")
    add("web", "/b", method="POST", headers=[("Expect", "nothing")], body=b"x")
    for bad in (b"GET / HTTP/1.1\r\nHost: all.test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", b"GET / HTTP/1.1\r\nHost: all.test\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
                b"GET / HTTP/1.1\r\nHost: all.test\r\nContent-Length: +1\r\n\r\nx", b"GET / HTTP/1.1\r\nHost: all.test\r\nContent-Length: 1a\r\n\r\nx", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                b"GET / HTTP/1.1\r\nHost: all.test\r\nBad Name: x\r\n\r\n", b"GET / HTTP/1.1\r\nHost: all.test\r\nName : x\r\n\r\n", b"GET / HTTP/1.1\r\nHost: all.test\r\n: x\r\n\r\n",
                b"GET / HTTP/1.1\r\nHost: all.test\r\nX: a\x00b\r\n\r\n", b"GET / HTTP/2.0\r\nHost: all.test\r\n\r\n", b"GET / HTTP/1.2\r\nHost: all.test\r\n\r\n", b"GET / HTTP/0.9\r\nHost: all.test\r\n\r\n", b"GET /\r\n\r\n",
                b"GET  / HTTP/1.1\r\nHost: all.test\r\n\r\n", b"GET / HTTP/1.1 \r\nHost: all.test\r\n\r\n", b"G@T / HTTP/1.1\r\nHost: all.test\r\n\r\n", b"GET /\x80 HTTP/1.1\r\nHost: all.test\r\n\r\n",
                b"GET / HTTP/1.1\r\nHost: all.test\r\nTransfer-Encoding: gzip\r\n\r\n", b"GET / HTTP/1.1\r\nHost: all.test\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
                b"GET / HTTP/1.1\r\nHost: all.test\r\nTransfer-Encoding: identity\r\n\r\n", b"POST / HTTP/1.1\r\nHost: all.test\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
                b"GET / HTTP/1.1\r\nHost: all.test/x\r\n\r\n", b"GET / HTTP/1.1\r\nHost: all.test\r\nX: \x7f\r\n\r\n", b"CONNECT all.test:80 HTTP/1.1\r\nHost: all.test\r\n\r\n", b"OPTIONS * HTTP/1.1\r\nHost: all.test\r\n\r\n"):
        out.append(("web", bad))
    return out


# ---- random ----
HOSTS = ["a.test", "b.test", "www.a.test", "x.y.test", "A.test"]
SEGMENTS = ["/", "/a", "/a/b", "/a/b/c", "/ab", "/b", "/a/", "/x.png"]


def random_rule(rng, v2, depth=0):
    roll = rng.random()
    if depth < 3 and roll < 0.35:
        return f"{random_rule(rng, v2, depth + 1)} && {random_rule(rng, v2, depth + 1)}"
    if depth < 3 and roll < 0.5:
        return f"({random_rule(rng, v2, depth + 1)} || {random_rule(rng, v2, depth + 1)})"
    if depth < 3 and roll < 0.58:
        return f"!{random_rule(rng, v2, 3)}"
    host, path = rng.choice(HOSTS), rng.choice(SEGMENTS)
    kinds = [f"Host(`{host}`)", f"Host(`{host}`)", f"PathPrefix(`{path}`)", f"Path(`{path}`)", f"PathPrefix(`{path}`)", f"Method(`{rng.choice(['GET', 'POST'])}`)",
             f"ClientIP(`{rng.choice(['127.0.0.1', '10.0.0.0/8', '::1'])}`)"]
    if v2:
        kinds += [f"Headers(`X-K`, `{rng.choice('123')}`)", f"HeadersRegexp(`X-K`, `^[12]$`)", f"Query(`k={rng.choice('12')}`)", f"Path(`/a/{{id:[a-c]+}}`)",
                  f"PathPrefix(`/{{s:[a-z]}}/b`)", f"HostRegexp(`{{sub:[a-z]+}}.a.test`)", f"Host(`{host}`, `c.test`)"]
    else:
        kinds += [f"Header(`X-K`, `{rng.choice('123')}`)", f"HeaderRegexp(`X-K`, `^[12]$`)", f"Query(`k`, `{rng.choice('12')}`)", "Query(`k`)", f"QueryRegexp(`k`, `[0-9]`)",
                  "PathRegexp(`^/a/[a-c]+$`)", "PathRegexp(`\\.png$`)", "HostRegexp(`^[a-z.]+a\\.test$`)", "Host(`*.a.test`)", "Host(`*`)"]
    return rng.choice(kinds)


def random_configuration(rng):
    routers, middlewares = {}, {}
    for i in range(rng.randint(5, 40)):
        v2 = rng.random() < 0.3
        routers[f"r{i}"] = {"rule": random_rule(rng, v2), "service": "upstream", "middlewares": [f"mark{i}"],
                            "entryPoints": rng.choice([["web"], ["web", "trust"], ["trust"]])}
        middlewares[f"mark{i}"] = {"headers": {"customResponseHeaders": {"X-Router": f"r{i}"}}}
        if v2:
            routers[f"r{i}"]["ruleSyntax"] = "v2"
        if rng.random() < 0.25:
            routers[f"r{i}"]["priority"] = rng.choice([1, 10, 20, 30, -5, 100])
        if rng.random() < 0.05:
            routers[f"r{i}"]["rule"] = rng.choice(["Host(`x`", "Nope(`y`)", "Host()", "PathPrefix(`a`)", "HostRegexp(`(`)", "", "Host(`a.test`) &&"])
    # Traefik adds routers in the order of a Go map: which of two equal priorities wins is chance there. Here none are equal.
    used = set()
    for i, router in enumerate(routers.values()):
        if router.get("priority", len(router["rule"])) in used:
            router["priority"] = 1000 + i
        used.add(router.get("priority", len(router["rule"])))
    return {"http": {"routers": routers, "middlewares": middlewares}}


def random_request(rng):
    host = rng.choice(HOSTS + ["c.test", "sub.a.test", "B.TEST", "a.test:80"])
    path = rng.choice(SEGMENTS + ["/c", "/a//b", "/a/../b", "/a/b/", "/a%2Fb", "/A"])
    if rng.random() < 0.4:
        path += "?" + rng.choice(["k=1", "k=2", "k", "k=3&k=1", "j=1", "k=%31"])
    headers = []
    if rng.random() < 0.4:
        headers.append(("X-K", rng.choice(["1", "2", "3", "12"])))
    return rng.choice(["web", "trust"]), request(path, host=host, method=rng.choice(["GET", "GET", "POST"]), headers=headers + crowd(rng))


# ---- random middlewares and paths ----
PIECES = ["a", "b", "api", "v1", "%2F", "%2f", "%41", "%20", ".", "..", "%2e", "x.png", ";", "%3B", "+", "%C3%A9", "~", "%7E", "!", "(", "'", "%25", "@", ":", "*", "%5C", "[", "|", "\"", "%zz", "a b"[0], "foo", "bar", "12", "=", "&", "$", ",", "%3F", "%23", "{", "^"]


def random_path(rng):
    path = ""
    for _ in range(rng.randint(1, 5)):
        path += "/" + "".join(rng.choice(PIECES) for _ in range(rng.randint(0, 3)))
    if rng.random() < 0.3:
        path += "?" + "&".join(rng.choice(["a=1", "b", "c=%20", "d=x;y", "e=%zz", "f=a+b", "=g", "h=i=j", "k=%2F", "ä".encode().decode("latin-1")]) for _ in range(rng.randint(0, 3)))
    return path


def random_middleware(rng):
    prefix = rng.choice(["/a", "/api", "/api/", "/a%2Fb", "/v1", "/foo/bar", "/", "a", "/A", "/é", "/a b", "/api/v1"])
    regex = rng.choice(["^/api/(.*)", "/([a-z]+)/([0-9]+)", "^/(?P<first>[^/]+)/?", "(?i)/API", "^/a|^/b", "/[a-z]*", ".*", "^/foo/(.*)$", "%2F", "\\.png$", "^https?://([^/]+)/(.*)", "(/)"])
    replacement = rng.choice(["/$1", "/x/$2-$1", "/${first}/y", "/fixed", "$1x", "https://$1/$2", "", "/a?b=$1", "$$1", "/%20$1", "/${1}"])
    return rng.choice([
        lambda: {"addPrefix": {"prefix": prefix}},
        lambda: {"stripPrefix": {"prefixes": [prefix, rng.choice(["/api", "/b"])], **({"forceSlash": rng.random() < 0.5} if rng.random() < 0.5 else {})}},
        lambda: {"stripPrefixRegex": {"regex": [regex]}},
        lambda: {"replacePath": {"path": rng.choice([prefix, "/r?x=1", "/r%20s", "r"])}},
        lambda: {"replacePathRegex": {"regex": regex, "replacement": replacement}},
        lambda: {"redirectScheme": {"scheme": rng.choice(["https", "http", "ftp"]), **rng.choice([{}, {"port": "443"}, {"port": "80"}, {"port": "8443"}]), "permanent": rng.random() < 0.5}},
        lambda: {"redirectRegex": {"regex": regex, "replacement": replacement, "permanent": rng.random() < 0.5}},
        lambda: {"headers": {"customRequestHeaders": {(name := rng.choice(["X-A", "x-b", "X-K", "Host", "User-Agent", "X-Forwarded-For", "X-Forwarded-Proto", "Connection", "Accept-Encoding", "Cookie"])): rng.choice(["", "v", "v-w" if name == "Host" else "v w"])},
                             "customResponseHeaders": {rng.choice(["X-Out", "Content-Type", "x-upstream", "Server", "Location"]): rng.choice(["", "o"])}}},
    ])()


def random_chain_configuration(rng):
    middlewares = {f"m{i}": random_middleware(rng) for i in range(30)}
    routers = {}
    for i in range(30):
        routers[f"r{i}"] = {"rule": f"Host(`h{i}.test`)", "service": "upstream", "entryPoints": ["web", "trust", "strict", "rawpath", "semicolon"],
                            "middlewares": [f"m{rng.randrange(30)}" for _ in range(rng.choice([1, 1, 2, 3]))]}
    return {"http": {"routers": routers, "middlewares": middlewares}}


def random_chain_request(rng):
    headers = []
    if rng.random() < 0.2:
        headers.append(("X-Forwarded-Proto", rng.choice(["https", "http", "wss"])))
    if rng.random() < 0.1:
        headers.append(("X-Answer", rng.choice(["redirect", "empty", "error", "hop"])))
    return (rng.choice(["web", "web", "trust", "strict", "rawpath", "semicolon"]),
            request(random_path(rng), host=f"h{rng.randrange(30)}.test" + rng.choice(["", "", ":80", ":8443", ":443"]),
                    method=rng.choice(["GET", "GET", "POST", "HEAD"]), headers=crowd(rng) + headers))
