"""kube_accepted.py - what may differ between Traefik and weir for the same Kubernetes objects, each with its reason.

A difference is (section, name, path, Traefik's value, weir's value), as compare_kube.py makes it; the reasons stand in
docs/differences.md too. Not here: how the two are asked.
"""
import re

SHOWN = "what Traefik leaves out with a line in its log is shown: disabled, with its error"
PARTS = "the good parts of an object with an error are kept, used by nobody"
UNSERVED = "not yet served by this build"
UNUSED = "what is wrong with an object is reported also when no router that works uses it"
UNREADABLE = "the value that is an error is not shown"
CERTIFICATE = "a certificate that is missing is a warning on the router"
DEFAULTS = "defaults are shown"
SECRET = "secrets are shown as ***"
EMPTY = "an empty text and an interval of 0s are not shown"

TRANSPORT = "a transport none of whose authorities can be read trusts nobody: nothing is sent over it"
CONFLICT = "a router whose rule is wrong takes no part in conflicts about TLS options"
CLIENT_AUTH = "options none of whose authorities of clients can be read open no door"
CHOICES = "an annotation with a word that is none of its option's choices disables the routers of its Ingress"
TWICE = "an entry point that a router names twice is shown once"
LAST = "of two routes with one rule that cannot be used the last is shown"
WARNING = "what is passed over without a word is a warning"

DEFAULT_VALUES = {"mirroring.mirrorBody": True, "mirroring.maxBodySize": -1, "failover.errors.maxRequestBodyBytes": -1,
                  "loadBalancer.healthCheck.mode": "http"}
SECRETS = re.compile(r"plugin(\.|$)|basicAuth\.users|digestAuth\.users|redis\.(username|password)|loadBalancer\.healthCheck\.headers|forwardAuth\.tls|rateLimit\.redis")


def errors(element):
    return (element or {}).get("error") or []


def disabled(data, name):
    return any((data.get(section) or {}).get(name, {}).get("status") == "disabled"
               for section in ("routers", "tcpRouters", "udpRouters", "services", "tcpServices", "udpServices"))


def unserved(element):
    return any("not yet served" in words for words in errors(element))


def only_in_weir(section, name, ours, weir):
    if ours.get("status") == "disabled" and errors(ours):
        return SHOWN
    if section.endswith("ervices") and all(disabled(weir, user) for user in ours.get("usedBy", [])):
        return PARTS
    return None


def nameless(data, name):
    """A router that is not read because a reference of it has no name, which is the name of its namespace in Traefik."""
    marks = ("name: is required", "is not among the choices", "is out of bounds", "is no duration", " is no port: ", "is there twice", "does not fit", "its name is none")
    return any(any(mark in words for mark in marks) for section in ("routers", "tcpRouters", "udpRouters", "services")
               for words in errors((data.get(section) or {}).get(name)))


def led_to(data, section, name):
    """Whether a router that works leads to a service, through others or not. What keeps one from it is a difference of its own."""
    users = (data[section].get(name) or {}).get("usedBy") or []
    parents = [other for other, service in data[section].items()
               for child in (service.get("weighted") or {}).get("services") or [] if child.get("name", "").partition("@")[0] == name.partition("@")[0]]
    return any(not disabled(data, user) for user in users) or any(led_to(data, section, parent) for parent in parents)


def misspelt(data, router):
    """Of an Ingress whose annotations have a word that is none of an option's, or one option twice: its routers are disabled, under any name."""
    marks = ("is not among the choices", "is there twice", "does not fit", "its name is none")
    whose = lambda one: {**(((one.get("observability") or {}).get("metadata") or {}).get("ingress") or {}), "serviceName": "", "servicePort": ""}
    return any(whose(other) == whose(router) and any(mark in words for words in errors(other) for mark in marks)
               for other in (data.get("routers") or {}).values() if "observability" in router)


def misspelt_service(service):
    """As Traefik takes it from the annotations of a Service, word by word."""
    balancer = service.get("loadBalancer") or {}
    cookie = (balancer.get("sticky") or {}).get("cookie") or {}
    return cookie.get("sameSite", "") not in ("", "none", "lax", "strict") or any(
        server["url"].partition(":")[0].lower() not in ("http", "https", "h2c") for server in balancer.get("servers") or [])


