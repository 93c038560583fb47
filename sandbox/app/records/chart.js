/** A whole chart: every section that has something to show, in the order in which people ask for it. */

import { h } from "../dom.js";
import { claims, coverage } from "./insurance.js";
import { allergies, conditions } from "./problems.js";
import { carePlans, careTeam, familyHistory, immunizations, procedures, visits } from "./care.js";
import { documents, reports } from "./documents.js";
import { medications } from "./medications.js";
import { measures } from "./measures.js";
import { completeness, everythingElse } from "./completeness.js";
import { person } from "./person.js";

export function chart(records) {
  const sections = [
    person,
    conditions,
    allergies,
    medications,
    measures,
    immunizations,
    visits,
    procedures,
    reports,
    documents,
    familyHistory,
    careTeam,
    carePlans,
    coverage,
    claims,
    everythingElse,
    completeness,
  ]
    .flatMap((one) => one(records))
    .filter(Boolean);
  const links = sections.map(({ id, title, number }) =>
    h(
      "li",
      {},
      h(
        "a",
        { href: `#${id}` },
        title,
        number !== null && h("span", { class: "number" }, number.toLocaleString("en-US")),
      ),
    ),
  );
  return h(
    "div",
    { class: "chart" },
    h("nav", { class: "contents", "aria-label": "In these records" }, h("ul", {}, links)),
    h(
      "div",
      { class: "stack" },
      sections.map(({ element }) => element),
    ),
  );
}
