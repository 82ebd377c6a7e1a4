"""rateLimit.redis before a server that says and does what no Redis does: nobody passes uncounted, nothing breaks, nothing is left."""
import contextlib
import socket
import threading

import pytest

from board import Board
from conftest import wait_until
from proxying import server  # noqa: F401 a fixture
from rawhttp import connect, get
from routing import one_route, routed  # noqa: F401 fixtures
from test_middleware_rate_limit_redis import ask

pytestmark = pytest.mark.usefixtures("server", "routed")

ANSWERS = [
    b"$2147483648\r\n", b"$9223372036854775807\r\n", b"$9223372036854775808\r\n", b"$-9223372036854775808\r\n", b"$-2\r\n", b"$-1\r\n",
    b"*1000000000\r\n" * 100, b"*1\r\n*1\r\n:1\r\n", b":\r\n", b":-\r\n", b":-1\r\n", b":-9223372036854775808\r\n", b":18446744073709551616\r\n",
    b"-\r\n", b"-ERR \x1b[31m\x00\x07\xff\r\n", b"-NOSCRIPT\r\n", b"-NOSCRIPT x\r\n-NOSCRIPT y\r\n", b"-MOVED 1 127.0.0.1:1\r\n",
    b"+" + b"a" * 2045 + b"\r\n", b"+" + b"a" * 2046 + b"\r\n", b"+" + b"a" * 5000, b"$" + b"0" * 2045 + b"\r\n",
    b"$2039\r\n" + b"x" * 2039 + b"\r\n", b"$2040\r\n", b"$3\r\nabcd\r\n", b"+\n", b"\r\n", b"\x00" * 3000, b"_\r\n", b">2\r\n", b"",
]


def limit(store, **options):
    options = {"readTimeout": "60s", "dialTimeout": "60s", "writeTimeout": "60s", "maxActiveConns": 1, **options}
    criterion = options.pop("sourceCriterion", None)
    made = {"average": 1000, "burst": 1000000, "redis": {"endpoints": [f"127.0.0.1:{store.port}"], **options}}
    return {"rateLimit": made if criterion is None else {**made, "sourceCriterion": criterion}}


def command(peer):
    words = []
    for _ in range(int(peer.until(b"\r\n")[1:])):
        words.append(peer.exactly(int(peer.until(b"\r\n")[1:])))
        assert peer.exactly(2) == b"\r\n"
    return words


@pytest.mark.parametrize("slowly", [False, True])
def test_answers_that_are_none(server, routed, slowly):
    """To a question, and to its second try; then the server hangs up."""
    left = [answer for answer in ANSWERS for _ in range(2)]

    def handler(peer, _):
        with contextlib.suppress(EOFError, ConnectionError):
            command(peer)
            (peer.send_slowly if slowly else peer.send)(left.pop(0)[:None if not slowly else 40])

    app = server()
    proxied = routed(one_route(app, {"r": limit(server(handler))}))
    while len(left) > 1:
        assert ask(proxied).status == 500
    assert not app.requests


def test_time_to_take_commands_begins_when_they_wait(server, routed):
    """A Redis that takes nothing for a moment, and much less than writeTimeout, is waited for."""
    go = threading.Event()

    def handler(peer, _):
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        with contextlib.suppress(EOFError):
            while True:
                command(peer)
                peer.send(b":0\r\n")
                go.wait(60)

    store = server(handler)
    by_name = {"requestHeaderName": "X-Who"}
    proxied = routed(one_route(server(), {"r": limit(store, sourceCriterion=by_name)}), max_header_bytes=2000000)
    assert ask(proxied).status == 200
    clients = [connect(proxied.port) for _ in range(12)]
    for client in clients:
        client.send(get("/", "X-Who: " + "a" * 900000))
    wait_until("all were asked about", lambda: proxied.router.log().count("middleware r@file (rateLimit)") == 13)
    go.set()
    assert [client.response().status for client in clients] == [200] * 12
    assert len(store.peers) == 1 and "rate_store" not in proxied.router.log()


def test_what_waits_for_a_redis_is_bounded(server, routed):
    """Clients that ask with long keys and leave: what was asked for them is kept until Redis takes it, so not without end."""
    go = threading.Event()

    def handler(peer, _):
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                command(peer)
                peer.send(b":0\r\n")
                go.wait(60)

    by_name = {"requestHeaderName": "X-Who"}
    proxied = routed(one_route(server(), {"r": limit(server(handler), sourceCriterion=by_name)}), max_header_bytes=2000000)
    assert ask(proxied).status == 200
    for number in range(200):
        client = connect(proxied.port)
        client.send(get("/", "X-Who: " + "a" * 900000))
        wait_until("it was asked about", lambda: proxied.router.log().count("middleware r@file (rateLimit)") == number + 2)
        client.reset()
        if "16 MiB of questions wait" in proxied.router.log():
            break
    assert ask(proxied).status == 500 and number < 199
    go.set()
    wait_until("it counts again", lambda: ask(proxied).status == 200)


def test_what_waits_for_a_connection_is_bounded(server, routed):
    """A Redis that does not answer to AUTH: long keys wait for it up to a bound; those of clients that leave do not count."""
    go = threading.Event()

    def handler(peer, _):
        with contextlib.suppress(EOFError, ConnectionError):
            command(peer)
            go.wait(60)
            peer.send(b"+OK\r\n")
            while True:
                command(peer)
                peer.send(b":0\r\n")

    by_name = {"requestHeaderName": "X-Who"}
    options = {"password": "x", "sourceCriterion": by_name}
    proxied = routed(one_route(server(), {"r": limit(server(handler), **options)}), max_header_bytes=2000000)
    clients, board = [], Board(proxied.router.pid)

    def send():
        clients.append(connect(proxied.port))
        clients[-1].send(get("/", "X-Who: " + "a" * 900000))
        wait_until("it was asked about", lambda: proxied.router.log().count("middleware r@file (rateLimit)") >= asked)

    for asked in range(1, 20):  # 18 of them are 16 MiB
        send()
    assert clients.pop().response().status == 500
    proxied.router.wait_log("16 MiB of questions wait for a connection")
    clients.pop().reset()
    wait_until("it is gone", lambda: board.gauges()["exchanges"] == 17)
    board.close()
    asked = 20
    send()
    go.set()
    assert [client.response().status for client in clients] == [200] * 18


def test_who_left_is_not_answered_for(server, routed):
    """A Redis that lost the script, while the client that asked is gone: no error, and the next one gets an answer."""
    go, asked = threading.Event(), threading.Event()

    def handler(peer, _):
        with contextlib.suppress(EOFError):
            command(peer)
            asked.set()
            go.wait(60)
            peer.send(b"-NOSCRIPT No matching script. Please use EVAL.\r\n")
            while True:
                command(peer)
                peer.send(b":0\r\n")

    proxied = routed(one_route(server(), {"r": limit(server(handler))}))
    client, board = connect(proxied.port), Board(proxied.router.pid)
    client.send(get("/"))
    assert asked.wait(60)
    client.reset()
    wait_until("it is gone", lambda: board.gauges()["exchanges"] == 0)
    board.close()
    go.set()
    assert ask(proxied).status == 200
    proxied.router.stop()
    assert "rate_store" not in proxied.router.log()
