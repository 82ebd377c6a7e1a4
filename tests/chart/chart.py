"""Renders the chart with the helm of the cache, for test_chart.py here and for tests/e2e."""
import pathlib
import subprocess
import sys

import yaml

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CHART, VALUES, GOLDEN = ROOT / "helm/weir", HERE / "values", HERE / "golden"
sys.path.insert(1, str(ROOT / "tests/e2e"))

from programs import CACHE  # noqa: E402

ALONE = ("hostnetwork", "hostnetwork-root", "file", "namespaced", "secrets", "low-ports", "everything")  # without base.yaml
NAMES = sorted(path.stem for path in VALUES.glob("*.yaml"))


def helm(*arguments, check=True):
    done = subprocess.run([str(CACHE / "bin/helm"), *map(str, arguments)], capture_output=True, text=True, timeout=60)
    assert not check or done.returncode == 0, f"helm {arguments}: {done.stderr}"
    return done


def values(name):
    """The files that belong to a name of VALUES, as helm's flags."""
    names = [name] if name in ("base", *ALONE) else ["base", name]
    return [argument for each in names for argument in ("-f", VALUES / f"{each}.yaml")]


def render(name=None, *more, release="weir", namespace="edge"):
    """The text that helm makes of the chart."""
    return helm("template", release, CHART, "-n", namespace, *(values(name) if name else []), *more).stdout


def objects(text):
    return [document for document in yaml.safe_load_all(text) if document]


def of_kind(text, *kinds):
    return [document for document in objects(text) if document["kind"] in kinds]


def pod(text):
    """The pod spec of the one workload."""
    (workload,) = of_kind(text, "DaemonSet", "Deployment")
    return workload["spec"]["template"]["spec"]


def container(text):
    (container,) = pod(text)["containers"]
    return container
