// Line charts: several series over one x, which can be zoomed, moved and switched off, linear or logarithmic, with a
// cursor by pointer or arrow keys, and the values beneath.

const DASHES = ["", "7 4", "2 4", "9 3 2 3", "4 2", "1 3"];

// Many noisy points are drawn faintly, with their running mean over them. How many points the mean reaches over is
// chosen for all charts; what the cursor shows is always the point itself.
const NOISY = 40;
const SMOOTHING = { off: 0, light: 1 / 32, medium: 1 / 16, strong: 1 / 4 };
let smoothing = "medium";
try { smoothing = localStorage.smoothing in SMOOTHING ? localStorage.smoothing : smoothing; } catch { /* not kept */ }

const reach = count => Math.max(4, Math.round(count * SMOOTHING[smoothing]));

function smooth(values) {
  const keep = 1 - 1 / reach(values.length);
  let sum = 0, weight = 0;
  return values.map(value => {
    if (!isNumber(value)) return value;
    [sum, weight] = [keep * sum + value, keep * weight + 1];
    return sum / weight;
  });
}

// Round steps that divide a range.
function ticks(low, high, count) {
  const raw = (high - low) / Math.max(1, count) || 1, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map(by => by * power).find(step => step >= raw * .999);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + step * 1e-6; at += step) found.push(+at.toPrecision(12));
  return found;
}

// Powers of ten, and their parts where there are few.
function logTicks(low, high) {
  const found = [], decades = Math.log10(high / low);
  const parts = decades > 3 ? [1] : decades > 1.2 ? [1, 3] : decades > .5 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1)
    for (const part of parts) {
      const at = +(part * 10 ** power).toPrecision(6);
      if (at >= low * .999 && at <= high * 1.001) found.push(at);
    }
  const every = Math.ceil(found.length / 7);
  return found.filter((_, index) => index % every === 0);
}

const nearest = (xs, wanted) => xs.reduce((best, x) => Math.abs(x - wanted) < Math.abs(best - wanted) ? x : best);

// What part of x is shown, common to all charts over the same x.
const ranges = new Map();
const allCharts = [];

class Chart {
  // `options`: title, hint, format of values, format of x, what x is (across), low and high (where the axis is to reach
  // at least), chance, and whether its axis may be logarithmic (log).
  constructor(parent, options) {
    this.options = options;
    this.at = null;
    this.series = [];
    this.off = new Set();
    this.logarithmic = false;
    this.entries = new Map();
    this.group = options.across ?? "training step";
    this.names = el("div", { class: "names" });
    this.view = el("div", { class: "chart", tabindex: "0", role: "img" });
    this.hint = el("p", { class: "hint note" }, options.hint ?? "");
    this.tools = el("span", { class: "tools" });
    if (options.log) this.logButton = this.tool("log", "Logarithmic axis", () => { this.logarithmic = !this.logarithmic; this.draw(); });
    this.zoomTools = [["◀", "Earlier", () => this.pan(-.5)], ["▶", "Later", () => this.pan(.5)], ["−", "Zoom out", () => this.zoom(2)],
      ["reset", "Show all", () => this.setRange(null)]].map(([text, title, act]) => this.tool(text, title, act));
    this.tool("+", "Zoom in (or drag over a part of the chart)", () => this.zoom(.5));
    this.card = el("div", { class: "card" },
      el("div", { class: "card-head" }, el("h2", {}, options.title), this.tools), this.view, this.names, this.hint);
    parent.append(this.card);
    this.card.hidden = true;
    this.listen();
    allCharts.push(this);
  }

  tool(text, title, act) {
    const button = el("button", { type: "button", class: "tool", title, "aria-label": `${title}: ${this.options.title}` }, text);
    button.addEventListener("click", act);
    this.tools.append(button);
    return button;
  }

