// A search over all logs: done on the server, some seconds at a time, until it is through or somebody ends it.
import { call } from "../shared/call.js";
import { h, keyed, text } from "../shared/dom.js";
import { bytes, clock } from "../shared/format.js";
import { href } from "../shared/route.js";

const ENOUGH = 500;

export class SearchAll {
  constructor() {
    this.state = h("p", { role: "status" });
    this.stop = h("button", { type: "button", onclick: () => this.end("stopped") }, "Stop searching");
    this.more = h("button", { type: "button", onclick: () => this.go() }, "Search on");
    this.hits = h("ul", { class: "hits" });
    this.element = h("section", { "aria-label": "Found in logs", hidden: true }, h("div", { class: "buttons" }, this.state, this.stop, this.more), this.hits);
    this.asked = "";
  }

  // Shows what is found of what these filters ask for.
  show({ search = "", status, project, text: words }) {
    const asked = JSON.stringify([search, status, project, words]);
    if (asked === this.asked) return;
    this.close();
    this.asked = asked;
    this.element.hidden = !search;
    this.args = { pattern: search, status, project, text: words, cursor: null };
    this.found = [];
    this.jobs = this.size = 0;
    this.hits.replaceChildren();
    if (search) this.go();
  }

  close() {
    this.turn?.abort();
    this.asked = "";
  }

  end(how) {
    this.turn?.abort();
    this.tell(how);
  }

  async go() {
    this.turn?.abort();
    const mine = (this.turn = new AbortController());
    const enough = this.found.length + ENOUGH;
    try {
      while (!mine.signal.aborted) {
        this.tell("searching");
        const { hits, cursor, jobs, bytes: size } = await call("search_logs", this.args, { signal: mine.signal });
        if (mine.signal.aborted) return;
        this.found.push(...hits);
        this.jobs += jobs;
        this.size += size;
        this.args.cursor = cursor ?? null;
        this.list();
        if (!cursor) return this.end("all searched");
        if (this.found.length >= enough) return this.end("there is more");
      }
    } catch (error) {
      if (!mine.signal.aborted) this.end(error.message);
    }
  }

  tell(how) {
    const searching = how === "searching";
    const found = this.found.length === 1 ? "1 line" : `${this.found.length} lines`;
    text(this.state, `${found} found in ${this.jobs} jobs, ${bytes(this.size)}: ${how}${searching ? "…" : ""}`);
    this.stop.hidden = !searching;
    this.more.hidden = searching || !this.args.cursor;
  }

  list() {
    const groups = new Map();
    for (const hit of this.found) groups.set(hit.job_id, [...(groups.get(hit.job_id) ?? []), hit]);
    keyed(this.hits, [...groups.values()], ([{ job_id }]) => job_id, (hits) => this.group(hits[0]), (item, hits) => {
      keyed(item.lastChild, hits, ({ offset }) => String(offset), (hit) => this.hit(hit));
    });
  }

  group({ job_id, name, status }) {
    const title = h("a", { href: href("jobs", job_id, { find: this.args.pattern }) }, name ?? job_id);
    return h("li", {}, h("p", {}, title, " ", h("span", { class: `badge ${status}` }, status.replace("_", " "))), h("ul", {}));
  }

  hit({ job_id, offset, at, line }) {
    const to = href("jobs", job_id, { find: this.args.pattern, at: offset });
    return h("li", {}, h("time", { class: "muted" }, at ? clock(at / 1000) : ""), " ", h("a", { class: "code", href: to }, line || "(an empty line)"));
  }
}
