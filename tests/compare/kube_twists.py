"""kube_twists.py - what kube_sets.py does not draw: rarer fields and values, put into the objects of a set afterwards.

A twist is a path into an object of a kind and the values that may stand there; `[]` is one item of a list. An object has
about one of them. Not here: objects themselves (kube_sets.py), middlewares' usual options (kube_middlewares.py).
"""
import copy

GONE = object()  # the field is taken away
LONG = "x" * 70
NUMBERS = (0, 1, -1, 2147483647)
TIMES = ("5s", 7, "1m30s", "0s", 0, "500ms", "x", "-1s", "1.5h", "42")

SERVICE = [
    ("sticky", ({}, {"cookie": {}}, {"cookie": {"sameSite": "wild"}}, {"cookie": {"name": "a b", "path": "", "domain": ".d"}}, {"cookie": {"maxAge": -7}})),
    ("weight", NUMBERS), ("strategy", ("", "wrr", "leasttime", "best")), ("scheme", ("", "HTTP", "ftp", "h2c")),
    ("passHostHeader", (GONE, False)), ("responseForwarding", ({"flushInterval": "0"}, {"flushInterval": "-1"}, {"flushInterval": "7"}, {"flushInterval": "x"})),
    ("passiveHealthCheck", ({"failureWindow": "0s", "maxFailedAttempts": 0}, {"failureWindow": "x"}, {"maxFailedAttempts": -1})),
    ("healthCheck", ({}, {"path": "health"}, {"path": "/h", "interval": "x"}, {"path": "/h", "interval": 0, "timeout": "0s"}, {"mode": "grpc", "scheme": "h2c"},
                     {"path": "/h", "headers": {"Host": "h", "": "x"}, "status": 99, "port": 70000, "method": "get"})),
    ("serversTransport", ("x@file", "missing", "a-b-c@kubernetescrd", "")), ("port", (GONE, 0, "web", "http", "https", "-1", 70000, "80")),
    ("kind", ("Service", "TraefikService", "Other", "")), ("namespace", ("", "nowhere", "default")), ("name", ("", "a@b@c", "x@", "@y", "Big", LONG)),
    ("nativeLB", (True, False)), ("nodePortLB", (False,)), ("middlewares", ([], [{"name": "x@file"}], [{"name": "", "namespace": "n"}])),
]
RULES = ("Host(`h.twist`) && Path(`/é`)", "Host(`*.twist`)", "Host(`a.twist`) || (Path(`/x`) && !Query(`a`))", "Query(`k`, `v`, `w`)", "Query(`k`)",
         "HeaderRegexp(`X-Y`, `^a|b$`)", "QueryRegexp(`k`, `(`)", "Method(`get`)", "ClientIP(`300.1.1.1`)", "ClientIP(`::1/64`)", "Path(`/a`) && Path(`/b`)",
         "host(`a.twist`)", "HOST(`a.twist`)", "(Host(`a.twist`))", "!!Host(`a.twist`)", "Host(`a.twist`)  &&\nPath(`/x`)", "Host('a.twist')", "Path(\"/a\\\"b\")",
         "PathRegexp(`[`)", "HostRegexp(`^.+$`)", "Host(`a.twist.`)", "Host(`A.TWIST`)", "Host(`1.2.3.4`)", "Host(`[::1]`)", "Host(`a_b.twist`)", "HostSNI(`a.twist`)",
         "Path(``)", "PathPrefix(`/a?b`)", "Header(`X Y`, `z`)", "Header(`Host`, `z`)", "Host(`a.twist`) & Path(`/x`)", "True()", "a", "`", "Host(`a`) Path(`/`)")
