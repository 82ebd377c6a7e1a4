"""The look at what a test leaves behind sees what there is to be seen."""
import socket

from proxying import proxy, server  # noqa: F401 (fixtures)
from rawhttp import get


def test_what_is_left_is_seen(proxy, server):
    def handler(peer, _):
        peer.request()
        peer.rest()
    router = proxy(server(handler), header_timeout="20s")
    look = router.router.leftovers
    assert look.settled(10) == []
    with socket.create_connection(("127.0.0.1", router.port)) as idle:
        assert any("gauge connections is 1" in problem for problem in look.settled(0.3))
        idle.sendall(get())
        wrong = " ".join(look.settled(0.3))
        assert "gauge exchanges is 1" in wrong and "gauge upstream_active is 1" in wrong
    assert look.settled(10) == []


def test_idle_connections_to_servers_are_not_left_over(proxy, server):
    router = proxy(server())
    client = router.connect()
    client.send(get())
    assert client.response().status == 200
    client.close()
    assert router.router.leftovers.settled(10) == []
    assert router.descriptors() > 0
