/** Finding a portal by name or ZIP code. */

import { json, sleep } from "../api.js";
import { chip, count, h, put, say, set } from "../dom.js";
import { PORTAL } from "../words.js";
import { connect } from "./connecting.js";
import { mark, place } from "./portal.js";
import { problemCard, whileBusy } from "./problem.js";

const PAUSE_SECONDS = 0.25;
let remembered = { dataType: "clinical", q: "" };

export async function find(page) {
  const results = h("div", { class: "results" });
  const query = h("input", {
    id: "q",
    type: "search",
    maxlength: 100,
    autocomplete: "off",
    spellcheck: "false",
    value: remembered.q,
    oninput: () => search(PAUSE_SECONDS),
  });
  const choice = (value, text) =>
    h(
      "label",
      {},
      h("input", {
        type: "radio",
        name: "kind",
        value,
        checked: remembered.dataType === value,
        onchange: () => search(0),
      }),
      h("span", {}, text),
    );
  const kinds = h(
    "fieldset",
    { class: "switch" },
    h("legend", { class: "unseen" }, "What are you looking for?"),
    choice("clinical", "Doctor, clinic or hospital"),
    choice("payer", "Insurance"),
  );
  let stop = new AbortController();

  async function search(pause) {
    stop.abort(new DOMException("another search", "AbortError"));
    stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, page.signal]);
    remembered = { dataType: kinds.querySelector(":checked").value, q: query.value.trim() };
    try {
      await sleep(pause, signal);
      results.setAttribute("aria-busy", "true");
      const found = await ask(remembered, null, signal);
      say(
        found.portals.length
          ? `${count(found.portals.length, "portal")}${found.next ? " and more" : ""}`
          : "No portal found.",
      );
      set(results, found.portals.length ? list(found, { ...remembered }, page) : nothing(remembered.q));
    } catch (problem) {
      if (signal.aborted) return;
      set(results, problemCard(problem, { again: () => search(0), heading: "h2" }));
    }
    results.removeAttribute("aria-busy");
  }

  search(0);
  return h(
    "div",
    { class: "stack" },
    h("a", { class: "back", href: "/app/" }, "Your connections"),
    h("h1", {}, "Find your portal"),
    h(
      "form",
      { class: "search", role: "search", onsubmit: (event) => (event.preventDefault(), search(0)) },
      kinds,
      h("label", { for: "q" }, "Name or ZIP code"),
      query,
    ),
    results,
  );
}

function ask({ dataType, q }, cursor, signal) {
  const parameters = new URLSearchParams({ ...(q && { q }), ...(cursor && { cursor }) });
  return json("GET", `/v1/portals/${dataType}?${parameters}`, { signal });
}

function nothing(q) {
  return h(
    "div",
    { class: "card empty" },
    h("h2", {}, "No portal found"),
    h(
      "p",
      {},
      `Nothing here is called “${q}” or has that ZIP code. Try fewer letters, the name on your bill, or the other kind of portal.`,
    ),
  );
}

function list(found, query, page) {
  const rows = h(
    "ul",
    { class: "cards" },
    found.portals.map((portal) => row(portal, page)),
  );
  const place_ = h("div");
  let next = found.next;
  const more = h(
    "button",
    {
      type: "button",
      class: "quiet",
      onclick: () =>
        whileBusy(more, "Looking …", place_, async () => {
          const further = await ask(query, next, page.signal);
          put(
            rows,
            further.portals.map((portal) => row(portal, page)),
          );
          next = further.next;
          more.disabled = false;
          more.textContent = "Show more";
          if (!next) more.remove();
        }),
    },
    "Show more",
  );
  return [rows, next && more, place_];
}

function row(portal, page) {
  const [label, tone, explanation] = PORTAL[portal.status] ?? PORTAL.inactive;
  const place_ = h("div");
  const button = h(
    "button",
    {
      type: "button",
      "aria-label": `Connect ${portal.name}`,
      onclick: () => whileBusy(button, "Opening the portal …", place_, () => connect(portal, page.signal)),
    },
    "Connect",
  );
  const system = portal.vendor && portal.dataType === "clinical" ? ` · ${portal.vendor}` : "";
  return h(
    "li",
    { class: "card portal" },
    mark(portal),
    h(
      "div",
      { class: "grow" },
      h("h2", {}, portal.name),
      h("p", { class: "fine" }, `${place(portal)}${system}`),
      label && h("p", { class: "fine" }, chip(label, tone), " ", explanation),
      place_,
    ),
    portal.status === "active" && button,
  );
}
