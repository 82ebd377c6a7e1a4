"""What the end-to-end tests run, built once from Go modules into a cache outside the tree (etcd is Debian's etcd-server).

    python3 tests/e2e/programs.py GROUP...        builds what is not there yet
    python3 tests/e2e/programs.py can GROUP...    whether it can be had here: it is there, or Go and its modules are

GROUP: api, node, helm, h2spec. The cache is WEIR_E2E_CACHE (default ~/.cache/weir-e2e); on two cores api takes about 12 minutes
the first time, node some more. Where Go or its modules are out of reach the status is 3 and the last line says why; 1 is
a build that failed.
"""
import glob
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
from waiting import pass_time  # noqa: E402

CACHE = pathlib.Path(os.environ.get("WEIR_E2E_CACHE", pathlib.Path.home() / ".cache/weir-e2e"))
KUBERNETES, STAGING = "v1.34.4", "v0.34.4"
HELM = "v3.19.0"
H2SPEC = "v2.2.1+incompatible"
GO_LEAST, GO_FETCHES = (1, 24), (1, 21)  # what the modules want; from the second on go gets itself a newer one
API = ("kube-apiserver", "kubectl")
NODE = (*API, "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet")
MODULES = {"api": "k8s.io/kubernetes", "node": "k8s.io/kubernetes", "helm": "helm.sh/helm/v3", "h2spec": "github.com/summerwind/h2spec"}
GROUPS = {"api": API, "node": NODE, "helm": ("helm",), "h2spec": ("h2spec",)}
OUT_OF_REACH = 3
TRIES = 3  # of what asks a network


class OutOfReach(SystemExit):
    """This machine cannot have it: no fault of the tree."""

    def __init__(self, why):
        super().__init__(OUT_OF_REACH)
        self.why = why


def missing(group):
    return [program for program in GROUPS[group] if not (CACHE / "bin" / program).exists()]


# ---- Go ----
def versions(go):
    """Its version, and whether it may fetch another one."""
    done = subprocess.run([go, "env", "GOVERSION", "GOTOOLCHAIN"], cwd="/", capture_output=True, text=True)
    lines = done.stdout.splitlines()
    found = re.match(r"go(\d+)\.(\d+)", lines[0] if lines else "")
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    return version, version >= GO_FETCHES and not lines[1].startswith("local")


def find_go():
    """The newest go of the PATH and of where its archive and its packages put it."""
    places = [shutil.which("go"), "/usr/local/go/bin/go", "/snap/bin/go", *glob.glob("/usr/lib/go*/bin/go"),
              *glob.glob(str(pathlib.Path.home() / "go/bin/go")), *glob.glob(str(pathlib.Path.home() / "sdk/go*/bin/go"))]
    found = [(*versions(path), path) for path in dict.fromkeys(places) if path and os.access(path, os.X_OK)]
    good = [(version, path) for version, fetches, path in found if version >= GO_LEAST or fetches]
    if good:
        return max(good)[1]
    least = ".".join(map(str, GO_LEAST))
    older = ", ".join(f"{path} is {version[0]}.{version[1]}" for version, _, path in found)
    raise OutOfReach(f"there is no Go {least} or later ({older or 'no go in the PATH nor in /usr/local/go/bin'}); https://go.dev/dl has one")


def ask_go(*arguments, **options):
    return subprocess.run([find_go(), *arguments], cwd="/", capture_output=True, text=True, **options)


def require(group):
    """OutOfReach when it neither is there nor can be built."""
    if not missing(group):
        return
    proxy = ask_go("env", "GOPROXY").stdout.strip()
    for _ in range(TRIES):
        try:
            done = ask_go("list", "-m", "-versions", MODULES[group], timeout=120)  # of no cache
        except subprocess.TimeoutExpired:
            words = "no answer within two minutes"
            continue
        if done.returncode == 0:
            return
        words = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no words"
    raise OutOfReach(f"{missing(group)[0]} is not there yet, and Go modules cannot be had from GOPROXY {proxy}: {words}")


