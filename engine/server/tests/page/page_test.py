#!/usr/bin/env python3
"""Tests the page at `/` in a headless Chromium (Debian: `chromium`) against a server with Moonshine, which must be in the cache.

    python3 -m venv .venv && .venv/bin/pip install websockets==17.4
    .venv/bin/python engine/server/tests/page/page_test.py --voxlane target/release/voxlane [--screenshots FOLDER]

A recording is the microphone, then a file, paced and fast; what is checked is the text of finals, their latencies, the order of
events, the chart, keys, names of controls, contrast, and that nothing is wider than a phone. With `--screenshots` the page is
kept as pictures in both color schemes. Exits with 1 on the first failure.
"""

import argparse
import asyncio
import hashlib
import signal
import subprocess
import sys
import tempfile
import wave
from pathlib import Path

from browser import Browser

ROOT = Path(__file__).resolve().parents[4]
SPEECH = ROOT / "models/tests/golden/LJ001-0002.wav"
SAID = "comparatively modern"
PAUSE_S = 3
KEY = "a-key-of-the-test"
SHORT_KEY = "a-key-for-one-second-a-day"
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
SCHEMES = ("light", "dark")

# What a reader must tell from its background: at least 4.5 to 1.
CONTRAST = """
(() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => {
    const [r, g, b] = channels(color).map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (; element; element = element.parentElement) {
      const color = getComputedStyle(element).backgroundColor;
      if ((channels(color)[3] ?? 1) > 0) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const texts = [...document.querySelectorAll("h1, h2, p, label, legend, dt, dd, td, th, span, button:not(:disabled)")];
  const poor = texts.filter((element) => element.innerText?.trim() && element.checkVisibility()).map((element) => {
    const [a, b] = [light(getComputedStyle(element).color), light(behind(element))];
    return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), element.outerHTML.slice(0, 80)];
  });
  return poor.filter(([ratio]) => ratio < 4.5);
})()
"""

LAST_FINAL = "document.querySelector('#finals li:last-child .text')?.textContent"
EVENTS = "[...document.querySelectorAll('#events tr')].map((row) => row.cells[1].textContent)"
STATUS = "document.getElementById('status').textContent"


