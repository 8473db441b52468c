// Terms are marked by ranges beside the text, not by elements in it: the text is React's, which may draw it anew.

const TEXTS = ":is([data-testid=stMarkdownContainer], [data-testid=stCaptionContainer]) :is(p, li)";
const NOT_IN = "a, button, label, summary, code, .katex, [data-testid=stSlider]";
const ITSELF = ".terms, .st-key-glossary";
const PAUSE = 250; // ms without a change after which a page is read again

/** One expression for all terms, each a group, the longest first; and the terms in that order. */
function expression(spelled) {
  const terms = Object.keys(spelled).sort((a, b) => b.length - a.length);
  const any = terms.map((term) => `(${spelled[term]})`).join("|");
  return [terms, new RegExp(`(?<![\\p{L}\\p{N}])(?:${any})(?![\\p{L}\\p{N}])`, "giu")];
}

/** Which terms a page says anywhere, and of those in running text where each stands first: term → range. */
function found(page, [terms, wanted]) {
  const [said, ranges] = [new Set(), new Map()];
  const nodes = document.createTreeWalker(page, NodeFilter.SHOW_TEXT);
  while (nodes.nextNode()) {
    const node = nodes.currentNode;
    const [around, matches] = [node.parentElement, [...node.data.matchAll(wanted)]];
    if (!matches.length || around.closest(ITSELF) || !around.checkVisibility()) continue;
    const running = around.closest(TEXTS) && !around.closest(NOT_IN);
    for (const match of matches) {
      const [term, start, end] = [terms[match.slice(1).findIndex(Boolean)], match.index, match.index + match[0].length];
      said.add(term);
      if (!running || ranges.has(term)) continue;
      ranges.set(term, new StaticRange({ startContainer: node, startOffset: start, endContainer: node, endOffset: end }));
    }
  }
  return { said, ranges };
}

/** List the terms of a page, each with its sentence. */
function list(root, terms, glossary) {
  const entries = terms.map((term) => {
    const entry = document.createElement("div");
    for (const [tag, text] of [["dt", term], ["dd", glossary[term]]]) entry.appendChild(document.createElement(tag)).textContent = text;
    return entry;
  });
  root.querySelector("dl").replaceChildren(...entries);
  root.hidden = !terms.length;
}

/** The term under a point of the screen, and the rectangle of its text. */
function at(ranges, x, y) {
  for (const [term, { startContainer, startOffset, endOffset }] of ranges) {
    if (!startContainer.isConnected || endOffset > startContainer.length) continue;
    const range = document.createRange();
    range.setStart(startContainer, startOffset);
    range.setEnd(startContainer, endOffset);
    for (const box of range.getClientRects())
      if (x >= box.left && x <= box.right && y >= box.top && y <= box.bottom && startContainer.parentElement.contains(document.elementFromPoint(x, y)))
        return { term, box };
  }
  return null;
}

function explain(card, { term, box }, glossary) {
  const name = document.createElement("strong");
  name.textContent = `${term}: `;
  card.replaceChildren(name, glossary[term]);
  card.showPopover();
  const { width, height } = card.getBoundingClientRect();
  card.style.left = `${Math.max(16, Math.min(box.left, innerWidth - width - 16))}px`;
  card.style.top = `${box.bottom + height + 8 < innerHeight ? box.bottom + 4 : box.top - height - 4}px`;
}

function mount(root, { sentences: glossary, spelled }) {
  const page = root.closest("[data-testid=stMain]");
  const wanted = expression(spelled);
  const card = root.querySelector(".terms-card");
  let ranges = new Map();
  let [waiting, listed] = [0, ""];
  function read() {
    waiting = 0;
    const now = found(page, wanted);
    ranges = now.ranges;
    CSS.highlights?.set("terms", new Highlight(...ranges.values()));
    const terms = Object.keys(glossary).filter((term) => now.said.has(term));
    if (terms.join() === listed) return;
    listed = terms.join();
    list(root, terms, glossary);
  }
  const observer = new MutationObserver((changes) => {
    if (changes.every(({ target }) => root.contains(target))) return;
    clearTimeout(waiting);
    waiting = setTimeout(read, PAUSE);
  });
  const clicked = (event) => {
    const hit = getSelection().isCollapsed && at(ranges, event.clientX, event.clientY);
    if (hit) explain(card, hit, glossary);
  };
  const moved = (event) => document.documentElement.toggleAttribute("data-on-term", Boolean(at(ranges, event.clientX, event.clientY)));
  observer.observe(page, { childList: true, subtree: true, characterData: true });
  page.addEventListener("click", clicked);
  page.addEventListener("pointermove", moved);
  read();
  return () => {
    observer.disconnect();
    clearTimeout(waiting);
    page.removeEventListener("click", clicked);
    page.removeEventListener("pointermove", moved);
    document.documentElement.removeAttribute("data-on-term");
    CSS.highlights?.delete("terms");
  };
}

const mounted = new WeakMap();

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".terms");
  if (!mounted.has(root)) mounted.set(root, mount(root, data));
  return () => {
    mounted.get(root)?.();
    mounted.delete(root);
  };
}
