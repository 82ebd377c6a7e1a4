"""kube_sets.py - sets of Kubernetes objects and options for compare_kube.py: drawn at random, the same for the same seed.

A set lives in two namespaces of its own (`sN-a`, `sN-b`), so many sets are looked at in one run of both programs. What
is looked at over all namespaces (options, default classes, default backends, default TLS options) makes a group, which
is a run of its own. Most references are good; the others name what is not there, of another kind, namespace or provider.

Not here: who asks (compare_kube.py), what may differ (kube_accepted.py).
"""
import base64
import random

from kube_fields import put_fields
from kube_twists import describe_once, twist

GROUP = "traefik.io/v1alpha1"
OLD_GROUP = "traefik.containo.us/v1alpha1"
ANNOTATION = "traefik.ingress.kubernetes.io/"
PATHS = ["/", "/a", "/a/", "/a/b", "/foo.bar", "/with-dash_", "/a%20b", "/~x"]

# Options of the providers, one group of sets each: (kubernetesCRD, kubernetesIngress, both).
PROFILES = {
    "plain": [],
    "cross": ["crd.allowCrossNamespace"],
    "external": ["all.allowExternalNameServices", "crd.allowCrossNamespace"],
    "empty": ["all.allowEmptyServices", "all.allowExternalNameServices"],
    "native": ["all.nativeLBByDefault", "crd.allowCrossNamespace"],
    "noscope": ["all.disableClusterScopeResources", "all.allowExternalNameServices"],
    "noclass": ["ingress.disableIngressClassLookup"],
    "class": ["all.ingressClass=edge"],
    "strict": ["ingress.strictPrefixMatching", "crd.allowCrossNamespace", "all.allowExternalNameServices"],
    "labels": ["all.labelSelector=team in (red,blue),!hidden"],
    "nobody": ["all.crossProviderNamespaces=nobody"],
    "some": ["all.crossProviderNamespaces={A}", "crd.allowCrossNamespace"],
    "watched": ["all.namespaces={A}", "crd.allowCrossNamespace", "all.allowExternalNameServices"],
    "v2": ["core.defaultRuleSyntax=v2", "all.allowExternalNameServices"],
    "points": ["entryPoints.websecure.http.tls=true", "entryPoints.web.http.middlewares=m@file", "entryPoints.web.asDefault=true", "crd.allowCrossNamespace"],
    "strictsyntax": ["entryPoints.tcp.observability.metrics=false", "core.defaultRuleSyntax=v3", "crd.labelSelector=team!=green", "ingress.ingressClass=traefik"],
    "half": ["crd.allowEmptyServices", "crd.nativeLBByDefault", "ingress.allowExternalNameServices", "crd.allowCrossNamespace", "crd.ingressClass=edge"],
    "chosen": ["crd.labelSelector=team notin (green),team", "ingress.labelSelector=team==red", "crd.allowCrossNamespace"],
    "apart": ["crd.namespaces={A}", "ingress.allowExternalNameServices", "all.crossProviderNamespaces={A},nobody"],
    "tls": ["entryPoints.websecure.http.tls.options=o@file", "entryPoints.websecure.http.tls.certResolver=le", "entryPoints.websecure.asDefault=true",
            "entryPoints.websecure.http.tls.domains[0].main=p.test", "entryPoints.web.http.middlewares=m@file,n@kubernetescrd",
            "entryPoints.web.observability.accessLogs=false", "entryPoints.web.observability.traceVerbosity=detailed",
            "entryPoints.websecure.observability.tracing=false", "all.allowExternalNameServices"],
    "all": ["crd.allowCrossNamespace", "all.allowExternalNameServices", "all.allowEmptyServices", "ingress.strictPrefixMatching"],
}
CLASSES = [("traefik", "traefik.io/ingress-controller", False), ("edge", "traefik.io/ingress-controller", False),
           ("foreign", "example.com/other", False)]


