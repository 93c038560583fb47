/** What came and what did not. A record that no other section shows is shown here, so that none is lost. */

import { chip, count, h, longList } from "../dom.js";
import { nameOf, words } from "../fhir.js";
import { RESOURCES } from "../words.js";
import { row, section } from "./section.js";

const ELSEWHERE = new Set([
  "Patient",
  "Condition",
  "AllergyIntolerance",
  "MedicationRequest",
  "MedicationStatement",
  "Medication",
  "Observation",
  "Immunization",
  "Encounter",
  "Procedure",
  "DiagnosticReport",
  "DocumentReference",
  "FamilyMemberHistory",
  "CareTeam",
  "CarePlan",
  "Coverage",
  "ExplanationOfBenefit",
]);
const TYPES = {
  Practitioner: "Clinician",
  Organization: "Organization",
  PractitionerRole: "Clinician",
  Location: "Place",
};
const OUTCOMES = {
  returned: ["came", "good"],
  empty: ["nothing there", "plain"],
  failed: ["did not come", "bad"],
  not_asked: ["not asked for", "plain"],
};

export function everythingElse(records) {
  const others = [...records.byType].filter(([type]) => !ELSEWHERE.has(type)).flatMap(([, list]) => list);
  const patients = records.of("Patient").slice(1);
  const all = [...patients, ...others];
  if (!all.length) return null;
  return section(
    "others",
    "People, places and the rest",
    all.length,
    longList(all, 8, (one) =>
      row(
        (typeof one.name === "string" ? one.name : nameOf(one.name?.[0])) ||
          words(one.code) ||
          words(one.type?.[0]) ||
          one.title ||
          "Unnamed",
        "",
        TYPES[one.resourceType] ?? one.resourceType,
      ),
    ),
  );
}

export function completeness(records) {
  const asked = records.ledger.filter((one) => one.outcome !== "not_asked");
  const failed = asked.filter((one) => one.outcome === "failed");
  const whole = !failed.length && !records.short.length;
  return section(
    "completeness",
    "What came, and what did not",
    null,
    h(
      "p",
      { class: whole ? "notice good" : "notice bad" },
      whole
        ? `${records.total ? "" : "There is nothing in your records at this portal yet. "}Everything that was asked for was answered: ${count(records.total, "entry", "entries")}. ${records.outcomes.length ? "The portal added a remark, see below." : ""}`
        : `${failed.length ? `${failed.map(label).join(", ")} did not come.` : ""} ${records.short.length ? "A file was shorter than announced." : ""} What is missing here may still exist at the portal.`,
    ),
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "What came, and what did not" },
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            ["Kind of record", "Outcome", "Entries"].map((title) => h("th", { scope: "col" }, title)),
          ),
        ),
        h("tbody", {}, records.ledger.map(line)),
      ),
    ),
    records.short.map((one) => h("p", {}, `${one.type}: ${one.read} of ${one.expected} entries could be read.`)),
    records.outcomes.length > 0 && [
      h("h3", {}, "Remarks of the portal"),
      longList(
        records.outcomes.flatMap((one) => one.issue ?? []),
        6,
        remark,
      ),
    ],
    fhirVersion(records),
  );
}

function label(entry) {
  return RESOURCES[entry.resource] ?? entry.resource;
}

function line(entry) {
  const [text, kind] = OUTCOMES[entry.outcome] ?? [entry.outcome, "warn"];
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, label(entry)),
    h("td", {}, chip(text, kind), entry.detail && h("span", { class: "fine" }, ` ${entry.detail}`)),
    h("td", { class: "digits" }, entry.outcome === "not_asked" ? "–" : entry.count.toLocaleString("en-US")),
  );
}

function remark(issue) {
  return row(
    [
      issue.details?.text || issue.diagnostics || words(issue.details) || issue.code,
      " ",
      chip(issue.severity, issue.severity === "error" || issue.severity === "fatal" ? "bad" : "warn"),
    ],
    "",
  );
}

function fhirVersion(records) {
  const version = records.manifest.extension?.fhirVersion;
  return (
    version &&
    !/^(R4|4\.0)/.test(version) &&
    h("p", { class: "notice bad" }, `These records are in FHIR ${version}, which this page reads only in part.`)
  );
}
