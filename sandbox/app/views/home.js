/** The user's connections. */

import { json, request } from "../api.js";
import { chip, h, say } from "../dom.js";
import { CONNECTION, reasonOf } from "../words.js";
import { kind, mark, place } from "./portal.js";
import { whileBusy } from "./problem.js";
import { connect } from "./connecting.js";

export async function home(page) {
  const all = await everything(page.signal);
  const alive = all.filter((one) => one.status !== "closed");
  const over = all.filter((one) => one.status === "closed");
  if (!alive.length && !over.length) return empty();
  return h(
    "div",
    { class: "stack" },
    h(
      "div",
      { class: "headline" },
      h("h1", {}, "Your connections"),
      h("a", { class: "button", href: "/app/find" }, "Connect a portal"),
    ),
    alive.length
      ? h(
          "ul",
          { class: "cards" },
          alive.map((one) => card(one, page)),
        )
      : h("p", {}, "Nothing is connected at the moment."),
    over.length > 0 &&
      h(
        "details",
        { class: "card", open: !alive.length },
        h("summary", {}, `Not connected (${over.length})`),
        h(
          "ul",
          { class: "rows" },
          over.map((one) => closed(one, page)),
        ),
      ),
  );
}

async function everything(signal) {
  const found = [];
  for (let cursor = ""; cursor !== null;) {
    const page = await json("GET", `/v1/connections?limit=100${cursor && `&cursor=${encodeURIComponent(cursor)}`}`, {
      signal,
    });
    found.push(...page.connections);
    cursor = page.next;
  }
  return found;
}

function empty() {
  return h(
    "section",
    { class: "card empty" },
    h("h1", {}, "Nothing is connected yet"),
    h("p", {}, "Begin with the clinic you go to most often, or with your insurer."),
    h("div", { class: "actions" }, h("a", { class: "button", href: "/app/find" }, "Find your portal")),
  );
}

function card(connection, page) {
  const [label, tone, text] = CONNECTION[connection.status];
  const place_ = h("div");
  const last = connection.lastRetrieval;
  const again = h(
    "button",
    {
      type: "button",
      class: "quiet",
      onclick: () => whileBusy(again, "Opening the portal …", place_, () => connect(connection.portal, page.signal)),
    },
    "Start again",
  );
  return h(
    "li",
    { class: "card connection" },
    mark(connection.portal),
    h(
      "div",
      { class: "grow" },
      h("h2", {}, h("a", { href: `/app/connections/${connection.id}` }, connection.portal.name)),
      h("p", { class: "fine" }, `${kind(connection.portal)} · ${place(connection.portal)}`),
      h("p", {}, chip(label, tone), " ", text),
      last &&
        h(
          "p",
          { class: "fine" },
          last.status === "completed"
            ? `Records fetched ${moment(last.finishedAt)}`
            : `The last fetch did not work, ${moment(last.finishedAt)}`,
        ),
      connection.status === "pending" && h("div", { class: "actions" }, again, removal(connection, page, place_)),
      place_,
    ),
  );
}

function closed(connection, page) {
  const place_ = h("div");
  return h(
    "li",
    {},
    h(
      "div",
      { class: "grow" },
      h("strong", {}, connection.portal.name),
      h("p", { class: "fine" }, `${reasonOf(connection)} ${moment(connection.createdAt)}`),
      place_,
    ),
    removal(connection, page, place_),
  );
}

function removal(connection, page, place_) {
  const button = h(
    "button",
    {
      type: "button",
      class: "quiet small",
      "aria-label": `Remove ${connection.portal.name}`,
      onclick: () =>
        whileBusy(button, "Removing …", place_, async () => {
          await request("DELETE", `/v1/connections/${connection.id}`, { signal: page.signal });
          say("Removed.");
          page.refresh();
        }),
    },
    "Remove",
  );
  return button;
}

/** A time as a person says it. */
export function moment(text) {
  return new Date(text).toLocaleString("en-US", { dateStyle: "medium", timeStyle: "short" });
}
