// Tells in a live region what has been done: seen for a while, and read out by screen readers.

const SEEN_MS = 8000;
let timer = 0;

export function say(text) {
  const place = document.getElementById("said");
  place.textContent = "";
  clearTimeout(timer);
  requestAnimationFrame(() => {
    place.textContent = text; // in a later frame, so that the same words are read out again
  });
  timer = setTimeout(() => (place.textContent = ""), SEEN_MS);
}
