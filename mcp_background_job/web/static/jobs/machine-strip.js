// How busy the whole machine is, at the top of the list.
import { h, keyed, set, text } from "../shared/dom.js";
import { bytes, percent } from "../shared/format.js";
import { spark } from "../shared/curve.js";
import { watch } from "../shared/watch.js";

const KEPT_MS = 300_000;

export class MachineStrip {
  constructor() {
    this.element = h("ul", { class: "machine", "aria-label": "This machine" });
    this.past = [];
    this.stop = watch("machine", {}, (facts) => this.take(facts));
  }

  take(facts) {
    this.past.push(...facts.past);
    while (this.past.length && this.past[0][0] < this.past.at(-1)[0] - KEPT_MS) this.past.shift();
    keyed(this.element, this.figures(facts), ({ name }) => name, make, update);
  }

  figures(facts) {
    const of = (used, all) => `${bytes(used)} of ${bytes(all)}`;
    const share = (used, all) => (all ? used / all : 0);
    return [
      { name: "CPU", value: `${percent(facts.cpu)} of ${facts.cpus}`.trim(), share: facts.cpu ?? 0, curve: this.past.map(([ms, cpu]) => [ms, cpu]) },
      {
        name: "Memory",
        value: of(facts.memory_used, facts.memory),
        share: share(facts.memory_used, facts.memory),
        curve: this.past.map(([ms, , memory]) => [ms, share(memory, facts.memory)]),
      },
      { name: "Load", value: facts.load.toFixed(1), share: facts.load / facts.cpus },
      facts.swap_used > 0 && { name: "Swap", value: of(facts.swap_used, facts.swap), share: share(facts.swap_used, facts.swap) },
      { name: "Disk", value: of(facts.disk_used, facts.disk), share: share(facts.disk_used, facts.disk) },
      ...facts.gpus.map((gpu, at) => ({
        name: `GPU ${at}`,
        title: gpu.name,
        value: [gpu.load === null ? "" : percent(gpu.load), of(gpu.memory_used, gpu.memory)].filter(Boolean).join(", "),
        share: Math.max(gpu.load ?? 0, share(gpu.memory_used, gpu.memory)),
      })),
    ].filter(Boolean);
  }
}

function make({ name, title }) {
  const item = h("li", { title }, h("span", { class: "muted" }, name), h("span", { class: "figure" }), spark());
  return item;
}

function update(item, { value, share, curve }) {
  text(item.children[1], value);
  item.classList.toggle("much", share > 0.9);
  set(item.lastChild, "hidden", !curve);
  if (curve) item.lastChild.draw(curve, 1);
}
