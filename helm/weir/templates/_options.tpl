{{/*
_options.tpl: the static configuration as lines NAME=VALUE, in the order of Traefik's chart. The pod takes them as flags, or
_file.tpl makes a file of them. Values that are called as the options are flattened, so a new option needs no line here.
*/}}

{{/* Every leaf below a value: (list PREFIX VALUE). Nothing for null and empty ones, nor for what has `enabled: false`. */}}
{{- define "weir.flatten" -}}
{{- $prefix := index . 0 -}}
{{- $value := index . 1 -}}
{{- if kindIs "map" $value -}}
{{- if $value.enabled -}}{{- printf "%s=true\n" $prefix -}}{{- end -}}
{{- if dig "enabled" true $value -}}
{{- range $key, $below := omit $value "enabled" -}}
{{- include "weir.flatten" (list (printf "%s.%s" $prefix $key) $below) -}}
{{- end -}}
{{- end -}}
{{- else if kindIs "slice" $value -}}
{{- $texts := list -}}
{{- range $i, $item := $value -}}
{{- if kindIs "map" $item -}}
{{- include "weir.flatten" (list (printf "%s[%d]" $prefix $i) $item) -}}
{{- else -}}
{{- $texts = append $texts (include "weir.scalar" $item) -}}
{{- end -}}
{{- end -}}
{{- if $texts -}}{{- printf "%s=%s\n" $prefix (join "," $texts) -}}{{- end -}}
{{- else if not (or (kindIs "invalid" $value) (eq (toString $value) "")) -}}
{{- printf "%s=%s\n" $prefix (include "weir.scalar" $value) -}}
{{- end -}}
{{- end -}}

