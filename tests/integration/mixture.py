"""Every protocol at once: what the life of weir must not disturb.

Servers(folder)  servers of TCP, TLS, UDP and gRPC, and what a configuration says of them: House(..., servers=Servers(folder))
Mixture(house)   clients of all that: HTTP/1.1 in plain, over TLS and behind a PROXY header (load.py), HTTP/2, gRPC, TCP,
                 TLS ended here and passed through (talkers.py), UDP (udpkit.py). To a House it is what Load is.
"""
import grpc

import tcpkit
import udpkit
from conftest import free_port
from grpckit import Echo
from ledger import Ledger
from load import Load
from rawhttp import SECONDS
from talkers import (Talkers, grpc_streams, h2_requests, h2_streams, over_tls, plain, resumptions, tcp_sessions, tls_sessions)
from tls_servers import SecureServer
from tlskit import Maker, context
from waiting import DEADLINE, wait_until

HEADER = b"PROXY TCP4 192.0.2.7 198.51.100.1 4660 443\r\n"
STATIC = """\
  secure:
    address: "127.0.0.1:{secure}"
    http:
      tls: {{}}
    transport: {{lifeCycle: {{graceTimeOut: 2s}}}}
  tcp:
    address: "127.0.0.1:{tcp}"
    transport: {{lifeCycle: {{graceTimeOut: 2s}}}}
  proxied:
    address: "127.0.0.1:{proxied}"
    proxyProtocol: {{trustedIPs: ["127.0.0.1"]}}
    transport: {{lifeCycle: {{graceTimeOut: 2s}}}}
"""
DATAGRAMS = """\
  udp:
    address: "127.0.0.1:{udp}/udp"
    udp: {{timeout: 60s}}
    transport: {{lifeCycle: {{graceTimeOut: 100ms}}}}
"""


def _balancer(*servers):
    return {"loadBalancer": {"servers": list(servers)}}


def _named_echo(name):
    serve = tcpkit.named(name)
    return lambda peer, _: serve(peer)


class Servers:
    def __init__(self, folder):
        maker = Maker(folder)
        self.ours, theirs = maker.own("ours", ["DNS:one", "DNS:ended.test", "DNS:grpc"]), maker.own("theirs", ["DNS:passed.test"])
        self.spare = [maker.own(f"spare{i}", ["DNS:spare.test"]) for i in range(2)]
        self.ports = {name: free_port() for name in ("secure", "tcp", "proxied")}
        self.udp_port = free_port()
        self.tcp, self.secure = tcpkit.Server(tcpkit.named("tcp"), backlog=256), SecureServer(theirs, _named_echo("passed"), alpn=())
        self.udp, self.grpc = udpkit.Server("udp"), Echo()

    def entry_points(self, datagrams=True):
        return STATIC.format(**self.ports) + (DATAGRAMS.format(udp=self.udp_port) if datagrams else "")

    def dynamic(self, turn):
        """Besides the section `http`, of which the routers and services are in its two last parts. Something of each page is
        another one with each turn."""
        tcp = {"routers": {"plain": {"entryPoints": ["tcp"], "rule": "HostSNI(`*`)", "service": "tcp"},
                           "ended": {"entryPoints": ["secure"], "rule": "HostSNI(`ended.test`)", "tls": {}, "service": "tcp"},
                           "passed": {"entryPoints": ["secure"], "rule": "HostSNI(`passed.test`)", "tls": {"passthrough": True},
                                      "service": "passed"},
                           "turn": {"entryPoints": ["secure"], "rule": f"HostSNI(`turn{turn}.test`)", "tls": {}, "service": "tcp"}},
               "services": {"tcp": _balancer(*[{"address": f"127.0.0.1:{self.tcp.port}"}] * (1 + turn % 2)),
                            "passed": _balancer({"address": f"127.0.0.1:{self.secure.port}"})}}
        udp = {"routers": {"udp": {"entryPoints": ["udp"], "service": "udp"}},
               "services": {"udp": _balancer(*[{"address": self.udp.address}] * (1 + turn % 3))}}
        certificates = [{"certFile": str(pair.crt), "keyFile": str(pair.key)} for pair in (self.ours, self.spare[turn % 2])]
        return ({"tcp": tcp, "udp": udp, "tls": {"certificates": certificates}},
                {"grpc": {"rule": "Host(`grpc`)", "service": "grpc"}},
                {"grpc": _balancer({"url": f"h2c://127.0.0.1:{self.grpc.port}"})})

    def close(self):
        for server in (self.tcp, self.secure, self.udp, self.grpc):
            server.close()


