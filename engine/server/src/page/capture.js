// Runs on the audio thread: gathers samples and hands them over, a block at a time.

// 1024 samples are 21 ms at 48 kHz: a message for each of the browser's 128 would be many.
const BLOCK_SAMPLES = 1024;

class Capture extends AudioWorkletProcessor {
  #block = new Float32Array(BLOCK_SAMPLES);
  #filled = 0;

  process([input]) {
    const samples = input[0];
    if (!samples) return true;
    for (let at = 0; at < samples.length; ) {
      const count = Math.min(samples.length - at, BLOCK_SAMPLES - this.#filled);
      this.#block.set(samples.subarray(at, at + count), this.#filled);
      this.#filled += count;
      at += count;
      if (this.#filled === BLOCK_SAMPLES) {
        this.port.postMessage(this.#block, [this.#block.buffer]);
        this.#block = new Float32Array(BLOCK_SAMPLES);
        this.#filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("capture", Capture);
