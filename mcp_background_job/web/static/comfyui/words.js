// Words and buttons of this page.
import { call } from "../shared/call.js";
import { asks, plain } from "../shared/words.js";

// A button that asks for an action; onFacts is given what it tells.
export function does(label, how, action, args, onFacts = () => {}) {
  return asks(label, how, async () => {
    const facts = await call(action, args);
    onFacts(facts);
    return [how.about, outcome(facts)].filter(Boolean).join(": ");
  });
}

function outcome({ status, detail, cancel_summary: end, dropped_pending: dropped, canceled_unsent: unsent, not_dropped: kept }) {
  if (end) return `${plain(end.mode)}: ${end.canceled_pending} pending cancelled`;
  const counts = [dropped && `taken out of the queue: ${dropped.length}`, unsent && `never sent: ${unsent}`, kept && `not taken out: ${kept.join(", ")}`];
  return [plain(status), detail, ...counts].filter(Boolean).join("; ");
}

// What people call a prompt: its note, or the begin of its id; in a batch all have one note.
export function titled({ note, prompt_id: id, place }) {
  return (note || id.slice(0, 8)) + (place === undefined ? "" : `, no. ${place + 1}`);
}
