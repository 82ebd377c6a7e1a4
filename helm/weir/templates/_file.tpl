{{/*
_file.tpl: the lines of _options.tpl as a YAML file, for staticConfig.mode: configMap. Keys are lower case there, as flags have
no letter case; texts that hold lists stay texts with commas, which the file takes as well.
*/}}

{{/* Puts a value into nested maps: (list MAP KEYS VALUE). A section that was only switched on becomes a map. */}}
{{- define "weir.put" -}}
{{- $map := index . 0 -}}
{{- $keys := index . 1 -}}
{{- $key := first $keys -}}
{{- if eq (len $keys) 1 -}}
{{- if not (kindIs "map" (get $map $key)) -}}{{- $_ := set $map $key (index . 2) -}}{{- end -}}
{{- else -}}
{{- if not (kindIs "map" (get $map $key)) -}}{{- $_ := set $map $key dict -}}{{- end -}}
{{- include "weir.put" (list (get $map $key) (rest $keys) (index . 2)) -}}
{{- end -}}
{{- end -}}

{{/* Maps whose keys are [0], [1], ... become lists: the value as JSON. */}}
{{- define "weir.lists" -}}
{{- if not (kindIs "map" .) -}}
{{- toJson . -}}
{{- else if and . (hasPrefix "[" (first (keys .))) -}}
{{- $map := . -}}
{{- $items := list -}}
{{- range $i := until (len .) -}}{{- $items = append $items (include "weir.lists" (get $map (printf "[%d]" $i))) -}}{{- end -}}
{{- printf "[%s]" (join "," $items) -}}
{{- else -}}
{{- $items := list -}}
{{- range $key, $value := . -}}{{- $items = append $items (printf "%s:%s" (toJson $key) (include "weir.lists" $value)) -}}{{- end -}}
{{- printf "{%s}" (join "," $items) -}}
{{- end -}}
{{- end -}}

{{- define "weir.file" -}}
{{- $file := dict -}}
{{- range $line := splitList "\n" (include "weir.options" .) -}}
{{- if $line -}}
{{- $parts := splitn "=" 2 $line -}}
{{- $value := ternary $parts._1 "true" (contains "=" $line) -}}
{{- $name := lower $parts._0 | replace "[" ".[" -}}
{{- $keys := splitList "." $name -}}
{{- with "ocsp.responderOverrides." -}}{{- if hasPrefix . $parts._0 -}}
{{- $keys = list "ocsp" "responderoverrides" (trimPrefix . $parts._0) -}}{{- /* a URL, whose dots are its own */ -}}
{{- end -}}{{- end -}}
{{- include "weir.put" (list $file $keys (ternary (eq $value "true") $value (or (eq $value "true") (eq $value "false")))) -}}
{{- end -}}
{{- end -}}
{{- include "weir.lists" $file | fromJson | toYaml -}}
{{- end -}}
