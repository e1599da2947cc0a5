// The page: three sections that know nothing of each other.
import { getJson } from "./api.js";
import { startFiles } from "./files.js";
import { startLive } from "./live.js";
import { startPalette } from "./palette.js";
import { startRuns } from "./runs.js";

startPalette();
const { models } = await getJson("v1/models");
const [model] = models;
document.getElementById("model").textContent = `${model.name}: ${model.genres.length} genres, on ${model.device}`;
startFiles();
startLive();
startRuns();
document.body.dataset.ready = "yes";
