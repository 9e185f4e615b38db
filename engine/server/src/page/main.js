// The page: what is chosen becomes a stream, and a stream's events become captions, a log and errors.

import { Captions } from "./captions.js";
import { EventLog } from "./events.js";
import { decode, play } from "./file.js";
import { Latencies } from "./latencies.js";
import { Microphone } from "./microphone.js";
import { Stream } from "./stream.js";

const one = (id) => document.getElementById(id);
const controls = one("controls");
const captions = new Captions();
const log = new EventLog(one("events"));
const latencies = new Latencies(() => one("key").value);

// What is going on: a stream and what feeds it, or nothing.
let running = null;

function source() {
  return controls.elements.source.value;
}

function say(status) {
  one("status").textContent = status;
}

function complain(message) {
  one("problem").textContent = message;
  one("problem").hidden = !message;
}

function show() {
  one("file-choice").hidden = source() !== "file";
  one("sources").disabled = Boolean(running);
  one("file").disabled = one("pace").disabled = Boolean(running);
  one("start").disabled = Boolean(running);
  one("stop").disabled = !running || running.isStopping;
}

function askForKey() {
  one("key-choice").hidden = false;
  one("key").focus();
}

// What goes wrong with a stream that goes on, until somebody speaks again.
const ODD = {
  no_audio: "The server hears nothing: only silence comes.",
  clipping: "The audio is too loud: its peaks are cut off.",
  not_finite: "The audio has samples that are no numbers.",
};

// The stream's events, in the order in which they come.
function take(message) {
  log.add(message);
  switch (message.type) {
    case "ready":
      say(`Listening with ${message.model}, version ${message.server}`);
      break;
    case "notice":
      complain(message.message);
      break;
    case "error":
      if (running) running.isOdd = message.error in ODD;
      complain(message.message ? `${message.message} (${message.code})` : (ODD[message.error] ?? message.error));
      break;
    default:
      if (message.type === "speech_start" && running?.isOdd) complain("");
      captions.take(message);
  }
}

async function run(current) {
  let audio;
  if (source() === "file") {
    const [file] = one("file").files;
    if (!file) throw new Error("Choose a recording first.");
    say("Decoding the recording");
    audio = await decode(file);
  } else {
    say("Waiting for the microphone");
    audio = await Microphone.open();
    current.microphone = audio;
  }
  if (current.isStopping) return;
  say("Connecting");
  const stream = new Stream(one("key").value, take);
  current.stream = stream;
  await stream.open(audio.sampleRate);
  if (current.isStopping) stream.finish();
  else if (current.microphone) audio.start((samples) => stream.send(samples), lost);
  else {
    await play(audio, stream, one("pace").value === "fast", () => current.isStopping);
    current.isStopping = true;
    show();
    stream.finish();
  }
  await stream.ended;
}

async function start(event) {
  event.preventDefault();
  if (running) return;
  complain("");
  captions.begin();
  log.clear();
  const current = { isStopping: false, isOdd: false, microphone: null, stream: null };
  running = current;
  show();
  one("stop").focus();
  let status = "Finished";
  try {
    await run(current);
    if (current.isOdd) complain("");
  } catch (error) {
    status = "Not connected";
    complain(error.message);
    if (error.needsKey) askForKey();
  } finally {
    current.microphone?.close();
    current.stream?.close();
    running = null;
    captions.end();
    say(status);
    show();
    if (document.activeElement === document.body) one("start").focus();
    latencies.refresh();
  }
}

// What was said so far still gets its final.
function stop() {
  if (!running || running.isStopping) return;
  running.isStopping = true;
  running.microphone?.close();
  running.stream?.finish();
  say("Finishing");
  show();
}

function lost() {
  stop();
  complain("The microphone has gone away.");
}

controls.addEventListener("submit", start);
controls.addEventListener("change", show);
one("key").addEventListener("change", () => latencies.refresh());
one("stop").addEventListener("click", stop);
latencies.watch().then((needsKey) => needsKey && !running && askForKey());
show();
