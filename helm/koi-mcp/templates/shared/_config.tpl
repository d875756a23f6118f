{{/* The node's configuration file, one for all its replicas. Secrets come as variables, over it. Takes {root, node}. */}}
{{- define "koi-mcp.settings" -}}
{{- $root := .root -}}{{- $node := .node -}}{{- $values := .node.values -}}
{{- $isFile := eq $values.storage "file" -}}
{{- $namespace := printf "koi_%s_%s" (include "koi-mcp.fullname" $root) (trimPrefix (printf "%s-" (include "koi-mcp.fullname" $root)) $node.object) -}}
{{- $persistence := dict "storage_type" $values.storage -}}
{{- if not $isFile -}}
{{- $_ := set $persistence "namespace" (regexReplaceAll "[^a-z0-9_]" (lower $namespace) "_" | trunc 63) -}}
{{- end -}}
{{- $settings := dict
  "node" (dict "name" $node.name "base_url" $node.baseUrl "private_key_file" "/run/secrets/koi-mcp/identity/private.pem")
  "persistence" $persistence
  "queue" (dict "queue_type" (ternary "store" $root.Values.queue $isFile))
  "security" (dict "peers" $root.Values.security.peers)
  "logging" (dict "format" "json")
-}}
{{- if $root.Values.metrics.enabled -}}
{{- $_ := set $settings "metrics" (dict "port" $root.Values.metrics.port) -}}
{{- end -}}
{{- if ne $node.role "coordinator" -}}
{{- $_ := set $settings "network" (include "koi-mcp.firstContact" $root | fromYaml) -}}
{{- end -}}
{{- if eq $root.Values.security.peers "listed" -}}
{{- $_ := set $settings.security "peer_types" (include "koi-mcp.peerTypes" . | fromYaml) -}}
{{- end -}}
{{- with $root.Values.security.auth -}}
{{- if ne .provider "none" -}}
{{- $config := dict "issuer" .issuer "audience" .audience -}}
{{- if .jwksConfigMap }}{{ $_ := set $config "jwks_file" "/etc/koi-mcp-jwks/jwks.json" }}{{ else }}{{ $_ := set $config "jwks_url" .jwksUrl }}{{ end -}}
{{- with .algorithms }}{{ $_ := set $config "algorithms" . }}{{ end -}}
{{- with .permissionsClaim }}{{ $_ := set $config "permissions_claim" . }}{{ end -}}
{{- $_ := set $settings "security" (merge $settings.security (dict "enable_auth" true "auth_provider" .provider "auth_config" $config)) -}}
{{- end -}}
{{- end -}}
{{- if eq $node.component "producer" -}}
{{- with include "koi-mcp.dataFolder" . -}}
{{- $config := dict "folder" . "source" (dig "data" "source" "" $values | default $node.name) -}}
{{- $_ := set $settings "domains" (dict "data_catalog" (dict "config" $config)) -}}
{{- end -}}
{{- end -}}
{{- include "koi-mcp.mergeInto" (dict "into" $settings "from" (deepCopy $values.config)) -}}
{{- toPrettyJson $settings -}}
{{- end -}}

{{- define "koi-mcp.firstContact" -}}
{{- if .Values.coordinator.enabled -}}
{{- $coordinator := first .KoiMcp.nodes -}}
first_contact: {{ $coordinator.baseUrl | quote }}
first_contact_rid: {{ $coordinator.rid | quote }}
{{- else -}}
first_contact: {{ .Values.externalCoordinator.url | trimSuffix "/" | quote }}
{{- with .Values.externalCoordinator.rid }}
first_contact_rid: {{ . | quote }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* RID → RID types: all nodes of the release but the node itself, the external coordinator, who tests, and those that the values name. */}}
{{- define "koi-mcp.peerTypes" -}}
{{- $peers := dict -}}
{{- range .root.KoiMcp.nodes }}{{ if ne .rid $.node.rid }}{{ $_ := set $peers .rid (list "*") }}{{ end }}{{ end -}}
{{- with .root.Values.externalCoordinator.rid }}{{ $_ := set $peers . (list "*") }}{{ end -}}
{{- /* It may say that it is there, and nothing else. */}}
{{- if eq .node.component "coordinator" }}{{ with get .root.KoiMcp "tester" }}{{ $_ := set $peers .rid list }}{{ end }}{{ end -}}
{{- range $rid, $types := .root.Values.security.peerTypes }}{{ $_ := set $peers $rid $types }}{{ end -}}
{{- toYaml $peers -}}
{{- end -}}

{{/* Where a producer's data is mounted, or nothing. Takes {root, node}. */}}
{{- define "koi-mcp.dataFolder" -}}
{{- $data := get .node.values "data" | default dict -}}
{{- if or (get $data "example") (get $data "existingClaim") (get $data "configMap") -}}/data{{- end -}}
{{- end -}}

{{- define "koi-mcp.config" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "koi-mcp.metadata" (dict "root" .root "component" .node.component "name" .node.name "object" .node.object) | nindent 2 }}
data:
  config.json: |
    {{- include "koi-mcp.settings" . | nindent 4 }}
{{- end -}}
