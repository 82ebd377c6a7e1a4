"""files.py - dynamic files for compare_files.py that are odd in how they are written: values of another kind, numbers and durations
in all forms, YAML and TOML as far as people stretch them, folders of several files that say the same twice.

Each is of one router `r` (Host(`r.test`)), and says `ready` (Host(`ready.test`)) and the service `up` beside it.
Not here: odd values of the right kind (values.py).
"""
READY = "    ready: {rule: \"Host(`ready.test`)\", service: up}\n"
UP = "    up: {loadBalancer: {servers: [{url: \"http://UPSTREAM_ADDRESS\"}]}}\n"
ADD = "    m: {addPrefix: {prefix: /m}}\n"


def file_of(routers="", services="", middlewares=""):
    return f"http:\n  routers:\n{READY}{routers}  services:\n{UP}{services}" + (f"  middlewares:\n{middlewares}" if middlewares else "")


def router(more="", name="r"):
    return f"    {name}: {{rule: \"Host(`r.test`)\", service: up{', ' if more else ''}{more}}}\n"


def of_middleware(text):
    return file_of(router("middlewares: [m]"), middlewares=f"    m: {text}\n")


def of_service(text):
    return file_of(router().replace("service: up", "service: s"), f"    s: {text}\n")


TOML = "[http.routers.ready]\nrule = \"Host(`ready.test`)\"\nservice = \"up\"\n[http.services.up.loadBalancer]\n[[http.services.up.loadBalancer.servers]]\nurl = \"http://UPSTREAM_ADDRESS\"\n"
TOML_R = "[http.routers.r]\nrule = \"Host(`r.test`)\"\nservice = \"up\"\n"
TOML_M = "[http.middlewares.m.addPrefix]\nprefix = \"/m\"\n"
# A second router of the same host wins with 9 when `priority` is less.
YAML_Q = "    q: {rule: \"Host(`r.test`) && PathPrefix(`/a`)\", service: up, priority: 9, middlewares: [m]}\n"
TOML_Q = "[http.routers.q]\nrule = \"Host(`r.test`) && PathPrefix(`/a`)\"\nservice = \"up\"\npriority = 9\nmiddlewares = [\"m\"]\n" + TOML_M

NUMBERS = ["10", "\"10\"", "010", "0x10", "0o10", "1_0", "10.0", "1e1", "null", "~", "true", "[10]", "-5", "\"-5\"", "99999999999999999999", "9223372036854775807", "", "!!str 10", "+10", "10.5", "0b11"]
BOOLEANS = ["true", "\"true\"", "yes", "1", "\"1\"", "True", "\"T\"", "t", "null", "0", "no", "\"false\"", "F", "2", "[true]", "\"\"", "tRUE"]
LISTS = ["[m]", "m", "\"m\"", "m@file", "\"m,n\"", "[m, n]", "\"m, n\"", "{a: m}", "[[m]]", "1", "null", "[]", "\"\"", "[\"\"]", "[m,]"]
POINTS = ["two", "[two]", "[web, two]", "\"web, two\"", "[]", "null", "[\"two \"]", "[TWO]", "[two, two]"]
TEXTS = ["/x", "\"/x\"", "1", "true", "0x10", "010", "1_000", "{a: b}", "!!str 12", "\"\u00e9\"", ">\n        /x", "|\n        /x", "yes", "12:30", "=", "+1", "&a /z", "\"/x\\u0041\"", "'/x''y'"]
DURATIONS = ["10m", "\"10m\"", "600", "\"600\"", "1h1m", "1d", "1 m", "1H", "\"1.5\"", "+10m", ".5h", "0", "1m30", "true", "\"\""]
ROUTERS = ["{Rule: \"Host(`r.test`)\", SERVICE: up}", "{rule: \"Host(`r.test`)\", service: up, entry-points: [two]}", "{rule: \"Host(`r.test`)\", service: up, nope: 1}", "{rule: \"Host(`r.test`)\"}", "{service: up}", "{rule: \"\", service: up}", "null", "{}", "[]", "x",
           *("{rule: \"Host(`r.test`)\", service: up, tls: %s}" % tls for tls in ("true", "false", "null", "{}")), *("{rule: \"Host(`r.test`)\", service: \"%s\"}" % name for name in ("up@file", "UP", "up@docker", " up", "noop@internal")),
           *("{rule: \"Host(`r.test`)\", service: up, observability: %s}" % of for of in ("{accessLogs: \"false\"}", "null", "{tracing: no}")), "{rule: \"Host(`r.test`,`s.test`)\", service: up, ruleSyntax: v2}", "{rule: \"  Host(`r.test`)  \", service: up}", "{rule: 1, service: up}"]
