// One request through Cost Sentry with the AWS SDK for JavaScript v3: started, its outcome read, a denial waited out.
// usage: start.js sync|async STATE_MACHINE_ARN REQUEST.json [NAME]
import {
  DescribeExecutionCommand, ExecutionAlreadyExists, SFNClient, StartExecutionCommand, StartSyncExecutionCommand,
} from "@aws-sdk/client-sfn";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

type Ended = { status?: string; output?: string; error?: string; cause?: string };
type Outcome = {
  response: { content: string };
  problems: { pointer: string; expected: string }[];
  error: { name: string; moneyMayHaveBeenSpent: boolean };
  rateLimit: { retryAfterSeconds: number | "never"; budgets: { name: string; standing: string }[] };
};

const ATTEMPTS = 3;
const LONGEST_WAIT = Number(process.env.LONGEST_WAIT_SECONDS ?? 300);

/** Express: at most five minutes. HTTP 200 says that the execution ran, not how it ended: `status` does. */
async function runSync(stateMachineArn: string, input: string): Promise<Ended> {
  // One attempt: a repeated synchronous start is a second execution, and paid for.
  const sfn = new SFNClient({ maxAttempts: 1, disableHostPrefix: process.env.AWS_ENDPOINT_URL_SFN !== undefined });
  return sfn.send(new StartSyncExecutionCommand({ stateMachineArn, input }));
}

/** Standard: the name makes the start safe to repeat. One that was used leads to the execution that it started. */
async function runAsync(stateMachineArn: string, input: string, name: string): Promise<Ended> {
  const sfn = new SFNClient();
  await sfn.send(new StartExecutionCommand({ stateMachineArn, input, name })).catch((error) => {
    if (!(error instanceof ExecutionAlreadyExists)) throw error;
  });
  const executionArn = `${stateMachineArn.replace(":stateMachine:", ":execution:")}:${name}`;
  for (;;) {
    const ended = await sfn.send(new DescribeExecutionCommand({ executionArn }));
    if (ended.status !== "RUNNING") return ended;
    await sleep(500);
  }
}

async function main([mode, arn, path, name = randomUUID()]: string[]): Promise<number> {
  if (!path || (mode !== "sync" && mode !== "async")) throw new Error("usage: start.js sync|async STATE_MACHINE_ARN REQUEST.json [NAME]");
  const request = readFileSync(path, "utf8");
  for (let attempt = 1; ; attempt++) {
    const ended = mode === "sync" ? await runSync(arn, request) : await runAsync(arn, request, `${name}-${attempt}`);
    const document: Outcome = JSON.parse(ended.output ?? ended.cause ?? "{}");
    if (ended.status === "SUCCEEDED") {
      console.log(document.response.content);
      return 0;
    }
    switch (ended.error) {
      case "InvalidRequest":
        for (const problem of document.problems) console.error(`rejected: ${problem.pointer}: expected ${problem.expected}`);
        return 2;
      case "InvocationFailed":
        console.error(`failed: ${document.error.name}; money ${document.error.moneyMayHaveBeenSpent ? "may have been" : "was not"} spent`);
        return 4;
      case "RateLimitDenied":
        break;
      default:
        console.error(`not answered: ${ended.error ?? ended.status}`);
        return 1;
    }
    const { retryAfterSeconds: wait, budgets } = document.rateLimit;
    const refused = budgets.filter((budget) => ["refused", "frozen", "neverFits"].includes(budget.standing)).map((budget) => budget.name);
    console.error(`denied by ${refused.join(", ")}; retry after: ${wait}`);
    if (wait === "never" || wait > LONGEST_WAIT || attempt === ATTEMPTS) return 3;
    await sleep(wait * 1000);
  }
}

process.exitCode = await main(process.argv.slice(2));
