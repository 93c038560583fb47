/** One retrieval: asked for, followed as the service says, read file by file as it arrives. */

import { Problem, json, request, retryAfter, sleep } from "./api.js";
import { parse } from "./fhir.js";
import { running } from "./session.js";

/** Asks for records; the address of the retrieval. No resources means everything. */
export async function start(connection, resources, signal) {
  const response = await request("POST", `/v1/connections/${connection}/records`, {
    body: resources ? { resources } : {},
    headers: { Prefer: "respond-async" },
    signal,
  });
  const url = response.headers.get("Content-Location");
  await response.text();
  running.set(connection, url);
  return url;
}

/** Waits for a retrieval's manifest, asking no sooner than it is told to; `tell` hears how it goes. */
export async function follow(url, signal, tell) {
  for (;;) {
    const response = await request("GET", url, { signal });
    if (response.status === 200) return response.json();
    await response.text();
    tell(response.headers.get("X-Progress") ?? "");
    await sleep(retryAfter(response) ?? 5, signal);
  }
}

/**
 * The resource that says who the patient is, asked for at once; null when the portal does not tell. Coverage is
 * asked for too, so that a portal that refuses the one still has something to answer with.
 */
export async function whose(connection, signal) {
  const bundle = await json("POST", `/v1/connections/${connection}/records`, {
    body: { resources: ["Patient", "Coverage"] },
    signal,
  });
  return (bundle.entry ?? []).map((entry) => entry.resource).find((one) => one?.resourceType === "Patient") ?? null;
}

/** What a manifest's files hold, and whether they held what it promised. */
export class Records {
  constructor(manifest) {
    this.manifest = manifest;
    this.ledger = manifest.extension?.ledger ?? [];
    this.byType = new Map();
    this.outcomes = [];
    this.short = [];
  }

  /** The resources of a FHIR type. */
  of(type) {
    return this.byType.get(type) ?? [];
  }

  get total() {
    return [...this.byType.values()].reduce((sum, list) => sum + list.length, 0);
  }
}

/** Reads every file of a manifest; `tell(done, all)` hears how far it is. */
export async function read(manifest, signal, tell) {
  const records = new Records(manifest);
  const files = [...manifest.output, ...manifest.error];
  for (const [number, file] of files.entries()) {
    tell(number, files.length);
    const found = [];
    for await (const line of lines(await request("GET", file.url, { signal }))) found.push(parse(line));
    if (found.length !== file.count) records.short.push({ type: file.type, expected: file.count, read: found.length });
    if (file.type === "OperationOutcome") records.outcomes.push(...found);
    else records.byType.set(file.type, [...records.of(file.type), ...found]);
  }
  tell(files.length, files.length);
  return records;
}

async function* lines(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read().catch((error) => {
      throw error.name === "AbortError" ? error : new Problem(0, "unreachable", "A file broke off", error.message);
    });
    if (done) break;
    let from = 0;
    let to = value.indexOf("\n");
    rest += to < 0 ? value : value.slice(0, to);
    while (to >= 0) {
      if (rest) yield rest;
      from = to + 1;
      to = value.indexOf("\n", from);
      rest = to < 0 ? value.slice(from) : value.slice(from, to);
    }
  }
  if (rest) yield rest;
}
