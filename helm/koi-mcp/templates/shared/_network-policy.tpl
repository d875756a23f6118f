{{/* What reaches a node, and what it reaches, over the default of nothing. Takes {root, node}. */}}
{{- define "koi-mcp.networkPolicy" -}}
{{- $root := .root -}}{{- $node := .node -}}
{{- $policy := $root.Values.networkPolicy -}}
{{- if $policy.enabled -}}
{{- $of := dict "root" $root "component" $node.component "name" $node.name -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "koi-mcp.metadata" (merge (dict "object" $node.object) $of) | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "koi-mcp.selectorLabels" $of | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    - ports:
        - port: http
      from:
        {{- include "koi-mcp.nodePods" $root | nindent 8 }}
        - podSelector:
            matchLabels:
              {{ include "koi-mcp.clientLabel" $root }}
        {{- with $policy.peers }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        {{- if eq $node.component "gateway" }}
        {{- with $policy.gatewayFrom }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        {{- end }}
    {{- if and $root.Values.metrics.enabled $policy.metricsFrom }}
    - ports:
        - port: metrics
      from:
        {{- toYaml $policy.metricsFrom | nindent 8 }}
    {{- end }}
  egress:
    {{- include "koi-mcp.dnsEgress" $root | nindent 4 }}
    - to:
        {{- include "koi-mcp.nodePods" $root | nindent 8 }}
      ports:
        - port: 9000
    {{- with $policy.peers }}
    # Their addresses have whatever port they say.
    - to:
        {{- toYaml . | nindent 8 }}
    {{- end }}
    {{- if eq $node.values.storage "postgres" }}
    {{- include "koi-mcp.serverEgress" (dict "root" $root "uses" $root.KoiMcp.uses.postgres "component" "postgres" "port" 5432 "externalPort" $root.Values.externalPostgres.port) | nindent 4 }}
    {{- end }}
    {{- if eq (include "koi-mcp.usesRedis" .) "true" }}
    {{- include "koi-mcp.serverEgress" (dict "root" $root "uses" $root.KoiMcp.uses.redis "component" "valkey" "port" 6379 "externalPort" $root.Values.externalRedis.port) | nindent 4 }}
    {{- end }}
    {{- range include "koi-mcp.externalPorts" (dict "root" $root "node" $node) | fromJsonArray }}
    {{- include "koi-mcp.externalEgress" (dict "root" $root "port" .) | nindent 4 }}
    {{- end }}
    {{- with $policy.extraEgress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}
{{- end -}}

{{- define "koi-mcp.clientLabel" -}}
{{ include "koi-mcp.fullname" . }}-client: 'true'
{{- end -}}

{{/* The pods of all nodes of the release. */}}
{{- define "koi-mcp.nodePods" -}}
- podSelector:
    matchLabels:
      app.kubernetes.io/name: {{ .Chart.Name }}
      app.kubernetes.io/instance: {{ .Release.Name }}
    matchExpressions:
      - key: app.kubernetes.io/component
        operator: In
        values: [coordinator, producer, gateway]
{{- end -}}

{{- define "koi-mcp.dnsEgress" -}}
{{- with .Values.networkPolicy.dns -}}
- to:
    {{- toYaml . | nindent 4 }}
  ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
{{- end -}}
{{- end -}}

{{- define "koi-mcp.serverEgress" -}}
{{- if eq .uses "internal" -}}
- to:
    - podSelector:
        matchLabels:
          {{- include "koi-mcp.selectorLabels" (dict "root" .root "component" .component) | nindent 10 }}
  ports:
    - port: {{ .port }}
{{- else -}}
{{- include "koi-mcp.externalEgress" (dict "root" .root "port" .externalPort) -}}
{{- end -}}
{{- end -}}

{{- define "koi-mcp.externalEgress" -}}
- ports:
    - port: {{ .port }}
  {{- with .root.Values.networkPolicy.externalTo }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* The ports of services elsewhere, out of their URLs: traces, keys of tokens, the coordinator of another network. A JSON list. */}}
{{- define "koi-mcp.externalPorts" -}}
{{- $ports := list -}}
{{- $urls := list .root.Values.tracing.endpoint .root.Values.security.auth.jwksUrl .root.Values.externalCoordinator.url -}}
{{- range compact $urls -}}
{{- $url := urlParse . -}}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (ternary "443" "80" (eq $url.scheme "https")) -}}
{{- $ports = append $ports (int $port) -}}
{{- end -}}
{{- $ports | uniq | toJson -}}
{{- end -}}
