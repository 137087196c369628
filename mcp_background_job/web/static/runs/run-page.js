// One run.
import { h } from "../shared/dom.js";

class RunPage extends HTMLElement {
  show(route) {
    this.replaceChildren(h("h1", {}, route.id));
  }
}

customElements.define("run-page", RunPage);
