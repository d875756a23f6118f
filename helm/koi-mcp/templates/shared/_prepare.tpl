{{/*
Makes $.KoiMcp once, and every template reads it: {nodes, tester, uses, problems}. All templates of a chart share their root, so that a key made
here is the same in the node's Secret and in the lists of the others.
  nodes: list of {component, role, name, object, values, identity: {rid, secret, pem?}, rid, address}
  uses:  {postgres, redis} → internal, external or empty
  tester: who `helm test` is: {component, name, object, rid, pem?}
*/}}
{{- define "koi-mcp.prepare" -}}
{{- if not (hasKey . "KoiMcp") -}}
{{- $_ := set . "KoiMcp" (dict "nodes" list "problems" list "uses" (dict "postgres" "" "redis" "")) -}}
{{- $full := include "koi-mcp.fullname" . -}}
{{- if .Values.coordinator.enabled -}}
{{- include "koi-mcp.addNode" (dict "root" . "component" "coordinator" "role" "coordinator" "name" .Values.coordinator.name "object" (printf "%s-coordinator" $full) "block" .Values.coordinator) -}}
{{- end -}}
{{- range $name, $block := .Values.producers -}}
{{- if and (kindIs "map" $block) (dig "enabled" true ($block | default dict)) -}}
{{- include "koi-mcp.addNode" (dict "root" $ "component" "producer" "role" "producer" "name" $name "object" (printf "%s-producer-%s" $full $name) "block" $block) -}}
{{- end -}}
{{- end -}}
{{- if .Values.gateway.enabled -}}
{{- include "koi-mcp.addNode" (dict "root" . "component" "gateway" "role" "consumer" "name" .Values.gateway.name "object" (printf "%s-gateway" $full) "block" .Values.gateway) -}}
{{- end -}}
{{- if and .Values.tests.enabled .Values.coordinator.enabled -}}
{{- $tester := dict "component" "test" "name" "check" "object" (printf "%s-test" $full) "values" (dict "identity" (dict)) -}}
{{- $_ := set $tester "rid" (include "koi-mcp.rid" (dict "root" . "node" $tester)) -}}
{{- $_ := set .KoiMcp "tester" $tester -}}
{{- end -}}
{{- include "koi-mcp.findBackends" . -}}
{{- include "koi-mcp.check" . -}}
{{- with .KoiMcp.problems -}}
{{- fail (printf "\n\nThese values do not work:\n- %s\n" (join "\n- " .)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "koi-mcp.addNode" -}}
{{- $values := deepCopy .root.Values.nodeDefaults -}}
{{- include "koi-mcp.mergeInto" (dict "into" $values "from" (deepCopy .block)) -}}
{{- $node := dict "component" .component "role" .role "name" .name "object" .object "values" $values -}}
{{- $_ := set $node "rid" (include "koi-mcp.rid" (dict "root" .root "node" $node)) -}}
{{- $url := printf "http://%s/koi-net" (include "koi-mcp.address" (dict "root" .root "object" .object "port" 9000)) -}}
{{- $_ := set $node "baseUrl" ($values.baseUrl | default $url | trimSuffix "/") -}}
{{- $_ := set .root.KoiMcp "nodes" (append .root.KoiMcp.nodes $node) -}}
{{- end -}}

{{/* What `from` says wins, key by key, false and 0 too (which Sprig's mergeOverwrite passes over); null takes away. Takes {into, from}. */}}
{{- define "koi-mcp.mergeInto" -}}
{{- range $key, $value := .from -}}
{{- if and (kindIs "map" $value) (kindIs "map" (get $.into $key)) -}}
{{- include "koi-mcp.mergeInto" (dict "into" (get $.into $key) "from" $value) -}}
{{- else if kindIs "invalid" $value -}}
{{- $_ := unset $.into $key -}}
{{- else -}}
{{- $_ := set $.into $key $value -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Which servers the nodes use, and whose. */}}
{{- define "koi-mcp.findBackends" -}}
{{- $uses := .KoiMcp.uses -}}
{{- range .KoiMcp.nodes -}}
{{- if eq .values.storage "postgres" -}}
{{- $_ := set $uses "postgres" (ternary "external" "internal" (ne $.Values.externalPostgres.existingSecret "")) -}}
{{- end -}}
{{- if eq (include "koi-mcp.usesRedis" (dict "root" $ "node" .)) "true" -}}
{{- $_ := set $uses "redis" (ternary "external" "internal" (ne $.Values.externalRedis.existingSecret "")) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Takes {root, node}. */}}
{{- define "koi-mcp.usesRedis" -}}
{{- or (eq .node.values.storage "redis") (and (eq .root.Values.queue "bullmq") (ne .node.values.storage "file")) -}}
{{- end -}}

{{/* Renders a template for each node of a component. Takes {root, component, template}. */}}
{{- define "koi-mcp.each" -}}
{{- include "koi-mcp.prepare" .root -}}
{{- range $node := .root.KoiMcp.nodes -}}
{{- if eq $node.component $.component -}}
{{- with include $.template (dict "root" $.root "node" $node) | trim }}
---
{{ . }}
{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A Secret of ours as it is in the cluster, or nothing. Takes {root, name}. */}}
{{- define "koi-mcp.keptSecret" -}}
{{- $found := lookup "v1" "Secret" .root.Release.Namespace .name -}}
{{- range $key, $value := (dig "data" dict ($found | default dict)) }}
{{ $key }}: {{ $value | b64dec | quote }}
{{- end -}}
{{- end -}}
