/** From text to symbols and back, as mmcore/symbols.py has it; `data` has the vocabulary and what its symbols are. */

/** The symbols of a text: characters, graphemes or words. */
function symbolsOf(text, tokens) {
  const normal = text.normalize("NFC");
  if (tokens === "words") return normal.split(/\s+/).filter(Boolean);
  return tokens === "graphemes" ? Array.from(new Intl.Segmenter().segment(normal), ({ segment }) => segment) : [...normal];
}

/** The ids of what someone typed, and the symbols that the vocabulary lacks; an unknown word is <unk> where it has that. */
export function idsOf(text, { symbols, tokens }) {
  const known = new Map(symbols.map((symbol, id) => [symbol, id]));
  const unknown = tokens === "words" ? known.get("<unk>") : undefined;
  const found = symbolsOf(text, tokens).map((symbol) => [symbol, known.get(symbol) ?? known.get(symbol.toLowerCase()) ?? unknown]);
  const strange = found.filter(([, id]) => id === undefined).map(([symbol]) => symbol);
  return { ids: found.map(([, id]) => id).filter((id) => id !== undefined), strange: [...new Set(strange)] };
}

/** A sentence about characters and words as one about the symbols of a vocabulary, as ui/kit/nouns.py has it. */
export function fit(text, { tokens }) {
  const nouns = { graphemes: { character: "symbol", letter: "symbol" }, words: { character: "word", letter: "word", word: "sentence" } }[tokens] ?? {};
  return text.replace(/\b(character|letter|word)(?=s?\b)/gi, (found) => {
    const noun = nouns[found.toLowerCase()] ?? found.toLowerCase();
    return found[0] === found[0].toUpperCase() ? noun[0].toUpperCase() + noun.slice(1) : noun;
  });
}

/** Some symbols one after the other, by their names in a list. */
export const joinedText = (ids, names, { between }) => ids.map((id) => names[id]).join(between);

/** A text, or as much of its beginning as fits. */
export function abridged(text, fits) {
  const parts = symbolsOf(text, "graphemes");
  let count = parts.length;
  while (count > 1 && !fits(parts.slice(0, count).join("") + (count < parts.length ? "…" : ""))) count -= 1;
  return parts.slice(0, count).join("") + (count < parts.length ? "…" : "");
}
