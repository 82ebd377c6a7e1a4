"""An API server whose every answer a test decides: lists in pages, watches as streams of events, refusals, silence.

Not a Kubernetes: it checks nothing. What a real one does is tested in tests/e2e; here is what a real one does seldom.
"""
import http.server
import json
import re
import threading
import time
import urllib.parse

import pytest

from ports import free_port

GROUPS = {"Service": "/api/v1/services", "EndpointSlice": "/apis/discovery.k8s.io/v1/endpointslices",
          "Ingress": "/apis/networking.k8s.io/v1/ingresses", "Endpoints": "/api/v1/endpoints", "IngressRoute": "/apis/traefik.io/v1alpha1/ingressroutes",
          "Middleware": "/apis/traefik.io/v1alpha1/middlewares", "TraefikService": "/apis/traefik.io/v1alpha1/traefikservices", "Secret": "/api/v1/namespaces/default/secrets"}
LISTS = {"/api/v1/nodes", *GROUPS.values()}
LEASES, EVENTS = "/apis/coordination.k8s.io/v1/namespaces/weir/leases", "/apis/events.k8s.io/v1/namespaces/default/events"
STATUS = re.compile(r"(/apis/[^/]+/[^/]+)/namespaces/([^/]+)/([^/]+)/([^/]+)/status")


def only(query):
    return query.get("fieldSelector", "").removeprefix("metadata.name=")


def key(thing):
    namespace, name = thing["metadata"].get("namespace", "default"), thing["metadata"]["name"]
    return name if namespace == "default" else f"{namespace}/{name}"


class Watch:
    def __init__(self, path, wanted):
        """wanted: the name of the only object that is asked for; empty: all."""
        self.path, self.wanted, self.events = path, wanted, []

    def wants(self, event):
        return not self.wanted or not isinstance(event, dict) or event["object"]["metadata"].get("name") in (self.wanted, None)


