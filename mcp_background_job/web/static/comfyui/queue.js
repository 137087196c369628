// What runs and what waits, in groups: single prompts, and each batch with its counts.
import { h, keyed, set, text } from "../shared/dom.js";
import { href } from "../shared/route.js";
import { ago, badge, muted } from "../shared/words.js";
import { live } from "./live.js";
import { does, titled } from "./words.js";

// What can be done with a batch. Both ways to cancel say what becomes of what runs: nobody stops more than he means to.
const ACTS = {
  pause: ["Pause", {}],
  resume: ["Resume", {}],
  cancel: ["Cancel after the current", {}, "Pending prompts will never run; what runs comes to its end."],
  interrupt: ["Cancel now", { action: "cancel", interrupt: true }, "What of it runs is stopped."],
  retry_failed: ["Retry failed", {}],
};

const WORDS = { succeeded: "completed", canceled: "cancelled", canceling: "cancelled" };

// Makes what shows the queue: an element with take(facts). wedged(prompt, facts) is called with each verdict.
export function queue(wedged) {
  const groups = h("div", { class: "groups" });
  const note = h("p", { class: "muted" });
  const earlier = h("div", { class: "groups" });
  const over = h("details", {}, h("summary", {}, "Earlier batches"), earlier);
  const element = h("section", { "aria-label": "Queue" }, h("h2", {}, "Queue"), groups, note, over);
  element.take = ({ reachable, starting, running, pending, batches, waiting, more_pending: more }) => {
    const prompts = [...running.map((one) => ({ ...one, runs: true })), ...pending];
    const open = batches.filter((one) => !one.is_over);
    const ended = batches.filter((one) => one.is_over);
    const of = (batch) => ({ batch, prompts: prompts.filter((one) => one.batch_id === batch.batch_id) });
    const alone = prompts.filter((one) => !open.some((batch) => batch.batch_id === one.batch_id));
    const shown = [...(alone.length ? [{ prompts: alone }] : []), ...open.map(of)];
    keyed(groups, shown, ({ batch }) => batch?.batch_id ?? "", (one) => group(one, wedged), (made, one) => made.take(one));
    const left = [more && `${more} more wait at ComfyUI.`, waiting && `${waiting} wait until the queue is resumed.`].filter(Boolean).join(" ");
    text(note, left || (shown.length ? "" : reachable ? "Nothing runs, and nothing waits." : starting ? "" : "Unknown."));
    over.hidden = !ended.length;
    keyed(earlier, ended, (one) => one.batch_id, batchHead, (made, one) => made.take(one));
  };
  return element;
}

function group({ batch }, wedged) {
  const head = batch && batchHead(batch);
  const rows = h("ul", { class: "queued" });
  const element = h("article", { class: "card", "aria-label": batch ? `Batch ${batch.note ?? batch.batch_id}` : "Single prompts" }, head, rows);
  element.take = (now) => {
    head?.take(now.batch);
    keyed(rows, now.prompts, (one) => `${one.prompt_id} ${one.runs}`, (one) => row(one, wedged), (made, one) => made.take(one));
  };
  return element;
}

function row(prompt, wedged) {
  const { prompt_id: id, runs, submitted_at: at, client } = prompt;
  const about = titled(prompt);
  const place = badge(runs ? "running" : "");
  const shown = runs && live(prompt);
  const buttons = runs
    ? [does("Cancel", { about, verb: "Stop it", question: `Stop “${about}”, which runs?` }, "comfyui_cancel_job", { prompt_id: id },
        (facts) => facts.status === "wedged" && wedged(prompt, facts))]
    : [does("To the front", { about }, "comfyui_cancel_queued_job", { prompt_id: id, move: "front" }),
        does("Cancel", { about, verb: "Take it out", question: `Take “${about}” out of the queue?` }, "comfyui_cancel_queued_job", { prompt_id: id })];
  const element = h("li", {}, line(place, h("a", { href: href("comfyui", id), title: id }, about), at, client ?? "somebody else", buttons), shown);
  element.take = (now) => (runs ? shown.take(now) : text(place, `waits for ${now.position}`));
  return element;
}

function line(state, link, at, client, buttons) {
  return h("div", { class: "entry" }, state, link, ago(at), muted(`by ${client}`), h("span", { class: "buttons acts" }, buttons));
}

// Shows a batch: what it is, how far, and what can be done with it.
function batchHead({ batch_id: id, note, client, created_at: at }) {
  const state = badge("");
  const bar = h("progress", { "aria-label": "Prompts that are over" });
  const counted = h("span");
  const trouble = h("p", { class: "warning" });
  const about = note || id;
  const buttons = Object.entries(ACTS).map(([action, [label, args, ends]]) =>
    does(label, { about, question: ends && `Cancel “${about}”? ${ends}` }, "comfyui_batch", { batch_id: id, action, ...args }));
  const link = h("a", { href: href("comfyui", "", { batch: id }), title: `What ${id} has made` }, about);
  const element = h("div", { class: "batch" }, line(state, link, at, client ?? "somebody", buttons), bar, counted, trouble);
  element.take = ({ status, over, total, told, acts, trouble: wrong = "" }) => {
    set(state, "class", `badge ${WORDS[status] ?? status}`);
    text(state, status);
    bar.max = total;
    bar.value = over;
    text(counted, told);
    text(trouble, wrong);
    Object.keys(ACTS).forEach((one, place) => (buttons[place].hidden = !acts.includes(one)));
  };
  return element;
}
