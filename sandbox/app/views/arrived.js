/** Back from a portal: the connection is finished, or what became of it is explained. */

import { json, request, sleep } from "../api.js";
import { h, set } from "../dom.js";
import { arrival } from "../session.js";
import { CONNECTION } from "../words.js";
import { connect, reconnect } from "./connecting.js";
import { problemCard, whileBusy } from "./problem.js";

const PATIENCE = 8;

export async function arrived(page) {
  const { connection: id, status, handle } = arrival.get();
  if (status === "authorized" && handle) return finishing(page, id, handle);
  const connection = await json("GET", `/v1/connections/${id}`, { signal: page.signal }).catch((problem) => {
    if (problem.status >= 400 && problem.status < 500) arrival.set(null);
    throw problem;
  });
  arrival.set(null);
  return status === "declined" ? declined(page, connection) : failed(page, connection);
}

function finishing(page, id, handle) {
  const card = h(
    "section",
    { class: "card waiting", "aria-busy": "true" },
    h("h1", {}, "Finishing your connection"),
    h("progress", { "aria-label": "Finishing your connection" }),
    h("p", {}, "The portal has said yes. One moment."),
  );
  finish(page, id, handle, card);
  return card;
}

async function finish(page, id, handle, card) {
  try {
    const connection = await json("POST", `/v1/connections/${id}/token`, {
      body: { handle },
      signal: page.signal,
      patience: PATIENCE,
    });
    arrival.set(null);
    page.go(`/app/connections/${id}`, arrivalNotice(connection));
  } catch (problem) {
    if (page.signal.aborted) return;
    if (problem.slug === "exchange-in-progress") {
      // An earlier visit of this page has asked already, and is mostly done long before its lease is over.
      await settled(page, id, problem.retryAfter ?? 35);
      return finish(page, id, handle, card);
    }
    const mayWork = problem.status === 0 || problem.status === 503 || problem.status === 502;
    if (!mayWork) arrival.set(null);
    set(
      card,
      problemCard(problem, {
        again: mayWork ? () => page.refresh() : null,
        others: h("a", { class: "button quiet", href: "/app/", onclick: () => arrival.set(null) }, "Your connections"),
      }),
    );
    card.removeAttribute("aria-busy");
  }
}

/** Waits until the connection is no longer pending, or for so many seconds. */
async function settled(page, id, seconds) {
  for (let waited = 0; waited < seconds && !page.signal.aborted; waited += 1) {
    await sleep(1, page.signal);
    const { status } = await json("GET", `/v1/connections/${id}`, { signal: page.signal });
    if (status !== "pending") return;
  }
}

function arrivalNotice({ portal, status }) {
  return status === "active" ? `${portal.name} is connected.` : `${portal.name} is on hold: ${CONNECTION[status][2]}`;
}

function declined(page, connection) {
  return outcome(
    page,
    connection,
    "You did not share your records",
    connection.status === "closed"
      ? `You said no at ${connection.portal.name}, so nothing was connected and nothing was read. You can change your mind at any time.`
      : `You said no at ${connection.portal.name} this time. The connection that you had before is as it was.`,
  );
}

function failed(page, connection) {
  return outcome(
    page,
    connection,
    "The portal could not finish this",
    connection.status === "closed"
      ? `${connection.portal.name} reported an error of its own after you signed in. Nothing was connected. This is often over in a few minutes; if it stays, the portal's help desk can tell you more.`
      : `${connection.portal.name} reported an error of its own. The connection that you had before is as it was.`,
  );
}

function outcome(page, connection, title, text) {
  const place = h("div");
  const again = h(
    "button",
    {
      type: "button",
      onclick: () =>
        whileBusy(again, "Opening the portal …", place, async () => {
          if (connection.status !== "closed") return reconnect(connection, page.signal);
          // What came to nothing is not worth keeping beside the new attempt.
          await request("DELETE", `/v1/connections/${connection.id}`, { signal: page.signal });
          await connect(connection.portal, page.signal);
        }),
    },
    "Try again",
  );
  return h(
    "section",
    { class: "card" },
    h("h1", {}, title),
    h("p", {}, text),
    h(
      "div",
      { class: "actions" },
      again,
      h("a", { class: "button quiet", href: "/app/find" }, "Choose another portal"),
      h("a", { class: "button quiet", href: "/app/" }, "Your connections"),
    ),
    place,
  );
}