{{/* A number of a values file is a floating point number to helm: 1000000 must not become 1e+06. */}}
{{- define "weir.scalar" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}{{- int64 . -}}{{- else -}}{{- toString . -}}{{- end -}}
{{- end -}}

{{/* Where an entry point listens: in the pod, or with the network of the node where clients come to. */}}
{{- define "weir.listenPort" -}}
{{- $values := index . 0 -}}
{{- $port := index . 1 -}}
{{- if or $values.hostNetwork $values.edge.hostNetwork -}}
{{- int (default $port.port $port.hostPort) -}}
{{- else -}}
{{- int (default $port.port $port.containerPort) -}}
{{- end -}}
{{- end -}}

{{- define "weir.addresses" -}}
{{- $network := or .Values.hostNetwork .Values.edge.hostNetwork -}}
{{- range $name, $port := .Values.ports -}}
{{- if $port -}}
{{- $host := ternary (default "" $port.hostIP) "" $network -}}
{{- printf "entrypoints.%s.address=%s:%s/%s\n" $name $host (include "weir.listenPort" (list $.Values $port)) (lower (default "TCP" $port.protocol)) -}}
{{- end -}}
{{- end -}}
{{- if $network -}}
{{- range $name, $port := .Values.ports -}}
{{- if $port -}}{{- printf "entrypoints.%s.reuseport=true\n" $name -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "weir.providers" -}}
{{- $namespaced := and .Values.rbac.enabled .Values.rbac.namespaced -}}
{{- range $kind := list "kubernetesCRD" "kubernetesIngress" -}}
{{- $value := index $.Values.providers $kind -}}
{{- $option := printf "providers.%s" (lower $kind) -}}
{{- if $value.enabled -}}
{{- printf "%s\n" $option -}}
{{- include "weir.flatten" (list $option (omit $value "enabled" "namespaces" "publishedService" "ingressEndpoint")) -}}
{{- end -}}
{{- end -}}
{{- with .Values.providers.kubernetesIngress -}}
{{- if .enabled -}}
{{- include "weir.flatten" (list "providers.kubernetesingress.ingressendpoint" .ingressEndpoint) -}}
{{- if and $.Values.service.enabled .publishedService.enabled -}}
{{- printf "providers.kubernetesingress.ingressendpoint.publishedservice=%s\n" (default (printf "%s/%s" (include "weir.namespace" $) (include "weir.serviceName" (list $ "default"))) .publishedService.pathOverride) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if .Values.experimental.kubernetesGateway.enabled -}}
{{- printf "providers.kubernetesgateway\nexperimental.kubernetesgateway\n" -}}
{{- end -}}
{{- range $kind := list "kubernetesCRD" "kubernetesIngress" -}}
{{- $value := index $.Values.providers $kind -}}
{{- if and $value.enabled (or $value.namespaces $namespaced) -}}
{{- printf "providers.%s.namespaces=%s\n" (lower $kind) (join "," (default (list (include "weir.namespace" $)) $value.namespaces)) -}}
{{- if $namespaced -}}{{- printf "providers.%s.disableclusterscoperesources=true\n" (lower $kind) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- with .Values.providers.file -}}
{{- if .enabled -}}
{{- printf "providers.file.directory=/etc/weir/dynamic\n" -}}
{{- if not .watch -}}{{- printf "providers.file.watch=false\n" -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- include "weir.flatten" (list "providers" (omit .Values.providers "kubernetesCRD" "kubernetesIngress" "file")) -}}
{{- end -}}

{{/* What stands below a port beside its number: as today's chart has it, and as that of version 21. */}}
{{- define "weir.entryPoint" -}}
{{- $root := index . 0 -}}
{{- $name := printf "entrypoints.%s" (index . 1) -}}
{{- $port := index . 2 -}}
{{- $http := default dict $port.http -}}
{{- if $port.redirectTo -}}
{{- $target := $port.redirectTo -}}
{{- if kindIs "map" $target -}}{{- $target = $target.port -}}{{- end -}}
{{- if not (hasKey $root.Values.ports $target) -}}{{- fail (printf "ports.%s.redirectTo: there is no port %q in ports" (index . 1) $target) -}}{{- end -}}
{{- $to := index $root.Values.ports $target -}}
{{- printf "%s.http.redirections.entryPoint.to=:%d\n" $name (int (default $to.port (default $to.hostPort $to.exposedPort))) -}}
{{- printf "%s.http.redirections.entryPoint.scheme=https\n" $name -}}
{{- if kindIs "map" $port.redirectTo -}}{{- include "weir.flatten" (list (printf "%s.http.redirections.entryPoint" $name) (omit $port.redirectTo "port")) -}}{{- end -}}
{{- end -}}
{{- include "weir.flatten" (list (printf "%s.http.middlewares" $name) $port.middlewares) -}}
{{- include "weir.flatten" (list (printf "%s.http.tls" $name) (default (default dict $port.tls) $http.tls)) -}}
{{- include "weir.flatten" (list (printf "%s.http" $name) (omit $http "tls")) -}}
{{- include "weir.flatten" (list $name (pick $port "forwardedHeaders" "proxyProtocol" "transport" "http2" "http3" "udp" "observability" "allowACMEByPass" "asDefault" "reusePort")) -}}
{{- end -}}

{{- define "weir.logs" -}}
{{- $old := default dict .Values.logs -}}
{{- $log := mergeOverwrite (dict) (default dict $old.general) (default dict .Values.log) -}}
{{- if $log.level -}}{{- $_ := set $log "level" (upper $log.level) -}}{{- end -}}
{{- include "weir.flatten" (list "log" $log) -}}
{{- $access := deepCopy (default dict $old.access) -}}
{{- with $access.fields -}}
{{- $fields := omit . "general" -}}
{{- range $key, $value := .general -}}{{- $_ := set $fields $key $value -}}{{- end -}}
{{- $_ := set $access "fields" $fields -}}
{{- end -}}
{{- $today := deepCopy (default dict .Values.accessLog) -}}
{{- if or $access.enabled $today.enabled -}}
{{- $access = mergeOverwrite $access $today (dict "enabled" true) -}}
{{- $fields := default dict $access.fields -}}
{{- $mode := coalesce $fields.defaultMode $fields.defaultmode "keep" -}}
{{- $headers := default dict $fields.headers -}}
{{- $headerMode := coalesce $headers.defaultMode $headers.defaultmode "drop" -}}
{{- printf "accesslog=true\n" -}}
{{- include "weir.flatten" (list "accesslog" (omit $access "enabled" "fields")) -}}
{{- printf "accesslog.fields.defaultmode=%s\n" $mode -}}
{{- include "weir.flatten" (list "accesslog.fields" (omit $fields "defaultMode" "defaultmode" "headers")) -}}
{{- printf "accesslog.fields.headers.defaultmode=%s\n" $headerMode -}}
{{- include "weir.flatten" (list "accesslog.fields.headers" (omit $headers "defaultMode" "defaultmode")) -}}
{{- end -}}
{{- end -}}

{{- define "weir.options" -}}
{{- range .Values.globalArguments -}}{{- printf "%s\n" (trimPrefix "--" .) -}}{{- end -}}
{{- include "weir.flatten" (list "global" (default dict .Values.global)) -}}
{{- include "weir.addresses" . -}}
{{- if .Values.api.dashboard -}}{{- printf "api.dashboard=true\n" -}}{{- end -}}
{{- include "weir.flatten" (list "api" (omit .Values.api "dashboard")) -}}
{{- printf "ping=true\n" -}}
{{- with .Values.metrics.prometheus -}}
{{- printf "metrics.prometheus=true\nmetrics.prometheus.entrypoint=%s\n" .entryPoint -}}
{{- include "weir.flatten" (list "metrics.prometheus" (omit . "entryPoint")) -}}
{{- end -}}
{{- include "weir.flatten" (list "metrics" (omit .Values.metrics "prometheus")) -}}
{{- include "weir.flatten" (list "tracing" .Values.tracing) -}}
{{- if .Values.pilot.enabled -}}{{- printf "pilot=true\n" -}}{{- end -}}
{{- include "weir.providers" . -}}
{{- range $name, $port := .Values.ports -}}
{{- if $port -}}{{- include "weir.entryPoint" (list $ $name $port) -}}{{- end -}}
{{- end -}}
{{- include "weir.logs" . -}}
{{- include "weir.flatten" (list "experimental" (omit .Values.experimental "kubernetesGateway")) -}}
{{- include "weir.flatten" (list "core" .Values.core) -}}
{{- include "weir.flatten" (list "ocsp" .Values.ocsp) -}}
{{- range $name, $resolver := .Values.certResolvers -}}{{- include "weir.flatten" (list (printf "certificatesresolvers.%s.acme" $name) $resolver) -}}{{- end -}}
{{- include "weir.flatten" (list "certificatesresolvers" .Values.certificatesResolvers) -}}
{{- include "weir.flatten" (list "workers" .Values.workers) -}}
{{- include "weir.flatten" (list "limits" .Values.limits) -}}
{{- if .Values.stateDir.enabled -}}{{- printf "stateDir=%s\n" .Values.stateDir.path -}}{{- end -}}
{{- range .Values.additionalArguments -}}{{- printf "%s\n" (trimPrefix "--" .) -}}{{- end -}}
{{- end -}}
