// The log: what the server said, in order, each with the time since the stream began.

const ROWS = 300;

// What stands elsewhere in a row, or is the same in all.
const COMMON = ["type", "version", "stream", "words", "latency_ms"];

export class EventLog {
  #body;
  #began = 0;

  constructor(body) {
    this.#body = body;
  }

  clear() {
    this.#body.replaceChildren();
    this.#began = performance.now();
  }

  add(message) {
    const row = this.#body.insertRow();
    row.insertCell().textContent = ((performance.now() - this.#began) / 1000).toFixed(2);
    row.insertCell().textContent = message.type.replaceAll("_", " ");
    row.insertCell().textContent = details(message);
    if (this.#body.rows.length > ROWS) this.#body.deleteRow(0);
    const scroll = this.#body.closest("#scroll");
    scroll.scrollTop = scroll.scrollHeight;
  }
}

function details(message) {
  const fields = Object.entries(message).filter(([name]) => !COMMON.includes(name));
  // A partial's text is its stable part and its tail.
  const shown = fields.filter(([name]) => name !== "text" || !("tail" in message));
  const value = (value) => (typeof value === "number" ? +value.toFixed(3) : JSON.stringify(value));
  return shown.map(([name, field]) => `${name.replaceAll("_", " ")} ${value(field)}`).join(", ");
}
