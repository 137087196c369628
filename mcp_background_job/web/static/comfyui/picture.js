// What prompts have made, as elements: pictures, films and sounds. All else can only be saved.
import { call } from "../shared/call.js";
import { h } from "../shared/dom.js";
import { inHost } from "../shared/host.js";

const KINDS = { img: /\.(png|jpe?g|webp|gif|avif|bmp|tiff?)$/i, video: /\.(mp4|m4v|mov|webm|mkv)$/i, audio: /\.(mp3|wav|flac|ogg|opus|m4a)$/i };

// Names a file, and the node that made it.
export function captionOf({ name, node, file }) {
  return `${name ?? "Node"} (${node}): ${file}`;
}

// Shows a file; a small one as a picture alone.
export function picture(id, output, small) {
  const caption = captionOf(output);
  const kind = Object.keys(KINDS).find((one) => KINDS[one].test(output.file));
  const instead = (told) => h("span", { class: "file", role: "img", "aria-label": `${caption}: ${told}` }, told);
  if (!kind || (small && kind !== "img")) return instead(output.file.split(".").pop().slice(0, 8));
  const element = h(kind, { "aria-label": caption, loading: "lazy", controls: true, preload: "metadata" });
  element.addEventListener("error", () => element.replaceWith(instead("cannot be shown")));
  const query = { prompt: id, ref: output.ref, small: small ? 1 : "" };
  if (inHost) whenSeen(element, async () => (await call("comfyui_page_picture", { prompt_id: id, ref: output.ref, small })).image);
  else element.src = `/api/picture?${new URLSearchParams(query)}`;
  return element;
}

// In a host nothing can be loaded: it comes through a call, once it is in sight.
function whenSeen(element, load) {
  const seen = new IntersectionObserver(async ([{ isIntersecting }]) => {
    if (!isIntersecting) return;
    seen.disconnect();
    try {
      element.src = await load();
    } catch {
      element.dispatchEvent(new Event("error"));
    }
  });
  seen.observe(element);
}
