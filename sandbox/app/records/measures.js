/** Laboratory results and vital signs: one card for each thing measured, with its course over time. */

import { chip, count, h, longList } from "../dom.js";
import { code, dated, idOf, instant, newestFirst, numberOf, quantity, textOf, unit, when, words } from "../fhir.js";
import { plot } from "./plot.js";
import { shortName } from "./names.js";
import { row, section } from "./section.js";

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
const SINGLE = "Single tests";

export function measures(records) {
  const all = records.of("Observation");
  if (!all.length) return null;
  const kinds = Map.groupBy(all, kindOf);
  return [
    ["labs", "Laboratory results", "laboratory"],
    ["vitals", "Vital signs", "vital-signs"],
    ["observations", "Other observations", "other"],
  ].map(([id, title, kind]) => {
    const found = kinds.get(kind) ?? [];
    if (!found.length) return null;
    const { charts, texts } = series(found);
    const groups = kind === "laboratory" ? grouped(charts, records.of("DiagnosticReport")) : [["", charts]];
    return section(
      id,
      title,
      found.length,
      kind === "laboratory" && attention(charts),
      groups.map(([name, members]) => [
        name && groups.length > 1 && h("h3", {}, name),
        h("div", { class: "measures" }, members.map(card)),
      ]),
      texts.length > 0 && longList(texts, 8, finding),
    );
  });
}

function kindOf(observation) {
  const codes = (observation.category ?? []).flatMap((one) => (one.coding ?? []).map((coding) => coding.code));
  return ["laboratory", "vital-signs"].find((kind) => codes.includes(kind)) ?? "other";
}

/** Observations by what was measured and in which unit: values in different units share no axis. */
function series(observations) {
  const charts = new Map();
  const texts = new Map();
  for (const one of observations) {
    const lines = linesOf(one);
    const what = code(one.code) || words(one.code);
    if (!lines.length) {
      texts.set(what, [...(texts.get(what) ?? []), one]);
      continue;
    }
    const key = `${what} ${lines[0].unit}`;
    const chart = charts.get(key) ?? {
      id: key,
      name: shortName(one.code),
      full: words(one.code),
      unit: lines[0].unit,
      lines: new Map(),
      ids: [],
      size: 0,
    };
    for (const { name, value } of lines) {
      const points = chart.lines.get(name) ?? [];
      points.push(point(one, value));
      chart.lines.set(name, points);
    }
    chart.ids.push(one.id);
    chart.size += 1;
    charts.set(key, chart);
  }
  for (const chart of charts.values()) {
    for (const points of chart.lines.values()) points.sort((a, b) => (a.at ?? -Infinity) - (b.at ?? -Infinity));
  }
  return { charts: [...charts.values()].sort((a, b) => b.size - a.size), texts: [...texts.values()] };
}

function linesOf(one) {
  if (numberOf(one.valueQuantity?.value) !== null)
    return [{ name: "", value: one.valueQuantity, unit: unit(one.valueQuantity.unit ?? one.valueQuantity.code) }];
  return (one.component ?? [])
    .filter((part) => numberOf(part.valueQuantity?.value) !== null)
    .map((part) => ({
      name: shortName(part.code),
      value: part.valueQuantity,
      unit: unit(part.valueQuantity.unit ?? part.valueQuantity.code),
    }));
}

function point(one, value) {
  const range = (one.referenceRange ?? []).find((given) => given.low || given.high) ?? one.referenceRange?.[0];
  const [low, high] = [numberOf(range?.low?.value), numberOf(range?.high?.value)];
  const number = numberOf(value.value);
  const told = (one.interpretation ?? []).map((given) => FLAGS[code(given)]).find(Boolean);
  const judged = (one.interpretation ?? []).length > 0;
  const flag =
    told ?? (judged ? "" : high !== null && number > high ? "High" : low !== null && number < low ? "Low" : "");
  const date = when(one, "effective") || one.issued || "";
  return {
    at: instant(date),
    date: dated(date) || "no date",
    value: number,
    text: `${value.comparator ?? ""}${textOf(value.value)}`,
    low,
    high,
    range: rangeText(range),
    flag,
  };
}

function rangeText(range) {
  if (!range) return "";
  const [low, high] = [range.low, range.high].map((one) => textOf(one?.value));
  const words_ = unit(range.low?.unit ?? range.high?.unit);
  if (low && high) return `${low} – ${high} ${words_}`.trim();
  return low ? `${low} ${words_} or more` : high ? `${high} ${words_} or less` : (range.text ?? "");
}

