"""What happens when servers and clients do not behave: every case ends, with the right answer, and leaves nothing open."""
import socket
import threading

import pytest

from conftest import DEADLINE, free_port, wait_until
from ports import listen
from proxying import proxy, server  # noqa: F401 (fixtures)
from rawhttp import answer_all, answer_for_ever, get, ok
from waiting import pass_time

NOT_FOUND = b"404 page not found\n"


def test_no_route(proxy, server):
    client = proxy(server()).connect()
    for _ in range(2):
        client.send(get("/nope"))
        answer = client.response()
        assert (answer.status, answer.body) == (404, NOT_FOUND)
        assert answer.get("content-type") == "text/plain; charset=utf-8"
        assert answer.get("x-content-type-options") == "nosniff"
    client.send(get("/nope", method="HEAD"))
    answer = client.response("HEAD")
    assert answer.status == 404 and answer.get("content-length") == str(len(NOT_FOUND))


def test_service_without_servers(proxy):
    client = proxy().connect()
    client.send(get())
    answer = client.response()
    assert (answer.status, answer.body) == (503, b"no available server\n")


def test_nobody_listens(proxy):
    client = proxy(free_port()).connect()
    for _ in range(2):
        client.send(get())
        answer = client.response()
        assert (answer.status, answer.body) == (502, b"Bad Gateway")
        assert answer.get("content-type") is None


def test_next_server_when_one_does_not_listen(proxy, server):
    up = server()
    router = proxy(free_port(), up, free_port())
    for _ in range(9):
        client = router.connect()
        client.send(get())
        assert client.response().status == 200
        client.close()


def test_servers_take_turns(proxy, server):
    ups = [server(answer_all(name)) for name in (b"a", b"b", b"c")]
    client = proxy(*ups).connect()
    seen = []
    for _ in range(12):
        client.send(get())
        seen.append(client.response().body)
    assert all(set(seen[i:i + 3]) == {b"a", b"b", b"c"} for i in range(10))


def test_connection_that_does_not_come_about(proxy):
    """A listener whose queue is full answers no connection request."""
    with listen(backlog=0) as listener:
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            fillers.append(filler)
        client = proxy(listener.getsockname()[1], dial_timeout="300ms").connect()
        client.send(get())
        answer = client.response()
        assert (answer.status, answer.body) == (504, b"Gateway Timeout")
        for filler in fillers:
            filler.close()


def test_answer_that_does_not_come(proxy, server):
    gone = threading.Event()

    def handler(peer, _):
        peer.request()
        if peer.at_end():
            gone.set()
    router = proxy(server(handler), header_timeout="300ms")
    client = router.connect()
    client.send(get())
    answer = client.response()
    assert (answer.status, answer.body) == (504, b"Gateway Timeout")
    assert gone.wait(DEADLINE)


def test_answer_that_stops_within_its_head(proxy, server):
    def handler(peer, _):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Le")
        peer.at_end()
    client = proxy(server(handler), header_timeout="300ms").connect()
    client.send(get())
    assert client.response().status == 504


