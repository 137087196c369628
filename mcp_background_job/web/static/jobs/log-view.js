// A log of any length: the lines around a place are on the page, and those before and behind come when they are near.
import { call } from "../shared/call.js";
import { h, text } from "../shared/dom.js";
import { bytes, clock } from "../shared/format.js";
import { watch } from "../shared/watch.js";

const MOST = 1200; // lines on the page
const NEAR = 600; // pixels to the edge of what is there, within which more is fetched
const AT_END = 24; // pixels from the end that still are the end
const STDERR = 2;

export class LogView {
  // Tells onMove of the moment (ms) in the middle, and onState when where it stands has changed.
  constructor({ onMove, onState }) {
    this.onMove = onMove;
    this.onState = onState;
    this.lines = h("div", { class: "lines" });
    this.element = h("div", { class: "log", role: "log", "aria-live": "off", "aria-label": "Output", tabindex: "0" }, this.lines);
    this.element.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.rows = [];
    this.end = this.first = 0;
    this.following = true;
    this.turn = 0;
  }

  // Shows a log anew: {job_id, stream, find, only}, at a place of log_window's, or following without one.
  async show(reading, place) {
    this.reading = reading;
    this.close();
    this.over = false;
    this.following = !place;
    this.clear();
    this.ending = watch("log", reading, (facts) => this.grew(facts), ({ message }) => this.fail(message));
    if (place) await this.go(place);
  }

  close() {
    this.ending?.();
    this.ending = null;
    this.turn += 1;
  }

  // Goes to a place, and marks the line there if it is one of those that are about a line.
  async go(place) {
    this.follow(false);
    const mine = (this.turn += 1);
    const facts = await this.window(place);
    if (!facts || mine !== this.turn) return;
    this.clear();
    this.take(facts);
    this.add(facts.rows, false);
    const about = place.place === "around" || place.place === "failure" ? this.lineAt(facts.at) : null;
    this.aim = about ? () => this.target(about) : () => this.scroll(place.place === "start");
    this.settle();
  }

  scroll(toStart) {
    this.element.scrollTop = toStart ? 0 : this.element.scrollHeight;
  }

  target(line) {
    this.lines.querySelector(".target")?.classList.remove("target");
    line.classList.add("target");
    this.element.scrollTop = line.offsetTop - this.element.clientHeight / 3;
  }

  // Stays at the end, whatever comes; or stays where it is.
  follow(yes) {
    if (yes === this.following) return;
    this.following = yes;
    if (yes) this.show(this.reading);
    this.onState();
  }

  async window(place) {
    try {
      return await call("log_window", { ...this.reading, ...place });
    } catch (error) {
      this.fail(error.message);
      return null;
    }
  }

  fail(message) {
    this.trouble = message;
    this.onState();
  }

  // Takes what was written since: it is shown where the end is on the page.
  grew(facts) {
    const { rows, start, next, end, first, whole, over } = facts;
    this.trouble = "";
    this.over = over;
    if (whole && (this.following || !this.rows.length)) {
      this.clear();
      this.take(facts);
      this.add(rows, false);
    } else if (!whole && start <= this.next && this.next <= next) {
      while (this.rows.length && this.rows.at(-1)[0] >= start) this.drop(false);
      this.next = next;
      this.add(rows, false);
    }
    this.end = end;
    this.first = first;
    if (this.following) this.shorten(true);
    this.settle();
    this.onState();
  }

  // Stands where it is to stand, once it is on the page.
  settle() {
    if (!this.element.isConnected) return;
    if (this.following) this.scroll();
    else this.aim?.();
    this.aim = null;
    this.fill();
    this.moved();
  }

  clear() {
    this.rows = [];
    this.aim = null;
    this.lines.replaceChildren();
    this.start = this.next = 0;
  }

  take({ start, next, first, end }) {
    Object.assign(this, { start, next, first, end });
  }

  add(rows, before) {
    const lines = rows.map((row) => this.line(row));
    if (before) {
      const height = this.element.scrollHeight;
      this.rows.unshift(...rows);
      this.lines.prepend(...lines);
      this.element.scrollTop += this.element.scrollHeight - height;
    } else {
      this.rows.push(...rows);
      this.lines.append(...lines);
    }
  }

