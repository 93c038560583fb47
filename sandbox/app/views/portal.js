/** How a portal is shown: its mark, its name, where it is. */

import { h } from "../dom.js";

export function mark(portal) {
  const initials =
    portal.name
      .match(/\p{L}+/gu)
      ?.slice(0, 2)
      .map((word) => word[0])
      .join("")
      .toUpperCase() ?? "?";
  const hue = [...portal.id].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 6, 0);
  return h("span", { class: `mark hue${hue}`, "aria-hidden": "true" }, initials);
}

export function place(portal) {
  const { street, city, state, zip } = portal.address;
  return [street, city, [state, zip].filter(Boolean).join(" ")].filter(Boolean).join(", ") || "No address given";
}

export function kind(portal) {
  return portal.dataType === "payer" ? "Insurance" : "Clinical";
}
