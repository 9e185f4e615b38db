"""A headless Chromium with a recording as its microphone, spoken to by the DevTools protocol."""

import asyncio
import base64
import json
import subprocess
from pathlib import Path

from websockets.asyncio.client import connect

LIMIT_S = 120


class Browser:
    """A browser with one page. What its console or its policies complain about is kept in `complaints`."""

    def __init__(self, program, folder, microphone):
        self.program, self.folder, self.microphone = program, Path(folder), microphone
        self.next_id, self.waiting, self.complaints, self.loaded = 0, {}, [], asyncio.Event()

    async def __aenter__(self):
        self.log = (self.folder / "browser.log").open("wb")
        command = [
            self.program,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--remote-debugging-port=0",
            f"--user-data-dir={self.folder / 'profile'}",
            "--use-fake-ui-for-media-stream",
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-audio-capture={self.microphone}",
            "about:blank",
        ]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)
        port_file = self.folder / "profile/DevToolsActivePort"
        async with asyncio.timeout(LIMIT_S):
            while not (port_file.exists() and len(port_file.read_text().splitlines()) == 2):
                await asyncio.sleep(0.1)
        port, path = port_file.read_text().splitlines()
        self.socket = await connect(f"ws://127.0.0.1:{port}{path}", max_size=None, proxy=None, ping_interval=None)
        self.reading = asyncio.create_task(self.read())
        self.session = None
        targets = (await self.call("Target.getTargets"))["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        attached = await self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "DOM", "Accessibility"):
            await self.call(f"{domain}.enable")
        return self

    async def __aexit__(self, *_):
        self.reading.cancel()
        await self.socket.close()
        self.process.terminate()
        self.process.wait()

    async def read(self):
        async for text in self.socket:
            message = json.loads(text)
            if "id" in message:
                self.waiting.pop(message["id"]).set_result(message)
            elif message["method"] == "Page.loadEventFired":
                self.loaded.set()
            elif message["method"] == "Log.entryAdded":
                entry = message["params"]["entry"]
                self.complaints.append(f"{entry['level']}: {entry['text']} {entry.get('url', '')}")
            elif message["method"] == "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(message["params"]["exceptionDetails"]))

    async def call(self, method, **params):
        self.next_id += 1
        answer = self.waiting[self.next_id] = asyncio.get_running_loop().create_future()
        message = {"id": self.next_id, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        await self.socket.send(json.dumps(message))
        async with asyncio.timeout(LIMIT_S):
            message = await answer
        if "error" in message:
            raise RuntimeError(f"{method}: {message['error']}")
        return message["result"]

    async def goto(self, url):
        self.loaded.clear()
        await self.call("Page.navigate", url=url)
        async with asyncio.timeout(LIMIT_S):
            await self.loaded.wait()

    async def run(self, script):
        """The value of an expression in the page."""
        answer = await self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{script}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    async def until(self, what, script):
        """Waits until an expression is true, and returns its value."""
        try:
            async with asyncio.timeout(LIMIT_S):
                while not (value := await self.run(script)):
                    await asyncio.sleep(0.05)
                return value
        except TimeoutError:
            state = (await self.run("document.body.innerText"))[:2000]
            raise AssertionError(f"{what}: not within {LIMIT_S} s; the page says:\n{state}") from None

    async def press(self, key):
        """Presses Enter or the space bar."""
        text, code, number = {"Enter": ("\r", "Enter", 13), " ": (" ", "Space", 32)}[key]
        common = {"key": key, "code": code, "windowsVirtualKeyCode": number, "text": text}
        await self.call("Input.dispatchKeyEvent", type="keyDown", **common)
        await self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    async def choose_file(self, selector, path):
        root = (await self.call("DOM.getDocument"))["root"]["nodeId"]
        node = (await self.call("DOM.querySelector", nodeId=root, selector=selector))["nodeId"]
        await self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    async def look(self, scheme, width, height):
        """Sets the color scheme and the size of the window."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        await self.call("Emulation.setEmulatedMedia", features=features)
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        await self.call("Emulation.setDeviceMetricsOverride", **metrics)

    async def screenshot(self, path):
        answer = await self.call("Page.captureScreenshot", captureBeyondViewport=True)
        Path(path).write_bytes(base64.b64decode(answer["data"]))

    async def unnamed_controls(self):
        """Controls that a screen reader has no name for."""
        nodes = (await self.call("Accessibility.getFullAXTree"))["nodes"]
        roles = {"button", "radio", "combobox", "textbox", "table", "region", "image", "form"}
        kinds = [(node["role"]["value"], node.get("name", {}).get("value")) for node in nodes if not node["ignored"]]
        return [role for role, name in kinds if role in roles and not name]
