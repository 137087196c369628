// Curves over time, on canvas: some tracks below one another with one axis of time, on which a moment can be picked.
import { h, set, text } from "./dom.js";
import { clock } from "./format.js";

const HEIGHT = 44;
const LOW = 0.05; // of a track: room above its highest point
const GAP = 4; // a hole in time, in usual steps, across which nothing is drawn

// Returns points, ascending in time, as [ms, value or null], without those that have none: in stretches, with holes between.
function stretches(points) {
  const steps = points.slice(1).map((point, at) => point[0] - points[at][0]).sort((a, b) => a - b);
  const hole = GAP * Math.max(2000, steps[Math.floor(steps.length / 2)] ?? 0);
  const found = [];
  let last = -Infinity;
  for (const [ms, value] of points) {
    if (value !== null && ms - last > hole) found.push([]);
    if (value !== null) found.at(-1).push([ms, value]);
    last = value === null ? -Infinity : ms;
  }
  return found;
}

// Returns what puts a point into a field of this size.
function scaled([from, to], top, width, height) {
  return ([ms, value]) => [((ms - from) / Math.max(1, to - from)) * width, height - (value / top) * height * (1 - LOW)];
}

// Draws points into a context of this size.
function draw(context, points, span, top, width, height, ink) {
  const place = scaled(span, top, width, height);
  for (const stretch of stretches(points)) {
    const places = stretch.map(place);
    const [begin, end] = [places[0], places.at(-1)];
    context.beginPath();
    context.moveTo(...begin);
    for (const [x, y] of places) context.lineTo(x, y);
    if (places.length === 1) context.lineTo(begin[0] + 1, begin[1]);
    context.strokeStyle = ink;
    context.lineWidth = 1.5;
    context.stroke();
    context.lineTo(end[0], height);
    context.lineTo(begin[0], height);
    context.globalAlpha = 0.14;
    context.fillStyle = ink;
    context.fill();
    context.globalAlpha = 1;
  }
}

// Fits a canvas to its place and the screen's pixels; returns its context, cleared, and its size.
function fitted(canvas) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const scale = devicePixelRatio || 1;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  return [context, width, height];
}

// Returns a colour of the page as canvas understands it.
function ink(canvas, colour) {
  canvas.style.color = `var(${colour})`;
  return getComputedStyle(canvas).color;
}

// A canvas keeps the colours of the scheme that it was painted in: the browser's, or the one that a host has named.
const repaint = new Set();
const paintAll = () => repaint.forEach((paint) => paint());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paintAll);
new MutationObserver(paintAll).observe(document.documentElement, { attributeFilter: ["data-theme"] });

const SVG = "http://www.w3.org/2000/svg";

// A small curve beside a figure. Returns its element, whose draw(points, top) draws.
export function spark() {
  const [area, line] = ["spark-area", "spark-line"].map((name) => drawn("path", { class: name }));
  const svg = drawn("svg", { class: "spark", viewBox: "0 0 100 20", preserveAspectRatio: "none", "aria-hidden": "true" }, area, line);
  svg.draw = (points, top) => {
    const place = scaled([points[0]?.[0], points.at(-1)?.[0]], top, 100, 20);
    const lines = stretches(points).map((stretch) => stretch.map((point) => place(point).map((part) => part.toFixed(1)).join(" ")));
    set(line, "d", lines.map((places) => `M${places.join("L")}`).join(""));
    set(area, "d", lines.map((places) => `M${places.join("L")}V20H${places[0].split(" ")[0]}Z`).join(""));
  };
  return svg;
}

function drawn(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) set(element, name, value);
  element.append(...children);
  return element;
}

