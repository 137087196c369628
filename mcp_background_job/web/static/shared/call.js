// One call over two carriers: to the server that this page came from, or through the host that shows it in a chat.
import { inHost, toolsCall } from "./host.js";

// Why a call was not answered with facts. Codes "gone" and "no_session" are of the way, all others of the server's.
export class CallError extends Error {
  constructor(message, code) {
    super(message);
    this.code = code;
  }
}

// Asks for an action, and returns its facts; pictures stand in them as {mime_type, data} under "pictures".
export async function call(action, args = {}, { signal } = {}) {
  const answer = inHost ? await toolsCall(action, args) : await post(action, args, signal);
  if (answer.error) throw new CallError(answer.error, answer.code);
  return answer.pictures ? { ...answer.facts, pictures: answer.pictures } : answer.facts;
}

async function post(action, args, signal) {
  let response;
  try {
    response = await fetch("/api/call", {
      method: "POST",
      headers: { "content-type": "application/json", "mcp-bg-page": "1" },
      body: JSON.stringify({ action, args }),
      signal,
    });
    return await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new CallError(response && response.status < 500 ? `no answer to ${action}` : "the server does not answer", "gone");
  }
}

let told = null;

// Returns what a page may ask for: {version, project, read_only, actions: {name: "looks" | "ends" | …}}.
export function about() {
  told ??= call("about").catch((error) => {
    told = null;
    throw error;
  });
  return told;
}

// Has an element offer nothing that changes something, if this page only looks, and until that is known. If it cannot be
// known, the shell says what is wrong, and the server refuses.
export async function mayAct(element) {
  element.classList.add("read-only");
  const { read_only: only } = await about().catch(() => ({}));
  element.classList.toggle("read-only", Boolean(only));
}
