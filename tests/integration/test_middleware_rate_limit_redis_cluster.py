"""rateLimit.redis with several endpoints: a real Redis Cluster whose slots move, whose nodes die and come, and nodes that are none."""
import contextlib
import re
import threading

import pytest

from board import Board
from conftest import wait_until
from ports import free_port
from proxying import server  # noqa: F401 a fixture
from rawhttp import connect, get
from routing import one_route, routed  # noqa: F401 fixtures
from test_middleware_rate_limit_redis import NO_COUNT, Redis, ask, made, over_tls, statuses  # noqa: F401 a fixture among them
from test_middleware_rate_limit_redis_hostile import command

pytestmark = pytest.mark.usefixtures("server", "routed")

SLOTS = 16384
SEEN = 0.1  # each look is a process or several, and nodes tell each other things once a second
NAMES = [f"client-{number}" for number in range(24)]  # over all nodes of three, whatever the middleware is called


class Node(Redis):
    def __init__(self, programs, folder, *options, cli=(), **kw):
        self.bus, self.cli, folder = free_port(), cli, folder / f"node-{len(programs)}"
        folder.mkdir()
        super().__init__(programs, folder, "--cluster-enabled", "yes", "--cluster-port", str(self.bus),
                         "--cluster-node-timeout", "60000", "--repl-diskless-sync-delay", "0", *options, **kw)

    def ask(self, *words, options=()):
        return super().ask(*words, options=(*self.cli, *options))

    @property
    def id(self):
        return self.ask("cluster", "myid")

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def own(self, first, last):
        assert self.ask("cluster", "addslotsrange", str(first), str(last)) == "OK"

    def number(self, name):
        return int(re.search(rf"^{name}:(\d+)", self.ask("info", "replication"), re.MULTILINE).group(1))

    def knows(self, count):
        return f"cluster_known_nodes:{count}\n" in self.ask("cluster", "info").replace("\r", "") + "\n"

    def is_well(self):
        return "cluster_state:ok" in self.ask("cluster", "info")


def join(*nodes):
    for node in nodes[1:]:
        assert nodes[0].ask("cluster", "meet", "127.0.0.1", str(node.port), str(node.bus)) == "OK"
    wait_until("all know each other", lambda: all(node.knows(len(nodes)) for node in nodes), pause=SEEN)


def settle(*nodes):
    wait_until("all nodes say that the cluster is well", lambda: all(node.is_well() for node in nodes), pause=SEEN)


