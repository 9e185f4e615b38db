// The microphone: its samples as they are, at the rate that the device has.

export class Microphone {
  #context;
  #media;
  #isClosed = false;

  // Asks for the microphone.
  static async open() {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new Error("Browsers give the microphone to pages of https and of localhost only.");
    }
    let media;
    try {
      // What makes calls pleasant takes away what recognition needs.
      const audio = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
      media = await navigator.mediaDevices.getUserMedia({ audio });
    } catch (error) {
      throw new Error(`The microphone cannot be used: ${error.message}`);
    }
    const microphone = new Microphone();
    microphone.#media = media;
    microphone.#context = new AudioContext({ latencyHint: "interactive" });
    try {
      await microphone.#context.audioWorklet.addModule("/page/capture.js");
    } catch (error) {
      microphone.close();
      throw new Error(`The microphone cannot be read: ${error.message}`);
    }
    return microphone;
  }

  get sampleRate() {
    return this.#context.sampleRate;
  }

  // Hands every block of samples to `take`, until it is closed; calls `gone` if the device goes away.
  start(take, gone) {
    if (this.#isClosed) return;
    for (const track of this.#media.getTracks()) track.onended = gone;
    const source = this.#context.createMediaStreamSource(this.#media);
    const capture = new AudioWorkletNode(this.#context, "capture", {
      numberOfOutputs: 0,
      channelCount: 1,
      channelCountMode: "explicit",
    });
    capture.port.onmessage = (event) => this.#isClosed || take(event.data);
    source.connect(capture);
    this.#context.resume();
  }

  close() {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#media.getTracks().forEach((track) => track.stop());
    this.#context.close();
  }
}
