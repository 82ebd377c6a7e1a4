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

TRANSPORT = "a transport none of whose authorities can be read trusts nobody: nothing is sent over it"
CONFLICT = "a router whose rule is wrong takes no part in conflicts about TLS options"
CLIENT_AUTH = "options none of whose authorities of clients can be read open no door"
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
    plainly = {plain(name) for name in theirs.get("usedBy", []) if disabled(traefik, name)}
    return CONFLICT if {*map(plain, ours.get("usedBy", []))} - gone == {*map(plain, theirs.get("usedBy", []))} - plainly else None


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
        return only_in_weir(section, name, ours, weir) if theirs is None else only_in_traefik(name, theirs, weir)
    if path == "usedBy":
        return users(path, theirs, ours, traefik, weir)
    if DEFAULT_VALUES.get(path) == b and a is None or path == "failover.errors" and a == {} or a is False and b is None:
        return DEFAULTS
    if path.startswith("serverStatus") and behind_client_auth(section, ours, weir):
        return CLIENT_AUTH
    if path in ("entryPoints", "using") and ours.get("status") == theirs.get("status") == "disabled" and any(
            plain(other) == name != other for data in (traefik, weir) for other in data["routers"]):
        return CONFLICT
    if SECRETS.match(path) and "***" in str(weir[section][name]):
        return SECRET
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
        if ours.get("status") == "warning" and not any("left out" in words for words in errors(ours)):
            return WARNING
    elif ours.get("status") == "disabled" and any(path in words for words in errors(ours)):
        return UNREADABLE
    return None
