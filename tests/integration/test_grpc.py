"""gRPC from end to end, a real client and a real server: over h2c and over TLS, on either side."""
import json
import queue
import threading

import grpc
import pytest

from conftest import free_port, wait_until
from grpckit import Echo, call, channel
from routing import routed  # noqa: F401 (fixture)
from tlskit import Maker

SECONDS = 20


@pytest.fixture
def echo():
    server = Echo()
    yield server
    server.close()


def everything_to(port, tls=False):
    routers = {"all": {"rule": "PathPrefix(`/`)", "service": "all", **({"tls": {}} if tls else {})}}
    return {"routers": routers, "services": {"all": {"loadBalancer": {"servers": [{"url": f"h2c://127.0.0.1:{port}"}]}}}}


@pytest.fixture
def router(routed, echo):
    return routed(everything_to(echo.port))


@pytest.fixture(params=["plain", "tls", "tls both sides"])
def client(request, weir, tmp_path):
    """A channel through weir; .echo is the server."""
    pair = Maker(tmp_path).own("a.test", ["DNS:a.test", "IP:127.0.0.1"])
    inside = request.param.endswith("sides") and grpc.ssl_server_credentials([(pair.key.read_bytes(), pair.crt.read_bytes())])
    echo = Echo(credentials=inside or None)
    tls = request.param != "plain"
    http = everything_to(echo.port, tls)
    if inside:
        http["services"]["all"]["loadBalancer"] = {"serversTransport": "st", "servers": [{"url": f"https://127.0.0.1:{echo.port}"}]}
        http["serversTransports"] = {"st": {"rootCAs": [str(pair.crt)]}}
    everything = {"http": http, "tls": {"certificates": [{"certFile": str(pair.crt), "keyFile": str(pair.key)}]}}
    (tmp_path / "dynamic.json").write_text(json.dumps(everything))
    port = weir(f"--providers.file.filename={tmp_path}/dynamic.json").ports["web"]
    with channel(port, grpc.ssl_channel_credentials(pair.crt.read_bytes()) if tls else None,
                 [("grpc.ssl_target_name_override", "a.test")] if tls else []) as made:
        made.echo = echo
        yield made
    echo.close()


def failure(made):
    with pytest.raises(grpc.RpcError) as info:
        made()
    return info.value


# ---- the four kinds ----

def test_unary(client):
    answer, done = call(client, "Unary").with_call(b"hello", metadata=(("x-own", "1"), ("x-raw-bin", b"\x00\x01")), timeout=SECONDS)
    assert answer == b"hello"
    assert dict(done.initial_metadata())["x-initial"] == "first"
    assert dict(done.trailing_metadata())["x-trailing"] == "last"
    assert dict(done.trailing_metadata())["x-binary-bin"] == b"\x00\xff"
    assert client.echo.metadata[0]["x-own"] == "1" and client.echo.metadata[0]["x-raw-bin"] == b"\x00\x01"


@pytest.mark.parametrize("size", [0, 100_000, 3_000_000])
def test_sizes(client, size):
    message = bytes(range(256)) * (size // 256)
    assert call(client, "Unary")(message, timeout=SECONDS) == message


def test_server_streaming(client):
    assert list(call(client, "Down")(b"500", timeout=SECONDS)) == [b"%d" % i for i in range(500)]


def test_client_streaming(client):
    assert call(client, "Up")(iter([b"a" * 1000] * 500), timeout=SECONDS) == b"a" * 500_000


def test_both_at_once(client):
    """Each message is answered before the next one is sent."""
    asked = queue.Queue()
    answers = call(client, "Both")(iter(asked.get, None), timeout=SECONDS)
    for i in range(50):
        asked.put(b"%d" % i)
        assert next(answers) == b"%d" % i
    asked.put(None)
    assert list(answers) == []


# ---- ends ----

def test_trailers_only(client):
    error = failure(lambda: call(client, "Fail")(b"5 not here", timeout=SECONDS))
    assert (error.code(), error.details()) == (grpc.StatusCode.NOT_FOUND, "not here")


def test_unknown_method(client):
    assert failure(lambda: call(client, "Nothing")(b"", timeout=SECONDS)).code() == grpc.StatusCode.UNIMPLEMENTED


def test_error_after_messages(client):
    answers, got = call(client, "Late")(b"10 that was all", timeout=SECONDS), []
    error = failure(lambda: got.extend(answers) or [got.append(a) for a in answers])
    assert (error.code(), error.details()) == (grpc.StatusCode.ABORTED, "that was all")


def test_deadline(client):
    error = failure(lambda: call(client, "Hang")(b"", timeout=3))
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert client.echo.cancelled.acquire(timeout=SECONDS)
    assert 0 < client.echo.deadlines[0] < 60  # the server knew it; without one it is years


def test_the_client_cancels(client):
    under_way = call(client, "Hang").future(b"")
    wait_until("it is there", lambda: client.echo.hanging)
    under_way.cancel()
    assert client.echo.cancelled.acquire(timeout=SECONDS)
    assert call(client, "Unary")(b"next", timeout=SECONDS) == b"next"


def test_the_client_cancels_a_stream(client):
    asked = queue.Queue()
    answers = call(client, "Both")(iter(asked.get, None), timeout=SECONDS)
    asked.put(b"one")
    assert next(answers) == b"one"
    answers.cancel()
    asked.put(None)
    assert failure(lambda: next(answers)).code() == grpc.StatusCode.CANCELLED
    assert call(client, "Unary")(b"next", timeout=SECONDS) == b"next"


def test_the_server_stops(client):
    under_way = call(client, "Hang").future(b"", timeout=SECONDS)
    wait_until("it is there", lambda: client.echo.hanging)
    client.echo.server.stop(0)
    assert failure(under_way.result).code() in (grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE)


def test_nobody_serves(routed):
    with channel(routed(everything_to(free_port())).port) as made:
        assert failure(lambda: call(made, "Unary")(b"", timeout=SECONDS)).code() == grpc.StatusCode.UNAVAILABLE


# ---- many, and changes ----

def test_many_at_once(router, echo):
    """More than one connection of a client; servers are asked over few."""
    def work():
        with channel(router.port, options=[("grpc.use_local_subchannel_pool", 1)]) as made:
            under_way = [call(made, "Unary").future(b"%d" % i, timeout=SECONDS) for i in range(50)]
            results.extend(one.result() == b"%d" % i for i, one in enumerate(under_way))

    results = []
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 200


def test_streams_over_changes(routed, echo):
    http = everything_to(echo.port)
    router = routed(http)
    with channel(router.port) as made:
        asked = queue.Queue()
        answers = call(made, "Both")(iter(asked.get, None), timeout=SECONDS)
        for i in range(5):
            asked.put(b"%d" % i)
            assert next(answers) == b"%d" % i
            http["routers"][f"more{i}"] = {"rule": f"Path(`/{i}`)", "service": "all"}
            router.change(http)
        asked.put(None)
        assert list(answers) == []
