"""tests/compare asks Traefik and weir about every option of routers, middlewares and services, or it is said here why not."""
import re
import sys

from conftest import ROOT

sys.path.append(str(ROOT / "tests/compare"))
from cases import configuration  # noqa: E402
from values import values_accepted, values_configuration, values_requests  # noqa: E402

NOT_ASKED = {
    r"routers\.<name>\.tls\..*": "compare.py speaks no TLS to clients: compare_kube.py, test_tls.py",
    r"services\..*\.(fenced|slowStart)": "not in files of Traefik",
    r"middlewares\.<name>\.(apiKey|jwt|rateLimit\.scope)(\..*)?": "ours",
    r"middlewares\.<name>\.rateLimit\.redis(\..*)?": "it takes a server of Redis",
    r"middlewares\.<name>\.plugin": "Traefik fetches plugins from the Internet",
    r"serversTransports\.<name>\.forwardingTimeouts\.sendTimeout": "ours",
    r"serversTransports\.<name>\.spiffe(\..*)?": "not yet served",
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


def test_every_option_is_asked_about():
    options = re.findall(r"^\| `http\.((?:routers|middlewares|services|serversTransports)\..*?)`", (ROOT / "docs/reference.md").read_text(), re.M)
    assert len(options) > 300
    asked = written(configuration()["http"]) | written(values_configuration()["http"])
    missing = [option for option in options if option not in asked]
    for pattern, why in NOT_ASKED.items():
        left_out = [option for option in missing if re.fullmatch(pattern, option)]
        assert left_out, f"asked about by now: {pattern} ({why})"
        missing = [option for option in missing if option not in left_out]
    assert missing == [], "put them into tests/compare/cases.py"


def test_what_differs_on_purpose_is_asked_about():
    asked = b"".join(data for _, data in values_requests())
    for pattern, why in values_accepted():
        assert re.search(pattern, asked), why
