/** Vaccinations, visits, procedures, family history, who cares and what is planned. */

import { chip, h, longList } from "../dom.js";
import { dated, named, newestFirst, period, quantity, textOf, when, whenWords, words } from "../fhir.js";
import { row, section } from "./section.js";

export function immunizations(records) {
  const all = records.of("Immunization");
  if (!all.length) return null;
  const kinds = [...Map.groupBy(all, (one) => words(one.vaccineCode) || "Unnamed")].map(([name, shots]) => ({
    name,
    shots: newestFirst(shots, (one) => when(one, "occurrence")),
  }));
  return section(
    "immunizations",
    "Vaccinations",
    all.length,
    longList(
      newestFirst(kinds, ({ shots }) => when(shots[0], "occurrence")),
      10,
      ({ name, shots }) =>
        row(
          [name, " ", shots.some((one) => one.status === "not-done") && chip("not given", "warn")],
          whenWords(shots[0], "occurrence"),
          shots.length > 1 &&
            `Before that: ${shots
              .slice(1)
              .map((one) => whenWords(one, "occurrence"))
              .join(", ")}`,
        ),
    ),
  );
}

export function visits(records) {
  const all = newestFirst(records.of("Encounter"), (one) => one.period?.start);
  if (!all.length) return null;
  return section(
    "visits",
    "Visits",
    all.length,
    longList(all, 6, (one) =>
      row(
        (one.reasonCode ?? []).map(words).join(", ") ||
          (one.type ?? []).map(words).join(", ") ||
          one.class?.display ||
          "Visit",
        day(one.period),
        [
          (one.type ?? []).map(words).join(", "),
          (one.participant ?? [])
            .map((who) => named(who.individual))
            .filter(Boolean)
            .join(", "),
          named(one.serviceProvider),
        ]
          .filter(Boolean)
          .join(" · "),
      ),
    ),
  );
}

function day(span) {
  return dated(span?.start) === dated(span?.end) ? dated(span?.start) : period(span);
}

export function procedures(records) {
  const all = newestFirst(records.of("Procedure"), (one) => when(one, "performed"));
  if (!all.length) return null;
  return section(
    "procedures",
    "Procedures",
    all.length,
    longList(all, 8, (one) =>
      row(
        [words(one.code) || "Unnamed", " ", one.status !== "completed" && chip(one.status, "plain")],
        whenWords(one, "performed") || "no date",
        (one.performer ?? []).map((who) => named(who.actor)).join(", "),
        (one.note ?? []).map((note) => note.text),
      ),
    ),
  );
}

export function familyHistory(records) {
  const all = records.of("FamilyMemberHistory");
  if (!all.length) return null;
  return section(
    "family",
    "Family history",
    all.length,
    longList(all, 12, (one) =>
      row(
        [words(one.relationship) || "Relative", one.name && `, ${one.name}`],
        one.deceasedAge ? `died at ${textOf(one.deceasedAge.value)}` : "",
        (one.condition ?? []).map((ill) =>
          [words(ill.code), ill.onsetAge && `from ${quantity(ill.onsetAge)}`].filter(Boolean).join(", "),
        ),
      ),
    ),
  );
}

export function careTeam(records) {
  const all = records.of("CareTeam");
  if (!all.length) return null;
  const members = all
    .flatMap((team) => team.participant ?? [])
    .filter((one) => !/^Patient\//.test(one.member?.reference ?? ""));
  return section(
    "team",
    "Care team",
    all.length,
    longList(members, 12, (one) =>
      row(
        named(one.member) || "Unnamed",
        "",
        [(one.role ?? []).map(words).join(", "), named(one.onBehalfOf)].filter(Boolean).join(" · "),
      ),
    ),
  );
}

export function carePlans(records) {
  const all = records.of("CarePlan");
  if (!all.length) return null;
  return section(
    "plans",
    "Care plans",
    all.length,
    longList(
      newestFirst(all, (one) => one.period?.start),
      8,
      (one) =>
        row(
          [
            one.title || (one.category ?? []).map(words).filter(Boolean).at(-1) || "Plan",
            " ",
            one.status !== "active" && chip(one.status, "plain"),
          ],
          period(one.period),
          one.description,
          (one.activity ?? [])
            .map((part) => words(part.detail?.code) || part.detail?.description || named(part.reference))
            .filter(Boolean)
            .join(", "),
        ),
    ),
  );
}
