// The page: asks for status.json every two seconds while it is visible, and draws it.

const PERIOD = 2000;
const step = value => isNumber(value) ? Math.round(value).toLocaleString("en") : "–";
const charts = {
  loss: new Chart($("charts"), { title: "Loss", format: short, formatX: step, log: true }),
  iou: new Chart($("charts"), { title: "Tracking: mean IoU", format: short, formatX: step, low: 0 }),
  accuracy: new Chart($("charts"), { title: "Condition accuracy", hint: "dotted: chance, 10 %", format: percent, formatX: step, low: 0, chance: .1 }),
  terms: new Chart($("charts"), { title: "Loss components, weighted as summed", format: short, formatX: step, log: true, low: 0 }),
  rate: new Chart($("charts"), { title: "Learning rate", format: short, formatX: step, log: true, low: 0 }),
  time: new Chart($("charts"), { title: "Time of a step", format: duration, formatX: step, log: true, low: 0 }),
  gradient: new Chart($("charts"), { title: "Gradient norm before clipping", format: short, formatX: step, log: true, low: 0 }),
  memory: new Chart($("charts"), { title: "Memory of the process", format: bytes, formatX: duration, low: 0, atX: "after", across: "time since the start" }),
};
let newest = null, missed = 0;

function tile(name, value, sub, bad, title) {
  return el("dl", { class: bad ? "tile bad" : "tile", style: "margin:0", ...(title ? { title } : {}) },
    el("dt", {}, name), el("dd", { style: "margin:0" }, el("b", {}, value), el("span", { class: "sub" }, sub ?? "\u00a0")));
}

function mean(curve, name, last) {
  const values = (curve[name] ?? []).slice(-last).filter(isNumber);
  return values.length > 0 ? values.reduce((a, b) => a + b, 0) / values.length : NaN;
}

function tiles(status) {
  const { run, process } = status, curve = status.curves.train, found = [];
  const val = status.validations.at(-1), best = Math.max(...status.validations.map(one => one.numbers.iou ?? 0));
  if (run) {
    found.push(tile("Epoch", `${run.epoch ?? "–"} / ${run.epochs}`, run.split === "val" && (base === "" || status.state === "running") ? "validating" : `phase ${run.phase ?? "–"}`));
    found.push(tile("Step", step(run.step), `of ${step(run.steps)}`));
    if (isNumber(run.eta_seconds)) found.push(tile("Left", duration(run.eta_seconds), `${percent(run.progress)} done`));
    else found.push(tile("Done", percent(run.progress), `took ${duration(status.time - status.started)}`));
    const [wait, work] = [mean(curve, "data_seconds", 5), mean(curve, "step_seconds", 5)], clips = mean(curve, "clips", 5);
    const share = wait / (wait + work), from = curve.step.at(-6) ?? 0, over = (curve.step.at(-1) ?? 0) - from;
    found.push(tile("Training clips/s", short(clips / (wait + work)), `${short(1 / (wait + work))} steps/s`,
      false, `Clips of the last ${step(over)} training steps per second of these steps, waiting for data included, validation not`));
    found.push(tile("Data wait", percent(share), share > .2 ? "the device starves" : share > .05 ? "a little" : "the device is fed", share > .2));
    found.push(tile("Val. IoU", val ? short(val.numbers.iou) : "–", val ? `best ${short(best)}` : "none yet"));
    found.push(tile("Val. accuracy", val ? percent(val.numbers.accuracy) : "–", val ? `epoch ${val.epoch}` : "none yet"));
    found.push(tile("λ", short(run.weights?.cls), `lr ${short(run.lr?.heads)}, ${short(run.lr?.backbone)}`));
    if (isNumber(process.memory_bytes)) found.push(tile("Memory", bytes(process.memory_bytes), `peak ${bytes(process.peak_memory_bytes)}`));
    for (const gpu of process.gpus) {
      const sub = [bytes(gpu.memory_used_bytes), isNumber(gpu.watts) ? `${Math.round(gpu.watts)} W` : ""];
      found.push(tile(`GPU ${gpu.index}`, percentWhole(gpu.utilisation), sub.filter(Boolean).join(" · ")));
    }
    if (run.nonfinite_steps > 0) found.push(tile("Not finite", step(run.nonfinite_steps), "steps, which were skipped", true));
  }
  $("tiles").replaceChildren(...found);
}