RULES_TCP = ("HostSNI(`*`)", "HostSNI(`*.twist`)", "HostSNI(`a.twist`, `b.twist`)", "HostSNIRegexp(`^.+\\.twist$`)", "HostSNIRegexp(`(`)", "ClientIP(`10.0.0.1`)",
             "ClientIP(`::/0`)", "ALPN(`h2`) && HostSNI(`a.twist`)", "ALPN(`acme-tls/1`)", "!HostSNI(`a.twist`)", "HostSNI(`*`) && ClientIP(`10.0.0.0/8`)",
             "HostSNI(`A.Twist`)", "HostSNI(`1.2.3.4`)", "HostSNI(`a_b.twist`)", "HostSNI(``)", "HostSNI()", "HostSNI(`*`) || HostSNI(`a.twist`)", "HostSNI(`{x:[a-z]+}.twist`)",
             "HostSNIRegexp(`{x:[a-z]+}.twist`)", "PathPrefix(`/`)", "HostSNI(`münchen.twist`)", "hostsni(`a.twist`)")
TLS = [("certResolver", ("le", "")), ("domains", ([{}], [{"main": "*.a.twist"}, {"sans": ["x"]}])), ("options", ({"name": "default"}, {"name": ""}, {"name": "x@file"},
       {"name": "x@kubernetescrd", "namespace": "n"}, {"name": "o", "namespace": "nowhere"})), ("secretName", ("", "missing")), ("store", ({"name": "x"},))]
AUTHORITIES = ([{}], [{"secret": "missing"}], [{"secret": "a", "configMap": "b"}], [])

