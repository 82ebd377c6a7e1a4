"""h2spec, all cases, against an entry point: in plain text with prior knowledge, and over TLS."""
import re
import subprocess
import xml.etree.ElementTree

import pytest

from programs import CACHE, build
from rawhttp import Server, answer_all
from tlskit import Maker

# A plain entry point speaks HTTP/1 as well: what does not begin as HTTP/2 is answered with 400 in HTTP/1, and then closed.
# h2spec takes those bytes for a frame.
ANSWERED_IN_HTTP1 = {"Sends invalid connection preface"}


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_all_cases(weir, tmp_path, tls):
    build("h2spec")
    pair = Maker(tmp_path).own("a.test", ["DNS:a.test"])
    up = Server(answer_all(b"x" * 1000))
    dynamic = tmp_path / "dynamic.yml"
    dynamic.write_text("http:\n  routers:\n    r: {rule: \"PathPrefix(`/`)\", service: s%s}\n  services:\n"
                       "    s: {loadBalancer: {servers: [{url: \"http://127.0.0.1:%d\"}]}}\n"
                       "tls:\n  certificates:\n    - {certFile: %s, keyFile: %s}\n"
                       % (", tls: {}" if tls else "", up.port, pair.crt, pair.key))
    router = weir(f"--providers.file.filename={dynamic}")
    report = tmp_path / "report.xml"
    run = subprocess.run([CACHE / "bin/h2spec", "-h", "127.0.0.1", "-p", str(router.ports["web"]), "-j", report,
                          *(["-t", "-k"] if tls else [])], capture_output=True, text=True, timeout=300)
    up.close()
    cases = list(xml.etree.ElementTree.parse(report).iter("testcase"))
    failed = {case.get("classname") for case in cases if case.find("failure") is not None or case.find("error") is not None}
    assert failed == (set() if tls else ANSWERED_IN_HTTP1), re.sub("\x1b\\[[0-9;]*m", "", run.stdout)
    assert len(cases) > 140
