"""The live source against an API server that a test directs (api_server.py): what a real one does seldom."""
import re
import socket
import subprocess
import time

import pytest

import api_server
from api_server import GROUPS, LISTS, api  # noqa: F401 a fixture
from board import Board
from conftest import BINARY, DEADLINE, curl, free_port, quick_get, wait_port, wait_until

ROUTES, SERVICES = GROUPS["IngressRoute"], GROUPS["Service"]
TCP_ROUTES = "/apis/traefik.io/v1alpha1/ingressroutetcps"
ALL_KINDS = {*LISTS, *(f"/apis/{group}/v1alpha1/{kind}" for group in ("traefik.io", "traefik.containo.us") for kind in (
    "ingressroutes", "ingressroutetcps", "ingressrouteudps", "middlewares", "middlewaretcps", "traefikservices", "serverstransports",
    "serverstransporttcps", "tlsoptions", "tlsstores"))}
TOKEN = "s3cret-token"


@pytest.fixture
def cluster_weir(api, weir):
    def start(*args, **options):
        return weir(f"--providers.kubernetesCRD.endpoint={api.url}", f"--providers.kubernetesCRD.token={TOKEN}", *args,
                    env={"KUBECONFIG": "", "KUBERNETES_SERVICE_HOST": ""}, **options)
    return start


def service(backend, name="app"):
    """A Service and its EndpointSlice."""
    return ({"kind": "Service", "metadata": {"name": name}, "spec": {"clusterIP": "10.96.0.9", "ports": [{"port": 80}]}},
            {"kind": "EndpointSlice", "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
             "addressType": "IPv4", "ports": [{"port": backend.port}],
             "endpoints": [{"addresses": [backend.host], "conditions": {"ready": True}}]})


def route(name, host=None, **metadata):
    return {"kind": "IngressRoute", "metadata": {"name": name, **metadata},
            "spec": {"routes": [{"match": f"Host(`{host or name + '.test'}`)", "services": [{"name": "app", "port": 80}]}]}}


def serves(program, host, status=200):
    wait_until(f"{host} answers {status}", lambda: quick_get(program.ports["web"], host=host).status == status)


def published(program):
    """The number of the last generation: on the board at once, in the log later."""
    return Board(program.pid).published()


def test_pages_are_put_together_and_the_token_is_shown_to_the_server_only(api, cluster_weir, whoami):
    api.page = 3
    api.put(*service(whoami()), *(route(f"r{i}") for i in range(8)))
    program = cluster_weir()
    for i in range(8):
        assert curl(program.ports["web"], host=f"r{i}.test").status == 200
    pages = [q for p, q, _ in api.requests if p == ROUTES and "watch" not in q]
    assert [q.get("continue") for q in pages] == [None, "3", "6"] and {q["limit"] for q in pages} == {"500"}
    assert {h["Authorization"] for _, _, h in api.requests} == {f"Bearer {TOKEN}"}
    assert TOKEN not in program.log()


def test_a_user_that_the_server_does_not_know_is_said_once(api, cluster_weir, whoami):
    """Not for each of the kinds: until a token or certificate is taken, which are read anew each time."""
    api.put(*service(whoami()), route("app"))
    for path in ALL_KINDS:
        api.refuse[path] = [(401, "Unauthorized")] * 10000
    program = cluster_weir(wait=False)
    wait_until("all were asked for twice", lambda: len(api.requests) > 2 * len(ALL_KINDS))
    program.wait_log(r"WRN API server 127\.0\.0\.1 \(option endpoint\): .* 401: Unauthorized: it does not take the token or certificate")
    assert program.log().count("answers 401") == 1
    api.refuse.clear()
    program.wait_log(r"INF API server 127\.0\.0\.1 answers again")
    serves(program, "app.test")


def test_a_page_that_has_expired_begins_the_list_anew(api, cluster_weir, whoami):
    api.page = 3
    api.put(*service(whoami()), *(route(f"r{i}") for i in range(8)))
    api.refuse[ROUTES] = [None, (410, "the provided continue parameter is too old")]
    program = cluster_weir()
    assert curl(program.ports["web"], host="r7.test").status == 200
    pages = [q.get("continue") for p, q, _ in api.requests if p == ROUTES and "watch" not in q]
    assert pages == [None, "3", None, "3", "6"]


