// One prompt: how far it is, then all that it made, or the node, exception and traceback that ended it.
import { call } from "../shared/call.js";
import { h } from "../shared/dom.js";
import { download } from "../shared/download.js";
import { clock, duration } from "../shared/format.js";
import { href } from "../shared/route.js";
import { asks, badge, muted } from "../shared/words.js";
import { live } from "./live.js";
import { captionOf, picture } from "./picture.js";
import { titled } from "./words.js";

const GOES_ON = ["pending", "in_progress"];
const AGAIN = 2000; // milliseconds

// Makes what shows one prompt: an element with show(id), and with take(facts) of the queue, by which it goes on.
export function prompt() {
  let id = "";
  let place = "";
  const element = h("div", { hidden: true });
  const look = async () => {
    const mine = id;
    let facts = {};
    let shown;
    try {
      facts = await call("comfyui_page_prompt", { prompt_id: mine });
      shown = all(facts, mine);
    } catch (error) {
      shown = [h("p", { role: "alert" }, error.message)];
    }
    if (mine !== id) return;
    element.replaceChildren(back(), ...shown.filter(Boolean));
    // It has left the queue, and its end is not known yet.
    if (!place && GOES_ON.includes(facts.status)) setTimeout(() => mine === id && element.isConnected && look(), AGAIN);
  };
  element.show = (now = "") => {
    element.hidden = !now;
    if (now === id) return;
    id = now;
    element.replaceChildren(back(), muted("Looking…"));
    if (id) look();
  };
  element.take = ({ reachable, running, pending }) => {
    const is = (list) => list.find((one) => one.prompt_id === id);
    const now = !reachable ? place : is(running) ? "runs" : (is(pending)?.position ?? "");
    if (now !== place && id) look();
    place = now;
  };
  return element;
}

function back() {
  return h("p", {}, h("a", { href: href("comfyui") }, "Back to ComfyUI"));
}

function all({ status, reason, error, advice, progress, outputs = [], shown = [], more_made: more, ...facts }, id) {
  const { note, submitted_at: at, duration_s: took, client, batch_id: batch, from_cache: cached } = facts;
  const told = [`prompt ${id}`, at && `submitted ${clock(at)}`, client && `by ${client}`, took && `took ${duration(took)}`, cached && "from the cache"];
  return [
    h("h1", {}, titled({ note, prompt_id: id }), " ", badge(status)),
    h("p", { class: "muted" }, told.filter(Boolean).join(" · "), batch && [" · ", h("a", { href: href("comfyui", "", { batch }) }, `batch ${batch}`)]),
    reason && h("p", {}, reason),
    status === "in_progress" && live({ prompt_id: id, progress }),
    error && failure(error),
    advice && h("p", { class: "warning" }, advice),
    h("div", { class: "whole" }, outputs.map((one) => figure(id, one))),
    ...shown.map((one) => h("section", { class: "card" }, h("h2", {}, one.name ?? `node ${one.node}`), h("pre", { tabindex: 0 }, one.text),
      one.length > one.text.length && muted(`the first ${one.text.length} of ${one.length} characters`))),
    more && muted(`and ${more} more`),
  ];
}

function failure({ type, message, name = "A node", kind = "", node_id: node, traceback = [] }) {
  return h("section", { class: "card", "aria-label": "Error" },
    h("h2", {}, `${name} failed `, node && muted(`${kind} node ${node}`)),
    h("p", { class: "cause" }, h("strong", {}, type), ": ", message),
    h("pre", { tabindex: 0, "aria-label": "Traceback" }, traceback.join("\n")));
}

function figure(id, one) {
  const about = captionOf(one);
  const save = asks("Save", { about }, () => download("comfyui_file", { prompt_id: id, ref: one.ref }));
  return h("figure", {}, picture(id, one, false), h("figcaption", { class: "entry" }, about, one.type === "temp" && " (temporary)", save));
}
