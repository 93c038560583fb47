/** One connection: its state, fetching its records, and its end. */

import { json, request } from "../api.js";
import { chip, h, set } from "../dom.js";
import { running } from "../session.js";
import { CONNECTION, reasonOf } from "../words.js";
import { connect, reconnect } from "./connecting.js";
import { records } from "./fetching.js";
import { kind, mark, place } from "./portal.js";
import { whileBusy } from "./problem.js";

export async function connection(page, id) {
  const one = await json("GET", `/v1/connections/${id}`, { signal: page.signal });
  const [label, tone, text] = CONNECTION[one.status];
  const body = h("div", { class: "stack" });
  const trouble = h("div");
  if (one.status === "active") records(page, one, body);
  else set(body, standing(page, one, trouble));
  return h(
    "div",
    { class: "stack" },
    h("a", { class: "back", href: "/app/" }, "Your connections"),
    h(
      "div",
      { class: "headline" },
      mark(one.portal),
      h(
        "div",
        { class: "grow" },
        h("h1", {}, one.portal.name),
        h("p", { class: "fine" }, `${kind(one.portal)} · ${place(one.portal)}`),
        h("p", {}, chip(label, tone), " ", one.status === "closed" ? reasonOf(one) : text),
      ),
      one.status !== "closed" && management(page, one, trouble),
    ),
    trouble,
    body,
  );
}

const AGAIN =
  "Portals end a connection from time to time. Sign in once more as the same patient; everything else stays as it is.";
const HELD =
  "The portal did not tell enough to be certain that these records are yours, or something about the connection was not right. Sign in again with your own account, or disconnect.";
const ANEW = "Signing in at the portal starts a new connection.";
const STANDING = {
  pending: ["Not finished", ANEW, connect],
  closed: ["Not connected", ANEW, connect],
  reauthorization_required: ["Please sign in again", AGAIN, reconnect],
  held: ["On hold", HELD, reconnect],
};

/** What can be done about a connection that gives no records. */
function standing(page, one, trouble) {
  const [title, text, go] = STANDING[one.status];
  const button = h(
    "button",
    {
      type: "button",
      onclick: () =>
        whileBusy(button, "Opening the portal …", trouble, () => go(go === connect ? one.portal : one, page.signal)),
    },
    `Sign in at ${one.portal.name}`,
  );
  return h("section", { class: "card" }, h("h2", {}, title), h("p", {}, text), h("div", { class: "actions" }, button));
}

/** The menu of what can be done to a connection. */
function management(page, one, trouble) {
  const dialog = h(
    "dialog",
    { "aria-labelledby": "end-title" },
    h("h2", { id: "end-title" }, `Disconnect ${one.portal.name}?`),
    h(
      "p",
      {},
      "Our access and everything that was fetched are deleted at once. The portal keeps your records as they are.",
    ),
    h(
      "div",
      { class: "actions" },
      h(
        "button",
        {
          type: "button",
          class: "danger",
          onclick: (event) =>
            whileBusy(event.currentTarget, "Disconnecting …", trouble, async () => {
              await request("DELETE", `/v1/connections/${one.id}`, { signal: page.signal });
              running.set(one.id, null);
              page.go("/app/", `${one.portal.name} is disconnected, and everything that was fetched is deleted.`);
            }).finally(() => dialog.close()),
        },
        "Disconnect",
      ),
      h("button", { type: "button", class: "quiet", onclick: () => dialog.close() }, "Keep it"),
    ),
  );
  const again = h(
    "button",
    {
      type: "button",
      class: "quiet small",
      onclick: () => whileBusy(again, "Opening the portal …", trouble, () => reconnect(one, page.signal)),
    },
    "Sign in again",
  );
  return h(
    "div",
    { class: "actions" },
    one.status === "active" && again,
    h("button", { type: "button", class: "quiet small", onclick: () => dialog.showModal() }, "Disconnect"),
    dialog,
  );
}
