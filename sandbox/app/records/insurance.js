/** Coverage and claims: who insures, what was billed, what the plan paid. */

import { chip, h, longList } from "../dom.js";
import { code, dated, money, named, newestFirst, numberOf, period, words } from "../fhir.js";
import { row, section } from "./section.js";

const SHARES = { copay: "Copay", coinsurance: "Coinsurance", deductible: "Deductible" };
const TOTALS = { submitted: "Billed", eligible: "Allowed", benefit: "Plan paid" };

export function coverage(records) {
  const all = newestFirst(records.of("Coverage"), (one) => one.period?.start);
  if (!all.length) return null;
  return section(
    "coverage",
    "Coverage",
    all.length,
    longList(all, 8, (one) =>
      row(
        [
          (one.class ?? []).find(({ name }) => name)?.name || words(one.type) || "Plan",
          " ",
          one.status === "active" ? chip("active", "good") : chip(one.status ?? "unknown"),
        ],
        period(one.period),
        [(one.payor ?? []).map(named).join(", "), words(one.type)].filter(Boolean).join(" · "),
        one.subscriberId && `Member number ${one.subscriberId}`,
      ),
    ),
  );
}

export function claims(records) {
  const all = newestFirst(records.of("ExplanationOfBenefit"), (one) => one.billablePeriod?.start ?? one.created);
  if (!all.length) return null;
  return section("claims", "Claims", all.length, overview(all), longList(all, 8, claim));
}

/** The sums of the newest year that has claims. */
function overview(all) {
  const yearOf = (one) => (one.billablePeriod?.start ?? one.created ?? "").slice(0, 4);
  const year = yearOf(all[0]);
  const these = all.filter((one) => yearOf(one) === year);
  const sums = Object.entries(TOTALS).map(([key, title]) => [title, sum(these.map((one) => total(one, key)))]);
  const yours = sum(these.flatMap((one) => Object.keys(SHARES).map((key) => share(one, key))));
  const figures = [...sums, ["Your share", yours]].filter(([, amount]) => amount !== null);
  return (
    year &&
    h(
      "div",
      { class: "figures" },
      h("p", { class: "fine" }, `${these.length} claims in ${year}`),
      figures.map(([title, amount]) => h("div", {}, h("strong", {}, amount), h("span", {}, title))),
    )
  );
}

function total(one, key) {
  return (one.total ?? []).find(({ category }) => code(category) === key)?.amount ?? null;
}

function share(one, key) {
  return sumOf(
    (one.item ?? []).flatMap((item) =>
      (item.adjudication ?? []).filter(({ category }) => code(category) === key).map(({ amount }) => amount),
    ),
  );
}

function sumOf(amounts) {
  const given = amounts.filter((one) => numberOf(one?.value) !== null);
  return given.length
    ? { value: given.reduce((all, one) => all + numberOf(one.value), 0), currency: given[0].currency }
    : null;
}

function sum(amounts) {
  const all = sumOf(amounts);
  return all && money(all);
}

function claim(one) {
  const items = (one.item ?? []).map((item) => words(item.productOrService)).filter(Boolean);
  const amounts = [
    ...Object.entries(TOTALS).map(([key, title]) => [title, total(one, key)]),
    ...Object.entries(SHARES).map(([key, title]) => [title, share(one, key)]),
  ]
    .filter(([, amount]) => amount)
    .map(([title, amount]) => `${title} ${money(amount)}`);
  const diagnoses = (one.diagnosis ?? []).map((ill) => words(ill.diagnosisCodeableConcept)).filter(Boolean);
  return row(
    [
      items.join(", ") || words(one.type) || "Claim",
      " ",
      one.outcome !== "complete" && chip(one.outcome ?? "open", "warn"),
      one.status === "cancelled" && chip("cancelled"),
    ],
    dated(one.billablePeriod?.start ?? one.created),
    [words(one.type), named(one.provider), diagnoses.join(", ")].filter(Boolean).join(" · "),
    h("p", { class: "amounts" }, amounts.join(" · ")),
  );
}
