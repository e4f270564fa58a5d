// Other runs: beside this one, or all below a folder. One is looked at, some are compared with it.

let base = "", runList = [], settingsOf = null;
const compared = new Map();
const MOST_COMPARED = 4;

const runName = number => runList.find(run => run.number === number)?.name ?? `run ${number}`;
const chosen = () => base === "" ? null : Number(base.split("/")[2]);

function choose(number) {
  compared.delete(number);
  base = number === null ? "" : `/runs/${number}`;
  settingsOf = null;
  ranges.clear();
  try { history.replaceState(null, "", number === null ? location.pathname : `#run=${number}`); } catch { /* not in the address */ }
  ask();
}

function compare(number, on) {
  if (on && compared.size < MOST_COMPARED) compared.set(number, null);
  else compared.delete(number);
  askCompared().then(draw);
}

async function askCompared() {
  await Promise.all([...compared.keys()].map(async number => {
    try {
      const answer = await fetch(`/runs/${number}/status.json`, { cache: "no-store" });
      if (answer.ok && compared.has(number)) compared.set(number, await answer.json());
    } catch { /* it stays as it was */ }
  }));
}

// Curves of the runs that are compared: `of` gives x and y of one.
function others(of) {
  return [...compared].flatMap(([number, status], index) =>
    status ? [{ name: runName(number), colour: 5 - index % 4, ...of(status) }] : []);
}

// What the address itself shows: a run with others beside it, or only others.
let servesRuns = false, hasRuns = null;

async function askRuns() {
  if (hasRuns === null) {
    const status = await (await fetch("/status.json", { cache: "no-store" })).json();
    [hasRuns, servesRuns] = [status.has_runs, status.program.verb === "serve"];
  }
  if (!hasRuns) return;
  try {
    const answer = await fetch("/runs.json", { cache: "no-store" });
    if (!answer.ok) return;
    const { runs, more } = await answer.json();
    runList = runs;
    // All runs of a folder: the newest is looked at first.
    if (servesRuns && base === "" && runs.length > 0) {
      const asked = Number(location.hash.match(/^#run=(\d+)$/)?.[1] ?? NaN);
      const newestRun = runs.reduce((best, run) => (run.time ?? 0) > (best.time ?? 0) ? run : best);
      base = `/runs/${(runs.find(run => run.number === asked) ?? newestRun).number}`;
    }
    drawRuns(more);
  } catch { /* asked again */ }
}

const BETWEEN = 90;

function drawRuns(more) {
  const serves = servesRuns;
  $("runs-card").hidden = runList.length === 0 && !serves;
  $("h-runs").textContent = serves ? "Runs" : "Other runs in this folder";
  $("runs-hint").textContent = runList.length === 0 ? "none yet" : `${runList.length}${more > 0 ? `, and ${more} more that are not shown` : ""}; up to ${MOST_COMPARED} can be compared`;
  // What all of them have in common tells none from another.
  for (const run of runList) run.own = run.settings.filter(one => runList.length === 1 || !runList.every(other => other.settings.includes(one)));
  fill($("runs"), JSON.stringify([runList, base, [...compared.keys()], serves]), () => {
    const head = ["", "run", "state", "epoch", "λ", "IoU", "best", "accuracy", "last written", runList.length === 1 ? "settings that are not the defaults" : "settings that differ"];
    const own = serves ? [] : [row({ name: "this run", number: null })];
    const sorted = [...runList].sort((a, b) => (b.time ?? 0) - (a.time ?? 0));
    return [el("table", {}, el("thead", {}, el("tr", {}, ...head.map((name, index) => el("th", index > 2 && index < 9 ? { class: "num" } : {}, name)))),
      el("tbody", {}, ...own, ...sorted.map(row)))];
  });
}

function row(run) {
  const box = el("input", { type: "checkbox", "aria-label": `Compare with ${run.name}` });
  box.checked = compared.has(run.number);
  box.disabled = run.number === chosen() || !box.checked && compared.size >= MOST_COMPARED;
  box.addEventListener("change", () => compare(run.number, box.checked));
  const link = el("button", { type: "button", class: "link", "aria-pressed": chosen() === run.number }, run.name);
  link.addEventListener("click", () => choose(run.number));
  const settings = (run.own ?? []).join(" "), num = text => el("td", { class: "num" }, text);
  const epoch = run.epochs > 0 ? `${run.epoch} / ${run.epochs}` : String(run.epoch ?? "");
  return el("tr", chosen() === run.number ? { class: "chosen-run" } : {}, el("td", {}, run.number === null ? "" : box), el("td", {}, link),
    el("td", {}, run.state ? el("span", { class: `pill ${run.state}` }, run.state) : ""), num(epoch), num(run.number === null ? "" : short(run.lambda)),
    num(run.number === null ? "" : short(run.iou)), num(run.number === null ? "" : short(run.best_iou)), num(isNumber(run.accuracy) ? percent(run.accuracy) : ""),
    num(run.number === null ? "" : dateTime(run.time)), el("td", { title: settings }, settings.length > BETWEEN ? `${settings.slice(0, BETWEEN)}…` : settings));
}

// The settings that are not the defaults, and all of them.
async function askSettings() {
  if (settingsOf === base) return;
  settingsOf = base;
  try {
    const answer = await fetch(`${base}/experiment.json`, { cache: "no-store" });
    drawSettings(answer.ok ? await answer.json() : []);
  } catch { settingsOf = null; }
}

function drawSettings(all) {
  if (all.length === 0) settingsOf = null;
  const own = all.filter(one => one.default !== null);
  $("settings-card").hidden = all.length === 0;
  $("settings-hint").textContent = `${own.length} of ${all.length} settings are not the defaults`;
  const table = (rows, defaults) => el("table", {}, el("thead", {}, el("tr", {}, ...["setting", "value", ...(defaults ? ["default"] : [])].map(name => el("th", {}, name)))),
    el("tbody", {}, ...rows.map(one => el("tr", {}, el("td", {}, one.key), el("td", {}, one.value), defaults ? el("td", {}, one.default) : null))));
  fill($("settings"), JSON.stringify(all), () => [own.length > 0 ? table(own, true) : el("p", {}, "All settings are the defaults."),
    el("details", {}, el("summary", {}, "All settings"), table(all, false))]);
}

// How the run was started.
function drawCall(call) {
  $("call-card").hidden = !call;
  if (!call) return;
  const machine = call.machine ?? {}, commit = call.commit ? ` (${call.commit})` : "";
  const rows = [["command", call.command?.join(" ")], ["in folder", call.folder], ["program", call.version && `trackflow ${call.version}${commit}`],
    ["libtorch", call.torch], ["seed", call.seed], ["machine", [call.host, machine.processor, machine.cores && `${machine.cores} cores`, ...(machine.gpus ?? [])].filter(Boolean).join(", ")],
    ["data", (call.data ?? []).map(set => `${set.name}: ${set.sequences} sequences, ${set.frames} frames`).join("; ")]];
  fill($("call"), JSON.stringify(rows), () => [el("table", {}, el("tbody", {}, ...rows.filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([name, value]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, String(value))))))]);
}
