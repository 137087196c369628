// What runs and what waits, in groups: single prompts, and each batch with its counts.
import { call } from "../shared/call.js";
import { h, keyed, set, text } from "../shared/dom.js";
import { href } from "../shared/route.js";
import { asks, cancelled, titled } from "./asked.js";
import { live } from "./live.js";
import { ago } from "./time.js";

const COUNTS = ["running", "pending", "failed", "canceled"];

// Makes what shows the queue: an element with take(facts). wedged(prompt, facts) is called with each verdict.
export function queue(wedged) {
  const groups = h("div", { class: "groups" });
  const empty = h("p", { class: "muted" }, "Nothing runs, and nothing waits.");
  const more = h("p", { class: "muted" });
  const element = h("section", { "aria-label": "Queue" }, h("h2", {}, "Queue"), empty, groups, more);
  element.take = (facts) => {
    const { running = [], pending = [], batches = [], waiting = 0, more_pending: left = 0 } = facts;
    element.hidden = !facts.reachable && !batches.length;
    const known = new Set(batches.map((one) => one.batch_id));
    const prompts = [...running.map((one) => ({ ...one, runs: true })), ...pending];
    const alone = prompts.filter((one) => !known.has(one.batch_id));
    const open = batches.filter((one) => !one.ended_at || prompts.some((prompt) => prompt.batch_id === one.batch_id));
    const shown = open.map((batch) => ({ batch, prompts: prompts.filter((one) => one.batch_id === batch.batch_id) }));
    if (alone.length) shown.unshift({ batch: null, prompts: alone });
    keyed(groups, shown, ({ batch }) => batch?.batch_id ?? "", group, (one, { batch, prompts: own }) => one.take(batch, own, wedged));
    empty.hidden = shown.length > 0 || !facts.reachable;
    const parts = [];
    if (left) parts.push(`${left} more wait in ComfyUI's queue.`);
    if (waiting) parts.push(`${waiting} wait until the queue is resumed.`);
    text(more, parts.join(" "));
  };
  return element;
}

function group({ batch }) {
  const head = h("div", { class: "head" });
  const rows = h("ul", { class: "rows" });
  const element = h("article", { class: "card group", "aria-label": batch ? `Batch ${batch.note ?? batch.batch_id}` : "Single prompts" }, head, rows);
  let bar = null;
  element.take = (now, prompts, wedged) => {
    if (now) {
      bar ??= batchHead(now);
      if (!bar.isConnected) head.append(bar);
      bar.take(now);
    }
    keyed(rows, prompts, (one) => `${one.prompt_id}${one.runs ? "!" : ""}`, (one) => row(one, wedged), (one, prompt) => one.take?.(prompt));
  };
  return element;
}

function row(prompt, wedged) {
  const { prompt_id: id, runs, submitted_at: at, client } = prompt;
  const about = titled(prompt);
  const line = h("div", { class: "line" },
    h("span", { class: `badge ${runs ? "running" : ""}` }, runs ? "runs" : ""),
    h("a", { href: href("comfyui", id), title: id }, about),
    ago(at), h("span", { class: "muted" }, client ? `by ${client}` : "by somebody else"),
  );
  const element = h("li", {}, line);
  if (runs) {
    const shown = live(prompt);
    element.append(shown);
    element.take = (now) => shown.update(now);
  } else {
    element.take = ({ position }) => text(line.firstChild, `no. ${position}`);
  }
  line.append(h("span", { class: "buttons acts" }, runs ? null : toFront(id, about), cancelOne(prompt, about, wedged)));
  return element;
}

function toFront(id, about) {
  return asks("To the front", { about }, async () => {
    const { detail } = await call("comfyui_cancel_queued_job", { prompt_id: id, move: "front" });
    return `${about}: ${detail}`;
  });
}

function cancelOne(prompt, about, wedged) {
  const { prompt_id: id, runs } = prompt;
  const question = runs ? `Stop “${about}”, which runs?` : `Take “${about}” out of the queue?`;
  return asks("Cancel", { about, danger: true, question, verb: runs ? "Stop it" : "Take it out" }, async () => {
    const facts = await call(runs ? "comfyui_cancel_job" : "comfyui_cancel_queued_job", { prompt_id: id });
    if (facts.status === "wedged") wedged(prompt, facts);
    return `${about}: ${cancelled(facts)}`;
  });
}

// Shows a batch: what it is, how far, and what can be done with it.
export function batchHead({ batch_id: id, note, client, created_at: at }) {
  const badge = h("span", { class: "badge" });
  const bar = h("progress", { "aria-label": "Prompts of the batch that are over" });
  const counts = h("span", { class: "counts" });
  const trouble = h("p", { class: "warning" });
  const buttons = h("span", { class: "buttons acts" });
  const element = h("div", { class: "batch" },
    h("div", { class: "line" }, badge, h("a", { href: href("comfyui", "", { batch: id }), title: `what ${id} has made` }, note || id),
      ago(at), client ? h("span", { class: "muted" }, `by ${client}`) : null, buttons),
    bar, counts, trouble,
  );
  let offered = "";
  element.take = (batch) => {
    const done = batch.counts.succeeded + batch.counts.failed + batch.counts.canceled;
    const total = done + batch.counts.running + batch.counts.pending;
    set(badge, "class", `badge ${WORDS[batch.status] ?? batch.status}`);
    text(badge, batch.status);
    bar.max = total || 1;
    bar.value = done;
    const parts = COUNTS.filter((one) => batch.counts[one]).map((one) => `${batch.counts[one]} ${one}`);
    text(counts, [`${done} of ${total} done`, ...parts].join(" · "));
    text(trouble, batch.trouble ?? "");
    trouble.hidden = !batch.trouble;
    const offers = [batch.status, batch.counts.running > 0, batch.counts.failed > 0].join();
    if (offers !== offered) buttons.replaceChildren(...actsOf(batch));
    offered = offers;
  };
  return element;
}

const WORDS = { succeeded: "completed", canceled: "cancelled", canceling: "cancelled" };

// Both modes of a cancel have the names of their outcome, so that nobody stops more than he means to.
function actsOf({ batch_id: id, note, status, counts }) {
  const about = note || id;
  const act = (action, more = {}) => async () => {
    const facts = await call("comfyui_batch", { batch_id: id, action, ...more });
    return facts.detail ?? `${about}: ${facts.status}`;
  };
  const acts = [];
  if (["pending", "running"].includes(status)) acts.push(asks("Pause", { about }, act("pause")));
  if (status === "paused") acts.push(asks("Resume", { about }, act("resume")));
  if (["pending", "running", "paused"].includes(status)) {
    acts.push(asks("Cancel the rest", { about, danger: true, verb: "Cancel the rest",
      question: `Cancel “${about}”? ${counts.pending} pending prompts will never run; what runs comes to its end.` }, act("cancel")));
  }
  if (counts.running && status !== "paused") {
    acts.push(asks("Stop now", { about, danger: true, verb: "Stop it now",
      question: `Cancel “${about}”, and stop what of it runs?` }, act("cancel", { interrupt: true })));
  }
  if (counts.failed && !status.startsWith("cancel")) {
    acts.push(asks("Retry failed", { about }, act("retry_failed")));
  }
  return acts;
}
