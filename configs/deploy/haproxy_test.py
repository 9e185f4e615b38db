#!/usr/bin/env python3
"""Tests haproxy.cfg with two speech servers behind it.

    python3 -m venv .venv && .venv/bin/pip install websockets==17.4
    .venv/bin/python configs/deploy/haproxy_test.py --voxlane target/release/voxlane

Checks that streams are spread evenly; that a server which is killed takes its own streams with it and no other, and their
clients are told by the end of the connection; that new ones go to the server that lives, without a pause; that a server which
is stopped by SIGTERM keeps its streams to their end, while new ones go to the other; and that both serve after a restart.
A stream is whole if its finals (text, start, end) are those of a stream without the proxy. `commands` hears none of its words in
the sentence that is sent, so its texts are empty; `--model moonshine-tiny`, which must be in the cache, has texts. Exits with 1
on the first failure.
"""

import argparse
import asyncio
import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

HERE = Path(__file__).resolve().parent
SPEECH = HERE.parent.parent / "engine/voxlane/assets/warm-speech.s16le"
RATE_HZ = 16_000
BYTES_A_SECOND = 2 * RATE_HZ
CHUNK = BYTES_A_SECOND // 10
STREAMS = 8
# Longer than anything takes on a busy machine.
LIMIT_S = 120

# A detector without a network: with `commands` nothing is fetched.
SERVER = f"""
profile = "live"
[[lane]]
slots = {2 * STREAMS}
[endpoint]
detector = "energy"
turn = "off"
[server]
trusted_proxies = ["127.0.0.1"]
[server.breaker]
enabled = false
"""


class Failed(Exception):
    """A check that did not hold."""


def check(holds, what):
    if not holds:
        raise Failed(what)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def audio():
    """A sentence and a pause, twice: the first half ends within the second pause."""
    sentence = SPEECH.read_bytes() + bytes(BYTES_A_SECOND)
    return sentence, sentence


class Server:
    """A `voxlane serve` on a port of its own."""

    def __init__(self, arguments, folder, name):
        self.program, self.model, self.name, self.port = arguments.voxlane, arguments.model, name, free_port()
        self.config = folder / "server.toml"
        self.config.write_text(SERVER)
        self.log = (folder / f"{name}.log").open("ab")
        self.process = None

    def start(self):
        command = [self.program, "serve", "--offline", "--model", self.model]
        command += ["--config", self.config, "--listen", f"127.0.0.1:{self.port}"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline()
        check(line.startswith("listening on "), f"{self.name}: did not start: {line!r}; see {self.log.name}")

    def end(self, how):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)


def proxy_config(folder, port, servers):
    """haproxy.cfg as it stands, with ports that are free here."""
    text = (HERE / "haproxy.cfg").read_text()
    for old, new in [("bind :8000", f"bind 127.0.0.1:{port}")] + [
        (f"server {server.name} 127.0.0.1:{old}", f"server {server.name} 127.0.0.1:{server.port}")
        for server, old in zip(servers, (8081, 8082))
    ]:
        check(text.count(old) == 1, f"haproxy.cfg: has no line `{old}`")
        text = text.replace(old, new)
    path = folder / "haproxy.cfg"
    path.write_text(text)
    return path