@pytest.fixture
def cluster(programs, tmp_path):
    """Nodes of a cluster, each with its part of the slots."""
    made = []

    def start(count, *options, **kw):
        nodes = [Node(programs, tmp_path, *options, **kw) for _ in range(count)]
        made.extend(nodes)
        for number, node in enumerate(nodes):
            assert node.ask("cluster", "set-config-epoch", str(number + 1)) == "OK"
            node.own(number * SLOTS // count, (number + 1) * SLOTS // count - 1)
        join(*nodes)
        settle(*nodes)
        return nodes

    yield start
    for node in made:
        if node.program.process.poll() is None:
            node.wake()


def limit(*endpoints, burst=1, **options):
    """Whom a client is said to be makes the key."""
    options = {"readTimeout": "60s", "dialTimeout": "60s", **options}
    return {"rateLimit": {"average": 1, "period": "1h", "burst": burst, "sourceCriterion": {"requestHeaderName": "X-Who"},
                          "redis": {"endpoints": [getattr(endpoint, "address", endpoint) for endpoint in endpoints], **options}}}


def key(name):
    return f"rate:r@file:{name}"


def each(proxied, names=NAMES):
    return {name: statuses(proxied, 1, f"X-Who: {name}")[0] for name in names}


def learned(proxied, start=0):
    """Until a map that is learned from line `start` on is in force in all workers; which line said so."""
    at, _ = proxied.router.wait_log(r"rateLimit\.redis: redis.* gave other places of slots", start)
    everywhere(proxied, at)
    return at


def everywhere(proxied, start):
    """Until all workers serve a generation that they took behind that line."""
    def serving():
        proxied.router.log()
        said = [re.search(r"generation \d+ in force process=\"(worker \d+)\"", line) for line in proxied.router.lines[start:]]
        return len({match.group(1) for match in said if match}) >= proxied.workers
    wait_until("all workers serve it", serving)


def test_each_key_at_its_node(server, cluster, routed):
    """One bucket for each, wherever it is; db has no meaning; workers go to the right node at once."""
    nodes = cluster(3)
    proxied = routed(one_route(server(), {"r": limit(*nodes, db=5)}), workers=2)
    learned(proxied)
    assert set(each(proxied).values()) == {200} and set(each(proxied).values()) == {429}
    kept = [node.ask("keys", "*").splitlines() for node in nodes]
    assert all(kept) and sorted(sum(kept, [])) == sorted(map(key, NAMES))
    assert all("errorstat_MOVED:" not in node.ask("info", "errorstats") for node in nodes)


def test_before_any_map(server, cluster, routed):
    """The first request of all finds its node by what the others say."""
    nodes = cluster(2)
    proxied = routed(one_route(server(), {"r": limit(*nodes)}))
    assert set(each(proxied).values()) == {200} and set(each(proxied).values()) == {429}


def test_nodes_that_are_not_configured(server, cluster, routed):
    """One endpoint that is there is enough, another may be dead, one may be said twice."""
    nodes = cluster(3)
    proxied = routed(one_route(server(), {"r": limit(f"127.0.0.1:{free_port()}", nodes[1], nodes[1], f"localhost:{free_port()}")}))
    learned(proxied)
    assert set(each(proxied).values()) == {200} and set(each(proxied).values()) == {429}


def test_tag_in_a_key(server, cluster, routed):
    """Sources with one tag are on one node."""
    nodes = cluster(3)
    proxied = routed(one_route(server(), {"r": limit(*nodes)}))
    names = [f"{{team}}-{number}" for number in range(6)]
    assert set(each(proxied, names).values()) == {200}
    kept = [node.ask("keys", "*").splitlines() for node in nodes]
    assert sorted(map(len, kept)) == [0, 0, 6]


def test_slot_on_its_way(server, cluster, routed):
    """ASK while it moves, MOVED behind that, and nobody is refused or let through twice."""
    nodes = cluster(2)
    proxied = routed(one_route(server(), {"r": limit(*nodes, burst=3)}))
    at = learned(proxied)
    slot = nodes[0].ask("cluster", "keyslot", key("{x}"))
    here, there = nodes if int(slot) < SLOTS // 2 else nodes[::-1]
    assert statuses(proxied, 1, "X-Who: {x}old") == [200]
    assert there.ask("cluster", "setslot", slot, "importing", here.id) == "OK"
    assert here.ask("cluster", "setslot", slot, "migrating", there.id) == "OK"
    assert statuses(proxied, 2, "X-Who: {x}new") == [200] * 2  # the script as well is sent there anew
    assert (here.ask("keys", "*"), there.ask("keys", "*")) == (key("{x}old"), key("{x}new"))
    assert here.ask("migrate", "127.0.0.1", str(there.port), key("{x}old"), "0", "60000") == "OK"
    assert statuses(proxied, 1, "X-Who: {x}old") == [200]
    for node in (there, here):
        assert node.ask("cluster", "setslot", slot, "node", there.id) == "OK"
    assert statuses(proxied, 2, "X-Who: {x}old") == [200, 429]
    assert statuses(proxied, 2, "X-Who: {x}new") == [200, 429]
    learned(proxied, at + 1)
    assert statuses(proxied, 1, "X-Who: {x}new") == [429]
    assert "rate_store" not in proxied.router.log()


def test_node_that_comes(server, cluster, routed, programs, tmp_path):
    """Its slots are answered with 500 at most until the master has asked."""
    nodes = cluster(2)
    proxied = routed(one_route(server(), {"r": limit(*nodes)}))
    at = learned(proxied)
    fresh = Node(programs, tmp_path)
    join(*nodes, fresh)
    slot = nodes[0].ask("cluster", "keyslot", key("x"))
    owner = nodes[0 if int(slot) < SLOTS // 2 else 1]
    # Who takes a slot that it was importing gets the greatest epoch: without it, the owner's next ping makes it a replica.
    wait_until("it knows the owner", lambda: fresh.ask("cluster", "setslot", slot, "importing", owner.id) == "OK", pause=SEEN)
    for node in (fresh, *nodes):
        wait_until("it knows the new one", lambda node=node: node.ask("cluster", "setslot", slot, "node", fresh.id) == "OK", pause=SEEN)
    wait_until("it is asked", lambda: statuses(proxied, 1, "X-Who: x") == [200])
    learned(proxied, at + 1)
    assert statuses(proxied, 1, "X-Who: x") == [429] and fresh.ask("keys", "*") == key("x")


def test_node_that_dies(server, cluster, routed, programs, tmp_path):
    """Its keys are answered with 500, others as ever; the replica that takes over counts on, and no configuration is needed for it."""
    nodes = cluster(3)
    replica = Node(programs, tmp_path)
    join(*nodes, replica)
    wait_until("it follows", lambda: replica.ask("cluster", "replicate", nodes[0].id) == "OK")
    wait_until("all name it", lambda: all(f"\n{replica.port}\n" in node.ask("cluster", "slots") for node in nodes), pause=SEEN)
    wait_until("it is up to date", lambda: "master_link_status:up" in replica.ask("info", "replication"), pause=SEEN)
    proxied = routed(one_route(server(), {"r": limit(*nodes, burst=2)}))
    learned(proxied)
    assert set(each(proxied).values()) == {200}
    theirs = [name for name in NAMES if int(nodes[1].ask("cluster", "keyslot", key(name))) < SLOTS // 3]
    wait_until("the replica has them", lambda: replica.number("slave_repl_offset") == nodes[0].number("master_repl_offset"), pause=SEEN)
    nodes[0].kill()
    assert ask(proxied, f"X-Who: {theirs[0]}").body == NO_COUNT
    others = [name for name in NAMES if name not in theirs]
    assert set(each(proxied, others).values()) == {200}
    assert replica.ask("cluster", "failover", "takeover") == "OK"
    wait_until("the others know it", lambda: all(f"{SLOTS // 3 - 1}\n127.0.0.1\n{replica.port}\n" in node.ask("cluster", "slots")
                                                 for node in nodes[1:]))
    assert set(each(proxied, theirs).values()) == {200}
    assert set(each(proxied).values()) == {429}


def test_map_outlives_the_master(server, cluster, routed):
    """The next one has it at once: nodes that only the cluster named stay known."""
    nodes = cluster(3)
    proxied = routed(one_route(server(), {"r": limit(nodes[0], f"127.0.0.1:{free_port()}")}))
    learned(proxied)
    assert set(each(proxied).values()) == {200}
    mark = proxied.router.kill_master()
    for node in nodes:
        node.hang()
    everywhere(proxied, mark)
    for node in nodes:
        node.wake()
    assert set(each(proxied).values()) == {429}


def test_login_over_tls(server, cluster, routed, made):  # noqa: F811
    """The master asks as workers do; a wrong password is said without saying it."""
    cli = ("--tls", "--cacert", str(made["authority"].crt), "--cert", str(made["client"].crt), "--key", str(made["client"].key),
           "-a", "sesame")
    nodes = cluster(2, "--requirepass", "sesame", "--tls-cluster", "yes", tls=over_tls(made), cli=cli)
    tls = {"ca": str(made["authority"].crt), "cert": str(made["client"].crt), "key": str(made["client"].key)}
    dead = f"127.0.0.1:{free_port()}"
    config = one_route(server(), {"r": limit(nodes[0], dead, password="sesame", tls=tls)})
    proxied = routed(config)
    learned(proxied)
    assert set(each(proxied).values()) == {200} and set(each(proxied).values()) == {429}
    config["middlewares"]["r"] = limit(nodes[0], dead, password="wrong-word", tls=tls)
    proxied.change(config)
    assert ask(proxied, "X-Who: x").status == 500
    proxied.router.wait_log(r"no places of slots from rediss://127.0.0.1:\d+,127.0.0.1:\d+: ")
    assert not any(word in proxied.router.log() for word in ("sesame", "wrong-word"))


# ---- nodes that are none ----

def bulk(text):
    return f"${len(text)}\r\n{text}\r\n".encode()


def one_range(host, port):
    return b"*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n" + bulk(host) + b":%d\r\n" % port


@pytest.mark.parametrize("slots, word", [
    (b"-ERR This instance has cluster support disabled\r\n", "CLUSTER SLOTS was refused: ERR This instance has"),
    (b"*0\r\n", "it knows of no node that has a slot"),
    (b"*1\r\n*3\r\n:0\r\n:99999\r\n*2\r\n$1\r\na\r\n:1\r\n", "its answer to CLUSTER SLOTS is malformed"),
    (one_range("a/b", 1), "its answer to CLUSTER SLOTS is malformed"),
    (b"HTTP/1.1 400\r\n\r\n", "its answer to CLUSTER SLOTS is none"),
    (b"", "closed by the server"),
])
def test_answers_that_are_no_map(server, routed, slots, word):
    """Without one any endpoint is asked; one that counts, counts."""
    def handler(peer, _):
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                if command(peer)[:2] == [b"CLUSTER", b"SLOTS"]:
                    peer.send(slots)
                    return
                peer.send(b":0\r\n")

    stores = [server(handler) for _ in range(2)]
    proxied = routed(one_route(server(), {"r": limit(*(f"127.0.0.1:{store.port}" for store in stores), dialTimeout="1s")}))
    proxied.router.wait_log(rf"no places of slots from redis://.*: 127.0.0.1:\d+: .*({word})")
    assert set(each(proxied).values()) == {200}


def test_redirections_without_end(server, routed):
    """Two nodes that name each other, and one that names itself or a stranger: a few questions, then the request has its answer."""
    asked, answers = [], {}

    def handler(peer, _):
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                words = command(peer)
                if words[0] == b"EVALSHA":
                    asked.append(words[3])
                    peer.send(answers[words[3]])
                else:
                    peer.send(b"-ERR no\r\n" if words[0] != b"ASKING" else b"+OK\r\n")

    stores = [server(handler) for _ in range(2)]
    stranger = server(lambda peer, _: None)
    proxied = routed(one_route(server(), {"r": limit(*(f"127.0.0.1:{store.port}" for store in stores))}))
    for name, text, most in (("self", f"-MOVED 1 127.0.0.1:{stores[0].port}\r\n", 6), ("ask", f"-ASK 1 127.0.0.1:{stores[1].port}\r\n", 6),
                             ("empty", f"-MOVED 1 :{stores[1].port}\r\n", 6), ("stranger", f"-MOVED 1 127.0.0.1:{stranger.port}\r\n", 1),
                             ("unknown", "-MOVED 1 ?:1\r\n", 1), ("down", "-CLUSTERDOWN The cluster is down\r\n", 1)):
        answers[key(name).encode()] = text.encode()
        assert ask(proxied, f"X-Who: {name}").body == NO_COUNT, name
        assert 1 <= asked.count(key(name).encode()) <= most, name
    assert not stranger.peers


def test_who_leaves_between_two_nodes(server, routed):
    """A client that is gone when its question is sent elsewhere: it is not, and nothing breaks."""
    go, came, asked = threading.Event(), threading.Event(), []

    def handler(peer, _):
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                words = command(peer)
                if words[0] != b"EVALSHA":
                    peer.send(b"-ERR no\r\n")
                    continue
                asked.append(words[3])
                if words[3] == key("gone").encode():
                    came.set()
                    go.wait(60)
                    peer.send(f"-MOVED 1 127.0.0.1:{stores[0].port}\r\n".encode())
                else:
                    peer.send(b":0\r\n")

    stores = [server(handler) for _ in range(2)]
    proxied = routed(one_route(server(), {"r": limit(*(f"127.0.0.1:{store.port}" for store in stores))}))
    client, board = connect(proxied.port), Board(proxied.router.pid)
    client.send(get("/", "X-Who: gone"))
    assert came.wait(60)
    client.reset()
    wait_until("it is gone", lambda: board.gauges()["exchanges"] == 0)
    board.close()
    go.set()
    assert set(each(proxied).values()) == {200} and asked.count(key("gone").encode()) == 1
