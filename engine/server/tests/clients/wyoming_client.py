#!/usr/bin/env python3
"""The unchanged Python client of Wyoming against `voxlane serve --wyoming`: description, utterances pushed fast and in real time,
several a connection, widths and channels, streaming transcripts, errors; then the outside judge `wyoming-bench`.

Texts must equal those of `voxlane live`, as strings.

    wyoming_client.py --voxlane target/release/voxlane [--model NAME] [--clips N] [--realtime N] [--venv FOLDER] FOLDER

FOLDER holds recordings. The pinned packages go into a virtual environment, `--venv` or one that goes afterwards. Exits non-zero
on any difference; the last line counts.
"""

import asyncio
import json
import re
import subprocess
import sys
import tempfile
import threading
import wave
from pathlib import Path

from common import LONG, Voxlane, main, stop

PACKAGES = ["wyoming==1.10.2", "wyoming-bench==2026.10.0", "soundfile==0.14.0", "numpy==2.4.6"]


class Server:
    """`voxlane serve`, with the address for Wyoming clients from its log."""

    def __init__(self, voxlane, model):
        command = [voxlane, "serve", "--listen", "127.0.0.1:0", "--wyoming", "127.0.0.1:0", "--model", model]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.port, self.log = None, []
        is_there = threading.Event()

        def read():
            for line in self.process.stderr:
                self.log.append(line)
                if "Wyoming clients" in line:
                    self.port = int(json.loads(line)["address"].rsplit(":", 1)[1])
                    is_there.set()
            is_there.set()

        threading.Thread(target=read, daemon=True).start()
        is_there.wait(LONG)
        if self.port is None:
            self.process.kill()
            sys.exit("the server does not listen: " + "".join(self.log[-5:]))


def write_wav(path, samples, rate=16000):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1), file.setsampwidth(2), file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())


async def read_until(client, kind):
    events = []
    while True:
        event = await asyncio.wait_for(client.read_event(), LONG)
        if event is None:
            return events
        events.append(event)
        if event.type == kind:
            return events


async def say(client, pcm, rate=16000, width=2, channels=1, delay=0.0, language=None, samples=1024):
    from wyoming.asr import Transcribe
    from wyoming.audio import AudioChunk, AudioStart, AudioStop

    await client.write_event(Transcribe(language=language).event())
    await client.write_event(AudioStart(rate, width, channels, timestamp=0).event())
    # Events are read meanwhile: the server lets nobody leave too many unread.
    reading = asyncio.create_task(read_until(client, "transcript-stop"))
    size = samples * width * channels
    for at in range(0, len(pcm), size):
        await client.write_event(AudioChunk(rate, width, channels, pcm[at : at + size]).event())
        if delay:
            await asyncio.sleep(delay)
    await client.write_event(AudioStop().event())
    return await reading


def texts(events):
    """The transcript, and its chunks put together."""
    whole = [event.data["text"] for event in events if event.type == "transcript"]
    chunks = "".join(event.data["text"] for event in events if event.type == "transcript-chunk")
    return (whole[0] if len(whole) == 1 else whole), chunks


