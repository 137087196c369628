// The way through a host that shows this page in a chat (MCP Apps): JSON-RPC with whoever has put it into a frame.

export const inHost = window.parent !== window;

const PROTOCOL = "2026-01-26";
// Whatever the host does with a call, it is over by then: the longest wait of ours takes half of it.
const ANSWER_MS = 60_000;
// A page of its own height would grow with every line that a job writes.
const HEIGHT = 640;

const waiting = new Map();
const listeners = new Map();
let count = 0;
let initialized = null;
let effects = { about: "looks", watch: "looks" };

function send(message) {
  window.parent.postMessage({ jsonrpc: "2.0", ...message }, "*");
}

function request(method, params) {
  const id = (count += 1);
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => settle(id, () => reject(new Error(`the host does not answer ${method}`))), ANSWER_MS);
    waiting.set(id, { resolve, reject, timer });
    send({ id, method, params });
  });
}

function settle(id, how) {
  const one = waiting.get(id);
  if (!one) return;
  waiting.delete(id);
  clearTimeout(one.timer);
  how(one);
}

function receive({ source, data }) {
  if (source !== window.parent || data?.jsonrpc !== "2.0") return;
  if (data.method === undefined) {
    settle(data.id, ({ resolve, reject }) => (data.error ? reject(new Error(data.error.message)) : resolve(data.result)));
  } else if (data.id !== undefined) {
    // A ping, or a goodbye: there is nothing to put away.
    send({ id: data.id, result: {} });
  } else {
    listeners.get(data.method)?.(data.params);
  }
}

// Says hello to the host; what it knows of its looks and of the call that opened this page goes to the listeners.
export function greet({ onContext, onInput }) {
  addEventListener("message", receive);
  listeners.set("ui/notifications/host-context-changed", onContext);
  listeners.set("ui/notifications/tool-input", (params) => onInput(params.arguments ?? {}));
  const params = { protocolVersion: PROTOCOL, appInfo: { name: "mcp-background-job", version: "1" }, appCapabilities: {} };
  initialized = request("ui/initialize", params).then((answer) => {
    onContext(answer.hostContext ?? {});
    send({ method: "ui/notifications/initialized" });
    send({ method: "ui/notifications/size-changed", params: { height: HEIGHT } });
  });
  return initialized;
}

// Asks the host for the whole window, or to go back into the chat.
export function displayMode(mode) {
  return request("ui/request-display-mode", { mode });
}

// Calls an action: by the tool for looks, or by the one that hosts may ask their user about.
export async function toolsCall(action, args) {
  try {
    await initialized;
    if (!(action in effects)) effects = { ...effects, ...(await toolsCall("about", {})).facts?.actions };
    const name = effects[action] === "looks" ? "page_look" : "page_act";
    const result = await request("tools/call", { name, arguments: { action, args } });
    return result.structuredContent ?? { error: result.content?.[0]?.text ?? "no answer", code: "refused" };
  } catch (error) {
    return { error: error.message, code: "gone" };
  }
}