// Curves of several tracks: [{name, colour, format(value), least}]. Whoever picks a moment, by pointer or keys, gets it in ms.
export class Curves {
  constructor(label, tracks, onPick) {
    this.tracks = tracks.map((track) => ({ ...track, points: [], value: h("span", { class: "curve-value" }) }));
    this.onPick = onPick;
    this.canvas = h("canvas");
    this.moment = h("p", { class: "curve-moment muted" });
    this.element = h("div", {
      class: "curves",
      role: "slider",
      tabindex: "0",
      "aria-label": label,
      "aria-valuemin": "0",
      "aria-valuenow": "0",
      onpointermove: (event) => this.point(this.at(event)),
      onpointerleave: () => this.point(null),
      onclick: (event) => this.pick(this.at(event)),
      onkeydown: (event) => this.key(event),
    });
    this.names = h("div", { class: "curve-names" });
    this.element.append(this.names, h("div", { class: "curve-canvas" }, this.canvas), this.moment);
    this.marked = this.hovered = null;
    this.paint = () => this.redraw();
    repaint.add(this.paint);
    this.sizes = new ResizeObserver(this.paint);
    this.sizes.observe(this.element);
  }

  close() {
    repaint.delete(this.paint);
    this.sizes.disconnect();
  }

  // Sets the points of each track, by its place.
  set(points) {
    this.tracks.forEach((track, at) => (track.points = points[at]));
    this.shown = this.tracks.filter((track) => track.points.length > 0);
    this.times = [...new Set(this.shown.flatMap((track) => track.points.map((point) => point[0])))].sort((a, b) => a - b);
    this.names.replaceChildren(...this.shown.map((track) => h("p", {}, track.name, " ", track.value)));
    this.element.hidden = this.times.length < 2;
    this.element.setAttribute("aria-valuemax", Math.max(0, this.times.length - 1));
    this.redraw();
  }

  // Marks the moment (ms) that is seen elsewhere.
  mark(ms) {
    this.marked = ms;
    this.redraw();
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    const [from, to] = this.span();
    return from + Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) * (to - from);
  }

  span() {
    return [this.times[0], this.times.at(-1)];
  }

  point(ms) {
    this.hovered = ms;
    this.redraw();
  }

  pick(ms) {
    this.mark(this.times[nearest(this.times, ms)]);
    this.onPick(this.marked);
  }

  key(event) {
    const now = nearest(this.times, this.marked ?? this.times.at(-1));
    const leap = Math.max(1, Math.round(this.times.length / 20));
    const to = { ArrowLeft: now - 1, ArrowRight: now + 1, PageDown: now - leap, PageUp: now + leap, Home: 0, End: Infinity }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.pick(this.times[Math.min(this.times.length - 1, Math.max(0, to))]);
  }

  // Draws with the next frame, once for all that has changed by then.
  redraw() {
    this.due ??= requestAnimationFrame(() => {
      this.due = null;
      this.drawNow();
    });
  }

  drawNow() {
    if (!this.times?.length || this.element.hidden || !this.element.isConnected) return;
    this.canvas.style.height = `${this.shown.length * HEIGHT}px`;
    const [context, width] = fitted(this.canvas);
    const [from, to] = this.span();
    const ms = this.hovered ?? this.marked ?? to;
    this.shown.forEach((track, row) => {
      const highest = track.points.reduce((most, point) => Math.max(most, point[1] ?? 0), track.least);
      context.save();
      context.translate(0, row * HEIGHT);
      draw(context, track.points, [from, to], highest, width, HEIGHT - 6, ink(this.canvas, track.colour));
      context.restore();
      const value = track.points[nearest(track.points, ms, (point) => point[0])][1];
      text(track.value, value === null ? "" : track.format(value));
    });
    for (const [moment, colour] of [[this.marked, "--ink"], [this.hovered, "--muted"]]) {
      if (moment === null || moment === undefined) continue;
      context.fillStyle = ink(this.canvas, colour);
      context.fillRect(((moment - from) / Math.max(1, to - from)) * width, 0, 1, this.shown.length * HEIGHT);
    }
    text(this.moment, clock(ms / 1000));
    this.element.setAttribute("aria-valuenow", nearest(this.times, ms));
    const told = this.shown.map((track) => `${track.name} ${track.value.textContent}`).join(", ");
    this.element.setAttribute("aria-valuetext", `${clock(ms / 1000)}: ${told}`);
  }
}

// Returns the place of the nearest in an ascending list.
function nearest(list, value, of = (item) => item) {
  let [low, high] = [0, list.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (of(list[middle]) <= value) low = middle;
    else high = middle;
  }
  return Math.abs(of(list[high] ?? list[low]) - value) < Math.abs(of(list[low]) - value) ? high : low;
}
