// Runs of agents: who works on what, who asks, who was started by whom.
import { h, keyed, text } from "../shared/dom.js";
import { go, href } from "../shared/route.js";
import { say } from "../shared/say.js";
import { watch } from "../shared/watch.js";
import { ago, badge, muted, plain, ticking } from "../shared/words.js";

const STATUSES = ["input_required", "auth_required", "running", "queued", "completed", "failed", "cancelled", "rejected"];
const PAGE = 50;
const MOST = 500;

class RunsPage extends HTMLElement {
  connectedCallback() {
    const filter = (name, value) => (event) => go("runs", "", { ...this.filters, [name]: value ? value(event.target) : event.target.value }, { replace: true });
    this.status = h("select", { onchange: filter("status") }, h("option", { value: "" }, "all"), STATUSES.map((one) => h("option", { value: one }, plain(one))));
    this.all = h("input", { type: "checkbox", onchange: filter("all", (box) => (box.checked ? "1" : "")) });
    this.words = h("input", { type: "search", placeholder: "Agent, task or words", oninput: filter("text") });
    this.told = h("p", { class: "muted", role: "status" });
    this.list = h("ul", { "aria-label": "Runs" });
    this.more = h("button", { type: "button", hidden: true, onclick: () => this.look((this.limit += PAGE)) }, "Show more");
    this.known = new Map();
    const label = (name, field) => h("label", {}, `${name} `, field);
    this.replaceChildren(
      h("h1", {}, "Runs"),
      h("div", { class: "filters", role: "search" }, label("Find", this.words), label("Status", this.status), h("label", {}, this.all, " of all projects")),
      this.told, this.list, this.more);
    this.ticking = ticking(this);
  }

  disconnectedCallback() {
    this.ticking();
    this.stop?.();
  }

  show({ filters }) {
    const { status = "", all = "", text: words = "" } = (this.filters = filters);
    this.status.value = status;
    this.all.checked = Boolean(all);
    if (this.words !== document.activeElement) this.words.value = words;
    const asked = `${status} ${all}`;
    if (asked === this.asked) return this.fill();
    this.asked = asked;
    this.known.clear();
    this.limit = PAGE;
    this.look();
  }

  look() {
    const { status, all } = this.filters;
    this.stop?.();
    this.stop = watch("runs", { status: status || null, all_projects: Boolean(all), limit: this.limit },
      (facts) => this.take(facts), ({ message }) => text(this.told, message));
  }

  take(facts) {
    this.facts = facts;
    this.more.hidden = !facts.more || this.limit >= MOST;
    const news = facts.rows.filter(({ run_id: id, status }) => this.known.has(id) && this.known.get(id) !== status && status !== "running");
    if (news.length) say(news.slice(0, 3).map(({ agent, status }) => `${agent}: ${plain(status)}`).join("; "));
    for (const { run_id: id, status } of facts.rows) this.known.set(id, status);
    this.fill();
  }

  fill() {
    if (!this.facts) return;
    const words = (this.filters.text ?? "").toLowerCase();
    const rows = this.facts.rows.filter((run) => [run.run_id, run.agent, run.backend, run.prompt, run.told].join("\n").toLowerCase().includes(words));
    const elsewhere = this.facts.elsewhere ? `${this.facts.elsewhere} of other projects` : "";
    text(this.told, [rows.length ? `${rows.length} shown` : "No run is like that", elsewhere].filter(Boolean).join(", "));
    keyed(this.list, rows, (run) => run.run_id, make, update);
  }
}

function make({ run_id: id, created_at: at }) {
  const row = h("li", { class: "run" });
  row.parts = {
    badge: badge("queued"), link: h("a", { href: href("runs", id) }), about: muted(), ago: ago(at), prompt: h("p"), told: h("p", { class: "muted" }),
  };
  const { badge: status, link, about, ago: age, prompt, told } = row.parts;
  row.append(h("p", { class: "head" }, status, link, about, age), prompt, told);
  return row;
}

function update(row, { run_id: id, status, agent, backend, prompt, told, used, project, depth }) {
  const { parts } = row;
  parts.badge.className = `badge ${status}`;
  text(parts.badge, plain(status));
  text(parts.link, agent || id);
  text(parts.about, [id, backend, project?.split("/").pop(), used].filter(Boolean).join(" · "));
  text(parts.prompt, prompt);
  text(parts.told, told);
  row.classList.toggle("asks", status.endsWith("_required"));
  row.style.marginInlineStart = `${Math.min(depth, 6) * 1.25}rem`;
}

customElements.define("runs-page", RunsPage);
