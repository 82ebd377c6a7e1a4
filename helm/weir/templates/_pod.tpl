{{/* _pod.tpl: the pod, one for DaemonSet and Deployment; what it needs beyond plain values is worked out first. */}}

{{- define "weir.hostNetwork" -}}
{{- if or .Values.hostNetwork .Values.edge.hostNetwork -}}true{{- end -}}
{{- end -}}

{{/* Whether a port of the node belongs to the pod, so that no second one can run beside it. */}}
{{- define "weir.hostPorts" -}}
{{- if not (include "weir.hostNetwork" .) -}}
{{- range .Values.ports -}}{{- if and . .hostPort -}}true{{- end -}}{{- end -}}
{{- end -}}
{{- end -}}

{{/* The smallest port that weir opens. */}}
{{- define "weir.lowestPort" -}}
{{- $lowest := 65536 -}}
{{- range .Values.ports -}}
{{- if . -}}{{- $lowest = min $lowest (include "weir.listenPort" (list $.Values .) | int) -}}{{- end -}}
{{- end -}}
{{- $lowest -}}
{{- end -}}

{{/* Seconds of a duration such as 90, 90s, 1m30s, 1h. */}}
{{- define "weir.seconds" -}}
{{- $text := include "weir.scalar" . -}}
{{- if regexMatch "^[0-9]+$" $text -}}{{- $text -}}
{{- else -}}
{{- $hours := regexFind "[0-9]+h" $text | trimSuffix "h" | default "0" | int -}}
{{- $minutes := regexFind "[0-9]+m([^s]|$)" $text | regexFind "[0-9]+" | default "0" | int -}}
{{- $seconds := regexFind "[0-9.]+s" $text | trimSuffix "s" | default "0" | float64 | ceil | int -}}
{{- add (mul $hours 3600) (mul $minutes 60) (ternary 1 $seconds (hasSuffix "ms" $text)) -}}
{{- end -}}
{{- end -}}

{{/* The longest that the entry points take to stop, and some to end. */}}
{{- define "weir.stopSeconds" -}}
{{- $longest := 0 -}}
{{- range .Values.ports -}}
{{- if . -}}
{{- $life := dig "transport" "lifeCycle" dict . | default dict -}}
{{- $accept := include "weir.seconds" (default "0s" $life.requestAcceptGraceTimeout) | int -}}
{{- $finish := include "weir.seconds" (default "10s" $life.graceTimeOut) | int -}}
{{- $longest = max $longest (add $accept $finish) -}}
{{- end -}}
{{- end -}}
{{- add $longest 10 -}}
{{- end -}}

{{- define "weir.graceSeconds" -}}
{{- $need := include "weir.stopSeconds" . | int -}}
{{- $given := .Values.deployment.terminationGracePeriodSeconds -}}
{{- if kindIs "invalid" $given -}}
{{- max 60 $need -}}
{{- else if lt (int $given) $need -}}
{{- fail (printf "deployment.terminationGracePeriodSeconds: %d s are less than the %d s that the lifeCycle times of the ports need (10 s of them to end)" (int $given) $need) -}}
{{- else -}}
{{- int $given -}}
{{- end -}}
{{- end -}}

{{- define "weir.healthPort" -}}
{{- with .Values.ports.traefik -}}
{{- coalesce $.Values.deployment.healthchecksPort .healthchecksPort (include "weir.listenPort" (list $.Values .) | int) -}}
{{- else -}}
{{- default 8080 .Values.deployment.healthchecksPort -}}
{{- end -}}
{{- end -}}

{{- define "weir.healthPlace" -}}
port: {{ include "weir.healthPort" . }}
{{- with .Values.deployment.healthchecksHost }}
host: {{ . | quote }}
{{- end }}
{{- with .Values.deployment.healthchecksScheme }}
scheme: {{ . }}
{{- end }}
{{- end -}}

{{/*
How the kubelet asks. On the network of the node the old and the new pod share the port of /ready too: either may answer for the other,
so the new one would be ready before it is. There the question is put to the process tree of the pod itself.
*/}}
{{- define "weir.askReady" -}}
{{- if include "weir.hostNetwork" . -}}
exec:
  command: [sh, -c, "weir status --json --pid 1 | grep -q '\"ready\":true'"]
{{- else -}}
httpGet:
  path: {{ .Values.deployment.readinessPath }}
  {{- include "weir.healthPlace" . | nindent 2 }}
{{- end -}}
{{- end -}}

