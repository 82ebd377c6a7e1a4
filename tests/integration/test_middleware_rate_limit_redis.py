"""rateLimit.redis: one bucket for all who ask one Redis; what happens when it is away, slow, or does not let us in."""
import base64
import math
import os
import signal
import socket
import subprocess
import threading
import time
from types import SimpleNamespace

import pytest

from conftest import DEADLINE, Program, wait_port, wait_until
from ports import free_port, listen
from proxying import server  # noqa: F401 a fixture
from rawhttp import connect, get
from routing import one_route, routed  # noqa: F401 fixtures
from test_middleware_plugin import WHOAMI
from tlskit import Maker

pytestmark = pytest.mark.usefixtures("server", "routed")

NO_COUNT = b"Could not insert/update bucket\n"
KEY = "rate:r@file:127.0.0.1"
RIGHTS = ["~rate:*", "-@all", *("+" + command for command in "evalsha eval time hmget hset expire select".split())]


class Redis:
    def __init__(self, programs, folder, *options, tls=None):
        self.programs, self.folder, self.options, self.tls, self.port = programs, folder, options, tls, free_port()
        self.start()

    def start(self):
        listens = ["--port", "0", "--tls-port", str(self.port), *self.tls] if self.tls else ["--port", str(self.port)]
        self.program = Program(["redis-server", *listens, "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder), *self.options],
                               env={"LD_PRELOAD": ""})  # its allocator reads a file before a library of `make chaos` is ready
        self.program.expected_status = None
        self.programs.append(self.program)
        wait_port(self.port)

    def kill(self):
        os.kill(self.program.pid, signal.SIGKILL)
        self.program.wait()

    def hang(self):
        os.kill(self.program.pid, signal.SIGSTOP)

    def wake(self):
        os.kill(self.program.pid, signal.SIGCONT)

    def ask(self, *words, options=()):
        done = subprocess.run(["redis-cli", "-h", "127.0.0.1", "-p", str(self.port), "--no-auth-warning", *options, *words],
                              capture_output=True, text=True, timeout=DEADLINE)
        return done.stdout.strip()

    def clients(self, *, options=()):
        """Connections but our own, by what they asked last."""
        lines = self.ask("client", "list", options=options).splitlines()
        return [line for line in lines if "cmd=client" not in line]


@pytest.fixture
def redis(programs, tmp_path):
    made = []

    def start(*options, **kw):
        made.append(Redis(programs, tmp_path, *options, **kw))
        return made[-1]

    yield start
    for one in made:
        if one.program.process.poll() is None:
            one.wake()


def limit(store, average=1, period="1h", burst=3, **options):
    """A machine that is slow is no Redis that is: time-outs are long where none is meant."""
    options = {"readTimeout": "60s", "dialTimeout": "60s", **options}
    host = options.pop("host", "127.0.0.1")
    criterion = options.pop("sourceCriterion", None)
    made = {"average": average, "period": period, "burst": burst, "redis": {"endpoints": [f"{host}:{store.port}"], **options}}
    return {"rateLimit": made if criterion is None else {**made, "sourceCriterion": criterion}}


def statuses(proxied, count, *fields):
    client, out = connect(proxied.port), []
    for _ in range(count):
        client.send(get("/", *fields))
        out.append(client.response().status)
    client.close()
    return out


def ask(proxied, *fields):
    client = connect(proxied.port)
    client.send(get("/", *fields))
    answer = client.response()
    client.close()
    return answer


def test_one_bucket_for_two_trees(server, redis, routed):
    """Of 8 clients at once at two trees of two workers exactly so many pass as the bucket holds."""
    store = redis()
    config = one_route(server(), {"r": limit(store, burst=20)})
    trees = [routed(config, workers=2) for _ in range(2)]
    got = []
    threads = [threading.Thread(target=lambda n=n: got.extend(statuses(trees[n % 2], 10))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (got.count(200), got.count(429)) == (20, 60)
    answer = ask(trees[0])
    assert answer.status == 429 and answer.body == b"Too Many Requests"
    assert 3500 < int(answer.get("retry-after")) <= 3600 and answer.get("x-retry-in")[:2] in ("1h", "59", "58")


def test_rate_over_two_trees(server, redis, routed):
    """The formula over the wall clock, whatever the speed of the machine: never more, and not less while all ask."""
    app, store = server(), redis()
    trees = [routed(one_route(app, {"r": limit(store, average=100, period="1s", burst=10)})) for _ in range(2)]
    got, stop = [], threading.Event()

    def crowd(tree):
        while not stop.is_set():
            got.extend(statuses(tree, 10))

    begin = time.monotonic()
    threads = [threading.Thread(target=crowd, args=(trees[n % 2],)) for n in range(4)]
    for thread in threads:
        thread.start()
    wait_until("more than the burst are let through", lambda: len(app.requests) >= 110)
    stop.set()
    for thread in threads:
        thread.join()
    assert 110 <= got.count(200) <= 10 + math.ceil(100 * (time.monotonic() - begin)) + 1


def test_bucket_is_that_of_traefik(server, redis, routed):
    """Key, fields, their order and life; a bucket of somebody else's is gone on with."""
    store = redis()
    config = one_route(server(), {"r": limit(store, db=3)})
    proxied = routed(config)
    db = ("-n", "3")
    assert statuses(proxied, 1) == [200]
    fields = store.ask("hgetall", KEY, options=db).split()
    assert fields[0::2] == ["last", "tokens"] and fields[1].isdigit() and abs(int(fields[1]) / 1e6 - time.time()) < 60
    assert 2 <= float(fields[3]) < 2.1 and 3590 < int(store.ask("ttl", KEY, options=db)) <= 3601
    store.ask("hset", KEY, "last", str(int(time.time() * 1e6)), "tokens", "1.00001", options=db)
    assert statuses(proxied, 2) == [200, 429]
    config["middlewares"]["r"] = limit(store, db=3, sourceCriterion={"requestHeaderName": "X-Who"})
    proxied.change(config)
    assert statuses(proxied, 4, "X-Who: me and you") == [200] * 3 + [429]
    assert statuses(proxied, 1, "X-Who: other") == [200]
    assert sorted(store.ask("keys", "*", options=db).splitlines()) == [KEY, "rate:r@file:me and you", "rate:r@file:other"]


def test_addresses_in_keys(server, redis, routed):
    """As they were sent, but for networks of IPv6 and without a port."""
    store = redis()
    strategy = {"ipStrategy": {"depth": 1, "ipv6Subnet": 64}}
    proxied = routed(one_route(server(), {"r": limit(store, sourceCriterion=strategy)}), trusted="127.0.0.1")
    for sent in ("2001:db8:0:1:2:3:4:5", "2001:DB8::1:9:9:9:9", "10.0.0.1", "10.0.0.1:99", "2001:db8:0:2::7, nobody"):
        assert statuses(proxied, 1, f"X-Forwarded-For: {sent}") == [200]
    assert sorted(store.ask("keys", "*").splitlines()) == [f"rate:r@file:{name}" for name in ("10.0.0.1", "2001:db8:0:1::", "nobody")]


def test_routers_share_the_bucket_of_a_middleware(server, redis, routed):
    config = one_route(server(), {"r": limit(redis())})
    config["routers"]["more"] = {"rule": "Header(`X-More`, `1`)", "service": "all", "middlewares": ["r"], "priority": 1000}
    proxied = routed(config)
    assert statuses(proxied, 2) + statuses(proxied, 2, "X-More: 1") == [200] * 3 + [429]


def test_held_back(server, redis, routed):
    """One that comes a little early waits, and is served."""
    app = server()
    proxied = routed(one_route(app, {"r": limit(redis(), average=2, period="1s", burst=1)}))
    begin = time.monotonic()
    got = []
    while got.count(200) < 3:
        got += statuses(proxied, 1)
    assert time.monotonic() - begin >= 0.9
    assert len(app.requests) == 3 and set(got) <= {200, 429}


def test_away_and_back(server, redis, routed):
    """Nobody passes uncounted; the bucket is that of the new Redis once it is there; a name with two addresses will do."""
    app, store = server(), redis()
    proxied = routed(one_route(app, {"r": limit(store, burst=100, host="localhost")}))
    assert ask(proxied).status == 200
    store.kill()
    answer = ask(proxied)
    assert (answer.status, answer.body, answer.get("content-type")) == (500, NO_COUNT, "text/plain; charset=utf-8")
    assert len(app.requests) == 1
    proxied.router.wait_log(r"ERR Redis localhost:\d+: cannot be connected to: .*reason=rate_store")
    store.start()
    wait_until("it counts again", lambda: ask(proxied).status == 200)
    proxied.router.wait_log(r"Redis localhost:\d+ answers again")


def test_restart_between_two_requests_is_not_noticed(server, redis, routed):
    """The connection that died is found out with the question, which is asked once more."""
    store = redis()
    proxied = routed(one_route(server(), {"r": limit(store)}))
    assert statuses(proxied, 1) == [200]
    store.kill()
    store.start()
    assert statuses(proxied, 1) == [200]


def test_script_is_sent_again(server, redis, routed):
    store = redis()
    proxied = routed(one_route(server(), {"r": limit(store)}))
    assert statuses(proxied, 1) == [200]
    assert store.ask("script", "flush") == "OK"
    assert statuses(proxied, 3) == [200, 200, 429]


def test_password(server, redis, routed):
    """Who is not let in counts nothing and says why, never with the password; the right one comes with a change."""
    store = redis("--requirepass", "sesame", "--user", "gate", "on", ">open-door", *RIGHTS)
    config = one_route(server(), {"r": limit(store, burst=100, password="wrong-word")})
    proxied = routed(config)
    assert ask(proxied).body == NO_COUNT
    proxied.router.wait_log(r"Redis 127.0.0.1:\d+: AUTH or SELECT was refused: WRONGPASS")
    for user in ({}, {"username": "gate", "password": "open-door"}, {"password": "sesame"}):
        config["middlewares"]["r"] = limit(store, burst=100, **user)
        proxied.change(config)
        assert ask(proxied).status == (200 if user else 500)
    proxied.router.wait_log(r"it answered: NOAUTH")
    assert not any(word in proxied.router.log() for word in ("wrong-word", "open-door", "sesame"))


def test_what_redis_repeats_is_not_logged(server, redis, routed):
    """One that does not know a command says with which arguments it was called."""
    config = one_route(server(), {"r": limit(redis("--rename-command", "AUTH", ""), password="open-door")})
    proxied = routed(config)
    assert ask(proxied).status == 500
    proxied.router.wait_log(r"AUTH or SELECT was refused: ERR unknown command 'AUTH' ")
    named = {"sourceCriterion": {"requestHeaderName": "X-Key"}}
    config["middlewares"]["r"] = limit(redis("--rename-command", "EVALSHA", ""), **named)
    proxied.change(config)
    assert ask(proxied, "X-Key: open-door").status == 500
    proxied.router.wait_log(r"it answered: ERR unknown command 'EVALSHA' ")
    assert "open-door" not in proxied.router.log()


def test_slow(server, redis, routed):
    """Time-outs hold, for those who wait over one connection too; who leaves leaves nothing behind."""
    app, store = server(), redis()
    proxied = routed(one_route(app, {"r": limit(store, burst=100, readTimeout="2s", maxActiveConns=1)}))
    assert ask(proxied).status == 200
    store.hang()
    clients = [connect(proxied.port) for _ in range(6)]
    begin = time.monotonic()
    for client in clients:
        client.send(get("/"))
    for client in clients[:3]:
        client.close()
    assert [client.response().body for client in clients[3:]] == [NO_COUNT] * 3
    assert time.monotonic() - begin >= 2
    proxied.router.wait_log(r"no answer in time \(readTimeout\)|no answer to AUTH")
    store.wake()
    wait_until("it counts again", lambda: ask(proxied).status == 200)
    wait_until("one connection is there", lambda: len(store.clients()) == 1)


def test_change_while_questions_are_under_way(server, redis, routed):
    """What was asked under the old configuration is answered under it; its connections end with the last user."""
    app, store = server(), redis()
    config = one_route(app, {"r": limit(store, burst=2, db=1)})
    proxied = routed(config)
    assert ask(proxied).status == 200
    store.hang()
    clients = [connect(proxied.port) for _ in range(4)]
    for client in clients:
        client.send(get("/"))
    wait_until("all are under way", lambda: proxied.router.log().count("middleware r@file (rateLimit)") == 5)
    config["middlewares"]["r"] = limit(store, burst=2, db=2)
    proxied.change(config)
    store.wake()
    assert sorted(client.response().status for client in clients) == [200, 429, 429, 429]
    assert statuses(proxied, 3) == [200, 200, 429]
    wait_until("the connection of the old one is closed",
               lambda: [line for line in store.clients() if " db=2 " in line] and not [line for line in store.clients() if " db=1 " in line])


def test_unused_pool_is_closed(server, redis, routed):
    """A rateLimit that is taken out leaves no connection."""
    app, store = server(), redis()
    config = one_route(app, {"r": limit(store)})
    proxied = routed(config)
    assert ask(proxied).status == 200
    wait_until("one connection is there", lambda: len(store.clients()) == 1)
    proxied.change(one_route(app, {}))
    wait_until("no connection is left", lambda: not store.clients())


def test_connections(server, redis, routed):
    """minIdleConns are opened, maxActiveConns and poolSize never passed."""
    store = redis()
    config = one_route(server(), {"r": limit(store, burst=10000, minIdleConns=3, maxActiveConns=5)})
    proxied = routed(config)
    wait_until("three are there", lambda: ask(proxied).status == 200 and len(store.clients()) >= 3)
    store.hang()
    clients = [connect(proxied.port) for _ in range(400)]
    for client in clients:
        client.send(get("/"))
    store.wake()
    assert {client.response().status for client in clients} == {200}
    wait_until("only those are there", lambda: 3 <= len(store.clients()) <= 5)


def test_no_redis(server, routed):
    """Whoever speaks something else on that port, or nothing: nobody passes, nothing breaks."""
    app = server()

    def stranger(peer):
        peer.recv(65536)
        peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        while peer.recv(65536):  # no reset, which could overtake the answer
            pass

    with listen() as listener:
        def serve():
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                with peer:
                    stranger(peer)
        thread = threading.Thread(target=serve)
        thread.start()
        proxied = routed(one_route(app, {"r": limit(SimpleNamespace(port=listener.getsockname()[1]))}))
        assert ask(proxied).body == NO_COUNT
        proxied.router.wait_log("its answer is none of Redis")
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()
    assert not app.requests


@pytest.mark.parametrize("redis_options, more, text", [
    ({"endpoints": [f"a:{number}" for number in range(1, 102)]}, {}, r"rateLimit.redis.endpoints has 101 entries"),
    ({"endpoints": ["a:1", "b"]}, {}, r"rateLimit.redis.endpoints: write HOST:PORT"),
    ({"endpoints": ["a:1", "b:2"], "tls": {"ca": "/nowhere"}}, {}, r"rateLimit.redis.tls.ca: .*/nowhere"),
    ({"endpoints": ["a"]}, {}, r"rateLimit.redis.endpoints: write HOST:PORT"),
    ({"endpoints": ["[::1]"]}, {}, r"rateLimit.redis.endpoints: write HOST:PORT"),
    ({"endpoints": ["user:hidden-word@a:1"]}, {}, r"rateLimit.redis.endpoints: write HOST:PORT and nothing else; username"),
    ({"endpoints": ["redis://a:1"]}, {}, r"rateLimit.redis.endpoints"),
    ({"endpoints": ["/run/redis.sock"]}, {}, r"rateLimit.redis.endpoints"),
    ({"tls": {"cert": "x"}}, {}, r"rateLimit.redis.tls: cert and key go together"),
    ({}, {"scope": "router"}, r"rateLimit.scope: router cannot be had with redis"),
])
def test_wrong_options_disable_the_router(server, routed, redis_options, more, text):
    app = server()
    config = one_route(app, {"r": {"rateLimit": {"average": 1, "redis": redis_options, **more}}})
    config["routers"]["other"] = {"rule": "Header(`X-Other`, `1`)", "service": "all", "priority": 1000}
    proxied = routed(config)
    assert statuses(proxied, 1) == [404] and statuses(proxied, 1, "X-Other: 1") == [200]
    proxied.router.wait_log(text)
    assert "hidden-word" not in proxied.router.log()


def test_average_of_zero_is_no_limit(server, routed):
    proxied = routed(one_route(server(), {"r": {"rateLimit": {"average": 0, "redis": {"endpoints": ["127.0.0.1:1"]}}}}))
    assert statuses(proxied, 5) == [200] * 5


# ---- TLS ----

@pytest.fixture(scope="module")
def made(tmp_path_factory):
    maker = Maker(tmp_path_factory.mktemp("redis-tls"))
    authority, stranger = maker.authority("authority"), maker.authority("stranger")
    return {"authority": authority, "stranger": stranger, "server": maker.signed("server", authority, ["IP:127.0.0.1", "DNS:localhost"]),
            "client": maker.signed("client", authority)}


def over_tls(made):
    return ["--tls-cert-file", str(made["server"].crt), "--tls-key-file", str(made["server"].key), "--tls-ca-cert-file",
            str(made["authority"].crt), "--tls-auth-clients", "yes"]


def test_over_tls(server, redis, routed, made):
    """With a certificate of ours; an authority that did not sign is not believed, unless anybody is."""
    store = redis("--requirepass", "sesame", tls=over_tls(made))
    pair = {"cert": str(made["client"].crt), "key": str(made["client"].key)}
    config = one_route(server(), {"r": limit(store, burst=2, password="sesame", tls={"ca": str(made["authority"].crt), **pair})})
    proxied = routed(config)
    assert statuses(proxied, 3) == [200, 200, 429]
    for tls, status in (({"ca": str(made["stranger"].crt), **pair}, 500), ({**pair}, 500), ({"insecureSkipVerify": True, **pair}, 429)):
        config["middlewares"]["r"] = limit(store, burst=2, password="sesame", tls=tls)
        proxied.change(config)
        assert ask(proxied).status == status, tls
    proxied.router.wait_log(r"Redis 127.0.0.1:\d+: TLS failed: ")


# ---- Kubernetes ----

def encoded(data):
    return ", ".join(f'"{key}": {base64.b64encode(text.encode()).decode()}' for key, text in data.items())


def objects(store, made, password):
    return f"""
apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: {{name: all}}
spec:
  routes:
  - kind: Rule
    match: PathPrefix(`/`)
    middlewares: [{{name: limited}}]
    services: [{{name: whoami, port: 80}}]
---
apiVersion: traefik.io/v1alpha1
kind: Middleware
metadata: {{name: limited}}
spec:
  rateLimit:
    average: 1
    period: 1h
    burst: 2
    redis:
      endpoints: ["localhost:{store.port}"]
      secret: login
      db: 1
      tls: {{caSecret: ca, certSecret: pair}}
---
apiVersion: v1
kind: Secret
metadata: {{name: login}}
data: {{{encoded({"username": "gate", "password": password})}}}
---
apiVersion: v1
kind: Secret
metadata: {{name: ca}}
data: {{{encoded({"tls.ca": made["authority"].pem})}}}
---
apiVersion: v1
kind: Secret
metadata: {{name: pair}}
type: kubernetes.io/tls
data: {{{encoded({"tls.crt": made["client"].pem, "tls.key": made["client"].key_pem})}}}
"""


def test_objects_of_kubernetes(weir, whoami, redis, manifests, made):
    """Login, authority and certificate out of Secrets, and a new password in one of them."""
    store = redis("--user", "gate", "on", ">first-word", "~*", "+@all", tls=over_tls(made))
    manifests.write("service.yaml", WHOAMI.format(port=whoami("w").port))
    manifests.write("all.yaml", objects(store, made, "first-word"))
    router = weir(f"--providers.kubernetesCRD.manifests={manifests.path}")
    router.accepting(1)
    tree = SimpleNamespace(port=router.ports["web"])
    assert statuses(tree, 3) == [200, 200, 429]
    cli = ("--tls", "--cacert", str(made["authority"].crt), "--cert", str(made["client"].crt), "--key", str(made["client"].key), "-n", "1")
    assert store.ask("keys", "*", options=cli) == "rate:default-limited@kubernetescrd:127.0.0.1"
    mark = router.mark()
    assert store.ask("acl", "setuser", "gate", "resetpass", ">second-word", options=cli) == "OK"
    manifests.write("all.yaml", objects(store, made, "second-word"))
    router.in_force(mark)
    assert statuses(tree, 1) == [429]
    assert "-word" not in router.log()
