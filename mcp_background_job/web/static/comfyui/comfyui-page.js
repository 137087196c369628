// ComfyUI: its queue, its renders, and its process.
import { h } from "../shared/dom.js";

class ComfyuiPage extends HTMLElement {
  show() {
    this.replaceChildren(h("h1", {}, "ComfyUI"));
  }
}

customElements.define("comfyui-page", ComfyuiPage);
