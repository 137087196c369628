// What prompts have made, as elements: pictures, films and sounds. All else can only be saved.
import { call } from "../shared/call.js";
import { h } from "../shared/dom.js";
import { inHost } from "../shared/host.js";

const KINDS = [
  ["img", /\.(png|jpe?g|webp|gif|avif|bmp|tiff?)$/i],
  ["video", /\.(mp4|m4v|mov|webm|mkv)$/i],
  ["audio", /\.(mp3|wav|flac|ogg|opus|m4a)$/i],
];

function kindOf(file) {
  return KINDS.find(([, pattern]) => pattern.test(file))?.[0];
}

// What a file is made by, and its name: what is read out for it.
export function captionOf({ name, node, file }) {
  return `${name ?? "Node"} (${node}): ${file}`;
}

// Shows a file; a small one as a picture alone.
export function picture(promptId, output, small) {
  const kind = kindOf(output.file);
  if (!kind || (small && kind !== "img")) {
    return h("span", { class: "file", role: "img", "aria-label": captionOf(output) }, output.file.split(".").pop().slice(0, 8));
  }
  const element = h(kind, kind === "img" ? { alt: captionOf(output), loading: "lazy", decoding: "async" } : {
    controls: true, preload: "metadata", "aria-label": captionOf(output),
  });
  element.addEventListener("error", () => element.replaceWith(h("span", { class: "file" }, "not there any more")));
  if (inHost) fromCall(element, promptId, output, small);
  else element.src = `/api/picture?${new URLSearchParams({ prompt: promptId, ref: output.ref, small: small ? 1 : "" })}`;
  return element;
}

// In a host nothing can be loaded: it comes through a call, once it is in sight.
function fromCall(element, promptId, { ref }, small) {
  const seen = new IntersectionObserver(async (entries) => {
    if (!entries.some((one) => one.isIntersecting)) return;
    seen.disconnect();
    try {
      element.src = (await call("comfyui_page_picture", { prompt_id: promptId, ref, small })).image;
    } catch (error) {
      element.replaceWith(h("span", { class: "file" }, error.message));
    }
  });
  seen.observe(element);
}
