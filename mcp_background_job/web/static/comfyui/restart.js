// What people do about a ComfyUI that is stuck or gone: the verdict with its evidence, and the restart.
import { call } from "../shared/call.js";
import { confirmed } from "../shared/confirm.js";
import { h } from "../shared/dom.js";
import { asks, count, titled } from "./asked.js";

const WEDGES = {
  busy_step: "One step works on and does not look at the interrupt. It may end by itself.",
  idle_hang: "A step hangs, and nothing of ComfyUI works.",
  worker_dead: "The thread that runs prompts is dead: nothing will ever run there again.",
  http_dead: "Requests are not answered: its interpreter is held, or the process is stopped.",
};

const MOST = 5;

// Shows why a prompt cannot be stopped.
export function verdict(prompt, facts) {
  return h("section", { class: "card wedge", "aria-label": `Why ${titled(prompt)} cannot be stopped` },
    h("h3", {}, h("span", { class: "badge wedged" }, "wedged"), ` ${titled(prompt)} cannot be stopped`),
    h("p", {}, WEDGES[facts.wedge] ?? ""),
    h("ul", {}, (facts.evidence ?? []).map((one) => h("li", {}, one))),
    facts.interrupts ? h("p", { class: "muted" }, `Asked to stop ${count(facts.interrupts, "time")} in ${facts.took_s} s.`) : null,
    restart(),
  );
}

// A restart that first says what it would cost.
export function restart() {
  const again = h("select", { "aria-label": "What is submitted again" },
    h("option", { value: "pending" }, "submit what waits again"),
    h("option", { value: "all" }, "what runs too"),
    h("option", { value: "none" }, "submit nothing again"),
  );
  const button = asks("Restart ComfyUI…", { danger: true }, async () => {
    const stake = await call("comfyui_page_stake");
    const { text, lost } = priceOf(stake, again.value);
    if (!(await confirmed(text, "Restart"))) return "";
    return came(await call("comfyui_page_restart", { requeue: again.value, agreed: lost }));
  });
  return h("p", { class: "buttons acts" }, button, again);
}

// Returns what a restart costs, in words, and the ids of the prompts that it loses.
function priceOf({ running = [], pending = [], of_batches: batched = [], unseen, detail }, requeue) {
  const kept = { none: [], pending, all: [...running, ...pending] }[requeue];
  const lost = [...running, ...pending].filter((one) => !kept.includes(one));
  const parts = ["Restart ComfyUI? It is killed with all that it has started, and run again as it was run."];
  parts.push(lost.length ? `Lost: ${named(lost)}.` : "No prompt is lost.");
  if (kept.length) parts.push(`Submitted again: ${named(kept)}.`);
  if (batched.length) parts.push(`Begun anew by their batches: ${named(batched)}.`);
  if (detail) parts.push(`${detail}.`);
  return { text: parts.join(" "), lost: [...lost.map((one) => one.prompt_id), ...(unseen ? ["unseen"] : [])] };
}

function named(prompts) {
  const names = prompts.slice(0, MOST).map((one) => `“${titled(one)}”`).join(", ");
  return prompts.length > MOST ? `${names} and ${prompts.length - MOST} more` : names;
}

// Returns what a start or restart came to, in words.
export function came({ status, took_s: seconds, requeued, not_requeued: refused, lost_to_restart: lost, detail }) {
  const parts = [`ComfyUI: ${status.replaceAll("_", " ")} after ${seconds} s`];
  if (requeued) parts.push(`${count(Object.keys(requeued).length, "prompt")} submitted again`);
  if (refused) parts.push(`${count(Object.keys(refused).length, "prompt")} not taken again`);
  if (lost) parts.push(`${count(lost.length, "prompt")} lost`);
  return [...parts, detail].filter(Boolean).join("; ");
}
