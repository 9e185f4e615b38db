#!/usr/bin/env python3
"""The unchanged Python client of Deepgram against `voxlane serve`: recordings, live streams raw and as files in pieces, Finalize,
KeepAlive, Configure, errors, and Flux's turns.

Texts must equal those of `voxlane transcribe` (recordings) and `voxlane live` (streams), as strings.

    deepgram_client.py --voxlane target/release/voxlane [--model NAME] [--clips N] [--venv FOLDER] FOLDER

FOLDER holds recordings. The pinned packages go into a virtual environment, `--venv` or one that goes afterwards. Exits non-zero on any difference; the last line counts.
"""

import json
import sys
import tempfile
import threading

from common import LONG, Voxlane, main, stop

PACKAGES = ["deepgram-sdk==7.17.0", "websockets==17.4", "soundfile==0.14.0", "numpy==2.4.6"]
# Texts are compared here and not latencies: a busy machine refuses nobody.
CONFIG = 'profile = "live"\n\n[server.breaker]\nbudget_ms = 600000.0\n'


def texts(messages):
    finals = [message for message in messages if message.type == "Results" and message.is_final]
    transcripts = [final.channel.alternatives[0].transcript for final in finals]
    return [transcript for transcript in transcripts if transcript]


def hear(connection, parts, end):
    """Sends `parts` while another thread reads; all messages."""
    messages = []

    def read():
        for message in connection:
            messages.append(message)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    for part in parts:
        connection.send_media(part)
    end(connection)
    reader.join(LONG)
    if reader.is_alive():
        sys.exit("the server does not end the stream")
    return messages


def pieces(data, size):
    return [data[at : at + size] for at in range(0, len(data), size)]


def recordings(client, voxlane, files, checks):
    for path in files:
        whole = json.loads(voxlane.transcribed(path, "json"))
        answer = client.listen.v1.media.transcribe_file(
            request=path.read_bytes(), model="nova-3", smart_format=True, utterances=True, tag=["clip", path.stem])
        best = answer.results.channels[0].alternatives[0]
        checks.equal(f"{path.name} recording", best.transcript, whole["text"])
        checks.equal(f"{path.name} words", " ".join(word.punctuated_word for word in best.words), whole["text"])
        segments = [segment["text"].strip() for segment in whole["segments"] if segment["text"].strip()]
        checks.equal(f"{path.name} utterances", [said.transcript for said in answer.results.utterances], segments)
        checks.true(f"{path.name} duration", abs(answer.metadata.duration - whole["audio_s"]) < 1e-3)
        checks.equal(f"{path.name} tags", answer.metadata.tags, ["clip", path.stem])
        checks.equal(f"{path.name} model", [info["name"] for info in answer.metadata.model_info.values()], [voxlane.model])
        checks.equal(f"{path.name} paragraphs", len(best.paragraphs.paragraphs), len(segments))


