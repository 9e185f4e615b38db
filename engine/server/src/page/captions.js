// Captions: finals, each with its latency, and below them the text of the open segment, whose tail may change.

const one = (id) => document.getElementById(id);

function span(kind, text) {
  const element = document.createElement("span");
  element.className = kind;
  element.textContent = text;
  return element;
}

export class Captions {
  #finals = one("finals");
  #partial = one("partial");
  // Read aloud; only finals come here.
  #said = one("said");

  begin() {
    one("no-captions").hidden = true;
    this.#finals.replaceChildren();
    this.#said.replaceChildren();
    this.#open("", "");
  }

  end() {
    this.#partial.hidden = true;
    one("no-captions").hidden = this.#finals.childElementCount > 0;
  }

  take(event) {
    if (event.type === "partial") this.#open(event.stable ?? "", event.tail ?? event.text);
    else if (event.type === "final") this.#close(event);
  }

  #open(stable, tail) {
    const [first, second] = this.#partial.children;
    // The space between them is not underlined.
    const changing = stable || tail ? tail.trimStart() : "…";
    first.textContent = stable + tail.slice(0, tail.length - tail.trimStart().length);
    second.textContent = changing;
    this.#partial.hidden = false;
  }

  #close(event) {
    const isSeen = this.#partial.getBoundingClientRect().top < innerHeight;
    this.#open("", "");
    const line = document.createElement("li");
    line.append(event.text ? span("text", event.text) : span("none", "(nothing recognized)"));
    line.append(span("facts", facts(event)));
    this.#finals.append(line);
    if (event.text) {
      const paragraph = document.createElement("p");
      paragraph.textContent = event.text;
      this.#said.append(paragraph);
    }
    // Who looks at something else is not taken away from it.
    if (isSeen) this.#partial.scrollIntoView({ block: "nearest" });
  }
}

function facts({ start, end, latency_ms: latency, revised, warning }) {
  const parts = [
    `${start.toFixed(1)}–${end.toFixed(1)} s`,
    `final after ${milliseconds(latency.total)} (waiting ${milliseconds(latency.queue)}, computing ` +
      `${milliseconds(latency.compute)}, endpoint ${milliseconds(latency.endpoint_wait)})`,
  ];
  if (revised) parts.push("differs from stable text");
  if (warning) parts.push(`doubtful: ${warning.replaceAll("_", " ")}`);
  return parts.join(" · ");
}

export function milliseconds(value) {
  if (value >= 1000) return `${(value / 1000).toFixed(2)} s`;
  return `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}
