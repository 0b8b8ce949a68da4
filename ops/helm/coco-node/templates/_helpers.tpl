{{- define "coco.name" -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "coco.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "coco.labels" -}}
{{ include "coco.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "coco.command" -}}
{{- if eq .Values.command.type "Recover" -}}
{{- $previous := dict "previous_service_identity_file" "/etc/coco/previous_service_cert.pem" -}}
{{- dict "type" "Recover" "recover" $previous "service_certificate_file" "/var/lib/coco/public/service_cert.pem" | toJson -}}
{{- else if eq .Values.command.type "Join" -}}
{{- $target := required "command.join.targetRpcAddress is missing" .Values.command.join.targetRpcAddress -}}
{{- dict "type" "Join" "join" (dict "target_rpc_address" $target) "service_certificate_file" "/etc/coco/service_cert.pem" | toJson -}}
{{- else -}}
{{- $members := list -}}
{{- range .Values.command.start.members -}}
{{- $certificate := printf "/etc/coco/%s_cert.pem" .name -}}
{{- $key := printf "/etc/coco/%s_enc_pubk.pem" .name -}}
{{- $members = append $members (dict "certificate_file" $certificate "encryption_public_key_file" $key) -}}
{{- end -}}
{{- $service := dict "recovery_threshold" (int .Values.command.start.recoveryThreshold) -}}
{{- $start := dict "constitution_files" (list) "members" $members "service_configuration" $service -}}
{{- dict "type" "Start" "start" $start "service_certificate_file" "/var/lib/coco/public/service_cert.pem" | toJson -}}
{{- end -}}
{{- end -}}

{{- define "coco.configuration" -}}
{{- $names := list (printf "dNSName:%s" .Values.publishedHost) (printf "dNSName:%s" (include "coco.name" .)) "dNSName:localhost" "iPAddress:127.0.0.1" -}}
{{- $published := printf "%s:%d" .Values.publishedHost (int .Values.service.port) -}}
{{- $endorsement := dict "authority" "Service" -}}
{{- $main := dict "bind_address" "0.0.0.0:8080" "published_address" $published "endorsement" $endorsement -}}
{{- $name := include "coco.name" . -}}
{{- $peers := dict "bind_address" "0.0.0.0:8081" "published_address" (printf "%s-0.%s-nodes:8081" $name $name) -}}
{{- $network := dict "node_to_node_interface" $peers "rpc_interfaces" (dict "main" $main) -}}
{{- $ledger := dict "directory" "/var/lib/coco/ledger" -}}
{{- $snapshots := dict "directory" "/var/lib/coco/snapshots" -}}
{{- $outputs := dict "node_certificate_file" "/var/lib/coco/public/node_cert.pem" "pid_file" "/var/lib/coco/node.pid" -}}
{{- $own := dict "network" $network "command" (include "coco.command" . | fromJson) "node_certificate" (dict "subject_alt_names" $names) "ledger" $ledger "snapshots" $snapshots "output_files" $outputs -}}
{{- mergeOverwrite $own (deepCopy .Values.extraConfiguration) | toPrettyJson -}}
{{- end -}}
