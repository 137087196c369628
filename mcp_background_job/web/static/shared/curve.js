// Curves over time, on canvas: some tracks below one another with one axis of time, on which a moment can be picked.
import { h, text } from "./dom.js";
import { clock } from "./format.js";

const HEIGHT = 44;
const LOW = 0.05; // of a track: room above its highest point
const GAP = 4; // a hole in time, in usual steps, across which nothing is drawn

// Draws points, ascending in time, as [ms, value or null], into a context of this size.
function draw(context, points, [from, to], top, width, height, ink) {
  const x = (ms) => ((ms - from) / Math.max(1, to - from)) * width;
  const y = (value) => height - (value / top) * height * (1 - LOW);
  const steps = points.slice(1).map((point, at) => point[0] - points[at][0]).sort((a, b) => a - b);
  const hole = GAP * Math.max(2000, steps[Math.floor(steps.length / 2)] ?? 0);
  let stretch = [];
  const finish = () => {
    if (!stretch.length) return;
    context.beginPath();
    context.moveTo(x(stretch[0][0]), y(stretch[0][1]));
    for (const [ms, value] of stretch) context.lineTo(x(ms), y(value));
    if (stretch.length === 1) context.lineTo(x(stretch[0][0]) + 1, y(stretch[0][1]));
    context.strokeStyle = ink;
    context.lineWidth = 1.5;
    context.stroke();
    context.lineTo(x(stretch.at(-1)[0]), height);
    context.lineTo(x(stretch[0][0]), height);
    context.globalAlpha = 0.14;
    context.fillStyle = ink;
    context.fill();
    context.globalAlpha = 1;
    stretch = [];
  };
  let last = 0;
  for (const point of points) {
    if (point[1] === null || (stretch.length && point[0] - last > hole)) finish();
    if (point[1] !== null) stretch.push(point);
    last = point[0];
  }
  finish();
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

const repaint = new Set();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => repaint.forEach((paint) => paint()));

// A small curve beside a figure. Returns its element, whose draw(points, top) draws.
export function spark(colour = "--accent") {
  const canvas = h("canvas", { class: "spark", "aria-hidden": "true" });
  canvas.draw = (points, top) => {
    // Before it stands in the page it has neither a size nor a colour.
    if (!canvas.isConnected) return void requestAnimationFrame(() => canvas.isConnected && canvas.draw(points, top));
    const [context, width, height] = fitted(canvas);
    const span = points.length ? [points[0][0], points.at(-1)[0]] : [0, 1];
    draw(context, points, span, top, width, height, ink(canvas, colour));
  };
  return canvas;
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

  redraw() {
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
