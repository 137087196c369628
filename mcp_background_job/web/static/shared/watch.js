// What is live: one long poll for all that is shown, since a browser opens few connections to a server.
import { call } from "./call.js";

const WAIT_S = 25;
const RETRY_MS = [250, 500, 1000, 2000, 4000];

const page = Array.from(crypto.getRandomValues(new Uint32Array(3)), (part) => part.toString(36)).join("");
const watches = new Map();
const troubled = new Set();
let count = 0;
let polling = null;
let failures = 0;

// Watches a subject: onFacts gets what is new whenever something is, onError what is wrong with it. Returns what ends it.
export function watch(subject, args, onFacts, onError = () => {}) {
  const key = String((count += 1));
  watches.set(key, { subject, args, cursor: null, onFacts, onError });
  again();
  return () => {
    if (watches.delete(key)) again();
  };
}

// Has a function told what is wrong between here and the server, in words; empty when nothing is any more.
export function onTrouble(listener) {
  troubled.add(listener);
}

// Polls for what is shown now. What is asked for in one go is asked for in one poll.
function again() {
  polling?.abort();
  const mine = (polling = new AbortController());
  queueMicrotask(() => mine.signal.aborted || poll(mine));
}

async function poll(mine) {
  while (watches.size && !mine.signal.aborted) {
    const shown = Object.fromEntries(
      Array.from(watches, ([key, { subject, args, cursor }]) => [key, { subject, args, cursor }]),
    );
    try {
      const { changed } = await call("watch", { page, shown, wait_s: WAIT_S }, { signal: mine.signal });
      if (mine.signal.aborted) return;
      failures = 0;
      tell("");
      take(changed);
    } catch (error) {
      if (mine.signal.aborted) return;
      tell(wrong(error));
      await pause(RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)]);
    }
  }
}

function take(changed) {
  for (const [key, { cursor, facts, error, code }] of Object.entries(changed)) {
    const one = watches.get(key);
    if (!one) continue;
    one.cursor = cursor;
    if (error) one.onError({ message: error, code });
    else one.onFacts(facts);
  }
}

function wrong({ code, message }) {
  if (code === "gone") return "The server is gone. This page goes on as soon as it is back.";
  if (code === "no_session") {
    const port = location.port || 80;
    return `This browser was not let in. Run mcp-background-job dashboard --link --port ${port}, and follow the link that it prints.`;
  }
  return message;
}

function tell(text) {
  for (const listener of troubled) listener(text);
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
