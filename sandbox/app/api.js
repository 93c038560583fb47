/** The public HTTP contract, and nothing else; /_local/token stands for the app's own identity provider. */

import * as session from "./session.js";

const BUSY = new Set([429, 503]);

/** An answer that was not a success, as its problem+json tells it. */
export class Problem extends Error {
  constructor(status, slug, title, detail, retryAfter = null) {
    super(title);
    Object.assign(this, { status, slug, title, detail, retryAfter });
  }
}

/** A token for the user of that name. */
export async function signIn(name) {
  const response = await send("/_local/token", { method: "POST", body: JSON.stringify({ sub: name }) });
  if (!response.ok) throw await problemOf(response);
  session.user.set({ name, token: (await response.json()).access_token });
}

/**
 * A request of the signed-in user; a successful response, whatever its status. A token that has run out is
 * renewed once; a service that asks for patience is asked again, as often as `patience` says.
 */
export async function request(method, url, { body, headers = {}, signal, patience = 2 } = {}) {
  let renewed = false;
  for (let tries = 0; ;) {
    const response = await send(url, {
      method,
      signal,
      headers: {
        Authorization: `Bearer ${session.user.get()?.token}`,
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    if (response.ok) return response;
    if (response.status === 401 && !renewed) {
      renewed = true;
      await signIn(session.user.get().name);
      continue;
    }
    const problem = await problemOf(response);
    const again = BUSY.has(problem.status);
    if (!again || tries >= patience) throw problem;
    tries += 1;
    await sleep(problem.retryAfter ?? 2, signal);
  }
}

export async function json(method, url, options) {
  return (await request(method, url, options)).json();
}

/** Waits; an aborted signal ends the wait with its reason. */
export function sleep(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal?.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason)), { once: true });
  });
}

/** Retry-After in seconds, which may also be a date (RFC 9110, 10.2.3); null when it says nothing usable. */
export function retryAfter(response) {
  const told = response.headers.get("Retry-After");
  if (!told) return null;
  const seconds = /^\d+$/.test(told) ? Number(told) : (Date.parse(told) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), 300) : null;
}

async function send(url, options) {
  try {
    return await fetch(url, { ...options, cache: "no-store" });
  } catch (error) {
    if (options.signal?.aborted) throw options.signal.reason;
    throw new Problem(0, "unreachable", "The service cannot be reached", error.message);
  }
}

async function problemOf(response) {
  let told = {};
  try {
    told = await response.json();
  } catch {
    // Not everything between here and there speaks problem+json.
  }
  const slug = typeof told.type === "string" ? told.type.split("/").pop() : slugOf(response.status);
  return new Problem(response.status, slug, told.title ?? "It did not work", told.detail ?? "", retryAfter(response));
}

function slugOf(status) {
  return { 401: "unauthorized", 403: "forbidden", 404: "not-found", 429: "too-many-requests" }[status] ?? "internal";
}
