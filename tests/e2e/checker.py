"""What runs on the node, in its network namespace, as a client there:

    checker.py load HOST ADDRESS FRESH KEPT IDLE   the Load of the integration tests, until standard input ends; then what went wrong.
                                              IDLE: so many connections beside it that ask once and then keep silent
    checker.py serves HOST ADDRESS API        how long after the watch event of an IngressRoute called HOST its first answer came
                                              (API: URL of the API server; the token of an admin in the environment)

Both say "started" first and print one line of JSON at the end.
"""
import http.client
import json
import os
import pathlib
import ssl
import sys
import threading
import time
import urllib.request

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
from load import Load  # noqa: E402
from waiting import pass_time  # noqa: E402

PORT = 80


def silent(host, address):
    """A connection that is kept open after one answer."""
    connection = http.client.HTTPConnection(address, PORT, timeout=60)
    connection.request("GET", "/", headers={"Host": host})
    connection.getresponse().read()
    return connection


def load(host, address, fresh, kept, idle):
    """gap: from the first failure of a connect to the first answer to a connection that was opened after the last."""
    silents = [silent(host, address) for _ in range(int(idle))]
    clients = Load(PORT, host, fresh=int(fresh), kept=int(kept), address=address)
    print("started", flush=True)
    sys.stdin.read()
    clients.stop()
    for connection in silents:
        connection.close()
    refused = sorted(problem.when for problem in clients.all_problems if problem.kind == "connect")
    return {"answers": clients.done, "problems": clients.counts, "words": clients.problems[:5],
            "gap": refused[-1] - refused[0] if refused else 0.0, "slowest": clients.percentile(1)}


def ask_api(api, query):
    request = urllib.request.Request(f"{api}/apis/traefik.io/v1alpha1/ingressroutes?{query}",
                                     headers={"Authorization": f"Bearer {os.environ['TOKEN']}"})
    return urllib.request.urlopen(request, context=ssl._create_unverified_context(), timeout=120)


def watch_event(host, api, seen, ready):
    with ask_api(api, "limit=1") as listed:
        version = json.load(listed)["metadata"]["resourceVersion"]
    with ask_api(api, f"watch=1&resourceVersion={version}") as events:
        ready.set()
        for line in events:
            event = json.loads(line)
            if event["object"]["metadata"].get("name") == host:
                seen.append(time.monotonic())
                return


def serves(host, address, api):
    seen, ready = [], threading.Event()
    watcher = threading.Thread(target=watch_event, args=(host, api, seen, ready), daemon=True)
    watcher.start()
    assert ready.wait(60), "no watch"
    connection = http.client.HTTPConnection(address, PORT, timeout=60)
    print("started", flush=True)
    end, status = time.monotonic() + 120, 404
    while status != 200 and time.monotonic() < end:
        pass_time("between two requests", 0.002)
        connection.request("GET", "/", headers={"Host": host})
        answer = connection.getresponse()
        answer.read()
        status = answer.status
    answered = time.monotonic()
    watcher.join(60)
    assert seen, "no event"
    return {"status": status, "ms": (answered - seen[0]) * 1000}


if __name__ == "__main__":
    print(json.dumps({"load": load, "serves": serves}[sys.argv[1]](*sys.argv[2:])))
