// Numbers and elements. Text from the run is only ever set as text, never as markup.
const $ = id => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children.filter(child => child !== null && child !== undefined));
  return node;
}

function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children.filter(child => child !== null && child !== undefined));
  return node;
}

const isNumber = value => typeof value === "number" && isFinite(value);

// Three significant digits, as short as they can be.
function short(value) {
  if (!isNumber(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(1).replace("e+", "e");
  if (size >= 100) return Math.round(value).toLocaleString("en");
  return String(+value.toPrecision(3));
}

const percent = value => isNumber(value) ? `${(100 * value).toFixed(value > 0 && value < .0995 ? 1 : 0)} %` : "–";
const percentWhole = value => isNumber(value) ? `${Math.round(100 * value)} %` : "–";

function rate(value) {
  if (!isNumber(value)) return "–";
  if (value === 0) return "0/s";
  return value < .95 ? `${short(60 * value)}/min` : `${short(value)}/s`;
}

function bytes(value) {
  if (!isNumber(value)) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) { value /= 1000; unit += 1; }
  return `${unit === 0 ? value : +value.toPrecision(3)} ${units[unit]}`;
}

function duration(seconds) {
  if (!isNumber(seconds)) return "–";
  if (seconds === 0) return "0 s";
  if (seconds < 0.001) return `${short(seconds * 1e6)} µs`;
  if (seconds < 1) return `${short(seconds * 1e3)} ms`;
  if (seconds < 100) return `${seconds < 10 ? short(seconds) : Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60), hours = Math.floor(minutes / 60), days = Math.floor(hours / 24);
  if (days > 0) return `${days} d ${hours % 24} h`;
  return hours > 0 ? `${hours} h ${minutes % 60} min` : `${minutes} min`;
}

const words = name => name.replaceAll("_", " ");
const clock = seconds => isNumber(seconds) ? new Date(1000 * seconds).toLocaleTimeString([], { hour12: false }) : "earlier";

const dateTime = seconds => isNumber(seconds) ? new Date(1000 * seconds).toLocaleString([], { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hour12: false }) : "–";

// What the children of each element were made from.
const drawnFrom = new WeakMap();

// Replaces the children only when they differ: what a reader has selected or scrolled to stays.
function fill(node, key, make) {
  if (drawnFrom.get(node) === key) return;
  drawnFrom.set(node, key);
  node.replaceChildren(...make());
}
