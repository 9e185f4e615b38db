// A stream of the native protocol (docs/protocol.md): samples go out as 16-bit integers, events come in.

// Bytes that may wait to be sent before a sender that can wait does.
const ENOUGH_BYTES = 256 * 1024;
const LOOK_AGAIN_MS = 20;
const NORMAL = 1000;

export class Stream {
  #socket;
  #take;
  #key;
  #isReady = false;
  #isFinished = false;
  #error = null;
  #opened = Promise.withResolvers();
  #ended = Promise.withResolvers();

  // `take` gets every message of the server.
  constructor(key, take) {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    // A browser cannot set headers here: the key is the second subprotocol.
    const protocols = key ? ["token", key] : [];
    try {
      this.#socket = new WebSocket(`${scheme}//${location.host}/v1/stream`, protocols);
    } catch {
      throw new Error("The key has characters that no key of this server has.");
    }
    this.#take = take;
    this.#key = key;
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onmessage = (event) => this.#read(JSON.parse(event.data));
    this.#socket.onclose = (event) => this.#close(event);
    // Whoever waits for one of them may not wait for the other.
    this.#opened.promise.catch(() => {});
    this.#ended.promise.catch(() => {});
  }

  // Resolves when the stream has ended as it should; else rejects.
  get ended() {
    return this.#ended.promise;
  }

  // Starts the stream; resolves when the server takes audio.
  async open(sampleRate) {
    this.#socket.onopen = () =>
      this.#socket.send(JSON.stringify({ type: "start", encoding: "linear16", sample_rate: sampleRate }));
    await this.#opened.promise;
  }

  // Sends samples between -1 and 1.
  send(samples) {
    if (!this.#isReady || this.#isFinished || this.#socket.readyState !== WebSocket.OPEN) return;
    const view = new DataView(new ArrayBuffer(2 * samples.length));
    samples.forEach((sample, index) => {
      const whole = Math.round(Math.max(-1, Math.min(1, sample)) * 32767);
      view.setInt16(2 * index, whole, true);
    });
    this.#socket.send(view.buffer);
  }

  // Resolves when little waits to be sent.
  async room() {
    while (this.#socket.readyState === WebSocket.OPEN && this.#socket.bufferedAmount > ENOUGH_BYTES) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
    return this.#socket.readyState === WebSocket.OPEN;
  }

  // Ends the audio: what was sent gets its final, then the server closes.
  finish() {
    if (this.#isFinished) return;
    this.#isFinished = true;
    if (this.#isReady && this.#socket.readyState === WebSocket.OPEN) this.#socket.send('{"type":"finish"}');
    else this.close();
  }

  close() {
    this.#socket.close();
  }

  #read(message) {
    this.#take(message);
    if (message.type === "ready") {
      this.#isReady = true;
      this.#opened.resolve();
    } else if (message.type === "error" && message.code) {
      this.#error = message;
    }
  }

  async #close(event) {
    if (event.code === NORMAL || (this.#isFinished && !this.#isReady)) {
      this.#opened.resolve();
      this.#ended.resolve();
      return;
    }
    const error = this.#isReady || this.#error ? this.#broken(event) : await this.#refused();
    this.#opened.reject(error);
    this.#ended.reject(error);
  }

  #broken(event) {
    if (this.#error) return new Error(`${this.#error.message} (${this.#error.code})`);
    return new Error(`The connection to the server was lost (${event.code}).`);
  }

  // A browser does not say why it got no WebSocket: another request does.
  async #refused() {
    const headers = this.#key ? { authorization: `Bearer ${this.#key}` } : {};
    const answer = await fetch("/v1/stream", { headers, cache: "no-store" }).catch(() => null);
    if (!answer) return new Error("The server does not answer.");
    const problem = (await answer.json().catch(() => null))?.error;
    // What it lacks is the handshake: of another kind, the request would be welcome.
    if (problem?.code === "protocol.upgrade") {
      return new Error("No WebSocket: something in between does not pass it on, or the server does not know this address.");
    }
    const error = new Error(problem?.message ?? `The server refuses streams (status ${answer.status}).`);
    error.needsKey = answer.status === 401;
    return error;
  }
}