def test_a_page_that_breaks_off_is_asked_for_again(api, cluster_weir, whoami):
    api.page = 3
    api.put(*service(whoami()), *(route(f"r{i}") for i in range(8)))
    program = cluster_weir()
    seen, before = len(api.wait_watch(ROUTES)), published(program)
    with api.lock:
        asked = len(api.requests)
        api.cut.add(ROUTES)
    api.send(ROUTES, {"type": "ERROR", "object": {"code": 410}})
    api.wait_watch(ROUTES, seen)
    pages = [q.get("continue") for p, q, _ in api.requests[asked:] if p == ROUTES and "watch" not in q]
    assert pages == [None, None, "3", "6"]
    api.put(route("late"))
    serves(program, "late.test")
    assert published(program) == before + 1
    for i in range(8):
        assert curl(program.ports["web"], host=f"r{i}.test").status == 200


def test_a_page_that_is_refused_begins_the_list_anew(api, cluster_weir, whoami):
    api.page = 3
    api.put(*service(whoami()), *(route(f"r{i}") for i in range(5)))
    api.refuse[ROUTES] = [None, (400, "continue key is not valid")]
    program = cluster_weir()
    for i in range(5):
        serves(program, f"r{i}.test")
    assert [q.get("continue") for p, q, _ in api.requests if p == ROUTES and "watch" not in q] == [None, "3", None, "3"]


def test_a_watch_goes_on_from_the_last_version_also_of_a_bookmark(api, cluster_weir, whoami):
    api.put(*service(whoami()), route("a"))
    program = cluster_weir()
    first = api.wait_watch(ROUTES)
    assert first[0]["resourceVersion"] == str(api.version) and first[0]["allowWatchBookmarks"] == "true"
    assert 300 <= int(first[0]["timeoutSeconds"]) < 600
    api.send(ROUTES, {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "777"}}})
    api.send(ROUTES, None)
    assert api.wait_watch(ROUTES, 1)[-1]["resourceVersion"] == "777"
    assert api.lists.count(ROUTES) == 1
    serves(program, "a.test")


