// A recording: decoded by the browser, sent as fast as it was spoken or as fast as the server takes it.

// The rate that the engine works with: a browser resamples while it decodes anyway.
const RATE_HZ = 16000;
const REAL_BLOCK_S = 0.1;
const FAST_BLOCK_S = 1;

// Decodes a file; resolves to the mean of its channels.
export async function decode(file) {
  const context = new OfflineAudioContext(1, 1, RATE_HZ);
  let decoded;
  try {
    decoded = await context.decodeAudioData(await file.arrayBuffer());
  } catch {
    throw new Error(`${file.name}: this browser cannot decode it.`);
  }
  const channels = Array.from({ length: decoded.numberOfChannels }, (_, index) => decoded.getChannelData(index));
  const samples = channels.length === 1 ? channels[0] : mean(channels);
  return { sampleRate: RATE_HZ, samples };
}

function mean(channels) {
  const samples = new Float32Array(channels[0].length);
  for (const channel of channels) {
    for (let index = 0; index < samples.length; index++) samples[index] += channel[index] / channels.length;
  }
  return samples;
}

// Sends a recording until it is over, `isStopped` says so, or the stream has ended.
export async function play({ sampleRate, samples }, stream, isFast, isStopped) {
  const block = Math.round(sampleRate * (isFast ? FAST_BLOCK_S : REAL_BLOCK_S));
  const began = performance.now();
  for (let at = 0; at < samples.length; at += block) {
    if (isStopped() || !(await stream.room())) return;
    const end = Math.min(at + block, samples.length);
    // A block is sent when its last sample would have been spoken.
    const due = began + (1000 * end) / sampleRate - performance.now();
    if (!isFast && due > 0) await new Promise((resolve) => setTimeout(resolve, due));
    stream.send(samples.subarray(at, end));
  }
}
