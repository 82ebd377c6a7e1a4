"""circuitBreaker: when it opens, for whom, for how long, and that it is one for all workers and over changes."""
import os
import signal
import threading

import pytest

from conftest import wait_until
from proxying import server  # noqa: F401 a fixture
from rawhttp import answer_each, get, ok
from routing import balancer, one_route, routed  # noqa: F401 fixtures

pytestmark = pytest.mark.usefixtures("server", "routed")

LONG = {"checkPeriod": "1ms", "fallbackDuration": "1h", "recoveryDuration": "1h"}


def breaker(expression, **options):
    return {"b": {"circuitBreaker": {"expression": expression, **options}}}


def ask(proxied, target="/x", **kw):
    client = proxied.connect()
    client.send(get(target, **kw))
    return client.response()


def answers():
    """/STATUS is answered with that status."""
    return answer_each(lambda request: ok(b"answer", status=f"{request.line.split()[1].strip('/')} Said"))


def opens(proxied, target, before=1):
    """After so many answers to that request; with several workers not before the one that had the last is done with it."""
    for _ in range(before):
        assert ask(proxied, target).body == b"answer"
    answer = ask(proxied, target)
    if proxied.workers > 1:
        wait_until("it is open", lambda: ask(proxied, target).status == 503)
        answer = ask(proxied, target)
    assert (answer.status, answer.body) == (503, b"Service Unavailable")


@pytest.mark.parametrize("expression, target", [
    ("ResponseCodeRatio(500, 600, 0, 600) > 0.5", "/500"),
    ("ResponseCodeRatio(404, 405, 400, 500) == 1.0 && RequestThreshold() > 0", "/404"),
    ("NetworkErrorRatio() >= 1.0", "/504"),
    ("RequestThreshold() >= 1", "/200"),
    ("LatencyAtQuantileMS(50.0) < 100000 && NetworkErrorRatio() < 0.1", "/200"),
])
def test_expressions(server, routed, expression, target):
    app = server(answers())
    proxied = routed(one_route(app, breaker(expression, **LONG)))
    opens(proxied, target)
    assert len(app.requests) == 1


def test_slow_clients_do_not_open_it(server, routed):
    app = server(answers())
    proxied = routed(one_route(app, breaker("ResponseCodeRatio(400, 600, 0, 600) > 0.1 || NetworkErrorRatio() > 0.1", **LONG)), read_timeout="1500ms")
    clients = [proxied.connect() for _ in range(5)]
    for client in clients:
        client.send(get("/200", "Content-Length: 5", method="POST"))
    assert {client.response().status for client in clients} == {408}
    assert ask(proxied, "/200").body == b"answer"


def test_it_stays_closed_while_the_expression_does_not_hold(server, routed):
    proxied = routed(one_route(server(answers()), breaker("ResponseCodeRatio(500, 600, 0, 600) > 0.5", checkPeriod="1ns")))
    for target in ("/200", "/500", "/200", "/500", "/404"):
        assert ask(proxied, target).body == b"answer"


def test_no_server(server, routed):
    dead = server()
    dead.close()
    proxied = routed(one_route(dead, breaker("NetworkErrorRatio() > 0.5", responseCode=418, **LONG)))
    assert ask(proxied).status == 502
    answer = ask(proxied)
    assert (answer.status, answer.body, answer.get("content-length")) == (418, b"I'm a teapot", "12")


def test_slow_answers(server, routed):
    go = threading.Event()

    def slow(peer, server):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\n")
        assert not go.wait(0.3)
        peer.send(b"answer")
    config = one_route(server(slow), breaker("LatencyAtQuantileMS(50.0) > 100000", **LONG))
    proxied = routed(config)
    assert ask(proxied).body == b"answer" and ask(proxied).body == b"answer"
    config["middlewares"] = breaker("LatencyAtQuantileMS(50.0) >= 250", **LONG)
    proxied.change(config)
    opens(proxied, "/x")


