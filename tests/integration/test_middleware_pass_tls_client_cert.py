"""passTLSClientCert: what servers are told of the certificate of a client, over HTTP/1 and 2, new and resumed, and who may say it himself."""
import contextlib
import json
import re
import subprocess
from urllib.parse import unquote_plus

import pytest

from proxying import server  # noqa: F401 a fixture
from rawhttp import connect
from routing import one_route
from tlskit import Client, Maker, context, hello, openssl

NUMBER = "0x1234567890abcdef1234"
SUBJECT = "/DC=org/DC=cheese/C=FR/C=US/ST=Cheese org state/L=TOULOUSE/L=LYON/O=Cheese, Inc/O=Cheese 2/OU=Simple Signing Section/serialNumber=a-1/CN=*.cheese.org/CN=é \\/ last"
EVERY = {"country": True, "province": True, "locality": True, "organization": True, "commonName": True, "serialNumber": True, "domainComponent": True}
SANS = "URI:https://a.test/x y?é,DNS:*.b.test,IP:10.0.1.0,email:a@b.test,DNS:c.test,IP:2001:db8:0::1,IP:::ffff:1.2.3.4,RID:1.2.3.4"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    maker = Maker(tmp_path_factory.mktemp("certificates"))
    openssl(maker.folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-utf8", "-keyout", "root.key", "-out", "root.crt",
            "-subj", "/DC=org/C=DE/ST=Land/L=Stadt/O=Root/OU=not told/serialNumber=7/CN=Root CA", "-days", "2")
    openssl(maker.folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-utf8", "-keyout", "client.key", "-out", "client.csr", "-subj", SUBJECT)
    (maker.folder / "more").write_text(f"subjectAltName={SANS}\n".replace("x y?é", "x%20y?%C3%A9"))
    openssl(maker.folder, "x509", "-req", "-in", "client.csr", "-CA", "root.crt", "-CAkey", "root.key", "-set_serial", NUMBER, "-days", "2",
            "-extfile", "more", "-out", "client.crt")
    both = maker.folder / "chain.crt"
    both.write_text((maker.folder / "client.crt").read_text() + (maker.folder / "root.crt").read_text())
    (maker.folder / "chain.key").write_text((maker.folder / "client.key").read_text())
    bare = maker.own("bare", common="bare")

    class Named:
        def __init__(self, name):
            self.crt, self.key = maker.folder / f"{name}.crt", maker.folder / f"{name}.key"

    return {"client": Named("client"), "chain": Named("chain"), "bare": bare}


def pem(*paths):
    """What a PEM file holds, as the header has it."""
    out = []
    for path in paths:
        text = path.read_text().replace("\n", "")
        out += [part.split("-----END")[0] for part in text.split("-----BEGIN CERTIFICATE-----")[1:]]
    return ",".join(out)


def moment(path, which):
    words = subprocess.run(["openssl", "x509", "-noout", f"-{which}", "-in", path], capture_output=True, text=True, check=True).stdout
    return int(subprocess.run(["date", "-u", "-d", words.split("=")[1].strip(), "+%s"], capture_output=True, text=True, check=True).stdout)


def through(app, **options):
    http = one_route(app, {"a": {"passTLSClientCert": options}})
    http["routers"]["all"]["tls"] = {}
    http["routers"]["plain"] = {"rule": "PathPrefix(`/`)", "service": "all", "middlewares": ["a"]}
    return http


class Stand:
    def __init__(self, weir, folder, app):
        self.folder, self.app = folder, app
        self.router = None
        self.weir = weir

    def change(self, **options):
        http = through(self.app, **options)
        part = self.folder / "part"
        part.write_text(json.dumps({"http": http, "tls": {"options": {"default": {"clientAuth": {"clientAuthType": "RequestClientCert"}}}}}))
        mark = self.router.mark() if self.router else 0
        part.rename(self.folder / "dynamic.json")
        if self.router:
            self.router.in_force(mark, workers=1)

    def start(self, *flags, **options):
        self.change(**options)
        self.router = self.weir(f"--providers.file.filename={self.folder / 'dynamic.json'}", *flags)
        self.port = self.router.ports["web"]
        return self

    def told(self, client, *fields):
        """(certificate, what is told of it) as the server got them, over a connection."""
        client.send("\r\n".join(["GET / HTTP/1.1", "Host: a.test", *fields, "", ""]).encode())
        head = client.until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        client.exactly(int(re.search(rb"(?i)content-length: (\d+)", head)[1]))
        got = self.app.requests[-1]
        return got.all("x-forwarded-tls-client-cert"), got.all("x-forwarded-tls-client-cert-info")

    def ask(self, pair, *fields, **how):
        with contextlib.closing(hello(self.port, "a.test", client=pair, **how).sock) as sock:
            client = Client(sock)
            return self.told(client, *fields)


@pytest.fixture
def stand(weir, server, tmp_path):
    return Stand(weir, tmp_path, server())


WHOLE = {"notAfter": True, "notBefore": True, "sans": True, "serialNumber": True, "subject": {**EVERY, "organizationalUnit": True}, "issuer": EVERY}
ISSUER = 'Issuer="DC=org,C=DE,ST=Land,L=Stadt,O=Root,SN=7,CN=Root CA"'


def whole(pair):
    return ('Subject="DC=org,DC=cheese,C=FR,C=US,ST=Cheese org state,L=TOULOUSE,L=LYON,O=Cheese, Inc,O=Cheese 2,OU=Simple Signing Section,SN=a-1,CN=é / last";'
            f'{ISSUER};SerialNumber="{int(NUMBER, 16)}";NB="{moment(pair.crt, "startdate")}";NA="{moment(pair.crt, "enddate")}";'
            'SAN="*.b.test,c.test,a@b.test,10.0.1.0,2001:db8::1,1.2.3.4,https://a.test/x%20y?%C3%A9"')


def test_everything(stand, made):
    stand.start(pem=True, info=WHOLE)
    for version in ("TLSv1_2", "TLSv1_3"):
        (certificate,), (info,) = stand.ask(made["client"], version=version)
        assert certificate == pem(made["client"].crt)
        assert unquote_plus(info) == whole(made["client"])
        assert re.fullmatch(r"[A-Za-z0-9_.~+%-]+", info) and " " not in info


def test_a_chain(stand, made):
    stand.start(pem=True, info={"subject": {"commonName": True}, "serialNumber": True})
    (certificate,), (info,) = stand.ask(made["chain"])
    assert certificate == pem(made["chain"].crt) and certificate.count(",") == 1
    assert re.fullmatch(rf'Subject="CN=é / last";SerialNumber="{int(NUMBER, 16)}",Subject="CN=Root CA";SerialNumber="\d+"', unquote_plus(info))


@pytest.mark.parametrize("info, words", [
    ({}, ""),
    ({"subject": {}, "issuer": {}}, ""),
    ({"sans": False, "subject": {"country": True}}, 'Subject="C=FR,C=US"'),
    ({"subject": {"province": True}}, 'Subject="ST=Cheese org state"'),
    ({"subject": {"locality": True}}, 'Subject="L=TOULOUSE,L=LYON"'),
    ({"subject": {"organization": True}}, 'Subject="O=Cheese, Inc,O=Cheese 2"'),
    ({"subject": {"organizationalUnit": True}}, 'Subject="OU=Simple Signing Section"'),
    ({"subject": {"serialNumber": True}}, 'Subject="SN=a-1"'),
    ({"subject": {"domainComponent": True}}, 'Subject="DC=org,DC=cheese"'),
    ({"issuer": {"country": True}}, 'Issuer="C=DE"'),
    ({"issuer": {"province": True}}, 'Issuer="ST=Land"'),
    ({"issuer": {"locality": True}}, 'Issuer="L=Stadt"'),
    ({"issuer": {"organization": True}}, 'Issuer="O=Root"'),
    ({"issuer": {"commonName": True}}, 'Issuer="CN=Root CA"'),
    ({"issuer": {"serialNumber": True}}, 'Issuer="SN=7"'),
    ({"issuer": {"domainComponent": True}}, 'Issuer="DC=org"'),
    ({"sans": True}, 'SAN="*.b.test,c.test,a@b.test,10.0.1.0,2001:db8::1,1.2.3.4,https://a.test/x%20y?%C3%A9"'),
])
def test_each_field(stand, made, info, words):
    stand.start(info=info)
    certificate, (told,) = stand.ask(made["client"])
    assert (certificate, unquote_plus(told)) == ([], words)


def test_a_certificate_that_says_little(stand, made):
    stand.start(info={**WHOLE, "notAfter": False, "notBefore": False, "serialNumber": False})
    assert unquote_plus(stand.ask(made["bare"])[1][0]) == 'Subject="CN=bare";Issuer="CN=bare"'


def test_who_may_say_it_himself(stand, made):
    """Nobody, where his headers are not trusted; a certificate that was shown counts for more than what a trusted sender says."""
    lies = ("X-Forwarded-Tls-Client-Cert: lie", "x-forwarded-tls-client-cert-info: lie", "X_Forwarded_Tls_Client_Cert: lie", "X-Forwarded-Tls-Client_Cert-Info: lie")

    def spelled():
        return sorted(name for name, value in stand.app.requests[-1].fields if value == "lie")

    stand.start("--entryPoints.web.forwardedHeaders.trustedIPs=10.0.0.0/8", pem=True, info={"subject": {"commonName": True}})
    assert stand.ask(None, *lies) == ([], []) and spelled() == []
    assert stand.ask(made["bare"], *lies) == ([pem(made["bare"].crt)], ["Subject%3D%22CN%3Dbare%22"]) and spelled() == []


def test_what_trusted_senders_say(stand, made):
    stand.start("--entryPoints.web.forwardedHeaders.insecure=true", pem=True, info={"subject": {"commonName": True}})
    lies = ("X-Forwarded-Tls-Client-Cert: said", "X-Forwarded-Tls-Client-Cert-Info: said")
    assert stand.ask(None, *lies) == (["said"], ["said"])
    assert stand.ask(made["bare"], *lies) == ([pem(made["bare"].crt)], ["Subject%3D%22CN%3Dbare%22"])
    plain = connect(stand.port)
    assert stand.told(plain, *lies) == (["said"], ["said"])


def test_one_connection_over_changes(stand, made):
    """What is kept with a connection follows the options."""
    stand.start(pem=True)
    with contextlib.closing(hello(stand.port, "a.test", client=made["bare"]).sock) as sock:
        client, all_of_it = Client(sock), pem(made["bare"].crt)
        for _ in range(3):
            assert stand.told(client) == ([all_of_it], [])
        for options, info in (({"subject": {"commonName": True}}, "Subject%3D%22CN%3Dbare%22"), ({"issuer": {"commonName": True}}, "Issuer%3D%22CN%3Dbare%22"), ({}, "")):
            stand.change(pem=True, info=options)
            for _ in range(2):
                assert stand.told(client) == ([all_of_it], [info])


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_resumed_sessions(stand, made, version):
    stand.start(pem=True)
    kept = context(client=made["bare"], version=version)
    first = hello(stand.port, "a.test", made=kept)
    with contextlib.closing(first.sock):
        assert stand.told(first) == ([pem(made["bare"].crt)], [])
        session = first.sock.session
    again = hello(stand.port, "a.test", made=kept, session=session)
    with contextlib.closing(again.sock):
        assert again.reused and stand.told(again) == ([pem(made["bare"].crt)], [])


def test_http2(stand, made):
    stand.start(pem=True, info={"serialNumber": True})
    answer = subprocess.run(["curl", "-sk", "--http2", "--noproxy", "*", "--cert", made["client"].crt, "--key", made["client"].key, "-o", "/dev/null",
                             "-w", "%{http_version} %{http_code}", f"https://127.0.0.1:{stand.port}/"], capture_output=True, text=True, timeout=30)
    assert answer.stdout == "2 200"
    got = stand.app.requests[-1]
    assert got.all("x-forwarded-tls-client-cert") == [pem(made["client"].crt)]
    assert got.all("x-forwarded-tls-client-cert-info") == [f"SerialNumber%3D%22{int(NUMBER, 16)}%22"]
