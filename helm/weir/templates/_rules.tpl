{{/* _rules.tpl: the rights that weir needs, see docs/kubernetes.md. What it
     writes is what became of objects: their status, Events, and a Lease that says which pod does. */}}

{{/* In every namespace that it reads. Secrets and ConfigMaps are asked for by name, with list and watch. */}}
{{- define "weir.rules" -}}
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch]
{{- if not .Values.rbac.secretsByNamespace }}
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch]
  {{- with .Values.rbac.secretResourceNames }}
  resourceNames:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- if .Values.providers.kubernetesIngress.enabled }}
- apiGroups: [networking.k8s.io]
  resources: [ingresses]
  verbs: [get, list, watch]
{{- end }}
{{- if .Values.providers.kubernetesCRD.enabled }}
- apiGroups: [traefik.io, traefik.containo.us]
  resources:
    - ingressroutes
    - ingressroutetcps
    - ingressrouteudps
    - middlewares
    - middlewaretcps
    - serverstransports
    - serverstransporttcps
    - tlsoptions
    - tlsstores
    - traefikservices
  verbs: [get, list, watch]
{{- end }}
{{- if .Values.rbac.status }}
{{- if .Values.providers.kubernetesIngress.enabled }}
- apiGroups: [networking.k8s.io]
  resources: [ingresses/status]
  verbs: [patch]
{{- end }}
{{- if .Values.providers.kubernetesCRD.enabled }}
- apiGroups: [traefik.io, traefik.containo.us]
  resources:
    - ingressroutes/status
    - ingressroutetcps/status
    - ingressrouteudps/status
    - middlewares/status
    - middlewaretcps/status
    - serverstransports/status
    - serverstransporttcps/status
    - tlsoptions/status
    - tlsstores/status
    - traefikservices/status
  verbs: [patch]
{{- end }}
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end }}
{{- end -}}

{{/* What belongs to no namespace. */}}
{{- define "weir.clusterRules" -}}
- apiGroups: [""]
  resources: [nodes]
  verbs: [get, list, watch]
{{- if .Values.providers.kubernetesIngress.enabled }}
- apiGroups: [networking.k8s.io]
  resources: [ingressclasses]
  verbs: [get, list, watch]
{{- end }}
{{- end -}}

{{/* Metadata of a role or binding: (dict "root" $ "name" NAME "namespace" NAMESPACE or ""). */}}
{{- define "weir.roleMetadata" -}}
name: {{ .name }}
{{- with .namespace }}
namespace: {{ . }}
{{- end }}
labels:
  {{- include "weir.labels" .root | nindent 2 }}
{{- end -}}

{{- define "weir.subjects" -}}
- kind: ServiceAccount
  name: {{ include "weir.serviceAccount" . }}
  namespace: {{ include "weir.namespace" . }}
{{- end -}}