class Set:
    """The objects of one set, and the names in it that others may refer to."""

    def __init__(self, number, rng, keys, profile):
        self.rng, self.keys, self.profile = rng, keys, profile
        self.suffix = f".s{number}.test"  # routers of one host with several TLS options are a conflict
        self.spaces = [f"s{number}-a", f"s{number}-b"]
        self.objects, self.count, self.described = [], 0, {}
        self.services, self.middlewares, self.traefik_services = [], [], []  # (namespace, name, ...)
        self.transports, self.tcp_transports, self.tls_options, self.tcp_middlewares, self.routes = [], [], [], [], []
        self.secrets = []

    def chance(self, probability):
        return self.rng.random() < probability

    def pick(self, *choices):
        return self.rng.choice(choices)

    def name(self, stem):
        self.count += 1
        return stem + self.pick("", "-x", ".y") + str(self.count)

    def space(self):
        return self.spaces[0] if self.chance(0.75) else self.spaces[1]

    def add(self, version, kind, namespace, name, **rest):
        metadata = {"name": name, "namespace": namespace}
        if self.profile in ("labels", "chosen") and self.chance(0.8):
            metadata["labels"] = {"team": self.pick("red", "blue", "green"), **({"hidden": "x"} if self.chance(0.1) else {})}
        for key in ("labels", "annotations"):
            if rest.get(key):
                metadata[key] = {**metadata.get(key, {}), **rest[key]}
            rest.pop(key, None)
        self.objects.append({"apiVersion": version, "kind": kind, "metadata": metadata, **rest})

    def custom(self, kind, namespace, name, spec, **rest):
        self.add(GROUP, kind, namespace, name, spec=spec, **rest)

    # ---- what is referred to ----
    def ports(self, kind):
        if self.chance(0.5):
            return [{"port": self.pick(80, 8080, 443), **({"name": self.pick("web", "https", "httpsx", "http")} if self.chance(0.5) else {})}]
        return [{"port": 80, "name": "web"}, {"port": 443, "name": "https"}, {"port": 9000, "name": self.pick("tcp", "grpc")},
                {"port": 53, "name": "dns", "protocol": "UDP"}][:self.rng.randint(2, 4)]

    def service(self):
        namespace, name = self.space(), self.name("svc").replace(".", "-")
        kind = self.pick("ClusterIP", "ClusterIP", "ClusterIP", "ClusterIP", "NodePort", "NodePort", "LoadBalancer", "ExternalName",
                         "ExternalName", "headless")
        ports, spec = self.ports(kind), {}
        if kind == "ExternalName":
            spec = {"type": kind, "externalName": self.pick("example.com", "outer.test", "10.1.2.3")}
            if self.chance(0.3):
                ports = []
        else:
            spec = {"type": "ClusterIP", "clusterIP": "None"} if kind == "headless" else {"type": kind}
            for port in ports:
                if self.chance(0.4):
                    port["targetPort"] = self.pick(8080, "named", 80)
        if ports:
            spec["ports"] = ports
        self.add("v1", "Service", namespace, name, spec=spec, annotations=self.service_annotations())
        self.services.append((namespace, name, ports, kind))
        if kind != "ExternalName":
            for i in range(self.pick(0, 1, 1, 1, 1, 2, 3)):
                self.endpoint_slice(namespace, name, i, ports)

    def endpoint_slice(self, namespace, service, number, ports):
        family = self.pick("IPv4", "IPv4", "IPv4", "IPv6", "FQDN")
        address = {"IPv4": lambda: f"10.{self.rng.randint(1, 3)}.0.{self.rng.randint(1, 6)}",
                   "IPv6": lambda: f"fd00::{self.rng.randint(1, 6):x}", "FQDN": lambda: f"h{self.rng.randint(1, 3)}.test"}[family]
        endpoints = []
        for _ in range(self.rng.randint(0, 4)):
            conditions = {}
            if self.chance(0.8):
                conditions["ready"] = self.chance(0.7)
            if self.chance(0.4):
                conditions["serving"] = self.chance(0.7)
            if self.chance(0.3):
                conditions["terminating"] = self.chance(0.5)
            endpoints.append({"addresses": [address()], "conditions": conditions})
        listed = []
        for port in ports:
            if self.chance(0.9):
                entry = {"name": port.get("name", ""), "port": self.pick(8080, 80, 8443), "protocol": port.get("protocol", "TCP")}
                if self.chance(0.05):
                    del entry["port"]
                listed.append(entry)
        self.rng.shuffle(listed)
        labels = {"kubernetes.io/service-name": service} if self.chance(0.97) else {}
        self.add("discovery.k8s.io/v1", "EndpointSlice", namespace, f"{service}-{number}", addressType=family, endpoints=endpoints,
                 ports=listed, labels=labels)

    def service_annotations(self):
        out = {}
        if self.chance(0.3):
            for key, values in {
                "serversscheme": ("http", "https", "h2c"), "serverstransport": (f"{self.spaces[0]}-transport@kubernetescrd", "x@file"),
                "passhostheader": ("true", "false", "maybe"), "sticky.cookie": ("true",), "sticky.cookie.name": ("c",),
                "sticky.cookie.secure": ("true", "false"), "sticky.cookie.httponly": ("true",), "sticky.cookie.samesite": ("lax", "none"),
                "sticky.cookie.maxage": ("42",), "sticky.cookie.path": ("/p",), "sticky.cookie.domain": ("d.test",),
                "nativelb": ("true", "false"), "nodeportlb": ("true", "false"),
                "middlewares": (f"{self.spaces[0]}-m@kubernetescrd",),
            }.items():
                if self.chance(0.15):
                    out[ANNOTATION + "service." + key] = self.pick(*values)
        return out

    def secret(self):
        namespace, name = self.space(), self.name("secret")
        encode = lambda text: base64.b64encode(text.encode()).decode()
        users = "alice:$apr1$8OsdWDRQ$RbOjFHtz3ekY3iA97SEu20\nbob:{SHA}VBPuJHI7uixaa6LQGWx4s+5GKNE="
        kind, data = self.pick(
            ("kubernetes.io/tls", {"tls.crt": self.keys["crt"], "tls.key": self.keys["key"]}),
            ("kubernetes.io/tls", {"tls.crt": self.keys["crt"], "tls.key": self.keys["key"]}),
            ("Opaque", {"tls.crt": self.keys["crt"], "tls.key": self.keys["key"], "tls.ca": self.keys["crt"]}),
            ("Opaque", {"tls.ca": self.keys["crt"]}), ("Opaque", {"ca.crt": self.keys["crt"]}),
            ("Opaque", {"tls.crt": self.keys["crt"]}), ("Opaque", {"users": users}), ("Opaque", {"users": users, "more": "x"}),
            ("Opaque", {"users": ""}), ("Opaque", {"tls.crt": "", "tls.key": ""}), ("Opaque", {}),
            ("kubernetes.io/basic-auth", {"username": "alice", "password": "secret"}),
            ("kubernetes.io/basic-auth", {"username": "alice"}))
        self.add("v1", "Secret", namespace, name, type=kind, data={key: encode(value) for key, value in data.items()},
                 labels={"owner": "helm"} if self.chance(0.05) else {})
        self.secrets.append((namespace, name))

    def config_map(self):
        namespace, name = self.space(), self.name("cm")
        self.add("v1", "ConfigMap", namespace, name, data=self.pick({"ca.crt": self.keys["crt"]}, {"tls.ca": self.keys["crt"]}, {"x": "y"}))
        self.secrets.append((namespace, name))

    # ---- references ----
    def refer(self, known, namespace, good=0.85, providers=True):
        """{name, namespace?} of one of the known, or of nothing."""
        known = [entry for entry in known if entry[0] == namespace] if self.chance(0.7) else known
        if not known or not self.chance(good):
            out = {"name": self.pick("missing", "svc1", "m1")}
            if self.chance(0.3):
                out["namespace"] = self.pick(*self.spaces, "nowhere")
            return out
        there, name = self.rng.choice(known)[:2]
        if providers and self.chance(0.08):
            out = {"name": self.pick(f"{there}-{name}@kubernetescrd", "thing@file", "api@internal", "noop@internal")}
            if self.chance(0.3):
                out["namespace"] = there
            return out
        out = {"name": name}
        if there != namespace or self.chance(0.2):
            out["namespace"] = there
        return out

    def port_of(self, ports):
        if not ports or self.chance(0.07):
            return self.pick(80, 81, "web", "nope", 0, "", "80")
        port = self.rng.choice(ports)
        return port["name"] if port.get("name") and self.chance(0.4) else port["port"]

    def secret_name(self):
        return self.rng.choice(self.secrets)[1] if self.secrets and self.chance(0.85) else "no-secret"

    def middleware_list(self, namespace, known=None):
        known = self.middlewares if known is None else known
        return [self.refer(known, namespace, 0.92) for _ in range(self.rng.randint(1, 3))]

    def sticky(self):
        cookie = {}
        for key, values in {"name": ("c", "lb"), "secure": (True, False), "httpOnly": (True, False), "sameSite": ("none", "lax", "strict"),
                            "maxAge": (0, 42, -1), "path": ("/", "/p"), "domain": ("d.test",)}.items():
            if self.chance(0.4):
                cookie[key] = self.pick(*values)
        return {"cookie": cookie}

    def health_check(self):
        out = {}
        for key, values in {"scheme": ("http", "https"), "mode": ("http", "grpc"), "path": ("/health",), "method": ("HEAD",),
                            "status": (200, 204), "port": (8081,), "interval": ("5s", 7, "1m"), "unhealthyInterval": ("2s", 3),
                            "timeout": ("1s", 2), "hostname": ("h.test",), "followRedirects": (True, False),
                            "headers": ({"X-A": "b"},)}.items():
            if self.chance(0.4):
                out[key] = self.pick(*values)
        return out

    def load_balancer(self, namespace, weighted=False):
        """A service of a route, a TraefikService or an errors middleware. One that several name is the same for all: which
        of two descriptions of it counts is chance in Traefik."""
        if self.traefik_services and self.chance(0.25):
            out = {**self.refer(self.traefik_services, namespace), "kind": "TraefikService"}
            if self.chance(0.1):
                out["port"] = 80
        else:
            out = self.refer(self.services, namespace, 0.93, providers=self.chance(0.3))
            ports = next((entry[2] for entry in self.services if entry[1] == out["name"]), [])
            out["port"] = self.port_of(ports)
            if self.chance(0.2):
                out["kind"] = "Service"
        known = self.described.setdefault((out.get("namespace", namespace), out["name"], str(out.get("port"))), {})
        for key, chance, make in () if known else (
                ("scheme", 0.1, lambda: self.pick("http", "https", "h2c")), ("strategy", 0.15, lambda: self.pick("wrr", "p2c", "hrw", "leasttime", "RoundRobin")),
                ("passHostHeader", 0.15, lambda: self.chance(0.5)), ("nativeLB", 0.15, lambda: self.chance(0.6)),
                ("nodePortLB", 0.2 if self.profile != "noscope" else 0, lambda: self.chance(0.8)),  # there Traefik panics
                ("sticky", 0.15, self.sticky), ("healthCheck", 0.06, self.health_check),
                ("passiveHealthCheck", 0.08, lambda: self.pick({}, {"failureWindow": "5s"}, {"maxFailedAttempts": 3, "failureWindow": 4})),
                ("responseForwarding", 0.08, lambda: self.pick({}, {"flushInterval": "1ms"}, {"flushInterval": "2s"})),
                ("serversTransport", 0.12, lambda: self.refer(self.transports, namespace)["name"]),
                ("middlewares", 0.1, lambda: self.middleware_list(namespace))):
            if self.chance(chance):
                known[key] = make()
        known.setdefault("passHostHeader", True)
        out.update(known)
        if weighted and self.chance(0.6):
            out["weight"] = self.pick(0, 1, 2, 10)
        return out

    # ---- kinds ----
    def middleware(self):
        from kube_middlewares import middleware_spec
        namespace, name = self.space(), self.name("m")
        self.custom("Middleware", namespace, name, middleware_spec(self, namespace))
        self.middlewares.append((namespace, name))

    def middleware_tcp(self):
        namespace, name = self.space(), self.name("mt")
        spec = self.pick({"inFlightConn": {"amount": 5}}, {"ipAllowList": {"sourceRange": ["10.0.0.0/8", "::1"]}},
                         {"ipWhiteList": {"sourceRange": ["10.0.0.1"]}}, {"ipAllowList": {"sourceRange": ["nonsense"]}}, {"inFlightConn": {}})
        self.custom("MiddlewareTCP", namespace, name, spec)
        self.tcp_middlewares.append((namespace, name))

    def transport(self):
        namespace, name = self.space(), self.name("t")
        spec = {}
        for key, values in {
            "serverName": ("s.test",), "insecureSkipVerify": (True, False), "maxIdleConnsPerHost": (0, 7, -1), "disableHTTP2": (True,),
            "peerCertURI": ("spiffe://x/y",), "cipherSuites": (["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"], ["NONE"]),
            "minVersion": ("VersionTLS12", "VersionTLS13"), "maxVersion": ("VersionTLS12", "VersionTLS13"),
            "forwardingTimeouts": ({"dialTimeout": "5s"}, {"dialTimeout": 3, "idleConnTimeout": "1m", "responseHeaderTimeout": "2s",
                                                           "readIdleTimeout": 1, "pingTimeout": "4s"}),
        }.items():
            if self.chance(0.3):
                spec[key] = self.pick(*values)
        if self.chance(0.4):
            spec["rootCAs"] = [self.pick({"secret": self.secret_name()}, {"configMap": self.secret_name()}) for _ in range(2)]
        if self.chance(0.2):
            spec["certificatesSecrets"] = [self.secret_name()]
        self.custom("ServersTransport", namespace, name, spec)
        self.transports.append((namespace, name))

    def transport_tcp(self):
        namespace, name = self.space(), self.name("tt")
        self.custom("ServersTransportTCP", namespace, name, self.pick(
            {}, {"dialTimeout": "5s", "dialKeepAlive": 3, "terminationDelay": "1s"},
            {"tls": {"serverName": "x", "insecureSkipVerify": True, "rootCAs": [{"secret": self.secret_name()}]}},
            {"proxyProtocol": {"version": 1}}))
        self.tcp_transports.append((namespace, name))

    def tls_option(self, name=None):
        namespace, name = self.space(), name or self.name("o").replace(".", "-")
        spec = {}
        for key, values in {"minVersion": ("VersionTLS12", "VersionTLS13"), "maxVersion": ("VersionTLS13",), "sniStrict": (True, False),
                            "cipherSuites": (["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"],), "curvePreferences": (["CurveP521", "X25519"],),
                            "alpnProtocols": (["h2"],), "disableSessionTickets": (True,)}.items():
            if self.chance(0.3):
                spec[key] = self.pick(*values)
        if self.chance(0.2):
            good = [entry[1] for entry in self.secrets if entry[0] == namespace]
            spec["clientAuth"] = {"secretNames": [self.rng.choice(good)] if good else ["no-secret"],
                                  "clientAuthType": self.pick("RequestClientCert", "RequireAnyClientCert", "VerifyClientCertIfGiven",
                                                              "RequireAndVerifyClientCert", "NoClientCert")}
        self.custom("TLSOption", namespace, name, spec)
        self.tls_options.append((namespace, name))

    def tls_store(self, name=None):
        namespace, name = self.space(), name or self.name("store")
        spec = self.pick({}, {"defaultCertificate": {"secretName": self.secret_name()}},
                         {"certificates": [{"secretName": self.secret_name()}]},
                         {"defaultGeneratedCert": {"resolver": "r", "domain": {"main": "d.test", "sans": ["e.test"]}}})
        self.custom("TLSStore", namespace, name, spec)

    def traefik_service(self):
        namespace, name = self.space(), self.name("ts")
        kind = self.pick("weighted", "weighted", "mirroring", "highestRandomWeight", "failover", "none")
        several = lambda: [self.load_balancer(namespace, True) for _ in range(self.rng.randint(1, 3))]
        if kind == "weighted":
            spec = {"weighted": {"services": several(), **({"sticky": self.sticky()} if self.chance(0.3) else {})}}
        elif kind == "mirroring":
            spec = {"mirroring": {**self.load_balancer(namespace), "mirrors": [
                {**self.load_balancer(namespace), **({"percent": self.pick(0, 10, 100)} if self.chance(0.7) else {})}
                for _ in range(self.rng.randint(0, 2))]}}
            for key, values in {"mirrorBody": (True, False), "maxBodySize": (-1, 0, 1000)}.items():
                if self.chance(0.3):
                    spec["mirroring"][key] = self.pick(*values)
        elif kind == "highestRandomWeight":
            spec = {"highestRandomWeight": {"services": several()}}
        elif kind == "failover":
            spec = {"failover": {"service": self.load_balancer(namespace), "fallback": self.load_balancer(namespace)}}
            if self.chance(0.6):
                spec["failover"]["errors"] = self.pick({"status": ["500-599"]}, {"status": ["503"], "maxRequestBodyBytes": 100})
        else:
            spec = {}
        self.custom("TraefikService", namespace, name, spec)
        self.traefik_services.append((namespace, name))

    def rule(self):
        host, path = self.pick(*("a", "a", "b", "x.y", "A")) + self.suffix, self.pick(*PATHS)
        return self.pick(f"Host(`{host}`)", f"Host(`{host}`) && PathPrefix(`{path}`)", f"PathPrefix(`{path}`)", f"Path(`{path}`) || Host(`{host}`)",
                         f"!Host(`{host}`) && Method(`GET`)", f"HostRegexp(`^[a-z]+\\.{host}$`)", "Header(`X-A`, `b`) && Query(`q`, `1`)",
                         "ClientIP(`10.0.0.0/8`)", f'Host("{host}")', f"PathRegexp(`^{path}[0-9]+`)", "Host(`a`, `b`)", "Nonsense(`x`)", "Host(`a.test`",
                         "HostHeader(`a.test`)", "Headers(`X-A`, `b`)", "HeaderRegexp(`X`, `[`)", "Host(``)", "PathPrefix(`a`)", "Host(`a.test`) &&", "Host(`münchen.test`)")

    def rule_v2(self):
        return self.pick("Host(`a.test`, `b.test`)", "HostRegexp(`{sub:[a-z]+}.test`)", "PathPrefix(`/a`, `/b`)", "Path(`/{id:[0-9]+}`)",
                         "Headers(`X-A`, `b`)", "HeadersRegexp(`X-A`, `b.*`)", "Query(`a=b`)", "Method(`GET`, `PUT`)", "ClientIP(`10.0.0.0/8`, `::1`)",
                         "HostHeader(`a.test`)", "Header(`X`, `y`)")

    def tls(self, namespace, tcp=False):
        out = {}
        if self.chance(0.4):
            out["secretName"] = self.secret_name()
        if self.chance(0.35):
            out["options"] = self.refer(self.tls_options, namespace) if self.chance(0.8) else {"name": "default"}
        if self.chance(0.2):
            out["certResolver"] = "le"
        if self.chance(0.2):
            out["domains"] = [{"main": "a.test", "sans": ["b.test", "c.test"]}, {"main": "d.test"}]
        if self.chance(0.1):
            out["store"] = {"name": "default"}
        if tcp and self.chance(0.4):
            out["passthrough"] = True
        return out

    def class_of(self, spec, annotations):
        if self.chance(0.12 if self.profile != "class" else 0.7):
            spec["ingressClassName"] = self.pick("traefik", "edge", "foreign", "edge", "gone")
        if self.chance(0.12 if self.profile != "class" else 0.4):
            annotations["kubernetes.io/ingress.class"] = self.pick("traefik", "edge", "foreign", "")

    def ingress_route(self):
        namespace, name, annotations = self.space(), self.name("ir"), {}
        routes = []
        for _ in range(self.rng.randint(1, 3)):
            route = {"match": self.rule() if self.chance(0.99) else "", "kind": "Rule"}
            if self.chance(0.15):
                del route["kind"]
            if self.chance(0.2):
                route["priority"] = self.pick(1, 42, 0, 1000, -3, 9223372036854775000)
            if self.chance(0.15):
                route["syntax"] = self.pick("v2", "v3", "v2", "default", "v9")
                route["match"] = self.rule_v2() if route["syntax"] == "v2" and self.chance(0.8) else route["match"]
            if self.chance(0.95):
                route["services"] = [self.load_balancer(namespace, True) for _ in range(self.pick(1, 1, 1, 2, 3))]
            if self.chance(0.4):
                route["middlewares"] = self.middleware_list(namespace)
            if self.chance(0.1):
                route["observability"] = self.pick({}, {"accessLogs": False, "metrics": True}, {"tracing": True, "traceVerbosity": "detailed"})
            routes.append(route)
        spec = {"routes": routes}
        if self.chance(0.5):
            spec["entryPoints"] = self.pick(["web"], ["websecure"], ["web", "websecure"], ["gone"], ["web", "gone"], [])
        if self.chance(0.25):
            spec["tls"] = self.tls(namespace)
        if self.routes and self.chance(0.12):
            spec["parentRefs"] = [self.refer(self.routes, namespace, 0.8, False)]
            if self.chance(0.5):
                spec.pop("tls", None)
                spec.pop("entryPoints", None)
        self.class_of(spec, annotations)
        self.custom("IngressRoute", namespace, name, spec, annotations=annotations)
        self.routes.append((namespace, name))

    def layer4_service(self, namespace, tcp):
        out = self.refer(self.services, namespace, 0.93, providers=self.chance(0.2))
        out["port"] = self.port_of(next((entry[2] for entry in self.services if entry[1] == out["name"]), []))
        for key, chance, values in (("weight", 0.3, (0, 1, 5)), ("nativeLB", 0.15, (True, False)), ("nodePortLB", 0.2, (True, False))):
            if self.chance(chance):
                out[key] = self.pick(*values)
        if tcp:
            for key, chance, values in (("terminationDelay", 0.1, (100,)), ("proxyProtocol", 0.1, ({"version": 1}, {"version": 2}, {})), ("tls", 0.1, (True,))):
                if self.chance(chance):
                    out[key] = self.pick(*values)
            if self.chance(0.15):
                out["serversTransport"] = self.refer(self.tcp_transports, namespace)["name"]
        return out

    def ingress_route_tcp(self):
        namespace, name, annotations = self.space(), self.name("tcp"), {}
        routes = []
        for i in range(self.rng.randint(1, 2)):  # two of one match: their services are mixed in Traefik, or it panics
            match = self.pick("HostSNI(`*`)", "HostSNI(`a.test`)", "HostSNI(`a.test`) && ClientIP(`10.0.0.0/8`)", "HostSNIRegexp(`^[a-z]+\\.test$`)",
                              "ALPN(`h2`)", "Host(`a.test`)", "HostSNI(`a.test`", "HostSNI(`x`, `y`)", "HostSNI(`b.test`) || HostSNI(`c.test`)")
            route = {"match": match + " " * i}
            if self.chance(0.95):
                route["services"] = [self.layer4_service(namespace, True) for _ in range(self.pick(1, 1, 1, 2, 3))]
            if self.chance(0.3):
                route["middlewares"] = self.middleware_list(namespace, self.tcp_middlewares)
            if self.chance(0.2):
                route["priority"] = self.pick(1, 42, -1)
            if self.chance(0.1):
                route["syntax"] = self.pick("v2", "v3")
            routes.append(route)
        spec = {"routes": routes, "entryPoints": self.pick(["tcp"], ["tcp"], ["web"], ["tcp", "gone"], ["udp"])}
        if self.chance(0.1):
            del spec["entryPoints"]
        if self.chance(0.4):
            spec["tls"] = self.tls(namespace, True)
        self.class_of(spec, annotations)
        self.custom("IngressRouteTCP", namespace, name, spec, annotations=annotations)

    def ingress_route_udp(self):
        namespace, name, annotations = self.space(), self.name("udp"), {}
        spec = {"routes": [{"services": [self.layer4_service(namespace, False) for _ in range(self.pick(1, 1, 2))]} if self.chance(0.95) else {}
                           for _ in range(self.rng.randint(1, 2))],
                "entryPoints": self.pick(["udp"], ["udp"], ["udp", "gone"], ["web"])}
        if self.chance(0.1):
            del spec["entryPoints"]
        self.class_of(spec, annotations)
        self.custom("IngressRouteUDP", namespace, name, spec, annotations=annotations)

    def backend(self, namespace):
        if self.chance(0.03):
            return {"resource": {"apiGroup": "k8s.example.com", "kind": "StorageBucket", "name": "static"}}
        known = [entry for entry in self.services if entry[0] == namespace]
        if not known or self.chance(0.05):
            return {"service": {"name": "missing", "port": {"number": 80}}}
        _, name, ports, _ = self.rng.choice(known)
        port = self.port_of(ports)
        if port in (0, ""):
            port = 80
        return {"service": {"name": name, "port": {"name": port} if isinstance(port, str) and not port.isdigit() else {"number": int(port)}}}

    def ingress(self, default=False):
        namespace, name, annotations = self.space(), self.name("ing"), {}
        rules = []
        for _ in range(self.pick(1, 1, 1, 2, 2)):
            rule, paths = {}, []
            if self.chance(0.85):
                rule["host"] = self.pick("a", "b", "x.y", "*.wild") + self.suffix
            for _ in range(self.rng.randint(1, 3)):
                path_type = self.pick("Exact", "Prefix", "Prefix", "ImplementationSpecific")
                path = {"pathType": path_type, "backend": self.backend(namespace)}
                if path_type != "ImplementationSpecific" or self.chance(0.8):
                    path["path"] = self.pick(*PATHS)
                paths.append(path)
            if self.chance(0.95):
                rule["http"] = {"paths": paths}
            rules.append(rule)
        spec = {}
        if rules:
            spec["rules"] = rules
        if default:
            del spec["rules"]
        if default or self.chance(0.05):
            spec["defaultBackend"] = self.backend(namespace)
        if self.chance(0.3):
            spec["tls"] = self.pick([{}], [{"secretName": self.secret_name()}], [{"hosts": ["a.test"], "secretName": self.secret_name()}, {"hosts": ["b.test"]}])
        if self.chance(0.5):
            one = lambda: self.rng.choice(self.middlewares) if self.middlewares else ("x", "y")
            for key, values in {
                "entrypoints": ("web", "web,websecure", "websecure", "gone"), "priority": ("42", "high", "-1"), "rulesyntax": ("v2", "v3"),
                "middlewares": ("-".join(one()) + "@kubernetescrd", "-".join(one()) + "@kubernetescrd,gone@file", "plain"),
                "pathmatcher": ("Path", "PathPrefix", "PathRegexp", "Host"), "tls": ("true", "false"), "tls.certresolver": ("le",),
                "tls.options": (f"{self.spaces[0]}-o@kubernetescrd", "default"), "tls.domains.0.main": ("a.test",),
                "tls.domains.0.sans": ("b.test,c.test",), "observability.accesslogs": ("false",), "observability.metrics": ("true",),
                "observability.tracing": ("true", "maybe"), "observability.traceverbosity": ("detailed",),
            }.items():
                if self.chance(0.15):
                    annotations[ANNOTATION + "router." + key] = self.pick(*values)
        self.class_of(spec, annotations)
        if "ingressClassName" in spec and "kubernetes.io/ingress.class" in annotations:
            del annotations["kubernetes.io/ingress.class"]  # an API server refuses both
        self.add("networking.k8s.io/v1", "Ingress", namespace, name, spec=spec, annotations=annotations)


