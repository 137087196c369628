// Words and small parts that several pages use.
import { confirmed } from "./confirm.js";
import { h } from "./dom.js";
import { age, clock } from "./format.js";
import { say } from "./say.js";

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

export function plain(word) {
  return word.replaceAll("_", " ");
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
