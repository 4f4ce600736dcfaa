{{/* Names and labels. */}}

{{- define "plimsoll.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "plimsoll.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "plimsoll.labels" -}}
{{ include "plimsoll.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The head of every object: (dict "ctx" . "suffix" "-config"), and "labels" and "annotations" to add, or a "name". */}}
{{- define "plimsoll.metadata" -}}
{{- $annotations := merge (dict) (default (dict) .annotations) .ctx.Values.commonAnnotations -}}
name: {{ default (print (include "plimsoll.fullname" .ctx) .suffix) .name }}
namespace: {{ .ctx.Release.Namespace }}
labels:
  {{- include "plimsoll.labels" .ctx | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "plimsoll.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "plimsoll.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "plimsoll.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}{{ .repository }}@{{ .digest }}{{- else -}}{{ .repository }}:{{ default $.Chart.AppVersion .tag }}{{- end -}}
{{- end -}}
{{- end -}}

{{- define "plimsoll.tlsSecret" -}}
{{- default (printf "%s-tls" (include "plimsoll.fullname" .)) .Values.tls.existingSecret -}}
{{- end -}}

{{- define "plimsoll.authSecret" -}}
{{- default (printf "%s-auth" (include "plimsoll.fullname" .)) .Values.auth.existingSecret -}}
{{- end -}}

{{- define "plimsoll.policyConfigMap" -}}
{{- default (printf "%s-policies" (include "plimsoll.fullname" .)) .Values.existingPolicyConfigMap -}}
{{- end -}}

{{/* A file name as a key of a ConfigMap, which takes no `/`. */}}
{{- define "plimsoll.key" -}}
{{- . | replace "/" "__" -}}
{{- end -}}

{{/* The names of the policies in `policies`, as a JSON list; those of a ConfigMap that is there already can't be seen. */}}
{{- define "plimsoll.policyNames" -}}
{{- $names := list -}}
{{- range $_, $text := .Values.policies -}}
{{- range regexSplit "(?m)^---" $text -1 -}}
{{- $object := fromYaml . -}}
{{- if and (eq "TrustPolicy" (toString $object.kind)) (kindIs "map" $object.metadata) -}}
{{- with $object.metadata.name }}{{ $names = append $names (toString .) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $names | uniq | toJson -}}
{{- end -}}

{{/* "true" where HTTP is served by TLS. */}}
{{- define "plimsoll.httpTls" -}}
{{- if and .Values.tls.enabled (has "http" .Values.tls.listeners) -}}true{{- end -}}
{{- end -}}
{{- define "plimsoll.grpcTls" -}}
{{- if and .Values.tls.enabled (has "grpc" .Values.tls.listeners) -}}true{{- end -}}
{{- end -}}

{{/* A quantity of memory in bytes. */}}
{{- define "plimsoll.bytes" -}}
{{- $units := dict "" 1 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- $text := toString . -}}
{{- if kindIs "float64" . }}{{ $text = toString (int64 .) }}{{ end -}}
{{- $unit := regexFind "[A-Za-z]*$" $text -}}
{{- mul (atoi (regexFind "^[0-9]+" $text)) (get $units $unit) -}}
{{- end -}}
