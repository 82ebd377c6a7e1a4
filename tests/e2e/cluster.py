"""A real kube-apiserver with etcd on loopback, RBAC on: up in a few seconds, gone at the end.

Its programs are those of programs.py.
"""
import json
import pathlib
import signal
import socket
import subprocess

from programs import CACHE, build
from waiting import wait_until

KINDS = {
    "ingressroutes": "IngressRoute", "ingressroutetcps": "IngressRouteTCP", "ingressrouteudps": "IngressRouteUDP",
    "middlewares": "Middleware", "middlewaretcps": "MiddlewareTCP", "traefikservices": "TraefikService",
    "serverstransports": "ServersTransport", "serverstransporttcps": "ServersTransportTCP", "tlsoptions": "TLSOption",
    "tlsstores": "TLSStore",
}


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
        build("api")
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

    def certificate(self, user):
        """Files in the folder: USER.crt, USER.key."""
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        openssl(self.folder, "req", *curve, "-keyout", f"{user}.key", "-out", f"{user}.csr", "-subj", f"/CN={user}")
        openssl(self.folder, "x509", "-req", "-in", f"{user}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30",
                "-out", f"{user}.crt")

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
                   "--authorization-mode=RBAC", "--token-auth-file=tokens.csv", "--client-ca-file=ca.crt",
                   "--tls-cert-file=api.crt", "--tls-private-key-file=api.key", *self.api_flags)
        self.wait_ready()

    def wait_ready(self, seconds=180):
        def ready():
            assert self.processes["api"].poll() is None, "it ended"
            return self.kubectl("get", "--raw", "/readyz", check=False).returncode == 0
        try:
            wait_until("it is ready", ready, seconds, pause=0.1)
        except AssertionError as error:
            raise AssertionError(f"kube-apiserver: {error}:\n" + (self.folder / "api.log").read_text()[-3000:]) from error

    def kill_api(self):
        process = self.processes.pop("api")
        process.send_signal(signal.SIGKILL)
        process.wait()

    def kubectl(self, *arguments, check=True, stdin=None):
        done = subprocess.run([*self.inside, str(CACHE / "bin/kubectl"), "--kubeconfig", str(self.folder / "admin.kubeconfig"), *arguments],
                              input=stdin, capture_output=True, text=True, timeout=300)
        assert not check or done.returncode == 0, f"kubectl {arguments}: {done.stderr}"
        return done

    def apply(self, *objects):
        text = objects[0] if isinstance(objects[0], str) else json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        return self.kubectl("apply", "-f", "-", stdin=text)

    def install_crds(self, *plurals):
        names = [f"{plural}.traefik.io" for plural in plurals]
        self.apply(*(crd(plural) for plural in plurals))
        self.kubectl("wait", "--for=condition=Established", "--timeout=180s", *(f"crd/{name}" for name in names))

    def stop(self):
        for name in ("api", "etcd"):
            process = self.processes.get(name)
            if process:
                process.kill()
                process.wait()
