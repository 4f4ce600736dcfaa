{{/* The container and its volumes, in every mode. */}}

{{- define "plimsoll.container" -}}
{{- $sidecar := eq .Values.mode "sidecar" -}}
name: plimsoll
image: {{ include "plimsoll.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
command: [/usr/local/bin/plimsoll]
args: [serve, --config, /etc/plimsoll/config/plimsoll.yaml]
{{- with .Values.env }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  {{- if not $sidecar }}
  - name: plimsoll-grpc
    containerPort: {{ .Values.ports.grpc }}
    {{- if .Values.hostPorts }}
    hostPort: {{ .Values.ports.grpc }}
    {{- end }}
  {{- end }}
  - name: plimsoll-http
    containerPort: {{ .Values.ports.http }}
    {{- if .Values.hostPorts }}
    hostPort: {{ .Values.ports.http }}
    {{- end }}
# A large store takes its time to open.
startupProbe:
  httpGet: {path: /live, port: plimsoll-http, scheme: {{ ternary "HTTPS" "HTTP" (eq (include "plimsoll.httpTls" .) "true") }}}
  periodSeconds: 1
  failureThreshold: 120
  timeoutSeconds: 2
livenessProbe:
  httpGet: {path: /live, port: plimsoll-http, scheme: {{ ternary "HTTPS" "HTTP" (eq (include "plimsoll.httpTls" .) "true") }}}
  periodSeconds: 10
  timeoutSeconds: 2
readinessProbe:
  httpGet: {path: /ready, port: plimsoll-http, scheme: {{ ternary "HTTPS" "HTTP" (eq (include "plimsoll.httpTls" .) "true") }}}
  periodSeconds: 2
  failureThreshold: 2
  timeoutSeconds: 2
{{- if and .Values.preStopSeconds (not $sidecar) }}
# The Service forgets a pod a little after the pod is told to end.
lifecycle: {preStop: {sleep: {seconds: {{ .Values.preStopSeconds }}}}}
{{- end }}
{{- with .Values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
volumeMounts:
  - {name: plimsoll-config, mountPath: /etc/plimsoll/config, readOnly: true}
  # Whole folders, without subPath: only these see an edit of a ConfigMap or a Secret.
  - {name: plimsoll-policies, mountPath: /etc/plimsoll/policies, readOnly: true}
  {{- if or .Values.auth.existingSecret .Values.auth.tokens }}
  - {name: plimsoll-auth, mountPath: /etc/plimsoll/auth, readOnly: true}
  {{- end }}
  {{- if .Values.tls.enabled }}
  - {name: plimsoll-tls, mountPath: /etc/plimsoll/tls, readOnly: true}
  {{- end }}
  {{- if ne .Values.data.type "memory" }}
  - {name: plimsoll-data, mountPath: /var/lib/plimsoll}
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "plimsoll.volumes" -}}
- name: plimsoll-config
  configMap: {name: {{ include "plimsoll.fullname" . }}-config}
- name: plimsoll-policies
  configMap:
    name: {{ include "plimsoll.policyConfigMap" . }}
    {{- if .Values.existingPolicyConfigMap }}
    {{- with .Values.policyItems }}
    items:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- else }}
    items:
      {{- range $name := keys (default (dict) .Values.policies) | sortAlpha }}
      - {key: {{ include "plimsoll.key" $name | quote }}, path: {{ $name | quote }}}
      {{- end }}
    {{- end }}
{{- if or .Values.auth.existingSecret .Values.auth.tokens }}
- name: plimsoll-auth
  secret:
    secretName: {{ include "plimsoll.authSecret" . }}
    items: [{key: {{ ternary .Values.auth.existingSecretKey "tokens" (ne .Values.auth.existingSecret "") | quote }}, path: tokens}]
{{- end }}
{{- if .Values.tls.enabled }}
- name: plimsoll-tls
  secret: {secretName: {{ include "plimsoll.tlsSecret" . }}}
{{- end }}
{{- if eq .Values.data.type "emptyDir" }}
- name: plimsoll-data
  emptyDir: {sizeLimit: {{ .Values.data.size }}}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* What pods of all modes of ours have. */}}
{{- define "plimsoll.pod" -}}
{{- $ctx := . -}}
metadata:
  labels:
    {{- include "plimsoll.selectorLabels" . | nindent 4 }}
    {{- with merge (dict) .Values.podLabels .Values.commonLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    # The configuration is read at the start. Policies, tokens and certificates are read anew when they change, and
    # have no sum here: their edits must not restart what knows things.
    checksum/config: {{ include "plimsoll.config" . | sha256sum }}
    {{- with merge (dict) .Values.podAnnotations .Values.commonAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "plimsoll.serviceAccountName" . }}
  automountServiceAccountToken: false
  # Or a Service by the name of `plimsoll` would set variables that look like keys of the configuration (PLIMSOLL_PORT).
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ include "plimsoll.graceSeconds" . }}
  securityContext:
    {{- toYaml .Values.podSecurityContext | nindent 4 }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  containers:
    - {{- include "plimsoll.container" . | nindent 6 }}
  volumes:
    {{- include "plimsoll.volumes" . | nindent 4 }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if ne .Values.mode "daemonset" }}
  topologySpreadConstraints:
    {{- with .Values.topologySpreadConstraints }}
    {{- toYaml . | nindent 4 }}
    {{- else }}
    {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "plimsoll.selectorLabels" $ctx | nindent 10 }}
    {{- end }}
    {{- end }}
  {{- end }}
{{- end -}}
