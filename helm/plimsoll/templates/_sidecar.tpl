{{/*
For charts that have this one as a dependency, with `mode: sidecar`. All three take the context of the dependency:

  metadata:
    annotations:
      {{- include "plimsoll.sidecar.annotations" .Subcharts.plimsoll | nindent 6 }}
  spec:
    enableServiceLinks: false
    initContainers:
      - {{- include "plimsoll.sidecar.container" .Subcharts.plimsoll | nindent 8 }}
    volumes:
      {{- include "plimsoll.sidecar.volumes" .Subcharts.plimsoll | nindent 6 }}

It belongs into `initContainers`: as a container there that goes on (`restartPolicy: Always`), it is there before the
others start and after they have ended.
*/}}
{{- define "plimsoll.sidecar.container" -}}
{{- include "plimsoll.isSidecar" . -}}
{{ include "plimsoll.container" . }}
restartPolicy: Always
{{- end -}}

{{- define "plimsoll.sidecar.volumes" -}}
{{- include "plimsoll.isSidecar" . -}}
{{ include "plimsoll.volumes" . }}
{{- end -}}

{{/* Starts pods anew when the configuration changes, and not when policies do. */}}
{{- define "plimsoll.sidecar.annotations" -}}
{{- include "plimsoll.isSidecar" . -}}
checksum/plimsoll-config: {{ include "plimsoll.config" . | sha256sum }}
{{- end -}}

{{- define "plimsoll.isSidecar" -}}
{{- if ne .Values.mode "sidecar" -}}
{{- fail (printf "mode: is `%s`, and a chart includes the sidecar: set `mode: sidecar` in the values of the dependency" .Values.mode) -}}
{{- end -}}
{{- end -}}
