"""tests/compare asks Traefik and weir about every option of routers, middlewares and services, or it is said here why not."""
import collections
import pathlib
import random
import re
import sys

from conftest import ROOT

sys.path.append(str(ROOT / "tests/compare"))
import compare_tcp  # noqa: E402
import compare_tcp_servers  # noqa: E402
from cases import configuration  # noqa: E402
from tlskit import Pair  # noqa: E402
from values import values_accepted, values_configuration, values_requests  # noqa: E402

NOT_ASKED = {
    r"routers\.<name>\.tls\..*": "compare.py speaks no TLS to clients: compare_kube.py, test_tls.py",
    r"services\..*\.fenced": "not in files of Traefik",
    r"middlewares\.<name>\.rateLimit\.redis(\..*)?": "it takes a server of Redis",
    r"middlewares\.<name>\.plugin": "Traefik fetches plugins from the Internet",
    r"serversTransports\.<name>\.spiffe(\..*)?": "not yet served",
}
TCP_NOT_ASKED = {
    r"routers\.<name>\.tls\.(certResolver|domains.*)": "certificates are not fetched yet",
    r"services\..*healthCheck(\..*)?": "who is up is a matter of time: test_tcp_health.py",
    r"serversTransports\.<name>\.tls\.spiffe(\..*)?": "not yet served",
}


def paths(value, path):
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from paths(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for inner in (inner for inner in value if isinstance(inner, dict)):
            yield from paths(inner, f"{path}[n]")


def written(http):
    return {path for section, objects in http.items() for of in objects.values() for path in paths(of, f"{section}.<name>")}


def ours(option, rows):
    """What Traefik does not know: its text says so, or that of a section that it is in, or that of all that it holds."""
    steps = option.split(".")
    if any(rows.get(".".join(steps[:end]), "").startswith("Own option:") for end in range(1, len(steps) + 1)):
        return True
    below = [inner for inner in rows if inner.rpartition(".")[0] == option]
    return bool(below) and all(ours(inner, rows) for inner in below)


def all_asked(kind, asked, not_asked):
    rows = dict(re.findall(rf"^\| `{kind}\.((?:routers|middlewares|services|serversTransports)\..*?)` \|.*\| (.*) \|$",
                           (ROOT / "docs/reference.md").read_text(), re.M))
    options = [option for option in rows if not ours(option, rows)]
    missing = [option for option in options if option not in asked]
    for pattern, why in not_asked.items():
        left_out = [option for option in missing if re.fullmatch(pattern, option)]
        assert left_out, f"asked about by now: {pattern} ({why})"
        missing = [option for option in missing if option not in left_out]
    assert missing == [], "put them into tests/compare"
    return len(options)


def test_every_option_is_asked_about():
    assert all_asked("http", written(configuration()["http"]) | written(values_configuration()["http"]), NOT_ASKED) > 300


def test_every_option_of_tcp_is_asked_about():
    ports, pair = collections.defaultdict(int), Pair(pathlib.Path("/nowhere"), "x")
    asked = written(compare_tcp_servers.configuration(compare_tcp_servers.services(ports, pair, pair), pair)["tcp"])
    for seed in range(30):
        asked |= written(compare_tcp.draw(random.Random(seed), {"p0": 1, "p2": 1}, [(pair.crt, pair.key)])["tcp"])
    assert all_asked("tcp", asked, TCP_NOT_ASKED) > 40


def test_what_differs_on_purpose_is_asked_about():
    asked = b"".join(data for _, data in values_requests())
    for pattern, why in values_accepted():
        assert re.search(pattern, asked), why
