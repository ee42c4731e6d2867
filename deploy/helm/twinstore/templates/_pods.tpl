{{- define "twinstore.name" -}}
{{- printf "%s" .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "twinstore.labels" -}}
app.kubernetes.io/name: twinstore
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "twinstore.selector" -}}
app.kubernetes.io/name: twinstore
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "twinstore.claim" -}}
{{- .Values.persistence.existingClaim | default (printf "%s-project" (include "twinstore.name" .)) -}}
{{- end -}}

{{- define "twinstore.definitions" -}}
{{- .Values.definitionsConfigMap | default (printf "%s-definitions" (include "twinstore.name" .)) -}}
{{- end -}}

{{/* Whether packed rows are in the server's own store on disk, which no process of another pod may have open. */}}
{{- define "twinstore.embedded" -}}
{{- if and (not .Values.onlineUrl) (not .Values.secret) }}true{{ end -}}
{{- end -}}

{{/* What cannot work is refused before anything is installed. */}}
{{- define "twinstore.refused" -}}
{{- if include "twinstore.embedded" . -}}
{{- if gt (int .Values.serve.replicas) 1 }}{{ fail "the online store on disk belongs to one server: give onlineUrl a Redis, or serve.replicas 1" }}{{ end -}}
{{- if .Values.stream.enabled }}{{ fail "the online store on disk belongs to one server: give onlineUrl a Redis, or set stream.enabled to false and let the server follow pushed rows" }}{{ end -}}
{{- if .Values.materialize.enabled }}{{ fail "the online store on disk belongs to one server: give onlineUrl a Redis, or set materialize.enabled to false" }}{{ end -}}
{{- end -}}
{{- if and .Values.stream.enabled (not .Values.brokers) }}{{ fail "stream.enabled needs brokers: topics on disk are followed by the server itself" }}{{ end -}}
{{- if not (or .Values.access.policy .Values.access.unprotected) }}{{ fail "nothing says who may read: give access.policy the text of a policy, or set access.unprotected to true where the network keeps others out" }}{{ end -}}
{{- if and .Values.definitions .Values.definitionsConfigMap }}{{ fail "definitions and definitionsConfigMap are both given: choose one" }}{{ end -}}
{{- end -}}

{{/* All of a pod but its containers; the argument is the root. */}}
{{- define "twinstore.pod" -}}
serviceAccountName: {{ include "twinstore.name" . }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
# One volume that one node may mount: all pods of the release run there.
affinity:
  podAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      - topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels:
            {{- include "twinstore.selector" . | nindent 12 }}
volumes:
  - name: settings
    configMap: {name: {{ include "twinstore.name" . }}-settings}
  - name: definitions
    configMap: {name: {{ include "twinstore.definitions" . }}}
  - name: project
    persistentVolumeClaim: {claimName: {{ include "twinstore.claim" . }}}
  - name: tmp
    emptyDir: {sizeLimit: 1Gi}
  {{- with .Values.data }}
  - name: data
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* What every container has; the argument is the root. */}}
{{- define "twinstore.container" -}}
image: "{{ .Values.image.repository }}:{{ .Values.image.tag }}"
imagePullPolicy: {{ .Values.image.pullPolicy }}
workingDir: /project
env:
  - name: TWINSTORE_PROJECT
    value: {{ .Values.project | quote }}
  {{- range $name, $value := .Values.env }}
  - name: {{ $name }}
    value: {{ $value | quote }}
  {{- end }}
  {{- if and .Values.access.unprotected (not .Values.access.policy) }}
  - name: TWINSTORE_SERVE_UNPROTECTED
    value: "true"
  {{- end }}
  {{- /* A variable that is named here wins over the secret's: one of them is left out. */}}
  {{- if not .Values.secret }}
  {{- with .Values.onlineUrl }}
  - name: TWINSTORE_ONLINE_URL
    value: {{ . | quote }}
  {{- end }}
  {{- with .Values.brokers }}
  - name: TWINSTORE_STREAM_BROKERS
    value: {{ . | quote }}
  {{- end }}
  {{- end }}
{{- with .Values.secret }}
envFrom:
  - secretRef: {name: {{ . }}}
{{- end }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  privileged: false
  capabilities: {drop: [ALL]}
volumeMounts:
  - {name: settings, mountPath: /project/twinstore.toml, subPath: twinstore.toml, readOnly: true}
  {{- if .Values.access.policy }}
  - {name: settings, mountPath: /project/access.yaml, subPath: access.yaml, readOnly: true}
  {{- end }}
  - {name: definitions, mountPath: /project/features, readOnly: true}
  - {name: project, mountPath: /project/.twinstore}
  - {name: tmp, mountPath: /tmp}
  {{- if .Values.data }}
  - {name: data, mountPath: /project/data, readOnly: true}
  {{- end }}
{{- end -}}
