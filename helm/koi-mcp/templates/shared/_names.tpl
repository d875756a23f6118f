{{/* What all objects of a release begin with, at most 32 characters, so that every name made of it fits in 63. */}}
{{- define "koi-mcp.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := .Values.fullnameOverride | default (ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name)) -}}
{{- if gt (len $full) 32 -}}
{{- printf "%s-%s" ($full | trunc 24 | trimSuffix "-") ($full | sha256sum | trunc 7) -}}
{{- else -}}
{{- $full -}}
{{- end -}}
{{- end -}}

{{/* Labels that never change: those of selectors. Takes {root, component, name?}. */}}
{{- define "koi-mcp.selectorLabels" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- with .name }}
koi-mcp.io/node: {{ . }}
{{- end }}
{{- end -}}

{{/* All labels of an object. Takes {root, component, name?}. */}}
{{- define "koi-mcp.labels" -}}
{{ include "koi-mcp.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Values.image.tag | default .root.Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/part-of: koi-mcp
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Labels of a pod: nothing that changes with the chart's version, which would restart it. Takes {root, component, name?, labels?}. */}}
{{- define "koi-mcp.podLabels" -}}
{{ include "koi-mcp.selectorLabels" . }}
app.kubernetes.io/part-of: koi-mcp
{{- with merge (dict) (get . "labels" | default dict) .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The head of an object. Takes {root, component, object, name?, labels?, annotations?}. */}}
{{- define "koi-mcp.metadata" -}}
name: {{ .object }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "koi-mcp.labels" . | nindent 2 }}
  {{- with get . "labels" }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (.annotations | default dict) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* An image's name, of {repository, tag, digest}. Takes {image, tag}: the tag where it says none. */}}
{{- define "koi-mcp.image" -}}
{{- with .image.digest -}}
{{ $.image.repository }}@{{ . }}
{{- else -}}
{{ .image.repository }}:{{ .image.tag | default .tag }}
{{- end -}}
{{- end -}}

{{- define "koi-mcp.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "koi-mcp.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{/* host:port of what is reached within the release. Takes {root, object, port}. */}}
{{- define "koi-mcp.address" -}}
{{ .object }}.{{ .root.Release.Namespace }}.svc:{{ .port }}
{{- end -}}
