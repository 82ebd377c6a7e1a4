"""Attacks that once worked: each stays here, so that it never works again."""
import subprocess
import threading

import pytest

from conftest import BINARY
from proxying import proxy, server  # noqa: F401 (fixtures)
from rawhttp import get


def test_trailers_in_many_pieces_cost_no_more_than_in_one(proxy, server):
    """Each piece is read by itself: memory stays in proportion to what was sent, and the request is served."""
    router = proxy(server())
    client, other = router.connect(), router.connect()

    def round_trip():
        other.send(get("/nope"))
        assert other.response().status == 404

    round_trip()
    before = router.resident_kib()
    client.send(get("/", "Transfer-Encoding: chunked", method="POST") + b"0\r\nX-T: ")
    for _ in range(2500):
        client.send(b"abc")
        round_trip()
    assert router.resident_kib() - before < 2048
    client.send(b"\r\n\r\n")
    assert client.response().status == 200


def test_bytes_behind_the_chunked_body_of_an_upgrade_reach_the_server(proxy, server):
    """What the client sends at once behind its request belongs to the new protocol, however the request was framed."""
    begun = threading.Event()

    def handler(peer, _):
        peer.head()
        assert peer.exactly(8) == b"3\r\nabc\r\n"
        begun.set()
        assert peer.exactly(5) == b"0\r\n\r\n"
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n")
        peer.send(b"got " + peer.exactly(5))
    up = server(handler)
    client = proxy(up).connect()
    client.send(get("/", "Connection: Upgrade", "Upgrade: foo", "Transfer-Encoding: chunked", method="POST"))
    client.send(b"3\r\nabc\r\n")
    assert begun.wait(20)
    client.send(b"0\r\n\r\nearly")
    assert client.head().status == 101, up.errors
    client.sock.settimeout(5)
    assert client.exactly(9) == b"got early"


def test_last_of_many_forwarded_for_lines_is_not_lost(proxy, server):
    """The last line is the trusted proxy's own: whoever sends many before it must not push it out."""
    up = server()
    client = proxy(up, insecure=True).connect()
    client.send(get("/", *[f"X-Forwarded-For: 6.6.6.6{',6.6.6.6' * 120}"] * 900, "X-Forwarded-For: 9.9.9.9"))
    assert client.response().status == 200
    assert up.requests[0].get("x-forwarded-for").endswith("6.6.6.6, 9.9.9.9, 127.0.0.1")


@pytest.mark.parametrize("name,text", [("d.yml", "http: {}\nhttp: {}\n"), ("d.json", '{"http": {},\n"http": {}}')])
def test_error_without_a_column_keeps_its_words(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    done = subprocess.run([BINARY, "check", f"--providers.file.filename={tmp_path / name}"], capture_output=True, text=True)
    assert done.returncode == 1
    assert f'{name}:2: the key "http" is there twice' in done.stdout + done.stderr