{{- define "weir.askAlive" -}}
{{- if include "weir.hostNetwork" . -}}
exec:
  command: [weir, status, --json, --pid, "1"]
{{- else -}}
httpGet:
  path: {{ .Values.deployment.livenessPath }}
  {{- include "weir.healthPlace" . | nindent 2 }}
{{- end -}}
{{- end -}}

{{- define "weir.podSecurityContext" -}}
{{- $context := deepCopy .Values.podSecurityContext -}}
{{- $lowest := include "weir.lowestPort" . | int -}}
{{- if lt $lowest 1024 -}}
{{- if not (include "weir.hostNetwork" .) -}}
{{- $sysctls := append (default list $context.sysctls) (dict "name" "net.ipv4.ip_unprivileged_port_start" "value" (toString $lowest)) -}}
{{- $_ := set $context "sysctls" $sysctls -}}
{{- else if eq .Values.edge.privilegedPorts "root" -}}
{{- $context = mergeOverwrite $context (dict "runAsUser" 0 "runAsGroup" 0 "runAsNonRoot" false) -}}
{{- end -}}
{{- end -}}
{{- toYaml $context -}}
{{- end -}}

{{- define "weir.securityContext" -}}
{{- $context := deepCopy .Values.securityContext -}}
{{- if and (include "weir.hostNetwork" .) (eq .Values.edge.privilegedPorts "root") (lt (include "weir.lowestPort" . | int) 1024) -}}
{{- $capabilities := default dict $context.capabilities -}}
{{- $_ := set $capabilities "add" (append (default list $capabilities.add) "NET_BIND_SERVICE" | uniq) -}}
{{- $_ := set $context "capabilities" $capabilities -}}
{{- end -}}
{{- toYaml $context -}}
{{- end -}}

{{/* Names of volumes may come from names of objects with dots. */}}
{{- define "weir.volumeName" -}}
{{- tpl .name .root | replace "." "-" -}}
{{- end -}}

{{- define "weir.mounts" -}}
- name: tmp
  mountPath: /tmp
{{- if .Values.persistence.enabled }}
- name: {{ .Values.persistence.name }}
  mountPath: {{ .Values.persistence.path }}
  {{- with .Values.persistence.subPath }}
  subPath: {{ . }}
  {{- end }}
{{- end }}
{{- if .Values.stateDir.enabled }}
- name: state
  mountPath: {{ .Values.stateDir.path }}
{{- end }}
{{- if eq .Values.staticConfig.mode "configMap" }}
- name: static
  mountPath: /etc/weir/static
  readOnly: true
{{- end }}
{{- if .Values.providers.file.enabled }}
- name: dynamic
  mountPath: /etc/weir/dynamic
  readOnly: true
{{- end }}
{{- range .Values.volumes }}
- name: {{ include "weir.volumeName" (dict "name" .name "root" $) }}
  mountPath: {{ .mountPath }}
  readOnly: true
{{- end }}
{{- with .Values.additionalVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "weir.volumes" -}}
- name: tmp
  emptyDir: {{ toJson (default dict (default dict .Values.deployment.tmpVolume).emptyDir) }}
{{- if .Values.persistence.enabled }}
- name: {{ .Values.persistence.name }}
  persistentVolumeClaim:
    claimName: {{ default (include "weir.fullname" .) .Values.persistence.existingClaim }}
{{- end }}
{{- if .Values.stateDir.enabled }}
- name: state
  {{- if eq .Values.stateDir.type "hostPath" }}
  hostPath:
    path: {{ .Values.stateDir.hostPath }}
    type: DirectoryOrCreate
  {{- else }}
  emptyDir:
    sizeLimit: {{ .Values.stateDir.sizeLimit }}
  {{- end }}
{{- end }}
{{- if eq .Values.staticConfig.mode "configMap" }}
- name: static
  configMap:
    name: {{ include "weir.fullname" . }}
{{- end }}
{{- if .Values.providers.file.enabled }}
- name: dynamic
  configMap:
    name: {{ include "weir.fullname" . }}-file
{{- end }}
{{- range .Values.volumes }}
- name: {{ include "weir.volumeName" (dict "name" .name "root" $) }}
  {{- if eq .type "secret" }}
  secret:
    secretName: {{ tpl .name $ }}
  {{- else }}
  configMap:
    name: {{ tpl .name $ }}
  {{- end }}
{{- end }}
{{- with .Values.deployment.additionalVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "weir.container" -}}
name: {{ include "weir.fullname" . }}
image: {{ include "weir.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args:
{{- if eq .Values.staticConfig.mode "configMap" }}
  - --configFile=/etc/weir/static/weir.yaml
{{- else }}
{{- range splitList "\n" (include "weir.options" . | trim) }}
  - {{ printf "--%s" . | quote }}
{{- end }}
{{- end }}
{{- with .Values.env }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.envFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if not (include "weir.hostNetwork" .) }}
ports:
{{- range $name, $port := .Values.ports }}
{{- if $port }}
  - name: {{ $name }}
    containerPort: {{ include "weir.listenPort" (list $.Values $port) }}
    {{- with $port.hostPort }}
    hostPort: {{ . }}
    {{- end }}
    {{- with $port.hostIP }}
    hostIP: {{ . }}
    {{- end }}
    protocol: {{ default "TCP" $port.protocol }}
{{- end }}
{{- end }}
{{- end }}
readinessProbe:
  {{- include "weir.askReady" . | nindent 2 }}
  {{- toYaml .Values.readinessProbe | nindent 2 }}
livenessProbe:
  {{- include "weir.askAlive" . | nindent 2 }}
  {{- toYaml .Values.livenessProbe | nindent 2 }}
{{- with .Values.startupProbe }}
startupProbe:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.deployment.lifecycle }}
lifecycle:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- include "weir.securityContext" . | nindent 2 }}
volumeMounts:
  {{- include "weir.mounts" . | nindent 2 }}
{{- end -}}

