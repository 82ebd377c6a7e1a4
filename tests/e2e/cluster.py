"""A real kube-apiserver with etcd on loopback, RBAC on: up in a few seconds, gone at the end.

The programs are built once from Go modules into a cache outside the tree (WEIR_E2E_CACHE, default ~/.cache/weir-e2e; about
12 minutes on two cores); etcd is Debian's etcd-server. `python3 tests/e2e/cluster.py` builds them.
"""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

KUBERNETES, STAGING = "v1.34.4", "v0.34.4"
CACHE = pathlib.Path(os.environ.get("WEIR_E2E_CACHE", pathlib.Path.home() / ".cache/weir-e2e"))
PROGRAMS = ("kube-apiserver", "kubectl")
HELM = "v3.19.0"
H2SPEC = "v2.2.1+incompatible"
KINDS = {
    "ingressroutes": "IngressRoute", "ingressroutetcps": "IngressRouteTCP", "ingressrouteudps": "IngressRouteUDP",
    "middlewares": "Middleware", "middlewaretcps": "MiddlewareTCP", "traefikservices": "TraefikService",
    "serverstransports": "ServersTransport", "serverstransporttcps": "ServersTransportTCP", "tlsoptions": "TLSOption",
    "tlsstores": "TLSStore",
}


def build(programs=PROGRAMS):
    """Builds what is not in the cache yet."""
    missing = [program for program in programs if not (CACHE / "bin" / program).exists()]
    if not missing:
        return
    if shutil.which("go") is None:
        raise SystemExit(f"building {missing[0]} needs Go 1.24 or later: put `go` into the PATH")
    folder = CACHE / "mod"
    folder.mkdir(parents=True, exist_ok=True)
    (CACHE / "bin").mkdir(exist_ok=True)
    listed = subprocess.run(["go", "mod", "download", "-json", f"k8s.io/kubernetes@{KUBERNETES}"], cwd="/", check=True,
                            capture_output=True, text=True).stdout
    main = pathlib.Path(json.loads(listed)["Dir"], "go.mod").read_text()
    replaced = sorted(set(re.findall(r"(k8s\.io/[a-z-]+) => \./staging", main)))
    (folder / "go.mod").write_text("\n".join(
        ["module cluster", "go 1.24.0", f"require k8s.io/kubernetes {KUBERNETES}",
         *(f"replace {name} => {name} {STAGING}" for name in replaced)]) + "\n")
    (folder / "tools.go").write_text("//go:build tools\npackage tools\nimport (\n" + "".join(
        f' _ "k8s.io/kubernetes/cmd/{program}"\n' for program in programs) + ")\n")
    subprocess.run(["go", "mod", "tidy"], cwd=folder, check=True)
    prefix = "-X k8s.io/component-base/version"
    flags = f"-s -w {prefix}.gitVersion={KUBERNETES} {prefix}.gitMajor=1 {prefix}.gitMinor={KUBERNETES.split('.')[1]}"
    for program in missing:
        print(f"building {program} {KUBERNETES}", flush=True)
        subprocess.run(["go", "build", "-ldflags", flags, "-o", str(CACHE / "bin" / program),
                        f"k8s.io/kubernetes/cmd/{program}"], cwd=folder, check=True, env={**os.environ, "CGO_ENABLED": "0"})


def install(package, *flags):
    """The same for a program that is a module of its own."""
    name = package.split("@")[0].rsplit("/", 1)[1]
    if (CACHE / "bin" / name).exists():
        return
    if shutil.which("go") is None:
        raise SystemExit(f"building {name} needs Go 1.24 or later: put `go` into the PATH")
    subprocess.run(["go", "install", *flags, package], cwd="/", check=True,
                   env={**os.environ, "CGO_ENABLED": "0", "GOBIN": str(CACHE / "bin")})


def build_h2spec():
    install(f"github.com/summerwind/h2spec/cmd/h2spec@{H2SPEC}")


def build_helm():
    """It renders for our Kubernetes where it asks no cluster."""
    minor = KUBERNETES.split(".")[1]
    flags = "-s -w" + "".join(f" -X helm.sh/helm/v3/pkg/{name}.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/{name}.k8sVersionMinor={minor}"
                              for name in ("chartutil", "lint/rules"))
    install(f"helm.sh/helm/v3/cmd/helm@{HELM}", "-ldflags", flags)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def crd(plural, group="traefik.io"):
    """Accepts everything: what is right is for the router to say."""
    kind = KINDS[plural]
    return {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
            "versions": [{"name": "v1alpha1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": True}}}],
        },
    }