SERVICES = ["{loadBalancer: {servers: [{url: \"http://UPSTREAM_ADDRESS\"}]}, weighted: {services: [{name: up}]}}", "null", "{}", "{loadBalancer: null}", "{LoadBalancer: {Servers: [{URL: \"http://UPSTREAM_ADDRESS\"}]}}", "{weighted: {services: [{name: up, weight: \"1\"}]}}", "{weighted: {services: {name: up}}}",
            "{weighted: {services: [{name: s}]}}", "{failover: {service: s, fallback: up}}", "{mirroring: {service: up, mirrors: [{name: up, percent: \"0\"}]}}",
            *("{loadBalancer: {%s, servers: [{url: \"http://UPSTREAM_ADDRESS\"}]}}" % more for more in ("sticky: true", "sticky: null", "sticky: {}", "sticky: {cookie: true}", "sticky: {cookie: {name: 12, maxAge: \"3\"}}", "healthCheck: null", "healthCheck: {path: /, interval: 10}", "responseForwarding: {flushInterval: 100}", "serversTransport: nope")),
            *("{loadBalancer: {servers: %s}}" % servers for servers in ("{url: \"http://UPSTREAM_ADDRESS\"}", "\"http://UPSTREAM_ADDRESS\"", "[{url: \"http://UPSTREAM_ADDRESS\", wieght: 3}]", "[{url: \"http://UPSTREAM_ADDRESS\", weight: \"2\"}]", "[null, {url: \"http://UPSTREAM_ADDRESS\"}]", "[{url: \" http://UPSTREAM_ADDRESS\"}]"))]
MIDDLEWARES = ["{addPrefix: {prefix: /m}, stripPrefix: {prefixes: [/a]}}", "{}", "null", "{nope: {a: b}}", "{ADDPREFIX: {Prefix: /m}}", "{addPrefix: null}", "{compress: true}", "{compress: null}", "{contentType: {}}", "{headers: {customRequestHeaders: {X-A: 12}}}", "{headers: {customRequestHeaders: {X-A: true}}}", "{headers: {customRequestHeaders: {X-A: [a, b]}}}",
               "{headers: {customrequestheaders: {x-a: v}}}", "{stripPrefix: {prefixes: /a}}", "{stripPrefix: {prefixes: \"/a,/b\"}}", "{ipAllowList: {sourceRange: \"127.0.0.1, 10.0.0.1\"}}", "{ipAllowList: {sourceRange: [1]}}", "{retry: {attempts: \"3\", initialInterval: 100ms}}", "{errors: {status: [404, 500-599], service: up, query: /x}}", "{errors: {status: 404, service: up, query: /x}}",
               "{redirectRegex: {regex: \"^(.*)/a$\", replacement: \"http://x.test/$1\", permanent: \"true\"}}", "{rateLimit: {average: \"1\", period: 1h}}", "{inFlightReq: {amount: \"0\"}}", "{ipAllowList: {sourceRange: [127.0.0.1], ipStrategy: null}}", "{rateLimit: {average: 1, period: 1h, sourceCriterion: null}}", "{passTLSClientCert: {}}",
               "{addPrefix: {prefix: '/t{{ env \"NOBODY_SETS_THIS\" }}'}}"]
