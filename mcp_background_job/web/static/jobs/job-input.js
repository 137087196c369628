// Input for a job that takes some: lines, keys, and for one on a terminal its screen, into which one can type.
import { h, text } from "../shared/dom.js";
import { watch } from "../shared/watch.js";
import { permit, send } from "./actions.js";

const KEYS = ["enter", "ctrl-c", "eof", "up", "down", "left", "right", "tab", "escape", "ctrl-d", "ctrl-z"];

// What a browser calls keys that a terminal calls otherwise.
const NAMES = {
  Enter: "enter", Escape: "escape", Backspace: "backspace", Delete: "delete", ArrowUp: "up", ArrowDown: "down",
  ArrowLeft: "left", ArrowRight: "right", Home: "home", End: "end", PageUp: "page-up", PageDown: "page-down", " ": "space",
};

export class JobInput {
  constructor(job_id, onTerminal) {
    this.job_id = job_id;
    // No form: the sandbox of a chat sends none.
    const entered = (event) => event.key === "Enter" && !event.isComposing && this.enter();
    this.line = h("input", { type: "text", autocomplete: "off", spellcheck: "false", onkeydown: entered });
    const keys = h("select", { "aria-label": "Key" }, ...KEYS.map((key) => h("option", {}, key)));
    this.controls = h("div", { class: "buttons" },
      h("label", {}, "Input ", this.line), h("button", { type: "button", class: "primary", onclick: () => this.enter() }, "Send"),
      keys, h("button", { type: "button", onclick: () => send(job_id, { keys: [keys.value] }) }, "Press"));
    this.element = h("section", { class: "input", "aria-label": "Input" }, this.controls);
    this.hint = h("p", { class: "muted" }, "Click it and type; Tab leaves it, and is sent by “Press”.");
    permit([["interact_with_job", this.controls], ["interact_with_job", this.hint]]); // the screen may be looked at
    this.typed = [];
    if (onTerminal) this.addScreen();
  }

  addScreen() {
    this.screen = h("pre", { class: "screen", tabindex: "0", role: "textbox", "aria-multiline": "true", "aria-readonly": "true", "aria-label": "Screen: type into it; Tab leaves it", onkeydown: (event) => this.key(event) });
    this.element.prepend(h("h2", {}, "Screen"), this.screen, this.hint);
    this.stop = watch("screen", { job_id: this.job_id }, (facts) => this.draw(facts), ({ message }) => text(this.screen, message));
  }

  close() {
    this.stop?.();
  }

  // Draws the screen with its cursor.
  draw({ text: words, row, column, over }) {
    const lines = words.split("\n");
    while (lines.length < row) lines.push("");
    const letters = Array.from(lines[row - 1].padEnd(column));
    const cursor = over ? letters[column - 1] : h("span", { class: "cursor" }, letters[column - 1]);
    const before = [...lines.slice(0, row - 1), letters.slice(0, column - 1).join("")].join("\n");
    const behind = [letters.slice(column).join("").trimEnd(), ...lines.slice(row)].join("\n");
    this.screen.replaceChildren(before, cursor, behind);
  }

  async enter() {
    const input = this.line.value;
    this.line.value = "";
    if (!(await send(this.job_id, { input })) && !this.line.value) this.line.value = input;
  }

  key(event) {
    if (this.controls.classList.contains("forbidden") || event.key === "Tab" || event.metaKey || (event.ctrlKey && event.shiftKey)) return;
    const plain = NAMES[event.key] ?? (Array.from(event.key).length === 1 ? event.key : /^F\d+$/.test(event.key) ? event.key.toLowerCase() : null);
    if (!plain) return;
    event.preventDefault();
    this.typed.push(event.ctrlKey ? `ctrl-${plain}` : event.altKey ? `alt-${plain}` : plain);
    this.press();
  }

  // Sends what was typed, in its order: what is typed meanwhile goes with the next call.
  async press() {
    if (this.pressing) return;
    this.pressing = true;
    while (this.typed.length && (await send(this.job_id, { keys: this.typed.splice(0) })));
    this.typed = [];
    this.pressing = false;
  }
}
