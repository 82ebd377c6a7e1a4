"""TCP middlewares: ipAllowList, ipWhiteList, inFlightConn (exact over all workers, given back at the end of a session)."""
import os
import signal

import pytest

from conftest import wait_until
from tcpkit import connect, named, routers, services, stand, tcp_server  # noqa: F401


def text(server, middlewares, chain):
    return ("tcp:\n" + routers(r=f"HostSNI(`*`) -> s, middlewares: [{chain}]") + services(s=server.port) +
            f"  middlewares:\n{middlewares}")


def passes(port):
    client = connect(port)
    try:
        return client.until(b"\n") == b"s\n"
    except (EOFError, ConnectionError):
        return False
    finally:
        client.close()


@pytest.mark.parametrize("kind", ["ipAllowList", "ipWhiteList"])
def test_only_addresses_of_the_ranges_pass(stand, tcp_server, kind):
    server = tcp_server(named("s"))

    def written(*ranges):
        return text(server, f"    m: {{{kind}: {{sourceRange: [{', '.join(ranges)}]}}}}\n", "m")
    router = stand.start(written("10.0.0.0/8", "127.0.0.0/30"))
    assert passes(stand.port)
    stand.switch(written("10.0.0.0/8", "127.0.0.2"))
    assert not passes(stand.port)
    router.wait_log("TCP session of 127.0.0.1 on web closed: .*reason=ip_denied")
    assert len(server.peers) == 1


def hold(port, count):
    """Clients that stay; a place that was just left may take a moment to be free."""
    clients = []

    def one():
        client = connect(port)
        try:
            assert client.until(b"\n") == b"s\n"
        except (EOFError, ConnectionError):
            client.close()
            return False
        clients.append(client)
        return True
    for _ in range(count):
        wait_until("a place", one)
    return clients


def test_connections_of_a_source_are_counted_over_all_workers(stand, tcp_server):
    server = tcp_server(named("s"))
    stand.start(text(server, "    m: {inFlightConn: {amount: 5}}\n", "m"), workers=3)
    held = hold(stand.port, 5)
    assert not any(passes(stand.port) for _ in range(6))
    held.pop().close()
    wait_until("one place is free again", lambda: passes(stand.port))
    # a change keeps the count
    stand.switch(text(server, "    m: {inFlightConn: {amount: 5}}\n    n: {ipAllowList: {sourceRange: [127.0.0.1]}}\n", "n, m"), workers=3)
    held += hold(stand.port, 1)
    assert not passes(stand.port)
    for client in held:
        client.close()
    wait_until("all are free", lambda: passes(stand.port))


def test_what_a_killed_worker_held_counts_no_more(stand, tcp_server):
    server = tcp_server(named("s"))
    router = stand.start(text(server, "    m: {inFlightConn: {amount: 1}}\n", "m"))
    held = hold(stand.port, 1)
    assert not passes(stand.port)
    start = router.mark()
    os.kill(router.worker(0), signal.SIGKILL)
    assert held[0].at_end()
    router.accepting(1, start)
    wait_until("the place is free", lambda: passes(stand.port))


def test_an_amount_of_nothing_lets_nobody_pass(stand, tcp_server):
    server = tcp_server(named("s"))
    stand.start(text(server, "    m: {inFlightConn: {amount: 0}}\n", "m"))
    assert not passes(stand.port) and not server.peers
