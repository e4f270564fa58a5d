// The pipeline as a graph: stages in layers by their distance from the sources, channels as tubes that fill.

// Layer (how far from a source) and lane (which of its layer) of every stage.
function place(stages) {
  const at = new Map();
  for (const stage of stages) {
    const layer = stage.inputs.reduce((most, input) => Math.max(most, (at.get(input)?.layer ?? -1) + 1), 0);
    at.set(stage.id, { layer, lane: 0 });
  }
  const layers = [];
  for (const [id, spot] of at) {
    layers[spot.layer] ??= [];
    spot.lane = layers[spot.layer].length;
    layers[spot.layer].push(id);
  }
  for (const spot of at.values()) spot.of = layers[spot.layer].length;
  return { at, layers: layers.length, lanes: Math.max(1, ...layers.map(layer => layer.length)) };
}

// Busy, blocked and waiting as one bar; where the three overlap, busy comes first.
function utilisation(stage, x, y, width) {
  const busy = Math.min(1, stage.busy ?? 0), blocked = Math.min(1 - busy, stage.blocked ?? 0);
  const waiting = Math.min(1 - busy - blocked, stage.waiting ?? 0);
  const bar = svg("g", {}, svg("rect", { class: "track", x, y, width, height: 9, rx: 2 }));
  let from = x;
  for (const [name, share] of [["busy", busy], ["blocked", blocked], ["waiting", waiting]]) {
    if (share > .004) bar.append(svg("rect", { class: `bar-${name}`, x: from, y, width: share * width, height: 9 }));
    from += share * width;
  }
  return bar;
}

function stageBox(stage, top, x, y, width, height) {
  const said = [`${stage.id}${stage.kind === stage.id ? "" : ` (${stage.kind})`}: ${stage.workers} workers`,
    `${percentWhole(stage.busy)} busy`, `${percentWhole(stage.blocked)} blocked on output`,
    `${percentWhole(stage.waiting)} waiting for input`, `${rate(stage.rate)}, ${stage.items.toLocaleString("en")} items`];
  if (stage.failures > 0) said.push(`${stage.failures} failures, ${stage.skipped} items skipped`);
  const group = svg("g", {}, svg("title", {}, said.join(", ")));
  group.append(svg("rect", { class: top ? "box top" : "box", x, y, width, height, rx: 8 }));
  const room = Math.floor((width - 18) / 7.4);
  const clip = stage.id.length > room ? `${stage.id.slice(0, room - 1)}…` : stage.id;
  group.append(svg("text", { class: "name", x: x + 10, y: y + 19 }, clip));
  group.append(utilisation(stage, x + 10, y + 28, width - 20));
  const faults = stage.failures > 0;
  const below = faults ? `✕ ${stage.failures} failed` : `${top ? "◆ " : ""}${percentWhole(stage.busy)}${width < 126 && top ? "" : " busy"}`;
  group.append(svg("text", { class: `small ${faults ? "fault" : top ? "flag" : ""}`, x: x + 10, y: y + 53 }, below));
  group.append(svg("text", { class: "small", x: x + width - 9, y: y + 53, "text-anchor": "end" }, `×${stage.workers}`));
  return group;
}

// A tube along `path`, filled from its end: items wait at the door of the next stage.
function tube(channel, path, labels) {
  const share = channel.capacity > 0 ? Math.min(1, channel.depth / channel.capacity) : 0;
  const group = svg("g", {}, svg("title", {},
    `${channel.from} to ${channel.to}: ${channel.depth} of ${channel.capacity} waiting, ${rate(channel.rate)}`));
  group.append(svg("path", { class: "tube", d: path, "stroke-width": 10 }));
  if (share > 0) group.append(svg("path", { class: "fill", d: path, "stroke-width": 10, pathLength: 100,
    "stroke-dasharray": `0 ${100 - 100 * share} ${100 * share} 0` }));
  for (const { x, y, anchor, text } of labels) group.append(svg("text", { class: "small", x, y, "text-anchor": anchor }, text));
  return group;
}

const STAGE = { least: 102, high: 62, gap: 44, between: 26 };

