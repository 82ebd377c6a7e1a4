"""Requests whose body is on its way while something happens to their server: whatever it is, and however the bytes are cut, the
client has one answer, and no server gets a body that is another one than the client's."""
import contextlib
import itertools
import threading

import pytest

from conftest import wait_until
from proxying import server  # noqa: F401
from rawhttp import SECONDS, Peer, answer_all, connect, get, ok

BODY = bytes(range(256)) * 40
PART = 1000


def closes_at_the_head(peer, head):
    peer.close()


def resets_at_the_head(peer, head):
    peer.reset()


def answers_at_the_head(peer, head):
    peer.send(ok(b"early"))


def answers_and_closes(peer, head):
    peer.send(ok(b"early", "Connection: close"))
    peer.close()


def wants_it_and_closes(peer, head):
    peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    peer.close()


def part_has_come(peer):
    peer.buffer = peer.exactly(PART) + peer.buffer


def resets_in_the_middle(peer, head):
    part_has_come(peer)
    peer.reset()


def answers_in_the_middle(peer, head):
    part_has_come(peer)
    peer.send(ok(b"early"))


MANNERS = [closes_at_the_head, resets_at_the_head, answers_at_the_head, answers_and_closes, wants_it_and_closes, resets_in_the_middle,
           answers_in_the_middle]
AT_THE_HEAD = MANNERS[:5]
ALLOWED = {closes_at_the_head: {200, 502}, resets_at_the_head: {200, 502}, answers_at_the_head: {200}, answers_and_closes: {200},
           wants_it_and_closes: {502}, resets_in_the_middle: {502}, answers_in_the_middle: {200}}
SECOND_CHANCE = {wants_it_and_closes: {200, 502}, resets_in_the_middle: {200, 502}}
CHAINS = {"plain": "service: s", "retry": "middlewares: [again], service: s", "buffered": "middlewares: [whole], service: s",
          "both": "middlewares: [again, whole], service: s", "mirrored": "service: m", "failover": "service: f"}
HELD = ("buffered", "both", "mirrored", "failover")  # nobody is asked before the body is there
AGAIN = ("retry", "both", "failover")


class Moody:
    """Answers as it should, but the request that comes behind `manner` on a connection of its own choosing meets that."""

    def __init__(self):
        self.lock, self.manner, self.bodies = threading.Lock(), None, []
        self.met = threading.Event()

    def take(self):
        with self.lock:
            manner, self.manner = self.manner, None
            return manner

    def __call__(self, peer, _):
        with contextlib.suppress(EOFError, ConnectionError, OSError):
            while True:
                head = peer.head()
                manner = self.take() if head.line.startswith("PUT") else None
                if manner:
                    if manner not in AT_THE_HEAD:
                        self.met.set()
                    manner(peer, head)
                    self.met.set()
                    peer.body(head)  # a connection that is whole may be used again
                    continue
                head.body = peer.body(head)
                if head.line.startswith("PUT"):
                    self.bodies.append(head.body)
                peer.send(ok(b"whole"))


@pytest.fixture
def stand(weir, server, tmp_path):  # noqa: F811
    moody = Moody()
    up, moody.other = server(moody), server(answer_all(b"other"))
    dynamic = tmp_path / "dynamic.yml"
    dynamic.write_text("http:\n  routers:\n" + "".join(f"    {name}: {{rule: 'Path(`/{name}`)', {chain}}}\n"
                                                        for name, chain in CHAINS.items()) +
                       "  middlewares:\n    again: {retry: {attempts: 3, initialInterval: 1ms, maxRequestBodyBytes: 100000}}\n"
                       "    whole: {buffering: {memRequestBodyBytes: 1000000}}\n"
                       f"  services:\n    s: {{loadBalancer: {{servers: [{{url: 'http://127.0.0.1:{up.port}'}}]}}}}\n"
                       f"    o: {{loadBalancer: {{servers: [{{url: 'http://127.0.0.1:{moody.other.port}'}}]}}}}\n"
                       "    m: {mirroring: {service: s, mirrors: [{name: o, percent: 100}]}}\n"
                       "    f: {failover: {service: s, fallback: o, errors: {status: ['500-599']}}}\n")
    moody.port = weir(f"--providers.file.filename={dynamic}").ports["web"]
    return moody


def framed(chunked):
    if not chunked:
        return BODY
    return b"".join(b"%x\r\n%s\r\n" % (len(BODY[i:i + 700]), BODY[i:i + 700]) for i in range(0, len(BODY), 700)) + b"0\r\n\r\n"


def send_with_head(client, head, body, _):
    client.send(head + body)


def send_bytewise(client, head, body, _):
    client.send_slowly(head + body[:60])
    client.send(body[60:])


def send_when_met(client, head, body, moody):
    """The body comes only when its server has done what it does."""
    client.send(head)
    assert moody.met.wait(SECONDS)
    client.send(body[:PART // 2])
    client.send(body[PART // 2:])


def ask(moody, chain, manner, chunked, send):
    moody.met.clear()
    moody.bodies.clear()
    client = connect(moody.port)
    client.send(get(f"/{chain}"))  # so that there is a kept connection
    assert client.response().body == b"whole"
    moody.manner = manner
    head = get(f"/{chain}", "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(BODY)}", method="PUT")
    with contextlib.suppress(ConnectionError):  # answered early, and closed
        send(client, head, framed(chunked), moody)
    answer = client.response()
    client.close()
    moody.take()
    return answer


@pytest.mark.parametrize("chain", CHAINS)
def test_bodies_and_moody_servers(stand, chain):
    for manner, chunked, send in itertools.product(MANNERS, (False, True), (send_with_head, send_bytewise, send_when_met)):
        if send is send_when_met and chain in HELD:
            continue
        what = f"{manner.__name__}, {'chunked' if chunked else 'length'}, {send.__name__}"
        answer = ask(stand, chain, manner, chunked, send)
        allowed = ALLOWED[manner] | (SECOND_CHANCE.get(manner, set()) if chain in AGAIN else set())
        assert answer.status in allowed, (what, answer.raw)
        assert set(stand.bodies) <= {BODY}, what
        assert len(stand.bodies) <= 1, what
        assert (answer.body == b"whole") == (len(stand.bodies) == 1), (what, answer.body)
    assert {r.body for r in stand.other.requests} <= {b"", BODY}
    if chain in ("mirrored", "failover"):
        wait_until("the other server has got one", lambda: BODY in {r.body for r in stand.other.requests})


def test_requests_behind_each_other_keep_their_bodies(stand):
    """Pipelined, one byte at a time, while servers go at their head: each answer belongs to its request."""
    client = connect(stand.port)
    client.send(get("/plain"))
    assert client.response().body == b"whole"
    stand.manner = closes_at_the_head
    small = b"0123456789"
    data = b"".join(get("/plain", f"Content-Length: {len(small)}", method="PUT") + small + get("/plain") for _ in range(4))
    threading.Thread(target=lambda: Peer(client.sock).send_slowly(data), daemon=True).start()
    for _ in range(8):
        assert client.response().status in (200, 502)
    assert set(stand.bodies) == {small}
