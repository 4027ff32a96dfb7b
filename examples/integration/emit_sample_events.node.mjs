#!/usr/bin/env node
// Sends one sample run to FlightDeck. Needs Node 18 or newer and no packages.
//
//   node emit_sample_events.node.mjs --release-id rel_0123456789ab --agent-id support
//
// With a token on the server, set FLIGHTDECK_LOCAL_API_TOKEN or give --api-token.
// Exit code 2: wrong arguments. 1: the server refused, or none answers.

import { randomUUID } from "node:crypto";
import { parseArgs } from "node:util";

const USAGE =
  "Usage: node emit_sample_events.node.mjs --release-id ID --agent-id ID " +
  "[--base-url URL] [--environment NAME] [--api-token TOKEN] [--dry-run]";

function options() {
  try {
    const { values } = parseArgs({
      options: {
        "base-url": { type: "string", default: "http://127.0.0.1:8765" },
        "release-id": { type: "string" },
        "agent-id": { type: "string" },
        environment: { type: "string", default: "local" },
        "api-token": { type: "string", default: process.env.FLIGHTDECK_LOCAL_API_TOKEN ?? "" },
        "dry-run": { type: "boolean", default: false },
      },
    });
    if (values["release-id"] && values["agent-id"]) return values;
  } catch (error) {
    console.error(error.message);
  }
  console.error(USAGE);
  process.exit(2);
}

function sample(releaseId, agentId, environment) {
  return {
    api_version: "v1",
    type: "run_end",
    timestamp: new Date().toISOString(),
    agent_id: agentId,
    release_id: releaseId,
    run_id: `sample-${randomUUID()}`,
    tenant_id: "sample-tenant",
    task_id: "sample-task",
    environment,
    request: { session_id: "sample-session" },
    metrics: { latency_ms: 250, success: true },
    usage: {
      model: { provider: "openai", model: "gpt-4.1-mini", input_tokens: 400, output_tokens: 120, cached_input_tokens: 0 },
    },
    labels: { integration: "sample" },
  };
}

async function send(baseUrl, token, body) {
  const headers = { "content-type": "application/json" };
  if (token) headers.authorization = `Bearer ${token}`;
  const answer = await fetch(`${baseUrl.replace(/\/+$/, "")}/v1/events`, { method: "POST", headers, body });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${answer.status}: ${text}`);
  return JSON.parse(text);
}

const chosen = options();
const event = sample(chosen["release-id"], chosen["agent-id"], chosen.environment);
if (chosen["dry-run"]) {
  console.log(JSON.stringify(event, null, 2));
} else {
  try {
    const { inserted } = await send(chosen["base-url"], chosen["api-token"], JSON.stringify({ events: [event] }));
    console.log(`Inserted ${inserted} event(s).`);
  } catch (error) {
    console.error(error.cause ? `No server answers at ${chosen["base-url"]}: ${error.cause.message}` : error.message);
    process.exitCode = 1;
  }
}
