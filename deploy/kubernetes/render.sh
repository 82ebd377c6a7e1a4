#!/usr/bin/env bash
# render.sh - writes weir.yaml beside this file: the chart with its defaults in the namespace weir, for those without helm.
# usage: render.sh [HELM]; `make chart-test` fails while weir.yaml is another than this gives.
set -euo pipefail
cd "$(dirname "$0")"
{
    echo "# The chart helm/weir with its defaults, written by render.sh. First: kubectl apply --server-side -f ../../helm/weir/crds"
    printf '%s\n' 'apiVersion: v1' 'kind: Namespace' 'metadata:' '  name: weir'
    "${1:-helm}" template weir ../../helm/weir --namespace weir | grep -v -e '^# Source: ' -e 'helm.sh/chart: ' |
        sed 's/managed-by: Helm/managed-by: kubectl/'
} >"${OUT:-weir.yaml}"
