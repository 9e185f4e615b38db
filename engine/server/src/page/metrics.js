// Prometheus' text format, as far as this page needs it: histograms of stages, and gauges.

const BUCKET = /^voxlane_stage_seconds_bucket\{lane="\d+",stage="(\w+)",measure="(\w+)",le="([^"]+)"\} (\d+)$/;
const SLOTS = /^voxlane_server_slots\{state="(\w+)"\} (\d+)$/;

// Reads a page of metrics: counts by upper bound in seconds of each "stage measure", of all lanes together; slots by state.
export function parse(text) {
  const histograms = new Map();
  const slots = {};
  for (const line of text.split("\n")) {
    const bucket = BUCKET.exec(line);
    if (bucket) {
      const [, stage, measure, bound, count] = bucket;
      const name = `${stage} ${measure}`;
      if (!histograms.has(name)) histograms.set(name, new Map());
      const counts = histograms.get(name);
      const seconds = bound === "+Inf" ? Infinity : Number(bound);
      counts.set(seconds, (counts.get(seconds) ?? 0) + Number(count));
      continue;
    }
    const slot = SLOTS.exec(line);
    if (slot) slots[slot[1]] = Number(slot[2]);
  }
  return { histograms, slots };
}

// What was counted between two readings; all of the later one if the server began anew.
export function difference(earlier, later) {
  const bounds = [...later.keys()].sort((a, b) => a - b);
  const before = (bound) => earlier?.get(bound) ?? 0;
  const isAnew = bounds.some((bound) => later.get(bound) < before(bound));
  return bounds.map((bound) => [bound, later.get(bound) - (isAnew ? 0 : before(bound))]);
}

// A quantile in seconds, of values that lie evenly between the bounds of their bucket; none if nothing was counted.
export function quantile(buckets, share) {
  const total = buckets.at(-1)?.[1] ?? 0;
  if (total === 0) return null;
  const rank = share * total;
  let [below, counted] = [0, 0];
  for (const [bound, count] of buckets) {
    if (count >= rank && count > counted) {
      if (bound === Infinity) return below;
      return below + ((bound - below) * (rank - counted)) / (count - counted);
    }
    [below, counted] = [bound, count];
  }
  return below;
}
