#!/usr/bin/env bash
# One request through Cost Sentry with the AWS CLI and jq: started, its outcome read, a denial waited out.
# usage: start.sh sync|async STATE_MACHINE_ARN REQUEST.json [NAME]
set -euo pipefail

if [ $# -lt 3 ] || [[ $1 != sync && $1 != async ]]; then
  sed -n 3p "$0" | cut -c3- >&2
  exit 64
fi
mode=$1 arn=$2 request=$3 name=${4:-$(date +%s)-$RANDOM$RANDOM}
attempts=3 longest_wait=${LONGEST_WAIT_SECONDS:-300}
# AWS serves synchronous executions at a host of their own, sync-…; a local endpoint has one host for all.
[ -z "${AWS_ENDPOINT_URL_SFN:-}" ] || export AWS_DISABLE_HOST_PREFIX_INJECTION=true

# Express: at most five minutes. Exit status 0 says that the execution ran, not how it ended: `status` does.
# One attempt, and patience: a repeated synchronous start is a second execution, and paid for.
run_sync() {
  AWS_MAX_ATTEMPTS=1 aws stepfunctions start-sync-execution --cli-read-timeout 310 --output json \
    --state-machine-arn "$arn" --input "file://$request"
}

# Standard: the name makes the start safe to repeat. One that was used leads to the execution that it started.
run_async() {
  local execution="${arn/:stateMachine:/:execution:}:$1" ended problem
  if ! problem=$(aws stepfunctions start-execution --state-machine-arn "$arn" --name "$1" --input "file://$request" 2>&1); then
    [[ $problem == *ExecutionAlreadyExists* ]] || { echo "$problem" >&2; return 1; }
  fi
  while
    ended=$(aws stepfunctions describe-execution --execution-arn "$execution" --output json) || return 1
    [ "$(jq -r .status <<<"$ended")" = RUNNING ]
  do sleep 1; done
  printf '%s\n' "$ended"
}

for attempt in $(seq $attempts); do
  if [ "$mode" = sync ]; then ended=$(run_sync); else ended=$(run_async "$name-$attempt"); fi
  # The document is the output of a success, and the cause of everything else.
  document=$(jq -r '.output // .cause // "{}"' <<<"$ended")
  case $(jq -r 'if .status == "SUCCEEDED" then .status else .error // .status end' <<<"$ended") in
    SUCCEEDED)
      jq -r .response.content <<<"$document"
      exit 0 ;;
    InvalidRequest)
      jq -r '.problems[] | "rejected: \(.pointer): expected \(.expected)"' <<<"$document" >&2
      exit 2 ;;
    InvocationFailed)
      jq -r '.error | "failed: \(.name); money \(if .moneyMayHaveBeenSpent then "may have been" else "was not" end) spent"' \
        <<<"$document" >&2
      exit 4 ;;
    RateLimitDenied)
      wait=$(jq -r .rateLimit.retryAfterSeconds <<<"$document")
      jq -r '[.rateLimit.budgets[] | select(.standing == "refused" or .standing == "frozen" or .standing == "neverFits") | .name] | "denied by " + join(", ")' \
        <<<"$document" >&2
      echo "retry after: $wait" >&2
      if [ "$wait" = never ] || [ "$wait" -gt "$longest_wait" ] || [ "$attempt" = $attempts ]; then exit 3; fi
      sleep "$wait" ;;
    *)
      echo "not answered: $(jq -r '.error // .status' <<<"$ended")" >&2
      exit 1 ;;
  esac
done