function curves(status) {
  const train = status.curves.train, vals = status.validations;
  const over = name => ({ x: train.step, y: train[name] ?? [], noisy: true });
  const points = (from, name) => ({ x: from.map(one => one.step), y: from.map(one => one.numbers[name]), dots: true });
  const val = name => points(vals, name), compare = name => others(other => points(other.validations, name));
  const classes = train.cls?.some(value => value !== 0) ?? true;
  charts.loss.show([{ name: "L_total", ...over("total") }, { name: "L_box", ...over("box") }, ...(classes ? [{ name: "L_cls", ...over("cls") }] : []),
    { name: "L_total, validation", ...val("total"), colour: 4 }, ...compare("total")]);
  charts.iou.show([{ name: "training", ...over("iou"), colour: 1 }, { name: "validation", ...val("iou"), colour: 2 }, ...compare("iou")]);
  charts.accuracy.show([{ name: "training", ...over("accuracy"), colour: 1 }, { name: "validation", ...val("accuracy"), colour: 2 }, ...compare("accuracy")]);
  charts.terms.show([["GIoU", "giou_weighted"], ["L1", "l1_weighted"], ["location", "location_weighted"], ...(classes ? [["λ·L_cls", "cls_weighted"]] : [])]
    .map(([name, key]) => ({ name, ...over(key) })));
  charts.rate.show([{ name: "heads", ...over("lr"), noisy: false, colour: 1 }, { name: "backbone", ...over("lr_backbone"), noisy: false, colour: 2 }]);
  charts.time.show([{ name: "step", ...over("step_seconds"), colour: 1 }, { name: "waiting for data", ...over("data_seconds"), colour: 2 }]);
  charts.gradient.show([{ name: "all parameters", ...over("gradient_norm"), colour: 3 }]);
  const memory = status.curves.memory, ceiling = status.process.machine_memory_bytes;
  charts.memory.show([{ name: "resident", x: memory.seconds, y: memory.bytes, colour: 1 }], ceiling ? `machine: ${bytes(ceiling)}` : "");
  $("curve-tools").hidden = train.step.length === 0;
}

// How one number went from validation to validation, from 0 to 1.
function spark(values) {
  const picture = svg("svg", { class: "spark", viewBox: "0 0 60 16", preserveAspectRatio: "none", "aria-hidden": "true" });
  const at = values.flatMap((value, index) => isNumber(value) ? [`${2 + 56 * index / Math.max(1, values.length - 1)} ${15 - 14 * value}`] : []);
  if (at.length > 1) picture.append(svg("path", { class: "line s1", d: `M${at.join("L")}` }));
  return picture;
}

// Bars of the last validation with a mark where the first one was, and how they went.
function conditions(status) {
  const labelled = status.validations.filter(one => one.frames.some(frames => frames > 0));
  $("conditions-card").hidden = labelled.length === 0;
  if (labelled.length === 0) return;
  const [first, last] = [labelled[0], labelled.at(-1)];
  const when = one => one.epoch === 0 ? "before training" : `after epoch ${one.epoch}`;
  $("conditions-hint").textContent = `${when(last)}${labelled.length > 1 ? `; marks: ${when(first)}` : ""}`;
  fill($("conditions"), JSON.stringify([base, first.step, last.step, labelled.length]), () => {
    const rows = status.conditions.flatMap((name, index) => {
      if (last.frames[index] === 0) return [];
      const accuracy = last.accuracy[index], before = first.accuracy[index];
      const bar = el("div", { class: "bar", role: "img", "aria-label": `${words(name)}: ${percentWhole(accuracy)}, at first ${percentWhole(before)}` },
        el("i", { style: `width:${100 * (accuracy ?? 0)}%` }),
        labelled.length > 1 && isNumber(before) ? el("u", { style: `left:calc(${100 * before}% - 1px)` }) : null);
      return [el("span", {}, words(name)), bar, spark(labelled.map(one => one.accuracy[index])),
        el("span", { class: "num" }, `${percentWhole(accuracy)} `, el("small", {}, `of ${last.frames[index]}`))];
    });
    return [el("div", { class: "cond" }, ...rows)];
  });
}

