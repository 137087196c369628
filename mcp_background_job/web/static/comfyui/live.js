// How far a prompt is: a bar for it and one for each node that runs, and the newest preview.
import { h, keyed, set, text } from "../shared/dom.js";
import { watch } from "../shared/watch.js";

const STATES = { cached: "from the cache", done: "done", running: "runs", waiting: "waits" };

class ComfyuiLive extends HTMLElement {
  // Watches a prompt while the element is shown.
  of(prompt) {
    this.prompt = prompt;
    this.image = h("img", { alt: "", class: "preview", hidden: true });
    this.whole = h("progress", { "aria-label": "Nodes that are done", max: 1, value: 0 });
    this.words = h("p", { class: "muted" });
    this.running = h("ul", { class: "nodes" });
    this.all = h("ul", { class: "nodes" });
    const nodes = h("details", {}, h("summary", {}, "All nodes"), this.all);
    this.replaceChildren(this.image, h("div", {}, this.whole, this.words, this.running, nodes));
    this.update(prompt);
    return this;
  }

  connectedCallback() {
    this.stop = watch("comfyui_live", { prompt_id: this.prompt.prompt_id }, (facts) => this.take(facts));
  }

  disconnectedCallback() {
    this.stop();
  }

  // Takes what the queue tells of it, which is all there is if its node-by-node progress goes to somebody else.
  update(prompt) {
    this.prompt = prompt;
    if (!this.heard) text(this.words, prompt.progress ?? "begun");
  }

  take({ heard, done, total, nodes, preview }) {
    this.heard = heard;
    this.whole.hidden = !heard;
    if (heard) {
      text(this.words, `${done} of ${total} nodes done`);
      this.whole.value = total ? done / total : 0;
    }
    keyed(this.running, nodes.filter((one) => one.state === "running"), (one) => one.id, nodeRow, moveNode);
    keyed(this.all, nodes, (one) => one.id, nodeRow, moveNode);
    if (preview) {
      const of = nodes.find((one) => one.id === preview.node);
      set(this.image, "src", preview.image);
      set(this.image, "alt", `Preview of ${of?.name ?? "the running node"}`);
      this.image.hidden = false;
    }
  }
}

function nodeRow({ id, name, kind }) {
  const row = h("li", {}, h("span", { class: "name", title: kind && `${kind}, node ${id}` }, name ?? `node ${id}`));
  row.bar = h("progress", { "aria-label": `Steps of ${name ?? id}` });
  row.state = h("span", { class: "muted" });
  row.append(row.bar, row.state);
  return row;
}

function moveNode(row, { state, step, steps }) {
  row.bar.hidden = !steps;
  if (steps) {
    row.bar.max = steps;
    row.bar.value = step;
  }
  row.className = state;
  text(row.state, steps ? `${step} / ${steps}` : STATES[state]);
}

customElements.define("comfyui-live", ComfyuiLive);

// Makes the element for a prompt.
export function live(prompt) {
  return document.createElement("comfyui-live").of(prompt);
}
