// Runs: chosen from a list, followed through their events, drawn as they come.
import { element, getJson, percent } from "./api.js";
import { drawChart } from "./charts.js";
import { onPalette } from "./palette.js";

const REFRESH_MS = 5000;
const ENDS = { run_finished: "finished", run_stopped: "stopped", run_failed: "failed" };

export function startRuns() {
  const select = document.getElementById("run");
  let view = null;
  onPalette(select, () => view?.drawSoon());
  select.addEventListener("change", () => {
    view?.close();
    view = new RunView(select.value);
  });

  async function refresh() {
    const { runs } = await getJson("v1/runs").catch(() => ({ runs: [] }));
    const known = new Map([...select.options].map((option) => [option.value, option]));
    const options = runs.map((run) => {
      const option = known.get(run.name) ?? element("option", { value: run.name });
      option.textContent = `${run.name} (${run.state})`;
      return option;
    });
    // Only changed lists are touched: an open list would close under the user's hand.
    if (options.length !== select.options.length || options.some((option, i) => option !== select.options[i])) {
      const chosen = select.value;
      select.replaceChildren(...options);
      if (known.has(chosen)) select.value = chosen;
      else if (options.length) select.dispatchEvent(new Event("change"));
    }
    if (!options.length) document.getElementById("run-status").textContent = "There are no runs yet.";
    setTimeout(refresh, REFRESH_MS);
  }
  refresh();
}

class RunView {
  constructor(name) {
    this.rows = new Map();
    this.epochs = 0;
    this.said = this.now = this.test = "";
    this.status = document.getElementById("run-status");
    this.draw();
    this.source = new EventSource(`v1/runs/${encodeURIComponent(name)}/events`);
    const on = (kind, act) => this.source.addEventListener(kind, ({ data }) => { act(JSON.parse(data)); this.drawSoon(); });
    on("run_started", (event) => {
      this.epochs = event.epochs;
      this.said = `${event.model} on ${event.dataset}, ${event.device_name}`;
      for (const epoch of this.rows.keys()) if (epoch > (event.resumed_from ?? 0)) this.rows.delete(epoch);
    });
    on("batch_progress", (event) => {
      this.now = `epoch ${event.epoch} of ${this.epochs}, batch ${event.batch} of ${event.batches}`;
    });
    on("epoch_finished", (event) => {
      this.rows.set(event.epoch, event);
      this.said = `epoch ${event.epoch} of ${this.epochs}: validation accuracy ${share(event.val_accuracy)}`;
    });
    on("test_finished", (event) => { this.test = `, ${percent(event.accuracy)} right on the test clips`; });
    on("request_answered", (event) => { if (event.epochs) this.epochs = event.epochs; });
    for (const [kind, word] of Object.entries(ENDS)) on(kind, () => {
      this.said = `${word}${this.test}`;
      this.now = "";
    });
  }

  close() {
    this.source.close();
    cancelAnimationFrame(this.frame);
  }

  // A long journal comes at once: one drawing for all of it.
  drawSoon() {
    this.frame ??= requestAnimationFrame(() => { this.frame = null; this.draw(); });
  }

  draw() {
    const rows = [...this.rows.values()].sort((a, b) => a.epoch - b.epoch);
    // Read aloud when it changes: no more often than an epoch ends.
    if (this.status.textContent !== this.said) this.status.textContent = this.said;
    document.getElementById("run-now").textContent = this.now;
    document.getElementById("run-progress").value = this.epochs ? rows.length / this.epochs : 0;
    chart("loss", rows, (value) => value.toFixed(2));
    chart("accuracy", rows, percent);
    const best = rows.filter((row) => row.is_best).at(-1);
    document.getElementById("epochs").replaceChildren(...rows.toReversed().map((row) => {
      const cells = [row.epoch, fixed(row.train_loss), share(row.train_accuracy), fixed(row.val_loss), share(row.val_accuracy)];
      const line = element("tr", {}, ...cells.map((text) => element("td", { textContent: text })));
      if (row === best) line.className = "best";
      return line;
    }));
  }
}

const fixed = (value) => (value === null ? "–" : value.toFixed(4));
const share = (value) => (value === null ? "–" : percent(value));

function chart(what, rows, format) {
  const canvas = document.getElementById(what);
  const line = (part) => rows.map((row) => [row.epoch, row[`${part}_${what}`]]).filter(([, y]) => y !== null);
  drawChart(canvas, [
    { name: "train", values: line("train"), colour: "--first", dash: [] },
    { name: "validation", values: line("val"), colour: "--second", dash: [5, 3] },
  ], format);
  const last = rows.at(-1);
  const text = last ? `after epoch ${last.epoch}: train ${said(last, "train")}, validation ${said(last, "val")}` : "no epoch yet";
  canvas.setAttribute("aria-label", `${what === "loss" ? "Loss" : "Accuracy"}, ${text}`);

  function said(row, part) {
    const value = row[`${part}_${what}`];
    return value === null ? "not a number" : format(value);
  }
}
