"""kube_fields.py - any field of the custom resources' definitions, put into the objects of a set.

What kube_sets.py, kube_middlewares.py and kube_twists.py draw is chosen by hand; here every field that the definitions have
comes up, also one that stands beside others with which it makes no sense. Values fit the field's type, mostly its name too.
"""
import functools
import pathlib

import yaml

DEFINITIONS = pathlib.Path(__file__).resolve().parents[2] / "helm/weir/crds/traefik.io.yaml"
TEXTS = ("", "x", "web", "a.field.test", "/p", "https://field.test/q", "true", "7")
NUMBERS = (0, 1, -1, 7, 100, 503, 70000)
DURATIONS = ("5s", 7, "1m30s", 0, "x")
RANGES = ("10.0.0.0/8", "::1", "bad", "192.168.1.0/33")
NAMED = {  # by the name of the field
    "sourceRange": RANGES, "excludedIPs": RANGES, "status": ("500-599", "404", "x", "600"), "ids": ("spiffe://a/b",), "trustDomain": ("spiffe://a",),
    "match": ("Host(`a.field`)", "PathPrefix(`/field`)"), "syntax": ("v2", "v3", ""), "kind": ("Service", "TraefikService", "Rule"),
    "encodings": ("gzip", "br", "zstd", "x"), "defaultEncoding": ("gzip", "x", ""), "expression": ("NetworkErrorRatio() > 0.5", "x"),
    "regex": ("^/(.*)", "[", ""), "authResponseHeadersRegex": ("^X-", "["), "accessControlAllowOriginListRegex": ("^https://", "["),
    "minVersion": ("VersionTLS12", "VersionTLS13", "x"), "maxVersion": ("VersionTLS12", "VersionTLS13", "x"),
    "cipherSuites": ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "x"), "curvePreferences": ("X25519", "CurveP256", "x"),
    "sameSite": ("none", "lax", "strict", "x"), "scheme": ("http", "https", "h2c"), "mode": ("http", "grpc"), "strategy": ("wrr", "p2c", "hrw", "leasttime"),
    "endpoints": ("10.0.0.9:6379", "redis.field.test:6379"), "traceVerbosity": ("minimal", "detailed"), "clientAuthType": ("RequestClientCert", "RequireAnyClientCert"),
}
FREE = {"statusRewrites": {"404": 200, "500-503": 502}, "plugin": {"p": {"key": ["value"]}}, "spiffe": {"ids": ["spiffe://a/b"], "trustDomain": "spiffe://a"}}


def own(schema):
    """Traefik does not have it."""
    inner = schema.get("properties")
    return schema.get("description", "").startswith("Own option") or bool(inner) and all(map(own, inner.values()))


@functools.cache
def kinds():
    """The schema of the spec of each kind."""
    with open(DEFINITIONS, encoding="utf-8") as file:
        return {one["spec"]["names"]["kind"]: one["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
                for one in yaml.load_all(file, getattr(yaml, "CSafeLoader", yaml.SafeLoader))}


def value(one, name, schema, depth=0):
    """One that the API server takes."""
    if "enum" in schema:
        return one.rng.choice(schema["enum"])
    if name == "flushInterval":
        return one.pick("5ms", "7", "-1", "x")
    if schema.get("x-kubernetes-int-or-string"):
        return one.pick(80, "web", "443") if name == "port" else one.rng.choice(DURATIONS)
    kind = schema.get("type")
    if kind == "object" and "properties" in schema:
        known = {key: inner for key, inner in schema["properties"].items() if not own(inner)}
        some = [key for key in known if key in schema.get("required", ()) or one.chance(0.35 if depth < 2 else 0.15)]
        return {key: value(one, key, known[key], depth + 1) for key in some}
    if name in FREE:
        return FREE[name]
    if kind == "object":
        return {one.pick("X-Field", "404", "a b"): value(one, "", schema["additionalProperties"], depth + 1)}
    if kind == "array":
        return [value(one, name, schema["items"], depth + 1) for _ in range(one.rng.choice((0, 1, 1, 2)))]
    if kind == "boolean":
        return one.chance(0.6)
    if kind in ("integer", "number"):
        return one.rng.choice(NUMBERS)
    if name.lower().endswith(("secret", "secretname", "secretnames", "secrets")):
        return one.secret_name()
    return one.rng.choice(NAMED.get(name, TEXTS))


def places(schema, item):
    """(container, key, schema) of every field that may stand in what there is."""
    if isinstance(item, dict) and "properties" in schema:
        for key, inner in schema["properties"].items():
            if not own(inner):
                yield item, key, inner
                if key in item:
                    yield from places(inner, item[key])
    elif isinstance(item, list) and "items" in schema:
        for inner in item:
            yield from places(schema["items"], inner)


def put_fields(one):
    """One field, seldom two, or many fields of one part, into about every second custom resource of the set."""
    for item in one.objects:
        schema = kinds().get(item["kind"])
        if schema is None or not one.chance(0.6):
            continue
        found = list(places(schema, item["spec"]))
        if one.chance(0.5):
            for holder, key, inner in one.rng.sample(found, one.pick(1, 1, 1, 2)):
                holder[key] = value(one, key, inner)
            continue
        parts = [(holder[key], inner) for holder, key, inner in found if isinstance(holder.get(key), dict) and "properties" in inner]
        part, inner = one.rng.choice(parts or [(item["spec"], schema)])
        for holder, key, field in places(inner, part):
            if key not in holder and one.chance(0.4):
                holder[key] = value(one, key, field)
