/** Fetching a connection's records: offering it, following it, showing what came. */

import { request } from "../api.js";
import { focusOn, h, say, set } from "../dom.js";
import { dated, nameOf } from "../fhir.js";
import { chart } from "../records/chart.js";
import { follow, read, start, whose } from "../retrieval.js";
import { running } from "../session.js";
import { CONNECTION, RESOURCES } from "../words.js";
import { moment } from "./home.js";
import { problemCard, whileBusy } from "./problem.js";

/** Into `body`: the fetch that runs, the records that were fetched last, or the offer to fetch some. */
export function records(page, one, body) {
  const going = running.get(one.id);
  const last = one.lastRetrieval;
  if (going) return bring(page, one, body, () => going);
  if (last?.status === "completed") return bring(page, one, body, () => `/v1/retrievals/${last.id}`, { kept: true });
  offer(
    page,
    one,
    body,
    last &&
      h(
        "p",
        { class: "notice bad" },
        `The last fetch, ${moment(last.finishedAt)}, brought nothing. Trying again often helps.`,
      ),
  );
}

/** What to fetch, and before the first time whose records these are. `told` stands above it. */
function offer(page, one, body, told = null, { back = null } = {}) {
  const who = h("p", { class: "lead" });
  const boxes = Object.entries(RESOURCES).map(([name, words]) =>
    h(
      "label",
      { class: "box" },
      h("input", { type: "checkbox", name: "resource", value: name, checked: true }),
      h("span", {}, words),
    ),
  );
  const choose = h("details", {}, h("summary", {}, "Choose what to fetch"), h("div", { class: "boxes" }, boxes));
  const fetchThem = () => {
    const chosen = [...choose.querySelectorAll(":checked")].map((box) => box.value);
    if (!chosen.length) return say("Choose at least one kind of record.");
    bring(page, one, body, () => start(one.id, chosen.length < boxes.length ? chosen : null, page.signal));
  };
  set(
    body,
    told,
    h(
      "section",
      { class: "card" },
      h("h2", {}, "Fetch your records"),
      who,
      h(
        "p",
        {},
        "The portal collects them, which takes from a few seconds to a few minutes. You can leave this page meanwhile.",
      ),
      choose,
      h("div", { class: "actions" }, h("button", { type: "button", onclick: fetchThem }, "Fetch my records"), back),
    ),
  );
  if (one.lastRetrieval || told) return;
  whose(one.id, page.signal).then(
    (patient) =>
      set(
        who,
        patient
          ? [
              "These are the records of ",
              h("strong", {}, nameOf(patient.name?.[0]) || "a patient without a name"),
              patient.birthDate && `, born ${dated(patient.birthDate)}`,
              ".",
            ]
          : "This portal does not tell whose records these are.",
      ),
    () => who.remove(),
  );
}

/** Follows a retrieval to its records and shows them. */
async function bring(page, one, body, begin, { kept = false } = {}) {
  const bar = h("progress", { "aria-label": "Fetching your records" });
  const line = h("p", { role: "status" }, kept ? "Opening what was fetched before." : "Asking the portal.");
  let url = null;
  const cancel = h(
    "button",
    {
      type: "button",
      class: "quiet",
      onclick: () =>
        whileBusy(cancel, "Stopping …", line, async () => {
          stop.abort(new DOMException("stopped", "AbortError"));
          if (url) await request("DELETE", url, { signal: page.signal }).catch(() => {});
          running.set(one.id, null);
          page.refresh("The fetch was stopped.");
        }),
    },
    "Stop",
  );
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, page.signal]);
  set(
    body,
    h(
      "section",
      { class: "card waiting" },
      h("h2", {}, kept ? "Opening your records" : "Fetching your records"),
      bar,
      line,
      !kept && h("div", { class: "actions" }, cancel),
    ),
  );
  if (!kept) focusOn(body.querySelector("h2"));
  try {
    url = await begin();
    const manifest = await follow(url, signal, (progress) => set(line, sentence(progress)));
    const records = await read(manifest, signal, (done, all) => {
      bar.max = all || 1;
      bar.value = all ? done : 1;
      set(line, `Reading what came: ${done} of ${all} files.`);
    });
    running.set(one.id, null);
    const finishedAt = kept ? one.lastRetrieval.finishedAt : new Date().toISOString();
    const back = h("button", { type: "button", class: "quiet", onclick: () => page.refresh() }, "Keep what is here");
    const anew = h(
      "button",
      { type: "button", class: "quiet small", onclick: () => offer(page, one, body, null, { back }) },
      "Fetch again",
    );
    set(
      body,
      h("div", { class: "asof" }, h("p", { class: "fine" }, `As of ${moment(finishedAt)}`), anew),
      chart(records),
    );
    if (!kept) focusOn(body.querySelector(".records h2"));
    say(`Your records are here: ${records.total} entries.`);
  } catch (problem) {
    if (signal.aborted) return;
    running.set(one.id, null);
    if (problem.slug === "reauthorization-required") return page.refresh(CONNECTION.reauthorization_required[2]);
    if (kept && (problem.slug === "gone" || problem.slug === "not-found")) {
      return offer(
        page,
        one,
        body,
        h("p", { class: "notice" }, "What was fetched before is no longer kept. Fetch it again."),
      );
    }
    offer(page, one, body, problemCard(problem, { heading: "h2" }));
  }
}

function sentence(progress) {
  const asked = /asked (\d+) times?/.exec(progress);
  if (!asked) return "Asking the portal.";
  return Number(asked[1])
    ? `The portal is collecting your records. Asked ${asked[1]} ${asked[1] === "1" ? "time" : "times"} so far.`
    : "The portal is collecting your records.";
}
