// ComfyUI: its queue, its renders, and its process.
import { mayAct } from "../shared/call.js";
import { h } from "../shared/dom.js";
import { watch } from "../shared/watch.js";
import { ticking } from "../shared/words.js";
import { gallery } from "./gallery.js";
import { prompt } from "./prompt.js";
import { queue } from "./queue.js";
import { verdict } from "./restart.js";
import { server } from "./server.js";

class ComfyuiPage extends HTMLElement {
  connectedCallback() {
    this.verdicts = new Map();
    this.server = server();
    this.wedges = h("div", { class: "wedges" });
    this.queue = queue((one, facts) => this.judge(one, facts));
    this.gallery = gallery();
    this.one = prompt();
    this.list = h("div", {}, h("h1", {}, "ComfyUI"), this.server, this.wedges, this.queue, this.gallery);
    this.replaceChildren(this.one, this.list);
    this.stops = [ticking(this), watch("comfyui", {}, (facts) => this.take(facts))];
    mayAct(this);
  }

  disconnectedCallback() {
    this.stops.forEach((stop) => stop());
    this.gallery.close();
  }

  show({ id, filters }) {
    this.list.hidden = Boolean(id);
    this.one.show(id);
    if (!id) this.gallery.show(filters);
  }

  take(facts) {
    this.server.take(facts);
    this.queue.take(facts);
    this.one.take(facts);
    for (const [id, shown] of this.verdicts) {
      if ((facts.reachable || facts.starting) && !facts.running.some((one) => one.prompt_id === id)) {
        shown.remove();
        this.verdicts.delete(id);
      }
    }
  }

  // Keeps why a prompt cannot be stopped in sight while it runs.
  judge(one, facts) {
    const shown = verdict(one, facts);
    this.verdicts.get(one.prompt_id)?.remove();
    this.verdicts.set(one.prompt_id, shown);
    this.wedges.append(shown);
  }
}

customElements.define("comfyui-page", ComfyuiPage);
