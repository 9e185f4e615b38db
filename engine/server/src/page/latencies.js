// The server's histograms over time: percentiles of the last minute, read every two seconds while the page is seen.

import { milliseconds } from "./captions.js";
import { draw } from "./chart.js";
import { difference, parse, quantile } from "./metrics.js";

const EVERY_MS = 2000;
// Percentiles are of what came within this time.
const WINDOW_MS = 60_000;
// The times that the chart can show: the first that is long enough, or the last.
const SPANS_MS = [60_000, 120_000, 240_000];
const SHOWN_MS = SPANS_MS.at(-1);

export const QUANTILES = [
  ["p50", 0.5],
  ["p90", 0.9],
  ["p99", 0.99],
];

const one = (id) => document.getElementById(id);

export class Latencies {
  #key;
  #readings = [];
  // Whether the server does not let this page read: then it is not asked again by itself.
  #isRefused = false;

  constructor(key) {
    this.#key = key;
    one("measure").addEventListener("change", () => this.#show());
  }

  // Reads now and from now on; resolves to whether the server asks for a key.
  async watch() {
    setInterval(() => document.hidden || this.#isRefused || this.refresh(), EVERY_MS);
    return (await this.refresh()) === 401;
  }

  // Reads once; resolves to the answer's status.
  async refresh() {
    const key = this.#key();
    const headers = key ? { authorization: `Bearer ${key}` } : {};
    const answer = await fetch("/metrics", { headers, cache: "no-store" }).catch(() => null);
    this.#isRefused = [401, 403, 404].includes(answer?.status);
    if (answer?.ok) {
      const { histograms, slots } = parse(await answer.text());
      const at = performance.now();
      this.#readings.push({ at, histograms });
      this.#readings = this.#readings.filter((reading) => at - reading.at <= SHOWN_MS + WINDOW_MS);
      const known = slots.used + slots.free;
      one("slots").textContent = known >= 0 ? `${slots.used} of ${known}` : "–";
      this.#show();
    } else {
      const why = answer?.status === 401 ? "a key is needed" : answer ? `status ${answer.status}` : "no answer";
      one("chart-note").textContent = `The server's measurements cannot be read: ${why}.`;
    }
    return answer?.status ?? 0;
  }

  // The percentiles at a reading, of the time before it.
  #percentiles(index, name) {
    const { at, histograms } = this.#readings[index];
    const earlier = this.#readings.findLast((reading) => at - reading.at >= WINDOW_MS) ?? this.#readings[0];
    const later = histograms.get(name);
    if (!later || earlier.at === at) return null;
    const counted = difference(earlier.histograms.get(name), later);
    return { count: counted.at(-1)[1], values: QUANTILES.map(([, share]) => quantile(counted, share)) };
  }

  #show() {
    const name = one("measure").value;
    const now = this.#readings.at(-1)?.at ?? 0;
    const points = this.#readings.map(({ at }, index) => {
      const found = this.#percentiles(index, name);
      return { ago: now - at, count: found?.count ?? 0, values: found?.values ?? QUANTILES.map(() => null) };
    });
    const span = SPANS_MS.find((span) => (points[0]?.ago ?? 0) <= span) ?? SHOWN_MS;
    draw(one("chart"), points.filter(({ ago }) => ago <= span), span);
    const last = points.at(-1);
    QUANTILES.forEach(([id], index) => {
      const seconds = last?.values[index] ?? null;
      one(id).textContent = seconds === null ? "–" : milliseconds(1000 * seconds);
    });
    const count = last?.count ?? 0;
    one("chart-note").textContent = count
      ? `Of ${count} in the last minute, of all clients; between the histogram's bounds values are estimated.`
      : "Nothing was measured in the last minute.";
  }
}