// A crop with its boxes, which are shares of it.
function picture(set, one, alt, caption, good) {
  const frame = svg("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" });
  for (const [name, place] of [["truth", one.truth], ["predicted", one.predicted]]) {
    if (!place?.every(isNumber)) continue;
    const [x, y, width, height] = place.map(share => 100 * share);
    for (const kind of ["edge", name]) frame.append(svg("rect", { class: `mark ${kind}`, x, y, width, height }));
  }
  const image = el("img", { src: `${base}/clips/${set.split}/${one.picture}.jpg?${set.position}`, alt, loading: "lazy" });
  return el("figure", {}, el("div", { class: "crop" }, image, frame), el("figcaption", good === false ? { class: "wrong" } : {}, caption));
}

function clips(status) {
  $("clips-card").hidden = status.clips.length === 0;
  fill($("clips"), JSON.stringify([base, status.clips.map(set => [set.split, set.position])]), () => status.clips.map(set => {
    const when = set.epoch === 0 ? "before training" : set.split === "val" ? `after epoch ${set.epoch}` : `epoch ${set.epoch}`;
    const shown = set.clips.map(clip => el("div", { class: "clip" },
      picture(set, clip.template, "template with the object", "template"),
      ...clip.frames.map(one => {
        const [label, predicted] = [one.condition, one.predicted_condition].map(name => name === null ? null : words(name));
        const right = label === null || predicted === null ? null : label === predicted;
        const condition = predicted === null ? label ?? "" : right === null ? predicted : right ? `✓ ${predicted}` : `✗ predicted ${predicted}, label ${label}`;
        return picture(set, one, `search frame: IoU ${short(one.iou)}, ${condition}`, `IoU ${isNumber(one.iou) ? one.iou.toFixed(2) : "–"} ${condition}`, right);
      })));
    return el("div", {}, el("h3", {}, `${set.split === "val" ? "Validation" : "Training"}, ${when}`), el("div", { class: "clips" }, ...shown));
  }));
}

function lists(status) {
  const { checkpoints, messages } = status;
  $("checkpoints-card").hidden = checkpoints.length === 0;
  $("checkpoints-hint").textContent = isNumber(checkpoints[0]?.time) ? `the last ${duration(Math.max(1, Math.round(status.time - checkpoints[0].time)))} ago` : "";
  fill($("checkpoints"), JSON.stringify(checkpoints), () => {
    const row = one => el("tr", {}, el("td", { title: one.file }, one.file.replace(/\.safetensors$/, "")), el("td", { class: "num" }, bytes(one.bytes)),
      el("td", { class: "num" }, duration(one.seconds)), el("td", { class: "num" }, clock(one.time)));
    const head = ["file", "size", "written in", "at"].map((name, index) => el("th", index > 0 ? { class: "num" } : {}, name));
    return [el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...checkpoints.map(row)))];
  });
  $("messages-card").hidden = messages.length === 0;
  const warnings = messages.filter(one => one.warning).length;
  $("messages-hint").textContent = warnings > 0 ? `${warnings} warning${warnings > 1 ? "s" : ""} among the last ${messages.length}` : "";
  fill($("messages"), JSON.stringify(messages), () => messages.map(one => el("li", {}, el("time", {}, clock(one.time)),
    one.warning ? el("span", { class: "warn" }, "⚠ warning") : null, one.text)));
}

