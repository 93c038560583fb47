/** Health problems and allergies: what is present first, what is over behind it. */

import { chip, h, longList } from "../dom.js";
import { code, newestFirst, when, whenWords, words } from "../fhir.js";
import { row, section } from "./section.js";

const OVER = new Set(["resolved", "inactive", "remission"]);

export function conditions(records) {
  const all = records.of("Condition");
  if (!all.length) return null;
  const sorted = newestFirst(all, (one) => when(one, "onset") || one.recordedDate);
  const over = sorted.filter((one) => OVER.has(code(one.clinicalStatus)) || when(one, "abatement"));
  const present = sorted.filter((one) => !over.includes(one));
  return section(
    "conditions",
    "Health problems",
    all.length,
    present.length ? longList(present, 12, condition) : h("p", {}, "None at present."),
    over.length > 0 &&
      h("details", {}, h("summary", {}, `In the past (${over.length})`), longList(over, 12, condition)),
  );
}

function condition(one) {
  const [from, until] = [whenWords(one, "onset"), whenWords(one, "abatement")];
  return row(
    [words(one.code) || "Unnamed", " ", doubt(one)],
    until ? [from, `until ${until}`].filter(Boolean).join(", ") : from && `since ${from}`,
    (one.note ?? []).map((note) => note.text),
    one.severity && words(one.severity),
  );
}

function doubt(one) {
  const status = code(one.verificationStatus);
  return status && status !== "confirmed" ? chip(status.replaceAll("-", " "), "plain") : null;
}

export function allergies(records) {
  const all = records.of("AllergyIntolerance");
  if (!all.length) return null;
  const severe = (one) => one.criticality === "high";
  return section(
    "allergies",
    "Allergies",
    all.length,
    longList(
      [...all].sort((a, b) => severe(b) - severe(a)),
      12,
      (one) =>
        row(
          [
            words(one.code) || "Unnamed",
            " ",
            severe(one) && chip("high risk", "bad"),
            OVER.has(code(one.clinicalStatus)) && chip("no longer", "plain"),
            doubt(one),
          ],
          whenWords(one, "onset"),
          (one.reaction ?? []).map((reaction) =>
            [(reaction.manifestation ?? []).map(words).join(", "), reaction.severity].filter(Boolean).join(" · "),
          ),
        ),
    ),
  );
}
