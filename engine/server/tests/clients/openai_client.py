#!/usr/bin/env python3
"""The unchanged Python client of OpenAI against `voxlane serve`: every response format, server-sent events, models, errors, and
Realtime sessions with server VAD and manual commits.

Texts must equal those of `voxlane transcribe` (recordings) and `voxlane live` (Realtime), as strings.

    openai_client.py --voxlane target/release/voxlane [--model NAME] [--clips N] [--venv FOLDER] FOLDER

FOLDER holds recordings. The pinned packages go into a virtual environment, `--venv` or one that goes afterwards. Exits
non-zero on any difference; the last line counts.
"""

import asyncio
import base64
import json
import tempfile
from pathlib import Path

from common import Voxlane, main, stop

PACKAGES = ["openai==3.57.0", "websockets==17.4", "soundfile==0.14.0", "numpy==2.4.6"]
# What a session of server VAD comes to: the profile live without a turn rule, and the protocol's silence.
SERVER_VAD = 'profile = "live"\n\n[endpoint]\nturn = "off"\nsilence_ms = 500\n'
RATE = 24_000


def recordings(client, voxlane, files, checks):
    """Every way to ask for the text of a file."""
    import openai

    for number, path in enumerate(files):
        def ask(**options):
            with path.open("rb") as file:
                return client.audio.transcriptions.create(file=file, model="gpt-4o-transcribe", **options)

        whole = json.loads(voxlane.transcribed(path, "json"))
        text = whole["text"]
        answer = ask()
        checks.equal(f"{path.name} json", answer.text, text)
        checks.equal(f"{path.name} usage", answer.usage.type, "duration")
        checks.true(f"{path.name} seconds", abs(answer.usage.seconds - whole["audio_s"]) < 1e-3)
        deltas, done = "", None
        for event in ask(stream=True):
            if event.type == "transcript.text.delta":
                deltas += event.delta
            elif event.type == "transcript.text.done":
                done = event.text
        checks.equal(f"{path.name} deltas", deltas, text)
        checks.equal(f"{path.name} done", done, text)
        if number >= 4:
            continue
        checks.equal(f"{path.name} text", ask(response_format="text").split(), text.split())
        checks.equal(f"{path.name} srt", ask(response_format="srt"), voxlane.transcribed(path, "srt"))
        checks.equal(f"{path.name} vtt", ask(response_format="vtt"), voxlane.transcribed(path, "vtt"))
        verbose = ask(response_format="verbose_json", language="en", timestamp_granularities=["word", "segment"])
        checks.equal(f"{path.name} verbose", (verbose.text, verbose.language), (text, "en"))
        times = [(segment.text, segment.start, segment.end) for segment in verbose.segments]
        checks.equal(f"{path.name} segments", times, [(s["text"], s["start"], s["end"]) for s in whole["segments"]])
        checks.equal(f"{path.name} words", " ".join(word.word for word in verbose.words), text)
        probable = ask(include=["logprobs"])
        checks.equal(f"{path.name} logprobs", "".join(token.token for token in probable.logprobs).split(), text.split())
        checks.equal(f"{path.name} auto", ask(chunking_strategy="auto", temperature=0.0).text, text)

    path = files[0]
    with path.open("rb") as file:
        raw = client.audio.transcriptions.with_raw_response.create(
            file=file, model="whisper-1", prompt="Before.", temperature=0.4, extra_body={"odd": "1"})
    checks.equal("model header", raw.headers["x-voxlane-model"], voxlane.model)
    checks.true("warnings header", "temperature" in raw.headers["x-voxlane-warnings"] and "odd" in raw.headers["x-voxlane-warnings"])

    def refused(what, kind, param, **options):
        try:
            client.audio.transcriptions.create(**{"file": path.open("rb"), "model": "whisper-1", **options})
            checks.equal(what, "an answer", kind.__name__)
        except openai.APIStatusError as error:
            checks.equal(what, (type(error), error.param), (kind, param))

    refused("diarized", openai.BadRequestError, "response_format", response_format="diarized_json")
    refused("language", openai.BadRequestError, "language", language="xx")
    refused("model", openai.NotFoundError, "model", model="no-such-model")
    refused("no audio", openai.BadRequestError, "file", file=("a.wav", b"words"))
    try:
        client.audio.translations.create(file=path.open("rb"), model="whisper-1")
        checks.equal("translation", "an answer", "an error")
    except openai.BadRequestError as error:
        checks.equal("translation", error.param, "model")


def models(client, voxlane, checks):
    import openai

    checks.equal("models", [model.id for model in client.models.list()], [voxlane.model])
    checks.equal("a model", client.models.retrieve("whisper-1").id, "whisper-1")
    try:
        client.models.retrieve("no-such-model")
        checks.equal("unknown model", "an answer", "an error")
    except openai.NotFoundError as error:
        checks.equal("unknown model", error.code, "model_not_found")