class Server:
    def __init__(self, program, *arguments):
        command = [program, "serve", "--offline", "--model", "moonshine-tiny", "--listen", "127.0.0.1:0", *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("listening on "), f"the server did not start: {line!r}"
        self.url = line.split()[-1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def with_pause(folder):
    """The recording with silence behind it: Chromium's microphone begins anew at its end."""
    path = Path(folder) / "speech.wav"
    with wave.open(str(SPEECH)) as source, wave.open(str(path), "wb") as target:
        target.setparams(source.getparams())
        frame_bytes = source.getsampwidth() * source.getnchannels()
        target.writeframes(source.readframes(source.getnframes()))
        target.writeframes(bytes(PAUSE_S * source.getframerate() * frame_bytes))
    return path


def check_order(events):
    """Events come as the protocol has them: `ready`, then a segment's start before its final, `closed` at the end."""
    assert events[0] == "ready" and events[-1] == "closed", events
    assert events.index("speech start") < events.index("final"), events


async def start(page, source):
    """Starts by keyboard alone: the radio buttons, then the form."""
    await page.run(f"document.querySelector('[value={source}]').focus()")
    await page.press(" ")
    assert await page.run(f"document.querySelector('[value={source}]').checked"), f"{source}: not chosen by keyboard"
    await page.run("document.getElementById('start').focus()")
    await page.press("Enter")


async def final(page, what):
    text = await page.until(f"{what}: a final", LAST_FINAL)
    assert SAID in text.lower(), f"{what}: {text!r}"
    facts = await page.run("document.querySelector('#finals li:last-child .facts').textContent")
    assert "final after" in facts and "ms" in facts, facts
    said = await page.run("document.getElementById('said').textContent")
    assert SAID in said.lower(), f"{what}: not read aloud: {said!r}"
    return text


async def microphone(page):
    await start(page, "microphone")
    text = await final(page, "microphone")
    await page.run("document.getElementById('stop').focus()")
    await page.press("Enter")
    await page.until("microphone: the end", f"{STATUS} === 'Finished'")
    check_order(await page.run(EVENTS))
    return text


async def file(page, recording, pace):
    await page.choose_file("#file", recording)
    await page.run(f"document.getElementById('pace').value = '{pace}'")
    await start(page, "file")
    if pace == "real":
        script = "[...document.querySelectorAll('#partial span')].map((part) => part.textContent).join('').length > 3"
        await page.until("file: a partial", script)
    await page.until(f"file, {pace}: the end", f"{STATUS} === 'Finished'")
    check_order(await page.run(EVENTS))
    return await final(page, f"file, {pace}")


async def chart(page):
    """The final is in the server's histograms, so it is in the chart."""
    await page.until("chart: a percentile", "document.getElementById('p99').textContent !== '–'")
    lines = await page.run("[...document.querySelectorAll('#chart polyline')].map((line) => line.getAttribute('class'))")
    assert {"p50", "p90", "p99"} <= set(lines), lines


async def pictures(page, recording, folder):
    """The page while somebody speaks, in every scheme and size: readable, and no wider than its window."""
    for scheme in SCHEMES:
        for name, (width, height) in SIZES.items():
            await page.look(scheme, width, height)
            poor = await page.run(CONTRAST)
            assert not poor, f"{scheme}: {poor}"
            wide = await page.run("document.documentElement.scrollWidth")
            assert wide <= width, f"{name}: {wide} pixels wide"
            if folder:
                await page.choose_file("#file", recording)
                await page.run("document.getElementById('pace').value = 'real'")
                await start(page, "file")
                script = "[...document.querySelectorAll('#partial span')].every((part) => part.textContent.length > 1)"
                await page.until("picture: stable text and a tail", script)
                await page.screenshot(Path(folder) / f"{scheme}-{name}.png")
                await page.until("picture: the end", f"{STATUS} === 'Finished'")
                await page.screenshot(Path(folder) / f"{scheme}-{name}-finished.png")
    unnamed = await page.unnamed_controls()
    assert not unnamed, f"without a name: {unnamed}"


async def keys(page, program, folder, recording):
    """A server with keys: the page asks, says what is wrong, and passes the key on."""
    path = Path(folder) / "keys"
    hashes = [hashlib.sha256(key.encode()).hexdigest() for key in (KEY, SHORT_KEY)]
    path.write_text("test sha256:{}\nshort sha256:{} seconds_a_day=1\n".format(*hashes))
    with Server(program, "--keys", str(path)) as server:
        await page.goto(server.url)
        await page.until("keys: the page asks", "!document.getElementById('key-choice').hidden")
        await page.choose_file("#file", recording)
        await page.run("document.getElementById('pace').value = 'fast'")
        for key, said in (("", "key"), ("another", "key"), (SHORT_KEY, "limit.seconds_a_day")):
            await page.run(f"document.getElementById('key').value = '{key}'")
            await start(page, "file")
            await page.until("keys: refused", "!document.getElementById('problem').hidden && !document.getElementById('start').disabled")
            problem = await page.run("document.getElementById('problem').textContent")
            assert said in problem, f"{key!r}: {problem}"
        await page.run(f"document.getElementById('key').value = '{KEY}'")
        await start(page, "file")
        await final(page, "keys")


async def server_gone(page, server):
    """A server that ends is told about."""
    await start(page, "microphone")
    await page.until("gone: started", f"{STATUS}.startsWith('Listening')")
    server.process.send_signal(signal.SIGKILL)
    await page.until("gone: told", "!document.getElementById('problem').hidden")
    await page.until("gone: may start anew", "!document.getElementById('start').disabled")


async def scenario(arguments, folder):
    recording = with_pause(folder)
    async with Browser(arguments.chromium, folder, recording) as page:
        with Server(arguments.voxlane) as server:
            await page.goto(server.url)
            texts = [await microphone(page)]
            for pace in ("real", "fast"):
                texts.append(await file(page, recording, pace))
            await chart(page)
            await pictures(page, recording, arguments.screenshots)
            assert not page.complaints, page.complaints
            await server_gone(page, server)
        await keys(page, arguments.voxlane, folder, recording)
    return texts


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--voxlane", default="target/release/voxlane")
    arguments.add_argument("--chromium", default="chromium")
    arguments.add_argument("--screenshots", metavar="FOLDER")
    arguments = arguments.parse_args()
    if arguments.screenshots:
        Path(arguments.screenshots).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            texts = asyncio.run(scenario(arguments, Path(folder)))
        except (AssertionError, RuntimeError) as failure:
            sys.exit(f"page: failed: {failure}")
    for source, text in zip(("microphone", "file, paced", "file, fast"), texts):
        print(f"{source}: {text}")
    print(f"page: {len(texts)} finals by microphone and file, keys, chart, contrast in {len(SCHEMES)} schemes: ok")


main()