TWISTS = {
    "IngressRoute": [("spec.routes[].match", RULES), ("spec.routes[].priority", (0, -9, 9223372036854774807, 9223372036854774808, 9223372036854775807)),
                     ("spec.routes[].syntax", ("v1", "V2", "")), ("spec.routes[].kind", (GONE, "Other", "")), ("spec.routes[].services", ([], GONE)),
                     ("spec.routes[].middlewares", ([], [{"name": "m@file"}], [{"name": "x", "namespace": ""}], [{"name": "a@b@c"}], [{"name": ""}])),
                     ("spec.routes[].observability", ({"traceVerbosity": "loud"}, {"accessLogs": True, "metrics": False, "tracing": False, "traceVerbosity": "minimal"})),
                     ("spec.entryPoints", (["udp"], ["web", "web"], [""], ["traefik"], ["websecure", "web"])), ("spec.routes", ([],)), ("spec.tls", ({},)),
                     ("spec.ingressClassName", ("", "traefik", "edge")), ("spec.parentRefs", ([], [{"name": ""}], [{"name": "ir1", "namespace": "nowhere"}])),
                     ("metadata.labels", ({"team": "red"},)),
                     *((f"spec.tls.{path}", values) for path, values in TLS), *((f"spec.routes[].services[].{path}", values) for path, values in SERVICE)] ,
    "TraefikService": [*((f"spec.weighted.services[].{path}", values) for path, values in SERVICE), *((f"spec.mirroring.{path}", values) for path, values in SERVICE),
                       *((f"spec.mirroring.mirrors[].{path}", values) for path, values in SERVICE), *((f"spec.highestRandomWeight.services[].{path}", values) for path, values in SERVICE),
                       *((f"spec.failover.service.{path}", values) for path, values in SERVICE), *((f"spec.failover.fallback.{path}", values) for path, values in SERVICE),
                       ("spec.weighted.services", ([],)), ("spec.weighted.sticky", ({}, {"cookie": {}}, {"cookie": {"name": "c", "maxAge": 0, "path": "/x", "sameSite": "None"}})),
                       ("spec.highestRandomWeight.services", ([],)), ("spec.mirroring.mirrors", ([],)), ("spec.mirroring.mirrors[].percent", (-1, 101, 50)),
                       ("spec.mirroring.maxBodySize", (-2, 0)), ("spec.failover.errors", ({}, {"status": []}, {"status": ["x"]}, {"status": ["599-500"]}, {"maxRequestBodyBytes": 0})),
                       ("spec.mirroring", ({"name": "svc1", "port": 80}, {"name": "ts1", "kind": "TraefikService"}))],
    "IngressRouteTCP": [("spec.routes[].match", RULES_TCP), ("spec.routes[].priority", (0, -9, 9223372036854774808)), ("spec.routes[].syntax", ("v2", "v2", "v3", "V2")),
                        ("spec.routes[].services", ([], GONE)), ("spec.entryPoints", (["tcp", "tcp"], ["web", "websecure"], [])), ("spec.routes", ([],)),
                        ("spec.tls", ({}, {"passthrough": True}, {"passthrough": True, "secretName": "missing"}, {"passthrough": True, "options": {"name": "missing"}})),
                        ("spec.ingressClassName", ("", "traefik")), *((f"spec.tls.{path}", values) for path, values in TLS),
                        *((f"spec.routes[].services[].{path}", values) for path, values in (
                            ("weight", NUMBERS), ("terminationDelay", (-1, 0, 100)), ("proxyProtocol", ({}, {"version": 0}, {"version": 3})), ("tls", (True, False)),
                            ("serversTransport", ("x@file", "missing", "")), ("port", (0, "web", "dns", 53, "80")), ("nativeLB", (True, False)), ("namespace", ("nowhere", "")),
                            ("name", ("", "x@file", "missing")))),
                        ("spec.routes[].middlewares", ([], [{"name": "m@file"}], [{"name": "x", "namespace": "nowhere"}]))],
    "IngressRouteUDP": [("spec.entryPoints", (["udp", "udp"], ["tcp"], [], [""])), ("spec.routes", ([],)), ("spec.routes[].services", ([], GONE)),
                        *((f"spec.routes[].services[].{path}", values) for path, values in (
                            ("weight", NUMBERS), ("port", (0, "dns", 53, "web")), ("nativeLB", (True, False)), ("namespace", ("nowhere", "")), ("name", ("", "x@file"))))],
    "ServersTransport": [("spec.rootCAsSecrets", (["missing"], [])), ("spec.rootCAs", AUTHORITIES), ("spec.peerCertSANs", ([{"type": "DNSName", "value": "a"}], [{"type": "x", "value": "b"}])),
                         ("spec.spiffe", ({}, {"ids": ["spiffe://a/b"], "trustDomain": "t"})), ("spec.certificatesSecrets", ([], ["missing", "missing"])),
                         *((f"spec.forwardingTimeouts.{key}", TIMES) for key in ("dialTimeout", "responseHeaderTimeout", "idleConnTimeout", "readIdleTimeout", "pingTimeout")),
                         ("spec.minVersion", ("VersionTLS10", "TLS9", "")), ("spec.maxVersion", ("VersionTLS11", "x")), ("spec.cipherSuites", ([], ["x"])), ("spec.maxIdleConnsPerHost", (-1, -5))],
    "ServersTransportTCP": [*((f"spec.{key}", TIMES) for key in ("dialTimeout", "dialKeepAlive", "terminationDelay")), ("spec.proxyProtocol", ({}, {"version": 2}, {"version": 9})),
                            ("spec.tls", ({}, {"rootCAsSecrets": ["missing"]}, {"rootCAs": [{}]}, {"certificatesSecrets": ["missing"], "peerCertURI": "x"},
                                          {"peerCertSANs": [{"type": "URI", "value": "x:y"}]}, {"spiffe": {"ids": ["spiffe://a/b"]}}))],
    "TLSOption": [("spec.preferServerCipherSuites", (True, False)), ("spec.curvePreferences", (["x"], ["secp521r1", "X25519MLKEM768"])), ("spec.cipherSuites", (["x"], [])),
                  ("spec.minVersion", ("VersionTLS10", "x", "")), ("spec.maxVersion", ("VersionTLS11",)), ("spec.alpnProtocols", ([], ["x"], ["http/1.1", "acme-tls/1"])),
                  ("spec.clientAuth", ({}, {"clientAuthType": "RequireAnyClientCert"}, {"clientAuthType": "x"}, {"secretNames": []}, {"clientAuthType": "RequireAndVerifyClientCert"}))],
    "MiddlewareTCP": [("spec", ({}, {"inFlightConn": {"amount": -1}}, {"ipAllowList": {"sourceRange": []}}, {"ipAllowList": {}}, {"ipAllowList": {"sourceRange": ["10.0.0.1/33"]}},
                                {"inFlightConn": {"amount": 1}, "ipAllowList": {"sourceRange": ["::/0"]}}, {"ipWhiteList": {"sourceRange": ["10.0.0.1"]}, "ipAllowList": {"sourceRange": ["::1"]}}))],
    "Service": [("spec.ports[].name", ("web", "https", "a")), ("spec.ports[].port", (443, 8443)), ("spec.selector", ({"app": "x"}, {})), ("spec.publishNotReadyAddresses", (True,)), ("spec.sessionAffinity", ("ClientIP",)), ("spec.ports[].appProtocol", ("kubernetes.io/h2c", "https", "kubernetes.io/ws")),
                ("spec.ports[].targetPort", (1, "x", "web")), ("spec.ports", ([{"name": "a", "port": 80}, {"name": "b", "port": 80, "protocol": "UDP"}],
                                                                                 [{"name": "a", "port": 80, "targetPort": 1}, {"name": "b", "port": 81, "targetPort": 1}])),
                ("spec.externalName", ("", "a.b.", "10.0.0.1:99", "::1", "EXAMPLE.com"))],
    "EndpointSlice": [("endpoints[].addresses", (["10.7.0.1", "10.7.0.2"],)), ("endpoints[].conditions", ({}, {"ready": True, "terminating": True}, {"serving": True})),
                      ("endpoints[].nodeName", ("node0",)), ("endpoints[].zone", ("z1",)), ("endpoints[].hints", ({"forZones": [{"name": "z1"}]},)),
                      ("metadata.labels", ({"kubernetes.io/service-name": "svc1"}, {"kubernetes.io/service-name": "svc2", "team": "red"})), ("ports", ([], [{"port": 1}], [{"name": "web"}], [{"name": "web", "port": 7, "protocol": "UDP"}])),
                      ("ports[].name", ("", "a", "web")), ("endpoints", ([],)), ("ports[].appProtocol", ("kubernetes.io/h2c",))],
    "Ingress": [("spec.rules[].host", ("*.twist", "a.b", "twist")), ("spec.rules[].http.paths[].path", ("/a/b/c/", "/a.*b", "/(x)", "/ä", "/a?b", "/a`b", "/a\"b", "/%2F", "/a//b")),
                ("spec.rules[].http.paths[].pathType", ("ImplementationSpecific", "Exact", "Prefix")), ("spec.ingressClassName", ("traefik", "edge")),
                ("spec.rules[].http.paths[].backend.service.port", ({"name": "web"}, {"number": 443}, {"name": "nope"}, {"number": 9})),
                ("spec.tls", ([{"hosts": ["a.twist"]}], [{"secretName": "missing", "hosts": []}], [])), ("spec.rules[]", ({}, {"host": "only.twist"})),
                ("spec.rules[].http.paths[].backend", ({"resource": {"kind": "Service", "name": "svc1"}}, {"service": {"name": "svc1", "port": {"number": 80}}}))],
}
ROUTER = {
    "entrypoints": ("", "web, websecure", "udp", "web,web"), "middlewares": ("", "a@file, b@file", "a@b@c", "missing"), "priority": ("0", "", "1.5", "9223372036854775807", " 7"),
    "rulesyntax": ("V2", "x"), "pathmatcher": ("", "pathprefix", "Nonsense", "HostRegexp", "PathRegexp"), "tls": ("", "True", "1", "no"), "tls.options": ("x@file", "missing", ""),
    "tls.certresolver": ("", "a b"), "tls.domains.0.main": ("",), "tls.domains.1.main": ("late.twist",), "tls.domains.0.sans": ("", "a, b"), "tls.domains[0].main": ("b.twist",),
    "observability.accesslogs": ("True", "x", ""), "observability.metrics": ("0",), "observability.traceverbosity": ("loud", ""), "observability": ("true", ""), "unknown": ("x",), "service": ("x@file",),
    "Priority": ("3",), "ENTRYPOINTS": ("web",), "tls.unknown": ("x",), "rule": ("Host(`x`)",),
}
OF_SERVICE = {
    "serversscheme": ("", "HTTPS", "ftp"), "serverstransport": ("", "missing", "x@kubernetescrd"), "passhostheader": ("", "0", "False"), "nativelb": ("", "x", "1"), "nodeportlb": ("x", "1"),
    "sticky": ("true", "false", ""), "sticky.cookie": ("false", ""), "sticky.cookie.samesite": ("wild", ""), "sticky.cookie.maxage": ("x", "-1", "0"), "sticky.cookie.secure": ("x",),
    "sticky.cookie.path": ("",), "sticky.cookie.name": ("a b", ""), "middlewares": ("", "x@file, y@file"), "unknown": ("x",), "strategy": ("p2c",), "weight": ("3",), "sticky.header": ("x",),
}