def test_clients_that_leave_count(server, routed):
    app = server(lambda peer, server: (server.requests.append(peer.request()), peer.rest()))
    proxied = routed(one_route(app, breaker("ResponseCodeRatio(499, 500, 0, 600) > 0.9", **LONG)))
    client = proxied.connect()
    client.send(get("/x"))
    wait_until("the server is asked", lambda: app.requests)
    client.reset()
    wait_until("it opens", lambda: ask_headless(proxied) == 503)


def ask_headless(proxied):
    """The status, or None when no answer comes: the client leaves."""
    client = proxied.connect()
    client.send(get("/x"))
    answered = not client.silent(0.1)
    status = client.response().status if answered else None
    client.reset()
    return status


def test_each_router_has_its_own_for_all_workers(server, routed):
    app = server(answers())
    config = one_route(app, breaker("NetworkErrorRatio() > 0.9", **LONG))
    config["routers"]["other"] = {"rule": "Host(`other.test`)", "service": "all", "middlewares": ["b"]}
    proxied = routed(config, workers=3)
    opens(proxied, "/502")
    for _ in range(12):
        assert ask(proxied, "/200").status == 503
        assert ask(proxied, "/200", host="other.test").status == 200


def test_it_stays_open_over_changes(server, routed):
    app = server(answers())
    config = one_route(app, {**breaker("NetworkErrorRatio() > 0.9", **LONG)})
    proxied = routed(config)
    opens(proxied, "/502")
    config["services"]["all"] = balancer(server(answers()))
    config["middlewares"]["b"]["circuitBreaker"]["responseCode"] = 429
    proxied.change(config)
    assert ask(proxied, "/200").status == 429
    config["middlewares"] = breaker("NetworkErrorRatio() > 0.8", **LONG)  # counts something else: another one
    proxied.change(config)
    assert ask(proxied, "/200").status == 200


def test_it_stays_open_when_workers_die(server, routed):
    proxied = routed(one_route(server(answers()), breaker("NetworkErrorRatio() > 0.9", **LONG)), workers=2)
    opens(proxied, "/502")
    mark = proxied.router.mark()
    for pid in proxied.pids:
        os.kill(pid, signal.SIGKILL)
    proxied.router.accepting(2, mark)
    assert [ask(proxied, "/200").status for _ in range(8)] == [503] * 8


def test_it_closes_again(server, routed):
    """Open, half open with ever more requests that pass, closed."""
    app = server(answers())
    config = one_route(app, breaker("NetworkErrorRatio() > 0.1", checkPeriod="1ms", fallbackDuration="1s", recoveryDuration="1s"))
    proxied = routed(config)
    opens(proxied, "/502")

    def passes():
        return ask(proxied, "/200").status == 200
    wait_until("one passes", passes)
    wait_until("all pass", lambda: all(passes() for _ in range(10)))
    wait_until("it opens anew", lambda: ask(proxied, "/502").body != b"answer")


def test_it_opens_again_while_half_open(server, routed):
    config = one_route(server(answers()), breaker("NetworkErrorRatio() > 0.9", checkPeriod="1ms", fallbackDuration="1ms", recoveryDuration="10s"))
    proxied = routed(config)
    opens(proxied, "/502")
    wait_until("one passes and fails", lambda: ask(proxied, "/502").body == b"answer")
    config["middlewares"]["b"]["circuitBreaker"]["fallbackDuration"] = "1h"
    proxied.change(config)
    wait_until("it is open for good", lambda: [ask(proxied, "/502").body for _ in range(50)].count(b"answer") == 0)


@pytest.mark.parametrize("options, words", [
    ({"expression": ""}, "expression: NetworkErrorRatio"),
    ({"expression": "LatencyAtQuantileMS(50) > 100"}, "a number with a point"),
    ({"expression": "NetworkErrorRatio() > 0.5", "responseCode": 101}, "responseCode: 101"),
])
def test_wrong_options_disable_the_router(server, routed, options, words):
    proxied = routed(one_route(server(answers()), {"b": {"circuitBreaker": options}}))
    assert ask(proxied, "/200").status == 404
    proxied.router.wait_log(words)
