// Adds the bearer token to each request of the conformance suite, which has no option for one.
import http from "node:http";
import { createRequire, syncBuiltinESMExports } from "node:module";

const bearer = `Bearer ${process.env.CONFORMANCE_TOKEN}`;
const { fetch } = globalThis;
const { request } = http;

globalThis.fetch = (input, init = {}) => {
  const headers = new Headers(init.headers ?? (input instanceof Request ? input.headers : undefined));
  headers.set("authorization", bearer);
  return fetch(input, { ...init, headers });
};
http.request = (...given) => {
  const sent = request(...given);
  sent.setHeader("authorization", bearer);
  return sent;
};
syncBuiltinESMExports();

// What chooses its own Host goes by neither, but by the suite's own copy of undici.
const undici = createRequire(process.argv[1])("undici");
const knowing = (dispatch) => (options, handler) =>
  // fetch, which has the token already, comes by here too, with a list of headers.
  dispatch(Array.isArray(options.headers) ? options : { ...options, headers: { ...options.headers, authorization: bearer } }, handler);
undici.setGlobalDispatcher(undici.getGlobalDispatcher().compose(knowing));
