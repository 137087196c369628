// The tree of jobs and runs that were started within each other.
import { h, keyed, text } from "./dom.js";
import { href } from "./route.js";
import { plain } from "./words.js";

// Shows a tree in a list; the job or run with this id is the one that is looked at.
export function showFamily(list, family, here) {
  keyed(list, family, ({ job_id }) => job_id, ({ job_id: id, run_id: run, name, command, depth }) => {
    const title = run ? `run ${name ?? run}` : name ?? id;
    const isHere = here === id || here === run;
    const link = isHere ? h("strong", {}, title) : h("a", { href: run ? href("runs", run) : href("jobs", id) }, title);
    const item = h("li", { "aria-current": isHere && "true" }, h("span", { class: "badge" }), " ", link, " ", h("code", { class: "muted" }, command));
    item.style.marginInlineStart = `${Math.min(depth, 8)}rem`;
    return item;
  }, (item, { status }) => {
    item.firstChild.className = `badge ${status}`;
    text(item.firstChild, plain(status));
  });
}
