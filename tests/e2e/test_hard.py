"""Nothing that happens to an API server hurts: deaths under load, compaction, rights and kinds that come and go, garbage.

WEIR_LONG=1 (`make e2e-long`) runs the long forms: a minute without the API server, every kind in turn.
"""
import http.client
import json
import os
import re
import signal
import subprocess
import time
import urllib.request

from cluster import KINDS, role
from conftest import common
from load import Load
from marathon import another_build
from test_live import generation, route, serves, service
from waiting import pass_time

LONG = bool(os.environ.get("WEIR_LONG"))
RIGHTS = ["services", "endpointslices", "nodes", *KINDS]


def etcd(cluster, path, body):
    request = urllib.request.Request(f"http://127.0.0.1:{cluster.etcd_port}/v3/kv/{path}", json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def away(cluster, seconds, meanwhile=lambda: None):
    """kill -9 of the API server; it comes again after at least that long."""
    cluster.kill_api()
    try:
        meanwhile()
        pass_time("the API server is away", seconds)
    finally:
        cluster.start_api()


def test_the_death_of_the_api_server_costs_no_request(cluster, cluster_weir, whoami):
    cluster.apply(service("app", whoami("v1")), route("app", "app.test", "app"))
    program = cluster_weir()
    serves(program, "app.test")
    before = generation(program)
    load = Load(program.ports["web"], host="app.test", fresh=2, kept=4, websockets=2)
    for _ in range(2):
        away(cluster, 60 if LONG else 0, lambda: program.wait_log("what is known stays in force"))
        mark, ready = program.mark(), time.monotonic()
        cluster.apply(route("late", "late.test", "app"))
        serves(program, "late.test")
        caught_up = time.monotonic() - ready
        program.wait_log("answers again")
        cluster.kubectl("delete", "ingressroutes.traefik.io", "late")
        serves(program, "late.test", 404)
        assert caught_up < 5 or not LONG, f"caught up after {caught_up:.1f} s"  # only an idle machine is measured
        assert len([line for line in program.log().splitlines()[mark:] if "Configuration changed" in line]) == 2
    load.stop()
    assert not load.problems, load.problems[:5]
    assert len(generation(program)) == len(before) + 4  # what did not change was not published anew


def test_a_version_that_etcd_has_compacted_away_is_listed_anew(cluster, cluster_weir, whoami):
    cluster.apply(service("app", whoami("v1")), route("app", "app.test", "app"))
    program = cluster_weir("--log.level=DEBUG")
    serves(program, "app.test")
    before = generation(program)

    def compact():
        etcd(cluster, "put", {"key": "cG9pbnQ=", "value": "MQ=="})  # so that the newest version is none that was seen
        revision = etcd(cluster, "range", {"key": "cG9pbnQ="})["header"]["revision"]
        etcd(cluster, "compaction", {"revision": revision, "physical": True})

    away(cluster, 0, compact)
    cluster.apply(route("more", "more.test", "app"))
    serves(program, "more.test")
    assert common.curl(program.ports["web"], host="app.test").status == 200
    assert len(generation(program)) == len(before) + 1


def test_each_kind_that_is_forbidden_is_off_alone(cluster, weir, whoami):
    """One weir for each kind, as a user who may not read it."""
    cluster.apply(service("app", whoami("v1")), route("app", "app.test", "app"))
    wanted = RIGHTS if LONG else ["endpointslices", "nodes", "middlewares", "tlsstores"]
    programs = {}
    for kind in wanted:
        cluster.apply(*role(RIGHTS, user=f"no-{kind}", without=kind))
        programs[kind] = weir("--providers.kubernetesCRD.allowExternalNameServices", wait=False, env={
            "KUBECONFIG": str(cluster.kubeconfig(f"no-{kind}", f"token-no-{kind}")), "KUBERNETES_SERVICE_HOST": ""})
    for kind, program in programs.items():
        words = rf"WRN {kind}[.a-z0-9]*: the API server does not permit this \(list is forbidden\): .*cannot list resource \"{kind}\""
        program.wait_log(words)
        if kind not in ("services", "ingressroutes"):
            serves(program, "app.test")
        assert len(re.findall(r"does not permit this", re.sub(r"INF .*", "", program.log()))) == 1
    for kind in wanted:
        cluster.apply(*role(RIGHTS, user=f"no-{kind}"))
    for kind, program in programs.items():
        program.wait_log(rf"INF {kind}[.a-z0-9]* can be read now")
        serves(program, "app.test")


def test_each_kind_that_is_removed_is_off_until_it_is_there_again(cluster, cluster_weir, whoami, tmp_path):
    backend = whoami("v1")
    (tmp_path / "f.yml").write_text("http: {routers: {f: {rule: 'Host(`f.test`)', service: s}}, services: {s: {loadBalancer: "
                                    f"{{servers: [{{url: '{backend.url}'}}]}}}}}}}}\n")
    cluster.apply(service("app", backend), route("app", "app.test", "app"))
    program = cluster_weir(f"--providers.file.filename={tmp_path}/f.yml")
    serves(program, "app.test")
    alone = [[kind] for kind in KINDS]
    for kinds in alone if LONG else [["ingressroutes"], [kind for kind in KINDS if kind != "ingressroutes"]]:
        mark = program.mark()
        cluster.kubectl("delete", "crd", *(f"{kind}.traefik.io" for kind in kinds))
        try:
            for kind in kinds:
                program.wait_log(rf"WRN {kind}\.traefik\.io: the API server does not have this kind \((list|watch) answers 404\)", mark)
            serves(program, "f.test")
            serves(program, "app.test", 404 if "ingressroutes" in kinds else 200)
        finally:
            cluster.install_crds(*kinds)
        for kind in kinds:
            program.wait_log(rf"INF {kind}\.traefik\.io can be read now", mark)
        if "ingressroutes" in kinds:
            cluster.apply(route("app", "app.test", "app"))
        serves(program, "app.test")
        said = "\n".join(program.log().splitlines()[mark:])
        assert [kind for kind in kinds if len(re.findall(rf"WRN {kind}\.", said)) != 1] == []


def garbage(number):
    """An IngressRoute that a server without a schema lets through, and that is none."""
    good = route("x", "x.test", "app")["spec"]["routes"][0]
    deep = {}
    for _ in range(60):
        deep = {"routes": deep}
    specs = ["text", 7, [], None, True, {}, {"routes": "text"}, {"routes": {}}, {"routes": [7]}, {"routes": [None]}, {"routes": [{}]},
             {"routes": [{**good, "match": 7}]}, {"routes": [{**good, "match": "Host(`a"}]}, {"routes": [{**good, "match": "\u0000Host(`a`)"}]},
             {"routes": [{**good, "priority": "high"}]}, {"routes": [{**good, "services": "app"}]}, {"routes": [{**good, "services": [{"name": 7}]}]},
             {"routes": [{**good, "services": [{"name": "app", "port": -1}]}]}, {"routes": [{**good, "middlewares": {"name": "m"}}]},
             {"routes": [good], "tls": "yes"}, {"routes": [good], "entryPoints": {"web": 1}}, {"routes": [{**good, "kind": "Ruler"}]},
             {"routes": [{**good, "servicess": []}]}, {"routes": deep}, {"routes": [{**good, "match": "Host(`" + "a" * 100000}]}]
    name = f"bad{number}"
    out = {"apiVersion": "traefik.io/v1alpha1", "kind": "IngressRoute", "metadata": {"name": name, "namespace": "default"}, "spec": specs[number % len(specs)]}
    if out["spec"] is None:
        del out["spec"]
    return out


def statuses(port, hosts):
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    out = {}
    for host in hosts:
        link.request("GET", "/", headers={"Host": host})
        answer = link.getresponse()
        answer.read()
        out[host] = answer.status
    link.close()
    return out


def test_garbage_among_a_thousand_objects_is_named_and_costs_nothing_else(cluster, cluster_weir, whoami):
    bad = [garbage(i) for i in range(100)]
    cluster.apply(service("app", whoami("v1")), *(route(f"r{i}", f"r{i}.test", "app") for i in range(900)))
    made = cluster.kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": bad}), check=False)
    names = set(re.findall(r"ingressroute\.traefik\.io/(bad\d+) created", made.stdout))
    assert len(names) >= 90, made.stderr[-2000:]  # a server refuses some of these by itself
    program = cluster_weir()
    good = [f"r{i}.test" for i in range(900)]
    assert {status for status in statuses(program.ports["web"], good).values()} == {200}
    done = subprocess.run([common.BINARY, "check", "--providers.kubernetesCRD.allowExternalNameServices", "--entryPoints.web.address=:80"],
                          env={"KUBECONFIG": str(cluster.kubeconfig("weir", "weirtoken")), "PATH": "/usr/bin"}, capture_output=True, text=True, timeout=120)
    said = set(re.findall(r"IngressRoute default/([a-z]+\d+)", done.stdout + done.stderr + program.log()))  # what cannot be read is in the log only
    assert sorted(said) == sorted(names) and done.returncode == 2
    for name in sorted(names)[:3]:  # garbage made good is served
        cluster.apply(route(name, f"{name}.test", "app"))
        serves(program, f"{name}.test")


def test_another_binary_takes_over_while_the_api_server_is_away(cluster, cluster_weir, whoami, tmp_path, monkeypatch):
    """SIGUSR2: what the old processes know is served on, and the new ones learn what is new."""
    path = tmp_path / "weir"
    binary = open(common.BINARY, "rb").read()
    path.write_bytes(binary)
    path.chmod(0o755)
    monkeypatch.setattr(common, "BINARY", str(path))
    cluster.apply(service("app", whoami("v1")), route("app", "app.test", "app"))
    program = cluster_weir("--log.level=INFO")
    serves(program, "app.test")
    load = Load(program.ports["web"], host="app.test", fresh=2, kept=4)

    def upgrade():
        part = tmp_path / "part"
        part.write_bytes(another_build(binary, 1))
        part.chmod(0o755)
        part.rename(path)
        program.wait_log("what is known stays in force")
        (old,) = program.children("master")
        mark = program.mark()
        os.kill(program.pid, signal.SIGUSR2)
        program.wait_log("Upgraded", mark)
        common.wait_until("another master", lambda: program.children("master") not in ([], [old]))
        program.wait_log(r"WRN API server .*cannot connect", mark)
        for _ in range(20):
            assert common.curl(program.ports["web"], host="app.test").status == 200

    away(cluster, 12, upgrade)  # a start where nothing is served yet waits 10 s
    cluster.apply(route("more", "more.test", "app"))
    serves(program, "more.test")
    load.stop()
    assert not load.problems, load.problems[:5]
