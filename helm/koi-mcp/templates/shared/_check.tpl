{{/* What cannot work, all of it at once, a sentence each that says what to do. */}}
{{- define "koi-mcp.check" -}}
{{- include "koi-mcp.checkNetwork" . -}}
{{- range .KoiMcp.nodes -}}
{{- include "koi-mcp.checkNode" (dict "root" $ "node" .) -}}
{{- include "koi-mcp.checkScaling" (dict "root" $ "node" .) -}}
{{- end -}}
{{- include "koi-mcp.checkServers" . -}}
{{- include "koi-mcp.checkAccess" . -}}
{{- end -}}

{{/* Takes {root, say}. */}}
{{- define "koi-mcp.problem" -}}
{{- $_ := set .root.KoiMcp "problems" (append .root.KoiMcp.problems .say) -}}
{{- end -}}

{{- define "koi-mcp.checkNetwork" -}}
{{- $external := .Values.externalCoordinator -}}
{{- if and .Values.coordinator.enabled (or $external.url $external.rid) -}}
{{- include "koi-mcp.problem" (dict "root" . "say" "coordinator.enabled and externalCoordinator are both set: nodes meet at one of them. Set coordinator.enabled to false, or leave externalCoordinator empty.") -}}
{{- end -}}
{{- if and (not .Values.coordinator.enabled) (not $external.url) -}}
{{- include "koi-mcp.problem" (dict "root" . "say" "coordinator.enabled is false: name another network's coordinator in externalCoordinator.url.") -}}
{{- end -}}
{{- if and $external.url (not $external.rid) (eq .Values.security.peers "listed") -}}
{{- include "koi-mcp.problem" (dict "root" . "say" "externalCoordinator.rid is needed while security.peers is listed: nodes deal with those alone whose RID they know.") -}}
{{- end -}}
{{- if and (eq .Values.security.peers "open") .Values.security.peerTypes -}}
{{- include "koi-mcp.problem" (dict "root" . "say" "security.peerTypes has no effect while security.peers is open: set that to listed, or leave peerTypes empty.") -}}
{{- end -}}
{{- if not .KoiMcp.nodes -}}
{{- include "koi-mcp.problem" (dict "root" . "say" "nothing is left to run: enable coordinator, gateway or one of producers.") -}}
{{- end -}}
{{- if and (eq .Values.security.peers "listed") (eq (len .KoiMcp.nodes) 1) (not $external.rid) (not .Values.security.peerTypes) -}}
{{- include "koi-mcp.problem" (dict "root" . "say" (printf "%s is the only node and has nobody to deal with: add nodes, list others in security.peerTypes, or set security.peers to open." (first .KoiMcp.nodes).name)) -}}
{{- end -}}
{{- $names := list -}}
{{- range .KoiMcp.nodes -}}
{{- if has .name $names -}}
{{- include "koi-mcp.problem" (dict "root" $ "say" (printf "two nodes are called %s: give the producer another key, or the other another name." .name)) -}}
{{- end -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- end -}}

