// A spectrogram on a canvas: mel-spaced bands in decibels below the loudest, dark to light.
import { isColourBlind, onPalette } from "./palette.js";

const SIZE = 1024;
const FLOOR_DB = 70;

const hann = Float32Array.from({ length: SIZE }, (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / SIZE));
const mel = (hz) => 2595 * Math.log10(1 + hz / 700);
const hertz = (m) => 700 * (10 ** (m / 2595) - 1);

// Power of each frequency of SIZE samples: a radix-2 transform in place.
function power(samples, start) {
  const re = new Float32Array(SIZE), im = new Float32Array(SIZE);
  for (let n = 0, r = 0; n < SIZE; n++) {
    re[r] = (samples[start + n] ?? 0) * hann[n];
    let bit = SIZE >> 1;
    while (r & bit) { r ^= bit; bit >>= 1; }
    r |= bit;
  }
  for (let half = 1; half < SIZE; half *= 2) {
    for (let k = 0; k < half; k++) {
      const cos = Math.cos((Math.PI * k) / half), sin = -Math.sin((Math.PI * k) / half);
      for (let i = k; i < SIZE; i += 2 * half) {
        const j = i + half;
        const x = re[j] * cos - im[j] * sin, y = re[j] * sin + im[j] * cos;
        re[j] = re[i] - x; im[j] = im[i] - y;
        re[i] += x; im[i] += y;
      }
    }
  }
  return Float32Array.from({ length: SIZE / 2 }, (_, k) => re[k] ** 2 + im[k] ** 2);
}

// Decibels of `bands` mel bands, low to high.
function column(samples, start, rate, bands) {
  const spectrum = power(samples, start);
  const top = mel(Math.min(rate / 2, 11025));
  return Float32Array.from({ length: bands }, (_, b) => {
    const low = Math.floor((hertz((top * b) / bands) / rate) * SIZE);
    const high = Math.max(low + 1, Math.ceil((hertz((top * (b + 1)) / bands) / rate) * SIZE));
    let sum = 0;
    for (let k = low; k < high && k < spectrum.length; k++) sum += spectrum[k];
    return 10 * Math.log10(sum / (high - low) + 1e-10);
  });
}

const MAGMA = [  // as in the terminal
  0x000004, 0x0b0924, 0x20114b, 0x3b0f70, 0x57157e, 0x721f81, 0x8c2981, 0xa8327d,
  0xc43c75, 0xde4968, 0xf1605d, 0xfa7f5e, 0xfe9f6d, 0xfebf84, 0xfddea0, 0xfcfdbf,
];
const VIRIDIS = [  // in the colour-blind palette
  0x440154, 0x481a6c, 0x472f7d, 0x414487, 0x39568c, 0x31688e, 0x2a788e, 0x23888e,
  0x1f988b, 0x22a884, 0x35b779, 0x54c568, 0x7ad151, 0xa5db36, 0xd2e21b, 0xfde725,
];

function colour(level) {  // from 0 to 1
  const ramp = isColourBlind() ? VIRIDIS : MAGMA;
  const hex = ramp[Math.round(Math.min(1, Math.max(0, level)) * (ramp.length - 1))];
  return [hex >> 16, (hex >> 8) & 255, hex & 255];
}

function paint(context, x, decibels, loudest) {
  const image = context.createImageData(1, decibels.length);
  decibels.forEach((db, b) => {
    image.data.set([...colour(1 + (db - loudest) / FLOOR_DB), 255], 4 * (decibels.length - 1 - b));
  });
  context.putImageData(image, x, 0);
}

export function paintSound(canvas, samples, rate) {
  const context = canvas.getContext("2d");
  const step = Math.max(1, (samples.length - SIZE) / canvas.width);
  const columns = Array.from({ length: canvas.width }, (_, x) => column(samples, Math.floor(x * step), rate, canvas.height));
  const loudest = columns.reduce((most, one) => one.reduce((a, b) => Math.max(a, b), most), -100);
  const draw = () => columns.forEach((decibels, x) => paint(context, x, decibels, loudest));
  onPalette(canvas, draw);
  draw();
}

// A picture that moves to the left by a column for every SIZE samples.
export class Scroller {
  constructor(canvas, rate) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { willReadFrequently: true });
    this.rate = rate;
    this.loudest = -20;
    this.waiting = new Float32Array(0);
  }

  push(samples) {
    const sound = new Float32Array(this.waiting.length + samples.length);
    sound.set(this.waiting);
    sound.set(samples, this.waiting.length);
    let start = 0;
    for (; start + SIZE <= sound.length; start += SIZE) {
      const { width, height } = this.canvas;
      const decibels = column(sound, start, this.rate, height);
      this.loudest = Math.max(this.loudest - 0.02, decibels.reduce((a, b) => Math.max(a, b)));
      this.context.drawImage(this.canvas, 1, 0, width - 1, height, 0, 0, width - 1, height);
      paint(this.context, width - 1, decibels, this.loudest);
    }
    this.waiting = sound.slice(start);
  }
}