WHOLE = file_of(router("middlewares: [m]"), middlewares=ADD)
YAML = [WHOLE.replace("\n", "\r\n"), "\ufeff" + WHOLE, WHOLE.replace("    m:", "\tm:"), "---\n" + WHOLE + "...\n", "%YAML 1.1\n---\n" + WHOLE, WHOLE + "---\n", WHOLE + "# x", "", "# nothing\n", "null\n", "- a\n", "http:\n", "hello\n", WHOLE.replace("prefix: /m", "prefix: /m, prefix: /n"), WHOLE + "http:\n  routers: {}\n",
        WHOLE + "foo: bar\n", WHOLE + "entryPoints:\n  web: {address: \":1\"}\n", WHOLE + "tcp:\n  routers: {}\n", "x-common: &c {prefix: /c}\n" + file_of(router("middlewares: [m]"), middlewares="    m: {addPrefix: *c}\n"),
        file_of("    r: &a {rule: \"Host(`r.test`)\", service: up, middlewares: [m]}\n    s: {<<: *a, rule: \"Host(`s.test`)\"}\n", middlewares=ADD), file_of("    r: &a {rule: \"Host(`r.test`)\", service: up}\n    t: &b {service: up, middlewares: [m], rule: \"Host(`t.test`)\"}\n    s: {<<: [*a, *b], rule: \"Host(`s.test`)\"}\n", middlewares=ADD),
        file_of("    r:\n      rule: >-\n        Host(`r.test`)\n        && PathPrefix(`/`)\n      service: up\n"), file_of("    r:\n      rule: Host(`r.test`)\n        && PathPrefix(`/`)\n      service: up\n"), file_of("    r: {rule: \"Host(\\u0060r.test\\x60)\", service: up}\n"),
        *(file_of(router(name=name)) for name in ("\"r x/\u00e9\"", "12", "true", "r@file", "\"\"", "a.b")), file_of(router().replace("service: up", "service: Svc"), "    Svc: {loadBalancer: {servers: [{url: \"http://UPSTREAM_ADDRESS/\"}]}}\n"),
        file_of(router().replace("service: up", "service: svc"), "    Svc: {loadBalancer: {servers: [{url: \"http://UPSTREAM_ADDRESS/\"}]}}\n")]
TOMLS = [TOML + TOML_R + "middlewares = [\"m\"]\n" + TOML_M, TOML + "[http.routers]\nr = {rule = \"Host(`r.test`)\", service = \"up\"}\n", "http.routers.r.rule = \"Host(`r.test`)\"\nhttp.routers.r.service = \"up\"\n" + TOML, TOML + TOML_R.replace("\"", "'"), TOML + TOML_R.replace("\"Host(`r.test`)\"", "\"\"\"\nHost(`r.test`) \\\n  && PathPrefix(`/`)\"\"\""),
         TOML + TOML_R + TOML_R, TOML + TOML_R + "service = \"x\"\n", TOML + TOML_R.replace(".r]", ".\"r.x/\u00e9\"]"), TOML + "[http.Routers.r]\nRule = \"Host(`r.test`)\"\nSERVICE = \"up\"\n", (TOML + TOML_R).replace("\n", "\r\n"), "\ufeff" + TOML + TOML_R, TOML + "# c\n" + TOML_R.replace("\n", " # c\n"), TOML + "[http.routers.r\n", "",
         TOML + TOML_R + "middlewares = [\"m\"]\n[http.middlewares.m.compress]\n", TOML + "[http.services.s.loadBalancer]\nservers = [{url = \"http://UPSTREAM_ADDRESS\"}]\n" + TOML_R.replace("\"up\"", "\"s\""), TOML + "[http.routers]\nr = {rule = \"Host(`r.test`)\",\n service = \"up\"}\n",
         *(TOML + TOML_R + f"priority = {number}\n" + TOML_Q for number in ("10", "\"10\"", "10.0", "1_000", "0x10", "0o17", "+10", "-10", "true", "010", "1__0")), *(TOML + TOML_R + f"middlewares = {names}\n" + TOML_M for names in ("\"m\"", "[\"m\",]", "[]", "[[\"m\"]]", "[\n\"m\", # x\n]")),
         *(TOML + TOML_R + f"middlewares = [\"m\"]\n[http.middlewares.m.rateLimit]\naverage = 1\nperiod = {period}\n" for period in ("\"1h\"", "3600", "\"3600\""))]
