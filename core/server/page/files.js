// Files: dropped or chosen, sent one by one, answered as the answers come.
import { element, getJson } from "./api.js";
import { decodeFile } from "./sound.js";
import { paintSound } from "./spectrogram.js";
import { inWords, showBars, timeline } from "./prediction.js";

const AT_ONCE = 2;

export function startFiles() {
  const drop = document.getElementById("drop");
  const input = document.getElementById("files");
  const status = document.getElementById("classify-status");
  const results = document.getElementById("results");
  const queue = [];
  let working = 0, done = 0, asked = 0;

  const add = (files) => {
    queue.push(...files);
    asked += files.length;
    while (working < AT_ONCE && queue.length) work();
  };

  async function work() {
    working++;
    while (queue.length) {
      const file = queue.shift();
      status.textContent = `Listening to ${file.name} (${done} of ${asked} done)`;
      const article = element("article", {}, element("h3", { textContent: file.name }));
      results.prepend(article);
      await classify(file, article);
      done++;
      status.textContent = `${done} of ${asked} files done`;
    }
    working--;
  }

  input.addEventListener("change", () => { add([...input.files]); input.value = ""; });
  for (const name of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", name === "dragover");
    });
  }
  drop.addEventListener("drop", (event) => add([...event.dataTransfer.files]));
  // A file that misses the target must not replace the page.
  for (const name of ["dragover", "drop"]) window.addEventListener(name, (event) => event.preventDefault());
}

async function classify(file, article) {
  const headers = { "Content-Type": file.type || "application/octet-stream" };
  const answer = getJson("v1/classify", { method: "POST", body: file, headers });
  await Promise.allSettled([
    answer.then((prediction) => show(prediction, article), (error) => {
      article.append(element("p", { className: "error", textContent: error.message }));
    }),
    draw(file, article),
  ]);
}

function show(prediction, article) {
  const bars = element("ul", { className: "bars" });
  bars.setAttribute("aria-label", "Probability of each genre");
  showBars(bars, prediction.probabilities);
  article.querySelector("h3").after(element("p", { className: "prediction", textContent: inWords(prediction) }));
  article.append(timeline(prediction.stretches, Object.keys(prediction.probabilities)), bars);
  if (prediction.warning) article.append(element("p", { className: "error", textContent: `The file ${prediction.warning}.` }));
}

async function draw(file, article) {
  try {
    const { samples, rate } = await decodeFile(file);
    const canvas = element("canvas", { className: "spectrogram", width: 480, height: 96 });
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `Spectrogram of ${file.name}`);
    paintSound(canvas, samples, rate);
    const place = article.querySelector(".timeline");
    if (place) place.before(canvas);
    else article.append(canvas);
  } catch {
    article.append(element("p", { textContent: "No picture: this browser cannot decode the file itself." }));
  }
}
