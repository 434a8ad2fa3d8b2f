#!/bin/sh
# Writes Alertmanager's configuration from VARCO_ALERT_TO, and runs it. /etc/alertmanager/own.yml, where it says something,
# is used as it is. An argument is the file to write; then nothing is run.
set -eu
file=${1:-/tmp/alertmanager.yml}

receiver() {
    case "$VARCO_ALERT_TO" in
        "") ;; # alerts are shown at port 9093, and reach nobody
        https://hooks.slack.com/* | slack+http://* | slack+https://*)
            printf '    slack_configs:\n      - {api_url: "%s", send_resolved: true, title: "{{ .CommonLabels.alertname }} ({{ .Status }})", ' "${VARCO_ALERT_TO#slack+}"
            printf 'text: "{{ range .Alerts }}{{ .Annotations.summary }}\\n{{ .Annotations.runbook }}\\n{{ end }}"}\n'
            ;;
        http://* | https://*) printf '    webhook_configs:\n      - {url: "%s", send_resolved: true}\n' "$VARCO_ALERT_TO" ;;
        *@*)
            if [ -z "$VARCO_ALERT_SMARTHOST" ]; then
                echo "VARCO_ALERT_TO=$VARCO_ALERT_TO needs VARCO_ALERT_SMARTHOST, such as smtp.provider.example:587: a mail server other than this gate" >&2
                exit 2
            fi
            printf '    email_configs:\n      - {to: "%s", from: "varco@%s", smarthost: "%s", hello: "%s", send_resolved: true, ' \
                "$VARCO_ALERT_TO" "$VARCO_HOSTNAME" "$VARCO_ALERT_SMARTHOST" "$VARCO_HOSTNAME"
            printf 'headers: {subject: "Varco %s: {{ .CommonLabels.alertname }} ({{ .Status }})"}}\n' "$VARCO_HOSTNAME"
            ;;
        *)
            echo "VARCO_ALERT_TO=$VARCO_ALERT_TO: expected the URL of a webhook, or a mail address" >&2
            exit 2
            ;;
    esac
}

if [ -s /etc/alertmanager/own.yml ]; then
    file=/etc/alertmanager/own.yml
else
    receivers=$(receiver)
    cat > "$file" <<CONFIG
# One message for each alert of each service, after half a minute; again every four hours while it lasts.
route: {receiver: operator, group_by: [alertname, service], group_wait: 30s, group_interval: 5m, repeat_interval: 4h}
receivers:
  - name: operator
$receivers
# A service that is down says nothing else of interest.
inhibit_rules:
  - {source_matchers: [alertname="VarcoServiceDown"], target_matchers: [alertname!="VarcoServiceDown"], equal: [service]}
CONFIG
fi
[ $# -gt 0 ] || exec /bin/alertmanager --config.file="$file" --storage.path=/alertmanager --cluster.listen-address=
