// Line charts: several series over one x, a cursor by pointer or arrow keys, and the values beneath.

const DASHES = ["", "7 4", "2 4", "9 3 2 3", "4 2"];

// Many noisy points are drawn faintly, with their running mean over them.
const NOISY = 40;

function smooth(values) {
  const keep = 1 - 1 / Math.max(4, values.length / 16);
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

const nearest = (xs, wanted) => xs.reduce((best, x) => Math.abs(x - wanted) < Math.abs(best - wanted) ? x : best);

class Chart {
  // `options`: title, hint, format of values, format of x, what x is (across), low and high (where the axis is to reach at least), chance.
  constructor(parent, options) {
    this.options = options;
    this.at = null;
    this.series = [];
    this.names = el("div", { class: "names" });
    this.view = el("div", { class: "chart", tabindex: "0", role: "img" });
    this.hint = el("span", { class: "hint" }, options.hint ?? "");
    this.card = el("div", { class: "card" },
      el("div", { class: "card-head" }, el("h2", {}, options.title), this.hint), this.view, this.names);
    parent.append(this.card);
    this.card.hidden = true;
    this.view.addEventListener("pointermove", event => this.point(event));
    this.view.addEventListener("pointerdown", event => this.point(event));
    this.view.addEventListener("pointerleave", () => this.move(null));
    this.view.addEventListener("blur", () => this.move(null));
    this.view.addEventListener("keydown", event => {
      const xs = this.xs(), by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -xs.length, End: xs.length }[event.key];
      if (event.key === "Escape") this.move(null);
      if (by === undefined || xs.length === 0) return;
      event.preventDefault();
      const now = this.at === null ? xs.length - 1 : xs.indexOf(nearest(xs, this.at));
      this.move(xs[Math.min(xs.length - 1, Math.max(0, now + by))]);
    });
  }

  xs() { return [...new Set(this.series.flatMap(one => one.x))].sort((a, b) => a - b); }

  point(event) {
    const box = this.view.getBoundingClientRect(), xs = this.xs();
    if (xs.length === 0 || !this.toX) return;
    this.move(nearest(xs, this.toX(event.clientX - box.left)));
  }

  move(at) {
    if (at === this.at) return;
    this.at = at;
    this.draw();
  }

  // Series: name, x, y, its colour if not its place's, whether its points are drawn (dots), and whether they are
  // many and noisy. Those without a number are left out.
  show(series, hint) {
    this.series = series.map((one, index) => ({ ...one, index, raw: one.noisy && one.y.length > NOISY ? one.y : null }))
      .filter(one => one.y.some(isNumber));
    for (const one of this.series) if (one.raw) one.y = smooth(one.raw);
    this.card.hidden = this.series.length === 0;
    if (hint !== undefined) this.hint.textContent = hint;
    if (!this.card.hidden) this.draw();
  }

  draw() {
    const { format, formatX, low, high, chance } = this.options;
    const width = this.view.clientWidth || 400, height = 204, left = 46, right = 12, top = 8, bottom = 36;
    const values = this.series.flatMap(one => (one.raw ?? one.y).filter(isNumber)), xs = this.xs();
    let least = Math.min(...values, low ?? Infinity), most = Math.max(...values, high ?? -Infinity);
    if (most - least < 1e-9) { least -= Math.abs(least) * .1 || .5; most += Math.abs(most) * .1 || .5; }
    const pad = (most - least) * .06;
    if (low === undefined || least < low) least -= pad;
    if (high === undefined || most > high) most += pad;
    let [first, last] = [xs[0], xs[xs.length - 1]];
    if (first === last) { first -= 1; last += 1; }
    const px = x => left + (x - first) / (last - first) * (width - left - right);
    const py = y => height - bottom - (y - least) / (most - least) * (height - top - bottom);
    this.toX = at => first + (at - left) / (width - left - right) * (last - first);
    const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, height, "aria-hidden": "true" });
    for (const y of ticks(least, most, 4)) {
      picture.append(svg("line", { class: "axis", x1: left, x2: width - right, y1: py(y), y2: py(y) }));
      picture.append(svg("text", { x: left - 7, y: py(y) + 4, "text-anchor": "end" }, format(y)));
    }
    for (const x of ticks(first, last, Math.max(2, Math.floor(width / 110)))) {
      picture.append(svg("text", { x: Math.min(px(x), width - right - 4), y: height - 20, "text-anchor": px(x) > width - 40 ? "end" : "middle" }, formatX(x)));
    }
    picture.append(svg("text", { x: (left + width - right) / 2, y: height - 4, "text-anchor": "middle" }, this.options.across ?? "training step"));
    if (chance !== undefined && chance > least && chance < most) {
      picture.append(svg("line", { class: "chance", x1: left, x2: width - right, y1: py(chance), y2: py(chance) }));
    }
    for (const one of this.series) this.line(picture, one, px, py);
    if (this.at !== null) {
      picture.append(svg("line", { class: "cursor", x1: px(this.at), x2: px(this.at), y1: top, y2: height - bottom }));
      for (const one of this.series) {
        const y = this.value(one);
        if (isNumber(y)) picture.append(svg("circle", { class: `dot f${one.colour ?? one.index}`, cx: px(this.at), cy: py(y), r: 4 }));
      }
    }
    this.view.replaceChildren(picture);
    this.name();
  }

  line(picture, one, px, py) {
    const colour = one.colour ?? one.index;
    const path = values => {
      let text = "", open = false;
      one.x.forEach((x, index) => {
        const y = values[index];
        if (isNumber(y)) text += `${open ? "L" : "M"}${px(x).toFixed(1)} ${py(y).toFixed(1)}`;
        open = isNumber(y);
      });
      return text;
    };
    if (one.raw) picture.append(svg("path", { class: `line raw s${colour}`, d: path(one.raw) }));
    picture.append(svg("path", { class: `line s${colour}`, d: path(one.y), "stroke-dasharray": DASHES[one.index] }));
    if (one.dots) one.x.forEach((x, index) => {
      if (isNumber(one.y[index])) picture.append(svg("circle", { class: `dot f${colour}`, cx: px(x), cy: py(one.y[index]), r: 3.2 }));
    });
  }

  // The value at the cursor, or the last one.
  value(one) {
    if (this.at === null) return one.y.findLast(isNumber);
    let best = null;
    one.x.forEach((x, index) => {
      if (isNumber(one.y[index]) && (best === null || Math.abs(x - this.at) < Math.abs(one.x[best] - this.at))) best = index;
    });
    return best === null ? undefined : one.y[best];
  }

  name() {
    const { format, formatX } = this.options;
    const said = this.series.map(one => `${one.name} ${format(this.value(one))}`);
    this.view.setAttribute("aria-label", `${this.options.title}${this.at === null ? "" : ` at ${formatX(this.at)}`}: ${said.join(", ")}`);
    this.names.replaceChildren(...this.series.map(one => {
      const colour = one.colour ?? one.index;
      const key = svg("svg", { viewBox: "0 0 22 8", "aria-hidden": "true" },
        svg("line", { class: `line s${colour}`, x1: 1, x2: 21, y1: 4, y2: 4, "stroke-dasharray": DASHES[one.index], "stroke-width": 2 }));
      return el("span", {}, key, `${one.name} `, el("b", {}, format(this.value(one))));
    }), this.at === null ? "" : el("span", {}, `${this.options.atX ?? "step"} ${formatX(this.at)}`));
  }
}