// Left to right, in as many rows as it takes. Where stages lie, how wide they are, and how tubes go.
function layAcross({ at, layers, lanes }, width, rows) {
  const { high, between, gap: least } = STAGE, columns = Math.ceil(layers / rows);
  const gap = Math.max(least, Math.min(96, (width - columns * 118) / Math.max(1, columns - 1)));
  const box = Math.min(176, (width - (columns - 1) * gap - (rows > 1 ? 28 : 4)) / columns), edge = rows > 1 ? 14 : 2;
  const tall = lanes * (high + between) - between, turn = 44, spots = new Map();
  for (const [id, { layer, lane, of }] of at) {
    const row = Math.floor(layer / columns);
    spots.set(id, { row, x: edge + (layer % columns) * (box + gap),
      y: 4 + row * (tall + turn) + (lane + (lanes - of) / 2) * (high + between) });
  }
  const join = (from, to, fill, flow, splits) => {
    const [x1, y1, x2, y2] = [from.x + box, from.y + high / 2, to.x, to.y + high / 2];
    if (from.row !== to.row) {
      const y = 4 + from.row * (tall + turn) + tall + turn / 2;
      return { path: `M${x1} ${y1}h9V${y}H${x2 - 9}V${y2}h9`, labels: [{ x: x2, y: to.y - 6, anchor: "start", text: `${fill} · ${flow}` }] };
    }
    const mid = (x1 + x2) / 2;
    if (y1 !== y2) {
      // Beside the end that this tube has for itself.
      const [own, other] = splits ? [y2, y1] : [y1, y2], y = own + (own < other ? -11 : 20);
      const path = `M${x1} ${y1}C${mid} ${y1} ${mid} ${y2} ${x2} ${y2}`;
      return { path, labels: [{ x: mid, y, anchor: "middle", text: gap < 80 ? fill : `${fill} · ${flow}` }] };
    }
    const path = `M${x1} ${y1}H${x2}`;
    return { path, labels: [{ x: mid, y: y1 - 10, anchor: "middle", text: fill }, { x: mid, y: y1 + 20, anchor: "middle", text: flow }] };
  };
  return { spots, box, join, total: 8 + rows * (tall + turn) - turn };
}

// From top to bottom, for phones.
function layDown({ at, layers, lanes }, width) {
  const { high } = STAGE, gap = 32, box = Math.min(420, (width - 4 - (lanes - 1) * 12) / lanes), spots = new Map();
  for (const [id, { layer, lane, of }] of at) {
    spots.set(id, { x: 2 + (lane + (lanes - of) / 2) * (box + 12), y: 4 + layer * (high + gap) });
  }
  const join = (from, to, fill, flow, splits) => {
    const [x1, y1, x2, y2] = [from.x + box / 2, from.y + high, to.x + box / 2, to.y], mid = (y1 + y2) / 2, text = `${fill} · ${flow}`;
    if (x1 === x2) return { path: `M${x1} ${y1}V${y2}`, labels: [{ x: x1 + 12, y: mid + 4, anchor: "start", text }] };
    // Beside the end that this tube has for itself, away from where it bends to.
    const right = splits ? x1 < x2 : x1 > x2, x = (splits ? x2 : x1) + (right ? 12 : -12);
    return { path: `M${x1} ${y1}C${x1} ${mid} ${x2} ${mid} ${x2} ${y2}`,
      labels: [{ x, y: splits ? y2 - 8 : y1 + 16, anchor: right ? "start" : "end", text }] };
  };
  return { spots, box, join, total: 8 + layers * (high + gap) - gap };
}

function drawFlow(target, pipeline) {
  const graph = place(pipeline.stages), width = target.clientWidth || 800;
  const columns = Math.floor((width - 28 + STAGE.gap) / (STAGE.least + STAGE.gap)), rows = Math.ceil(graph.layers / Math.max(1, columns));
  const across = columns >= Math.min(4, graph.layers);
  const { spots, box, join, total } = across ? layAcross(graph, width, rows) : layDown(graph, width);
  const said = pipeline.stages.map(stage => `${stage.id} ${percentWhole(stage.busy)} busy`).join(", ");
  const picture = svg("svg", { viewBox: `0 0 ${width} ${total}`, height: total, role: "img", "aria-label": `Pipeline: ${said}` });
  picture.append(svg("defs", {}, svg("pattern", { id: "hatch", width: 5, height: 5, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
    svg("rect", { class: "hatch-back", width: 5, height: 5 }), svg("line", { class: "hatch-line", x1: 0, y1: 0, x2: 0, y2: 5 }))));
  for (const channel of pipeline.channels) {
    const [from, to] = [spots.get(channel.from), spots.get(channel.to)];
    if (!from || !to) continue;
    const splits = pipeline.channels.filter(other => other.from === channel.from).length > 1;
    const { path, labels } = join(from, to, `${channel.depth}/${channel.capacity}`, rate(channel.rate), splits);
    picture.append(tube(channel, path, labels));
  }
  for (const stage of pipeline.stages) {
    const spot = spots.get(stage.id);
    picture.append(stageBox(stage, stage.id === pipeline.busiest, spot.x, spot.y, box, STAGE.high));
  }
  target.replaceChildren(picture);
}
