// A prediction in words, as bars and as a timeline. Bars are meters with text: they are read aloud as they are seen.
import { clock, element, percent } from "./api.js";

export function inWords(prediction) {
  const likeliest = Object.entries(prediction.probabilities).sort((a, b) => b[1] - a[1]);
  if (!prediction.uncertain) return `${prediction.genre}, ${percent(likeliest[0][1])}`;
  const first = likeliest.slice(0, 3).map(([genre, share]) => `${genre} ${percent(share)}`);
  return `uncertain (${prediction.reason}): ${first.join(", ")}`;
}

// Rows are kept when the genres are the same, so that a screen reader's place in them stays.
export function showBars(list, probabilities) {
  const rows = Object.entries(probabilities);
  if (list.children.length !== rows.length) {
    list.replaceChildren(...rows.map(([genre]) => {
      const name = element("span", { textContent: genre });
      const meter = element("meter", { max: 1 });
      meter.setAttribute("aria-label", genre);
      return element("li", {}, name, meter, element("span", { className: "share" }));
    }));
  }
  rows.forEach(([genre, share], i) => {
    const [name, meter, text] = list.children[i].children;
    name.textContent = genre;
    meter.setAttribute("aria-label", genre);
    meter.value = share;
    text.textContent = meter.textContent = percent(share);
  });
}

const SERIES = 8;  // as many colours as style.css has

// The stretches of a track in the colours of their genres, with a legend below. genres: the model's, in its order.
export function timeline(stretches, genres) {
  const colour = (genre) => `var(--genre-${genres.indexOf(genre) % SERIES})`;
  const list = element("ol", { className: "timeline" });
  list.setAttribute("aria-label", "Along the track");
  for (const stretch of stretches) {
    const what = stretch.genre ?? stretch.reason;
    const text = `${clock(stretch.start_s)} to ${clock(stretch.end_s)}: ${what}`;
    const words = element("span", { textContent: text });
    const item = element("li", { title: text, className: stretch.genre ? "" : "uncertain" }, words);
    item.style.flexGrow = stretch.end_s - stretch.start_s;
    if (stretch.genre) item.style.background = colour(stretch.genre);
    list.append(item);
  }
  const legend = element("ul", { className: "legend" });
  for (const genre of genres.filter((one) => stretches.some((stretch) => stretch.genre === one))) {
    const swatch = element("span", { className: "swatch" });
    swatch.style.background = colour(genre);
    legend.append(element("li", {}, swatch, genre));
  }
  if (stretches.some((stretch) => !stretch.genre)) {
    legend.append(element("li", {}, element("span", { className: "swatch uncertain" }), "uncertain"));
  }
  return element("div", {}, list, legend);
}
