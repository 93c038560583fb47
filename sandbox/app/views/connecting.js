/** Sending the patient to a portal's own login. */

import { json } from "../api.js";

const returnUrl = () => `${location.origin}/app/`;

/** A new connection to a portal. */
export async function connect(portal, signal) {
  const body = { portalId: portal.id, dataType: portal.dataType, returnUrl: returnUrl() };
  location.assign((await json("POST", "/v1/connections", { body, signal })).authorizationUrl);
}

/** Once more to the portal of a connection that exists. */
export async function reconnect(connection, signal) {
  const url = `/v1/connections/${connection.id}/reconnect`;
  location.assign((await json("POST", url, { body: { returnUrl: returnUrl() }, signal })).authorizationUrl);
}