ONE = "http:\n  routers:\n" + router()
FOLDERS = [{"a.yml": file_of(), "b.yaml": ONE}, {"a.yml": file_of(), "b.yml": ONE, "c.yml": ONE}, {"a.yml": WHOLE, "b.yml": "http:\n  routers:\n" + router("middlewares: [n]") + "  middlewares:\n    n: {addPrefix: {prefix: /b}}\n"}, {"a.yml": WHOLE, "b.yml": "http:\n  middlewares:\n    m: {addPrefix: {prefix: /b}}\n"},
           {"a.yml": file_of(), "b.yml": ONE + "  services:\n    up: {loadBalancer: {servers: [{url: \"http://UPSTREAM_ADDRESS/\"}]}}\n"}, {"a.yml": file_of(), "b.yml": ONE.replace("service: up", "service: s") + "  services:\n    s: {weighted: {services: [{name: up}]}}\n", "c.yml": "http:\n  services:\n    s: {loadBalancer: {servers: [{url: \"http://UPSTREAM_ADDRESS/\"}]}}\n"},
           {"a.yml": file_of(), "b.toml": TOML_R}, {"a.yml": file_of(), "b.txt": ONE, "c.yml.bak": "x: [", "d.conf": ONE}, {"a.yml": file_of(), ".b.yml": ONE}, {"a.yml": file_of(), "B.YML": ONE}, {"a.yml": file_of(), "b.yml": ONE, "c.yml": ""}, {"a.yml": file_of(), "b.yml": ONE, "c.yml": "http: [\n"}, {"a.yml": file_of(), "b.yml": ONE, "c.yml": "http:\n  routers:\n    x: {nope: 1}\n"},
           {"a.yml": ONE, "z.yml": file_of()}, {"a.yml": file_of(), "d/b.yml": ONE}, {"a.yml": file_of(), "b.yml": ONE, "c.yml": "http:\n  routers:\n    r: {rule: \"Nope(`x`)\", service: up}\n"}]

# (title, ending, text), or (title, None, {name: text}) for a folder.
FILES = [
    *((f"priority {one}", "yml", file_of(router(f"priority: {one}") + YAML_Q, middlewares=ADD)) for one in NUMBERS), *((f"passHostHeader {one}", "yml", of_service("{loadBalancer: {passHostHeader: %s, servers: [{url: \"http://UPSTREAM_ADDRESS\"}]}}" % one)) for one in BOOLEANS),
    *((f"middlewares {one}", "yml", file_of(router(f"middlewares: {one}"), middlewares=ADD + "    n: {addPrefix: {prefix: /n}}\n    \"1\": {addPrefix: {prefix: /one}}\n")) for one in LISTS), *((f"entryPoints {one}", "yml", file_of(router(f"entryPoints: {one}"))) for one in POINTS),
    *((f"prefix {one}", "yml", file_of(router("middlewares: [m]"), middlewares=f"    m:\n      addPrefix:\n        prefix: {one}\n")) for one in TEXTS), *((f"period {one}", "yml", of_middleware("{rateLimit: {average: 1, period: %s}}" % one)) for one in DURATIONS),
    *((f"router {one}", "yml", file_of(f"    r: {one}\n")) for one in ROUTERS), *((f"service {one}", "yml", of_service(one)) for one in SERVICES), *((f"middleware {one}", "yml", of_middleware(one)) for one in MIDDLEWARES),
    *((f"yaml {i}", "yml", one) for i, one in enumerate(YAML)), *((f"toml {i}", "toml", one) for i, one in enumerate(TOMLS)), *((f"folder {i}", None, one) for i, one in enumerate(FOLDERS)),
]