  listen() {
    const view = this.view;
    view.addEventListener("pointerdown", event => {
      this.point(event);
      if (event.button !== 0) return;
      this.dragged = { from: this.xOf(event), moves: event.shiftKey, range: this.range() };
      try { view.setPointerCapture(event.pointerId); } catch { /* the pointer is gone */ }
    });
    view.addEventListener("pointermove", event => {
      if (this.dragged?.moves) {
        const [low, high] = this.dragged.range, by = this.dragged.from - this.xOf(event);
        this.setRange([low + by, high + by]);
      } else if (this.dragged) {
        this.dragged.to = this.xOf(event);
        this.draw();
      } else this.point(event);
    });
    const drop = () => {
      const { from, to, moves } = this.dragged ?? {};
      this.dragged = null;
      const [low, high] = this.range();
      if (!moves && isNumber(to) && Math.abs(to - from) > (high - low) * .02) this.setRange([Math.min(from, to), Math.max(from, to)]);
      else this.draw();
    };
    view.addEventListener("pointerup", drop);
    view.addEventListener("pointercancel", () => { this.dragged = null; this.draw(); });
    view.addEventListener("dblclick", () => this.setRange(null));
    view.addEventListener("wheel", event => {
      if (event.ctrlKey) { event.preventDefault(); this.zoom(event.deltaY > 0 ? 1.25 : .8, this.xOf(event)); }
      else if (Math.abs(event.deltaX) > Math.abs(event.deltaY) && ranges.get(this.group)) { event.preventDefault(); this.pan(event.deltaX / 600); }
    }, { passive: false });
    view.addEventListener("pointerleave", () => { if (!this.dragged) this.move(null); });
    view.addEventListener("blur", () => this.move(null));
    view.addEventListener("keydown", event => {
      const acts = { "+": () => this.zoom(.5), "=": () => this.zoom(.5), "-": () => this.zoom(2), "0": () => this.setRange(null), Escape: () => this.move(null) };
      if (event.shiftKey && event.key.startsWith("Arrow")) acts[event.key] = () => this.pan({ ArrowLeft: -.25, ArrowRight: .25 }[event.key] ?? 0);
      if (acts[event.key]) { event.preventDefault(); return acts[event.key](); }
      const xs = this.visible(), by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -xs.length, End: xs.length }[event.key];
      if (by === undefined || xs.length === 0) return;
      event.preventDefault();
      const now = this.at === null ? xs.length - 1 : xs.indexOf(nearest(xs, this.at));
      this.move(xs[Math.min(xs.length - 1, Math.max(0, now + by))]);
    });
  }

  on() { return this.series.filter(one => !this.off.has(one.name)); }

  xs() { return [...new Set(this.on().flatMap(one => one.x))].sort((a, b) => a - b); }

  visible() {
    const [low, high] = this.range();
    return this.xs().filter(x => x >= low && x <= high);
  }

  // The part of x that is shown: all of it, or as far as it was zoomed.
  range() {
    const xs = this.xs(), all = [xs[0] ?? 0, xs[xs.length - 1] ?? 1];
    if (all[0] === all[1]) { all[0] -= 1; all[1] += 1; }
    return ranges.get(this.group) ?? all;
  }

  setRange(range) {
    if (range === null) ranges.delete(this.group);
    else {
      const xs = this.xs(), width = Math.max(range[1] - range[0], 1e-9), first = xs[0], last = xs[xs.length - 1];
      if (width >= last - first) ranges.delete(this.group);
      else {
        const low = Math.min(Math.max(range[0], first), last - width);
        ranges.set(this.group, [low, low + width]);
      }
    }
    for (const chart of allCharts) if (chart.group === this.group && !chart.card.hidden) chart.draw();
  }

  zoom(by, around) {
    const [low, high] = this.range(), middle = around ?? this.at ?? (low + high) / 2, share = (middle - low) / (high - low);
    const width = Math.max((high - low) * by, 2);
    this.setRange([middle - share * width, middle + (1 - share) * width]);
  }

  pan(by) {
    const [low, high] = this.range(), way = by * (high - low);
    this.setRange([low + way, high + way]);
  }

  xOf(event) {
    const box = this.view.getBoundingClientRect();
    return this.toX ? this.toX(event.clientX - box.left) : 0;
  }

  point(event) {
    const xs = this.visible();
    if (xs.length > 0 && this.toX) this.move(nearest(xs, this.xOf(event)));
  }

  move(at) {
    if (at === this.at) return;
    this.at = at;
    this.draw();
  }

  // Series: name, x, y, its colour if not its place's, whether its points are drawn (dots), and whether they are
  // many and noisy. Those without a number are skipped.
  show(series, hint) {
    this.given = [series, hint];
    this.series = series.map((one, index) => ({ ...one, index, raw: null })).filter(one => one.y.some(isNumber));
    let means = 0;
    for (const one of this.series) if (one.noisy && smoothing !== "off" && one.y.length > NOISY) {
      one.raw = one.y;
      one.y = smooth(one.raw);
      means = reach(one.raw.length);
    }
    this.card.hidden = this.series.length === 0;
    const about = means > 0 ? `thick: running mean of ${means} points` : "";
    this.hint.textContent = [hint ?? this.options.hint, about].filter(Boolean).join("; ");
    this.hint.hidden = this.hint.textContent === "";
    if (!this.card.hidden) this.draw();
  }

  // The same series once more, with another smoothing.
  again() { if (this.given) this.show(...this.given); }

  draw() {
    const { format, formatX, low, high, chance } = this.options;
    const width = this.view.clientWidth || 400, height = 204, left = 50, right = 12, top = 8, bottom = 36;
    const [first, last] = this.range(), shown = this.on();
    const logarithmic = this.logarithmic;
    const values = shown.flatMap(one => one.x.flatMap((x, index) => x >= first && x <= last ? [(one.raw ?? one.y)[index], one.y[index]] : []))
      .filter(value => isNumber(value) && (!logarithmic || value > 0));
    let least = Math.min(...values), most = Math.max(...values);
    if (values.length === 0) [least, most] = logarithmic ? [.1, 1] : [0, 1];
    if (logarithmic) {
      if (most / least < 1.01) { least /= 1.5; most *= 1.5; }
    } else {
      least = Math.min(least, low ?? Infinity); most = Math.max(most, high ?? -Infinity);
      if (most - least < 1e-9) { least -= Math.abs(least) * .1 || .5; most += Math.abs(most) * .1 || .5; }
      const pad = (most - least) * .06;
      if (low === undefined || least < low) least -= pad;
      if (high === undefined || most > high) most += pad;
    }
    const scale = logarithmic ? Math.log10 : value => value;
    const px = x => left + (x - first) / (last - first) * (width - left - right);
    const py = y => height - bottom - (scale(y) - scale(least)) / (scale(most) - scale(least)) * (height - top - bottom);
    this.toX = at => first + (at - left) / (width - left - right) * (last - first);
    const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, height, "aria-hidden": "true" });
    for (const y of logarithmic ? logTicks(least, most) : ticks(least, most, 4)) {
      picture.append(svg("line", { class: "axis", x1: left, x2: width - right, y1: py(y), y2: py(y) }));
      picture.append(svg("text", { x: left - 7, y: py(y) + 4, "text-anchor": "end" }, format(y)));
    }
    for (const x of ticks(first, last, Math.max(2, Math.floor(width / 110)))) {
      const edge = px(x) > width - 40;
      picture.append(svg("text", { x: edge ? Math.min(px(x), width - right - 4) : px(x), y: height - 20, "text-anchor": edge ? "end" : "middle" }, formatX(x)));
    }
    picture.append(svg("text", { x: (left + width - right) / 2, y: height - 4, "text-anchor": "middle" }, this.group));
    if (chance !== undefined && chance > least && chance < most) {
      picture.append(svg("line", { class: "chance", x1: left, x2: width - right, y1: py(chance), y2: py(chance) }));
    }
    const inside = svg("svg", { x: left, y: 0, width: width - left - right, height: height - bottom + 4, viewBox: `${left} 0 ${width - left - right} ${height - bottom + 4}`, class: "inside" });
    for (const one of shown) this.line(inside, one, px, py, value => isNumber(value) && (!logarithmic || value > 0));
    picture.append(inside);
    if (isNumber(this.dragged?.to)) {
      const [from, to] = [this.dragged.from, this.dragged.to].map(px).sort((a, b) => a - b);
      picture.append(svg("rect", { class: "chosen", x: from, y: top, width: to - from, height: height - top - bottom }));
    }
    if (this.at !== null && this.at >= first && this.at <= last) {
      picture.append(svg("line", { class: "cursor", x1: px(this.at), x2: px(this.at), y1: top, y2: height - bottom }));
      for (const one of shown) {
        const y = this.value(one, one.raw ?? one.y);
        if (isNumber(y) && (!logarithmic || y > 0)) picture.append(svg("circle", { class: `dot f${one.colour ?? one.index}`, cx: px(this.at), cy: py(y), r: 4 }));
      }
    }
    this.view.replaceChildren(picture);
    this.logButton?.setAttribute("aria-pressed", logarithmic);
    for (const button of this.zoomTools) button.hidden = !ranges.has(this.group);
    this.name();
  }

  line(picture, one, px, py, drawable) {
    const colour = one.colour ?? one.index;
    const path = values => {
      let text = "", open = false;
      one.x.forEach((x, index) => {
        const y = values[index];
        if (drawable(y)) text += `${open ? "L" : "M"}${px(x).toFixed(1)} ${py(y).toFixed(1)}`;
        open = drawable(y);
      });
      return text;
    };
    if (one.raw) picture.append(svg("path", { class: `line raw s${colour}`, d: path(one.raw) }));
    picture.append(svg("path", { class: `line s${colour}`, d: path(one.y), "stroke-dasharray": DASHES[one.index % DASHES.length] }));
    if (one.dots) one.x.forEach((x, index) => {
      if (drawable(one.y[index])) picture.append(svg("circle", { class: `dot f${colour}`, cx: px(x), cy: py(one.y[index]), r: 3.2 }));
    });
  }

  // The value of `values` at the cursor, or the last one.
  value(one, values) {
    if (this.at === null) return values.findLast(isNumber);
    let best = null;
    one.x.forEach((x, index) => {
      if (isNumber(values[index]) && (best === null || Math.abs(x - this.at) < Math.abs(one.x[best] - this.at))) best = index;
    });
    return best === null ? undefined : values[best];
  }

  // Names with their values; each switches its series off and on.
  name() {
    const { format, formatX } = this.options;
    const said = this.on().map(one => `${one.name} ${format(this.value(one, one.raw ?? one.y))}`);
    this.view.setAttribute("aria-label", `${this.options.title}${this.at === null ? "" : ` at ${formatX(this.at)}`}: ${said.join(", ")}`);
    const wanted = this.series.map(one => one.name);
    for (const [name, { button }] of this.entries) if (!wanted.includes(name)) { button.remove(); this.entries.delete(name); }
    for (const one of this.series) {
      const colour = one.colour ?? one.index;
      let entry = this.entries.get(one.name);
      if (!entry) {
        const key = svg("svg", { viewBox: "0 0 22 8", "aria-hidden": "true" },
          svg("line", { class: `line s${colour}`, x1: 1, x2: 21, y1: 4, y2: 4, "stroke-dasharray": DASHES[one.index % DASHES.length], "stroke-width": 2 }));
        const value = el("b"), mean = el("small"), button = el("button", { type: "button", class: "series", title: "Show or hide" }, key, `${one.name} `, value, mean);
        button.addEventListener("click", () => {
          if (!this.off.delete(one.name)) this.off.add(one.name);
          this.draw();
        });
        this.entries.set(one.name, entry = { button, value, mean });
        this.names.append(button);
      }
      entry.button.setAttribute("aria-pressed", !this.off.has(one.name));
      entry.value.textContent = format(this.value(one, one.raw ?? one.y));
      entry.mean.textContent = one.raw ? ` (mean ${format(this.value(one, one.y))})` : "";
    }
    this.place ??= this.names.appendChild(el("span"));
    this.names.append(this.place);
    this.place.textContent = this.at === null ? "" : `${this.options.atX ?? "step"} ${formatX(this.at)}`;
  }
}

function setSmoothing(name) {
  smoothing = name;
  try { localStorage.smoothing = name; } catch { /* the same */ }
  for (const chart of allCharts) chart.again();
}
