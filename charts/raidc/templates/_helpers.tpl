{{/* Labels that never change: what a Deployment selects by. */}}
{{- define "raidc.selector" -}}
app.kubernetes.io/name: raidc-controller
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Labels of everything that this chart makes. */}}
{{- define "raidc.labels" -}}
{{ include "raidc.selector" . }}
app.kubernetes.io/part-of: raidc
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The operator's image. */}}
{{- define "raidc.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* The operator, as the subject of a binding. */}}
{{- define "raidc.subject" -}}
kind: ServiceAccount
name: {{ .Values.serviceAccount.name }}
namespace: {{ .Release.Namespace }}
{{- end }}

{{/* The operator, as the API server names it. */}}
{{- define "raidc.username" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ .Values.serviceAccount.name }}
{{- end }}

{{/* A list of texts as CEL writes it. The schema allows no quotes in them. */}}
{{- define "raidc.celList" -}}
[{{ range $i, $text := . }}{{ if $i }}, {{ end }}'{{ $text }}'{{ end }}]
{{- end }}

{{/* What the people of a tenant may read in its namespace, besides our kinds. */}}
{{- define "raidc.tenantReads" -}}
# What a server is made of, for whoever wants to know why it waits.
- apiGroups: [kubevirt.io]
  resources: [virtualmachines, virtualmachineinstances, virtualmachineinstancemigrations]
  verbs: [get, list, watch]
- apiGroups: [cdi.kubevirt.io]
  resources: [datavolumes]
  verbs: [get, list, watch]
- apiGroups: [volsync.backube]
  resources: [replicationsources, replicationdestinations]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [pods, persistentvolumeclaims, services, events, resourcequotas]
  verbs: [get, list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [get, list, watch]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch]
{{- end }}

{{/* Conditions that let trusted users and the break-glass groups through. */}}
{{- define "raidc.notTrusted" -}}
{{- with .Values.admissionPolicies.breakGlassGroups -}}
- name: not-breaking-the-glass
  expression: "!has(request.userInfo.groups) || !request.userInfo.groups.exists(g, g in {{ include "raidc.celList" . }})"
{{ end -}}
{{- with .Values.admissionPolicies.trustedUsers -}}
- name: not-trusted
  expression: "!(request.userInfo.username in {{ include "raidc.celList" . }})"
{{ end -}}
{{- end }}

{{/* The binding of a policy: what happens to what it refuses. */}}
{{- define "raidc.policyBinding" }}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ .name }}
  labels:
    {{- include "raidc.labels" .root | nindent 4 }}
spec:
  policyName: {{ .name }}
  validationActions: {{ if eq .root.Values.admissionPolicies.mode "Enforce" }}[Deny]{{ else }}[Warn, Audit]{{ end }}
{{- end }}
