// One run: its transcript, what it asks, and what can be done with it.
import { call, mayAct } from "../shared/call.js";
import { h, keyed, text } from "../shared/dom.js";
import { showFamily } from "../shared/family.js";
import { clock, duration } from "../shared/format.js";
import { href } from "../shared/route.js";
import { say } from "../shared/say.js";
import { watch } from "../shared/watch.js";
import { ago, asks, badge, muted, plain, ticking } from "../shared/words.js";
import { next, question } from "./question.js";
import { Transcript } from "./transcript.js";

const END = 120; // so near to its end, in pixels, one follows what comes

class RunPage extends HTMLElement {
  connectedCallback() {
    this.ticking = ticking(this);
    mayAct(this);
  }

  disconnectedCallback() {
    this.ticking();
    this.stop?.();
  }

  show({ id }) {
    if (this.id_ === id) return;
    this.id_ = id;
    this.stop?.();
    this.run = this.asked = this.ended = null;
    this.build(id);
    this.stop = watch("run", { run_id: id }, (facts) => this.take(facts), ({ message }) => text(this.note, message));
  }

  build(id) {
    this.badge = badge("queued", "…");
    this.head = h("h1", {}, id);
    this.since = h("span", { class: "muted" });
    this.note = h("p", { class: "note", role: "status" });
    this.cancel = asks("Cancel", { question: `Cancel run ${id} and all that it started?`, verb: "Cancel the run" },
      async () => this.cancelled(await call("cancel_run", { run_id: id })));
    this.cancel.hidden = true;
    this.task = h("div", { class: "told words" });
    this.earlier = asks("Show earlier", {}, () => this.before());
    this.earlier.hidden = true;
    this.transcript = new Transcript(id);
    this.answers = h("div");
    this.facts = h("dl", { class: "facts" });
    this.plan = h("ul", { class: "plan" });
    this.todo = h("section", { "aria-label": "To do", hidden: true }, h("h2", {}, "To do"), this.plan);
    this.family = h("ul", { class: "family" });
    this.kin = h("section", { "aria-label": "Family" }, h("h2", {}, "Started within each other"), this.family);
    this.replaceChildren(
      h("p", {}, h("a", { href: href("runs") }, "← All runs")), this.head,
      h("p", { class: "buttons" }, this.badge, this.since, h("span", { class: "acts" }, this.cancel)), this.note,
      h("div", { class: "both" },
        h("section", { "aria-label": "Transcript" }, h("div", { class: "chat" }, this.task, this.earlier), this.transcript.element, this.answers),
        h("div", { class: "side" }, this.facts, this.todo, this.kin)));
  }

  take({ run, entries, first }) {
    const isFirst = first !== undefined;
    const follows = isFirst ? !run.is_over : innerHeight + scrollY > document.documentElement.scrollHeight - END;
    if (isFirst) {
      this.first = first;
      this.entries = [];
      this.transcript.clear();
      this.earlier.hidden = first <= 1;
    }
    this.tell(this.run, run);
    this.run = run;
    this.entries.push(...entries);
    this.transcript.add(entries);
    this.fill(run);
    if (follows) scrollTo(0, document.documentElement.scrollHeight);
  }

  // Tells what a person would want to hear; of a cancel more was told already.
  tell(before, now) {
    if (before && before.status !== now.status && (now.is_over || now.question) && !this.ended) say(`${now.agent}: ${plain(now.status)}`);
  }

  async before() {
    const { entries, first } = await call("run_before", { run_id: this.id_, before: this.first });
    this.first = first;
    this.entries.unshift(...entries);
    this.earlier.hidden = first <= 1;
    this.transcript.clear();
    this.transcript.add(this.entries);
    this.fill(this.run);
  }

  fill(run) {
    const { agent, run_id: id, status, question: asked } = run;
    document.title = `${plain(status)}: ${agent} · Background jobs`;
    this.head.replaceChildren(agent, h("span", { class: "muted" }, ` ${id}`));
    this.badge.className = `badge ${status}`;
    text(this.badge, plain(status));
    const took = run.ended_at && run.started_at && `took ${duration(run.ended_at - run.started_at)}`;
    this.since.replaceChildren(ago(run.ended_at ?? run.started_at ?? run.created_at), [took, run.used].filter(Boolean).map((one) => ` · ${one}`).join(""));
    if (run.waits_for || !run.is_over) text(this.note, run.waits_for ?? "");
    text(this.task, run.prompt);
    this.task.hidden = !run.prompt;
    this.cancel.hidden = run.is_over;
    this.offer(asked ? `asks ${asked.seq}` : run.resumable ? "next" : "", () => (asked ? question(run, asked) : next(run)));
    const plan = this.entries.findLast(({ kind }) => kind === "plan")?.items ?? [];
    this.todo.hidden = !plan.length;
    keyed(this.plan, plan.map((item, at) => ({ ...item, at })), ({ at }) => at, () => h("li"), (item, { text: words, status: state }) => {
      item.replaceChildren({ completed: "☑ ", in_progress: "▶ " }[state] ?? "☐ ", h("span", { class: state }, words), h("span", { class: "hidden-label" }, ` ${plain(state ?? "pending")}`));
    });
    this.list(run);
    this.kin.hidden = run.family.length < 2;
    showFamily(this.family, run.family, run.job_id);
  }

  // Shows what a person can answer; what is being typed stays as long as that is the same.
  offer(what, make) {
    if (this.asked === what) return;
    this.asked = what;
    this.answers.replaceChildren(...(what ? [make()] : []));
  }

  list(run) {
    const link = (page, id) => id && h("a", { href: href(page, id) }, id);
    const rows = [
      ["Agent", [run.backend, run.model, run.role].filter(Boolean).join(", ")], ["Directory", run.cwd], ["Project", run.project],
      ["Access", run.full_access && "full: unasked, without a sandbox"], ["Used", run.used], ["Asked for", clock(run.created_at)], ["Ended", clock(run.ended_at)],
      ["Goes on from", link("runs", run.resumed_from)], ["Session", run.session], ["Job", link("jobs", run.job_id)],
    ].filter(([, value]) => value);
    keyed(this.facts, rows, ([name]) => name, ([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)), (row, [, value]) => value.nodeType || text(row.lastChild, value));
  }

  cancelled({ status, stopped, escalation, leftover_pids: left, ended_with: kin = [] }) {
    const others = kin.length ? `; with it ended ${kin.map(({ run_id: run, job_id: job }) => (run ? `run ${run}` : `job ${job}`)).join(", ")}` : "";
    const how = stopped ? "every process of it is dead" : `these processes live on: ${left.join(", ")}`;
    const told = `${plain(status)}: ${how}${escalation === "kill" ? ", killed" : ""}${others}`;
    text(this.note, told);
    this.ended = true;
    return told;
  }
}

customElements.define("run-page", RunPage);
