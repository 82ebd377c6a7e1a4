"""Servers and clients that hang, reset, end, talk rubbish or trickle, at every place of an exchange.

Each ends with the right status or close, in the right time, and (leftovers.py, after every test) with nothing left open.
The rows of a table run side by side on one router: the path tells the server what to do.
"""
import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import DEADLINE, wait_until
from proxying import proxy, server  # noqa: F401 (fixtures)
from rawhttp import answer_all, answer_for_ever, connect, get, ok
from waiting import pass_time

HEAD_TIME, WRITE_TIME = 2.0, 4.0  # responseHeaderTimeout, writeTimeout; who does not wait for them has time on any machine
LATEST = DEADLINE / 3             # a slow machine's; without its time-out a row would never end
PAUSE = 0.45                      # between the bytes of a trickle: several within each time-out

FRAMES = {
    "before_head": b"",
    "in_head": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nX-Half: va",
    "in_length": b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhello",
    "in_chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "in_chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\nhello",
}
TRICKLE = {  # what it would be in the end, if anybody waited
    "before_head": ok(b"x" * 100),
    "in_head": b"lue\r\n\r\n" + b"x" * 10,
    "in_chunked": b"64\r\n" + b"x" * 100 + b"\r\n0\r\n\r\n",
}
CUT = None  # 200, and the transfer is seen to be broken
# what the server does: what the client gets (status, or CUT), and the reason in the log
SERVERS = {
    ("before_head", "hang"): (504, "response_timeout"),
    ("before_head", "reset"): (502, "reset_before_headers"),
    ("before_head", "close"): (502, "reset_before_headers"),
    ("before_head", "rubbish"): (502, "bad_response"),
    ("before_head", "trickle"): (504, "response_timeout"),
    ("in_head", "hang"): (504, "response_timeout"),
    ("in_head", "reset"): (502, "reset_before_headers"),
    ("in_head", "close"): (502, "reset_before_headers"),
    ("in_head", "rubbish"): (502, "bad_response"),
    ("in_head", "trickle"): (504, "response_timeout"),
    ("in_length", "hang"): (CUT, "response_timeout"),
    ("in_length", "reset"): (CUT, "body_cut"),
    ("in_length", "close"): (CUT, "body_cut"),
    ("in_length", "trickle"): (CUT, "response_timeout"),
    ("in_chunked", "hang"): (CUT, "response_timeout"),
    ("in_chunked", "reset"): (CUT, "body_cut"),
    ("in_chunked", "close"): (CUT, "body_cut"),
    ("in_chunked", "rubbish"): (CUT, "bad_response"),
    ("in_chunked", "trickle"): (CUT, "response_timeout"),
    ("in_chunk", "hang"): (CUT, "response_timeout"),
    ("in_chunk", "reset"): (CUT, "body_cut"),
    ("in_chunk", "close"): (CUT, "body_cut"),
    ("in_chunk", "trickle"): (CUT, "response_timeout"),
}
TIMES = {"hang", "trickle"}  # these end by a time-out, the others at once


def misbehave(peer, way, place):
    if way == "hang":
        peer.rest()
    elif way == "rubbish":
        peer.send(b"\x00\xff rubbish\r\n\r\n")
        peer.rest()
    elif way == "trickle":
        with contextlib.suppress(OSError):
            for byte in TRICKLE.get(place, b"x" * 900):
                peer.send(bytes([byte]))
                if not peer.silent(PAUSE):
                    break
    else:
        getattr(peer, way)()


def server_row(router, place, way):
    """What is wrong with a row; None: nothing."""
    status, _ = SERVERS[place, way]
    client = connect(router.port)
    began = time.monotonic()
    client.send(get(f"/{place}/{way}"))
    got, whole = None, True
    try:
        head = client.head()
        got = head.status
        client.body(head, response=True)
    except (EOFError, ConnectionError):
        whole = False
    took = time.monotonic() - began
    with contextlib.suppress(OSError):
        client.close()
    bound = (HEAD_TIME if status == 504 else WRITE_TIME) if way in TIMES else 0
    if (got, whole) != ((200, False) if status is CUT else (status, True)):
        return f"{place} {way}: status {got}, {'whole' if whole else 'cut'}"
    if not bound * 0.9 <= took <= bound + LATEST:
        return f"{place} {way}: took {took:.2f} s"
    return None


