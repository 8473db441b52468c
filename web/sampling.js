/** From logits to words, as in mmcore/sample.py. */

/** What is drawn from: softmax of logits / temperature over the `topK` largest (0: all); temperature 0 is the largest. */
export function probabilities(logits, temperature, topK = 0) {
  const order = Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a]);
  const p = new Float64Array(logits.length);
  if (temperature === 0) {
    p[order[0]] = 1;
    return p;
  }
  const kept = topK ? order.slice(0, topK) : order;
  const powers = kept.map((id) => Math.exp((logits[id] - logits[order[0]]) / temperature));
  const total = powers.reduce((sum, power) => sum + power, 0);
  kept.forEach((id, place) => (p[id] = powers[place] / total));
  return p;
}

/** The id that a chance between 0 and 1 draws. */
export function drawn(p, chance) {
  let left = chance;
  let last = 0;
  for (let id = 0; id < p.length; id++) {
    if (p[id] > 0) last = id;
    left -= p[id];
    if (left < 0) break;
  }
  return last; // where rounding leaves a little: the last that can be drawn
}

/** Numbers between 0 and 1 that look drawn, the same for a seed: mulberry32. */
export function chances(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** The bytes of a text in base64, such as a model's weights. */
export const fromBase64 = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0)).buffer;