function head(status) {
  const { run, program } = status, of = run?.experiment ?? `trackflow ${program.verb}`;
  const name = base === "" ? of : `${runName(chosen())}: ${of}`;
  $("title").textContent = name;
  document.title = run ? `${percentWhole(run.progress)} ${name}` : name;
  $("state").textContent = status.state;
  $("state").className = `pill ${status.state.split(" ")[0]}`;
  const size = run?.parameters > 0 ? `${(run.parameters / 1e6).toFixed(1)} M parameters on ` : "";
  const about = run ? [`${size}${run.device}`, `${base === "" ? "up" : "took"} ${duration(status.time - status.started)}`]
    : [`up ${duration(status.time - status.started)}`];
  $("meta").textContent = about.join(" · ");
  $("progress").hidden = !run;
  if (run) {
    $("progress").setAttribute("aria-valuenow", Math.round(100 * run.progress));
    $("progress").firstElementChild.style.width = `${100 * run.progress}%`;
  }
  $("foot").textContent = `trackflow ${program.version} · process ${program.pid} · as of ${clock(status.time)}`;
}

// `decode` in the sentence stands out.
function sentence({ pipeline, preparing }) {
  const now = preparing ? `${preparing.what}: ${step(preparing.done)} of ${step(preparing.total)} ${preparing.unit}` : "the run is getting ready";
  const text = pipeline?.bottleneck ?? (pipeline ? "The first items are on their way." : `Before the first step: ${now}.`);
  fill($("bottleneck"), text, () => text.split("`").map((part, index) => index % 2 === 1 ? el("code", {}, part) : part));
  $("preparing").hidden = !preparing || !!pipeline;
  if (preparing) {
    $("preparing").max = Math.max(1, preparing.total);
    $("preparing").value = preparing.done;
  }
}

function draw() {
  const status = newest;
  if (!status) return;
  head(status);
  tiles(status);
  sentence(status);
  // A run that is known by its log alone has no stages.
  $("flow-card").hidden = base !== "" || servesRuns;
  drawCall(status.call);
  $("window").textContent = status.pipeline ? `the last ${duration(status.pipeline.window_seconds)}` : "";
  if (status.pipeline) drawFlow($("flow"), status.pipeline);
  clips(status);
  curves(status);
  conditions(status);
  lists(status);
}

async function ask() {
  try {
    await askRuns();
    const asked = base, answer = await fetch(`${base}/status.json`, { cache: "no-store", signal: AbortSignal.timeout(5000) });
    if (!answer.ok) throw new Error(answer.status);
    const status = await answer.json();
    // Meanwhile another run may have been chosen.
    if (asked !== base) return;
    newest = status;
    missed = 0;
    if (compared.size > 0) await askCompared();
    askSettings();
  } catch {
    missed += 1;
  }
  document.body.classList.toggle("gone", missed > 1);
  if (missed > 1) {
    $("state").textContent = newest ? "ended, or out of reach" : "out of reach";
    $("state").className = "pill gone";
  } else {
    draw();
  }
}

async function poll() {
  if (!document.hidden) await ask();
  setTimeout(poll, missed > 5 ? 5 * PERIOD : PERIOD);
}

// Colours: as the system has them, or as chosen here.
const dark = matchMedia("(prefers-color-scheme: dark)");
const themes = ["auto", "light", "dark"];
let theme = "auto";
try { theme = themes.includes(localStorage.theme) ? localStorage.theme : "auto"; } catch { /* without storage it is not kept */ }

function paint() {
  document.documentElement.dataset.theme = theme === "auto" ? (dark.matches ? "dark" : "light") : theme;
  $("theme").textContent = `◐ ${theme}`;
  $("theme").setAttribute("aria-label", `Colours: ${theme === "auto" ? "as the system has them" : theme}`);
}

$("theme").addEventListener("click", () => {
  theme = themes[(themes.indexOf(theme) + 1) % themes.length];
  try { localStorage.theme = theme; } catch { /* the same */ }
  paint();
});
dark.addEventListener("change", paint);
document.addEventListener("visibilitychange", () => { if (!document.hidden) ask(); });
for (const name of Object.keys(SMOOTHING)) $("smoothing").append(el("option", { value: name, ...(name === smoothing ? { selected: "" } : {}) }, name));
$("smoothing").addEventListener("change", () => setSmoothing($("smoothing").value));
let resized = null;
addEventListener("resize", () => { clearTimeout(resized); resized = setTimeout(draw, 120); });
paint();
poll();
