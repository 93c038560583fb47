/** Laboratory results and vital signs: one card for each thing measured, with its course over time. */

import { chip, count, h, longList } from "../dom.js";
import { dated, when } from "../fhir.js";
import { plot } from "./plot.js";
import { shortName } from "./names.js";
import { row, section } from "./section.js";
import { byPanel, kindOf, result, series } from "./series.js";

const SECTIONS = [
  ["labs", "Laboratory results", "laboratory"],
  ["vitals", "Vital signs", "vital-signs"],
  ["observations", "Other observations", "other"],
];

export function measures(records) {
  const kinds = Map.groupBy(records.of("Observation"), kindOf);
  return SECTIONS.map(([id, title, kind]) => {
    const found = kinds.get(kind);
    if (!found) return null;
    const { measured, told, withdrawn } = series(found);
    const groups = kind === "laboratory" ? byPanel(measured, records.of("DiagnosticReport")) : [["", measured]];
    return section(
      id,
      title,
      found.length,
      kind === "laboratory" && measured.length > 0 && attention(measured),
      groups.map(([panel, members]) => [
        groups.length > 1 && h("h3", {}, panel || "Single tests"),
        h("div", { class: "measures" }, members.map(card)),
      ]),
      told.length > 0 && longList(told, 8, finding),
      withdrawn.length > 0 &&
        h(
          "p",
          { class: "fine" },
          `${count(withdrawn.length, "entry was", "entries were")} taken back by the portal and not shown.`,
        ),
    );
  });
}

function attention(measured) {
  const out = measured.filter((one) => one.flags.length);
  return h(
    "p",
    { class: "lead" },
    out.length
      ? `The latest value is outside its reference range for ${out.length} of ${count(measured.length, "test")}: ${out.map((one) => one.name).join(", ")}.`
      : "The latest value of every test that has a reference range is within it.",
  );
}

function card(one) {
  const { latest, entries } = one;
  const time = h("p", { class: "fine" }, latest.date);
  const choose = (chosen) => {
    time.textContent = chosen ? `${chosen.text} ${one.unit} · ${chosen.date}` : latest.date;
    time.classList.toggle("chosen", Boolean(chosen));
  };
  return h(
    "article",
    { class: one.flags.length ? "measure flagged" : "measure" },
    h("h4", { title: one.full }, one.name),
    h(
      "p",
      { class: "reading" },
      h("span", { class: "value" }, latest.text),
      h("span", { class: "unit" }, one.unit),
      one.flags.map((flag) => chip(flag, "warn")),
    ),
    time,
    entries.filter((entry) => entry.at !== null).length > 1 && plot(one, spoken(one), choose),
    one.lines.length > 1 &&
      h(
        "p",
        { class: "legend", "aria-hidden": "true" },
        one.lines.map((line, number) => h("span", { class: `line${number}` }, line.name)),
      ),
    h("p", { class: "fine" }, latest.range ? `Reference range ${latest.range}` : "No reference range given"),
    values(one),
  );
}

function spoken({ name, entries, latest, unit }) {
  const range = latest.range ? `; reference range ${latest.range}` : "";
  return `${name}, ${count(entries.length, "result")}; latest ${latest.text} ${unit} on ${latest.date}${range}`;
}

/** All values as a table, made when somebody wants to see it. */
function values(one) {
  const heads = ["Date", one.unit ? `Value (${one.unit})` : "Value", "Note", "Range"];
  const line = ({ date, text, flag, range }) =>
    h("tr", {}, h("td", {}, date), h("td", { class: "digits" }, text), h("td", {}, flag), h("td", {}, range));
  const table = () =>
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": `Results: ${one.full}` },
      h(
        "table",
        {},
        h("caption", {}, one.full),
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            heads.map((title) => h("th", { scope: "col" }, title)),
          ),
        ),
        h("tbody", {}, [...one.entries].reverse().map(line)),
      ),
    );
  const details = h(
    "details",
    { ontoggle: () => details.open && details.childElementCount === 1 && details.append(table()) },
    h("summary", {}, one.entries.length === 1 ? "1 result" : `All ${one.entries.length} results`),
  );
  return details;
}

/** What was found in words: a blood group, a smoking status. */
function finding(observations) {
  const [latest, ...before] = observations;
  const date = (one) => dated(when(one, "effective")) || "no date";
  const changed = before.filter((one, number) => result(one) !== result(observations[number]));
  return row(
    [`${shortName(latest.code)}: `, h("strong", {}, result(latest))],
    date(latest),
    changed.length > 0 && `Before: ${changed.map((one) => `${result(one)} (${date(one)})`).join(", ")}`,
    !changed.length && before.length > 0 && `The same in ${count(before.length, "earlier entry", "earlier entries")}`,
  );
}