@pytest.mark.parametrize("how", ["event", "status"])
def test_a_version_too_old_means_a_list_that_changes_only_what_changed(api, cluster_weir, whoami, how):
    api.put(*service(whoami()), route("stays"), route("goes"), route("moves"))
    program = cluster_weir()
    api.wait_watch(ROUTES)
    before = published(program)
    api.put(route("comes"), route("moves", "moved.test"), silent=True)
    api.remove("IngressRoute", "goes", silent=True)
    if how == "event":
        api.send(ROUTES, {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old resource version"}})
    else:
        api.refuse[ROUTES] = [(410, "too old resource version")]
        api.send(ROUTES, None)
    serves(program, "moved.test")
    serves(program, "comes.test")
    for host, status in (("stays.test", 200), ("goes.test", 404), ("moves.test", 404)):
        assert curl(program.ports["web"], host=host).status == status
    assert published(program) == before + 1
    at, _ = program.wait_log(rf"Configuration changed.*generation={before + 1}\b")
    assert "stays" not in program.lines[at]


def test_a_list_that_brings_nothing_new_publishes_nothing(api, cluster_weir, whoami):
    api.put(*service(whoami()), route("a"), route("b"))
    program = cluster_weir()
    before, mark = published(program), program.mark()
    seen = len(api.wait_watch(ROUTES))
    api.put(route("a", managedFields=[{"manager": "x"}], generation=7), silent=True)
    api.send(ROUTES, {"type": "ERROR", "object": {"kind": "Status", "code": 410}})
    api.wait_watch(ROUTES, seen)
    api.put(route("c"))
    serves(program, "c.test")
    assert published(program) == before + 1 and "c@kubernetescrd" not in "\n".join(program.lines[:mark])


def test_garbage_in_a_stream_costs_what_it_stands_for_only(api, cluster_weir, whoami):
    api.put(*service(whoami()), route("a"))
    program = cluster_weir()
    api.wait_watch(ROUTES)
    api.send(ROUTES, b'{"type":"ADDED","object":{"metadata":{"name":"nul","annotations":{"a":"\\u0000"}}}}\n')
    api.send(ROUTES, b'{"type":"NEWS","object":{}}\n')
    api.send(ROUTES, b'{"type":"ADDED","object":[1]}\n')
    api.send(ROUTES, {"type": "ADDED", "object": {"metadata": {"annotations": {"pad": "x" * (9 << 20)}, "name": "large"}}})
    api.put(route("b"))
    serves(program, "b.test")
    for words in ("a NUL character", 'unknown type "NEWS"', "is no object", "more than 8388608 are not read"):
        program.wait_log(re.escape(words))
    api.put(route("c"), silent=True)
    api.send(ROUTES, b"<html>")  # no stream of objects any more: begun anew
    program.wait_log(r"WRN watch ingressroutes\.traefik\.io: malformed answer: byte 0x3c")
    api.put(route("d"))
    serves(program, "d.test")
    serves(program, "a.test")


@pytest.mark.parametrize("spoilt", [410, b'{"type":"ERROR","object":{"code":410,"message":"too old"}}\n', b"<html>"])
def test_watches_that_fail_at_once_cost_lists_less_and_less_often(api, cluster_weir, whoami, spoilt):
    api.put(*service(whoami()), route("a"))
    api.spoilt[ROUTES] = spoilt
    program = cluster_weir()
    serves(program, "a.test")
    api.wait(lambda: api.lists.count(ROUTES) >= 7)
    times = api.times[ROUTES]
    assert times[-1] - times[0] >= 0.05 * (2 ** 6 - 1)  # half of each pause is certain
    del api.spoilt[ROUTES]
    api.put(route("b"))
    serves(program, "b.test")
    assert len(re.findall(r"WRN (watch|list) ingressroutes\.traefik\.io: ", program.log())) <= 1


def test_an_event_is_in_force_at_once_and_a_burst_is_throttled(api, cluster_weir, whoami):
    api.put(*service(whoami()), route("a"))
    program = cluster_weir("--providers.kubernetesCRD.throttleDuration=700ms")
    api.wait_watch(ROUTES)
    before = published(program)
    began = time.monotonic()
    for i in range(40):
        api.put(route(f"n{i}"))
    took = time.monotonic() - began
    serves(program, "n39.test")
    assert 1 <= published(program) - before <= 3 + took / 0.7


@pytest.mark.parametrize("code, said", [(500, "the API server answers 500: etcdserver"), (200, "what came is a Status and no list")])
def test_an_answer_that_is_no_list_keeps_what_is_known(api, cluster_weir, whoami, code, said):
    api.put(*service(whoami()), route("a"))
    program = cluster_weir()
    api.wait_watch(ROUTES)
    api.refuse[ROUTES] = [(code, "etcdserver: request timed out")] * 3
    mark = program.mark()
    api.send(ROUTES, {"type": "ERROR", "object": {"kind": "Status", "code": 410}})
    program.wait_log(rf"WRN list ingressroutes\.traefik\.io: {said}", mark)
    assert curl(program.ports["web"], host="a.test").status == 200
    api.put(route("b"))
    serves(program, "b.test")
    assert len([line for line in program.lines[mark:] if said in line]) == 1


# ---- stateDir ----
def kept(path):
    return path.read_text() if path.exists() else ""


def ask_ready(port):
    answer = quick_get(port, "/ready")
    return answer.status, answer.body


def test_what_was_kept_is_served_while_the_api_server_is_away_at_the_start(api, cluster_weir, whoami, tmp_path):
    state = tmp_path / "state"
    file = state / "kubernetes" / "kubernetescrd.jsonl"
    args = ["--ping", f"--entryPoints.traefik.address=127.0.0.1:{(ping := free_port())}", f"--stateDir={state}"]
    secret = {"kind": "Secret", "metadata": {"name": "cert"}, "data": {"tls.crt": "Y2FuYXJ5", "tls.key": "Y2FuYXJ5"}}
    private = route("private")
    private["spec"]["tls"] = {"secretName": "cert"}
    api.put(*service(whoami()), route("a"), private, secret)
    program = cluster_weir(*args)
    wait_until("it is kept", lambda: "private.test" in kept(file))
    api.wait_watch(ROUTES)
    api.put(route("b"))
    wait_until("the change is kept", lambda: "b.test" in kept(file))
    assert "Y2FuYXJ5" not in kept(file) and '"Secret"' not in kept(file)
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert ask_ready(ping) == (200, "ready\n") and "does not exist" not in program.log()
    assert program.stop() == 0

    api.leave()
    before = kept(file)
    program = cluster_weir(*args, wait=False)
    program.wait_log(r"WRN API server ")
    at, _ = program.wait_log(r"WRN Provider kubernetescrd: the API server has not answered: what was kept of it on "
                             r"20\d\d-\S+ \S+Z \(5 objects, no Secrets\) is served until it does")
    wait_until("it is ready", lambda: ask_ready(ping) == (200, "ready (stale)\n"))
    for host in ("a.test", "b.test"):
        assert curl(program.ports["web"], host=host).status == 200
    program.wait_log(r"WRN .*the Secret default/cert does not exist")
    program.wait_log("Configuration changed")
    assert len(re.findall("Configuration changed", program.log())) == 1, program.log()
    said = subprocess.run([BINARY, "status", "--pid", str(program.pid)], capture_output=True, text=True, timeout=DEADLINE)
    assert re.search(r"^provider +kubernetescrd: stale, of 20\d\d-", said.stdout, re.M), said
    assert ": ready (stale)\n" in said.stdout

    api.put(route("c"))
    api.remove("IngressRoute", "b")
    api.come()
    program.wait_log(r"INF Provider kubernetescrd: the API server has answered; what was kept of it is replaced", at)
    serves(program, "c.test")
    assert ask_ready(ping) == (200, "ready\n")
    assert [curl(program.ports["web"], host=host).status for host in ("a.test", "b.test")] == [200, 404]
    program.wait_log(r"Configuration changed.*routers: .*-c-")
    changes = [line for line in program.log().splitlines() if "Configuration changed" in line][1:]
    assert len(changes) == 1 and "-a-" not in changes[0], changes
    wait_until("what is new is kept", lambda: "c.test" in kept(file) and "b.test" not in kept(file))
    assert before != kept(file)


def file_route(path, backend):
    path.write_text("http: {routers: {r: {rule: 'Host(`file.test`)', service: s}}, "
                    f"services: {{s: {{loadBalancer: {{servers: [{{url: '{backend.url}'}}]}}}}}}}}")
    return f"--providers.file.filename={path}"


def test_who_waits_for_a_cluster_says_so_and_answers_nobody_else(api, cluster_weir, whoami, tmp_path):
    """Nor for ever, when the master that began to wait dies."""
    ping = free_port()
    backend = whoami()
    api.put(*service(backend), route("a"))
    api.leave()
    program = cluster_weir("--ping", f"--entryPoints.traefik.address=127.0.0.1:{ping}", file_route(tmp_path / "f.yml", backend), wait=False)
    wait_port(ping)
    for _ in range(2):
        wait_until("it says what it waits for", lambda: ask_ready(ping) == (503, "waiting for provider kubernetescrd\n"))
        assert curl(ping, "/ping").status == 200 and curl(ping, "/other").status == 404
        with socket.create_connection(("127.0.0.1", program.ports["web"])) as user:
            user.sendall(b"GET / HTTP/1.1\r\nHost: file.test\r\n\r\n")
            user.settimeout(0.2)
            try:
                assert user.recv(1) == b"H"
                program.wait_log("Configuration changed")  # on a machine that stood still for ten seconds
            except TimeoutError:
                pass
        program.kill_master()
    serves(program, "file.test")  # after ten seconds
    assert ask_ready(ping) == (503, "waiting for provider kubernetescrd\n") and curl(ping, "/ping").status == 200
    api.come()
    serves(program, "a.test")
    wait_until("it is ready", lambda: ask_ready(ping) == (200, "ready\n"))


def test_a_damaged_file_is_named_and_passed_over(api, cluster_weir, whoami, tmp_path):
    folder = tmp_path / "kubernetes"
    folder.mkdir(mode=0o700)
    (folder / "kubernetescrd.jsonl").touch(mode=0o600)
    (folder / "kubernetescrd.jsonl").write_text("garbage\n")
    api.put(*service(whoami()), route("a"))
    api.leave()
    program = cluster_weir(f"--stateDir={tmp_path}", file_route(tmp_path / "dynamic.yml", whoami()), wait=False)
    program.wait_log(rf"ERR Provider kubernetescrd: .* cannot be used: {re.escape(str(folder))}/kubernetescrd\.jsonl: line 1: ")
    serves(program, "file.test")
    assert "INF Ready" not in program.log()
    api.come()
    serves(program, "a.test")
    wait_until("it is replaced", lambda: "a.test" in kept(folder / "kubernetescrd.jsonl"))


def test_a_folder_open_to_others_is_not_written_to_and_serving_goes_on(api, cluster_weir, whoami, tmp_path):
    folder = tmp_path / "kubernetes"
    folder.mkdir()
    folder.chmod(0o755)
    api.put(*service(whoami()), route("a"))
    program = cluster_weir(f"--stateDir={tmp_path}")
    program.wait_log(rf"ERR stateDir: {re.escape(str(folder))}/kubernetescrd\.jsonl: kubernetes: is open to others \(mode 0755\)")
    serves(program, "a.test")
    assert list(folder.iterdir()) == []


def test_secrets_of_ingresses_are_asked_for(api, weir, whoami):
    ingress = {"kind": "Ingress", "metadata": {"name": "a"},
               "spec": {"tls": [{"secretName": "cert"}], "rules": [{"host": "a.test", "http": {"paths": [
                   {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "app", "port": {"number": 80}}}}]}}]}}
    api.put(*service(whoami()), ingress,
            {"kind": "Secret", "metadata": {"name": "cert"}, "data": {"tls.crt": "YQ==", "tls.key": "YQ=="}})
    program = weir(f"--providers.kubernetesIngress.endpoint={api.url}", f"--providers.kubernetesIngress.token={TOKEN}",
                   env={"KUBECONFIG": "", "KUBERNETES_SERVICE_HOST": ""})
    serves(program, "a.test")
    assert [q["fieldSelector"] for q in api.wait_watch(GROUPS["Secret"])] == ["metadata.name=cert"]
    assert "does not exist" not in program.log()