class ApiServer:
    def __init__(self):
        self.lock = threading.Condition()
        self.objects = {}      # path of the kind -> {name, or NAMESPACE/NAME outside of default: object}
        self.version = 100
        self.requests = []     # (path, query, headers)
        self.times = {}        # path -> when it was asked for
        self.watches = []      # open ones
        self.watched = {}      # path -> queries of the watches that were asked for
        self.history = {}      # path -> [(version, event)]: what a watch that begins later is given
        self.refuse = {}       # path -> list of (status, words[, Retry-After]) for the next requests
        self.gone = set()      # paths that answer 404
        self.spoilt = {}       # path -> bytes that each of its watches gives before it ends, or the status that is its answer
        self.sloppy = False    # a watch of one object is told of all of its kind
        self.page = 500
        self.cut = set()       # paths whose next page breaks off behind its first object
        self.lists = []        # paths that were listed whole
        self.away = False      # every connection ends without an answer
        self.leases = {}       # path -> object
        self.events = {}       # name -> Event
        self.writes = []       # (method, path, body) of everything but leases
        self.renewals = []     # (status, holder) of what was written to leases
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments):
                pass

            def do_GET(self):
                outer.answer(self)

            def do_PATCH(self):
                outer.change(self)

            do_POST = do_PUT = do_PATCH

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

        self.server = Server(("127.0.0.1", free_port()), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self):
        with self.lock:
            for watch in self.watches:
                watch.events.append(None)
            self.lock.notify_all()
        self.server.shutdown()
        self.server.server_close()

    # ---- what the test does ----
    def put(self, *objects, silent=False):
        with self.lock:
            for thing in objects:
                path = GROUPS[thing["kind"]]
                known = self.objects.setdefault(path, {})
                self.version += 1
                name = key(thing)
                event = "MODIFIED" if name in known else "ADDED"
                before = known.get(name, {})
                same = before.get("spec") == thing.get("spec")
                metadata = {"namespace": "default", "uid": f"{path}/{name}",
                            "generation": before.get("metadata", {}).get("generation", 0) + (0 if before and same else 1)}
                thing = {**thing, "metadata": {**metadata, **thing["metadata"], "resourceVersion": str(self.version)}}
                if "status" in before:
                    thing.setdefault("status", before["status"])
                known[name] = thing
                if not silent:
                    self.happen(path, {"type": event, "object": thing})

    def remove(self, kind, name, silent=False):
        with self.lock:
            self.version += 1
            thing = self.objects[GROUPS[kind]].pop(name)
            if not silent:
                self.happen(GROUPS[kind], {"type": "DELETED", "object": thing})

    def happen(self, path, event):
        self.history.setdefault(path, []).append((self.version, event))
        self.send(path, event)

    def send(self, path, event):
        """To all watches of a kind: an event, bytes as they are, or None for the end."""
        with self.lock:
            for watch in self.watches:
                if watch.path == path and (self.sloppy or watch.wants(event)):
                    watch.events.append(event)
            self.lock.notify_all()

    def leave(self):
        """From now on there is no API server."""
        with self.lock:
            self.away = True
            for watch in self.watches:
                watch.events.append(None)
            self.lock.notify_all()

    def come(self):
        with self.lock:
            self.away = False

    def wait_watch(self, path, seen=0, seconds=30):
        """Until more than `seen` watches of that kind were opened; their queries."""
        with self.lock:
            assert self.lock.wait_for(lambda: len(self.watched.get(path, [])) > seen, seconds), path
            return list(self.watched[path])

    def wait(self, what, seconds=30):
        """Until what() of this server is true; what it gave."""
        with self.lock:
            assert self.lock.wait_for(what, seconds), (self.writes, self.renewals)
            return what()

    def condition(self, name, kind="IngressRoute"):
        """The condition Accepted of an object, or None."""
        with self.lock:
            status = self.objects[GROUPS[kind]][name].get("status", {})
            return next((c for c in status.get("conditions", []) if c["type"] == "Accepted"), None)

    # ---- what it answers ----
    def answer(self, handler):
        url = urllib.parse.urlsplit(handler.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        with self.lock:
            self.requests.append((url.path, query, dict(handler.headers)))
            self.times.setdefault(url.path, []).append(time.monotonic())
            self.lock.notify_all()
            refusals = self.refuse.get(url.path)
            refusal = refusals.pop(0) if refusals else None
            if self.away:
                handler.close_connection = True
                return
        single = self.leases.get(url.path) or self.single(url.path)
        if single and not refusal:
            self.write(handler, 200, json.dumps(single).encode())
        elif refusal or url.path not in LISTS or url.path in self.gone:
            self.status(handler, *(refusal or (404, "no such kind")))
        elif "watch" in query:
            self.watch(handler, url.path, query)
        else:
            self.list(handler, url.path, query)

    def change(self, handler):
        """Leases, Events and statuses: the last alone are applied to objects, as by the only manager of their fields."""
        url = urllib.parse.urlsplit(handler.path)
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        with self.lock:
            self.requests.append((url.path, dict(urllib.parse.parse_qsl(url.query)), dict(handler.headers)))
            of = STATUS.fullmatch(url.path)
            keys = [f"{handler.command} {url.path}", f"{handler.command} {of[1]}/{of[3]}" if of else "", url.path]
            refusals = next((self.refuse[key] for key in keys if self.refuse.get(key)), [])
            refusal = refusals.pop(0) if refusals else None
            code, answer = refusal or self.changed(handler.command, url.path, body)
            if "/leases" in url.path:
                self.renewals.append((code, body["spec"]["holderIdentity"]))
            else:
                self.writes.append((handler.command, url.path, body))
            self.lock.notify_all()
        if code < 300:
            self.write(handler, code, json.dumps(answer).encode())
        else:
            self.status(handler, code, answer)

    def single(self, path):
        of = STATUS.fullmatch(f"{path}/status")
        return self.objects.get(f"{of[1]}/{of[3]}", {}).get(of[4]) if of else None

    def changed(self, method, path, body):
        self.version += 1
        name = body["metadata"]["name"]
        if path.startswith(LEASES):
            path = f"{LEASES}/{name}"
            there = self.leases.get(path)
            if method == "POST" and there or method == "PUT" and there["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"]:
                return 409, "somebody was faster"
            self.leases[path] = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self.version)}}
            return 200, self.leases[path]
        if path == EVENTS:
            if name in self.events:
                return 409, "is there already"
            self.events[name] = body
            return 201, body
        of = STATUS.fullmatch(path)
        kind = f"{of[1]}/{of[3]}" if of else ""
        if name not in self.objects.get(kind, {}):
            return 404, "page not found"
        thing = self.objects[kind][name]
        thing = {**thing, "status": body["status"], "metadata": {**thing["metadata"], "resourceVersion": str(self.version)}}
        self.objects[kind][name] = thing
        self.happen(kind, {"type": "MODIFIED", "object": thing})
        return 200, thing

    def write(self, handler, status, body, retry_after=None):
        handler.send_response(status)
        if retry_after is not None:
            handler.send_header("Retry-After", str(retry_after))
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def status(self, handler, code, words, retry_after=None):
        body = {"kind": "Status", "code": code, "message": words, "metadata": {"resourceVersion": str(self.version)}}
        self.write(handler, code, json.dumps(body).encode(), retry_after)

    def list(self, handler, path, query):
        with self.lock:
            wanted = only(query)
            items = sorted((thing for name, thing in self.objects.get(path, {}).items() if not wanted or name == wanted),
                           key=lambda thing: (thing["metadata"].get("namespace", ""), thing["metadata"]["name"]))
            start = int(query.get("continue", 0))
            end = start + self.page
            metadata = {"resourceVersion": str(self.version)}
            if end < len(items):
                metadata["continue"] = str(end)
            else:
                self.lists.append(path)
            page = items[start:end]
            body = json.dumps({"kind": "List", "metadata": metadata, "items": page}).encode()  # in the order of a real one
            cut = path in self.cut and len(page) > 1
            if cut:
                self.cut.remove(path)
            self.lock.notify_all()
        if cut:
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body[:body.index(json.dumps(page[1]).encode())])
            handler.close_connection = True
        else:
            self.write(handler, 200, body)

    def watch(self, handler, path, query):
        spoilt = self.spoilt.get(path)
        if isinstance(spoilt, int):
            self.status(handler, spoilt, "no watch")
            return
        watch = Watch(path, only(query))
        with self.lock:
            watch.events = [event for version, event in self.history.get(path, [])
                            if version > int(query["resourceVersion"]) and (self.sloppy or watch.wants(event))]
            if spoilt is not None:
                watch.events = [spoilt, None]
            self.watches.append(watch)
            self.watched.setdefault(path, []).append(query)
            self.lock.notify_all()
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.flush()
        try:
            while True:
                with self.lock:
                    self.lock.wait_for(lambda: watch.events)
                    event = watch.events.pop(0)
                if event is None:
                    break
                data = event if isinstance(event, bytes) else json.dumps(event).encode() + b"\n"
                handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                handler.wfile.flush()
            handler.wfile.write(b"0\r\n\r\n")
        except OSError:
            handler.close_connection = True
        finally:
            with self.lock:
                self.watches.remove(watch)


@pytest.fixture
def api():
    server = ApiServer()
    yield server
    server.stop()
