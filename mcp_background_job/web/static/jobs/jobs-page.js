// All jobs.
import { h } from "../shared/dom.js";

class JobsPage extends HTMLElement {
  show() {
    this.replaceChildren(h("h1", {}, "Jobs"));
  }
}

customElements.define("jobs-page", JobsPage);