def status(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


class Stream:
    """A client: sends the first half of the audio, waits until it may go on, sends the rest, and collects finals."""

    def __init__(self, port):
        self.port, self.go_on = port, asyncio.Event()
        self.started, self.half_sent = asyncio.Event(), asyncio.Event()
        self.server, self.finals, self.is_closed, self.code = None, [], False, None

    async def run(self):
        async with connect(f"ws://127.0.0.1:{self.port}/v1/stream", ping_interval=None, proxy=None) as socket_:
            self.server = socket_.response.headers.get("X-Served-By")
            await socket_.send(json.dumps({"type": "start", "sample_rate": RATE_HZ}))
            reading = asyncio.create_task(self.read(socket_))
            try:
                for index, half in enumerate(audio()):
                    for at in range(0, len(half), CHUNK):
                        await socket_.send(half[at : at + CHUNK])
                        await asyncio.sleep(0.02)
                    if index == 0:
                        self.half_sent.set()
                        await self.go_on.wait()
                await socket_.send(json.dumps({"type": "finish"}))
            except ConnectionClosed:
                pass
            await reading
        return self

    async def read(self, socket_):
        try:
            async for message in socket_:
                event = json.loads(message)
                if event["type"] == "ready":
                    self.started.set()
                elif event["type"] == "final":
                    self.finals.append((event["text"], event["start"], event["end"]))
                elif event["type"] == "closed":
                    self.is_closed = True
        except ConnectionClosed:
            pass
        self.code = socket_.close_code

    def is_whole(self, wanted):
        return self.is_closed and self.code == 1000 and self.finals == wanted


async def within(what, waiting):
    try:
        return await asyncio.wait_for(waiting, LIMIT_S)
    except TimeoutError:
        raise Failed(f"{what}: not within {LIMIT_S} s") from None


async def opened(port, count):
    """Streams that have sent the first half of their audio, one connected after the other."""
    streams, tasks = [], []
    for _ in range(count):
        stream = Stream(port)
        streams.append(stream)
        tasks.append(asyncio.create_task(stream.run()))
        ready = asyncio.create_task(stream.started.wait())
        await within("a stream starts", asyncio.wait({ready, tasks[-1]}, return_when=asyncio.FIRST_COMPLETED))
        ready.cancel()
        if tasks[-1].done():
            tasks[-1].result()
            raise Failed(f"a stream ended before it began: close code {stream.code}")
    await within("the first half is sent", asyncio.gather(*(stream.half_sent.wait() for stream in streams)))
    return streams, tasks


async def finished(streams, tasks):
    for stream in streams:
        stream.go_on.set()
    return await within("streams end", asyncio.gather(*tasks))


def of(streams, server):
    return [stream for stream in streams if stream.server == server.name]


def check_spread(streams, servers, what):
    counts = [len(of(streams, server)) for server in servers]
    check(counts == [len(streams) // 2] * 2, f"{what}: spread {counts}")


def check_whole(streams, wanted, what):
    for stream in streams:
        check(stream.is_whole(wanted), f"{what}: a stream of {stream.server} ended with {stream.code}: {stream.finals}")


async def scenario(port, servers):
    one, two = servers
    reference = await finished(*await opened(one.port, 1))
    wanted = reference[0].finals
    check(len(wanted) >= 2, f"the reference has too few finals: {wanted}")
    check(status(f"http://127.0.0.1:{port}/readyz") == 200, "/readyz by the proxy")
    check(status(f"http://127.0.0.1:{port}/metrics") == 404, "/metrics by the proxy is not refused")

    streams, tasks = await opened(port, STREAMS)
    check_spread(streams, servers, "at first")
    killed, others = of(streams, one), of(streams, two)
    one.end(signal.SIGKILL)
    began = time.monotonic()
    lost = [task for stream, task in zip(streams, tasks) if stream in killed]
    await within("clients of the killed server are told", asyncio.gather(*(wait_closed(stream) for stream in killed)))
    told_s = time.monotonic() - began
    check(all(not stream.is_closed and stream.code != 1000 for stream in killed), "a killed stream looks whole")
    check(all(stream.code is None for stream in others), "a stream of the other server is closed")
    late = await opened(port, 4)
    check(all(stream.server == two.name for stream in late[0]), "a new stream went to the killed server")
    await finished(streams, tasks)
    check_whole(others, wanted, "beside the killed server")
    check_whole(await finished(*late), wanted, "after the kill")
    print(f"killed: {len(lost)} streams lost with their server, told within {told_s:.2f} s; {len(others)} of the other whole;")
    print(f"        {len(late[0])} new ones at once on the other, whole")

    one.process.wait()
    one.start()
    await until_up(port, one)
    streams, tasks = await opened(port, STREAMS)
    check_spread(streams, servers, "after the restart")
    two.end(signal.SIGTERM)
    await asyncio.sleep(1)
    late = await opened(port, 4)
    check(all(stream.server == one.name for stream in late[0]), "a new stream went to the server that is being stopped")
    check_whole(await finished(streams, tasks), wanted, "while a server is being stopped")
    check_whole(await finished(*late), wanted, "beside a server that is being stopped")
    code = await within("the stopped server ends", asyncio.to_thread(two.process.wait))
    check(code == 0, f"the stopped server ended with {code}")
    print(f"stopped: all {len(streams)} streams whole, {len(of(streams, two))} of them on the server that was being stopped;")
    print(f"         {len(late[0])} new ones on the other, whole")
    return 2 * STREAMS + 8


async def wait_closed(stream):
    while stream.code is None:
        await asyncio.sleep(0.01)


async def until_up(port, server):
    """Waits until the proxy sends somebody to a server again."""

    async def ask():
        while True:
            async with connect(f"ws://127.0.0.1:{port}/v1/stream", proxy=None) as socket_:
                if socket_.response.headers.get("X-Served-By") == server.name:
                    return
            await asyncio.sleep(0.1)

    await within(f"{server.name} is up again", ask())
    # The proxy still counts the connections that asked.
    await asyncio.sleep(0.5)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--voxlane", default="target/release/voxlane")
    arguments.add_argument("--model", default="commands")
    arguments.add_argument("--haproxy", default="haproxy")
    arguments = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        servers = [Server(arguments, folder, name) for name in ("one", "two")]
        port, proxy = free_port(), None
        try:
            for server in servers:
                server.start()
            config = proxy_config(folder, port, servers)
            proxy_log = (folder / "haproxy.log").open("wb")
            proxy = subprocess.Popen([arguments.haproxy, "-db", "-f", config], stdout=proxy_log, stderr=proxy_log)
            while status(f"http://127.0.0.1:{port}/readyz") == 0:
                check(proxy.poll() is None, f"haproxy did not start: {(folder / 'haproxy.log').read_text()}")
                time.sleep(0.05)
            count = asyncio.run(scenario(port, servers))
        except Failed as failure:
            sys.exit(f"haproxy: failed: {failure}")
        finally:
            for server in servers:
                server.end(signal.SIGKILL)
            if proxy:
                proxy.terminate()
    print(f"haproxy: {count} streams, {STREAMS // 2} lost with the server that was killed, 0 others: ok")


main()
