{{/* What the schema can't see: values that don't go together. Each message names the key and the mend. */}}
{{- define "plimsoll.refuse" -}}
{{- $values := .Values -}}
{{- $config := $values.config -}}
{{- $sidecar := eq $values.mode "sidecar" -}}

{{- if and (not $values.policies) (not $values.existingPolicyConfigMap) -}}
{{- fail "policies: there are none, so nothing could be decided: set `policies` (file names and texts) or `existingPolicyConfigMap`" -}}
{{- end -}}
{{- if and $values.policies $values.existingPolicyConfigMap -}}
{{- fail "existingPolicyConfigMap: stands in place of `policies`, and both are set: leave one out" -}}
{{- end -}}
{{- if and $values.policyItems (not $values.existingPolicyConfigMap) -}}
{{- fail "policyItems: says where the keys of `existingPolicyConfigMap` go, which is not set" -}}
{{- end -}}

{{- if and $values.auth.existingSecret $values.auth.tokens -}}
{{- fail "auth.existingSecret: stands in place of `auth.tokens`, and both are set: leave one out" -}}
{{- end -}}
{{- $auth := default (dict) $config.auth -}}
{{- $proof := or $values.auth.existingSecret $values.auth.tokens $auth.jwt $auth.callers (hasKey $auth "local") -}}
{{- if and (not $sidecar) (not $proof) -}}
{{- fail "auth: nobody could ask: set `auth.tokens`, `auth.existingSecret` or `config.auth.jwt`; or `config.auth.callers` with `tls.clientAuth`; or `config.auth.local` where a mesh's proxy asks from within the pod" -}}
{{- end -}}
{{- if and $auth.callers (not $values.tls.clientAuth) -}}
{{- fail "config.auth.callers: certificates prove nothing without `tls.clientAuth`" -}}
{{- end -}}

{{- if $values.tls.enabled -}}
{{- if $sidecar -}}
{{- fail "tls.enabled: a sidecar is asked on loopback, where there is no TLS: leave it out" -}}
{{- end -}}
{{- if and $values.tls.existingSecret $values.tls.certManager.enabled -}}
{{- fail "tls.existingSecret: stands in place of `tls.certManager`, and both are set: leave one out" -}}
{{- end -}}
{{- if not (or $values.tls.existingSecret $values.tls.certManager.enabled) -}}
{{- fail "tls.enabled: needs a certificate: set `tls.existingSecret` or `tls.certManager.enabled`" -}}
{{- end -}}
{{- if and $values.tls.certManager.enabled (not $values.tls.certManager.issuerRef.name) -}}
{{- fail "tls.certManager.issuerRef.name: who issues the certificate? Set the name of an Issuer or ClusterIssuer" -}}
{{- end -}}
{{- if and $values.tls.clientAuth (has "http" $values.tls.listeners) -}}
{{- fail "tls.clientAuth: the kubelet has no certificate, so its probes of HTTP would fail: set `tls.listeners: [grpc]`" -}}
{{- end -}}
{{- else if $values.tls.clientAuth -}}
{{- fail "tls.clientAuth: needs `tls.enabled`" -}}
{{- end -}}

{{- if and (eq $values.data.type "volume") (ne $values.mode "statefulset") -}}
{{- fail "data.type: `volume` needs `mode: statefulset`: one folder belongs to one process, and only there each has its own" -}}
{{- end -}}
{{- if and (eq $values.mode "statefulset") (ne $values.data.type "volume") -}}
{{- fail "mode: `statefulset` is for `data.type: volume`; without one, take `deployment`" -}}
{{- end -}}
{{- if and $values.hostPorts (ne $values.mode "daemonset") -}}
{{- fail "hostPorts: needs `mode: daemonset`: two pods of a node can't have the same port" -}}
{{- end -}}

{{- with (default (dict) $values.resources.limits).memory -}}
{{- $most := div (mul (include "plimsoll.bytes" . | atoi) 9) 10 -}}
{{- $cache := int64 (default 2147483648 (default (dict) $config.signals).max_bytes) -}}
{{- $bodies := int64 (default 268435456 (default (dict) $config.server).max_body_bytes) -}}
{{- if gt (add $cache $bodies) $most -}}
{{- fail (printf "resources.limits.memory: nine tenths of %v are less than `config.signals.max_bytes` and `config.server.max_body_bytes` together (%d bytes): raise the one or lower the others" . (add $cache $bodies)) -}}
{{- end -}}
{{- end -}}

{{- if and $sidecar $values.metrics.serviceMonitor.enabled -}}
{{- fail "metrics.serviceMonitor.enabled: a sidecar has no Service to be scraped by: leave it out, and scrape the pods of the application's chart, at the port `plimsoll-http`, by a PodMonitor there (docs/deploy.md)" -}}
{{- end -}}
{{- if and $sidecar $values.networkPolicy.enabled -}}
{{- fail "networkPolicy.enabled: a sidecar's pods are those of the application's chart: leave it out, and let a NetworkPolicy there say who reaches the port `plimsoll-http`" -}}
{{- end -}}
{{- if and $values.metrics.serviceMonitor.enabled (not $values.metrics.serviceMonitor.tokenSecret.name) -}}
{{- fail "metrics.serviceMonitor.tokenSecret.name: metrics are not for everybody: name a Secret with a token that has some permission" -}}
{{- end -}}
{{- $known := list -}}
{{- range (.Files.Get "alerts/plimsoll.yaml" | fromYaml).groups -}}
{{- range .rules }}{{ $known = append $known .alert }}{{ end -}}
{{- end -}}
{{- range concat $values.metrics.prometheusRule.disabled (keys $values.metrics.prometheusRule.overrides) -}}
{{- if not (has . $known) -}}
{{- fail (printf "metrics.prometheusRule: there is no alert `%s`: %s" . (join ", " $known)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
