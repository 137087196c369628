// What prompts have made: of a session, of a batch, or all, the newest first.
import { call } from "../shared/call.js";
import { h, keyed, text } from "../shared/dom.js";
import { duration } from "../shared/format.js";
import { go, href } from "../shared/route.js";
import { watch } from "../shared/watch.js";
import { asks, count, titled } from "./asked.js";
import { batchHead } from "./queue.js";
import { captionOf, picture } from "./picture.js";
import { ago } from "./time.js";

const STATUSES = { "": "all", completed: "completed", failed: "failed", cancelled: "cancelled", lost_to_restart: "lost to a restart" };
const PAGE = 24;
const MOST = 500;
const THUMBNAILS = 6;

// Makes the gallery: an element with show(filters), take(facts of the queue) and close().
export function gallery() {
  const session = h("select", { id: "session" });
  const status = h("select", { id: "status" }, Object.entries(STATUSES).map(([value, told]) => h("option", { value }, told)));
  const batch = h("div", { class: "card", hidden: true });
  const detail = h("p", { class: "muted" });
  const cards = h("ul", { class: "cards" });
  const more = h("button", { type: "button", hidden: true }, "Show more");
  const save = h("span", { class: "acts" });
  const element = h("section", { "aria-label": "Made" }, h("h2", {}, "Made"),
    h("p", { class: "buttons filters" },
      h("label", { for: "session" }, "Session"), session, h("label", { for: "status" }, "Status"), status, save),
    batch, detail, cards, more);
  let filters = {};
  let limit = PAGE;
  let stop = () => {};

  const look = () => {
    stop();
    const args = { limit, session: filters.session || null, batch: filters.batch || null, status: filters.status || null };
    stop = watch("comfyui_gallery", args, take, (error) => take({ prompts: [], sessions: [], detail: error.message }));
  };
  const take = (facts) => {
    sessions(session, facts.sessions, filters.session ?? "");
    text(detail, facts.detail ?? (facts.prompts.length ? "" : "Nothing yet."));
    keyed(cards, facts.prompts, (one) => `${one.prompt_id} ${one.status}`, card);
    more.hidden = !facts.more || limit >= MOST;
  };
  const filtered = (change) => go("comfyui", "", { ...filters, ...change }, { replace: true });
  session.addEventListener("change", () => filtered({ session: session.value, batch: "" }));
  status.addEventListener("change", () => filtered({ status: status.value }));
  more.addEventListener("click", () => {
    limit = Math.min(MOST, limit + PAGE);
    look();
  });
  element.show = (now) => {
    if (JSON.stringify(now) !== JSON.stringify(filters) || !cards.keyed) {
      filters = now;
      limit = PAGE;
      status.value = filters.status ?? "";
      save.replaceChildren(filters.session || filters.batch ? saveAll(filters) : "");
      look();
    }
  };
  element.take = ({ batches = [] }) => {
    const chosen = batches.find((one) => one.batch_id === filters.batch);
    batch.hidden = !filters.batch;
    if (batch.shown !== filters.batch) batch.replaceChildren(h("a", { href: href("comfyui") }, "Show all again"));
    if (chosen && batch.shown !== filters.batch) batch.prepend((batch.head = batchHead(chosen)));
    batch.shown = chosen || !filters.batch ? filters.batch : null;
    if (chosen) batch.head.take(chosen);
  };
  element.close = () => stop();
  return element;
}

function sessions(select, rows, chosen) {
  const known = JSON.stringify(rows);
  if (select.known !== known) {
    select.known = known;
    select.replaceChildren(h("option", { value: "" }, "all"),
      ...rows.map((one) => h("option", { value: one.session_id },
        `${one.name} (${one.prompts})${one.current ? ", current" : one.directory ? `, in ${one.directory}` : ""}`)));
  }
  select.value = chosen;
}

// Saves all files of a session or batch where the server keeps what it downloads, a call at a time until none is left.
function saveAll({ session, batch }) {
  return asks("Save all on the server", { question: "Download all files to the directory for outputs, on the machine of this server? What is there already is left as it is.", verb: "Download" }, async () => {
    let facts;
    do {
      facts = await call("comfyui_download", batch ? { batch } : { session });
    } while (facts.left && facts.downloaded);
    return `${count(facts.downloaded ?? 0, "file")} new in ${facts.directory ?? "the directory for outputs"}${facts.failed ? `; ${facts.failed} failed` : ""}`;
  });
}

function card(prompt) {
  const { prompt_id: id, status, cause, outputs = [], shown = [], duration_s: took, ended_at: at } = prompt;
  const left = outputs.length - THUMBNAILS;
  return h("li", { class: "card made" },
    h("div", { class: "line" }, h("span", { class: `badge ${status}` }, status.replaceAll("_", " ")),
      h("a", { href: href("comfyui", id), title: id }, titled(prompt)), ago(at), took ? h("span", { class: "muted" }, `took ${duration(took)}`) : null),
    outputs.length ? h("ul", { class: "thumbs" }, outputs.slice(0, THUMBNAILS).map((one) => thumb(id, one))) : null,
    left > 0 ? h("a", { href: href("comfyui", id) }, `${left} more`) : null,
    shown.slice(0, 1).map((one) => h("p", { class: "shown" }, h("span", { class: "muted" }, `${one.name ?? one.node}: `), one.text.slice(0, 200))),
    cause ? h("p", { class: "cause" }, cause) : null,
  );
}

function thumb(id, output) {
  return h("li", {}, h("a", { href: href("comfyui", id), title: captionOf(output) }, picture(id, output, true)),
    h("span", { class: "muted name" }, output.name ?? `node ${output.node}`));
}
