// ComfyUI itself: whether it answers or why not, what it holds, and what can be done with all of its queue.
import { call } from "../shared/call.js";
import { h } from "../shared/dom.js";
import { restart } from "./restart.js";
import { ago, asks, badge, cancelled, muted } from "./words.js";

// Makes what shows the server: an element with take(facts). Buttons stay, whatever changes around them.
export function server() {
  let now = {};
  let before = "";
  const rest = () => `${now.pending.length + now.more_pending + now.waiting} pending prompts, and what batches have yet to send`;
  const turn = (action) => async () => (await call("comfyui_batch", { action })).detail;
  const cancel = (args) => async () => cancelled(await call("comfyui_cancel_job", args));
  const state = h("div");
  const list = h("ul");
  const held = h("details", {}, h("summary", {}, "Memory and process"), list);
  const start = asks("Start ComfyUI", {}, async () => `ComfyUI: ${(await call("start_comfyui")).status}`);
  const pause = asks("Pause the queue", {}, turn("pause"));
  const resume = asks("Resume the queue", {}, turn("resume"));
  const pending = asks("Cancel all pending", { danger: true, question: () => `Cancel ${rest()}? What runs goes on.` }, cancel({ pending_only: true }));
  const all = asks("Cancel everything", { danger: true, question: () => `Cancel what runs, ${rest()}?` }, cancel({ clear_pending: true }));
  const free = asks("Free memory", { question: () => "Unload all models, and free what ComfyUI holds, once nothing runs?" },
    async () => (await call("comfyui_free")).detail);
  const again = h("details", {}, h("summary", {}, "Restart"), restart());
  const element = h("section", { "aria-label": "Server" }, state, held, h("p", { class: "buttons acts" }, start, pause, resume, pending, all, free), again);
  element.take = (facts) => {
    now = facts;
    const { reachable: up, why, process, paused, waiting, running, pending: queued, batches } = facts;
    const waits = up && (queued.length || waiting || batches.some((one) => !one.ended_at));
    start.hidden = up || why !== "refused" || process;
    pause.hidden = !up || paused;
    resume.hidden = !up || !paused;
    pending.hidden = !waits;
    all.hidden = !waits || !running.length;
    free.hidden = !up;
    again.hidden = !process;
    again.open ||= !up;
    held.hidden = !process && !up;
    const told = JSON.stringify({ ...facts, running: 0, pending: 0, batches: 0 });
    if (told === before) return;
    before = told;
    state.replaceChildren(...stateOf(facts).filter(Boolean));
    list.replaceChildren(...heldBy(facts));
  };
  return element;
}

function stateOf({ reachable: up, url = "", detail, version, paused, warnings = [], crash, unfinished = [], job, process }) {
  const alerts = [!up && detail, crash, ...warnings].filter(Boolean);
  return [
    h("p", {}, badge(up ? "completed" : "unreachable", up ? "reachable" : "unreachable"), " ", h("span", { class: "code" }, url),
      version && ` version ${version} `, paused && badge("paused", "queue paused")),
    ...alerts.map((one) => h("p", { class: "warning", role: "alert" }, one)),
    !up && h("p", {}, `What it runs is unknown, which does not mean that nothing does. Without an end when it last answered: ${unfinished.length}.`),
    job && !process && h("p", {}, muted(job)),
  ];
}

function heldBy({ ram, vram = [], process, gpu_memory: gpu = [], previews }) {
  const lines = [...vram, ram && `RAM: ${ram}`, ...[gpu].flat(), previews === false && "It sends no previews: start it with --preview-method auto"];
  const shown = lines.filter(Boolean).map((one) => h("li", {}, one));
  return process ? [...shown, h("li", {}, `process ${process.pid}: ${process.started_by}; `, ago(process.started_at), process.state && `; ${process.state}`)] : shown;
}
