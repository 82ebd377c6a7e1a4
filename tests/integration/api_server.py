"""An API server whose every answer a test decides: lists in pages, watches as streams of events, refusals, silence.

Not a Kubernetes: it checks nothing. What a real one does is tested in tests/e2e; here is what a real one does seldom.
"""
import http.server
import json
import threading
import time
import urllib.parse

GROUPS = {"Service": "/api/v1/services", "EndpointSlice": "/apis/discovery.k8s.io/v1/endpointslices",
          "Ingress": "/apis/networking.k8s.io/v1/ingresses", "Endpoints": "/api/v1/endpoints", "IngressRoute": "/apis/traefik.io/v1alpha1/ingressroutes", "Secret": "/api/v1/namespaces/default/secrets"}
LISTS = {"/api/v1/nodes", *GROUPS.values()}


class Watch:
    def __init__(self, path):
        self.path, self.events = path, []


class ApiServer:
    def __init__(self):
        self.lock = threading.Condition()
        self.objects = {}      # path of the kind -> {name: object}
        self.version = 100
        self.requests = []     # (path, query, headers)
        self.times = {}        # path -> when it was asked for
        self.watches = []      # open ones
        self.watched = {}      # path -> queries of the watches that were asked for
        self.history = {}      # path -> [(version, event)]: what a watch that begins later is given
        self.refuse = {}       # path -> list of (status, words[, Retry-After]) for the next requests
        self.gone = set()      # paths that answer 404
        self.page = 500
        self.lists = []        # paths that were listed whole
        self.away = False      # every connection ends without an answer
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments):
                pass

            def do_GET(self):
                outer.answer(self)

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
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
                event = "MODIFIED" if thing["metadata"]["name"] in known else "ADDED"
                thing = {**thing, "metadata": {"namespace": "default", **thing["metadata"], "resourceVersion": str(self.version)}}
                known[thing["metadata"]["name"]] = thing
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
                if watch.path == path:
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
        if refusal or url.path not in LISTS or url.path in self.gone:
            self.status(handler, *(refusal or (404, "no such kind")))
        elif "watch" in query:
            self.watch(handler, url.path, query)
        else:
            self.list(handler, url.path, query)

    def write(self, handler, status, body, retry_after=None):
        handler.send_response(status)
        if retry_after is not None:
            handler.send_header("Retry-After", str(retry_after))
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def status(self, handler, code, words, retry_after=None):
        self.write(handler, code, json.dumps({"kind": "Status", "code": code, "message": words}).encode(), retry_after)

    def list(self, handler, path, query):
        with self.lock:
            wanted = query.get("fieldSelector", "").removeprefix("metadata.name=")
            items = [thing for name, thing in sorted(self.objects.get(path, {}).items()) if not wanted or name == wanted]
            start = int(query.get("continue", 0))
            end = start + self.page
            metadata = {"resourceVersion": str(self.version)}
            if end < len(items):
                metadata["continue"] = str(end)
            else:
                self.lists.append(path)
            body = json.dumps({"kind": "List", "items": items[start:end], "metadata": metadata}).encode()
            self.lock.notify_all()
        self.write(handler, 200, body)

    def watch(self, handler, path, query):
        watch = Watch(path)
        with self.lock:
            watch.events = [event for version, event in self.history.get(path, []) if version > int(query["resourceVersion"])]
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
