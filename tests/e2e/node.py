"""A complete Kubernetes node on this machine, in a network namespace of its own: what cluster.py runs, and controller-manager,
scheduler, kube-proxy, containerd and kubelet. Pods really run; nothing leaves the namespace. Up in about ten seconds.

    python3 tests/e2e/node.py can              whether one can run here; if not, status 3 and the last line says why
    python3 tests/e2e/node.py build            programs (programs.py) and images (image.py)
    python3 tests/e2e/node.py up | down        by hand; `make e2e-node` does both
    python3 tests/e2e/node.py kubectl|helm|exec ARGUMENTS...

There is one node at a time on a machine; it needs root and writable control groups. All that it makes lies below RUN, in its
namespace or in the control groups of its pods, and down() takes away exactly that, also what a run left behind that was killed.
"""
import fcntl
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

import image
from cluster import Cluster
from programs import CACHE, OutOfReach, build
from programs import require as require_programs
from waiting import wait_until

NAMESPACE = "weir-e2e"
RUN = pathlib.Path("/run/weir-e2e")
ADDRESS = "198.18.0.10"  # of the node
NAME = "edge1"
INSIDE = ("nsenter", f"--net=/run/netns/{NAMESPACE}")  # not `ip netns exec`: that mounts another /sys, without control groups
SOCKET = RUN / "containerd.sock"
measured = []  # lines for the end of a run, conftest.py
# Made by these programs, wherever they are told to live. What was there before stays.
FOLDERS = ("/run/containerd", "/var/lib/kubelet", "/var/lib/cni", "/usr/libexec/kubernetes", "/var/log/containers")

# restrict_oom_score_adj: root without CAP_SYS_RESOURCE may not lower the score of a pod's first process.
CONTAINERD = f"""
version = 2
root = "{RUN}/containerd/root"
state = "{RUN}/containerd/state"
[grpc]
  address = "{SOCKET}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{RUN}/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{image.PAUSE}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{RUN}/cni"
"""
NETWORK = {
    "cniVersion": "0.4.0", "name": NAMESPACE, "plugins": [
        {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": False, "hairpinMode": True,
         "ipam": {"type": "host-local", "dataDir": f"{RUN}/addresses", "ranges": [[{"subnet": "10.244.0.0/24"}]],
                  "routes": [{"dst": "0.0.0.0/0"}]}},
        {"type": "portmap", "capabilities": {"portMappings": True}}]}
# syncFrequency: how soon a pod sees that a ConfigMap has changed (a minute by default).
KUBELET = {
    "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", "cgroupDriver": "cgroupfs", "failSwapOn": False,
    "failCgroupV1": False, "containerRuntimeEndpoint": f"unix://{SOCKET}", "syncFrequency": "2s",
    "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}}, "authorization": {"mode": "AlwaysAllow"},
    "clusterDomain": "cluster.local", "clusterDNS": ["10.96.0.2"], "imageGCHighThresholdPercent": 100,
    "evictionHard": {"memory.available": "50Mi", "nodefs.available": "0%", "imagefs.available": "0%"},
    "enforceNodeAllocatable": [], "podLogsDir": f"{RUN}/pod-logs", "volumePluginDir": f"{RUN}/volume-plugins",
}


def run(*command, check=True, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return done


# What a node does, in namespaces that are gone afterwards: each line with the words for its failure.
NETWORK_TRIALS = (
    ("no bridge can be made", "ip link add trial0 type bridge"),
    ("no pair of interfaces can be made", "ip link add trial1 type veth peer name trial2"),
    ("no packets can be forwarded", "sysctl -qw net.ipv4.ip_forward=1"),
    ("iptables has no table nat", "! command -v iptables >/dev/null || iptables -t nat -L -n >/dev/null"))
CRATE = "https://index.crates.io/bo/ri/boring-sys"  # of the index, as cargo asks for it
OVERLAY_TRIAL = ("no overlay file system can be mounted below {folder}",
                 "mkdir -p lower upper work all && mount -t overlay trial -o lowerdir=lower,upperdir=upper,workdir=work all")


def control_groups_wrong():
    words = "there are none"
    for top in hierarchies():
        trial = top / f"weir-e2e-trial-{os.getpid()}"
        try:
            trial.mkdir()
            trial.rmdir()
            return None
        except OSError as error:
            words = f"{trial.parent}: {error.strerror}"
    return f"no control group can be made below /sys/fs/cgroup ({words})"


def overlay_wrong():
    """Where the images are (image.py) and where containerd has its own."""
    words, script = OVERLAY_TRIAL
    for place in (CACHE, pathlib.Path("/run")):
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place) as folder:
            done = run("unshare", "--mount", "sh", "-c", script, check=False, cwd=folder)
        if done.returncode != 0:
            return f"{words.format(folder=place)}: {done.stderr.strip()}"
    return None


