// The frame around the pages: navigation, which page is shown, and what is wrong between here and the server.
import { h } from "./shared/dom.js";
import { displayMode, greet, inHost } from "./shared/host.js";
import { go, href, onRoute, route } from "./shared/route.js";
import { onTrouble, watch } from "./shared/watch.js";
import "./jobs/jobs-page.js";
import "./jobs/job-page.js";
import "./comfyui/comfyui-page.js";
import "./runs/runs-page.js";
import "./runs/run-page.js";

const PAGES = [
  { page: "jobs", title: "Jobs", list: "jobs-page", one: "job-page" },
  { page: "comfyui", title: "ComfyUI", list: "comfyui-page", one: "comfyui-page" },
  { page: "runs", title: "Runs", list: "runs-page", one: "run-page" },
];

const main = document.querySelector("main");
const links = PAGES.map(({ page, title }) => h("a", { href: href(page), onclick: (event) => follow(event, page) }, title));
const larger = h("button", { type: "button", hidden: true, "aria-pressed": "false", onclick: enlarge }, "Full screen");
let shown = null;

async function enlarge() {
  const { mode } = await displayMode(larger.getAttribute("aria-pressed") === "true" ? "inline" : "fullscreen");
  adapt({ displayMode: mode });
}

function follow(event, page) {
  event.preventDefault();
  go(page);
}

function show(to) {
  const found = PAGES.find(({ page }) => page === to.page) ?? PAGES[0];
  const tag = to.id ? found.one : found.list;
  if (shown?.localName !== tag) {
    const isFirst = !shown;
    shown = document.createElement(tag);
    main.replaceChildren(shown);
    // At first the keyboard begins at the top.
    if (!isFirst) main.focus({ preventScroll: true });
  }
  PAGES.forEach(({ page }, at) => {
    if (page === found.page) links[at].setAttribute("aria-current", "page");
    else links[at].removeAttribute("aria-current");
  });
  document.title = `${to.id || found.title} · Background jobs`;
  shown.show({ ...to, page: found.page });
}

// What a host says of its looks, and of what it can do.
function adapt({ theme, availableDisplayModes, displayMode: mode }) {
  if (theme) document.documentElement.dataset.theme = theme;
  if (availableDisplayModes) larger.hidden = !availableDisplayModes.includes("fullscreen");
  if (mode) larger.setAttribute("aria-pressed", String(mode === "fullscreen"));
}

function trouble(text) {
  const place = document.querySelector(".trouble");
  place.textContent = text;
  place.hidden = !text;
}

document.querySelector("nav").append(...links);
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
document.querySelector("header").append(larger);
if (inHost) {
  document.documentElement.dataset.host = "";
  greet({ onContext: adapt, onInput: ({ job_id: id }) => id && go("jobs", id) }).catch((error) => trouble(error.message));
}
onTrouble(trouble);
onRoute(show);
show(route());
watch("server", {}, (facts) => {
  document.querySelector(".of").textContent = facts.project ?? facts.directory;
});