def _grpc_over_tls(port, pair):
    credentials = grpc.ssl_channel_credentials(pair.crt.read_bytes())
    return grpc_streams(port, credentials, [("grpc.ssl_target_name_override", "grpc")])


class Mixture:
    """fresh, kept, ...: of the Load in plain (make: of which class); over TLS and behind a header there are fewer. library:
    streams of gRPC's own library too, whose connections cannot be excused: for what may cost nobody anything."""

    def __init__(self, house, library=True, pause=0.02, reopen=False, make=Load, **plain_load):
        servers, self.ledger = house.servers, Ledger()
        secure, common = servers.ports["secure"], {"ledger": self.ledger, "reopen": reopen}
        self.loads = [make(house.port, **common, **{"fresh": 2, "kept": 4, "websockets": 4, "downloads": 1, "uploads": 2, "pause": pause,
                                                    **plain_load}),
                      Load(secure, tls=context(version="TLSv1_3"), fresh=2, kept=4, websockets=4, downloads=1, uploads=2, pause=pause,
                           **common),
                      Load(servers.ports["proxied"], preface=HEADER, fresh=1, kept=2, pause=pause, **common)]
        self.talkers = talkers = Talkers(self.ledger, pause)
        talkers.add("tcp", tcp_sessions(servers.ports["tcp"], b"tcp\n"), 4)
        talkers.add("short tcp", tcp_sessions(servers.ports["tcp"], b"tcp\n", 3))
        talkers.add("tls ended", tls_sessions(secure, "ended.test", b"tcp\n"), 2)
        talkers.add("short tls", tls_sessions(secure, "ended.test", b"tcp\n", 3))
        talkers.add("tls passed", tls_sessions(secure, "passed.test", b"passed\n"), 2)
        talkers.add("short passed", tls_sessions(secure, "passed.test", b"passed\n", 3))
        talkers.add("resumed", resumptions(secure, "one"), 2)
        talkers.add("h2 requests", h2_requests(over_tls(secure, "one"), "one"))
        talkers.add("h2c requests", h2_requests(plain(house.port), "one"))
        talkers.add("h2 streams", h2_streams(over_tls(secure, "one"), "one", "grpc"))
        talkers.add("h2c streams", h2_streams(plain(house.port), "one", "grpc"))
        if library:
            talkers.add("grpc", grpc_streams(house.port, options=[("grpc.default_authority", "grpc")]))
            talkers.add("grpc tls", _grpc_over_tls(secure, servers.ours))
        self.udp = udpkit.Traffic(servers.udp_port, 16, pause)

    # ---- as Load ----
    def excuse(self, ports, until=None):
        self.ledger.excuse(ports, until)

    def killed(self, when, others):
        """A worker was, then; these live."""
        self.udp.killed(when, others)

    @property
    def problems(self):
        return self.ledger.problems + self.udp.problems

    @property
    def counts(self):
        return {**self.ledger.counts, **({"udp": len(self.udp.problems)} if self.udp.problems else {})}

    @property
    def excused(self):
        return {**self.ledger.excused, **({"udp": self.udp.lost} if self.udp.lost else {})}

    @property
    def done(self):
        return sum(load.done for load in self.loads) + sum(self.talkers.done.values())

    @property
    def echoes(self):
        return sum(load.echoes for load in self.loads)

    @property
    def transfers(self):
        return sum(load.transfers for load in self.loads)

    def figures(self):
        """What was done, by kind."""
        names = ("plain", "tls", "proxied")
        return {**{name: load.done for name, load in zip(names, self.loads)}, **self.talkers.done, "udp": self.udp.turns}

    def more(self, each=2):
        """Until every kind of client has done so much more."""
        target = {kind: count + each for kind, count in self.figures().items()}
        wait_until("more of each kind", lambda: self.problems or all(count >= target[kind] for kind, count in self.figures().items()),
                   max(DEADLINE, 2 * SECONDS))
        assert not self.problems, self.problems

    def stop(self):
        """Ends all clients in order and returns the counts of problems."""
        for load in self.loads:
            load.stop()
        self.talkers.stop()
        self.udp.stop()
        return self.counts

    def clean(self):
        """stop(), and nothing whatever may have gone wrong."""
        self.stop()
        assert not self.problems, self.problems
        assert not self.excused, self.excused
        assert all(self.figures().values()) and self.transfers > 0, self.figures()
