{{/* A node as one Deployment. Takes {root, node}. */}}
{{- define "koi-mcp.deployment" -}}
{{- $root := .root -}}{{- $node := .node -}}{{- $values := .node.values -}}
{{- $of := dict "root" $root "component" $node.component "name" $node.name -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "koi-mcp.metadata" (merge (dict "object" $node.object) $of) | nindent 2 }}
spec:
  {{- if not (or $values.autoscaling.enabled $values.keda.enabled) }}
  replicas: {{ $values.replicas }}
  {{- end }}
  revisionHistoryLimit: 5
  selector:
    matchLabels:
      {{- include "koi-mcp.selectorLabels" $of | nindent 6 }}
  strategy:
    {{- if eq $values.storage "file" }}
    # One process owns the volume.
    type: Recreate
    {{- else }}
    type: RollingUpdate
    rollingUpdate:
      maxUnavailable: 0
      maxSurge: 1
    {{- end }}
  template:
    metadata:
      labels:
        {{- include "koi-mcp.podLabels" (merge (dict "labels" $values.podLabels) $of) | nindent 8 }}
      annotations:
        checksum/config: {{ include "koi-mcp.settings" . | sha256sum }}
        koi-mcp.io/rid: {{ $node.rid | quote }}
        {{- if and $root.Values.metrics.enabled $root.Values.metrics.annotations }}
        prometheus.io/scrape: 'true'
        prometheus.io/port: {{ $root.Values.metrics.port | quote }}
        prometheus.io/path: /metrics
        {{- end }}
        {{- with $values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      {{- include "koi-mcp.pod" . | nindent 6 }}
{{- end -}}

{{- define "koi-mcp.pod" -}}
{{- $root := .root -}}{{- $node := .node -}}{{- $values := .node.values -}}
serviceAccountName: {{ include "koi-mcp.serviceAccount" $root }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  {{- include "koi-mcp.podSecurity" 65532 | nindent 2 }}
terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
{{- if $values.topologySpread.enabled }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: {{ $values.topologySpread.topologyKey }}
    whenUnsatisfiable: {{ $values.topologySpread.whenUnsatisfiable }}
    labelSelector:
      matchLabels:
        {{- include "koi-mcp.selectorLabels" (dict "root" $root "component" $node.component "name" $node.name) | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
{{- end }}
{{- include "koi-mcp.placement" $values }}
{{- with include "koi-mcp.waits" . | trim }}
initContainers:
  {{- . | nindent 2 }}
{{- end }}
containers:
  - name: koi-mcp
    image: {{ include "koi-mcp.image" (dict "image" $root.Values.image "tag" $root.Chart.AppVersion) }}
    imagePullPolicy: {{ $root.Values.image.pullPolicy }}
    args: [--role, {{ $node.role }}]
    {{- with include "koi-mcp.env" . | trim }}
    env:
      {{- . | nindent 6 }}
    {{- end }}
    ports:
      - name: http
        containerPort: 9000
      {{- if $root.Values.metrics.enabled }}
      - name: metrics
        containerPort: {{ $root.Values.metrics.port }}
      {{- end }}
    # Answers from the first moment on, 503 while the service starts.
    startupProbe:
      httpGet:
        path: /readyz
        port: http
      periodSeconds: 2
      failureThreshold: {{ max 1 (div $values.startupSeconds 2) }}
    livenessProbe:
      httpGet:
        path: /livez
        port: http
      periodSeconds: 10
      timeoutSeconds: 5
      failureThreshold: 6
    readinessProbe:
      httpGet:
        path: /readyz
        port: http
      periodSeconds: 5
      timeoutSeconds: 3
      failureThreshold: 2
    lifecycle:
      preStop:
        sleep:
          seconds: {{ $values.preStopSeconds }}
    securityContext:
      {{- include "koi-mcp.containerSecurity" . | nindent 6 }}
    resources:
      {{- toYaml $values.resources | nindent 6 }}
    volumeMounts:
      {{- include "koi-mcp.mounts" . | trim | nindent 6 }}
volumes:
  {{- include "koi-mcp.volumes" . | trim | nindent 2 }}
{{- end -}}

{{- define "koi-mcp.mounts" -}}
- name: config
  mountPath: /etc/koi-mcp
  readOnly: true
- name: identity
  mountPath: /run/secrets/koi-mcp/identity
  readOnly: true
- name: state
  mountPath: /var/lib/koi-mcp
- name: tmp
  mountPath: /tmp
{{- if .root.Values.security.auth.jwksConfigMap }}
- name: jwks
  mountPath: /etc/koi-mcp-jwks
  readOnly: true
{{- end }}
{{- with include "koi-mcp.dataFolder" . }}
- name: data
  mountPath: {{ . }}
  readOnly: true
  {{- with dig "data" "subPath" "" $.node.values }}
  subPath: {{ . | quote }}
  {{- end }}
{{- end }}
{{- with .node.values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "koi-mcp.volumes" -}}
{{- $values := .node.values -}}
- name: config
  configMap:
    name: {{ .node.object }}
# Of root and of the pod's group, which may read it.
- name: identity
  secret:
    secretName: {{ include "koi-mcp.identitySecret" . }}
    defaultMode: 0440
    items:
      - key: private.pem
        path: private.pem
- name: state
  {{- if eq $values.storage "file" }}
  persistentVolumeClaim:
    claimName: {{ $values.persistence.existingClaim | default .node.object }}
  {{- else }}
  emptyDir: {}
  {{- end }}
- name: tmp
  emptyDir: {}
{{- with .root.Values.security.auth.jwksConfigMap }}
- name: jwks
  configMap:
    name: {{ . }}
{{- end }}
{{- if include "koi-mcp.dataFolder" . }}
- name: data
  {{- if $values.data.existingClaim }}
  persistentVolumeClaim:
    claimName: {{ $values.data.existingClaim }}
    readOnly: true
  {{- else }}
  configMap:
    name: {{ $values.data.configMap | default (printf "%s-examples" (include "koi-mcp.fullname" .root)) }}
  {{- end }}
{{- end }}
{{- with $values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The volume of a node whose storage is a file; it stays when the release goes, for the key does too. */}}
{{- define "koi-mcp.claim" -}}
{{- if and (eq .node.values.storage "file") (not .node.values.persistence.existingClaim) -}}
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  {{- include "koi-mcp.metadata" (dict "root" .root "component" .node.component "name" .node.name "object" .node.object "annotations" (dict "helm.sh/resource-policy" "keep")) | nindent 2 }}
spec:
  accessModes: [ReadWriteOnce]
  {{- with .node.values.persistence.storageClass }}
  storageClassName: {{ . }}
  {{- end }}
  resources:
    requests:
      storage: {{ .node.values.persistence.size }}
{{- end -}}
{{- end -}}