{{- define "weir.podAnnotations" -}}
{{- with .Values.metrics.prometheus }}
{{- $port := index $.Values.ports .entryPoint }}
{{- if $port }}
prometheus.io/scrape: "true"
prometheus.io/path: /metrics
prometheus.io/port: {{ include "weir.listenPort" (list $.Values $port) | quote }}
{{- end }}
{{- end }}
{{- with .Values.deployment.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "weir.pod" -}}
metadata:
  {{- with include "weir.podAnnotations" . | trim }}
  annotations:
    {{- . | nindent 4 }}
  {{- end }}
  labels:
    {{- include "weir.labels" . | nindent 4 }}
    {{- with .Values.deployment.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "weir.serviceAccount" . }}
  automountServiceAccountToken: true
  terminationGracePeriodSeconds: {{ include "weir.graceSeconds" . }}
  {{- $network := include "weir.hostNetwork" . }}
  {{- if $network }}
  hostNetwork: true
  {{- end }}
  {{- with default (ternary "ClusterFirstWithHostNet" "" (eq $network "true")) .Values.deployment.dnsPolicy }}
  dnsPolicy: {{ . }}
  {{- end }}
  {{- if ne .Values.deployment.hostUsers nil }}
  hostUsers: {{ .Values.deployment.hostUsers }}
  {{- end }}
  {{- if .Values.deployment.shareProcessNamespace }}
  shareProcessNamespace: true
  {{- end }}
  {{- range $key := list "dnsConfig" "hostAliases" "imagePullSecrets" "initContainers" "runtimeClassName" }}
  {{- with index $.Values.deployment $key }}
  {{ $key }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  containers:
    -
      {{- include "weir.container" . | nindent 6 }}
    {{- with .Values.deployment.additionalContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    {{- include "weir.volumes" . | nindent 4 }}
  securityContext:
    {{- include "weir.podSecurityContext" . | nindent 4 }}
  {{- range $key := list "nodeSelector" "tolerations" "priorityClassName" }}
  {{- with index $.Values $key }}
  {{ $key }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  {{- range $key := list "affinity" "topologySpreadConstraints" }}
  {{- with index $.Values $key }}
  {{ $key }}:
    {{- tpl (toYaml .) $ | nindent 4 }}
  {{- end }}
  {{- end }}
{{- end -}}
