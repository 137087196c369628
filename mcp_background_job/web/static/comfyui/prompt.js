// One prompt: all that it made, or the node, exception and traceback that ended it.
import { call } from "../shared/call.js";
import { h } from "../shared/dom.js";
import { clock, duration } from "../shared/format.js";
import { href } from "../shared/route.js";
import { titled } from "./asked.js";
import { captionOf, picture } from "./picture.js";

// Shows a prompt in an element.
export async function prompt(element, id) {
  element.replaceChildren(back(), h("p", { class: "muted", role: "status" }, "Looking…"));
  let shown;
  try {
    shown = all(await call("comfyui_page_prompt", { prompt_id: id }), id);
  } catch (error) {
    shown = [h("p", { role: "alert" }, error.message)];
  }
  element.replaceChildren(back(), ...shown);
}

function back() {
  return h("p", {}, h("a", { href: href("comfyui") }, "Back to ComfyUI"));
}

function all(facts, id) {
  const { status, reason, error, outputs = [], shown = [], submitted_at: at, duration_s: took, client, batch_id: batch } = facts;
  return [
    h("h1", {}, titled({ ...facts, prompt_id: id }), " ", h("span", { class: `badge ${status}` }, status.replaceAll("_", " "))),
    h("p", { class: "muted" }, [`prompt ${id}`, at && `submitted ${clock(at)}`, client && `by ${client}`, took && `took ${duration(took)}`]
      .filter(Boolean).join(" · "), batch ? [" · ", h("a", { href: href("comfyui", "", { batch }) }, `batch ${batch}`)] : null),
    reason ? h("p", {}, reason) : null,
    facts.progress ? h("p", {}, facts.progress) : null,
    error ? failure(error) : null,
    facts.advice ? h("p", { class: "warning" }, facts.advice) : null,
    facts.from_cache ? h("p", { class: "muted" }, "All of it came from the cache: no node ran.") : null,
    h("div", { class: "whole" }, outputs.map((one) => figure(id, one))),
    shown.map((one) => h("section", { class: "card" }, h("h2", {}, one.name ?? `node ${one.node}`), h("pre", { tabindex: 0 }, one.text),
      one.length > one.text.length ? h("p", { class: "muted" }, `the first ${one.text.length} of ${one.length} characters`) : null)),
    facts.more_made ? h("p", { class: "muted" }, `and ${facts.more_made} more`) : null,
  ].flat().filter(Boolean);
}

function failure({ type, message, name, kind, node_id: node, traceback = [] }) {
  return h("section", { class: "card", "aria-label": "Error" },
    h("h2", {}, name ? `${name} failed` : "It failed", node ? h("span", { class: "muted" }, ` ${kind ?? ""} node ${node}`) : null),
    h("p", { class: "cause" }, h("strong", {}, type), ": ", message),
    traceback.length ? h("pre", { tabindex: 0, "aria-label": "Traceback" }, traceback.join("\n")) : null,
  );
}

function figure(id, output) {
  return h("figure", {}, picture(id, output, false), h("figcaption", {}, captionOf(output), output.type === "temp" ? " (temporary)" : ""));
}
