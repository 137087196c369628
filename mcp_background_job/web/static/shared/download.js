// Has something saved as a file.
import { call, CallError } from "./call.js";
import { h } from "./dom.js";
import { inHost } from "./host.js";

// Saves what the server knows under a name; says so if it cannot be had.
export async function download(name, args = {}) {
  if (inHost) throw new CallError("A chat saves no files: run mcp-background-job dashboard, and download it there.", "in_chat");
  const found = await call("download", { name, args });
  h("a", { href: found.path, download: found.name }).click();
}
