// Figures in words.

const UNITS = ["B", "kB", "MB", "GB", "TB"];

export function bytes(count) {
  if (count === null || count === undefined) return "";
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit && value < 10 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}

// Returns a length of time: 4.2 s, 3 min 20 s, 2 h 5 min, 3 d 4 h.
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return two(whole, 60, "min", 1, "s");
  if (whole < 86400) return two(whole, 3600, "h", 60, "min");
  return two(whole, 86400, "d", 3600, "h");
}

function two(whole, large, largeName, small, smallName) {
  const rest = Math.floor((whole % large) / small);
  return `${Math.floor(whole / large)} ${largeName}${rest ? ` ${rest} ${smallName}` : ""}`;
}

// Returns how long ago a moment is; it is ISO text, or seconds since the epoch.
export function age(moment, now = Date.now()) {
  if (moment === null || moment === undefined) return "";
  return `${duration(Math.max(0, (now - millis(moment)) / 1000))} ago`;
}

// Returns a moment as a clock on this machine shows it, with its day if that is another one. The browser's own words for
// moments and numbers are not used: before it says the first of them, it reads its tables for a twentieth of a second.
export function clock(moment, now = Date.now()) {
  const at = new Date(millis(moment ?? NaN)).getTime();
  if (Number.isNaN(at)) return "";
  const [day, time] = local(at);
  return day === local(now)[0] ? time : `${day} ${time}`;
}

function local(ms) {
  const ahead = new Date(ms).getTimezoneOffset() * 60_000;
  return new Date(ms - ahead).toISOString().slice(0, 19).split("T");
}

// Returns a number of things, with a comma between thousands.
export function number(count) {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}

function millis(moment) {
  return typeof moment === "number" ? moment * 1000 : Date.parse(moment);
}

export function percent(share) {
  return share === null || share === undefined ? "" : `${Math.round(share * 100)} %`;
}
