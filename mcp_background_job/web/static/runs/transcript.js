// What was said and done in a run: words as a chat, thoughts and calls of tools folded, changes as diffs.
import { call } from "../shared/call.js";
import { h, text } from "../shared/dom.js";
import { bytes, clock } from "../shared/format.js";
import { asks, badge, muted, plain } from "../shared/words.js";

// Of a field that was cut: in one call, and at most.
const PIECE = 262144;
const MOST = 2 ** 20;

// A text as it was written, of which there may be much.
export function block(label, words, name = "") {
  return h("pre", { tabindex: 0, class: name, "aria-label": label }, words);
}

// The files that were changed, or would be, each with its lines.
export function diffs(changes) {
  return changes.map(({ path, kind, lines }) => h("div", {}, h("p", {}, muted(plain(kind)), " ", h("code", {}, path)), lines.length > 0 &&
    h("pre", { tabindex: 0, class: "diff", "aria-label": `Changes of ${path}` }, lines.map((line) => h("span", { class: { "+": "add", "-": "del", "@": "muted" }[line[0]] }, `${line}\n`)))));
}

export class Transcript {
  constructor(run) {
    this.run = run;
    this.element = h("div", { class: "chat" });
    this.calls = new Map();
  }

  clear() {
    this.element.replaceChildren();
    this.calls.clear();
  }

  add(entries) {
    for (const entry of entries) {
      const known = entry.id && this.calls.get(`${entry.kind} ${entry.id}`);
      if (known) known.take(entry);
      else if (MADE[entry.kind]) this.element.append(this.made(entry));
    }
  }

  made(entry) {
    const element = MADE[entry.kind](entry);
    element.classList.add(entry.kind);
    element.title = clock(entry.at);
    if (element.take) {
      this.calls.set(`${entry.kind} ${entry.id}`, element);
      element.rest = (told) => this.rest(told);
      element.take(entry);
    } else {
      element.append(...this.rest(entry));
    }
    return element;
  }

  // What shows the whole of fields that were cut.
  rest({ seq, more = [] }) {
    return more.map(([path, size]) => {
      const label = path[1].toUpperCase() + path.slice(2);
      const button = asks(`Show all of ${path.slice(1)} (${bytes(size)})`, {}, async () => {
        const all = block(label, await whole(this.run, seq, path));
        [...button.parentNode.children].find((one) => one.getAttribute("aria-label") === label)?.remove();
        button.replaceWith(all);
      });
      return button;
    });
  }
}

async function whole(run, seq, path) {
  let all = "";
  for (let offset = 0, left = true; left && offset < MOST; ) {
    const piece = await call("get_event_artifact", { run_id: run, seq, field_path: path, offset, limit: PIECE });
    all += piece.content;
    offset = piece.offset + piece.returned_bytes;
    left = piece.has_more && piece.returned_bytes > 0;
    if (left && offset >= MOST) all += "\n…";
  }
  return all;
}

const words = (tag) => ({ text: told }) => h(tag, { class: "words" }, told);

function folded(title, ...inside) {
  return h("details", {}, h("summary", {}, title), ...inside);
}

function tool() {
  const [status, code, title, inside] = [badge("running"), muted(), h("code"), h("div")];
  const element = folded(status, inside);
  element.firstChild.append(" ", title, " ", code);
  const known = {};
  element.take = (told) => {
    for (const [name, value] of Object.entries(told)) if (value) known[name] = value;
    const state = known.status ?? "running";
    status.className = `badge ${state.replace("in_progress", "running")}`;
    text(status, plain(state));
    text(title, known.title);
    text(code, known.code ? `exit ${known.code}` : "");
    const { title: asked, input, output } = known;
    inside.replaceChildren(...[asked.includes("\n") && block("Command", asked), input && block("Input", input), output && block("Output", output), ...element.rest(known)].filter(Boolean));
    if (!inside.firstChild) inside.append(muted("It gave no output."));
  };
  return element;
}

const MADE = {
  spoken: words("div"),
  told: words("div"),
  asked: words("div"),
  warned: words("p"),
  thought: ({ text: told }) => folded(muted("Thought: ", told.slice(0, 100)), h("div", { class: "words" }, told)),
  call: tool,
  change: ({ changes, status, text: told }) => h("div", {}, status === "failed" && badge("failed"), told && block("Why not", told), diffs(changes)),
  end: ({ status, text: told, stderr }) => h("div", {}, badge(status), " ", told, stderr && block("What it wrote to stderr", stderr)),
};