/** Laboratory cards under the panel that reports them; what is ordered by itself comes first. */
function grouped(charts, reports) {
  const panels = new Map();
  for (const report of newestFirst(reports, (one) => when(one, "effective"))) {
    if ((report.result ?? []).length < 2) continue;
    for (const result of report.result) panels.set(idOf(result), panels.get(idOf(result)) ?? shortName(report.code));
  }
  const groups = Map.groupBy(charts, (chart) => chart.ids.map((id) => panels.get(id)).find(Boolean) ?? SINGLE);
  return [...groups].sort(([a], [b]) => (b === SINGLE) - (a === SINGLE));
}

function attention(charts) {
  const out = charts.filter((chart) => latestOf(chart).some((one) => one.flag));
  return h(
    "p",
    { class: "lead" },
    out.length
      ? `The latest value is outside its reference range for ${out.length} of ${count(charts.length, "test")}: ${out.map((one) => one.name).join(", ")}.`
      : "The latest value of every test that has a reference range is within it.",
  );
}

function latestOf(chart) {
  return [...chart.lines.values()].map((points) => points.at(-1));
}

function card(chart) {
  const latest = latestOf(chart);
  const flags = [...new Set(latest.map((one) => one.flag).filter(Boolean))];
  const range = latest.find((one) => one.range)?.range;
  const value = latest.map((one) => one.text).join("/");
  const dated_ = latest[0].date;
  const reading = h(
    "p",
    { class: "reading" },
    h("span", { class: "value" }, value),
    h("span", { class: "unit" }, chart.unit),
    flags.map((flag) => chip(flag, "warn")),
  );
  const time = h("p", { class: "fine" }, dated_);
  const label = `${chart.name}, ${count(chart.size, "result")}; latest ${value} ${chart.unit} on ${dated_}${range ? `; reference range ${range}` : ""}`;
  const points = [...chart.lines].map(([name, list]) => ({ name, points: list.filter((one) => one.at !== null) }));
  const drawing =
    points.some((line) => line.points.length > 1) &&
    plot(points, label, (chosen) => {
      time.textContent = chosen
        ? `${chosen.map((one) => one.text).join("/")} ${chart.unit} · ${chosen[0].date}`
        : dated_;
      time.classList.toggle("chosen", Boolean(chosen));
    });
  const table = h(
    "details",
    { ontoggle: () => table.open && table.childElementCount === 1 && table.append(values(chart)) },
    h("summary", {}, chart.size === 1 ? "1 result" : `All ${chart.size} results`),
  );
  return h(
    "article",
    { class: flags.length ? "measure flagged" : "measure" },
    h("h4", { title: chart.full }, chart.name),
    reading,
    time,
    drawing,
    points.length > 1 &&
      h(
        "p",
        { class: "legend", "aria-hidden": "true" },
        points.map((line, number) => h("span", { class: `line${number}` }, line.name)),
      ),
    h("p", { class: "fine" }, range ? `Reference range ${range}` : "No reference range given"),
    table,
  );
}

function values(chart) {
  const lines = [...chart.lines.values()];
  const rows = lines[0]
    .map((one, number) => [
      one.date,
      lines.map((points) => points[number]?.text ?? "–").join("/"),
      lines.map((points) => points[number]?.flag).find(Boolean) ?? "",
      one.range,
    ])
    .reverse();
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": `Results: ${chart.full}` },
    h(
      "table",
      {},
      h("caption", {}, chart.full),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          ["Date", `Value${chart.unit && ` (${chart.unit})`}`, "", "Range"].map((title) =>
            h("th", { scope: "col" }, title),
          ),
        ),
      ),
      h(
        "tbody",
        {},
        rows.map((cells) =>
          h(
            "tr",
            {},
            cells.map((cell, column) => h("td", { class: column === 1 ? "digits" : null }, cell)),
          ),
        ),
      ),
    ),
  );
}

/** What was found in words: a blood group, a smoking status. */
function finding(observations) {
  const sorted = newestFirst(observations, (one) => when(one, "effective"));
  const [latest, ...before] = sorted;
  const changed = before.filter((one, number) => result(one) !== result(sorted[number]));
  return row(
    [`${shortName(latest.code)}: `, h("strong", {}, result(latest))],
    dated(when(latest, "effective")) || "no date",
    changed.length > 0 &&
      `Before: ${changed.map((one) => `${result(one)} (${dated(when(one, "effective")) || "no date"})`).join(", ")}`,
    !changed.length && before.length > 0 && `The same in ${count(before.length, "earlier entry", "earlier entries")}`,
  );
}

function result(one) {
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