def test_a_secret_that_nobody_names_any_more_is_dropped(api, cluster_weir, whoami):
    path, private = GROUPS["Secret"], route("private")
    private["spec"]["tls"] = {"secretName": "cert"}
    api.put(*service(whoami()), private, {"kind": "Secret", "metadata": {"name": "cert"}, "data": {"tls.crt": "YQ==", "tls.key": "YQ=="}},
            {"kind": "Secret", "metadata": {"name": "other"}, "data": {"a": "Y2FuYXJ5"}})
    program = cluster_weir()
    assert [query["fieldSelector"] for query in api.wait_watch(path)] == ["metadata.name=cert"]
    api.put(route("private"))
    serves(program, "private.test")

    def unwatched():
        api.send(path, b" ")  # a watch whose reader is gone is noticed when it is written to
        return all(watch.path != path for watch in api.watches)
    wait_until("nobody watches it any more", unwatched)
    assert {query.get("fieldSelector") for where, query, _ in api.requests if where == path} == {"metadata.name=cert"}


@pytest.mark.parametrize("code", [429, 503])
def test_an_overloaded_server_is_asked_no_sooner_than_it_wants(api, cluster_weir, whoami, code):
    api.put(*service(whoami()), route("a"))
    api.refuse[ROUTES] = [(code, "too many requests", 2)]
    program = cluster_weir()
    serves(program, "a.test")
    first, second = api.times[ROUTES][:2]
    assert second - first >= 2


