/** Reading FHIR R4 as it really comes: partial dates, texts without codes, codes without texts, missing parts. */

const DATE = new Intl.DateTimeFormat("en-US", { dateStyle: "medium", timeZone: "UTC" });
const MONTH = new Intl.DateTimeFormat("en-US", { month: "short", year: "numeric", timeZone: "UTC" });

/** A resource from its line. Numbers called `value` keep the digits they came with: 10.50 is not 10.5. */
export function parse(line) {
  return JSON.parse(line, (key, value, context) =>
    key === "value" && typeof value === "number" ? { number: value, text: context?.source ?? String(value) } : value,
  );
}

/** The words of a CodeableConcept. */
export function words(concept) {
  const coding = concept?.coding ?? [];
  return concept?.text || coding.find((one) => one.display)?.display || coding.find((one) => one.code)?.code || "";
}

/** The first code of a CodeableConcept, of that system if one is named. */
export function code(concept, system) {
  return (concept?.coding ?? []).find((one) => one.code && (!system || one.system === system))?.code ?? "";
}

/** The words of a Reference. */
export function named(reference) {
  return reference?.display || reference?.identifier?.value || "";
}

/** The id that a relative or absolute Reference ends in. */
export function idOf(reference) {
  return reference?.reference?.split("/").pop() ?? "";
}

/** A HumanName. */
export function nameOf(name) {
  return (
    name?.text ||
    [...(name?.prefix ?? []), ...(name?.given ?? []), name?.family, ...(name?.suffix ?? [])].filter(Boolean).join(" ")
  );
}

/** An Address on one line. */
export function addressOf(address) {
  if (!address) return "";
  const region = [address.state, address.postalCode].filter(Boolean).join(" ");
  return address.text || [...(address.line ?? []), address.city, region].filter(Boolean).join(", ");
}

/** A FHIR date, dateTime or instant as written, in the place where it was written: no time zone moves the day. */
export function dated(text) {
  const [, year, month, day] = /^(\d{4})(?:-(\d\d))?(?:-(\d\d))?/.exec(text ?? "") ?? [];
  if (!year) return "";
  if (!month) return year;
  return day ? DATE.format(Date.UTC(year, month - 1, day)) : MONTH.format(Date.UTC(year, month - 1));
}

/** Where a date lies on a time axis, as milliseconds; null for none. */
export function instant(text) {
  const whole = /^\d{4}-\d\d-\d\dT/.test(text ?? "") ? text : (text ?? "").slice(0, 10);
  const at = Date.parse(whole);
  return Number.isNaN(at) ? null : at;
}

/** "Mar 5, 2018 – Sep 10, 2018", "since 2021", "until 2020". */
export function period(given) {
  const [from, to] = [dated(given?.start), dated(given?.end)];
  if (from && to) return from === to ? from : `${from} – ${to}`;
  return from ? `since ${from}` : to ? `until ${to}` : "";
}

/** The first date-like element `<name>DateTime`, `<name>Period`, ... of a resource, as it is written. */
export function when(resource, name) {
  return (
    resource[`${name}DateTime`] ??
    resource[`${name}Period`]?.start ??
    resource[`${name}Instant`] ??
    resource[`${name}Date`] ??
    ""
  );
}

/** The same for people. Ages and free text are told too. */
export function whenWords(resource, name) {
  const span = resource[`${name}Period`];
  const age = resource[`${name}Age`];
  return (
    (span ? period(span) : dated(when(resource, name))) ||
    (age ? `at age ${textOf(age.value)}` : "") ||
    resource[`${name}String`] ||
    ""
  );
}

export function numberOf(value) {
  return typeof value === "number" ? value : (value?.number ?? null);
}

export function textOf(value) {
  return value === null || value === undefined ? "" : typeof value === "object" ? value.text : String(value);
}

/** A Quantity. */
export function quantity(given) {
  if (!given || given.value === undefined) return "";
  return [`${given.comparator ?? ""}${textOf(given.value)}`, unit(given.unit ?? given.code)].filter(Boolean).join(" ");
}

/** A unit as people write it. */
export function unit(text) {
  if (!text || /^\{.*\}$/.test(text)) return "";
  return text
    .replace(/10\*(\d+)/, (_, power) => `×10${superscript(power)}`)
    .replace(/\bu(?=[LgmM])/, "µ")
    .replace(/m2\b/, "m²");
}

function superscript(digits) {
  return [...digits].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]).join("");
}

/** Money. */
export function money(given) {
  const amount = numberOf(given?.value);
  if (amount === null) return "";
  return new Intl.NumberFormat("en-US", { style: "currency", currency: given.currency ?? "USD" }).format(amount);
}

/** Whole years between a birth date and another date; null when it cannot be told. */
export function age(birthDate, at) {
  const [, year, month = 1, day = 1] = (/^(\d{4})(?:-(\d\d))?(?:-(\d\d))?/.exec(birthDate ?? "") ?? []).map(Number);
  if (!year) return null;
  const before = at.getMonth() + 1 < month || (at.getMonth() + 1 === month && at.getDate() < day);
  return at.getFullYear() - year - (before ? 1 : 0);
}

/** Newest first by a date-like text; what has none comes last. */
export function newestFirst(items, of) {
  return [...items].sort((a, b) => (instant(of(b)) ?? -Infinity) - (instant(of(a)) ?? -Infinity));
}