def crates_wrong():
    """The image is built with a crate's source (deploy/boringssl.sh), once."""
    if shutil.which("buildah") and image.present(image.WEIR):
        return None
    done = run("curl", "-sSf", "--max-time", "60", "-o", "/dev/null", CRATE, check=False)
    return f"the image needs a crate, and {CRATE} cannot be had: {done.stderr.strip()}" if done.returncode else None


def machine_wrong():
    """Why this machine cannot be a node; None: it can."""
    if os.geteuid() != 0:
        return "this is not root"
    if run("unshare", "--net", "--mount", "true", check=False).returncode != 0:
        return "no network or mount namespace can be made"
    for words, script in NETWORK_TRIALS:
        done = run("unshare", "--net", "sh", "-c", script, check=False)
        if done.returncode != 0:
            return f"{words}: {done.stderr.strip()}"
    return control_groups_wrong() or overlay_wrong() or crates_wrong()


def require():
    """OutOfReach with what is missing, before anything is built."""
    wrong = machine_wrong()
    if wrong:
        raise OutOfReach(f"a Kubernetes node cannot run here: {wrong}")
    for group in ("node", "helm"):
        require_programs(group)


# ---- what is left of a node ----
def hierarchies():
    root = pathlib.Path("/sys/fs/cgroup")
    return [root] if (root / "cgroup.procs").exists() else [path for path in root.iterdir() if path.is_dir()]


def groups():
    """The control groups of pods, inner ones first. None were there before the node, see up()."""
    return [path for top in hierarchies() for path, _, _ in os.walk(top / "kubepods", topdown=False)]


def processes():
    """Those in the node's network namespace, and all in pods."""
    found = set()
    try:
        space = os.stat(f"/run/netns/{NAMESPACE}").st_ino
    except OSError:
        space = None
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "ns/net").stat().st_ino == space:
                found.add(int(entry.name))
        except OSError:
            continue  # gone
    for group in groups():
        try:
            found.update(int(line) for line in pathlib.Path(group, "cgroup.procs").read_text().split())
        except OSError:
            continue
    return found


