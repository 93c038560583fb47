/** Elements from data. Text only ever becomes text: nothing here, or anywhere in the app, parses markup. */

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element; attributes whose names begin with "on" are listeners, false and null are left out. */
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** An SVG element. */
export function s(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  put(element, children);
  return element;
}

/** Appends children: elements, text, lists of them; false, null and "" are left out. */
export function put(element, ...children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false || child === "") continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}

/** Puts these children in the place of whatever was there. */
export function set(element, ...children) {
  element.replaceChildren();
  return put(element, children);
}

/** Moves the focus, and with it whoever reads by ear, to an element that is no control. */
export function focusOn(element) {
  element.tabIndex = -1;
  element.focus({ preventScroll: true });
}

/** Says something to people who listen instead of look. */
export function say(text) {
  document.getElementById("spoken").textContent = text;
}

/** A list that begins with its first few items and has a button for the others. */
export function longList(items, first, render, { tag = "ul", className = "rows" } = {}) {
  const list = h(tag, { class: className }, items.slice(0, first).map(render));
  const rest = items.slice(first);
  if (!rest.length) return list;
  const button = h(
    "button",
    {
      type: "button",
      class: "quiet small",
      onclick: () => {
        const shown = rest.map(render);
        put(list, shown);
        button.remove();
        focusOn(shown[0]);
      },
    },
    `Show all ${items.length}`,
  );
  return h("div", {}, list, button);
}

/** A small label; `kind` is plain, good, warn or bad. */
export function chip(text, kind = "plain") {
  return h("span", { class: `chip ${kind}` }, text);
}

/** "1 result", "1,204 results". */
export function count(number, one, many = `${one}s`) {
  return `${number.toLocaleString("en-US")} ${number === 1 ? one : many}`;
}
