// What prompts have made: of a session, of a batch, or all, the newest first.
import { call } from "../shared/call.js";
import { h, keyed, text } from "../shared/dom.js";
import { duration } from "../shared/format.js";
import { go, href } from "../shared/route.js";
import { watch } from "../shared/watch.js";
import { ago, asks, badge, muted, plain } from "../shared/words.js";
import { captionOf, picture } from "./picture.js";
import { titled } from "./words.js";

const STATUSES = ["completed", "failed", "cancelled", "lost_to_restart"];
const PAGE = 24;
const MOST = 500;
const THUMBNAILS = 6;

// Makes the gallery: an element with show(filters) and close().
export function gallery() {
  let filters = null;
  let limit = PAGE;
  let stop = () => {};
  const chosen = (name) => (event) => go("comfyui", "", { ...filters, [name]: event.target.value }, { replace: true });
  const session = h("select", { id: "session", onchange: chosen("session") });
  const status = h("select", { id: "status", onchange: chosen("status") }, h("option", { value: "" }, "all"),
    STATUSES.map((one) => h("option", { value: one }, plain(one))));
  const batch = h("p");
  const save = asks("Save all on the server", { question: "Download all of these to the server's output directory?" },
    () => saved(filters.batch ? { batch: filters.batch } : { session: filters.session }));
  const detail = h("p", { class: "muted" });
  const cards = h("ul", { class: "cards" });
  const more = h("button", { type: "button", onclick: () => look((limit += PAGE)) }, "Show more");
  const element = h("section", { "aria-label": "Results" }, h("h2", {}, "Results"),
    h("div", { class: "entry" }, h("label", { for: "session" }, "Session"), session, h("label", { for: "status" }, "Status"), status, h("span", { class: "acts" }, save)),
    batch, detail, cards, more);
  const take = ({ prompts, sessions, more: left, detail: told }) => {
    choose(session, sessions, filters.session ?? "");
    text(detail, told ?? (prompts.length ? "" : "Nothing yet."));
    keyed(cards, prompts, (one) => `${one.prompt_id} ${one.status}`, card);
    more.hidden = !left || limit >= MOST;
  };
  const look = () => {
    stop();
    const args = { limit: Math.min(limit, MOST), session: filters.session, batch: filters.batch, status: filters.status };
    stop = watch("comfyui_gallery", args, take, ({ message }) => text(detail, message));
  };
  element.show = (now) => {
    if (JSON.stringify(now) === JSON.stringify(filters)) return;
    filters = now;
    limit = PAGE;
    status.value = now.status ?? "";
    save.hidden = !now.session && !now.batch;
    batch.replaceChildren(...(now.batch ? [`Of batch ${now.batch}. `, h("a", { href: href("comfyui") }, "Show all")] : []));
    look();
  };
  element.close = () => stop();
  return element;
}

function choose(select, sessions, chosen) {
  const known = JSON.stringify(sessions);
  if (select.known !== known) {
    const options = sessions.map(({ session_id: id, name, prompts, current, directory }) =>
      h("option", { value: id }, `session ${name}, prompts: ${prompts}${current ? ", current" : directory ? `, in ${directory}` : ""}`));
    select.replaceChildren(h("option", { value: "" }, "all"), ...options);
    select.known = known;
  }
  select.value = chosen;
}

// Each call of a download takes a while at most, and says whether something is left.
async function saved(args) {
  let files = 0;
  for (;;) {
    const facts = await call("comfyui_download", args);
    files += facts.written;
    if (!facts.left || !facts.written) return `New files in ${facts.directory}: ${files}${facts.failed ? `; failed: ${facts.failed}` : ""}`;
  }
}

function card(prompt) {
  const { prompt_id: id, status, cause, outputs = [], shown = [], duration_s: took, ended_at: at } = prompt;
  const left = outputs.length - THUMBNAILS;
  return h("li", { class: "card" },
    h("div", { class: "entry" }, badge(status), h("a", { href: href("comfyui", id), title: id }, titled(prompt)), ago(at), took && muted(`took ${duration(took)}`)),
    h("ul", { class: "thumbs" }, outputs.slice(0, THUMBNAILS).map((one) => thumb(id, one))),
    left > 0 && muted(`and ${left} more`),
    shown.slice(0, 1).map((one) => h("p", { class: "shown" }, muted(one.name ?? one.node), " ", one.text.slice(0, 200))),
    cause && h("p", { class: "cause" }, cause));
}

function thumb(id, output) {
  return h("li", {}, h("a", { href: href("comfyui", id), title: captionOf(output) }, picture(id, output, true)), muted(output.name ?? `node ${output.node}`));
}