def endpoints(backend, name="app"):
    return {"kind": "Endpoints", "metadata": {"name": name},
            "subsets": [{"addresses": [{"ip": backend.host}], "ports": [{"port": backend.port}]}]}


@pytest.mark.parametrize("how", ["missing", "forbidden"])
def test_endpoints_stand_in_for_endpoint_slices(api, cluster_weir, whoami, how):
    """They are asked for only as long as those cannot be read."""
    old, new = whoami("old"), whoami("new")
    slices = GROUPS["EndpointSlice"]
    if how == "missing":
        api.gone.add(slices)
    else:
        api.refuse[slices] = [(403, "endpointslices is forbidden")] * 1000
    api.put(*service(new), endpoints(old), route("a"))
    program = cluster_weir()
    wait_until("the Endpoints are used", lambda: "Name: old" in quick_get(program.ports["web"], host="a.test").body)
    program.wait_log(r"WRN endpointslices\.discovery\.k8s\.io: the API server does")
    assert not re.search(r"WRN endpoints[:.]", program.log())
    api.gone.discard(slices)
    api.refuse.pop(slices, None)
    wait_until("the EndpointSlices are used", lambda: "Name: new" in quick_get(program.ports["web"], host="a.test").body)

    def unwatched():
        api.send(GROUPS["Endpoints"], b" ")  # a watch whose reader is gone is noticed when it is written to
        return all(watch.path != GROUPS["Endpoints"] for watch in api.watches)
    wait_until("nobody watches Endpoints any more", unwatched)


