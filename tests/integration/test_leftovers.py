"""The look at what a test leaves behind sees what there is to be seen."""
from conftest import DEADLINE, wait_until
from proxying import proxy, server  # noqa: F401 (fixtures)
from rawhttp import get


def test_what_is_left_is_seen(proxy, server):
    def handler(peer, _):
        peer.request()
        peer.rest()
    router = proxy(server(handler), header_timeout="20s")
    look = router.router.leftovers
    assert look.settled(DEADLINE) == []
    client = router.connect()
    wait_until("it is seen", lambda: "gauge connections is 1" in look.problems())
    assert look.settled(0.1) != []
    client.send(get())
    wait_until("it is seen", lambda: {"gauge exchanges is 1", "gauge upstream_active is 1",
                                      "2 connections are open, 0 of them to servers and idle"} <= set(look.problems()))
    client.reset()
    assert look.settled(DEADLINE) == []


def test_idle_connections_to_servers_are_not_left_over(proxy, server):
    router = proxy(server())
    client = router.connect()
    client.send(get())
    assert client.response().status == 200
    client.close()
    assert router.router.leftovers.settled(DEADLINE) == []
    assert router.descriptors() > 0


def test_a_descriptor_too_many_is_seen(weir):
    router = weir()
    look = router.leftovers
    (worker,) = look.start
    look.start[worker]["pipes"] -= 1
    seen = [f"worker {worker} holds more than at the start: {{'pipes': 1}}"]
    wait_until("it is seen", lambda: look.problems() == seen)
    assert look.settled(0.1) == seen
    look.start[worker]["pipes"] += 1
