{{/* _names.tpl: names and labels that every object has. Nothing here knows what the objects are for. */}}

{{- define "weir.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The name of the objects: RELEASE, or RELEASE-weir when the release is called neither weir nor traefik. */}}
{{- define "weir.fullname" -}}
{{- $name := include "weir.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if or (contains $name .Release.Name) (contains "traefik" .Release.Name) -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The Service of a name: (root, name); "default" is the one of service itself. */}}
{{- define "weir.serviceName" -}}
{{- $root := index . 0 -}}
{{- if eq (index . 1) "default" -}}
{{- default (include "weir.fullname" $root) $root.Values.service.nameOverride -}}
{{- else -}}
{{- printf "%s-%s" (include "weir.fullname" $root) (index . 1) -}}
{{- end -}}
{{- end -}}

{{- define "weir.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{/* What is of the whole cluster must differ between releases of one name in two namespaces. */}}
{{- define "weir.clusterName" -}}
{{- printf "%s-%s" (include "weir.fullname" .) (include "weir.namespace" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "weir.selector" -}}
app.kubernetes.io/name: {{ include "weir.name" . }}
app.kubernetes.io/instance: {{ default (printf "%s-%s" .Release.Name (include "weir.namespace" .)) .Values.instanceLabelOverride | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "weir.labels" -}}
{{ include "weir.selector" . }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "weir.serviceAccount" -}}
{{- default (include "weir.fullname" .) .Values.serviceAccount.name -}}
{{- end -}}

{{/* image.name is the key of charts before 10: the whole name without the tag. */}}
{{- define "weir.image" -}}
{{- $image := .Values.image -}}
{{- $name := $image.name -}}
{{- if not $name -}}
{{- $name = ternary (printf "%s/%s" $image.registry $image.repository) $image.repository (not (empty $image.registry)) -}}
{{- end -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $name $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (toString (default .Chart.AppVersion $image.tag)) -}}
{{- end -}}
{{- end -}}
