// One job.
import { h } from "../shared/dom.js";

class JobPage extends HTMLElement {
  show(route) {
    this.replaceChildren(h("h1", {}, route.id));
  }
}

customElements.define("job-page", JobPage);