def streams(client, voxlane, files, checks):
    import soundfile

    for number, path in enumerate(files):
        expected = [text for text in voxlane.finals(path) if text]
        samples, rate = soundfile.read(path, dtype="int16", always_2d=True)
        raw = {"encoding": "linear16", "sample_rate": rate, "channels": samples.shape[1]}
        ways = [(raw, pieces(samples.tobytes(), rate // 10), {"endpointing": False})]
        if number < 4:
            ways.append((raw, pieces(samples.tobytes(), 50_000), {"endpointing": 1000, "vad_events": True,
                                                                  "utterance_end_ms": 1000}))
            ways.append(({}, pieces(path.read_bytes(), 4_000), {}))
        for form, parts, more in ways:
            with client.listen.v1.connect(model="nova-3", interim_results=True, **form, **more) as connection:
                messages = hear(connection, parts, lambda connection: connection.send_close_stream())
            what = f"{path.name} live {list(form.values())} {more}"
            checks.equal(what, texts(messages), expected)
            checks.equal(f"{what} end", messages[-1].type, "Metadata")
            checks.true(f"{what} duration", abs(messages[-1].duration - len(samples) / rate) < 1e-3)
            checks.true(f"{what} partials", any(m.type == "Results" and not m.is_final for m in messages))
            finals = [m for m in messages if m.type == "Results" and m.is_final]
            if more.get("endpointing", True) is False:
                checks.true(f"{what} speech_final", not any(final.speech_final for final in finals))
            for final in finals:
                best = final.channel.alternatives[0]
                checks.equal(f"{what} words", " ".join(word.punctuated_word for word in best.words), best.transcript)


def requests(client, files, checks):
    """What clients ask for while a stream goes on."""
    import soundfile
    from deepgram.listen.v1.types import ListenV1Configure

    path = files[0]
    samples, rate = soundfile.read(path, dtype="int16", always_2d=True)
    data = samples.tobytes()
    for cut in [len(data) // 3 // 2 * 2, len(data)]:
        with client.listen.v1.connect(model="nova-3", encoding="linear16", sample_rate=rate) as connection:
            connection.send_keep_alive()
            connection.send_finalize()
            first = connection.recv()
            checks.true("Finalize in silence", first.from_finalize and first.channel.alternatives[0].transcript == "")
            connection.send_media(data[:cut])
            connection.send_finalize()
            answers = []
            while not answers or not answers[-1].from_finalize:
                answers.append(connection.recv())
            checks.true("Finalize in speech", texts(answers))
            connection.send_configure(ListenV1Configure(features={"punctuate": True}))
            checks.equal("Configure", connection.recv().type, "ConfigureSuccess")
            rest = hear(connection, [data[cut:]] if cut < len(data) else [], lambda c: c.send_close_stream())
            checks.equal("Metadata", rest[-1].type, "Metadata")


def errors(client, checks):
    from deepgram.core.api_error import ApiError
    from websockets.exceptions import InvalidStatus

    def refused(**options):
        try:
            client.listen.v1.media.transcribe_file(**options)
        except ApiError as error:
            return error.status_code
        return None

    checks.equal("no audio", refused(request=b"hello, this is text"), 400)
    checks.equal("redact", refused(request=b"x", redact="pci"), 400)
    checks.equal("language", refused(request=b"x", language="xx"), 400)
    try:
        client.listen.v1.media.transcribe_url(url="http://127.0.0.1:1/a.wav")
        checks.true("url", False)
    except ApiError as error:
        checks.equal("url", error.status_code, 400)
    try:
        with client.listen.v1.connect(model="nova-3", encoding="speex", sample_rate=8000):
            checks.true("encoding", False)
    except ApiError as error:
        checks.equal("encoding", error.status_code, 400)
    except InvalidStatus as error:
        # The client lets that of a later `websockets` through.
        checks.equal("encoding", error.response.status_code, 400)


def turns(client, files, checks):
    import soundfile

    for path in files[:4]:
        samples, rate = soundfile.read(path, dtype="int16", always_2d=True)
        with client.listen.v2.connect(model="flux-general-en", encoding="linear16", sample_rate=rate,
                                      eager_eot_threshold=0.4) as connection:
            messages = hear(connection, pieces(samples.tobytes(), rate // 10), lambda c: c.send_close_stream())
        checks.equal(f"{path.name} numbers", [m.sequence_id for m in messages], list(range(len(messages))))
        checks.equal(f"{path.name} greeting", messages[0].type, "Connected")
        infos = [message for message in messages if message.type == "TurnInfo"]
        ends = [info for info in infos if info.event == "EndOfTurn"]
        checks.true(f"{path.name} turns", ends and [end.turn_index for end in ends] == list(range(len(ends))))
        for before, info in zip(infos, infos[1:]):
            if before.event == "EagerEndOfTurn" and info.event == "EndOfTurn":
                checks.equal(f"{path.name} eager end", before.transcript, info.transcript)


def check(options, files, checks):
    from deepgram import DeepgramClient
    from deepgram.environment import DeepgramClientEnvironment

    voxlane = Voxlane(options)
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as config:
        config.write(CONFIG)
        config.flush()
        process, address = voxlane.serve("--config", config.name)
    try:
        sockets = address.replace("http://", "ws://")
        environment = DeepgramClientEnvironment(base=address, production=sockets, agent=sockets, agent_rest=address)
        client = DeepgramClient(api_key="any", environment=environment)
        recordings(client, voxlane, files, checks)
        streams(client, voxlane, files, checks)
        requests(client, files, checks)
        errors(client, checks)
        turns(client, files, checks)
    finally:
        stop(process, checks)


main(__doc__, PACKAGES, check)