async def talk(options, port, clips, checks):
    import numpy
    from wyoming.asr import Transcribe
    from wyoming.audio import AudioStart
    from wyoming.client import AsyncTcpClient
    from wyoming.error import Error
    from wyoming.event import Event
    from wyoming.info import Describe, Info, SelectProgram
    from wyoming.ping import Ping, Pong

    async with AsyncTcpClient("127.0.0.1", port) as client:
        await client.write_event(Describe().event())
        info = Info.from_event(await client.read_event())
        program = info.asr[0]
        checks.equal("model", program.models[0].name, options.model)
        checks.true("languages", "en" in program.models[0].languages)
        checks.true("streaming", program.supports_transcript_streaming)
        await client.write_event(Ping(text="here").event())
        checks.equal("pong", Pong.from_event(await client.read_event()).text, "here")
        await client.write_event(SelectProgram(program.name).event())
        # Several utterances on one connection, pushed fast.
        revised = 0
        for name, samples, expected in clips:
            events = await say(client, samples.tobytes(), language="en")
            whole, chunks = texts(events)
            checks.equal(f"{name}, fast", whole, expected)
            revised += chunks != whole
            kinds = [event.type for event in events if event.type != "user-event"]
            checks.equal(f"{name}, last events", kinds[-2:], ["transcript", "transcript-stop"])
            checks.equal(f"{name}, starts", kinds.count("transcript-start"), 1)
            checks.equal(f"{name}, voice", kinds.count("voice-started"), kinds.count("voice-stopped"))
            checks.true(f"{name}, voice", kinds.count("voice-started") > 0 or not expected)
        print(f"chunks put together differ from the transcript in {revised} of {len(clips)} utterances")
    for name, samples, expected in clips[: options.realtime]:
        async with AsyncTcpClient("127.0.0.1", port) as client:
            events = await say(client, samples.tobytes(), delay=0.064)
            checks.equal(f"{name}, real time", texts(events)[0], expected)
    name, samples, expected = clips[0]
    wide = samples.astype("<i4")
    bytes3 = (wide << 8).astype("<i4").tobytes()
    cases = {
        "3 bytes": (b"".join(bytes3[at : at + 3] for at in range(0, len(bytes3), 4)), 3, 1),
        "4 bytes": ((wide << 16).astype("<i4").tobytes(), 4, 1),
        "2 channels": (numpy.repeat(samples, 2).tobytes(), 2, 2),
    }
    for what, (pcm, width, channels) in cases.items():
        async with AsyncTcpClient("127.0.0.1", port) as client:
            events = await say(client, pcm, width=width, channels=channels)
            checks.equal(f"{name}, {what}", texts(events)[0], expected)
    wrong = {
        "open.language": [Transcribe(language="xx").event(), AudioStart(16000, 2, 1).event()],
        "audio.width": [AudioStart(16000, 5, 1).event()],
        "protocol.order": [Event("audio-stop")],
        "protocol.service": [Event("synthesize", {"text": "hello"})],
        "protocol.program": [SelectProgram("other").event()],
    }
    for code, events in wrong.items():
        async with AsyncTcpClient("127.0.0.1", port) as client:
            for event in events:
                await client.write_event(event)
            answers = await read_until(client, "error")
            checks.equal("error", Error.from_event(answers[-1]).code, code)
            checks.equal(f"{code}: closed", await asyncio.wait_for(client.read_event(), LONG), None)


def judge(port, clips, folder, checks):
    """`wyoming-bench` on the same clips, with what `voxlane live` says as the transcripts: it must find no word error."""
    for name, samples, expected in clips:
        write_wav(folder / f"{name}.wav", samples)
        (folder / f"{name}.txt").write_text(expected)
    program = Path(sys.executable).with_name("wyoming-bench")
    command = [program, "stt", f"127.0.0.1:{port}", "--corpus", folder, "--rounds", "1", "--trailing-silence", "0", "-v"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=10 * LONG)
    print(run.stdout)
    checks.equal("wyoming-bench: exit code", run.returncode, 0)
    served = [(int(ok), int(failed)) for ok, failed in re.findall(r"ok=(\d+) fail=(\d+)", run.stdout)]
    checks.equal("wyoming-bench: both modes, every clip", served, [(len(clips), 0)] * 2)
    errors = re.findall(r"Accuracy\s+WER=([\d.]+)%\s+CER=([\d.]+)%", run.stdout)
    checks.equal("wyoming-bench: errors", errors, [("0.0", "0.0")] * 2)


def check(options, files, checks):
    import numpy
    import soundfile

    voxlane, clips = Voxlane(options), []
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for file in files:
            samples, rate = soundfile.read(file, dtype="int16")
            assert rate == 16000 and samples.ndim == 1, file
            wav = folder / f"{file.stem}.wav"
            write_wav(wav, samples)
            expected = " ".join(text for text in voxlane.finals(wav) if text)
            clips.append((file.stem, numpy.ascontiguousarray(samples.astype("<i2")), expected))
            wav.unlink()
        server = Server(options.voxlane, options.model)
        try:
            asyncio.run(talk(options, server.port, clips, checks))
            judge(server.port, clips, folder, checks)
        finally:
            stop(server.process, checks)


REALTIME = ("--realtime", {"type": int, "default": 1, "help": "clips that are pushed in real time too"})
main(__doc__, PACKAGES, check, [REALTIME])