def kill(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def wait(what, condition, seconds=180):
    return wait_until(what, condition, seconds, pause=0.05)


def ended():
    left = processes()
    kill(left)
    return not left


def mounts():
    return [line.split()[1] for line in pathlib.Path("/proc/mounts").read_text().splitlines()
            if line.split()[1].startswith(f"{RUN}/")]


def down():
    """Nothing is there afterwards, however it was left. Harmless when nothing was."""
    if not RUN.exists():
        return
    wait("the node's processes are gone", ended)
    for path in sorted(mounts(), reverse=True):
        run("umount", "--lazy", path, check=False)
    for group in groups():
        os.rmdir(group)
    for folder in json.loads((RUN / "folders.json").read_text()):
        shutil.rmtree(folder, ignore_errors=True)
    run("ip", "netns", "del", NAMESPACE, check=False)
    assert not mounts(), f"still mounted: {mounts()}"
    shutil.rmtree(RUN)


class Node(Cluster):
    """cluster.py's, in a namespace of its own, with pods. stop() takes all away."""
    inside = INSIDE
    address = "0.0.0.0"
    names = ("DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:localhost,IP:127.0.0.1,"
             f"IP:{ADDRESS},IP:10.96.0.1")
    api_flags = ("--allow-privileged=true", "--kubelet-preferred-address-types=InternalIP")

    def __init__(self):
        require()
        self.lock = open("/run/weir-e2e.lock", "w")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SystemExit("another node of these tests runs on this machine")
        down()
        if groups():
            raise SystemExit("this machine is a Kubernetes node already: there are pods in /sys/fs/cgroup")
        RUN.mkdir()
        (RUN / "folders.json").write_text(json.dumps([folder for folder in FOLDERS if not os.path.exists(folder)]))
        try:
            self.network()
            super().__init__(RUN)
            self.controllers()
            self.containerd()
            self.kubelet()
        except BaseException:
            self.stop()
            raise

    def network(self):
        """Debian's kernels may lack dummy interfaces; a bridge without ports has an address as well."""
        run("ip", "netns", "add", NAMESPACE)
        for command in (["link", "set", "lo", "up"], ["link", "add", "node0", "type", "bridge"],
                        ["addr", "add", f"{ADDRESS}/24", "dev", "node0"], ["link", "set", "node0", "up"],
                        ["route", "add", "default", "via", "198.18.0.1", "dev", "node0"]):
            self.run("ip", *command)
        self.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.route_localnet=1")

    def run(self, *command, check=True, **options):
        """A command on the node."""
        return run(*INSIDE, *command, check=check, **options)

    def program(self, name, *flags):
        self.start(name, CACHE / "bin" / name, f"--kubeconfig={RUN}/admin.kubeconfig", *flags)

    def controllers(self):
        self.program("kube-controller-manager", "--service-account-private-key-file=sa.key", "--root-ca-file=ca.crt",
                     "--allocate-node-cidrs", "--cluster-cidr=10.244.0.0/16", "--use-service-account-credentials",
                     "--leader-elect=false", "--cluster-signing-cert-file=ca.crt", "--cluster-signing-key-file=ca.key")
        self.program("kube-scheduler", "--leader-elect=false")
        self.program("kube-proxy", f"--hostname-override={NAME}", "--proxy-mode=iptables", "--conntrack-max-per-core=0",
                     "--cluster-cidr=10.244.0.0/16")

    def containerd(self):
        (RUN / "cni").mkdir()
        (RUN / "cni/10-pods.conflist").write_text(json.dumps(NETWORK))
        (RUN / "containerd.toml").write_text(CONTAINERD)
        self.start("containerd", "containerd", "--config", RUN / "containerd.toml")
        wait("containerd answers", lambda: self.ctr("version", check=False).returncode == 0)
        for name in (image.PAUSE, image.WEIR):
            self.ctr("images", "import", image.archive(name))

    def ctr(self, *arguments, check=True):
        return run("ctr", "--address", SOCKET, "--namespace", "k8s.io", *arguments, check=check)

    def kubelet(self):
        (RUN / "kubelet.json").write_text(json.dumps(KUBELET))
        self.program("kubelet", f"--config={RUN}/kubelet.json", f"--root-dir={RUN}/kubelet", f"--node-ip={ADDRESS}",
                     f"--hostname-override={NAME}")

        def ready():
            done = self.kubectl("get", "node", NAME, "-o", "jsonpath={.status.conditions[?(@.type=='Ready')].status}", check=False)
            return done.stdout == "True"
        wait("the node is ready", ready)
        wait("pods get an account", lambda: self.kubectl("get", "serviceaccount", "default", check=False).returncode == 0)

    def helm(self, *arguments, check=True):
        return self.run(CACHE / "bin/helm", *arguments, "--kubeconfig", RUN / "admin.kubeconfig", check=check)

    def stop(self):
        for process in getattr(self, "processes", {}).values():
            process.kill()
            process.wait()
        down()
        self.lock.close()


def main(verb, *arguments):
    if verb == "can":
        require()
    elif verb == "build":
        require()
        build("node")
        build("helm")
        image.build()
    elif verb == "up":
        Node()
    elif verb == "down":
        down()
    elif verb in ("kubectl", "helm"):
        os.execvp(INSIDE[0], [*INSIDE, str(CACHE / "bin" / verb), f"--kubeconfig={RUN}/admin.kubeconfig", *arguments])
    elif verb == "exec":
        os.execvp(INSIDE[0], [*INSIDE, *arguments])
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    try:
        main(*(sys.argv[1:] or ["help"]))
    except OutOfReach as reason:
        print(reason.why, file=sys.stderr, flush=True)
        raise
