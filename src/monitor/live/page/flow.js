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
  if (stage.failures > 0) said.push(`${stage.failures} failures, ${stage.left_out} items left out`);
  const group = svg("g", {}, svg("title", {}, said.join(", ")));
  group.append(svg("rect", { class: top ? "box top" : "box", x, y, width, height, rx: 8 }));
  const clip = stage.id.length > 13 ? `${stage.id.slice(0, 12)}…` : stage.id;
  group.append(svg("text", { class: "name", x: x + 10, y: y + 19 }, clip));
  group.append(svg("text", { class: "small", x: x + width - 9, y: y + 19, "text-anchor": "end" }, `×${stage.workers}`));
  group.append(utilisation(stage, x + 10, y + 28, width - 20));
  group.append(svg("text", { class: "small", x: x + 10, y: y + 53 }, `${percentWhole(stage.busy)} busy`));
  const faults = stage.failures > 0 ? `✕ ${stage.failures} failed` : null;
  const note = faults ?? (top ? "◆ busiest" : null);
  if (note) group.append(svg("text", { class: `small ${faults ? "fault" : "flag"}`, x: x + width - 9, y: y + 53, "text-anchor": "end" }, note));
  return group;
}

// A tube from point to point, filled from its end: items wait at the door of the next stage.
function tube(channel, path, length, label) {
  const share = channel.capacity > 0 ? Math.min(1, channel.depth / channel.capacity) : 0;
  const group = svg("g", {}, svg("title", {},
    `${channel.from} to ${channel.to}: ${channel.depth} of ${channel.capacity} waiting, ${rate(channel.rate)}`));
  group.append(svg("path", { class: "tube", d: path, "stroke-width": 10 }));
  if (share > 0) group.append(svg("path", { class: "fill", d: path, "stroke-width": 10, pathLength: 100,
    "stroke-dasharray": `0 ${100 - 100 * share} ${100 * share} 0` }));
  group.append(svg("text", { class: "small", x: label.x, y: label.y, "text-anchor": label.anchor }, `${channel.depth}/${channel.capacity}`));
  group.append(svg("text", { class: "small", x: label.x2 ?? label.x, y: label.y2, "text-anchor": label.anchor }, rate(channel.rate)));
  return group;
}

function drawFlow(target, pipeline) {
  const { at, layers, lanes } = place(pipeline.stages);
  const width = target.clientWidth || 800;
  const across = width >= layers * 106 + (layers - 1) * 44;
  const gap = across ? Math.min(96, (width - layers * 118) / Math.max(1, layers - 1)) : 40;
  const gapAcross = Math.max(44, gap);
  const box = across ? Math.min(176, (width - (layers - 1) * gapAcross) / layers)
    : Math.min(230, (width - (lanes - 1) * 12) / lanes);
  const high = 62;
  const spots = new Map();
  for (const [id, { layer, lane, of }] of at) {
    spots.set(id, across
      ? { x: layer * (box + gapAcross) + 2, y: 4 + (lane + (lanes - of) / 2) * (high + 26) }
      : { x: 2 + (lane + (lanes > 1 ? (lanes - of) / 2 : 0)) * (box + 12), y: 4 + layer * (high + gap) });
  }
  const total = across ? 8 + lanes * (high + 26) - 26 : 8 + layers * (high + gap) - gap;
  const wide = across ? width : Math.max(width, 0);
  const said = pipeline.stages.map(stage => `${stage.id} ${percentWhole(stage.busy)} busy`).join(", ");
  const picture = svg("svg", { viewBox: `0 0 ${wide} ${total}`, height: total, role: "img", "aria-label": `Pipeline: ${said}` });
  picture.append(svg("defs", {}, svg("pattern", { id: "hatch", width: 5, height: 5, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
    svg("rect", { class: "hatch-back", width: 5, height: 5 }), svg("line", { class: "hatch-line", x1: 0, y1: 0, x2: 0, y2: 5 }))));
  for (const channel of pipeline.channels) {
    const from = spots.get(channel.from), to = spots.get(channel.to);
    if (!from || !to) continue;
    if (across) {
      const [x1, y1, x2, y2] = [from.x + box, from.y + high / 2, to.x, to.y + high / 2], mid = (x1 + x2) / 2;
      const path = y1 === y2 ? `M${x1} ${y1}H${x2}` : `M${x1} ${y1}C${mid} ${y1} ${mid} ${y2} ${x2} ${y2}`;
      picture.append(tube(channel, path, x2 - x1, { x: mid, y: (y1 + y2) / 2 - 10, y2: (y1 + y2) / 2 + 20, anchor: "middle" }));
    } else {
      const [x1, y1, x2, y2] = [from.x + box / 2, from.y + high, to.x + box / 2, to.y], mid = (y1 + y2) / 2;
      const path = x1 === x2 ? `M${x1} ${y1}V${y2}` : `M${x1} ${y1}C${x1} ${mid} ${x2} ${mid} ${x2} ${y2}`;
      const x = (x1 + x2) / 2 + 12;
      picture.append(tube(channel, path, y2 - y1, { x, y: mid + 4, x2: x + 44, y2: mid + 4, anchor: "start" }));
    }
  }
  for (const stage of pipeline.stages) {
    const spot = spots.get(stage.id);
    picture.append(stageBox(stage, stage.id === pipeline.busiest, spot.x, spot.y, box - 4, high));
  }
  target.replaceChildren(picture);
}
