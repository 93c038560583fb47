/** What this tab remembers: who is signed in, the way through a portal, running retrievals. Never records. */

const USER = "portico.user";
const ARRIVAL = "portico.arrival";
const RUNNING = "portico.running.";

function read(key) {
  const text = sessionStorage.getItem(key);
  return text === null ? null : JSON.parse(text);
}

function write(key, value) {
  if (value === null) sessionStorage.removeItem(key);
  else sessionStorage.setItem(key, JSON.stringify(value));
}

/** {name, token} or null. */
export const user = { get: () => read(USER), set: (value) => write(USER, value) };

/** What a portal's login brought back and has not been dealt with: {connection, status, handle}. */
export const arrival = { get: () => read(ARRIVAL), set: (value) => write(ARRIVAL, value) };

/** The address of a retrieval that runs for a connection, so that a reload goes on with it. */
export const running = {
  get: (connection) => read(RUNNING + connection),
  set: (connection, url) => write(RUNNING + connection, url),
};

export function forget() {
  sessionStorage.clear();
}

/**
 * Takes the outcome of a login out of the address bar, before anything else can see it there: the one-time
 * handle must not stay in the history, in a bookmark or on the screen.
 */
export function takeArrival() {
  const query = new URLSearchParams(location.search);
  const connection = query.get("connection");
  if (!connection) return;
  const handle = new URLSearchParams(location.hash.slice(1)).get("handle");
  history.replaceState(null, "", "/app/");
  arrival.set({ connection, status: query.get("status"), handle });
}