{{- define "koi-mcp.checkNode" -}}
{{- $root := .root -}}{{- $node := .node -}}{{- $values := .node.values -}}
{{- $at := ternary (printf "producers.%s" $node.name) $node.component (eq $node.component "producer") -}}
{{- $identity := $values.identity -}}
{{- if and $identity.existingSecret (not $identity.rid) -}}
{{- include "koi-mcp.problem" (dict "root" $root "say" (printf "%s.identity.rid is needed with existingSecret: orn:koi-net.node:%s+ and the output of: openssl pkey -in private.pem -pubout -outform DER | base64 -w0 | sha256sum" $at $node.name)) -}}
{{- end -}}
{{- if and $identity.rid (not $identity.existingSecret) -}}
{{- include "koi-mcp.problem" (dict "root" $root "say" (printf "%s.identity.rid follows from the key: name the key's Secret in identity.existingSecret, or leave rid empty." $at)) -}}
{{- end -}}
{{- if and $identity.rid $identity.existingSecret (not (hasPrefix (printf "orn:koi-net.node:%s+" $node.name) $identity.rid)) -}}
{{- include "koi-mcp.problem" (dict "root" $root "say" (printf "%s.identity.rid is of another name: it has to begin with orn:koi-net.node:%s+" $at $node.name)) -}}
{{- end -}}
{{- if and $values.persistence.existingClaim (ne $values.storage "file") -}}
{{- include "koi-mcp.problem" (dict "root" $root "say" (printf "%s.persistence.existingClaim has no effect while storage is %s: set storage to file, or leave it empty." $at $values.storage)) -}}
{{- end -}}
{{- if lt (int $values.terminationGracePeriodSeconds) (add (int $values.preStopSeconds) 15) -}}
{{- include "koi-mcp.problem" (dict "root" $root "say" (printf "%s.terminationGracePeriodSeconds is too short: preStopSeconds and 15 s to end what runs make at least %d." $at (add (int $values.preStopSeconds) 15))) -}}
{{- end -}}
{{- $owned := dict "node" (list) "queue" (list) "metrics" (list) "persistence" (list "storage_type" "storage_path" "postgres_url" "redis_url" "postgres_url_file" "redis_url_file") "network" (list "first_contact" "first_contact_rid") "security" (list "peers" "peer_types" "enable_auth" "auth_provider" "auth_config" "publish_token" "publish_token_file") -}}
{{- range $section, $keys := $owned -}}
{{- $given := get $values.config $section -}}
{{- if $given -}}
{{- range $key := keys $given | sortAlpha -}}
{{- if or (not $keys) (has $key $keys) -}}
{{- include "koi-mcp.problem" (dict "root" $root "say" (printf "%s.config.%s.%s is the chart's to say: there is a value of its own for it." $at $section $key)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $seen := list -}}
{{- range (include "koi-mcp.env" . | fromYamlArray) -}}
{{- if has .name $seen -}}
{{- include "koi-mcp.problem" (dict "root" $root "say" (printf "%s would have the variable %s twice: take it out of extraEnv or tracing.env." $at .name)) -}}
{{- end -}}
{{- $seen = append $seen .name -}}
{{- end -}}
{{- $data := list -}}
{{- range $source := list "example" "existingClaim" "configMap" -}}
{{- if dig "data" $source "" $values }}{{ $data = append $data $source }}{{ end -}}
{{- end -}}
{{- if gt (len $data) 1 -}}
{{- include "koi-mcp.problem" (dict "root" $root "say" (printf "%s.data has %s: a producer catalogues one of them." $at (join " and " $data))) -}}
{{- end -}}
{{- end -}}

{{- define "koi-mcp.checkScaling" -}}
{{- $root := .root -}}{{- $values := .node.values -}}
{{- $at := ternary (printf "producers.%s" .node.name) .node.component (eq .node.component "producer") -}}
{{- $isScaled := or $values.autoscaling.enabled $values.keda.enabled -}}
{{- if and (eq $values.storage "file") (or (gt (int $values.replicas) 1) $isScaled) -}}
{{- include "koi-mcp.problem" (dict "root" $root "say" (printf "%s has storage file, which one process owns: set storage to postgres or redis, or replicas to 1 without autoscaling and keda." $at)) -}}
{{- end -}}
{{- if and $values.autoscaling.enabled $values.keda.enabled -}}
{{- include "koi-mcp.problem" (dict "root" $root "say" (printf "%s has both autoscaling and keda, which would undo each other: enable one." $at)) -}}
{{- end -}}
{{- range $kind := list "autoscaling" "keda" -}}
{{- $scaling := get $values $kind -}}
{{- if and $scaling.enabled (gt (int $scaling.minReplicas) (int $scaling.maxReplicas)) -}}
{{- include "koi-mcp.problem" (dict "root" $root "say" (printf "%s.%s.minReplicas is above its maxReplicas." $at $kind)) -}}
{{- end -}}
{{- end -}}
{{- if and $values.autoscaling.enabled (not (dig "requests" "cpu" "" $values.resources)) -}}
{{- include "koi-mcp.problem" (dict "root" $root "say" (printf "%s.autoscaling goes by a part of resources.requests.cpu: set that." $at)) -}}
{{- end -}}
{{- if $values.keda.enabled -}}
{{- if not $values.keda.serverAddress -}}
{{- include "koi-mcp.problem" (dict "root" $root "say" (printf "%s.keda.serverAddress is needed: the URL of the Prometheus that scrapes the nodes." $at)) -}}
{{- end -}}
{{- if not $root.Values.metrics.enabled -}}
{{- include "koi-mcp.problem" (dict "root" $root "say" (printf "%s.keda goes by a metric: set metrics.enabled to true." $at)) -}}
{{- end -}}
{{- if not ($root.Capabilities.APIVersions.Has "keda.sh/v1alpha1") -}}
{{- include "koi-mcp.problem" (dict "root" $root "say" (printf "%s.keda is enabled and this cluster has no KEDA: install it first (helm template: --api-versions keda.sh/v1alpha1)." $at)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "koi-mcp.checkServers" -}}
{{- $uses := .KoiMcp.uses -}}
{{- if and .Values.postgres.enabled .Values.externalPostgres.existingSecret -}}
{{- include "koi-mcp.problem" (dict "root" . "say" "postgres.enabled and externalPostgres.existingSecret are both set: set postgres.enabled to false to use your own.") -}}
{{- end -}}
{{- if and (eq $uses.postgres "internal") (not .Values.postgres.enabled) -}}
{{- include "koi-mcp.problem" (dict "root" . "say" "a node has storage postgres and there is none: set postgres.enabled to true, or name a Secret with a URL in externalPostgres.existingSecret.") -}}
{{- end -}}
{{- if and .Values.valkey.enabled .Values.externalRedis.existingSecret -}}
{{- include "koi-mcp.problem" (dict "root" . "say" "valkey.enabled and externalRedis.existingSecret are both set: set valkey.enabled to false to use your own.") -}}
{{- end -}}
{{- if and (eq $uses.redis "internal") (not .Values.valkey.enabled) -}}
{{- include "koi-mcp.problem" (dict "root" . "say" "queue bullmq or storage redis need a Redis and there is none: set valkey.enabled to true, name a Secret with a URL in externalRedis.existingSecret, or set queue to store.") -}}
{{- end -}}
{{- $stores := list -}}
{{- range .KoiMcp.nodes }}{{ if eq .values.storage "redis" }}{{ $stores = append $stores .name }}{{ end }}{{ end -}}
{{- if and $stores (eq $uses.redis "internal") .Values.valkey.enabled (not .Values.valkey.persistence.enabled) -}}
{{- include "koi-mcp.problem" (dict "root" . "say" (printf "%s keeps everything in Valkey, which keeps nothing: set valkey.persistence.enabled to true, or use externalRedis." (join " and " $stores))) -}}
{{- end -}}
{{- if and .Values.metrics.podMonitor.enabled .Values.metrics.serviceMonitor.enabled -}}
{{- include "koi-mcp.problem" (dict "root" . "say" "metrics.podMonitor and metrics.serviceMonitor are both enabled, and every pod would be scraped twice: enable one.") -}}
{{- end -}}
{{- if and .Values.metrics.serviceMonitor.enabled (not .Values.metrics.enabled) -}}
{{- include "koi-mcp.problem" (dict "root" . "say" "metrics.serviceMonitor needs metrics.enabled.") -}}
{{- end -}}
{{- if eq (int .Values.metrics.port) 9000 -}}
{{- include "koi-mcp.problem" (dict "root" . "say" "metrics.port is 9000, where the nodes answer: give it another.") -}}
{{- end -}}
{{- end -}}

{{- define "koi-mcp.checkAccess" -}}
{{- $auth := .Values.security.auth -}}
{{- if eq $auth.provider "jwt" -}}
{{- range $key := list "issuer" "audience" -}}
{{- if not (get $auth $key) -}}
{{- include "koi-mcp.problem" (dict "root" $ "say" (printf "security.auth.%s is needed with provider jwt: tokens of others would be taken without it." $key)) -}}
{{- end -}}
{{- end -}}
{{- if eq (not $auth.jwksUrl) (not $auth.jwksConfigMap) -}}
{{- include "koi-mcp.problem" (dict "root" . "say" "security.auth needs one of jwksUrl and jwksConfigMap with provider jwt: the keys that tokens are signed with.") -}}
{{- end -}}
{{- else if or $auth.issuer $auth.audience $auth.jwksUrl $auth.jwksConfigMap $auth.algorithms $auth.permissionsClaim -}}
{{- include "koi-mcp.problem" (dict "root" . "say" "security.auth is filled in and its provider is none: set provider to jwt, or leave the rest empty.") -}}
{{- end -}}
{{- range $kind := list "ingress" "httpRoute" -}}
{{- if (get $.Values.gateway $kind).enabled -}}
{{- if ne $auth.provider "jwt" -}}
{{- include "koi-mcp.problem" (dict "root" $ "say" (printf "gateway.%s would let anyone in who finds it: set security.auth.provider to jwt first." $kind)) -}}
{{- end -}}
{{- if not $.Values.gateway.enabled -}}
{{- include "koi-mcp.problem" (dict "root" $ "say" (printf "gateway.%s needs gateway.enabled." $kind)) -}}
{{- end -}}
{{- if and $.Values.networkPolicy.enabled (not $.Values.networkPolicy.gatewayFrom) -}}
{{- include "koi-mcp.problem" (dict "root" $ "say" (printf "gateway.%s is enabled and the network policy lets nobody through: name the pods that forward requests in networkPolicy.gatewayFrom." $kind)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.gateway.ingress.enabled (not .Values.gateway.ingress.host) -}}
{{- include "koi-mcp.problem" (dict "root" . "say" "gateway.ingress.host is needed: the name under which clients find the gateway.") -}}
{{- end -}}
{{- if .Values.gateway.httpRoute.enabled -}}
{{- if not .Values.gateway.httpRoute.parentRefs -}}
{{- include "koi-mcp.problem" (dict "root" . "say" "gateway.httpRoute.parentRefs is needed: the Gateway that the route is of.") -}}
{{- end -}}
{{- if not (.Capabilities.APIVersions.Has "gateway.networking.k8s.io/v1") -}}
{{- include "koi-mcp.problem" (dict "root" . "say" "gateway.httpRoute is enabled and this cluster has no Gateway API: install it first (helm template: --api-versions gateway.networking.k8s.io/v1).") -}}
{{- end -}}
{{- end -}}
{{- end -}}
