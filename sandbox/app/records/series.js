/** Observations as series: what was measured, in which unit, one entry after the other. */

import { code, dated, idOf, instant, newestFirst, numberOf, quantity, textOf, unit, when, words } from "../fhir.js";
import { shortName } from "./names.js";

const FLAGS = {
  H: "High",
  HH: "Very high",
  HU: "Very high",
  L: "Low",
  LL: "Very low",
  LU: "Very low",
  A: "Unusual",
  AA: "Very unusual",
};
const WITHDRAWN = new Set(["entered-in-error", "cancelled"]);

/** "laboratory", "vital-signs" or "other". */
export function kindOf(observation) {
  const codes = (observation.category ?? []).flatMap((one) => (one.coding ?? []).map((coding) => coding.code));
  return ["laboratory", "vital-signs"].find((kind) => codes.includes(kind)) ?? "other";
}

/**
 * Observations taken apart: `measured`, series of numbers, the longest first; `told`, lists of observations
 * whose result is in words; `withdrawn`, those that the portal takes back. Values in different units are
 * different series, since they share no axis.
 */
export function series(observations) {
  const withdrawn = observations.filter((one) => WITHDRAWN.has(one.status));
  const valid = observations.filter((one) => !WITHDRAWN.has(one.status));
  const numbers = new Map(valid.map((one) => [one, numbersOf(one)]));
  const measured = Map.groupBy(
    valid.filter((one) => numbers.get(one).length),
    (one) => `${what(one)} ${numbers.get(one)[0].unit}`,
  );
  const told = Map.groupBy(
    valid.filter((one) => !numbers.get(one).length),
    what,
  );
  return {
    measured: [...measured.values()]
      .map((all) => oneSeries(all, numbers))
      .sort((a, b) => b.entries.length - a.entries.length),
    told: [...told.values()].map((all) => newestFirst(all, (one) => when(one, "effective"))),
    withdrawn,
  };
}

function what(one) {
  return code(one.code) || words(one.code);
}

/** The numbers of an observation; none when its components have different units and so no common axis. */
function numbersOf(one) {
  if (numberOf(one.valueQuantity?.value) !== null)
    return [{ name: "", value: one.valueQuantity, unit: unitOf(one.valueQuantity) }];
  const parts = (one.component ?? [])
    .filter((part) => numberOf(part.valueQuantity?.value) !== null)
    .map((part) => ({ name: shortName(part.code), value: part.valueQuantity, unit: unitOf(part.valueQuantity) }));
  return parts.every((part) => part.unit === parts[0].unit) ? parts : [];
}

function unitOf(given) {
  return unit(given.unit ?? given.code);
}

function oneSeries(observations, numbers) {
  const entries = observations
    .map((one) => entry(one, numbers.get(one)))
    .sort((a, b) => (a.at ?? -Infinity) - (b.at ?? -Infinity));
  const names = [...new Set(entries.flatMap((one) => one.points.map((point) => point.name)))];
  const latest = entries.at(-1);
  return {
    name: shortName(observations[0].code),
    full: words(observations[0].code),
    unit: numbers.get(observations[0])[0].unit,
    ids: observations.map((one) => one.id),
    entries,
    latest,
    flags: [...new Set(latest.points.map((point) => point.flag).filter(Boolean))],
    lines: names.map((name) => ({
      name,
      points: entries.flatMap((one) => one.points).filter((point) => point.name === name && point.at !== null),
    })),
  };
}

function entry(one, given) {
  const range = (one.referenceRange ?? []).find((some) => some.low || some.high) ?? one.referenceRange?.[0];
  const date = when(one, "effective") || one.issued || "";
  const at = instant(date);
  const points = given.map(({ name, value }) => point(name, value, at, range, one.interpretation ?? []));
  return {
    at,
    date: dated(date) || "no date",
    text: points.map((some) => some.text).join("/"),
    range: rangeText(range),
    flag: points.find((some) => some.flag)?.flag ?? "",
    points,
  };
}

function point(name, value, at, range, interpretation) {
  const [low, high] = [numberOf(range?.low?.value), numberOf(range?.high?.value)];
  const number = numberOf(value.value);
  const told = interpretation.map((given) => FLAGS[code(given)]).find(Boolean) ?? "";
  const judged = high !== null && number > high ? "High" : low !== null && number < low ? "Low" : "";
  return {
    name,
    at,
    value: number,
    text: `${value.comparator ?? ""}${textOf(value.value)}`,
    low,
    high,
    flag: interpretation.length ? told : judged,
  };
}

function rangeText(range) {
  if (!range) return "";
  const [low, high] = [range.low, range.high].map((one) => textOf(one?.value));
  const measure = unit(range.low?.unit ?? range.high?.unit);
  if (low && high) return `${low} – ${high} ${measure}`.trim();
  return low ? `${low} ${measure} or more` : high ? `${high} ${measure} or less` : (range.text ?? "");
}

/** [panel, its series] by the panel that reports them; what is ordered by itself comes first, under "". */
export function byPanel(all, reports) {
  const panels = new Map();
  for (const report of newestFirst(reports, (one) => when(one, "effective"))) {
    if ((report.result ?? []).length < 2) continue;
    for (const result of report.result) panels.set(idOf(result), panels.get(idOf(result)) ?? shortName(report.code));
  }
  const groups = Map.groupBy(all, (one) => one.ids.map((id) => panels.get(id)).find(Boolean) ?? "");
  return [...groups].sort(([a], [b]) => (b === "") - (a === ""));
}

/** The result of an observation in words. */
export function result(one) {
  const parts = (one.component ?? []).map((part) => `${shortName(part.code)} ${result(part)}`);
  return (
    words(one.valueCodeableConcept) ||
    one.valueString ||
    quantity(one.valueQuantity) ||
    textOf(one.valueInteger) ||
    (one.valueBoolean === undefined ? "" : one.valueBoolean ? "yes" : "no") ||
    words(one.dataAbsentReason) ||
    parts.join(", ") ||
    "no result"
  );
}
