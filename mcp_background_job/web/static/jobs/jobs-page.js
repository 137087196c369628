// All jobs: a list of any length, of which the rows in sight are on the page and watched; and a search over all logs.
import { h, keyed, set, text } from "../shared/dom.js";
import { age, bytes, duration, number } from "../shared/format.js";
import { go, href } from "../shared/route.js";
import { say } from "../shared/say.js";
import { watch } from "../shared/watch.js";
import { isLive, label, outcome, permit, restart, stop, stoppedHere } from "./actions.js";
import { MachineStrip } from "./machine-strip.js";
import { SearchAll } from "./search-all.js";

const STATUSES = ["running", "queued", "completed", "failed", "killed", "timed_out", "lost"];
const COLUMNS = ["Status", "Job", "Project", "Age", "CPU", "Memory", "Last line", "Actions"];
const STEP = 16; // rows by which the window moves that is watched; half as many stand above those in sight
const MOST_ROWS = 200; // of a window, as the server gives them
const LEAST_HEIGHT = 40; // of a row, in pixels
const TYPING_MS = 250;

class JobsPage extends HTMLElement {
  show({ filters }) {
    if (!this.list) this.build();
    this.filters = filters;
    this.fill();
    this.watchRows(true);
    this.searching.show(filters);
    this.listed.hidden = Boolean(filters.search);
  }

  disconnectedCallback() {
    this.ending?.();
    this.machine?.stop();
    this.searching?.close();
    clearInterval(this.ticking);
    removeEventListener("scroll", this.moved);
    removeEventListener("resize", this.moved);
  }

  build() {
    this.machine = new MachineStrip();
    this.searching = new SearchAll();
    this.text = this.typed("Find jobs", "text", "Name, id or command");
    this.search = this.typed("Search all logs", "search", "Regular expression, in all logs");
    this.projects = h("select", { onchange: (event) => this.filter({ project: event.target.value }) });
    this.statuses = STATUSES.map((status) =>
      h("button", { type: "button", class: "chip", onclick: () => this.toggle(status) }, status.replace("_", " ")),
    );
    this.count = h("p", { class: "muted count", role: "status" });
    this.note = h("p", { class: "muted" });
    this.rows = h("div", { class: "rows", role: "rowgroup" });
    const head = h("div", { class: "job-row head", role: "row" }, ...COLUMNS.map((name) => h("span", { role: "columnheader" }, name)));
    this.list = h("div", { class: "jobs", role: "table", "aria-label": "Jobs" }, h("div", { role: "rowgroup" }, head), this.rows);
    this.listed = h("div", {}, this.count, this.note, this.list);
    this.replaceChildren(
      h("h1", {}, "Jobs"),
      this.machine.element,
      h("div", { class: "filters", role: "search" },
        this.text.element,
        h("label", {}, "Project ", this.projects),
        h("div", { class: "buttons", role: "group", "aria-label": "Status" }, ...this.statuses),
        this.search.element),
      this.searching.element,
      this.listed,
    );
    this.moved = () => this.isConnected && this.watchRows(false);
    addEventListener("scroll", this.moved, { passive: true });
    addEventListener("resize", this.moved);
    this.list.addEventListener("keydown", (event) => this.key(event));
    this.ticking = setInterval(() => this.tick(), 1000);
    this.seen = new Map();
  }

  // Returns a field whose value becomes a filter once typing pauses.
  typed(name, filter, hint) {
    let timer = 0;
    const input = h("input", {
      type: "search",
      placeholder: hint,
      oninput: () => {
        clearTimeout(timer);
        timer = setTimeout(() => this.filter({ [filter]: input.value }, true), TYPING_MS);
      },
    });
    return { input, element: h("label", {}, `${name} `, input) };
  }

  filter(changed, replace = false) {
    go("jobs", "", { ...this.filters, ...changed }, { replace });
  }

  toggle(status) {
    const chosen = new Set(this.chosen());
    if (!chosen.delete(status)) chosen.add(status);
    this.filter({ status: STATUSES.filter((one) => chosen.has(one)).join(",") });
  }

  chosen() {
    return (this.filters.status ?? "").split(",").filter(Boolean);
  }

  // Has the controls say what the address says.
  fill() {
    for (const [field, filter] of [[this.text, "text"], [this.search, "search"]]) {
      if (field.input !== document.activeElement) field.input.value = this.filters[filter] ?? "";
    }
    const chosen = this.chosen();
    this.statuses.forEach((button, at) => set(button, "aria-pressed", String(chosen.includes(STATUSES[at]))));
    this.fillProjects(this.known ?? {});
  }

  fillProjects(known) {
    this.known = known;
    const now = this.filters.project ?? "";
    const names = [...new Set([...Object.keys(known), ...(now ? [now] : [])])].sort();
    const options = [["", "all"], ...names.map((name) => [name, `${short(name)}${known[name] ? ` (${known[name]})` : ""}`])];
    keyed(this.projects, options, ([value]) => value, ([value]) => h("option", { value }), (option, [, words]) => text(option, words));
    this.projects.value = now;
  }

