// What can be done to a job, and in words what came of it.
import { about, call } from "../shared/call.js";
import { confirmed } from "../shared/confirm.js";
import { h } from "../shared/dom.js";
import { go } from "../shared/route.js";
import { say } from "../shared/say.js";

const SIGNALS = ["HUP", "INT", "QUIT", "USR1", "USR2", "STOP", "CONT", "TERM", "WINCH", "KILL"];

// Jobs that were stopped here: what came of it the answer says, and the list does not say it over that.
export const stoppedHere = new Set();

export const isLive = (job) => job.status === "running" || job.status === "queued";

export function label(job) {
  return job.name ? `${job.name} (${job.job_id})` : job.job_id;
}

// Returns what became of a job in words: its status, and exit code or signal.
export function outcome({ status, exit_code: code, signal }) {
  if (status === "completed" || status === "running" || status === "queued") return status;
  return [status, signal ? signal : code ? `exit ${code}` : ""].filter(Boolean).join(", ");
}

async function told(work) {
  try {
    const words = await work();
    if (words) say(words);
    return true;
  } catch (error) {
    say(error.message);
    return false;
  }
}

export async function stop(job) {
  if (!(await confirmed(`Stop ${label(job)}, and every process that it started?`, "Stop it"))) return;
  stoppedHere.add(job.job_id);
  await told(async () => {
    const { status, reason, ended_with: kin = [] } = await call("kill_job", { job_id: job.job_id });
    const others = kin.length ? `; with it ${kin.map(label).join(", ")}` : "";
    return `${label(job)}: ${status.replace("_", " ")}${reason ? `, ${reason}` : ""}${others}`;
  });
}

export async function restart(job) {
  if (isLive(job) && !(await confirmed(`Stop ${label(job)}, and start it again?`, "Restart it"))) return;
  await told(async () => {
    const { job_id: started, note } = await call("restart_job", { job_id: job.job_id, wait_s: 0 });
    go("jobs", started);
    return `started again as ${started}${note ? `; ${note}` : ""}`;
  });
}

async function sendSignal(job, signal) {
  const asks = signal === "KILL" || signal === "TERM" || signal === "STOP";
  if (asks && !(await confirmed(`Send SIG${signal} to ${label(job)}?`, `Send SIG${signal}`))) return;
  await told(async () => {
    const answer = await call("kill_job", { job_id: job.job_id, signal, signal_only: true });
    const { status, processes = [], reason } = answer;
    const whom = processes.length ? ` (process ${processes.join(", ")})` : "";
    return `SIG${signal} to ${label(job)}: ${status.replace("_", " ")}${whom}${reason ? `, ${reason}` : ""}`;
  });
}

// Sends input; resolves to whether it was taken.
export const send = (job_id, input) =>
  told(async () => {
    await call("interact_with_job", { job_id, wait_s: 0, ...input });
  });

// Hides, of elements under the names of actions, those that this page may not ask for; all until that is known. If it
// cannot be known, the shell says what is wrong, and the server refuses.
export async function permit(elements) {
  const forbid = (is) => elements.forEach(([name, element]) => element.classList.toggle("forbidden", is(name)));
  forbid(() => true);
  const { actions } = await about().catch(() => ({}));
  forbid((name) => actions && !(name in actions));
}

// Returns a choice of signals, with a button that sends what is chosen.
export function signals(job) {
  const choice = h("select", { "aria-label": "Signal" }, ...SIGNALS.map((name) => h("option", { value: name }, `SIG${name}`)));
  return h("span", { class: "signals" }, choice, h("button", { type: "button", onclick: () => sendSignal(job(), choice.value) }, "Send"));
}
