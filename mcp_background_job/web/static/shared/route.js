// Where we are: #/page/id?filter=value. In a chat there is no address to keep it in: there it is only remembered.
import { inHost } from "./host.js";

const listeners = new Set();
let current = parse(location.hash);

function parse(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [page = "", ...id] = path.split("/");
  return { page: page || "jobs", id: decodeURIComponent(id.join("/")), filters: Object.fromEntries(new URLSearchParams(query)) };
}

// Returns the link to a page; filters without a value are left out.
export function href(page, id = "", filters = {}) {
  const query = new URLSearchParams(Object.entries(filters).filter(([, value]) => value)).toString();
  return `#/${page}${id ? `/${encodeURIComponent(id)}` : ""}${query ? `?${query}` : ""}`;
}

export function route() {
  return current;
}

// Goes to a page. With replace the one before is not what "back" leads to: for filters that are being typed.
export function go(page, id = "", filters = {}, { replace = false } = {}) {
  const to = href(page, id, filters);
  if (!inHost && to !== location.hash) history[replace ? "replaceState" : "pushState"](null, "", to);
  move(to);
}

// Has a function called with each new route; returns what ends that.
export function onRoute(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function move(to) {
  current = parse(to);
  for (const listener of listeners) listener(current);
}

addEventListener("popstate", () => move(location.hash));

// In a chat whoever shows this page would be asked for what is behind a link to a page.
if (inHost) {
  addEventListener("click", (event) => {
    const link = event.target.closest?.('a[href^="#/"]');
    if (!link || event.defaultPrevented) return;
    event.preventDefault();
    move(link.getAttribute("href"));
  });
}
