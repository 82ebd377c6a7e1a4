"""docs/canary.md keeps its word: its manifests as they stand there, asked as it says, and by explain."""
import re

import pytest

from conftest import ROOT, curl
from kube import endpoint_slice, service
from test_tools import run

PAGE = (ROOT / "docs/canary.md").read_text()
MANIFESTS = "\n---\n".join(re.findall(r"```yaml\n(.*?)```", PAGE, re.S))

CASES = [
    ((), {"app-v1": 3, "app-v2": 1}, "app@"),
    (("X-Canary: always",), {"app-v2": 4}, "app-by-header-"),
    (("X-Canary: never",), {"app-v1": 4}, "app-by-header-"),
    (("X-Canary: never", "Cookie: canary=always"), {"app-v1": 4}, "app-by-header-"),
    (("Cookie: a=b; canary=always; c=d",), {"app-v2": 4}, "app-by-cookie-"),
    (("Cookie: canary=always2",), {"app-v1": 3, "app-v2": 1}, "app@"),
    (("Cookie: notcanary=always",), {"app-v1": 3, "app-v2": 1}, "app@"),
]


@pytest.fixture
def folder(manifests, whoami):
    manifests.write("page.yaml", MANIFESTS)
    for name in ("app-v1", "app-v2"):
        manifests.write(f"{name}.yaml", service(name, 80, port_name="web") + "---\n" + endpoint_slice(name, [whoami(name)], "web"))
    return manifests.path


def test_who_gets_which_version(folder, weir):
    router = weir(f"--providers.kubernetesCRD.manifests={folder}", workers=2)
    for headers, want, _ in CASES:
        answers = [curl(router.ports["web"], host="app.example.com", headers=headers).body.splitlines() for _ in range(4)]
        names = [next(line[6:] for line in lines if line.startswith("Name: ")) for lines in answers]
        assert {name: names.count(name) for name in sorted(set(names))} == want, headers


@pytest.mark.parametrize("headers, want, router", CASES)
def test_explain_says_so_before(folder, headers, want, router):
    asked = [part for header in headers for part in ("-H", header)]
    said = run("explain", f"--providers.kubernetesCRD.manifests={folder}", "--entryPoints.web.address=127.0.0.1:8000", "GET",
               "http://app.example.com:8000/", *asked).stdout
    winner = next(line.split()[1] for line in said.splitlines() if line.startswith("router "))
    if router == "app@":
        assert re.match(r"default-app-[0-9a-f]{20}@", winner) and "(weight 3)" in said and "(weight 1)" in said
    else:
        assert winner.startswith(f"default-{router}") and f"default-{router}" in said
