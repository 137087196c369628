// How far a prompt is: a bar for it and one for each node that runs, and the newest preview.
import { h, keyed, text } from "../shared/dom.js";
import { watch } from "../shared/watch.js";
import { muted } from "../shared/words.js";

class ComfyuiLive extends HTMLElement {
  connectedCallback() {
    this.stop = watch("comfyui_live", { prompt_id: this.prompt.prompt_id }, (facts) => this.move(facts));
  }

  disconnectedCallback() {
    this.stop();
  }

  // Takes what the queue tells of it, which is all there is if its progress goes to somebody else.
  take(prompt) {
    if (!this.heard) text(this.words, prompt.progress ?? "started");
  }

  move({ heard, done, total, nodes, preview }) {
    this.heard = heard;
    this.whole.hidden = !heard;
    if (heard) {
      text(this.words, `${done} of ${total} nodes done`);
      this.whole.value = done / total;
    }
    keyed(this.running, nodes.filter((one) => one.state === "running"), (one) => one.id, nodeRow, moveNode);
    keyed(this.all, nodes, (one) => one.id, nodeRow, moveNode);
    if (preview) {
      this.image.src = preview.image;
      this.image.alt = `Preview of ${nodes.find((one) => one.id === preview.node)?.name ?? "the running node"}`;
      this.image.hidden = false;
    }
  }
}

customElements.define("comfyui-live", ComfyuiLive);

// Makes the element for a prompt; it watches while it is shown.
export function live(prompt) {
  const element = document.createElement("comfyui-live");
  const parts = {
    prompt,
    image: h("img", { alt: "", class: "preview", hidden: true }),
    whole: h("progress", { "aria-label": "Nodes that are done", value: 0 }),
    words: h("p", { class: "muted" }, prompt.progress),
    running: h("ul"),
    all: h("ul"),
  };
  const { image, whole, words, running, all } = Object.assign(element, parts);
  element.append(image, h("div", {}, whole, words, running, h("details", {}, h("summary", {}, "All nodes"), all)));
  return element;
}

function nodeRow({ id, name = `node ${id}`, kind }) {
  const row = h("li", { class: "entry" }, h("span", { class: "title", title: kind && `${kind}, node ${id}` }, name));
  row.bar = h("progress", { "aria-label": `Steps of ${name}` });
  row.state = muted();
  row.append(row.bar, row.state);
  return row;
}

function moveNode(row, { state, step, steps }) {
  row.bar.hidden = !steps;
  row.bar.max = steps ?? 1;
  row.bar.value = step ?? 0;
  text(row.state, steps ? `${step} / ${steps}` : state);
}
