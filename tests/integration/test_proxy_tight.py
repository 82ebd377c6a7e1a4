"""Answers while there is little memory, so that the kernel's buffers are small and much is written in part."""
import contextlib
import os

from proxying import proxy, server  # noqa: F401 (fixtures)
from rawhttp import get

BODY = os.urandom(3_000_001)


def test_readers_that_keep_up_are_not_forgotten(proxy, server):
    """The rest follows a moment later: whoever feeds the client goes on all the same."""
    def handler(peer, _):
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                peer.request()
                peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                for at in range(0, len(BODY), 5000):
                    peer.send(b"%x\r\n%s\r\n" % (len(BODY[at:at + 5000]), BODY[at:at + 5000]))
                peer.send(b"0\r\n\r\n")
    router = proxy(server(handler), memory=12 << 20)
    for _ in range(60):
        client = router.connect()
        client.send(get())
        assert client.response().body == BODY
        client.close()
