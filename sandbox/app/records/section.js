/** The frame of a group of records. */

import { h } from "../dom.js";

/** A section with a heading; `number` is how many records of the file are in it. */
export function section(id, title, number, ...body) {
  return {
    id,
    title,
    number,
    element: h(
      "section",
      { class: "records", id, "aria-labelledby": `${id}-title` },
      h(
        "h2",
        { id: `${id}-title` },
        title,
        number !== null && [" ", h("span", { class: "number" }, number.toLocaleString("en-US"))],
      ),
      body,
    ),
  };
}

/** A row: what, when, and more about it. */
export function row(title, date, ...more) {
  return h(
    "li",
    {},
    h(
      "div",
      { class: "grow" },
      h("div", { class: "title" }, title),
      more
        .flat()
        .filter(Boolean)
        .map((one) => (one instanceof Node ? one : h("p", { class: "fine" }, one))),
    ),
    date && h("time", {}, date),
  );
}

/** Terms and what they are. */
export function facts(pairs) {
  return h(
    "dl",
    { class: "facts" },
    pairs.filter(([, value]) => value).map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value))),
  );
}
