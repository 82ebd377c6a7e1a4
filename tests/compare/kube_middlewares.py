"""kube_middlewares.py - a Middleware of a random kind for kube_sets.py: each kind of Traefik's, most options of each."""


def optional(one, options, chance=0.4):
    return {key: one.pick(*values) for key, values in options.items() if one.chance(chance)}


def headers(one):
    return optional(one, {
        "customRequestHeaders": ({"X-A": "b", "X-Gone": ""},), "customResponseHeaders": ({"X-B": "c"},), "frameDeny": (True,),
        "accessControlAllowMethods": (["GET", "PUT"],), "accessControlAllowOriginList": (["https://a.test"], ["*"]),
        "accessControlAllowOriginListRegex": (["^https://.*"], ["["]), "accessControlMaxAge": (100,), "addVaryHeader": (True,),
        "allowedHosts": (["a.test"],), "sslProxyHeaders": ({"X-Forwarded-Proto": "https"},), "stsSeconds": (31536000,),
        "stsIncludeSubdomains": (True,), "stsPreload": (True,), "forceSTSHeader": (True,), "contentTypeNosniff": (True,),
        "browserXssFilter": (True,), "customFrameOptionsValue": ("SAMEORIGIN",), "contentSecurityPolicy": ("default-src 'self'",),
        "referrerPolicy": ("same-origin",), "permissionsPolicy": ("camera=()",), "isDevelopment": (True,), "sslRedirect": (True,),
        "hostsProxyHeaders": (["X-Forwarded-Host"],), "accessControlAllowCredentials": (True,), "publicKey": ("k",),
    }, 0.2)


def auth(one, digest=False):
    out = {"secret": one.secret_name(), **optional(one, {"realm": ("r",), "removeHeader": (True,), "headerField": ("X-User",)})}
    if one.chance(0.08):
        del out["secret"]
    return out


def forward_auth(one):
    out = {"address": "https://auth.test/check", **optional(one, {
        "trustForwardHeader": (True,), "authResponseHeaders": (["X-User"],), "authResponseHeadersRegex": ("^X-", "["),
        "authRequestHeaders": (["Cookie"],), "addAuthCookiesToResponse": (["s"],), "headerField": ("X-User",), "forwardBody": (True,),
        "maxBodySize": (-1, 100), "maxResponseBodySize": (100, -1), "preserveLocationHeader": (True,), "preserveRequestMethod": (True,),
        "authSigninURL": ("https://a.test/in",)}, 0.25)}
    if one.chance(0.3):
        out["tls"] = optional(one, {"caSecret": (one.secret_name(),), "certSecret": (one.secret_name(),), "insecureSkipVerify": (True,)})
    if one.chance(0.08):
        del out["address"]
    return out


def source_criterion(one):
    return one.pick({"ipStrategy": {"depth": 2}}, {"ipStrategy": {"excludedIPs": ["10.0.0.1"]}}, {"requestHeaderName": "X-A"}, {"requestHost": True},
                    {"ipStrategy": {"depth": 1, "ipv6Subnet": 64}}, {"requestHeaderName": "X-A", "requestHost": True}, {})


def rate_limit(one):
    out = optional(one, {"average": (0, 100), "period": ("1s", 2, "1m"), "burst": (1, 200)}, 0.6)
    if one.chance(0.4):
        out["sourceCriterion"] = source_criterion(one)
    if one.chance(0.15):
        out["redis"] = optional(one, {"endpoints": (["10.0.0.9:6379"],), "secret": (one.secret_name(),), "db": (1,), "poolSize": (4,),
                                      "dialTimeout": ("1s",), "readTimeout": (2,)})
    return out


def errors(one, namespace):
    return {"status": one.pick(["500-599"], ["404", "503"], ["x"]), "query": "/{status}.html", "service": one.load_balancer(namespace),
            **optional(one, {"statusRewrites": ({"404": 200}, {"500-503": 500}), "errorRequestHeaders": (["X-A"],)}, 0.2)}


