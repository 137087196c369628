// ComfyUI itself: whether it answers or why not, what it holds, and what can be done with all of its queue.
import { call } from "../shared/call.js";
import { h } from "../shared/dom.js";
import { asks, cancelled, count } from "./asked.js";
import { came, restart } from "./restart.js";
import { ago } from "./time.js";

// Makes what shows the server: an element with take(facts). Buttons stay, whatever changes around them.
export function server() {
  let now = { running: [], pending: [], batches: [] };
  const rest = () => {
    const open = now.batches.filter((one) => !one.ended_at).length;
    return count(now.pending.length + now.more_pending, "pending prompt") + (open ? `, and what ${count(open, "batch", "batches")} had yet to send` : "");
  };
  const turn = (action) => async () => (await call("comfyui_batch", { action })).detail;
  const cancel = (args) => async () => cancelled(await call("comfyui_cancel_job", args));
  const state = h("div");
  const list = h("ul");
  const held = h("details", {}, h("summary", {}, "Memory and process"), list);
  const start = asks("Start ComfyUI", {}, async () => came(await call("start_comfyui")));
  const pause = asks("Pause the queue", {}, turn("pause"));
  const resume = asks("Resume the queue", {}, turn("resume"));
  const pending = asks("Cancel all pending", { danger: true, verb: "Cancel them", question: () => `Cancel ${rest()}? What runs goes on.` }, cancel({ pending_only: true }));
  const all = asks("Cancel everything", { danger: true, question: () => `Cancel what runs, and ${rest()}?` }, cancel({ clear_pending: true }));
  const free = asks("Free memory", { verb: "Free it", question: "Unload all models, and free what ComfyUI holds? It takes effect when nothing runs." },
    async () => (await call("comfyui_free")).detail);
  const again = h("details", {}, h("summary", {}, "Restart"), restart());
  const element = h("section", { "aria-label": "Server" }, state, held, h("p", { class: "buttons acts" }, start, pause, resume, pending, all, free), again);
  let before = "";
  element.take = (facts) => {
    now = { running: [], pending: [], batches: [], more_pending: 0, ...facts };
    const { reachable: up, why, process, paused, waiting } = now;
    const waits = now.pending.length || waiting || now.batches.some((one) => !one.ended_at);
    start.hidden = up || why !== "refused" || process;
    pause.hidden = !up || paused;
    resume.hidden = !up || !paused;
    pending.hidden = !up || !waits;
    all.hidden = !up || !waits || !now.running.length;
    free.hidden = !up;
    again.hidden = !process;
    held.hidden = !process && !now.ram;
    if (["silent", "dropped", "broken"].includes(why)) again.open = true;
    const told = JSON.stringify({ ...now, running: 0, pending: 0, batches: 0 });
    if (told === before) return;
    before = told;
    state.replaceChildren(...stateOf(now));
    list.replaceChildren(...heldBy(now));
  };
  return element;
}

function stateOf({ reachable: up, url, detail, version, paused, warnings = [], crash, unfinished, job, process }) {
  const alerts = [!up && detail, crash, ...warnings].filter(Boolean);
  return [
    h("p", {}, h("span", { class: `badge ${up ? "completed" : "unreachable"}` }, up ? "reachable" : "unreachable"), " ",
      h("span", { class: "code" }, url ?? ""), version ? ` version ${version} ` : " ", paused && h("span", { class: "badge paused" }, "queue paused")),
    ...alerts.map((one) => h("p", { class: "warning", role: "alert" }, one)),
    up ? "" : h("p", {}, "What it runs is unknown, which does not mean that nothing does. ",
      unfinished && `${count(unfinished.length, "prompt")} had not ended when it last answered.`),
    job && !process ? h("p", { class: "muted" }, job) : "",
  ];
}

function heldBy({ ram, vram = [], process, gpu_memory: gpu = [] }) {
  const lines = [...vram, ram && `RAM: ${ram}`, ...[gpu].flat()].filter(Boolean).map((one) => h("li", {}, one));
  return process ? [...lines, h("li", {}, `process ${process.pid}: ${process.started_by}; `, ago(process.started_at), process.state && `; ${process.state}`)] : lines;
}
