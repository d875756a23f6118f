{{/* Pod Security "restricted". Takes the user's number. */}}
{{- define "koi-mcp.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "koi-mcp.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Takes values with nodeSelector, tolerations, affinity, priorityClassName. */}}
{{- define "koi-mcp.placement" -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with get . "priorityClassName" }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{/* What comes from Secrets, and what is of OpenTelemetry. Takes {root, node}. */}}
{{- define "koi-mcp.env" -}}
{{- $root := .root -}}{{- $node := .node -}}
{{- if eq $node.values.storage "postgres" }}
{{ include "koi-mcp.secretEnv" (dict "name" "KOI_MCP_PERSISTENCE__POSTGRES_URL" "secret" ($root.Values.externalPostgres.existingSecret | default (printf "%s-postgres" (include "koi-mcp.fullname" $root))) "key" (ternary $root.Values.externalPostgres.key "postgres-url" (ne $root.Values.externalPostgres.existingSecret ""))) }}
{{- end }}
{{- if eq (include "koi-mcp.usesRedis" .) "true" }}
{{ include "koi-mcp.secretEnv" (dict "name" (ternary "KOI_MCP_PERSISTENCE__REDIS_URL" "KOI_MCP_QUEUE__REDIS_URL" (eq $node.values.storage "redis")) "secret" ($root.Values.externalRedis.existingSecret | default (printf "%s-valkey" (include "koi-mcp.fullname" $root))) "key" (ternary $root.Values.externalRedis.key "redis-url" (ne $root.Values.externalRedis.existingSecret ""))) }}
{{- end }}
{{ include "koi-mcp.secretEnv" (dict "name" "KOI_MCP_SECURITY__PUBLISH_TOKEN" "secret" (include "koi-mcp.tokenSecret" $root) "key" "publish-token") }}
{{- with $root.Values.tracing.endpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ . | quote }}
- name: OTEL_SERVICE_NAME
  value: {{ $node.name | quote }}
- name: OTEL_RESOURCE_ATTRIBUTES
  value: {{ printf "service.namespace=%s,k8s.namespace.name=%s" $root.Release.Name $root.Release.Namespace | quote }}
{{- range $name, $value := $root.Values.tracing.env }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
{{- with $node.values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "koi-mcp.secretEnv" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .secret }}
      key: {{ .key }}
{{- end -}}

{{- define "koi-mcp.tokenSecret" -}}
{{- .Values.security.publishToken.existingSecret | default (printf "%s-publish-token" (include "koi-mcp.fullname" .)) -}}
{{- end -}}

{{/* A service that finds no server ends; at the first installation all come up at once, so it waits for those of the release. */}}
{{- define "koi-mcp.waits" -}}
{{- $root := .root -}}
{{- $targets := list -}}
{{- if and (eq .node.values.storage "postgres") (eq $root.KoiMcp.uses.postgres "internal") -}}
{{- $targets = append $targets (include "koi-mcp.address" (dict "root" $root "object" (printf "%s-postgres" (include "koi-mcp.fullname" $root)) "port" 5432)) -}}
{{- end -}}
{{- if and (eq (include "koi-mcp.usesRedis" .) "true") (eq $root.KoiMcp.uses.redis "internal") -}}
{{- $targets = append $targets (include "koi-mcp.address" (dict "root" $root "object" (printf "%s-valkey" (include "koi-mcp.fullname" $root)) "port" 6379)) -}}
{{- end -}}
{{- with $targets -}}
- name: wait-for-servers
  image: {{ include "koi-mcp.image" (dict "image" $root.Values.image "tag" $root.Chart.AppVersion) }}
  imagePullPolicy: {{ $root.Values.image.pullPolicy }}
  command: [/usr/local/bin/node, --input-type=module, --eval]
  args:
    - |
      import { connect } from 'node:net'
      import { setTimeout as sleep } from 'node:timers/promises'
      process.once('SIGTERM', () => process.exit(143))
      const answers = (host, port) =>
        new Promise((resolve) => {
          const socket = connect({ host, port, timeout: 2000 })
          const end = (is) => (socket.destroy(), resolve(is))
          socket.once('connect', () => end(true)).once('error', () => end(false)).once('timeout', () => end(false))
        })
      for (const target of process.argv.slice(1)) {
        const [host, port] = target.split(':')
        while (!(await answers(host, Number(port)))) {
          console.log(`waiting for ${target}`)
          await sleep(1000)
        }
      }
    {{- range . }}
    - {{ . }}
    {{- end }}
  securityContext:
    {{- include "koi-mcp.containerSecurity" $root | nindent 4 }}
  resources:
    requests:
      cpu: 10m
      memory: 64Mi
    limits:
      memory: 128Mi
{{- end -}}
{{- end -}}
