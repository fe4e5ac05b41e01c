#!/usr/bin/env python3
"""One request through Cost Sentry with boto3: started, its outcome read, a denial waited out.

usage: start.py sync|async STATE_MACHINE_ARN REQUEST.json [NAME]
"""
import json
import os
import sys
import time
import uuid

import boto3
from botocore.config import Config

ATTEMPTS = 3
LONGEST_WAIT = int(os.environ.get("LONGEST_WAIT_SECONDS", "300"))
# Longer than an execution takes, and one attempt: a repeated synchronous start is a second execution, and paid for.
ONCE = {"read_timeout": 310, "retries": {"total_max_attempts": 1}}


def run_sync(arn, request):
    """Express: at most five minutes. HTTP 200 says that the execution ran, not how it ended: `status` does."""
    on_aws = "AWS_ENDPOINT_URL_SFN" not in os.environ
    sfn = boto3.client("stepfunctions", config=Config(inject_host_prefix=on_aws, **ONCE))
    return sfn.start_sync_execution(stateMachineArn=arn, input=request)


def run_async(arn, request, name):
    """Standard: the name makes the start safe to repeat. One that was used leads to the execution that it started."""
    sfn = boto3.client("stepfunctions")
    try:
        sfn.start_execution(stateMachineArn=arn, name=name, input=request)
    except sfn.exceptions.ExecutionAlreadyExists:
        pass
    execution = f"{arn.replace(':stateMachine:', ':execution:')}:{name}"
    while (ended := sfn.describe_execution(executionArn=execution))["status"] == "RUNNING":
        time.sleep(0.5)
    return ended


def main(mode, arn, path, name=None):
    with open(path, encoding="utf-8") as file:
        request = file.read()
    name = name or str(uuid.uuid4())
    for attempt in range(1, ATTEMPTS + 1):
        ended = run_sync(arn, request) if mode == "sync" else run_async(arn, request, f"{name}-{attempt}")
        if ended["status"] == "SUCCEEDED":
            print(json.loads(ended["output"])["response"]["content"])
            return 0
        error = ended.get("error", ended["status"])
        if error not in ("InvalidRequest", "InvocationFailed", "RateLimitDenied"):
            print(f"not answered: {error}", file=sys.stderr)
            return 1
        document = json.loads(ended["cause"])
        if error == "InvalidRequest":
            for problem in document["problems"]:
                print(f"rejected: {problem['pointer']}: expected {problem['expected']}", file=sys.stderr)
            return 2
        if error == "InvocationFailed":
            spent = "may have been spent" if document["error"]["moneyMayHaveBeenSpent"] else "was not spent"
            print(f"failed: {document['error']['name']}; money {spent}", file=sys.stderr)
            return 4
        limits = document["rateLimit"]
        wait = limits["retryAfterSeconds"]
        refused = [budget["name"] for budget in limits["budgets"] if budget["standing"] in ("refused", "frozen", "neverFits")]
        print(f"denied by {', '.join(refused)}; retry after: {wait}", file=sys.stderr)
        if wait == "never" or wait > LONGEST_WAIT or attempt == ATTEMPTS:
            return 3
        time.sleep(wait)


if __name__ == "__main__":
    if len(sys.argv) < 4 or sys.argv[1] not in ("sync", "async"):
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
