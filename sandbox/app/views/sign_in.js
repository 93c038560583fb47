/** Signing in to the app itself. In the demonstration any name will do. */

import * as api from "../api.js";
import { h } from "../dom.js";
import { user } from "../session.js";
import { whileBusy } from "./problem.js";

export async function signIn(page) {
  const name = h("input", {
    id: "name",
    name: "name",
    autocomplete: "nickname",
    required: true,
    maxlength: 60,
    autofocus: true,
  });
  const button = h("button", { type: "submit" }, "Sign in");
  const place = h("div");
  const submit = (event) => {
    event.preventDefault();
    if (!name.value.trim()) return name.focus();
    whileBusy(button, "Signing in …", place, async () => {
      await atTheApisAddress();
      await api.signIn(name.value.trim());
      page.refresh();
    });
  };
  return h(
    "div",
    { class: "welcome" },
    h(
      "div",
      { class: "pitch" },
      h("h1", {}, "Your health records, in one place"),
      h(
        "p",
        { class: "lead" },
        "Connect the portals of your doctors and insurers. See what they know about you, in plain words.",
      ),
      h(
        "ol",
        { class: "steps" },
        h("li", {}, h("strong", {}, "Find"), " your clinic or insurer"),
        h("li", {}, h("strong", {}, "Sign in"), " at its own portal: we never see your password"),
        h("li", {}, h("strong", {}, "Read"), " your records, and disconnect whenever you like"),
      ),
    ),
    h(
      "form",
      { class: "card", onsubmit: submit },
      h("h2", {}, user.get() ? "Sign in again" : "Who are you?"),
      h("label", { for: "name" }, "Your name"),
      name,
      h(
        "p",
        { class: "fine" },
        "This is a demonstration: any name will do, and each name is a user of its own. It stands for the app's own sign-in.",
      ),
      button,
      place,
    ),
  );
}

// Portals send the browser back to the API's own address, so the session has to live there too.
async function atTheApisAddress() {
  const status = await fetch("/_local/status").then(
    (response) => response.json(),
    () => ({}),
  );
  if (status.api && new URL(status.api).origin !== location.origin) {
    location.replace(`${status.api}/app/`);
    await new Promise(() => {});
  }
}
