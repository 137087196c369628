// What people do about a ComfyUI that is stuck: the verdict with its evidence, and the restart.
import { call } from "../shared/call.js";
import { confirmed } from "../shared/confirm.js";
import { h, keyed } from "../shared/dom.js";
import { asks, badge } from "../shared/words.js";
import { titled } from "./words.js";

const WEDGES = {
  busy_step: "The interrupt did not stop the step: it works, or waits for what may still come. It may end by itself.",
  idle_hang: "The step waits for a lock that nothing will release: it will not end.",
  worker_dead: "The thread that runs prompts is dead: nothing will ever run there again.",
  http_dead: "No request is answered: its interpreter is held, or it is stopped.",
};

// Shows why a prompt cannot be stopped.
export function verdict(prompt, { wedge, evidence = [], interrupts, took_s: seconds }) {
  const why = `${titled(prompt)} cannot be stopped`;
  return h("section", { class: "card wedge", "aria-label": why },
    h("h2", {}, badge("wedged"), ` ${why}`),
    h("p", {}, WEDGES[wedge]),
    h("ul", {}, evidence.map((one) => h("li", {}, one))),
    h("p", { class: "muted" }, `Interrupts that were sent in ${seconds} s: ${interrupts ?? 0}.`),
    restart(prompt.server));
}

// A restart of a ComfyUI, or of whichever is chosen of those that take() is given; it first says what it would cost.
export function restart(one) {
  const which = h("select", { "aria-label": "Which ComfyUI", hidden: true });
  const again = h("select", { "aria-label": "What is submitted again" },
    h("option", { value: "pending" }, "and submit again what waits"),
    h("option", { value: "all" }, "and submit again all, what runs too"),
    h("option", { value: "none" }, "and submit nothing again"));
  const button = asks("Restart ComfyUI…", {}, async () => {
    const meant = { requeue: again.value, server: one ?? which.value };
    const { question, lost } = await call("comfyui_page_stake", meant);
    return (await confirmed(question, "Restart")) ? (await call("comfyui_page_restart", { ...meant, agreed: lost })).told : "";
  });
  button.className = "danger";
  const element = h("p", { class: "buttons acts" }, button, which, again);
  element.take = (servers) => {
    which.hidden = servers.length < 2;
    keyed(which, servers, (url) => url, (url) => h("option", {}, url));
  };
  return element;
}
