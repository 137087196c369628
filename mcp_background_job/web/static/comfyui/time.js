// Ages that go on while nothing else changes.
import { h } from "../shared/dom.js";
import { age, clock } from "../shared/format.js";

// An element that says how long ago a moment (seconds since the epoch) is; its tooltip says when.
export function ago(moment) {
  if (!moment) return null;
  const iso = new Date(moment * 1000).toISOString();
  return h("time", { datetime: iso, title: clock(moment), class: "muted" }, age(moment));
}

// Has all ages below an element go on; returns what ends that.
export function ticking(root) {
  const timer = setInterval(() => {
    for (const one of root.querySelectorAll("time")) one.textContent = age(one.dateTime);
  }, 1000);
  return () => clearInterval(timer);
}
