// Adds the bearer token to each request of the conformance suite, which has no option for one.
import http from "node:http";
import { syncBuiltinESMExports } from "node:module";

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
