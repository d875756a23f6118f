{{/*
A node's RID (orn:koi-net.node:<name>+<SHA-256 of the base64 of its public key's DER, in hex>), and its key into .node.pem where the chart
keeps it. Takes {root, node}.

A new key is cut out of text alone. Sprig makes a P-256 key in SEC1 DER of 121 bytes, whose last 64 are the public point without the 04 before
it; they begin at byte 57, and the header of a SubjectPublicKeyInfo with that 04 has 27 bytes: both multiples of three, where base64 may be cut.
*/}}
{{- define "koi-mcp.rid" -}}
{{- $node := .node -}}
{{- if get $node.values.identity "existingSecret" -}}
{{- $node.values.identity.rid -}}
{{- else -}}
{{- $secret := printf "%s-identity" $node.object -}}
{{- $kept := include "koi-mcp.keptSecret" (dict "root" .root "name" $secret) | fromYaml -}}
{{- $hash := "" -}}
{{- if $kept -}}
{{- if not (and (index $kept "private.pem") (index $kept "rid")) -}}
{{- fail (printf "The Secret %s is there, but not of this chart: it has no private.pem and rid. Remove it, or name it in identity.existingSecret." $secret) -}}
{{- end -}}
{{- $_ := set $node "pem" (index $kept "private.pem") -}}
{{- $hash = regexFind "[0-9a-f]{64}$" (index $kept "rid") -}}
{{- else -}}
{{- $_ := set $node "pem" (genPrivateKey "ecdsa") -}}
{{- $body := regexReplaceAll "-----[A-Z ]+-----|\\s" $node.pem "" -}}
{{- if or (ne (len $body) 164) (not (hasPrefix "MHcCAQEEI" $body)) -}}
{{- fail "This Helm makes other keys than SEC1 P-256: make one yourself and name its Secret in identity.existingSecret." -}}
{{- end -}}
{{- $hash = printf "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE%s" (substr 76 164 $body) | sha256sum -}}
{{- end -}}
{{- printf "orn:koi-net.node:%s+%s" $node.name $hash -}}
{{- end -}}
{{- end -}}

{{- define "koi-mcp.identitySecret" -}}
{{- get .node.values.identity "existingSecret" | default (printf "%s-identity" .node.object) -}}
{{- end -}}

{{- define "koi-mcp.identity" -}}
{{- if not (get .node.values.identity "existingSecret") -}}
apiVersion: v1
kind: Secret
metadata:
  {{- include "koi-mcp.metadata" (dict "root" .root "component" .node.component "name" .node.name "object" (include "koi-mcp.identitySecret" .) "annotations" (dict "helm.sh/resource-policy" "keep")) | nindent 2 }}
type: Opaque
data:
  private.pem: {{ .node.pem | b64enc }}
  rid: {{ .node.rid | b64enc }}
{{- end -}}
{{- end -}}
