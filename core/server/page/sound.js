// A file's sound as the browser understands it, for the picture alone: the prediction is the server's.

const RATE = 22050;

export async function decodeFile(file) {
  const bytes = await file.arrayBuffer();
  const plain = plainAu(new DataView(bytes));
  if (plain) return plain;
  const buffer = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(bytes);
  return { samples: mono(buffer), rate: buffer.sampleRate };
}

function mono(buffer) {
  if (buffer.numberOfChannels === 1) return buffer.getChannelData(0);
  const [left, right] = [buffer.getChannelData(0), buffer.getChannelData(1)];
  return left.map((sample, n) => (sample + right[n]) / 2);
}

// Sun AU with 16-bit samples, which browsers do not know.
function plainAu(view) {
  if (view.byteLength < 24 || view.getUint32(0) !== 0x2e736e64 || view.getUint32(12) !== 3) return null;
  const offset = view.getUint32(4), channels = view.getUint32(20);
  const frames = Math.floor((view.byteLength - offset) / (2 * channels));
  const samples = Float32Array.from({ length: frames }, (_, n) => view.getInt16(offset + 2 * channels * n) / 32768);
  return { samples, rate: view.getUint32(16) };
}