def places(value, steps):
    """(container, key) of everything a path leads to."""
    step, rest = steps[0], steps[1:]
    name, listed = step.removesuffix("[]"), step.endswith("[]")
    if not isinstance(value, dict) or (name not in value and (rest or listed)):
        return
    if listed:
        for i, item in enumerate(value[name] if isinstance(value[name], list) else []):
            if rest:
                yield from places(item, rest)
            else:
                yield value[name], i
    elif rest:
        yield from places(value[name], rest)
    else:
        yield value, name


def balancers(value):
    """Every description of a load balancer: the service of a route, of a TraefikService, of an errors middleware."""
    if isinstance(value, list):
        for inner in value:
            yield from balancers(inner)
    elif isinstance(value, dict):
        if isinstance(value.get("name"), str) and "port" in value and value.get("kind", "Service") == "Service":
            yield value
        for inner in value.values():
            yield from balancers(inner)


def describe_once(one):
    """Which of two descriptions of one load balancer counts is chance in Traefik: the first is all."""
    own, known = ("name", "namespace", "port", "kind", "weight", "percent"), {}
    for item in one.objects:
        if item["kind"] not in ("IngressRoute", "TraefikService", "Middleware"):
            continue
        for service in balancers(item.get("spec")):
            where = (service.get("namespace") or item["metadata"]["namespace"], service["name"], str(service["port"]))
            mirrors = {key: service.pop(key) for key in ("mirrors", "mirrorBody", "maxBodySize") if key in service}
            if where in known:
                for key in [key for key in service if key not in own]:
                    del service[key]
                service.update(copy.deepcopy(known[where]))
            else:
                known[where] = {key: copy.deepcopy(value) for key, value in service.items() if key not in own}
            service.update(mirrors)


def twist(one):
    """Into about every second object of the set."""
    rng = one.rng
    for item in one.objects:
        if one.chance(0.5):
            found = [(place, values) for path, values in TWISTS.get(item["kind"], ()) for place in places(item, path.split("."))]
            for (holder, key), values in rng.sample(found, min(len(found), rng.choice((1, 1, 2)))):
                value = rng.choice(values)
                if value is not GONE:
                    holder[key] = copy.deepcopy(value)
                elif isinstance(holder, dict):
                    holder.pop(key, None)
        if item["kind"] in ("Ingress", "Service") and one.chance(0.35):
            scope, known = ("router.", ROUTER) if item["kind"] == "Ingress" else ("service.", OF_SERVICE)
            for key in rng.sample(sorted(known), rng.choice((1, 1, 2))):
                notes = item["metadata"].setdefault("annotations", {})
                notes["traefik.ingress.kubernetes.io/" + scope + key] = rng.choice(known[key])