  drop(before) {
    if (before) this.rows.shift();
    else this.rows.pop();
    this.lines[before ? "firstChild" : "lastChild"].remove();
  }

  line([offset, ms, stream, words, marks]) {
    const when = this.times && ms !== null ? h("time", {}, clock(ms / 1000)) : null;
    const line = h("div", { class: stream === STDERR ? "line err" : stream ? "line" : "line note" }, when, ...marked(words, marks));
    if (stream === STDERR) line.title = "stderr";
    line.offset = offset;
    line.ms = ms;
    return line;
  }

  lineAt(offset) {
    let found = null;
    for (const line of this.lines.children) {
      if (line.offset > offset) break;
      found = line;
    }
    return found ?? this.lines.firstChild;
  }

  scrolled() {
    const { scrollTop, clientHeight, scrollHeight } = this.element;
    const left = scrollHeight - clientHeight - scrollTop;
    if (left > AT_END) {
      if (this.following) {
        this.following = false;
        this.onState();
      }
    } else if (!this.following && this.next >= this.end && this.wasAway) {
      this.following = true;
      this.onState();
    }
    this.wasAway = left > AT_END;
    this.fill();
    this.moved();
  }

  // Fetches what comes before or behind, if the edge is near. A window may have but one line: of thousands that are alike.
  fill() {
    const { scrollTop, clientHeight, scrollHeight } = this.element;
    if (scrollTop < NEAR && this.start > this.first) this.fetch(true);
    else if (scrollHeight - clientHeight - scrollTop < NEAR && this.next < this.end && !this.following) this.fetch(false);
  }

  async fetch(before) {
    if (this.fetching) return;
    this.fetching = true;
    const mine = this.turn;
    const at = before ? this.start : this.next;
    const facts = await this.window({ place: before ? "before" : "behind", at });
    this.fetching = false;
    if (!facts || mine !== this.turn || at !== (before ? this.start : this.next)) return;
    if (before) this.start = facts.start;
    else this.next = facts.next;
    this.end = Math.max(this.end, facts.end);
    this.add(facts.rows, before);
    this.shorten(!before);
    if (at !== (before ? this.start : this.next)) this.fill();
  }

  // Takes lines away at one edge, so that the page stays small; they come again when they are near.
  shorten(before) {
    if (this.rows.length <= MOST) return;
    const height = this.element.scrollHeight;
    let last = null;
    while (this.rows.length > MOST) {
      last = this.rows[before ? 0 : this.rows.length - 1];
      this.drop(before);
    }
    if (before) {
      this.start = this.rows[0][0];
      this.element.scrollTop -= height - this.element.scrollHeight;
    } else this.next = last[0];
  }

  moved() {
    const box = this.element.getBoundingClientRect();
    const middle = document.elementFromPoint(box.left + box.width / 2, Math.min(innerHeight - 1, box.top + box.height / 2));
    const line = middle?.closest?.(".line");
    if (!line || !this.element.contains(line) || line.offset === this.middle) return;
    this.middle = line.offset;
    if (line.ms) this.onMove(line.ms);
    this.onState();
  }

  // Says where in the log one is.
  where() {
    if (this.trouble) return this.trouble;
    const kept = this.first ? `, the first ${bytes(this.first)} dropped` : "";
    const share = this.end ? Math.round(((this.following ? this.end : this.middle ?? this.start) / this.end) * 100) : 100;
    return this.end ? `${bytes(this.end)}${kept}, at ${share} %` : "no output yet";
  }
}

function marked(words, marks) {
  if (!marks) return [words];
  const letters = Array.from(words); // the server counts characters, and a string has two units for some
  const cut = (begin, end) => letters.slice(begin, end).join("");
  const parts = [];
  let from = 0;
  for (const [begin, end] of marks) {
    parts.push(cut(from, begin), h("mark", {}, cut(begin, end)));
    from = end;
  }
  return [...parts, cut(from)];
}