KINDS = {
    "addPrefix": lambda one, namespace: one.pick({"prefix": "/p"}, {"prefix": ""}, {}),
    "stripPrefix": lambda one, namespace: {"prefixes": one.pick(["/a"], ["/a", "/b"]), **optional(one, {"forceSlash": (True, False)})},
    "stripPrefixRegex": lambda one, namespace: {"regex": one.pick(["^/[a-z]+"], ["["])},
    "replacePath": lambda one, namespace: {"path": "/x"},
    "replacePathRegex": lambda one, namespace: {"regex": one.pick("^/a/(.*)", "("), "replacement": "/$1"},
    "redirectScheme": lambda one, namespace: {**optional(one, {"scheme": ("https",), "port": ("8443",), "permanent": (True,)}, 0.8)},
    "redirectRegex": lambda one, namespace: {"regex": one.pick("^http://(.*)", "["), "replacement": "https://$1", **optional(one, {"permanent": (True,)})},
    "headers": lambda one, namespace: headers(one),
    "chain": lambda one, namespace: {"middlewares": one.middleware_list(namespace)},
    "ipAllowList": lambda one, namespace: {"sourceRange": one.pick(["10.0.0.0/8"], ["::1"], ["bad"], []), **optional(one, {
        "ipStrategy": ({"depth": 1}, {"excludedIPs": ["10.0.0.1"]}, {"ipv6Subnet": 64}, {}), "rejectStatusCode": (403, 404)})},
    "ipWhiteList": lambda one, namespace: {"sourceRange": ["10.0.0.0/8"]},
    "errors": errors,
    "rateLimit": lambda one, namespace: rate_limit(one),
    "basicAuth": lambda one, namespace: auth(one),
    "digestAuth": lambda one, namespace: auth(one),
    "forwardAuth": lambda one, namespace: forward_auth(one),
    "inFlightReq": lambda one, namespace: {**optional(one, {"amount": (5,)}, 0.9), **({"sourceCriterion": source_criterion(one)} if one.chance(0.4) else {})},
    "buffering": lambda one, namespace: optional(one, {"maxRequestBodyBytes": (100,), "memRequestBodyBytes": (10,), "maxResponseBodyBytes": (100,),
                                                       "memResponseBodyBytes": (10,), "retryExpression": ("IsNetworkError() && Attempts() < 2", "nonsense(")}),
    "circuitBreaker": lambda one, namespace: {"expression": one.pick("NetworkErrorRatio() > 0.30", "LatencyAtQuantileMS(50.0) > 100", "what"), **optional(
        one, {"checkPeriod": ("1s", 2), "fallbackDuration": ("3s",), "recoveryDuration": (4,), "responseCode": (500,)})},
    "compress": lambda one, namespace: optional(one, {"excludedContentTypes": (["text/event-stream"],), "includedContentTypes": (["text/html"],),
                                                      "minResponseBodyBytes": (1200,), "encodings": (["gzip", "br"], ["nope"]), "defaultEncoding": ("gzip",)}, 0.3),
    "passTLSClientCert": lambda one, namespace: one.pick({}, {"pem": True}, {"info": {"notAfter": True, "subject": {"commonName": True}, "issuer": {}}}),
    "retry": lambda one, namespace: {"attempts": one.pick(0, 3), **optional(one, {"initialInterval": ("100ms", 1), "timeout": ("1s", 2),
                                                                                 "status": (["503"],), "disableRetryOnNetworkError": (True,),
                                                                                 "retryNonIdempotentMethod": (True,), "maxRequestBodyBytes": (100,)}, 0.3)},
    "contentType": lambda one, namespace: one.pick({}, {"autoDetect": True}),
    "grpcWeb": lambda one, namespace: {"allowOrigins": ["*"]},
    "encodedCharacters": lambda one, namespace: optional(one, {"allowEncodedSlash": (True,), "allowEncodedHash": (False,)}),
    "plugin": lambda one, namespace: {"p": {"key": "value"}},
}


def middleware_spec(one, namespace):
    kinds = list(KINDS)
    first = one.rng.choice(kinds)
    spec = {first: KINDS[first](one, namespace)}
    if one.chance(0.04):
        second = one.rng.choice(kinds)
        spec[second] = KINDS[second](one, namespace)
    if one.chance(0.02):
        spec = {}
    return spec
