/** Medicines: prescriptions and what the patient says, one entry for each medicine with its history. */

import { chip, h, longList } from "../dom.js";
import { dated, instant, named, newestFirst, when, whenWords, words } from "../fhir.js";
import { row, section } from "./section.js";

const CURRENT = new Set(["active", "on-hold", "intended"]);

export function medications(records) {
  const all = [...records.of("MedicationRequest"), ...records.of("MedicationStatement")];
  if (!all.length) return null;
  const contained = new Map(records.of("Medication").map((one) => [one.id, one]));
  const medicines = Map.groupBy(all, (one) => nameOf(one, contained));
  const list = [...medicines].map(([name, entries]) => ({ name, entries: newestFirst(entries, since) }));
  const current = list.filter(({ entries }) => entries.some((one) => CURRENT.has(one.status)));
  const past = newestFirst(
    list.filter((one) => !current.includes(one)),
    ({ entries }) => since(entries[0]),
  );
  return section(
    "medications",
    "Medications",
    all.length,
    current.length ? longList(current, 12, medicine) : h("p", {}, "None at present."),
    past.length > 0 &&
      h("details", {}, h("summary", {}, `Taken in the past (${past.length})`), longList(past, 12, medicine)),
  );
}

function nameOf(one, contained) {
  const reference = one.medicationReference?.reference ?? "";
  const medication =
    contained.get(reference.split("/").pop()) ?? (one.contained ?? []).find(({ id }) => `#${id}` === reference);
  return words(one.medicationCodeableConcept) || named(one.medicationReference) || words(medication?.code) || "Unnamed";
}

function since(one) {
  return one.authoredOn ?? when(one, "effective") ?? one.dateAsserted;
}

function medicine({ name, entries }) {
  const latest = entries.find((one) => CURRENT.has(one.status)) ?? entries[0];
  const prescribed = entries.filter((one) => one.resourceType === "MedicationRequest");
  const first = entries.filter((one) => instant(since(one)) !== null).at(-1);
  const reasons = [
    ...new Set(
      entries.flatMap((one) => [...(one.reasonCode ?? []).map(words), ...(one.reasonReference ?? []).map(named)]),
    ),
  ].filter(Boolean);
  const times =
    prescribed.length > 1 && `Prescribed ${prescribed.length} times, last on ${dated(since(prescribed[0]))}`;
  return row(
    [name, " ", latest.status === "on-hold" && chip("paused", "warn")],
    latest.resourceType === "MedicationStatement" && !CURRENT.has(latest.status)
      ? whenWords(latest, "effective")
      : first && `since ${dated(since(first))}`,
    (latest.dosageInstruction ?? latest.dosage ?? []).map((one) => one.text),
    [
      reasons.length > 0 && `For ${reasons.join(", ")}`,
      prescribed[0]?.requester && `by ${named(prescribed[0].requester)}`,
    ]
      .filter(Boolean)
      .join(" · "),
    times,
  );
}
