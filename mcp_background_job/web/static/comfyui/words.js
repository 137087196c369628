// Words and small parts that all of the page uses.
import { call } from "../shared/call.js";
import { confirmed } from "../shared/confirm.js";
import { h } from "../shared/dom.js";
import { age, clock } from "../shared/format.js";
import { say } from "../shared/say.js";

// A button that does something when it is pressed, after a question if there is one, and tells what came of it.
// It stays in reach of the keyboard meanwhile, and a second press does nothing.
export function asks(label, { question, verb = label, about = "" }, act) {
  const button = h("button", { type: "button", class: question && "danger", "aria-label": about && `${label}: ${about}` }, label);
  button.onclick = async () => {
    if (button.ariaBusy || (question && !(await confirmed(question, verb)))) return;
    button.ariaBusy = "true";
    try {
      say((await act()) ?? "");
    } catch (error) {
      say(error.message);
    }
    button.ariaBusy = null;
  };
  return button;
}

// The same, where an action is all that is done; onFacts is given what it tells.
export function does(label, how, action, args, onFacts = () => {}) {
  return asks(label, how, async () => {
    const facts = await call(action, args);
    onFacts(facts);
    return [how.about, outcome(facts)].filter(Boolean).join(": ");
  });
}

function outcome({ status, detail, cancel_summary: end, dropped_pending: dropped, canceled_unsent: unsent, not_dropped: kept }) {
  if (end) return `${plain(end.mode)}: ${end.canceled_pending} pending canceled`;
  const counts = [dropped && `taken out of the queue: ${dropped.length}`, unsent && `never sent: ${unsent}`, kept && `not taken out: ${kept.join(", ")}`];
  return [plain(status), detail, ...counts].filter(Boolean).join("; ");
}

export function plain(word) {
  return word.replaceAll("_", " ");
}

// What people call a prompt: its note, or the begin of its id; in a batch all have one note.
export function titled({ note, prompt_id: id, place }) {
  return (note || id.slice(0, 8)) + (place === undefined ? "" : `, no. ${place + 1}`);
}

export function muted(...children) {
  return h("span", { class: "muted" }, ...children);
}

export function badge(word, told = plain(word)) {
  return h("span", { class: `badge ${word}` }, told);
}

// How long ago a moment (seconds since the epoch) is; its tooltip says when.
export function ago(moment) {
  return moment && h("time", { datetime: new Date(moment * 1000).toISOString(), title: clock(moment), class: "muted" }, age(moment));
}

// Has the ages below an element go on; returns what ends that.
export function ticking(root) {
  const timer = setInterval(() => root.querySelectorAll("time").forEach((one) => (one.textContent = age(one.dateTime))), 1000);
  return () => clearInterval(timer);
}
