/** The patient app: who is signed in, and which page shows. */

import { focusOn, h, say, set } from "./dom.js";
import * as session from "./session.js";
import { arrived } from "./views/arrived.js";
import { connection } from "./views/connection.js";
import { find } from "./views/find.js";
import { home } from "./views/home.js";
import { signIn } from "./views/sign_in.js";
import { problemCard } from "./views/problem.js";

session.takeArrival();

const PAGES = [
  [/^\/app\/find$/, find],
  [/^\/app\/connections\/([A-Za-z0-9_-]+)$/, connection],
  [/^\/app\//, home],
];
let leave = new AbortController();

/** Goes to one of the app's own addresses. `notice` is told on the page that shows there. */
export function go(path, notice = "") {
  history.pushState(null, "", path);
  show(notice);
}

async function show(notice = "", { focus = true } = {}) {
  leave.abort(new DOMException("another page shows", "AbortError"));
  leave = new AbortController();
  const page = { go, refresh: (told) => show(told), notice, signal: leave.signal };
  const [view, ...parts] = viewOf(location.pathname);
  account();
  const main = document.getElementById("main");
  let content;
  try {
    content = await view(page, ...parts);
  } catch (problem) {
    if (page.signal.aborted) return;
    content = problemCard(problem, { again: () => show() });
  }
  if (page.signal.aborted) return;
  set(main, notice && h("p", { class: "notice" }, notice), content);
  if (notice) say(notice);
  const heading = main.querySelector("h1");
  document.title = heading ? `${heading.textContent} · Portico` : "Portico";
  if (focus && heading) {
    focusOn(heading);
    scrollTo(0, 0);
  }
}

function viewOf(path) {
  if (!session.user.get()) return [signIn];
  if (session.arrival.get()) return [arrived];
  const [pattern, view] = PAGES.find(([shape]) => shape.test(path)) ?? PAGES.at(-1);
  return [view, ...(pattern.exec(path)?.slice(1) ?? [])];
}

function account() {
  const user = session.user.get();
  set(
    document.getElementById("account"),
    user && [
      h("span", { class: "who" }, user.name),
      h("button", { type: "button", class: "quiet small", onclick: () => (session.forget(), go("/app/")) }, "Sign out"),
    ],
  );
}

document.addEventListener("click", (event) => {
  const within = event.target.closest?.("a[href^='#']");
  if (within) {
    // Places within a page are no pages: the address, and with it the way back, stays as it is.
    event.preventDefault();
    const target = document.getElementById(within.getAttribute("href").slice(1));
    focusOn(target);
    return target.scrollIntoView();
  }
  const link = event.target.closest?.("a[href^='/app/']");
  if (!link || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  go(link.getAttribute("href"));
});
addEventListener("popstate", () => show());
// A page that the browser kept while the patient was at the portal still says "opening": show it anew.
addEventListener("pageshow", (event) => event.persisted && show());

show("", { focus: false });