def resampled(path, folder):
    """The file at the protocol's rate, with a silence behind it."""
    import numpy
    import soundfile

    samples, rate = soundfile.read(path, dtype="float64")
    places = numpy.arange(int(len(samples) * RATE / rate)) * rate / RATE
    wide = numpy.interp(places, numpy.arange(len(samples)), samples)
    wide = numpy.concatenate([wide, numpy.zeros(2 * RATE)])
    wide = (wide * 32767).round().astype("<i2")
    file = folder / f"{path.stem}.wav"
    soundfile.write(file, wide, RATE, subtype="PCM_16")
    return file, wide.tobytes()


def joined(files, folder):
    """All files one after the other: long enough to be cut, without pauses at the joints."""
    import numpy
    import soundfile

    read = [soundfile.read(path, dtype="int16") for path in files]
    file = folder / "joined.wav"
    soundfile.write(file, numpy.concatenate([samples for samples, _ in read]), read[0][1], subtype="PCM_16")
    return file


def session(turn_detection, **more):
    return {"type": "transcription", "audio": {"input": {
        "format": {"type": "audio/pcm", "rate": RATE},
        "transcription": {"model": "gpt-4o-transcribe", "language": "en"},
        "turn_detection": turn_detection}}, **more}


async def send(connection, audio):
    for at in range(0, len(audio), RATE):
        await connection.input_audio_buffer.append(audio=base64.b64encode(audio[at:at + RATE]).decode())


async def turns(connection, count, checks, name):
    """Texts of turns, and what their deltas add up to."""
    texts, deltas, committed = [], {}, []
    while len(texts) < count:
        event = await asyncio.wait_for(connection.recv(), 120)
        kind = event.type.rsplit(".", 1)[-1]
        if event.type == "error":
            checks.equal(f"{name} error", event.error.message, None)
            break
        if event.type == "input_audio_buffer.committed":
            checks.equal(f"{name} order", event.previous_item_id, committed[-1] if committed else None)
            committed.append(event.item_id)
        elif kind == "delta":
            deltas[event.item_id] = deltas.get(event.item_id, "") + event.delta
        elif kind == "completed":
            checks.true(f"{name} committed", event.item_id in committed)
            checks.true(f"{name} usage", event.usage.seconds >= 0)
            if event.logprobs:
                tokens = "".join(token.token for token in event.logprobs)
                checks.equal(f"{name} logprobs", tokens.split(), event.transcript.split())
            texts.append(event.transcript)
            grown = deltas.get(event.item_id, "")
            checks.true(f"{name} delta {grown!r}", grown == event.transcript or not event.transcript.startswith(grown))
    return texts


async def realtime(client, voxlane, files, folder, checks):
    config = folder / "vad.toml"
    config.write_text(SERVER_VAD)
    connect = {"extra_query": {"intent": "transcription"}}
    for path in files:
        file, audio = resampled(path, folder)
        expected = voxlane.finals(file, "--config", config)
        async with client.realtime.connect(**connect) as connection:
            checks.equal("created", (await connection.recv()).type, "session.created")
            await connection.session.update(session=session({"type": "server_vad"}))
            checks.equal("updated", (await connection.recv()).type, "session.updated")
            reading = asyncio.create_task(turns(connection, len(expected), checks, path.name))
            await send(connection, audio)
            checks.equal(f"{path.name} server VAD", await reading, expected)

    manual = folder / "manual.toml"
    manual.write_text('profile = "manual"\n')
    for path in files[:4]:
        file, audio = resampled(path, folder)
        expected = " ".join(text for text in voxlane.finals(file, "--config", manual) if text)
        async with client.realtime.connect(**connect) as connection:
            await connection.recv()
            await connection.session.update(session=session(None, include=["item.input_audio_transcription.logprobs"]))
            await connection.recv()
            await send(connection, audio)
            await connection.input_audio_buffer.commit()
            checks.equal(f"{path.name} manual commit", await turns(connection, 1, checks, path.name), [expected])
            await send(connection, audio[:RATE])
            await connection.input_audio_buffer.clear()
            checks.equal("cleared", (await connection.recv()).type, "input_audio_buffer.cleared")
            await connection.input_audio_buffer.commit(event_id="mine")
            error = (await connection.recv()).error
            checks.equal("empty commit", (error.code, error.event_id), ("input_audio_buffer_commit_empty", "mine"))

    secret = await client.realtime.client_secrets.create(session=session(None))
    checks.true("secret", secret.value.startswith("ek_"))
    async with client.with_options(api_key=secret.value).realtime.connect(**connect) as connection:
        created = await connection.recv()
        checks.equal("secret's session", created.session.audio.input.turn_detection, None)


def check(options, files, checks):
    import openai

    voxlane = Voxlane(options)
    process, address = voxlane.serve()
    try:
        named = {"base_url": f"{address}/v1", "api_key": "none", "max_retries": 0}
        with openai.OpenAI(**named) as client, tempfile.TemporaryDirectory() as folder:
            models(client, voxlane, checks)
            recordings(client, voxlane, [joined(files[:6], Path(folder)), *files], checks)
            asyncio.run(realtime(openai.AsyncOpenAI(**named), voxlane, files, Path(folder), checks))
    finally:
        stop(process, checks)


main(__doc__, PACKAGES, check)