@pytest.mark.parametrize("before", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"])
@pytest.mark.parametrize("how", ["close", "reset"])
def test_server_that_goes_before_its_answer(proxy, server, before, how):
    def handler(peer, _):
        peer.request()
        if before:
            peer.send(before)
        getattr(peer, how)()
    client = proxy(server(handler)).connect()
    for _ in range(2):
        client.send(get())
        answer = client.response()
        assert (answer.status, answer.body) == (502, b"Bad Gateway")


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("framing", [b"Content-Length: 10\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_server_that_goes_within_the_body(proxy, server, how, framing):
    """The client must see that the transfer is broken."""
    begun = threading.Event()

    def handler(peer, _):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n" + (b"5\r\nhello\r\n" if b"chunked" in framing else b"hello"))
        assert begun.wait(20)
        getattr(peer, how)()
    router = proxy(server(handler))
    idle = router.descriptors()
    client = router.connect()
    client.send(get())
    assert client.head().status == 200
    begun.set()
    with pytest.raises((EOFError, ConnectionError)):
        client.exactly(1 << 10)
    assert b"0\r\n\r\n" not in client.buffer
    client.close()
    router.settled(idle)


def test_cut_body_for_an_old_client_is_a_reset(proxy, server):
    """Without length or chunks only a reset says that it was not the end."""
    begun = threading.Event()

    def handler(peer, _):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        assert begun.wait(20)
        peer.close()
    client = proxy(server(handler)).connect()
    client.send(get(version="1.0"))
    assert client.head().status == 200
    begun.set()
    with pytest.raises(ConnectionResetError):
        while client.sock.recv(100):
            pass


def once_then(how):
    """Answers one request on each connection, then goes when the next one arrives."""
    def handler(peer, srv):
        srv.requests.append(peer.request())
        peer.send(ok(b"first"))
        srv.requests.append(peer.request())
        getattr(peer, how)()
    return handler


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
def test_kept_connection_that_died_is_replaced(proxy, server, how, method):
    up = server(once_then(how))
    client = proxy(up).connect()
    for _ in range(2):
        client.send(get("/", method=method))
        assert client.response().body == b"first"
    wait_until("a second connection", lambda: len(up.peers) == 2)
    assert len(up.requests) == 3


def test_request_with_body_is_not_sent_twice(proxy, server):
    up = server(once_then("close"))
    client = proxy(up).connect()
    client.send(get())
    assert client.response().status == 200
    client.send(get("/", "Content-Length: 4", method="POST") + b"once")
    assert client.response().status == 502
    assert [r.body for r in up.requests] == [b"", b"once"]


def test_second_try_is_the_last(proxy, server):
    first = threading.Event()

    def handler(peer, srv):
        srv.requests.append(peer.request())
        if not first.is_set():
            first.set()
            peer.send(ok())
            srv.requests.append(peer.request())
    up = server(handler)
    client = proxy(up).connect()
    client.send(get())
    assert client.response().status == 200
    client.send(get())
    assert client.response().status == 502
    assert len(up.requests) == 3


@pytest.mark.parametrize("farewell", [b"", b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"])
def test_kept_connection_that_is_closed_while_idle(proxy, server, farewell):
    """Noticed at once: the next request never sees it, nor what was said out of turn."""
    answered = threading.Event()

    def handler(peer, srv):
        srv.requests.append(peer.request())
        peer.send(ok())
        assert answered.wait(20)
        if farewell:
            peer.send(farewell)
    up = server(handler)
    router = proxy(up)
    idle = router.descriptors()
    client = router.connect()
    client.send(get())
    assert client.response().status == 200
    answered.set()
    router.settled(idle + 1)
    client.send(get("/", "Content-Length: 1", method="POST") + b"x")
    assert client.response().status == 200


def test_answer_with_bytes_behind_it_is_not_kept(proxy, server):
    def handler(peer, srv):
        srv.requests.append(peer.request())
        peer.send(ok(b"good") + ok(b"smuggled"))
        peer.rest()
    up = server(handler)
    client = proxy(up).connect()
    for _ in range(3):
        client.send(get())
        assert client.response().body == b"good"
    assert len(up.peers) == 3


def test_client_that_goes_while_the_server_thinks(proxy, server):
    arrived, gone = threading.Event(), threading.Event()

    def handler(peer, _):
        peer.request()
        arrived.set()
        if peer.at_end():
            gone.set()
    for leave in ("reset", "close"):
        arrived.clear()
        gone.clear()
        router = proxy(server(handler))
        idle = router.descriptors()
        client = router.connect()
        client.send(get())
        assert arrived.wait(20)
        getattr(client, leave)()
        assert gone.wait(DEADLINE)
        router.settled(idle)


def test_client_that_goes_within_its_body(proxy, server):
    arrived, gone = threading.Event(), threading.Event()

    def handler(peer, _):
        peer.head()
        arrived.set()
        peer.rest()
        gone.set()
    router = proxy(server(handler))
    idle = router.descriptors()
    client = router.connect()
    client.send(get("/", "Content-Length: 100", method="POST") + b"some")
    assert arrived.wait(20)
    client.close()
    assert gone.wait(DEADLINE)
    router.settled(idle)


def test_client_that_goes_within_the_answer(proxy, server):
    gone = threading.Event()
    router = proxy(server(answer_for_ever(gone)))
    idle = router.descriptors()
    client = router.connect()
    client.send(get())
    client.head()
    client.reset()
    assert gone.wait(DEADLINE)
    router.settled(idle)


def test_client_that_says_nothing(proxy, server):
    client = proxy(server(), read_timeout="1500ms").connect()
    assert client.rest() == b""


def test_client_that_stops_within_the_head(proxy, server):
    client = proxy(server(), read_timeout="1500ms").connect()
    client.send(b"GET / HTTP/1.1\r\nHost: a.t")
    answer = client.response()
    assert answer.status == 408 and answer.get("connection") == "close"


def test_client_that_stops_within_the_body(proxy, server):
    def handler(peer, _):
        peer.head()
        peer.rest()
    client = proxy(server(handler), read_timeout="1500ms").connect()
    client.send(get("/", "Content-Length: 100", method="POST") + b"some")
    answer = client.response()
    assert answer.status == 408 and client.at_end()


def test_drip_does_not_outlive_the_timeout(proxy, server):
    """A byte now and then does not count as progress: the time is for the whole head."""
    client = proxy(server(), read_timeout="500ms").connect()
    with pytest.raises(OSError):
        for _ in range(100):
            client.send(b"G")
            pass_time("between two bytes", 0.05)


def test_idle_connection_ends_silently(proxy, server):
    client = proxy(server(), idle_timeout="2s").connect()
    client.send(get())
    assert client.response().status == 200
    assert client.silent(0.3)
    assert client.rest() == b""


def test_write_timeout(proxy, server):
    def handler(peer, _):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegin")
        peer.rest()
    client = proxy(server(handler), write_timeout="2s").connect()
    client.send(get())
    with pytest.raises((EOFError, ConnectionError)):
        client.response()


def test_many_connections_leave_nothing(proxy, server):
    up = server(answer_all(b"x" * 100))
    router = proxy(up)
    idle = router.descriptors()
    for turn in range(10):
        clients = [router.connect() for _ in range(20)]
        for i, client in enumerate(clients):
            client.send(get() if i % 3 else get()[:10])
        for i, client in enumerate(clients):
            if i % 3:
                assert client.response().status == 200
            (client.reset if i % 2 else client.close)()
    wait_until("only kept connections to the server", lambda: router.descriptors() - idle <= len(up.peers))
    up.close()
    router.settled(idle)
