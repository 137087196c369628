// The frame around the pages: navigation, which page is shown, and what is wrong between here and the server.
import { h } from "./shared/dom.js";
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
let shown = null;

function follow(event, page) {
  event.preventDefault();
  go(page);
}

function show(to) {
  const found = PAGES.find(({ page }) => page === to.page) ?? PAGES[0];
  const tag = to.id ? found.one : found.list;
  if (shown?.localName !== tag) {
    shown = document.createElement(tag);
    main.replaceChildren(shown);
    main.focus({ preventScroll: true });
  }
  PAGES.forEach(({ page }, at) => {
    if (page === found.page) links[at].setAttribute("aria-current", "page");
    else links[at].removeAttribute("aria-current");
  });
  document.title = `${to.id || found.title} · Background jobs`;
  shown.show({ ...to, page: found.page });
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
onTrouble(trouble);
onRoute(show);
show(route());
watch("server", {}, (facts) => {
  document.querySelector(".of").textContent = facts.project ?? facts.directory;
});
