{{- define "podboard.fullname" -}}
{{- include "names.full" . -}}
{{- end }}
{{- define "podboard.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "podboard.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
{{- define "podboard.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "podboard.serviceAccountName" -}}
{{- ternary (include "podboard.fullname" .) "default" .Values.serviceAccount.create -}}
{{- end }}