def role(resources=tuple(KINDS), user="weir", without=None):
    """What the chart gives: whole kinds to watch, Secrets and ConfigMaps one by one. without: one kind that is left out."""
    verbs = ["get", "list", "watch"]
    rules = [("", ["services", "nodes", "secrets", "configmaps"]), ("networking.k8s.io", ["ingresses", "ingressclasses"]),
             ("discovery.k8s.io", ["endpointslices"]), ("traefik.io", resources), ("traefik.containo.us", resources)]
    return [
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": user}, "rules": [
            {"apiGroups": [group], "resources": [kind for kind in kinds if kind != without] or ["none"], "verbs": verbs} for group, kinds in rules]},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": user},
         "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": user},
         "subjects": [{"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}]},
    ]


class Cluster:
    inside = ()                # put before every program
    address = "127.0.0.1"      # where the API server listens
    names = "DNS:kubernetes,DNS:localhost,IP:127.0.0.1"
    api_flags = ("--endpoint-reconciler-type=none",)

    def __init__(self, folder):
        build()
        self.folder, self.processes = pathlib.Path(folder), {}
        self.port, self.etcd_port, self.peer_port = free_port(), free_port(), free_port()
        self.tokens = {"admintoken": ("admin", '"system:masters"'), "weirtoken": ("weir", ""),
                       **{f"token-no-{kind}": (f"no-{kind}", "") for kind in ("services", "endpointslices", "nodes", *KINDS)}}
        self.make_keys()
        self.kubeconfig("admin", "admintoken")
        self.start("etcd", "etcd", "--data-dir", "etcd", "--unsafe-no-fsync", "--log-level", "error",
                   "--listen-client-urls", f"http://127.0.0.1:{self.etcd_port}",
                   "--advertise-client-urls", f"http://127.0.0.1:{self.etcd_port}",
                   "--listen-peer-urls", f"http://127.0.0.1:{self.peer_port}",
                   "--initial-advertise-peer-urls", f"http://127.0.0.1:{self.peer_port}",
                   "--initial-cluster", f"default=http://127.0.0.1:{self.peer_port}")
        self.start_api()

    def make_keys(self):
        folder = self.folder
        openssl(folder, "genrsa", "-out", "sa.key", "2048")
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        openssl(folder, "req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=cluster-ca", "-days", "30")
        openssl(folder, "req", *curve, "-keyout", "api.key", "-out", "api.csr", "-subj", "/CN=kube-apiserver")
        (folder / "api.ext").write_text(f"subjectAltName={self.names}\n")
        openssl(folder, "x509", "-req", "-in", "api.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30",
                "-extfile", "api.ext", "-out", "api.crt")

    def kubeconfig(self, name, token=None, token_file=None):
        """A file for a user; its path."""
        path = self.folder / f"{name}.kubeconfig"
        user = {"tokenFile": str(token_file)} if token_file else {"token": token}
        path.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": name,
            "clusters": [{"name": "c", "cluster": {"server": f"https://127.0.0.1:{self.port}", "certificate-authority": "ca.crt"}}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": name, "context": {"cluster": "c", "user": name}}]}))
        return path

    def start(self, name, *command):
        with open(self.folder / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen([*self.inside, *command], cwd=self.folder, stdout=log, stderr=log, start_new_session=True)

    def start_api(self):
        (self.folder / "tokens.csv").write_text("".join(
            f"{token},{user},{user},{groups}\n" if groups else f"{token},{user},{user}\n"
            for token, (user, groups) in self.tokens.items()))
        self.start("api", str(CACHE / "bin/kube-apiserver"), f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
                   f"--bind-address={self.address}", f"--secure-port={self.port}", "--advertise-address=198.18.0.10",
                   "--service-cluster-ip-range=10.96.0.0/16", "--service-account-issuer=https://kubernetes.default.svc",
                   "--service-account-key-file=sa.key", "--service-account-signing-key-file=sa.key",
                   "--authorization-mode=RBAC", "--token-auth-file=tokens.csv", "--tls-cert-file=api.crt",
                   "--tls-private-key-file=api.key", *self.api_flags)
        self.wait_ready()

    def wait_ready(self, seconds=90):
        end, pause = time.monotonic() + seconds, threading.Event()
        while self.kubectl("get", "--raw", "/readyz", check=False).returncode != 0:
            if time.monotonic() > end or self.processes["api"].poll() is not None:
                raise AssertionError("kube-apiserver is not ready:\n" + (self.folder / "api.log").read_text()[-3000:])
            pause.wait(0.1)

    def kill_api(self):
        process = self.processes.pop("api")
        process.send_signal(signal.SIGKILL)
        process.wait()

    def kubectl(self, *arguments, check=True, stdin=None):
        done = subprocess.run([*self.inside, str(CACHE / "bin/kubectl"), "--kubeconfig", str(self.folder / "admin.kubeconfig"), *arguments],
                              input=stdin, capture_output=True, text=True, timeout=60)
        assert not check or done.returncode == 0, f"kubectl {arguments}: {done.stderr}"
        return done

    def apply(self, *objects):
        text = objects[0] if isinstance(objects[0], str) else json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        return self.kubectl("apply", "-f", "-", stdin=text)

    def install_crds(self, *plurals):
        names = [f"{plural}.traefik.io" for plural in plurals]
        self.apply(*(crd(plural) for plural in plurals))
        self.kubectl("wait", "--for=condition=Established", "--timeout=30s", *(f"crd/{name}" for name in names))

    def stop(self):
        for name in ("api", "etcd"):
            process = self.processes.get(name)
            if process:
                process.kill()
                process.wait()


if __name__ == "__main__":
    try:
        if sys.argv[1:] != ["h2spec"]:
            build_helm()
        if sys.argv[1:] != ["helm"]:
            build_h2spec()
        if not sys.argv[1:]:
            build()
    except subprocess.CalledProcessError as error:
        said = ((error.stdout or "") + (error.stderr or "")).strip()[-2000:]
        raise SystemExit(f"{said}\ncluster.py: `{' '.join(error.cmd)}` failed: what the tests run is built once, with Go and modules "
                         "from GOPROXY (https://proxy.golang.org)") from None
