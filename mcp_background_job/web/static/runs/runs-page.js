// Runs of other agents.
import { h } from "../shared/dom.js";

class RunsPage extends HTMLElement {
  show() {
    this.replaceChildren(h("h1", {}, "Runs"));
  }
}

customElements.define("runs-page", RunsPage);
