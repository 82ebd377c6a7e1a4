"""MongoDB's protocol through weir, S36 to S40 with their manifests unchanged: FerretDB behind the Service, the real mongosh before it."""
import base64
import json
import os
import signal
import subprocess

import pytest

import servers
from conftest import Program, curl, free_port, wait_port
from kube import endpoint_slice
from tlskit import Maker

NAMES = ("mongo.local", "mongo.k8s.local")  # what the tutorial puts into /etc/hosts
SECONDS = 120
LOST = "MongoServerSelectionError"
COUNT = 500
FILL = f"db.cheese.insertMany([...Array({COUNT}).keys()].map(i => ({{_id: i, name: 'x'.repeat(1000)}}))), "
PASSED_THROUGH = """apiVersion: traefik.containo.us/v1alpha1
kind: IngressRouteTCP
metadata:
  name: mongo-traefik-tcp
spec:
  entryPoints:
    - mongo
  routes:
    - match: HostSNI(`mongo.local`)
      services:
        - name: mongo-traefik
          port: 27017
  tls:
    passthrough: true
"""


class Ferret:
    host = "127.0.0.1"

    def __init__(self, folder, programs, pair):
        """On .port in plain text, on .tls_port with TLS of its own."""
        (folder / "data").mkdir()
        self.port, self.tls_port = free_port(), free_port()
        program = Program([servers.FERRETDB_BINARY, folder / "data", *(f"127.0.0.1:{port}" for port in (self.port, self.tls_port)), pair.crt,
                           pair.key])
        program.expected_status = None
        programs.append(program)
        wait_port(self.port)
        wait_port(self.tls_port)


class Shell:
    """mongosh with a home of its own, which asks nobody for news and finds NAMES on this machine."""

    def __init__(self, folder, port):
        self.folder, self.port = folder, port
        (folder / ".mongodb/mongosh").mkdir(parents=True)
        (folder / ".mongodb/mongosh/config").write_text('{"enableTelemetry": false, "updateURL": ""}')
        (folder / "hosts.cjs").write_text(
            "const dns = require('dns'), real = dns.lookup;\n"
            f"dns.lookup = (name, ...rest) => real({json.dumps(NAMES)}.includes(name) ? '127.0.0.1' : name, ...rest);\n")

    def start(self, script, host="127.0.0.1", *options):
        uri = f"mongodb://{host}:{self.port}/test?directConnection=true&serverSelectionTimeoutMS=5000&maxPoolSize=1"
        return subprocess.Popen(["node", servers.SHELL, uri, "--quiet", "--norc", "--eval", script, *map(str, options)],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.folder,
                                env={"PATH": os.environ["PATH"], "HOME": str(self.folder), "NODE_OPTIONS": f"--require {self.folder}/hosts.cjs"})

    def run(self, *arguments):
        """What it said, and whether it was content."""
        process = self.start(*arguments)
        said = "".join(process.communicate(timeout=SECONDS))
        return said, process.returncode == 0

    def tells(self, script, *arguments):
        """The value of an expression."""
        said, good = self.run(f"print(JSON.stringify({script}))", *arguments)
        assert good, said
        return json.loads(said)


@pytest.fixture
def mongo(weir, programs, manifests, tmp_path):
    """FerretDB behind the Service of the manifests and weir with the entry point mongo; .theirs is FerretDB's own certificate."""
    servers.build()

    class Mongo:
        maker, port = Maker(tmp_path), free_port()
        theirs = maker.own("theirs", ["DNS:mongo.local"])
        ferret = Ferret(tmp_path, programs, theirs)
        shell = Shell(tmp_path, port)

        def start(self, *names, port=None):
            for name in names:
                manifests.apply(name)
            self.serve(port or self.ferret.port)
            self.router = weir(f"--providers.kubernetesCRD.manifests={manifests.path}", f"--entryPoints.mongo.address=127.0.0.1:{self.port}",
                               workers=2)

        @staticmethod
        def serve(port):
            pod = type("Pod", (), {"host": "127.0.0.1", "port": port})
            manifests.write("slices.yaml", endpoint_slice("mongo-traefik", [pod]))

        @staticmethod
        def secret(pair):
            crt, key = (base64.b64encode(text.encode()).decode() for text in (pair.pem, pair.key_pem))
            manifests.write("secret.yaml", "apiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata: {name: traefik-mongo-certs, "
                            f"namespace: default}}\ndata:\n  tls.crt: {crt}\n  tls.key: {key}\n")

        def change(self, name):
            mark = self.router.mark()
            manifests.apply(name)
            self.router.in_force(mark, workers=2)
    return Mongo()


