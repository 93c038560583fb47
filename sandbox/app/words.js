/** What happened and what to do next, in a patient's words. */

const NEXT = {
  "invalid-request": "Something in this request was not understood.",
  unauthorized: "Please sign in again.",
  forbidden: "This is not allowed: your sign-in does not cover it, or the connection is on hold.",
  "not-found": "It is not here, or it belongs to somebody else.",
  "not-authorized-yet": "Finish signing in at the portal first, then come back here.",
  "exchange-in-progress": "The connection is being finished right now. Wait a moment and try again.",
  "different-patient":
    "Someone else signed in at the portal than before. Nothing was changed: sign in as the same patient, or make a new connection.",
  "reauthorization-required": "The portal wants you to sign in again. Your connection is kept.",
  gone: "That is over. You can start again.",
  "authorization-rejected": "The portal did not accept the sign-in any more. Start the connection again.",
  "invalid-handle": "This way back does not belong to your connection. Start the connection again.",
  "too-many-requests": "That was a lot at once. Wait a moment and try again.",
  "portal-error": "The portal could not do this. Trying again later often helps.",
  "temporarily-unavailable": "It is busy right now. Nothing is lost: try again in a moment.",
  "portal-timeout": "The portal took too long. Trying again later often helps.",
  internal: "This is our mistake, not yours. Try again in a moment.",
  unreachable: "Check your connection to the internet, then try again.",
};

/** Advice for a problem. */
export function nextStep(problem) {
  return NEXT[problem.slug] ?? "Try again in a moment.";
}

const REASONS = {
  declined: "You chose not to share your records.",
  portal_error: "The portal reported an error of its own.",
  abandoned: "The sign-in was never finished.",
  rejected: "The portal did not accept the sign-in any more.",
  different_patient: "Another patient signed in than before.",
  portal_unreachable: "The portal could not be reached in time.",
  outcome_unknown: "The portal never told whether it worked.",
  burned: "The way back was opened by somebody else, so it was closed for your safety.",
  too_many_wrong_handles: "It was closed for your safety.",
  superseded: "It was started again.",
  expired: "It took too long.",
};

/** Why a connection came to nothing. */
export function reasonOf(connection) {
  return REASONS[connection.reason] ?? "It came to nothing.";
}

/** [label, kind, explanation] of a connection's status. */
export const CONNECTION = {
  active: ["Connected", "good", ""],
  pending: ["Not finished", "warn", "The sign-in at the portal is still to be done."],
  reauthorization_required: ["Sign in again", "warn", "The portal wants you to sign in again before it gives more."],
  held: ["On hold", "warn", "It gives no records until it is certain that they are yours."],
  closed: ["Not connected", "plain", ""],
};

/** [label, kind, explanation] of a portal's status. */
export const PORTAL = {
  active: ["", "good", ""],
  inactive: [
    "Not available",
    "plain",
    "This organization does not take new connections at the moment. Try again another day.",
  ],
  unsupported: [
    "Not supported",
    "warn",
    "This portal asks for a kind of sign-in that we cannot do safely, so you cannot connect to it here yet.",
  ],
};

/** The names that can be asked for, as a person would say them. */
export const RESOURCES = {
  Patient: "Who you are",
  Condition: "Health problems",
  AllergyIntolerance: "Allergies",
  MedicationRequest: "Prescriptions",
  MedicationStatement: "Medicines you take",
  Labs: "Laboratory results",
  Vitals: "Vital signs",
  Immunization: "Vaccinations",
  Procedure: "Procedures",
  DiagnosticReport: "Reports",
  DocumentReference: "Documents",
  FamilyMemberHistory: "Family history",
  CareTeam: "Care team",
  CarePlan: "Care plans",
  Coverage: "Insurance coverage",
  ExplanationOfBenefit: "Insurance claims",
};
