#!/usr/bin/env bash
# run.sh - starts the demo: backends, then weir on the manifests beside this file. Ctrl-C stops all of it.
# usage: run.sh PATH_OF_WEIR; PORT chooses the port of the entry point (8000).
set -euo pipefail
weir=$1
here=$(dirname "$0")
port=${PORT:-8000}
pids=()

stop() {
    trap - EXIT INT TERM
    for pid in "${pids[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    wait
}
trap stop EXIT
trap 'exit 0' INT TERM

backends=(8081:pod-1 8082:pod-2 8083:nexus 8084:v1 8085:v2)
for backend in "${backends[@]}"; do
    if (: <"/dev/tcp/127.0.0.1/${backend%%:*}") 2>/dev/null; then
        echo "run.sh: another program listens on port ${backend%%:*}, where a backend of the demo belongs: stop it first" >&2
        exit 1
    fi
done
for backend in "${backends[@]}"; do
    "$weir" whoami --port "${backend%%:*}" --name "${backend##*:}" >/dev/null &
    pids+=($!)
done
flags=(--entryPoints.web.address=":$port" --providers.kubernetesCRD.manifests="$here"
    --providers.kubernetesCRD.allowCrossNamespace=true --log.level=INFO)

cat <<TEXT

weir serves deploy/demo on http://localhost:$port. In another terminal, try:

  curl -H 'Host: whoami.localhost' http://localhost:$port/notls         # a route; repeat it: two pods in turn
  curl -H 'Host: nexus.localhost'  'http://localhost:$port/foo/a?b=1'   # /foo is stripped, X-Forwarded-Prefix tells it
  for i in 1 2 3 4; do curl -s -H 'Host: wrr.localhost' http://localhost:$port/ | grep Name; done    # 3 of 4 go to v1
  curl -i -H 'Host: secure.localhost' http://localhost:$port/tls        # a redirection to https
  $weir explain ${flags[0]} ${flags[1]} ${flags[2]} GET http://nexus.localhost:$port/bar    # why a route is not found

Edit a file in deploy/demo: the change is live. Stop with Ctrl-C.

TEXT
"$weir" "${flags[@]}" &
pids+=($!)
wait $!
