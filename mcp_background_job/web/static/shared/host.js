// The way through a host (MCP Apps): JSON-RPC by postMessage with whoever has put this page into a frame.

export const inHost = window.parent !== window;

export function toolsCall() {
  throw new Error("not yet");
}