  // Watches the rows in sight; anew if they are others, or chosen otherwise.
  watchRows(anew) {
    if (this.filters.search) {
      this.ending?.();
      this.ending = this.offset = null;
      return;
    }
    const { offset, limit } = this.rows.firstChild ? this.around() : { offset: 0, limit: Math.min(MOST_ROWS, Math.ceil(innerHeight / LEAST_HEIGHT)) };
    if (!anew && offset === this.offset && limit === this.limit) return;
    if (anew) this.seen.clear();
    Object.assign(this, { offset, limit });
    const { status, project, text: words } = this.filters;
    this.ending?.();
    this.ending = watch(
      "jobs",
      { status, project, text: words, offset, limit },
      (facts) => this.take(offset, facts),
      ({ message }) => text(this.note, message),
    );
  }

  // Returns which rows are in sight, with some around them. Before there are any, the first screen is all that is asked for.
  around() {
    const height = this.rows.firstChild.offsetHeight || LEAST_HEIGHT;
    const above = Math.max(0, -this.rows.getBoundingClientRect().top);
    return {
      offset: Math.max(0, Math.floor((above / height - STEP / 2) / STEP) * STEP),
      limit: Math.min(MOST_ROWS, Math.ceil((innerHeight / height + STEP * 1.5) / STEP) * STEP),
    };
  }

  take(offset, facts) {
    const { rows, count, projects, note } = facts;
    this.tell(rows);
    text(this.count, count === 1 ? "1 job" : `${number(count)} jobs`);
    text(this.note, note ?? (count ? "" : "No job is like that."));
    this.fillProjects(projects);
    set(this.list, "aria-rowcount", count + 1);
    keyed(this.rows, rows.map((job, at) => ({ job, at: offset + at })), ({ job }) => job.job_id, ({ job }) => new Row(job).element, (element, { job, at }) => element.row.update(job, at));
    this.rows.style.setProperty("--count", count);
    requestAnimationFrame(() => setTimeout(this.moved)); // once they are painted
  }

  // Tells of jobs that have ended before one's eyes.
  tell(rows) {
    const ended = rows.filter((job) => this.seen.get(job.job_id) && !isLive(job) && !stoppedHere.has(job.job_id));
    if (ended.length) say(ended.slice(0, 3).map((job) => `${label(job)} ${outcome(job)}`).join("; "));
    for (const job of rows) this.seen.set(job.job_id, isLive(job));
  }

  tick() {
    for (const element of this.rows.children) element.row.age();
  }

  key(event) {
    const row = event.target.closest(".job-row");
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!row?.row || !step) return;
    const next = [...this.rows.children].find((other) => other.row.at === row.row.at + step);
    next?.querySelector("a").focus();
    if (next) event.preventDefault();
  }
}

// One row, which stays with its job.
class Row {
  constructor(job) {
    this.job = job;
    const cell = (name, ...inside) => h("span", { class: name, role: "cell" }, ...inside);
    this.status = h("span", { class: "badge" });
    this.link = h("a", { href: href("jobs", job.job_id), onclick: (event) => this.follow(event) });
    this.command = h("code", { class: "muted" });
    this.cells = Object.fromEntries(["project", "age", "cpu", "memory", "last"].map((name) => [name, cell(name)]));
    this.stop = h("button", { type: "button", class: "plain danger", onclick: () => stop(this.job) }, "Stop");
    this.restart = h("button", { type: "button", class: "plain", onclick: () => restart(this.job) }, "Restart");
    permit([["kill_job", this.stop], ["restart_job", this.restart]]);
    this.element = h("div", { class: "job-row", role: "row" },
      cell("status", this.status), cell("name", this.link, " ", this.command), ...Object.values(this.cells), cell("act", this.stop, this.restart));
    this.element.row = this;
  }

  follow(event) {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    go("jobs", this.job.job_id);
  }

  update(job, at) {
    this.job = job;
    this.at = at;
    const { cells } = this;
    set(this.element, "aria-rowindex", at + 2);
    // How high a row is, and so where this one stands, the style says.
    this.element.style.setProperty("--at", at);
    this.status.className = `badge ${job.status}`;
    text(this.status, outcome(job).replace("_", " "));
    text(this.link, job.name ?? job.job_id);
    text(this.command, job.command);
    set(this.command, "title", job.command);
    text(cells.project, job.project ? short(job.project) : "");
    set(cells.project, "title", job.project);
    text(cells.cpu, job.cpu === null ? "" : `${Math.round(job.cpu * 100)} %`);
    text(cells.memory, [bytes(job.memory), job.gpu_memory ? `GPU ${bytes(job.gpu_memory)}` : ""].filter(Boolean).join(", "));
    text(cells.last, job.note ?? job.line);
    cells.last.classList.toggle("note", Boolean(job.note));
    this.stop.hidden = !isLive(job);
    for (const [button, verb] of [[this.stop, "Stop"], [this.restart, "Restart"]]) set(button, "aria-label", `${verb} ${label(job)}`);
    this.age();
  }

  age() {
    const { created_at: created, started_at: started, ended_at: ended } = this.job;
    const words = isLive(this.job) ? duration(Math.max(0, Date.now() / 1000 - (started ?? created))) : age(ended ?? created);
    text(this.cells.age, words);
  }
}

// Returns the name that people have for a project: the end of its path.
function short(project) {
  return project.replace(/\/+$/, "").split("/").pop() || project;
}

customElements.define("jobs-page", JobsPage);
