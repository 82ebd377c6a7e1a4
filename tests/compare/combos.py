"""combos.py - configurations and requests for compare.py that are drawn at random: several middlewares of any kind behind each
other, in any order, alone and in chains of chains, in front of any kind of service, asked for what concerns all of them.

Not here: what one middleware does (corners.py, values.py), chains of rewriting ones (cases.py).
"""
from corners import DEAD, FIELDS, KINDS, MODES, SIMPLE, service
from cases import crowd, random_path, request

POINTS = ["web", "trust", "insecure", "strict", "rawpath", "semicolon"]
KIND_OF = {"cors": "headers"}
COUNT = 36


def kinds_of(names, middlewares):
    """The kinds behind these names in the order in which a request meets them."""
    for name in names:
        (kind, options), = middlewares[name].items()
        yield from kinds_of(options["middlewares"], middlewares) if kind == "chain" else [kind]


def drawn(rng, names, middlewares):
    """Not those of docs/differences.md: what errors tells of a request when retry or buffering stand between, who counts twice, and
    what is asked behind a redirection that does nothing."""
    while True:
        out = rng.sample(names, rng.choice([2, 2, 3, 4]))
        kinds = list(kinds_of(out, middlewares))
        again = "errors" in kinds and {"retry", "buffering"} & set(kinds[kinds.index("errors"):])
        counted = [kind for kind in kinds if kind in ("rateLimit", "inFlightReq")]
        away = any(kind.startswith("redirect") for kind in kinds) and "forwardAuth" in kinds
        if not again and not away and len(counted) == len(set(counted)):
            return out


def combos_configuration(rng):
    kinds = [*KINDS, *rng.choices(list(KINDS), k=14)]
    middlewares = {f"m{i}": {KIND_OF.get(kind, kind): KINDS[kind](rng)} for i, kind in enumerate(kinds)}
    for of in middlewares.values():  # an answer without a type: docs/differences.md
        of.get("compress", {}).pop("includedContentTypes", None)
    names = list(middlewares)
    for i in range(10):  # a later chain may hold an earlier one
        middlewares[f"c{i}"] = {"chain": {"middlewares": rng.sample(names, rng.choice([1, 2, 2, 3]))}}
        names.append(f"c{i}")
    services = {f"s{i}": service(rng) for i in range(12)}
    routers = {f"h{i}": {"rule": f"Host(`h{i}.test`)", "service": rng.choice(["upstream", "upstream", "upstream", f"s{rng.randrange(12)}"]), "middlewares": drawn(rng, names, middlewares), "entryPoints": POINTS}
               for i in range(COUNT)}
    return {"http": {"routers": routers, "middlewares": middlewares, "serversTransports": {"tr": {"maxIdleConnsPerHost": 2}},
                     "services": {**services, "dead": {"loadBalancer": {"servers": [DEAD]}}, "empty": {"loadBalancer": {"servers": []}}}}}


def combos_request(rng):
    method = rng.choice(["GET", "GET", "GET", "POST", "HEAD", "OPTIONS", "PUT"])
    body = rng.choice([b"", b"abc", b"x" * 120]) if method in ("POST", "PUT") else b""
    more = [rng.choice(FIELDS)(rng) for _ in range(rng.choice([0, 1, 2, 3]))] + crowd(rng) + [("X-Answer", rng.choice(MODES))]
    if rng.random() < 0.2:  # who is let in by most
        more.append(("Authorization", "Basic c2hhOnBhc3Mgd29yZA=="))
    return (rng.choice(["web", "web", *POINTS]),
            request(rng.choice(SIMPLE) if rng.random() < 0.8 else random_path(rng), host=f"h{rng.randrange(COUNT)}.test" + rng.choice(["", "", ":8443"]), method=method, headers=more, body=body))
