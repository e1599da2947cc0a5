// The microphone: captured in the browser, sent as 16-bit PCM, answered window by window.
import { clock, element, socketAddress } from "./api.js";
import { Scroller } from "./spectrogram.js";
import { inWords, showBars } from "./prediction.js";

const OVERLAP = 0.8;
const HISTORY = 200;

export function startLive() {
  const button = document.getElementById("record");
  const status = document.getElementById("live-status");
  let session = null;
  let starting = false;  // not button.disabled: that would take the keyboard's focus away

  button.addEventListener("click", async () => {
    if (starting) return;
    if (session) {
      session.stop();
      return;
    }
    starting = true;
    try {
      session = await listen(status);
      button.textContent = "Stop";
      button.setAttribute("aria-pressed", "true");
      session.ended.then((why) => {
        session = null;
        button.textContent = "Listen";
        button.setAttribute("aria-pressed", "false");
        status.textContent = why;
      });
    } catch (error) {
      status.textContent = why(error);
    } finally {
      starting = false;
    }
  });
}

function why(error) {
  if (!navigator.mediaDevices) return "The browser gives the microphone to pages on localhost or over HTTPS only.";
  if (error.name === "NotAllowedError") return "The browser was not allowed to use the microphone.";
  if (error.name === "NotFoundError") return "The browser finds no microphone.";
  return error.message;
}

async function listen(status) {
  const microphone = await navigator.mediaDevices.getUserMedia({
    // What helps speech, such as taking out noise and evening out levels, disfigures music.
    audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
  });
  const audio = new AudioContext();
  const release = () => {
    for (const track of microphone.getTracks()) track.stop();
    if (audio.state !== "closed") audio.close();
  };
  try {
    await audio.audioWorklet.addModule("recorder-worklet.js");
    const socket = await connect(socketAddress(`v1/live?rate=${audio.sampleRate}&overlap=${OVERLAP}`));
    const recorder = new AudioWorkletNode(audio, "recorder", { numberOfOutputs: 0 });
    const scroller = new Scroller(document.getElementById("live-spectrogram"), audio.sampleRate);
    const level = document.getElementById("level");
    recorder.port.onmessage = ({ data }) => {
      if (socket.readyState !== WebSocket.OPEN) return;
      socket.send(pcm16(data));
      scroller.push(data);
      level.value = data.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
    };
    audio.createMediaStreamSource(microphone).connect(recorder);
    status.textContent = `Listening at ${audio.sampleRate} Hz`;
    const ended = new Promise((resolve) => {
      let last = "Stopped.";
      socket.onmessage = ({ data }) => {
        const message = JSON.parse(data);
        if (message.type === "segment") show(message);
        if (message.type === "problem") last = `The server has ended this: ${message.detail}.`;
      };
      socket.onclose = () => { release(); resolve(last); };
    });
    return { ended, stop: () => { release(); if (socket.readyState === WebSocket.OPEN) socket.send("end"); } };
  } catch (error) {
    release();
    throw error;
  }
}

function connect(address) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(address);
    socket.onopen = () => resolve(socket);
    socket.onerror = () => reject(new Error("The server takes no more listeners at the moment."));
  });
}

function pcm16(samples) {
  const out = new DataView(new ArrayBuffer(2 * samples.length));
  samples.forEach((sample, n) => out.setInt16(2 * n, Math.max(-1, Math.min(1, sample)) * 32767, true));
  return out.buffer;
}

let said = "";

function show(segment) {
  showBars(document.getElementById("live-bars"), segment.probabilities);
  const prediction = segment.uncertain ? `uncertain: ${segment.reason}` : segment.genre;
  if (prediction !== said) {  // a screen reader is told of changes, not of every window
    said = prediction;
    document.getElementById("live-prediction").textContent = prediction;
  }
  const history = document.getElementById("live-history");
  history.prepend(element("li", { textContent: `${clock(segment.end_s)} ${inWords(segment)}` }));
  while (history.children.length > HISTORY) history.lastChild.remove();
}
