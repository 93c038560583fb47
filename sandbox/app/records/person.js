/** Who the patient is. */

import { h } from "../dom.js";
import { addressOf, age, dated, named, nameOf, words } from "../fhir.js";
import { facts, section } from "./section.js";

export function person(records) {
  const patient = records.of("Patient")[0];
  if (!patient) return null;
  const official = patient.name?.find((one) => one.use === "official") ?? patient.name?.[0];
  const others = (patient.name ?? []).filter((one) => one !== official).map(nameOf);
  const years = patient.deceasedBoolean || patient.deceasedDateTime ? null : age(patient.birthDate, new Date());
  const name = nameOf(official) || "No name given";
  const contact = (system) =>
    (patient.telecom ?? [])
      .filter((one) => one.system === system)
      .map((one) => one.value)
      .join(", ");
  const element = section(
    "you",
    "About you",
    null,
    h(
      "div",
      { class: "person" },
      h(
        "span",
        { class: "portrait", "aria-hidden": "true" },
        name
          .match(/\p{Lu}/gu)
          ?.filter((_, i, all) => i === 0 || i === all.length - 1)
          .join("") ?? "",
      ),
      h(
        "div",
        { class: "grow" },
        h("p", { class: "name" }, name),
        h(
          "p",
          { class: "lead" },
          [
            years !== null && `${years} years old`,
            patient.gender,
            patient.deceasedDateTime && `died ${dated(patient.deceasedDateTime)}`,
          ]
            .filter(Boolean)
            .join(" · "),
        ),
      ),
    ),
    facts([
      ["Born", dated(patient.birthDate)],
      ["Also named", others.join(", ")],
      ["Address", addressOf(patient.address?.[0])],
      ["Telephone", contact("phone")],
      ["E-mail", contact("email")],
      ["Language", (patient.communication ?? []).map((one) => words(one.language)).join(", ")],
      ["Your doctor", (patient.generalPractitioner ?? []).map(named).join(", ")],
      ["Practice", named(patient.managingOrganization)],
      ...(patient.identifier ?? []).map((one) => [words(one.type) || "Number", one.value]),
    ]),
  );
  return element;
}