def test_s36_plain(mongo):
    """Any name that leads here; what is written by one session is read by another."""
    mongo.start("tcp-mongo-step1-plain.yaml")
    assert mongo.shell.tells(f"({FILL} db.cheese.countDocuments())") == COUNT
    for host in ("127.0.0.1", *NAMES):
        assert "test" in mongo.shell.tells("db.adminCommand('listDatabases').databases.map(each => each.name)", host)
    assert mongo.shell.tells("db.cheese.find().sort({_id: 1}).toArray().map(each => each.name.length)") == [1000] * COUNT


def test_s37_http_beside_it(mongo, manifests, whoami):
    mongo.secret(mongo.theirs)
    manifests.copy("tcp-http-same-entrypoint.yaml", "whoami-app.yaml")
    manifests.write("whoami-slices.yaml", endpoint_slice("whoami", [whoami("pod")], "web"))
    mongo.start("tcp-mongo-step1-plain.yaml", "tcp-mongo-step2-tls.yaml")
    assert curl(mongo.port, host="who.qikqiak.com").status == 200
    assert mongo.shell.tells("db.runCommand({ping: 1}).ok", "mongo.local", *secure(mongo.theirs)) == 1


def secure(authority, *more):
    return ("--tls", "--tlsCAFile", authority.crt, *more)


def test_s38_s39_s40_tls_that_ends_here(mongo):
    """The certificate is that of the Secret; who speaks no TLS, or asks for another name, does not come to the server."""
    ours, client = (mongo.maker.own(name, ["DNS:mongo.local"]) for name in ("ours", "client"))
    both = mongo.maker.folder / "client.pem"
    both.write_text(client.key_pem + client.pem)
    mongo.secret(ours)
    mongo.start("tcp-mongo-step1-plain.yaml", "tcp-mongo-step2-tls.yaml")
    said, good = mongo.shell.run("db.stats()", "mongo.local")  # S38
    assert LOST in said and not good
    # S39, with a certificate that nobody asks for
    assert mongo.shell.tells(f"({FILL} db.cheese.countDocuments())", "mongo.local", *secure(ours, "--tlsCertificateKeyFile", both)) == COUNT
    said, good = mongo.shell.run("db.stats()", "mongo.local", *secure(mongo.theirs))
    assert "self-signed certificate" in said and not good
    said, good = mongo.shell.run("db.stats()", "mongo.k8s.local", *secure(ours))  # S40
    assert "self-signed certificate" in said and not good
    said, good = mongo.shell.run("db.stats()", "mongo.k8s.local", *secure(ours, "--tlsAllowInvalidCertificates"))
    assert LOST in said and not good


def test_tls_passed_through(mongo, manifests):
    """The client sees the server's own certificate."""
    manifests.write("passed.yaml", PASSED_THROUGH)
    manifests.write("service.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: mongo-traefik}\nspec: {ports: [{port: 27017}]}\n")
    mongo.start(port=mongo.ferret.tls_port)
    assert mongo.shell.tells(f"({FILL} db.cheese.countDocuments())", "mongo.local", *secure(mongo.theirs)) == COUNT
    assert mongo.shell.run("db.stats()", "mongo.k8s.local", *secure(mongo.theirs))[1] is False


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_session_outlives_changes(mongo, tmp_path, tls):
    """A cursor that is half read while its route, its TLS and the process change is read to its end, on the same connection."""
    ours = mongo.maker.own("ours", ["DNS:mongo.local"])
    mongo.secret(ours)
    mongo.start("tcp-mongo-step1-plain.yaml", *(["tcp-mongo-step2-tls.yaml"] if tls else []))
    options = ("mongo.local", *(secure(ours) if tls else ()))
    assert mongo.shell.tells(f"({FILL} db.cheese.countDocuments())", *options) == COUNT
    go = tmp_path / "go"
    os.mkfifo(go)
    reader = mongo.shell.start(
        "const me = () => db.runCommand({whatsmyuri: 1}).you, mine = me(); let seen = 0;"
        "const cursor = db.cheese.find().batchSize(20); while (seen < 50) { cursor.next(); seen++; } print('half');"
        f"fs.readFileSync('{go}');"
        "while (cursor.hasNext()) { cursor.next(); seen++; } db.cheese.insertOne({_id: 'last'});"
        "print(JSON.stringify([seen, me() === mine, db.cheese.countDocuments()]))", *options)
    try:
        assert reader.stdout.readline() == "half\n", reader.stderr.read()
        mongo.change("tcp-mongo-step1-plain.yaml" if tls else "tcp-mongo-step2-tls.yaml")
        mongo.secret(mongo.theirs)
        mark = mongo.router.mark()
        os.kill(mongo.router.pid, signal.SIGHUP)
        mongo.router.wait_log("INF Static configuration from", mark)
        go.write_text("")
        said, wrong = reader.communicate(timeout=SECONDS)
        assert json.loads(said) == [COUNT, True, COUNT + 1], wrong
    finally:
        reader.kill()
        reader.wait()