@pytest.mark.parametrize("workers", [1, 2])
def test_servers(proxy, server, workers):
    def handler(peer, _):
        place, way = peer.request().line.split()[1].split("/")[1:]
        peer.send(FRAMES[place])
        misbehave(peer, way, place)
    router = proxy(server(handler), workers=workers, header_timeout=f"{HEAD_TIME}s", write_timeout=f"{WRITE_TIME}s")
    with ThreadPoolExecutor(len(SERVERS)) as pool:
        wrong = list(filter(None, pool.map(lambda row: server_row(router, *row), SERVERS)))
    assert not wrong, "\n".join(wrong)
    for (place, way), (status, reason) in SERVERS.items():
        _, match = router.router.wait_log(rf"GET a\.test/{place}/{way}: (\d+), .* reason=(\w+)")
        assert match.groups() == (str(200 if status is CUT else status), reason), (place, way)


# ---- a connection that is kept idle ----
IDLE = {"reset": lambda peer: peer.reset(), "close": lambda peer: peer.close(), "end": lambda peer: peer.end(),
        "rubbish": lambda peer: peer.send(b"\x00\xff rubbish"), "answer": lambda peer: peer.send(ok(b"smuggled")),
        "trickle": lambda peer: peer.send_slowly(b"HTTP/1.1")}


@pytest.mark.parametrize("way", IDLE)
def test_server_on_a_kept_connection(proxy, server, way):
    """Noticed while nobody asks: it is closed at once, and no request ever meets it."""
    go, gone = threading.Event(), threading.Event()

    def handler(peer, srv):
        srv.requests.append(peer.request())
        peer.send(ok(b"good"))
        go.wait(20)
        with contextlib.suppress(OSError):
            IDLE[way](peer)
        if way in ("reset", "close") or peer.rest() == b"":
            gone.set()
    up = server(handler)
    router = proxy(up)
    before = router.descriptors()
    client = router.connect()
    client.send(get())
    assert client.response().body == b"good"
    wait_until("it is kept", lambda: router.descriptors() == before + 2)
    go.set()
    assert gone.wait(20)
    router.settled(before + 1)
    client.send(get("/", "Content-Length: 1", method="POST") + b"x")
    assert client.response().body == b"good"
    assert len(up.requests) == 2


# ---- clients ----
READ_TIME = 2.0
UPLOAD = get("/upload", "Content-Length: 1000", method="POST")
UPLOAD_CHUNKED = get("/upload", "Transfer-Encoding: chunked", method="POST")


def trickled(client, data):
    """A byte now and then, until the other side has something to say."""
    with contextlib.suppress(OSError):
        for byte in data:
            client.send(bytes([byte]))
            if not client.silent(PAUSE):
                return


def vanish(client, data, how):
    client.send(data)
    getattr(client, how)()


