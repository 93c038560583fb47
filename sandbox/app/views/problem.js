/** What went wrong and what to do next. */

import { h } from "../dom.js";
import { nextStep } from "../words.js";

/** A card for a problem; `again` tries the same once more, `others` are further ways out. */
export function problemCard(problem, { again, others = [], heading = "h1" } = {}) {
  const known = problem.slug !== undefined;
  return h(
    "section",
    { class: "card problem", role: "alert" },
    h(heading, {}, known ? problem.title : "This page stumbled"),
    h(
      "p",
      {},
      known
        ? nextStep(problem)
        : "Reload the page. If it happens again, the records hold something that this page does not understand.",
    ),
    known &&
      problem.detail &&
      h("p", { class: "fine" }, `${problem.detail} `, h("code", {}, `${problem.status || "–"} ${problem.slug}`)),
    !known && h("p", { class: "fine" }, h("code", {}, String(problem))),
    h("div", { class: "actions" }, again && h("button", { type: "button", onclick: again }, "Try again"), others),
  );
}

/** Runs what a button does: busy while it lasts, a problem shown beside it. */
export async function whileBusy(button, text, place, work) {
  const words = button.textContent;
  button.disabled = true;
  button.textContent = text;
  place.replaceChildren();
  try {
    await work();
  } catch (problem) {
    if (problem.name === "AbortError") return;
    place.append(problemCard(problem, { heading: "h3" }));
    button.disabled = false;
    button.textContent = words;
  }
}
