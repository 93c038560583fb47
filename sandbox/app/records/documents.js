/** Reports and documents, opened where they stand. */

import { chip, count, h, longList, say } from "../dom.js";
import { dated, named, newestFirst, when, words } from "../fhir.js";
import { row, section } from "./section.js";
import { shortName } from "./names.js";

export function documents(records) {
  const all = newestFirst(records.of("DocumentReference"), (one) => one.date);
  if (!all.length) return null;
  return section(
    "documents",
    "Documents",
    all.length,
    longList(all, 6, (one) =>
      row(
        one.description || words(one.type) || "Document",
        dated(one.date),
        [
          one.description && words(one.type),
          (one.author ?? []).map(named).filter(Boolean).join(", "),
          named(one.custodian),
        ]
          .filter(Boolean)
          .join(" · "),
        (one.content ?? []).map(({ attachment }) => contents(attachment ?? {}, one.description)),
      ),
    ),
  );
}

export function reports(records) {
  const all = newestFirst(records.of("DiagnosticReport"), (one) => when(one, "effective") || one.issued);
  if (!all.length) return null;
  return section(
    "reports",
    "Reports",
    all.length,
    longList(all, 5, (one) =>
      row(
        shortName(one.code),
        dated(when(one, "effective") || one.issued),
        [count((one.result ?? []).length, "result"), (one.performer ?? []).map(named).filter(Boolean).join(", ")].join(
          " · ",
        ),
        one.conclusion,
        (one.presentedForm ?? []).map((attachment) => contents(attachment, words(one.code))),
      ),
    ),
  );
}

function contents(attachment, title) {
  const type = (attachment.contentType ?? "").split(";")[0].trim().toLowerCase();
  if (!attachment.data) {
    return h(
      "p",
      { class: "fine" },
      chip("at the portal only"),
      " The portal keeps this one to itself. Sign in there to read it.",
    );
  }
  if (/^text\/|[/+]xml$|[/+]json$/.test(type)) return readable(attachment, type);
  const save = h(
    "button",
    { type: "button", class: "quiet small", onclick: () => download(attachment, type, title) },
    `Save (${type || "file"}, ${size(attachment)})`,
  );
  return h("p", {}, save);
}

function readable(attachment, type) {
  const details = h(
    "details",
    {
      class: "document",
      ontoggle: () => {
        if (!details.open || details.childElementCount > 1) return;
        details.append(h("pre", { tabindex: "0" }, textOf(attachment, type)));
      },
    },
    h("summary", {}, "Read"),
  );
  return details;
}

function bytes(attachment) {
  return Uint8Array.from(atob(attachment.data.replace(/\s+/g, "")), (letter) => letter.charCodeAt(0));
}

function textOf(attachment, type) {
  const charset = /charset="?([\w-]+)/i.exec(attachment.contentType ?? "")?.[1] ?? "utf-8";
  let text;
  try {
    text = new TextDecoder(charset).decode(bytes(attachment));
  } catch {
    return "This document cannot be read: it is not what it says it is.";
  }
  if (!/html|xml/.test(type)) return text;
  // A parsed document is inert: no script runs and nothing is loaded. Only its text is shown.
  const trusted = policy ? policy.createHTML(text) : text;
  const parsed = new DOMParser().parseFromString(trusted, type.includes("html") ? "text/html" : "application/xml");
  parsed.querySelectorAll("script, style").forEach((one) => one.remove());
  return parsed.documentElement.textContent
    .replace(/[ \t]+/g, " ")
    .replace(/\n\s*\n+/g, "\n\n")
    .trim();
}

const policy = globalThis.trustedTypes?.createPolicy("document-text", { createHTML: (text) => text });

function download(attachment, type, title) {
  let url;
  try {
    url = URL.createObjectURL(new Blob([bytes(attachment)], { type: "application/octet-stream" }));
  } catch {
    return say("This document cannot be read: it is not what it says it is.");
  }
  const extension =
    { "application/pdf": ".pdf", "image/tiff": ".tiff", "image/png": ".png", "image/jpeg": ".jpg" }[type] ?? "";
  h("a", {
    href: url,
    download: `${(attachment.title || title || "document").replace(/[^\p{L}\p{N} ,.-]+/gu, " ")}${extension}`,
  }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

function size(attachment) {
  const kilobytes = (attachment.data.length * 0.75) / 1000;
  return kilobytes < 1000 ? `${Math.max(1, Math.round(kilobytes))} kB` : `${(kilobytes / 1000).toFixed(1)} MB`;
}