# what the client does: the statuses it gets before the connection ends (it left itself: none), and whether that takes a
# time-out
CLIENTS = {
    "says_nothing": (lambda c: None, [], True),
    "trickles_its_head": (lambda c: trickled(c, get() * 3), [408], True),
    "stops_within_its_head": (lambda c: c.send(get()[:20]), [408], True),
    "ends_within_its_head": (lambda c: (c.send(get()[:20]), c.end()), [400], False),
    "resets_within_its_head": (lambda c: vanish(c, get()[:20], "reset"), [], False),
    "stops_within_its_body": (lambda c: c.send(UPLOAD + b"half"), [408], True),
    "trickles_its_body": (lambda c: (c.send(UPLOAD), trickled(c, b"x" * 900)), [408], True),
    "trickles_its_chunks": (lambda c: (c.send(UPLOAD_CHUNKED), trickled(c, b"1\r\nx\r\n" * 100)), [408], True),
    "stops_within_a_chunk": (lambda c: c.send(UPLOAD_CHUNKED + b"3e8\r\nhalf"), [408], True),
    "ends_within_its_body": (lambda c: (c.send(UPLOAD + b"half"), c.end()), [], False),
    "closes_within_its_body": (lambda c: vanish(c, UPLOAD + b"half", "close"), [], False),
    "resets_within_its_body": (lambda c: vanish(c, UPLOAD + b"half", "reset"), [], False),
    "resets_within_a_chunk": (lambda c: vanish(c, UPLOAD_CHUNKED + b"3e8\r\nhalf", "reset"), [], False),
    "rubbish_for_a_chunk": (lambda c: c.send(UPLOAD_CHUNKED + b"xyz\r\n"), [400], False),
    "rubbish_behind_a_request": (lambda c: c.send(get() + b"\x00\xff\r\n\r\n"), [200, 400], False),
    "rubbish_behind_a_body": (lambda c: c.send(get("/", "Content-Length: 1", method="POST") + b"x\x00\xff\r\n\r\n"),
                              [200, 400], False),
    "half_closes_behind_a_request": (lambda c: (c.send(get()), c.end()), [200], False),
    "asks_often_and_closes": (lambda c: vanish(c, get() * 20, "close"), [], False),
    "asks_often_and_resets": (lambda c: vanish(c, get() * 20, "reset"), [], False),
    "leaves_while_the_server_thinks": (lambda c: (c.send(get("/slow")), c.silent(0.2), c.reset()), [], False),
    "ends_while_the_server_thinks": (lambda c: (c.send(get("/slow")), c.silent(0.2), c.end()), [200], False),
    "resets_within_the_answer": (lambda c: (c.send(get("/endless")), c.head(), c.reset()), [], False),
    "closes_within_the_answer": (lambda c: (c.send(get("/endless")), c.head(), c.close()), [], False),
}


def client_row(router, name):
    act, expected, timed = CLIENTS[name]
    client = connect(router.port)
    began = time.monotonic()
    got = []
    with contextlib.suppress(EOFError, OSError):
        act(client)
        while True:
            got.append(client.response().status)
    took = time.monotonic() - began
    client.close()
    if got != expected:
        return f"{name}: {got}"
    if not (READ_TIME * 0.9 if timed else 0) <= took <= READ_TIME + LATEST:
        return f"{name}: took {took:.2f} s"
    return None


def test_clients(proxy, server):
    def handler(peer, srv):
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                request = peer.request()
                srv.requests.append(request)
                if "/slow" in request.line:
                    pass_time("a slow server", 0.5)
                if "/endless" in request.line:
                    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                    while True:
                        peer.send(b"400\r\n" + bytes(1024) + b"\r\n")
                peer.send(ok())
    up = server(handler)
    router = proxy(up, read_timeout=f"{READ_TIME}s", idle_timeout="500ms")
    with ThreadPoolExecutor(len(CLIENTS)) as pool:
        wrong = list(filter(None, pool.map(lambda name: client_row(router, name), CLIENTS)))
    assert not wrong, "\n".join(wrong)
    assert not any("/upload" in request.line for request in up.requests)  # none came whole


def test_a_slow_reader_is_not_waited_for_beyond_the_write_timeout(proxy, server):
    """It takes nothing of a large answer; the server is let go as well."""
    gone = threading.Event()
    router = proxy(server(answer_for_ever(gone)), write_timeout="3s")
    client = router.connect()
    client.send(get())
    assert gone.wait(DEADLINE)
    with pytest.raises((EOFError, ConnectionError)):
        client.response()
    router.router.wait_log(r"reason=client_gone")


def test_good_clients_are_served_beside_bad_ones(proxy, server):
    """Forty hang at every place while others ask: nobody waits for them."""
    router = proxy(server(answer_all()), read_timeout="20s")
    bad = [router.connect() for _ in range(40)]
    for i, client in enumerate(bad):
        client.send([get()[:20], UPLOAD + b"half", UPLOAD_CHUNKED + b"3e8\r\nhalf", b"\r\n"][i % 4])
    good = router.connect()
    for _ in range(50):
        good.send(get())
        assert good.response().status == 200
    for i, client in enumerate(bad):
        (client.reset if i % 2 else client.close)()