def run_go(group, *arguments, cwd="/", **environment):
    """Some network may fail once; one that stays away is told from what cannot be compiled."""
    for tries in range(TRIES):
        done = subprocess.run([find_go(), *arguments], cwd=cwd, capture_output=True, text=True,
                              env={**os.environ, "CGO_ENABLED": "0", **environment})
        if done.returncode == 0:
            return done.stdout
        pass_time("in which a network may come back", 5 * tries)
    require(group)
    raise SystemExit(f"{done.stderr.strip()[-4000:]}\nprograms.py: `go {' '.join(arguments)}` failed")


# ---- what is built ----
def write_module(programs):
    """One of ours that has Kubernetes as a dependency: its own replaces what it is made of by folders."""
    folder = CACHE / "mod"
    folder.mkdir(parents=True, exist_ok=True)
    listed = run_go("api", "mod", "download", "-json", f"k8s.io/kubernetes@{KUBERNETES}")
    own = pathlib.Path(json.loads(listed)["Dir"], "go.mod").read_text()
    replaced = sorted(set(re.findall(r"(k8s\.io/[a-z-]+) => \./staging", own)))
    (folder / "go.mod").write_text("\n".join(
        ["module cluster", "go 1.24.0", f"require k8s.io/kubernetes {KUBERNETES}",
         *(f"replace {name} => {name} {STAGING}" for name in replaced)]) + "\n")
    (folder / "tools.go").write_text("//go:build tools\npackage tools\nimport (\n" + "".join(
        f' _ "k8s.io/kubernetes/cmd/{program}"\n' for program in programs) + ")\n")
    run_go("api", "mod", "tidy", cwd=folder)
    return folder


def say_built(name, began):
    print(f"built {name} in {time.monotonic() - began:.0f} s", flush=True)


def build_kubernetes(group):
    wanted = missing(group)
    if not wanted:
        return
    require(group)
    began = time.monotonic()
    print(f"building {', '.join(wanted)} {KUBERNETES} into {CACHE}: minutes", flush=True)
    folder = write_module(GROUPS[group])
    prefix = "-X k8s.io/component-base/version"
    flags = f"-s -w {prefix}.gitVersion={KUBERNETES} {prefix}.gitMajor=1 {prefix}.gitMinor={KUBERNETES.split('.')[1]}"
    print(f"modules are there after {time.monotonic() - began:.0f} s", flush=True)
    for program in wanted:
        began = time.monotonic()
        part = CACHE / "bin" / f".{program}"  # what is half written is not there
        run_go(group, "build", "-ldflags", flags, "-o", str(part), f"k8s.io/kubernetes/cmd/{program}", cwd=folder)
        part.rename(CACHE / "bin" / program)
        say_built(program, began)


def install(group, package, *flags):
    """A program that is a module of its own."""
    if not missing(group):
        return
    require(group)
    began = time.monotonic()
    run_go(group, "install", *flags, package, GOBIN=str(CACHE / "bin"))
    say_built(group, began)


def build_h2spec():
    install("h2spec", f"github.com/summerwind/h2spec/cmd/h2spec@{H2SPEC}")


def build_helm():
    """It renders for our Kubernetes where it asks no cluster."""
    minor = KUBERNETES.split(".")[1]
    flags = "-s -w" + "".join(f" -X helm.sh/helm/v3/pkg/{name}.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/{name}.k8sVersionMinor={minor}"
                              for name in ("chartutil", "lint/rules"))
    install("helm", f"helm.sh/helm/v3/cmd/helm@{HELM}", "-ldflags", flags)


def build(group):
    (CACHE / "bin").mkdir(parents=True, exist_ok=True)
    if group == "helm":
        build_helm()
    elif group == "h2spec":
        build_h2spec()
    else:
        build_kubernetes(group)


if __name__ == "__main__":
    wanted = sys.argv[1:]
    act = require if wanted[:1] == ["can"] else build
    groups = wanted[1:] if act is require else wanted
    if not groups or not set(groups) <= set(GROUPS):
        raise SystemExit(__doc__)
    try:
        for each in groups:
            act(each)
    except OutOfReach as reason:
        print(reason.why, file=sys.stderr, flush=True)
        raise