def plain(name):
    return re.sub(r"^[a-z]+-conflicted-", "", name)


def only_in_traefik(name, theirs, weir):
    """A router that Traefik has under another name: its rule is wrong in both."""
    other = (weir.get("routers") or {}).get(plain(name), {})
    return CONFLICT if "-conflicted-" in name and theirs.get("status") == other.get("status") == "disabled" else None


def users(path, theirs, ours, traefik, weir):
    """usedBy: those that are only here because they are shown although they are wrong."""
    gone = {name for name in ours.get("usedBy", []) if disabled(weir, name)}
    if {*ours.get("usedBy", [])} - gone == {*theirs.get("usedBy", [])} - gone:
        return SHOWN
    theirs = {**theirs, "usedBy": [name for name in theirs.get("usedBy", []) if not misspelt(weir, (traefik.get("routers") or {}).get(name) or {})]}
    theirs["usedBy"] = [name for name in theirs["usedBy"] if not nameless(weir, name)]
    if {*ours.get("usedBy", [])} - gone == {*theirs["usedBy"]} - gone:
        return CHOICES
    wrong = {*map(plain, gone), *(plain(name) for name in theirs.get("usedBy", []) if disabled(traefik, name))}
    return CONFLICT if {*map(plain, ours.get("usedBy", []))} - wrong == {*map(plain, theirs.get("usedBy", []))} - wrong else None


def below_conflict(data, router):
    """Whether it is a child of one that is called otherwise there, for a conflict about TLS options."""
    renamed = {plain(name) for name in data.get("routers") or {} if plain(name) != name}
    todo, seen = [*(router.get("parentRefs") or [])], set()
    while todo:
        name = todo.pop()
        if name in renamed:
            return True
        if name not in seen:
            seen.add(name)
            todo += ((data.get("routers") or {}).get(name) or {}).get("parentRefs") or []
    return False


def alive(data, only=lambda router: True):
    """(section, name) of what routers that work use, through services and chains too."""
    found, todo = set(), []
    for routers, services, middlewares in (("routers", "services", "middlewares"), ("tcpRouters", "tcpServices", "tcpMiddlewares"),
                                           ("udpRouters", "udpServices", "")):
        for name, router in (data.get(routers) or {}).items():
            if router["status"] != "disabled" and only(router):
                provider = name.rpartition("@")[2]
                todo += [(services, router.get("service", ""), provider)] + [(middlewares, m, provider) for m in router.get("middlewares", [])]
    while todo:
        section, name, provider = todo.pop()
        name = name if "@" in name else f"{name}@{provider}"
        element = (data.get(section) or {}).get(name)
        if element is None or (section, name) in found:
            continue
        found.add((section, name))
        inner = name.rpartition("@")[2]
        todo += [(section, m, inner) for m in (element.get("chain") or {}).get("middlewares", [])] if "iddlewares" in section else []
        for kind in ("weighted", "highestRandomWeight"):
            todo += [(section, child["name"], inner) for child in (element.get(kind) or {}).get("services") or []]
        mirroring, failover = element.get("mirroring") or {}, element.get("failover") or {}
        todo += [(section, child, inner) for child in (mirroring.get("service"), failover.get("service"), failover.get("fallback"),
                                                       *(mirror["name"] for mirror in mirroring.get("mirrors") or [])) if child]
    return found


def never_built(router):
    """One that Traefik has not come to: the parent that it names cannot work, or no entry point of its own is there."""
    return "priority" not in router and bool(router.get("parentRefs") or router.get("status") == "disabled")


def behind_client_auth(section, service, data):
    """Whether none but routers whose options open no door lead to it."""
    routers = data.get({"services": "routers", "tcpServices": "tcpRouters", "udpServices": "udpRouters"}[section]) or {}
    leading = [routers.get(name, {}) for name in service.get("usedBy") or []]
    return bool(leading) and all(any("clientAuth: none of its Secrets" in words for words in errors(router)) for router in leading)


