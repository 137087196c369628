// What runs and what waits, in groups: single prompts, and each batch with its counts.
import { call } from "../shared/call.js";
import { h, keyed, set, text } from "../shared/dom.js";
import { href } from "../shared/route.js";
import { live } from "./live.js";
import { ago, asks, badge, cancelled, muted, plain, titled } from "./words.js";

// Makes what shows the queue: an element with take(facts). wedged(prompt, facts) is called with each verdict.
export function queue(wedged) {
  const groups = h("div", { class: "groups" });
  const note = h("p", { class: "muted" });
  const earlier = h("div", { class: "groups" });
  const over = h("details", {}, h("summary", {}, "Batches that are over"), earlier);
  const element = h("section", { "aria-label": "Queue" }, h("h2", {}, "Queue"), groups, note, over);
  element.take = ({ reachable, running = [], pending = [], batches = [], waiting, more_pending: more }) => {
    const prompts = [...running.map((one) => ({ ...one, runs: true })), ...pending];
    const open = batches.filter((one) => !one.ended_at);
    const ids = new Set(open.map((one) => one.batch_id));
    const alone = { prompts: prompts.filter((one) => !ids.has(one.batch_id)) };
    const shown = open.map((batch) => ({ batch, prompts: prompts.filter((one) => one.batch_id === batch.batch_id) }));
    if (alone.prompts.length) shown.unshift(alone);
    keyed(groups, shown, ({ batch }) => batch?.batch_id ?? "", (one) => group(one, wedged), (made, one) => made.take(one));
    const left = [more && `${more} more wait at ComfyUI.`, waiting && `${waiting} wait until the queue is resumed.`].filter(Boolean);
    text(note, shown.length || waiting ? left.join(" ") : reachable ? "Nothing runs, and nothing waits." : "Unknown.");
    const ended = batches.filter((one) => one.ended_at);
    over.hidden = !ended.length;
    keyed(earlier, ended, (one) => one.batch_id, batchHead, (made, one) => made.take(one));
  };
  return element;
}

function group({ batch }, wedged) {
  const head = batch ? batchHead(batch) : "";
  const rows = h("ul", { class: "rows" });
  const element = h("article", { class: "card", "aria-label": batch ? `Batch ${batch.note ?? batch.batch_id}` : "Single prompts" }, head, rows);
  element.take = (now) => {
    if (head) head.take(now.batch);
    keyed(rows, now.prompts, (one) => `${one.prompt_id} ${one.runs}`, (one) => row(one, wedged), (made, one) => made.take(one));
  };
  return element;
}

function row(prompt, wedged) {
  const { prompt_id: id, runs, submitted_at: at, client, place: number } = prompt;
  const about = titled(prompt) + (number === undefined ? "" : `, no. ${number + 1}`);
  const place = badge(runs ? "running" : "");
  const shown = runs ? live(prompt) : null;
  const front = runs ? null : asks("To the front", { about }, async () =>
    (await call("comfyui_cancel_queued_job", { prompt_id: id, move: "front" })).detail);
  const question = () => (runs ? `Stop “${about}”, which runs?` : `Take “${about}” out of the queue?`);
  const cancel = asks("Cancel", { about, danger: true, question, verb: runs ? "Stop it" : "Take it out" }, async () => {
    const facts = await call(runs ? "comfyui_cancel_job" : "comfyui_cancel_queued_job", { prompt_id: id });
    if (facts.status === "wedged") wedged(prompt, facts);
    return `${about}: ${cancelled(facts)}`;
  });
  const element = h("li", {},
    h("div", { class: "line" }, place, h("a", { href: href("comfyui", id), title: id }, about), ago(at),
      muted(client ? `by ${client}` : "by somebody else"), h("span", { class: "buttons acts" }, front, cancel)),
    shown);
  element.take = (now) => (shown ? shown.take(now) : text(place, `waits for ${now.position}`));
  return element;
}

// Shows a batch: what it is, how far, and what can be done with it.
function batchHead({ batch_id: id, note, client, created_at: at }) {
  const state = badge("");
  const bar = h("progress", { "aria-label": "Prompts that are over" });
  const counted = h("span");
  const trouble = h("p", { class: "warning" });
  const about = note || id;
  const act = (action, more) => async () => {
    const { cancel_summary: end, detail, status } = await call("comfyui_batch", { batch_id: id, action, ...more });
    return `${about}: ${end ? `${plain(end.mode)}: ${end.canceled_pending} pending canceled` : (detail ?? status)}`;
  };
  const pause = asks("Pause", { about }, act("pause"));
  const resume = asks("Resume", { about }, act("resume"));
  // Both ways to cancel say what becomes of what runs, so that nobody stops more than he means to.
  const rest = asks("Cancel after the current", { about, danger: true, verb: "Cancel the rest",
    question: () => `Cancel “${about}”? Pending prompts will never run; what runs comes to its end.` }, act("cancel"));
  const now = asks("Cancel now", { about, danger: true, question: () => `Cancel “${about}”, and stop what of it runs?` }, act("cancel", { interrupt: true }));
  const retry = asks("Retry failed", { about }, act("retry_failed"));
  const element = h("div", { class: "batch" },
    h("div", { class: "line" }, state, h("a", { href: href("comfyui", "", { batch: id }), title: `What ${id} has made` }, about), ago(at),
      client && muted(`by ${client}`), h("span", { class: "buttons acts" }, pause, resume, rest, now, retry)),
    bar, counted, trouble);
  element.take = ({ status, counts, trouble: wrong, is_canceling: ends }) => {
    const over = counts.succeeded + counts.failed + counts.canceled;
    const total = over + counts.running + counts.pending;
    set(state, "class", `badge ${{ succeeded: "completed", canceled: "cancelled", canceling: "cancelled" }[status] ?? status}`);
    text(state, status);
    bar.max = total;
    bar.value = over;
    const parts = ["running", "pending", "failed", "canceled"].filter((one) => counts[one]).map((one) => ` · ${counts[one]} ${one}`);
    text(counted, `${over} of ${total} over${parts.join("")}`);
    text(trouble, wrong ?? "");
    const goes = over < total && !ends;
    pause.hidden = !goes || status === "paused";
    resume.hidden = status !== "paused";
    rest.hidden = !goes;
    now.hidden = !counts.running;
    retry.hidden = !counts.failed || status.startsWith("cancel");
  };
  return element;
}
