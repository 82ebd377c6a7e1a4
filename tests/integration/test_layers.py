"""Routing in layers (parentRefs): parents' middlewares run, then children are matched on the request as it is by then."""
import copy
import subprocess

import pytest

from conftest import BINARY
from ports import free_port
from proxying import server  # noqa: F401 a fixture
from rawhttp import answer_all, connect, get
from routing import balancer, routed  # noqa: F401 fixtures

pytestmark = pytest.mark.usefixtures("server", "routed")

ROUTERS = {
    "parent": {"rule": "Host(`a.test`) && PathPrefix(`/api`)", "middlewares": ["strip", "mark"]},
    "child": {"rule": "PathPrefix(`/one`)", "service": "one", "parentRefs": ["parent"], "middlewares": ["own"]},
    "middle": {"rule": "PathPrefix(`/deep`)", "parentRefs": ["parent@file"], "middlewares": ["own"]},
    "leaf": {"rule": "Header(`X-By`, `parent`) && Header(`X-Own`, `yes`) && Path(`/deep/x`)", "service": "two", "parentRefs": ["middle"]},
    "plain": {"rule": "Host(`a.test`)", "service": "two"},
}
MIDDLEWARES = {
    "strip": {"stripPrefix": {"prefixes": ["/api"]}},
    "mark": {"headers": {"customRequestHeaders": {"X-By": "parent"}, "customResponseHeaders": {"X-Answer": "parent"}}},
    "own": {"headers": {"customRequestHeaders": {"X-Own": "yes"}, "customResponseHeaders": {"X-Child": "own"}}},
}


@pytest.fixture
def http(server):
    return {"routers": copy.deepcopy(ROUTERS), "middlewares": copy.deepcopy(MIDDLEWARES),
            "services": {name: balancer(server(answer_all(name.encode()))) for name in ("one", "two")}}


def ask(proxied, path, *fields, **kw):
    client = proxied.connect()
    client.send(get(path, *fields, **kw))
    return client.response()


def test_children_are_matched_behind_the_middlewares(http, routed):
    proxied = routed(http)
    for path, status, body, child in (("/api/one/x", 200, b"one", "own"), ("/api/deep/x", 200, b"two", "own"),
                                      ("/api/deep/y", 404, b"404 page not found\n", "own"),
                                      ("/api/other", 404, b"404 page not found\n", None)):
        answer = ask(proxied, path)
        assert (answer.status, answer.body, answer.get("x-child"), answer.get("x-answer")) == (status, body, child, "parent"), path
    answer = ask(proxied, "/one")  # not below /api: no parent, so no child
    assert (answer.status, answer.body, answer.get("x-answer")) == (200, b"two", None)
    assert ask(proxied, "/one", host="b.test").status == 404


def test_what_the_server_gets(http, server, routed):
    asked = server()
    http["services"]["one"] = balancer(asked)
    ask(routed(http), "/api/one/x")
    request = asked.requests[0]
    assert request.line == "GET /one/x HTTP/1.1"
    assert (request.get("x-by"), request.get("x-own"), request.get("x-forwarded-prefix")) == ("parent", "yes", "/api")


def test_one_connection_changes_its_child_with_the_configuration(http, routed):
    proxied = routed(http, workers=2)
    client = connect(proxied.port)
    client.send(get("/api/one"))
    assert client.response().body == b"one"
    http["routers"]["child"]["service"] = "two"
    proxied.change(http)
    client.send(get("/api/one"))
    assert client.response().body == b"two"


def test_a_parent_on_two_entry_points(http, routed):
    """Each has options of its own, so there are two parents; the child is one, with one count for its limit."""
    http["middlewares"]["limit"] = {"rateLimit": {"average": 1, "burst": 1, "period": "1h"}}
    http["routers"]["child"]["middlewares"] = ["limit"]
    http["routers"]["parent"]["entryPoints"] = ["web", "other"]
    port = free_port()
    proxied = routed(http, f"--entryPoints.other.address=127.0.0.1:{port}", "--entryPoints.other.http.middlewares=own@file")
    assert ask(proxied, "/api/one").status == 200
    client = connect(port)
    client.send(get("/api/one"))
    answer = client.response()
    assert (answer.status, answer.get("x-child")) == (429, "own")


def test_explain_shows_the_way(http, routed):
    proxied = routed(http)
    said = subprocess.run([BINARY, "explain", "--entryPoints.web.address=:18000", f"--providers.file.filename={proxied.path}", "GET",
                           "http://a.test:18000/api/one"], capture_output=True, text=True, check=True).stdout
    assert "router         parent@file" in said and "child router   none" in said  # the prefix is not stripped here
    assert "PathPrefix(`/one`) does not match path \"/api/one\"" in said
