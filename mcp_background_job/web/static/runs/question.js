// What a run asks, and the task that it can go on with: what a person answers.
import { call } from "../shared/call.js";
import { confirmed } from "../shared/confirm.js";
import { h } from "../shared/dom.js";
import { go } from "../shared/route.js";
import { asks } from "../shared/words.js";
import { block, diffs } from "./transcript.js";

// Tells a run something: data, words, or both.
async function tell({ run_id: id, agent }, data, words) {
  const parts = [data && { type: "data", data }, words.trim() && { type: "text", text: words }].filter(Boolean);
  const { mode, run_id: next } = await call("continue_run", { run_id: id, input_message: { role: "user", parts } });
  if (mode === "resume") go("runs", next);
  return mode === "resume" ? `${agent} goes on as ${next}` : `${agent} was told`;
}

function field(label) {
  const area = h("textarea", { rows: 2, "aria-label": label, placeholder: label });
  area.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) area.parentNode.querySelector(".primary")?.click();
  });
  return area;
}

// Makes the card with what is asked.
export function question(run, asked) {
  const { seq, text, choices, fields, takes_text: takesText, input, changes, name } = asked;
  const area = field(takesText ? "Your answer" : "Words to go with your choice");
  const buttons = choices.map(({ label, about, denies, data }) => {
    const button = asks(label, {}, () => tell(run, data, takesText ? "" : area.value));
    button.title = about;
    button.classList.toggle("danger", denies);
    return button;
  });
  const sets = fields.map((one, at) => several(one, `${seq}-${at}`));
  const send = asks("Send", {}, () => tell(run, sets.length ? { ...name, answers: Object.fromEntries(sets.map((set) => set.answer())) } : name, area.value));
  send.classList.add("primary");
  return h("section", { class: "card question", "aria-label": "Question" }, h("h2", {}, `${run.agent} asks`), h("p", { class: "words" }, text),
    diffs(changes), input && block("What it would do", input), sets.map((set) => set.element),
    h("div", { class: "buttons acts" }, buttons, !sets.length && area, (takesText || sets.length > 0) && send));
}

// One of several questions, with what can be chosen and what can be said instead.
function several({ question: asked, options, several: many }, name) {
  const boxes = options.map(({ label }) => h("input", { type: many ? "checkbox" : "radio", name, value: label }));
  const other = h("input", { "aria-label": `Another answer: ${asked}`, placeholder: "Another answer" });
  const element = h("fieldset", {}, h("legend", {}, asked),
    options.map(({ label, about }, at) => h("label", {}, boxes[at], " ", label, about && h("span", { class: "muted" }, ` ${about}`))), other);
  const answer = () => {
    const chosen = boxes.filter((box) => box.checked).map((box) => box.value);
    const words = other.value.trim();
    return [asked, many ? [...chosen, ...(words ? [words] : [])] : words || chosen[0]];
  };
  return { element, answer };
}

// Makes what goes on after the end of a run.
export function next(run) {
  const area = field("What to do next");
  const send = asks("Go on", {}, async () => {
    const free = `Let ${run.agent} go on in ${run.cwd} with full access, unasked and without a sandbox?`;
    if (!area.value.trim()) return "Say what is to be done next.";
    return run.full_access && !(await confirmed(free, "Go on")) ? "" : tell(run, null, area.value);
  });
  send.classList.add("primary");
  return h("div", { class: "buttons acts next" }, area, send);
}
