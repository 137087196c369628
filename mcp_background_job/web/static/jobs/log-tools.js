// What one does with a log: go to its ends and to errors, find, choose the stream, see times, take it away.
import { call } from "../shared/call.js";
import { h, set, text } from "../shared/dom.js";
import { download } from "../shared/download.js";
import { go } from "../shared/route.js";
import { say } from "../shared/say.js";
import { LogView } from "./log-view.js";

const TYPING_MS = 250;
const MOST_HITS = 2000;

export class LogTools {
  constructor(onMove) {
    this.view = new LogView({ onMove, onState: () => this.tell() });
    this.find = h("input", { type: "search", placeholder: "Regular expression", oninput: () => this.typed(), onkeydown: (event) => this.key(event) });
    this.only = h("input", { type: "checkbox", onchange: () => this.filter({ only: this.only.checked ? "1" : "" }) });
    this.times = h("input", { type: "checkbox", onchange: () => this.filter({ time: this.times.checked ? "1" : "" }) });
    this.stream = h("select", { "aria-label": "Stream", onchange: () => this.filter({ stream: this.stream.value }) },
      ...[["", "stdout + stderr"], ["stdout", "stdout"], ["stderr", "stderr"]].map(([value, words]) => h("option", { value }, words)));
    this.following = h("button", { type: "button", onclick: () => this.view.follow(!this.view.following) }, "Follow");
    this.found = h("span", { class: "muted", role: "status" });
    this.where = h("span", { class: "muted where" });
    const button = (words, act, name) => h("button", { type: "button", onclick: act, "aria-label": name, title: name }, words);
    this.part = button("Download these lines", () => this.save(this.reading));
    this.element = h("section", { class: "log-tools", "aria-label": "Log" },
      h("div", { class: "buttons" },
        button("⤒", () => this.view.go({ place: "start" }), "To the top"),
        button("⤓", () => this.view.follow(true), "To the end"),
        button("First error", () => this.firstError()),
        this.following,
        h("label", { class: "find" }, h("span", { class: "hidden-label" }, "Find in the log"), this.find),
        button("↑", () => this.step(-1), "Match before"),
        button("↓", () => this.step(1), "Next match"),
        this.found),
      h("div", { class: "buttons" },
        h("label", {}, this.only, " only matches"),
        h("label", {}, this.times, " times"),
        this.stream,
        button("Download", () => this.save({ job_id: this.job_id })),
        this.part,
        this.where),
      this.view.element);
  }

  // Shows the log of a job as the address says.
  show(job_id, filters) {
    this.filters = filters;
    this.job_id = job_id;
    const { find = "", only = "", stream = "", time = "", at = "" } = filters;
    if (this.find !== document.activeElement) this.find.value = find;
    this.only.checked = Boolean(only);
    this.times.checked = Boolean(time);
    this.stream.value = stream;
    this.view.times = Boolean(time);
    const shown = JSON.stringify([job_id, find, only, stream, at, time]);
    if (shown === this.shown) return;
    const again = this.shown !== undefined;
    this.shown = shown;
    const reading = { job_id, stream: stream || "both", find: find || null, only: Boolean(only && find) };
    this.reading = reading;
    this.part.hidden = reading.stream === "both" && !reading.only;
    const middle = again && !this.view.following && this.view.middle;
    const place = at ? { place: "around", at: Number(at) } : middle ? { place: "around", at: middle } : null;
    this.view.show(reading, place);
    this.search(find, stream || "both");
  }

  async save(reading) {
    try {
      await download("log", reading);
    } catch (error) {
      say(error.message);
    }
  }

  close() {
    this.view.close();
    this.turn?.abort();
  }

  filter(changed, replace = false) {
    go("jobs", this.job_id, { ...this.filters, at: "", ...changed }, { replace });
  }

  typed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.filter({ find: this.find.value }, true), TYPING_MS);
  }

  key(event) {
    if (event.key === "Enter") this.step(event.shiftKey ? -1 : 1);
  }

  // Finds all that matches, piece by piece, and goes on when more is written.
  async search(find, stream) {
    this.turn?.abort();
    this.hits = [];
    this.searched = 0;
    this.seeking = find ? { pattern: find, stream } : null;
    this.problem = "";
    this.tell();
    if (find) await this.seek();
  }

  async seek() {
    const mine = (this.turn = new AbortController());
    this.isSeeking = true;
    try {
      while (!mine.signal.aborted && this.hits.length < MOST_HITS) {
        const asked = { job_id: this.job_id, ...this.seeking, begin: this.searched };
        const found = await call("search_log", asked, { signal: mine.signal });
        if (mine.signal.aborted) return;
        while (this.hits.length && this.hits.at(-1).offset >= asked.begin) this.hits.pop();
        this.hits.push(...found.hits);
        this.searched = found.next;
        this.searchedTo = found.is_over ? found.end : found.next;
        if (found.is_over) break;
        this.tell();
      }
    } catch (error) {
      if (mine.signal.aborted) return;
      this.problem = error.message;
      this.seeking = null;
    }
    this.isSeeking = false;
    this.tell();
  }

  step(by) {
    const here = this.hit ?? this.view.middle ?? 0;
    const next = by > 0 ? this.hits.find(({ offset }) => offset > here) : this.hits.findLast(({ offset }) => offset < here);
    const hit = next ?? (by > 0 ? this.hits[0] : this.hits.at(-1));
    if (!hit) return say(this.isSeeking ? "nothing found yet" : "nothing found");
    this.hit = hit.offset;
    this.view.go({ place: "around", at: hit.offset });
    this.tell();
  }

  async firstError() {
    say("looking for an error");
    let begin = 0;
    try {
      while (true) {
        const asked = { job_id: this.job_id, begin, stream: this.stream.value || "both", limit: 1 };
        const { hits, next, is_over: over } = await call("search_log", asked);
        if (hits.length) {
          say(hits[0].line);
          return this.view.go({ place: "around", at: hits[0].offset });
        }
        if (over) return say("no line tells of an error");
        begin = next;
      }
    } catch (error) {
      say(error.message);
    }
  }

  // Says where one is, and what is found.
  tell() {
    const { view } = this;
    set(this.following, "aria-pressed", String(view.following));
    text(this.where, view.where());
    if (this.seeking && !this.isSeeking && view.end > this.searchedTo && this.hits.length < MOST_HITS) this.seek();
    const count = this.hits?.length ?? 0;
    const at = this.hits?.findIndex(({ offset }) => offset === this.hit) ?? -1;
    const found = `${at >= 0 ? `${at + 1} of ` : ""}${count}${count >= MOST_HITS ? " or more" : ""} found${this.isSeeking ? "…" : ""}`;
    text(this.found, this.problem || (this.seeking ? found : ""));
  }
}
