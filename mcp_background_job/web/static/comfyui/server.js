// ComfyUI itself: whether it answers or why not, what it holds, and what can be done with all of its queue.
import { h } from "../shared/dom.js";
import { href } from "../shared/route.js";
import { badge, muted } from "../shared/words.js";
import { restart } from "./restart.js";
import { does } from "./words.js";

// Label, when it is offered, action, arguments, and what is asked before.
const ACTS = [
  ["Start ComfyUI", ({ why, runs_here: runs, starting }) => why === "refused" && !runs && !starting, "start_comfyui", {}],
  ["Pause the queue", ({ reachable, paused }) => reachable && !paused, "comfyui_batch", { action: "pause" }],
  ["Resume the queue", ({ reachable, paused }) => reachable && paused, "comfyui_batch", { action: "resume" }],
  ["Cancel all pending", waits, "comfyui_cancel_job", { pending_only: true }, "Cancel all that waits, of batches too? What runs goes on."],
  ["Cancel everything", (facts) => waits(facts) && facts.running.length, "comfyui_cancel_job", { clear_pending: true },
    "Cancel what runs, and all that waits, of batches too?"],
  ["Free memory", ({ reachable }) => reachable, "comfyui_free", {}, "Unload all models, and free what ComfyUI holds, once nothing runs?"],
];

function waits({ reachable, pending, waiting, batches }) {
  return reachable && (pending.length || waiting || batches.some((one) => !one.is_over));
}

// Makes what shows the server: an element with take(facts). Buttons stay, whatever changes around them.
export function server() {
  const state = h("div");
  const list = h("ul");
  const held = h("details", {}, h("summary", {}, "Memory and process"), list);
  const buttons = ACTS.map(([label, , action, args, question]) => does(label, { question }, action, args));
  const how = restart();
  const again = h("details", {}, h("summary", {}, "Restart"), how);
  const element = h("section", { "aria-label": "Server" }, state, held, h("p", { class: "buttons acts" }, buttons), again);
  let before = "";
  element.take = (facts) => {
    ACTS.forEach(([, when], at) => (buttons[at].hidden = !when(facts)));
    again.hidden = !facts.servers.length;
    how.take(facts.servers);
    again.open ||= !facts.reachable;
    held.hidden = !facts.held.length;
    const told = JSON.stringify({ ...facts, running: 0, pending: 0, batches: 0 });
    if (told === before) return;
    before = told;
    state.replaceChildren(...stateOf(facts).filter(Boolean));
    list.replaceChildren(...facts.held.map((one) => h("li", {}, one)));
  };
  return element;
}

function stateOf({ reachable: up, starting, url = "", version, paused, alerts, job, runs_here: runs }) {
  const state = up ? ["completed", "reachable"] : starting ? ["running", "starting"] : ["unreachable"];
  return [
    h("p", {}, badge(...state), " ", h("span", { class: "code" }, url),
      version && ` version ${version} `, paused && badge("paused", "queue paused")),
    ...alerts.map((one) => h("p", { class: "warning", role: "alert" }, one)),
    starting ? h("p", {}, "It runs and does not answer yet: ", h("a", { href: href("jobs", starting) }, "its log")) : job && !runs && h("p", {}, muted(job)),
  ];
}
