// Asks the server to do something, and tells what came of it.
import { confirmed } from "../shared/confirm.js";
import { h } from "../shared/dom.js";
import { say } from "../shared/say.js";

// A button that asks for an action when it is pressed, after a question if there is one, and tells what came of it.
// It stays in reach of the keyboard meanwhile, and a second press does nothing.
export function asks(label, { question, verb = label, danger = false, about = "" }, act) {
  const button = h("button", { type: "button", class: danger && "danger", "aria-label": about && `${label}: ${about}` }, label);
  button.addEventListener("click", async () => {
    if (button.ariaBusy === "true" || (question && !(await confirmed(question instanceof Function ? question() : question, verb)))) return;
    button.ariaBusy = "true";
    try {
      const told = await act();
      if (told) say(told);
    } catch (error) {
      say(error.message);
    } finally {
      button.ariaBusy = null;
    }
  });
  return button;
}

// Returns what a cancel came to, in words.
export function cancelled(facts) {
  const parts = [WORDS[facts.status] ?? facts.status, facts.detail];
  if (facts.dropped_pending?.length) parts.push(`${count(facts.dropped_pending.length, "prompt")} taken out of the queue`);
  if (facts.canceled_unsent) parts.push(`${facts.canceled_unsent} that had yet to be sent`);
  if (facts.canceled_batches?.length) parts.push(`${count(facts.canceled_batches.length, "batch", "batches")} cancelled`);
  if (facts.not_dropped?.length) parts.push(`not taken out: ${facts.not_dropped.join(", ")}`);
  return parts.filter(Boolean).join("; ");
}

const WORDS = {
  cancelled: "Cancelled",
  finished_before_cancel: "It had finished before, and its outputs are there",
  failed: "It failed by itself",
  wedged: "It cannot be stopped: see why below",
  server_died: "ComfyUI is gone, and its queue with it",
  nothing_running: "Nothing runs",
  not_found: "It is not there any more",
  running: "It runs already, and was left alone",
};

export function count(number, one, many = `${one}s`) {
  return `${number} ${number === 1 ? one : many}`;
}

// What people call a prompt: its note, or the begin of its id.
export function titled({ note, prompt_id }) {
  return note || prompt_id.slice(0, 8);
}
