// One job: what it is and does, its curves, its log, what was asked of it, and what can be done to it.
import { Curves } from "../shared/curve.js";
import { h, keyed, text } from "../shared/dom.js";
import { showFamily } from "../shared/family.js";
import { age, bytes, clock, duration, percent } from "../shared/format.js";
import { go, href, route } from "../shared/route.js";
import { watch } from "../shared/watch.js";
import { isLive, outcome, permit, restart, signals, stop } from "./actions.js";
import { JobInput } from "./job-input.js";
import { LogTools } from "./log-tools.js";

const TRACKS = [
  { name: "CPU", colour: "--accent", least: 0.1, format: (value) => `${Math.round(value * 100)} %` },
  { name: "Memory", colour: "--good", least: 1e6, format: bytes },
  { name: "Output", colour: "--warn", least: 100, format: (value) => `${bytes(value)}/s` },
  { name: "GPU memory", colour: "--bad", least: 1e6, format: bytes },
  { name: "GPU", colour: "--bad", least: 1, format: percent },
];

class JobPage extends HTMLElement {
  // All that is shown of a job is asked for at once, and told in one answer, as a rule: what was asked of it comes first.
  show({ id, filters }) {
    this.filters = filters;
    if (this.id_ === id) return this.log.show(this.job_id, filters);
    this.id_ = id;
    this.close();
    this.replaceChildren(h("h1", {}, id), h("p", { class: "muted" }, "…"));
    Object.assign(this, { shown: false, told: null, points: [], gpu: [] });
    this.log = new LogTools((ms) => this.curves.mark(ms));
    this.curves = new Curves("What the job used: pick a moment to see its output", TRACKS, (ms) => this.log.view.go({ place: "around", time: ms / 1000 }));
    this.endings = [
      watch("asked", { job_id: id }, (asked) => this.build(asked), ({ message }) => this.refuse(id, message)),
      () => this.unwatch(),
      () => this.log.close(),
      () => this.curves.close(),
      () => this.input?.close(),
    ];
    this.watch(id);
  }

  // Says why a job cannot be shown, for good.
  refuse(id, message) {
    this.close();
    this.replaceChildren(h("h1", {}, id), h("p", { role: "alert" }, message), h("a", { href: href("jobs") }, "All jobs"));
  }

  watch(job_id) {
    this.unwatch();
    this.job_id = job_id;
    this.live = [
      watch("job", { job_id }, (facts) => this.take(facts), ({ message }) => this.shown && text(this.note, message)),
      watch("curve", { job_id }, (facts) => this.curve(facts)),
    ];
    this.log.show(job_id, this.filters);
  }

  unwatch() {
    for (const end of this.live ?? []) end();
    this.live = [];
  }

  disconnectedCallback() {
    this.close();
  }

  close() {
    for (const end of this.endings ?? []) end();
    this.endings = [];
  }

  build(asked) {
    if (this.shown) return;
    this.asked = asked;
    this.job = { ...asked };
    if (asked.job_id !== this.job_id) this.watch(asked.job_id); // the address had its name
    this.head = this.header();
    this.facts = h("dl", { class: "facts" });
    this.ports = h("p", {});
    this.processes = h("tbody", {});
    this.family = h("ul", { class: "family" });
    this.inputs = h("div", {});
    const processes = h("table", {}, h("thead", {}, h("tr", {}, h("th", {}, "PID"), h("th", {}, "Command"))), this.processes);
    this.running = h("section", { "aria-label": "Processes" }, h("h2", {}, "Processes and ports"), this.ports, processes);
    this.kin = h("section", { "aria-label": "Family" }, h("h2", {}, "Started within each other"), this.family);
    this.replaceChildren(
      this.head,
      h("div", { class: "job" },
        h("div", { class: "job-main" }, this.curves.element, this.inputs, this.log.element),
        h("div", { class: "job-side" }, this.facts, this.running, this.kin, this.question())));
    this.shown = true;
    if (["failed", "timed_out", "lost"].includes(asked.status) && !this.filters.at) this.log.view.go({ place: "failure" });
    else this.log.view.settle();
    if (this.told) this.take(this.told);
    const ticking = setInterval(() => this.tick(), 1000);
    this.endings.push(() => clearInterval(ticking));
  }

  header() {
    this.badge = h("span", { class: "badge" });
    this.since = h("span", { class: "muted" });
    this.note = h("p", { class: "note", role: "status" });
    this.stop = h("button", { type: "button", class: "danger", onclick: () => stop(this.job) }, "Stop");
    this.restart = h("button", { type: "button", onclick: () => restart(this.job) }, "Restart");
    this.signals = signals(() => this.job);
    permit([["kill_job", this.stop], ["restart_job", this.restart], ["kill_job", this.signals]]);
    const { name, job_id: id, command } = this.asked;
    return h("header", { class: "job-head" },
      h("p", {}, h("a", { href: href("jobs"), onclick: (event) => this.back(event) }, "← All jobs")),
      h("h1", {}, name ?? id, name ? h("span", { class: "muted" }, ` ${id}`) : null),
      h("p", { class: "buttons" }, this.badge, this.since, this.stop, this.restart, this.signals),
      h("pre", { class: "command", role: "region", "aria-label": "Command", tabindex: "0" }, command),
      this.note);
  }

