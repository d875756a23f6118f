{{/* The node's one address: KOI-net, the API, probes and, at the gateway, MCP. Takes {root, node}. */}}
{{- define "koi-mcp.service" -}}
{{- $of := dict "root" .root "component" .node.component "name" .node.name -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "koi-mcp.metadata" (merge (dict "object" .node.object "annotations" .node.values.service.annotations) $of) | nindent 2 }}
spec:
  selector:
    {{- include "koi-mcp.selectorLabels" $of | nindent 4 }}
  ports:
    - name: http
      port: 9000
      targetPort: http
    {{- if .root.Values.metrics.enabled }}
    - name: metrics
      port: {{ .root.Values.metrics.port }}
      targetPort: metrics
    {{- end }}
{{- end -}}