def draw_global(number, seed, keys, profile):
    """One with what counts in all namespaces: to be looked at alone."""
    one = draw(number, seed, keys, profile)
    for kind, chance in (("tls_option", 0.5), ("tls_option", 0.3), ("tls_store", 0.5), ("tls_store", 0.3)):
        if one.chance(chance):
            getattr(one, kind)("default")
    one.service()
    one.ingress(default=True)
    one.ingress_route()
    return one


def draw(number, seed, keys, profile, theme=None):
    """One set."""
    one = Set(number, random.Random(f"{seed}/{number}"), keys, profile)
    rng = one.rng
    theme = theme or rng.choice(["routes", "routes", "services", "middlewares", "layer4", "ingress", "ingress", "tls", "mixed"])
    amounts = {  # of what is referred to first
        "routes": dict(service=3, middleware=2, transport=1, secret=1, traefik_service=1, tls_option=1, ingress_route=3),
        "services": dict(service=4, transport=1, secret=1, config_map=1, middleware=1, traefik_service=4, ingress_route=3),
        "middlewares": dict(service=1, secret=3, middleware=8, ingress_route=3),
        "layer4": dict(service=4, middleware_tcp=2, transport_tcp=2, secret=1, tls_option=1, ingress_route_tcp=3, ingress_route_udp=2),
        "ingress": dict(service=4, secret=1, middleware=2, transport=1, tls_option=1, ingress=4),
        "tls": dict(service=2, secret=3, config_map=1, tls_option=3, tls_store=2, transport=2, ingress_route=2, ingress_route_tcp=1),
        "mixed": dict(service=3, secret=2, middleware=3, middleware_tcp=1, transport=1, transport_tcp=1, tls_option=1, tls_store=1, traefik_service=2,
                      ingress_route=2, ingress_route_tcp=1, ingress_route_udp=1, ingress=1),
    }[theme]
    for kind, amount in amounts.items():
        for _ in range(max(1, amount + rng.randint(-1, 1))):
            getattr(one, kind)()
    if number % 2:
        twist(one)
    if number % 4 > 1:
        put_fields(one)
    describe_once(one)
    return one
