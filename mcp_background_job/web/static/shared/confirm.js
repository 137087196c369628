// Asks before what cannot be undone.
import { h } from "./dom.js";

// Shows a question with two buttons; resolves to whether the verb was chosen. Escape is "no", and has the focus first.
export function confirmed(text, verb) {
  return new Promise((resolve) => {
    const answer = (yes) => () => {
      dialog.close();
      resolve(yes);
    };
    const no = h("button", { type: "button", onclick: answer(false) }, "Leave it");
    const yes = h("button", { type: "button", class: "danger", onclick: answer(true) }, verb);
    const question = h("p", { id: "question" }, text);
    const dialog = h("dialog", { "aria-labelledby": "question", oncancel: answer(false) }, question, h("p", { class: "buttons" }, no, yes));
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
    no.focus();
  });
}