def test_endpoints_are_not_asked_for_beside_endpoint_slices(api, cluster_weir, whoami):
    api.put(*service(whoami()), route("a"))
    program = cluster_weir()
    serves(program, "a.test")
    assert GROUPS["Endpoints"] not in api.times


def forbid(api, *kinds):
    """From now on, whoever asks for them is refused; all kinds when none is named. permit() ends it."""
    for path in [GROUPS[kind] for kind in kinds] or ALL_KINDS:
        api.refuse[path] = [(403, "forbidden: this user cannot list resource")] * 10000


def permit(api):
    api.refuse.clear()


BLIND = r"ERR The API server \S+ permits this user to read {}: it is taken for one that has not answered"


@pytest.mark.parametrize("kinds, words", [
    ((), "no objects with routes"), (("IngressRoute",), "no objects with routes"), (("IngressRoute", "but not those of TCP"), None),
])
def test_who_may_not_read_what_routes_are_made_of_is_not_ready(api, cluster_weir, whoami, monkeypatch, kinds, words):
    """Else a roll-out that lost its rights would replace pods that serve by pods that know nothing."""
    ping = free_port()
    api.put(*service(whoami()), route("a"))
    if words is None:
        api.objects[TCP_ROUTES], kinds = {}, kinds[:1]
        monkeypatch.setattr(api_server, "LISTS", {*LISTS, TCP_ROUTES})
    forbid(api, *kinds)
    program = cluster_weir("--ping", f"--entryPoints.traefik.address=127.0.0.1:{ping}", wait=False)
    wait_port(ping)
    if words is None:  # routes of other kinds may be read
        wait_until("it is ready", lambda: ask_ready(ping) == (200, "ready\n"))
        assert curl(program.ports["web"], host="a.test").status == 404
    else:
        program.wait_log(BLIND.format(words))
        wait_until("it waits", lambda: ask_ready(ping) == (503, "waiting for provider kubernetescrd\n"))
        assert "Configuration changed" not in program.log()
    permit(api)
    serves(program, "a.test")
    wait_until("it is ready", lambda: ask_ready(ping) == (200, "ready\n"))
    assert len(re.findall(BLIND.format(".*"), program.log())) == (0 if words is None else 1)


def test_rights_that_are_lost_while_the_master_is_replaced_cost_no_route(api, cluster_weir, whoami, tmp_path):
    """Nor do they cost what was kept of the API server."""
    state = tmp_path / "state" / "kubernetes" / "kubernetescrd.jsonl"
    api.put(*service(whoami()), route("a"))
    program = cluster_weir(f"--stateDir={tmp_path / 'state'}")
    wait_until("it is kept", lambda: "a.test" in kept(state))
    forbid(api)
    program.wait_log(BLIND.format("no objects with routes"), program.kill_master())
    assert curl(program.ports["web"], host="a.test").status == 200
    assert "a.test" in kept(state)
    permit(api)
    api.put(route("b"))
    serves(program, "b.test")
    assert curl(program.ports["web"], host="a.test").status == 200
