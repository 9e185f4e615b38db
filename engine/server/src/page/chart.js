// A chart of percentiles over time: time to the right, latency upwards by powers of ten.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 640;
const HEIGHT = 300;
const LEFT = 92;
const RIGHT = 12;
const TOP = 16;
const BOTTOM = 44;
const KINDS = ["p50", "p90", "p99"];

function element(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function label(seconds) {
  if (seconds >= 1) return `${seconds} s`;
  if (seconds >= 0.001) return `${+(1000 * seconds).toPrecision(1)} ms`;
  return `${+(1e6 * seconds).toPrecision(1)} µs`;
}

// Draws points `{ ago, values }`: milliseconds ago, and a value in seconds or none for each of the percentiles.
export function draw(svg, points, spanMs) {
  const all = points.flatMap(({ values }) => values).filter((value) => value > 0);
  const low = Math.floor(Math.log10(all.length ? Math.min(...all) : 0.01));
  const high = Math.max(low + 1, Math.ceil(Math.log10(all.length ? Math.max(...all) : 1)));
  const x = (ago) => WIDTH - RIGHT - ((WIDTH - LEFT - RIGHT) * ago) / spanMs;
  const y = (value) => {
    const share = (Math.log10(value) - low) / (high - low);
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * Math.max(0, share);
  };
  const parts = [];
  for (let power = low; power <= high; power++) {
    const at = y(10 ** power);
    parts.push(element("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: at, y2: at }));
    parts.push(element("text", { x: LEFT - 8, y: at + 7, "text-anchor": "end" }, label(10 ** power)));
  }
  for (const ago of [spanMs, spanMs / 2, 0]) {
    const anchor = ago === 0 ? "end" : ago === spanMs ? "start" : "middle";
    const text = ago === 0 ? "now" : (ago < 60_000 ? `−${ago / 1000} s` : `−${ago / 60_000} min`);
    parts.push(element("text", { x: x(ago), y: HEIGHT - 10, "text-anchor": anchor }, text));
  }
  KINDS.forEach((kind, index) => {
    for (const run of runs(points, index)) {
      const at = run.map(({ ago, values }) => `${x(ago).toFixed(1)},${y(values[index]).toFixed(1)}`);
      // A single reading is a short line: a point of a polyline would not be seen.
      if (at.length === 1) at.unshift(`${(x(run[0].ago) - 4).toFixed(1)},${y(run[0].values[index]).toFixed(1)}`);
      parts.push(element("polyline", { class: kind, points: at.join(" ") }));
    }
  });
  svg.replaceChildren(...parts);
}

// Neighboring points that have a value: a line does not cross a gap.
function runs(points, index) {
  const found = [];
  let isOpen = false;
  for (const point of points) {
    const hasValue = point.values[index] > 0;
    if (hasValue && isOpen) found.at(-1).push(point);
    else if (hasValue) found.push([point]);
    isOpen = hasValue;
  }
  return found;
}
