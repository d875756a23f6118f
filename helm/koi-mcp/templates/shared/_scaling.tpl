{{/* Takes {root, node}. */}}
{{- define "koi-mcp.scaling" -}}
{{- with include "koi-mcp.autoscaler" . | trim }}
{{ . }}
---
{{- end }}
{{- with include "koi-mcp.scaledObject" . | trim }}
{{ . }}
---
{{- end }}
{{ include "koi-mcp.disruptionBudget" . | trim }}
{{- end -}}

{{- define "koi-mcp.autoscaler" -}}
{{- $scaling := .node.values.autoscaling -}}
{{- if $scaling.enabled -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  {{- include "koi-mcp.metadata" (dict "root" .root "component" .node.component "name" .node.name "object" .node.object) | nindent 2 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ .node.object }}
  minReplicas: {{ $scaling.minReplicas }}
  maxReplicas: {{ $scaling.maxReplicas }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: {{ $scaling.targetCPUUtilizationPercentage }}
  {{- with $scaling.behavior }}
  behavior:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
{{- end -}}

{{- define "koi-mcp.scaledObject" -}}
{{- $keda := .node.values.keda -}}
{{- if $keda.enabled -}}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  {{- include "koi-mcp.metadata" (dict "root" .root "component" .node.component "name" .node.name "object" .node.object) | nindent 2 }}
spec:
  scaleTargetRef:
    name: {{ .node.object }}
  minReplicaCount: {{ $keda.minReplicas }}
  maxReplicaCount: {{ $keda.maxReplicas }}
  pollingInterval: {{ $keda.pollingInterval }}
  cooldownPeriod: {{ $keda.cooldownPeriod }}
  # Without Prometheus it stays as it is.
  fallback:
    failureThreshold: 3
    replicas: {{ $keda.minReplicas }}
    behavior: currentReplicasIfHigher
  triggers:
    - type: prometheus
      # The number is that of the whole node: KEDA divides it by what one replica is for.
      metricType: AverageValue
      metadata:
        serverAddress: {{ $keda.serverAddress | quote }}
        query: {{ $keda.query | default (printf "max(koi_mcp_inbox_pending{namespace=%q,pod=~%q})" .root.Release.Namespace (printf "%s-[a-z0-9]+-[a-z0-9]+" .node.object)) | quote }}
        threshold: {{ $keda.pendingPerReplica | quote }}
      {{- with $keda.authenticationRef }}
      authenticationRef:
        name: {{ . }}
      {{- end }}
{{- end -}}
{{- end -}}

{{/* With one replica a budget would only hold up whoever drains its machine. */}}
{{- define "koi-mcp.disruptionBudget" -}}
{{- $values := .node.values -}}
{{- $least := int $values.replicas -}}
{{- if $values.autoscaling.enabled }}{{ $least = int $values.autoscaling.minReplicas }}{{ end -}}
{{- if $values.keda.enabled }}{{ $least = int $values.keda.minReplicas }}{{ end -}}
{{- if and $values.podDisruptionBudget.enabled (gt $least 1) -}}
{{- $of := dict "root" .root "component" .node.component "name" .node.name -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "koi-mcp.metadata" (merge (dict "object" .node.object) $of) | nindent 2 }}
spec:
  maxUnavailable: {{ $values.podDisruptionBudget.maxUnavailable }}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "koi-mcp.selectorLabels" $of | nindent 6 }}
{{- end -}}
{{- end -}}
