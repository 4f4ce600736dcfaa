{{/* The server's configuration: `config`, and what follows from the other values. */}}
{{- define "plimsoll.config" -}}
{{- $values := .Values -}}
{{- $config := deepCopy $values.config -}}
{{- $sidecar := eq $values.mode "sidecar" -}}

{{- $listen := deepCopy (default (dict) $config.listen) -}}
{{/* In a pod of somebody else's only that pod asks. Probes come from outside, and `auth` holds. */}}
{{- $grpc := ternary "127.0.0.1" $values.listenAddress $sidecar -}}
{{- $_ := set $listen "grpc" (printf "%s:%d" $grpc (int $values.ports.grpc)) -}}
{{- $_ := set $listen "http" (printf "%s:%d" $values.listenAddress (int $values.ports.http)) -}}
{{- $_ := set $config "listen" $listen -}}

{{- $_ := set $config "policies" "/etc/plimsoll/policies" -}}
{{/* A folder below the mount: a fresh volume may have a `lost+found`, and the store wants one of its own. */}}
{{- $_ := set $config "data" (ternary "memory" "/var/lib/plimsoll/data" (eq $values.data.type "memory")) -}}

{{- $auth := deepCopy (default (dict) $config.auth) -}}
{{- if or $values.auth.existingSecret $values.auth.tokens -}}
{{- $_ := set $auth "tokens" "/etc/plimsoll/auth/tokens" -}}
{{- end -}}
{{/* Without `auth` everybody may do everything, and the server doesn't start. */}}
{{- if not (hasKey $auth "local") }}{{ $_ := set $auth "local" (list "decide") }}{{ end -}}
{{- $_ := set $config "auth" $auth -}}

{{- if $values.tls.enabled -}}
{{- $tls := dict "cert" "/etc/plimsoll/tls/tls.crt" "key" "/etc/plimsoll/tls/tls.key" "listeners" $values.tls.listeners -}}
{{- if $values.tls.clientAuth }}{{ $_ := set $tls "client_ca" "/etc/plimsoll/tls/ca.crt" }}{{ end -}}
{{- $_ := set $config "tls" $tls -}}
{{- end -}}

{{- with (default (dict) $values.resources.limits).memory -}}
{{- $server := deepCopy (default (dict) $config.server) -}}
{{- if not (hasKey $server "max_resident_bytes") -}}
{{- $_ := set $server "max_resident_bytes" (div (mul (include "plimsoll.bytes" . | atoi) 9) 10) -}}
{{- end -}}
{{- $_ := set $config "server" $server -}}
{{- end -}}

{{- toYaml $config -}}
{{- end -}}

{{/* How long a pod may take to end: it leaves the Service, answers what is open, and writes what it knows. */}}
{{- define "plimsoll.graceSeconds" -}}
{{- $drain := 10.0 -}}
{{- with .Values.config.server }}{{ if hasKey . "drain_seconds" }}{{ $drain = .drain_seconds }}{{ end }}{{ end -}}
{{- add (ternary 0 (int .Values.preStopSeconds) (eq .Values.mode "sidecar")) (int (ceil $drain)) 15 -}}
{{- end -}}