  back(event) {
    event.preventDefault();
    if (history.length > 1 && route().id) history.back();
    else go("jobs");
  }

  // What was asked, for good.
  question() {
    const { asked } = this;
    const rows = [
      ["Directory", asked.cwd], ["Project", asked.project], ["Asked by", asked.client], ["Input", asked.stdin],
      ["Time limit", asked.timeout_s && duration(asked.timeout_s)], ["After", asked.after.join(", ")],
      ["Left-overs", asked.leftovers === "kill" ? "are ended" : null], ["Started again from", asked.restarted_from],
      ["Log kept", asked.max_output && `up to ${bytes(asked.max_output)}`], ["Environment from", asked.env_from],
    ].filter(([, value]) => value);
    const variables = asked.environment.map(([name, value]) => h("tr", {}, h("th", { scope: "row", class: "code" }, name), h("td", { class: "code" }, value)));
    return h("section", { "aria-label": "What was asked" }, h("h2", {}, "What was asked"),
      h("dl", { class: "facts" }, ...rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
      h("details", {}, h("summary", {}, `Environment (${variables.length})`), h("table", { class: "environment" }, h("tbody", {}, ...variables))));
  }

  take(job) {
    const first = !this.told;
    this.told = job;
    if (!this.shown) return;
    this.job = job;
    document.title = `${outcome(job)}: ${job.name ?? job.job_id} · Background jobs`;
    this.badge.className = `badge ${job.status}`;
    text(this.badge, outcome(job).replace("_", " "));
    const told = job.reason === `exit code ${job.exit_code}`; // by the status
    const said = [told ? null : job.reason, job.note, job.is_suspended ? "suspended: send CONT to have it go on" : null, job.stop_requested && `asked to stop: ${job.stop_requested}`];
    text(this.note, [...new Set(said.filter(Boolean))].join(" · "));
    this.stop.hidden = this.signals.hidden = !isLive(job);
    this.signals.hidden = job.status !== "running";
    this.list(job);
    this.runs(job);
    this.kinOf(job);
    this.takesInput(job);
    this.tick();
    if (first) requestAnimationFrame(() => this.log.view.moved());
  }

  list(job) {
    const dropped = job.dropped_bytes ? `, ${bytes(job.dropped_bytes)} dropped` : "";
    const lost = job.lost_bytes ? `, ${bytes(job.lost_bytes)} lost` : "";
    const facts = [
      ["CPU now", job.cpu === null ? null : `${Math.round(job.cpu * 100)} %`],
      ["CPU time", job.cpu_s === null ? null : duration(job.cpu_s)],
      ["Memory", job.memory_bytes ? bytes(job.memory_bytes) : null],
      ["Most memory", job.peak_memory_bytes ? bytes(job.peak_memory_bytes) : null],
      ["Output", `${bytes(job.output_bytes)}${dropped}${lost}`],
      ["Started", clock(job.started_at ?? job.created_at)],
      ["Ended", clock(job.ended_at)],
      ["Log", job.log_path],
    ].filter(([, value]) => value);
    keyed(this.facts, facts, ([name]) => name, ([name]) => h("div", {}, h("dt", {}, name), h("dd", {})), (row, [, value]) => text(row.lastChild, value));
  }

  runs({ processes, ports, status }) {
    this.running.hidden = status !== "running";
    text(this.ports, ports.length ? `Listens on ${ports.join(", ")}` : "Listens on no port");
    keyed(this.processes, processes, ({ pid }) => pid, ({ pid }) => h("tr", {}, h("td", { class: "number" }, pid), h("td", { class: "code" })), (row, { command }) => text(row.lastChild, command));
  }

  kinOf({ family }) {
    this.kin.hidden = family.length < 2;
    showFamily(this.family, family, this.job_id);
  }

  takesInput({ status }) {
    const takes = status === "running" && (this.asked.stdin === "pipe" || this.asked.stdin === "pty");
    if (takes && !this.input) {
      this.input = new JobInput(this.job_id, this.asked.stdin === "pty");
      this.inputs.replaceChildren(this.input.element);
    }
    this.inputs.hidden = !takes;
  }

  tick() {
    const { created_at: created, started_at: started, ended_at: ended } = this.job;
    if (!created) return;
    const begun = started ?? created;
    const words = isLive(this.job)
      ? `for ${duration(Math.max(0, Date.now() / 1000 - begun))}`
      : [ended && duration(ended - begun), age(ended ?? created)].filter(Boolean).join(", ");
    text(this.since, words);
  }

  curve({ points, gpu, whole }) {
    this.points = whole ? points : [...this.points, ...points];
    this.gpu = whole ? gpu : [...this.gpu, ...gpu];
    const rate = this.points.map((point, at) => {
      const before = this.points[at - 1];
      return [point[0], before ? ((point[4] - before[4]) / Math.max(1, point[0] - before[0])) * 1000 : null];
    });
    const of = (list, at) => list.filter((point) => point[at] !== null).map((point) => [point[0], point[at]]);
    this.curves.set([of(this.points, 1), of(this.points, 2), rate.slice(1), of(this.gpu, 1), of(this.gpu, 2)]);
  }
}

customElements.define("job-page", JobPage);