def accepted(difference, traefik, weir, profile):
    """The reason why a difference is on purpose; None: it is not."""
    section, name, path, a, b = difference
    ours, theirs = ((data.get(section) or {}).get(name) for data in (weir, traefik))
    if path == "":
        if theirs is not None and section.endswith("ervices") and (nameless(weir, name) or all(disabled(weir, user) for user in theirs.get("usedBy") or [])):
            return UNREADABLE
        if theirs is not None and section == "routers" and name.endswith("@kubernetes") and misspelt(weir, theirs):
            return CHOICES
        if theirs is not None and section == "routers" and name == "default-router@kubernetes" and misspelt_service(
                (traefik["services"] or {}).get("default-backend@kubernetes") or {}):
            return CHOICES
        if theirs is not None and section == "services" and name.endswith("@kubernetes") and (
                misspelt_service(theirs) or all(misspelt(weir, traefik["routers"].get(user) or {}) for user in theirs["usedBy"])):
            return CHOICES
        return only_in_weir(section, name, ours, weir) if theirs is None else only_in_traefik(name, theirs, weir)
    if path == "usedBy":
        return users(path, theirs, ours, traefik, weir)
    if DEFAULT_VALUES.get(path) == b and a is None or path == "failover.errors" and a == {} or a is False and b is None:
        return DEFAULTS
    if path.startswith("rateLimit.redis.tls") and (a, b) in (({}, None), (None, False)):
        return DEFAULTS
    if section == "middlewares" and ours["status"] == theirs["status"] == "disabled" and a in (None, [], {}) and b in (None, [], {}):
        return EMPTY
    if b is None and (a == "" or path == "loadBalancer.healthCheck.unhealthyInterval" and a == "0s"):
        return EMPTY
    if path.startswith("serverStatus") and behind_client_auth(section, ours, weir):
        return CLIENT_AUTH
    if path.startswith("serverStatus") and b is None and not led_to(weir, section, name):
        return UNUSED
    if section == "routers" and ours.get("parentRefs") and path in ("observability", "observability.traceVerbosity"):
        return DEFAULTS
    if section == "routers" and path in ("status", "error", "priority") and never_built(theirs):
        return UNUSED
    if path.startswith("serverStatus") and a is None and ours.get("usedBy") and all(
            never_built((traefik.get("routers") or {}).get(user) or {}) for user in ours["usedBy"]):
        return UNUSED
    if section == "routers" and path in ("status", "error", "priority", "parentRefs") and theirs.get("status") == "disabled" and below_conflict(traefik, theirs):
        return CONFLICT
    if path in ("entryPoints", "using") and ours.get("status") == theirs.get("status") == "disabled" and any(
            plain(other) == name != other for data in (traefik, weir) for other in data["routers"]):
        return CONFLICT
    if SECRETS.match(path) and "***" in str(weir[section][name]):
        return SECRET
    if section.endswith("outers") and path in ("status", "error", "priority", "ruleSyntax", "using") and nameless(weir, name):
        return UNREADABLE
    if path in ("status", "error", "loadBalancer.sticky.cookie.name", "weighted.sticky.cookie.name") or path.startswith("serverStatus"):
        if unserved(ours):
            return UNSERVED
        if any("clientAuth: none of its Secrets" in words for words in errors(ours)):
            return CLIENT_AUTH
        if section.endswith(("ervices", "iddlewares")) and (section, name) not in alive(traefik):
            return UNUSED
        if any("serversTransport" in words and "has errors" in words for words in errors(ours)):
            return TRANSPORT
        if ours.get("status") == "warning" and any("secretName" in words for words in errors(ours)):
            return CERTIFICATE
        if ours.get("status") == "warning" and not any("left out" in words and "is left out: scheme" not in words for words in errors(ours)):
            return WARNING
    elif b is None and errors(ours) and nameless(weir, name):
        return UNREADABLE
    elif path == "middlewares" and ours.get("status") == theirs.get("status") == "disabled" and ours["rule"] == theirs["rule"]:
        return LAST
    elif section in ("tcpRouters", "udpRouters") and path == "using" and sorted({*a}) == b:
        return TWICE
    elif ours.get("status") == "disabled" and any(path in words for words in errors(ours)):
        return UNREADABLE
    return None
