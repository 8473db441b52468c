"""The first half of the plain PyTorch script: words, splits, what a batch is. As text, for one run's settings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ..architectures.sequence import SequenceConfig
from ..symbols import CHARACTERS
from ..train_state import generator_seed

if TYPE_CHECKING:
    from .trained import Trained

WORDS = "words.txt"  # the corpus beside the script
SYMBOLS = "words.json"  # in its place where a symbol is several characters


def words_file(trained: Trained) -> dict[str, bytes]:
    """The corpus: a word a line, or a JSON list of symbols each where a symbol may be several characters."""
    vocab, words = trained.artifact.vocab, trained.corpus.words
    if _single(trained):
        return {WORDS: "".join(f"{word}\n" for word in words).encode()}
    lists = [[vocab.symbols[i] for i in vocab.encode(word)] for word in words]
    return {SYMBOLS: json.dumps(lists, ensure_ascii=False).encode()}


def _single(trained: Trained) -> bool:
    return trained.artifact.vocab.tokens == CHARACTERS


def reading(trained: Trained) -> str:
    """Words, and symbols as numbers."""
    vocab = trained.artifact.vocab
    symbols = vocab.symbols
    single, dot = _single(trained), "." if "." not in symbols else ""
    read = f"open('{WORDS}', encoding='utf-8').read().splitlines()"
    found = "sorted(set(''.join(words)))"
    if not single:
        read, found = (
            f"[tuple(word) for word in json.load(open('{SYMBOLS}', encoding='utf-8'))]",
            "sorted({s for word in words for s in word})",
        )
    if tuple(sorted({s for word in trained.corpus.words for s in vocab.cutting.cut(word)})) != symbols[1:]:
        found = json.dumps(list(symbols[1:]), ensure_ascii=False)
    return "\n".join(
        [
            f"words = {read}  # the lecture's names.txt",
            f"print(len(words), words[:8])  # {len(trained.corpus.words):,} of the corpus {trained.corpus.name!r}",
            "",
            f"# build the vocabulary of {vocab.noun}s and mappings to/from integers",
            f"chars = {found}",
            "stoi = {s: i + 1 for i, s in enumerate(chars)}",
            f"stoi[{dot!r}] = 0  # start and end of a word",
            "itos = {i: s for s, i in stoi.items()}",
            "vocab_size = len(itos)",
        ]
    )


def splitting(trained: Trained) -> str:
    """The three splits, called as in the lecture: its dev split is this project's validation split."""
    split = trained.config.split
    if split.fixed:
        train, val, _ = split.fixed
        cut = [f"n1, n2 = {train}, {train + val}  # as the three files had them"]
    else:
        fractions = [round(split.train_fraction, 9), round(split.train_fraction + split.val_fraction, 9)]
        cut = ["words = list(dict.fromkeys(words))  # each word once"] if split.deduplicate else []
        cut += [f"random.seed({split.split_seed})", "random.shuffle(words)"]
        cut += [f"n{n} = int({fraction!r} * len(words))" for n, fraction in enumerate(fractions, 1)]
    return "\n".join(
        [
            f"block_size = {trained.config.model.context_size}  # context length: how many characters predict the next",
            "",
            *(PREFIXES if isinstance(trained.config.model, SequenceConfig) else WINDOWS),
            "",
            *cut,
            "Xtr, Ytr = build_dataset(words[:n1])",
            "Xdev, Ydev = build_dataset(words[n1:n2])  # words[n2:], the test split, stay unopened",
        ]
    )


WINDOWS = [
    "def build_dataset(words):",
    "    X, Y = [], []",
    "    for w in words:",
    "        context = [0] * block_size",
    "        for ix in [stoi[ch] for ch in w] + [0]:",
    "            X.append(context)",
    "            Y.append(ix)",
    "            context = context[1:] + [ix]  # crop and append",
    "    return torch.tensor(X), torch.tensor(Y)",
]
PREFIXES = [
    "def build_dataset(words):",
    "    # no padding: a context is what a model that reads from left to right has read, from the word's start on",
    "    X, Y = [], []",
    "    for w in words:",
    "        ids = [0] + [stoi[ch] for ch in w]",
    "        for i, ix in enumerate(ids[1:] + [0]):",
    "            X.append(tuple(ids[: i + 1][-block_size:]))",
    "            Y.append(ix)",
    "    return X, Y",
]

TREE = """
def build_tree(contexts):
    # every beginning of a context once, shorter ones first: contexts that begin alike are read once
    tree = sorted({x[:n] for x in contexts for n in range(1, len(x) + 1)}, key=lambda x: (len(x), x))
    place = {x: i for i, x in enumerate(tree)}
    last = torch.tensor([x[-1] for x in tree])  # the character each ends with
    parent = torch.tensor([place.get(x[:-1], len(tree)) for x in tree] + [len(tree)])  # what it continues
    depth = torch.tensor([len(x) for x in tree])
    return place, last, parent, depth

place, last, parent, depth = build_tree(set(Xtr))

def read(ends):
    # the part of the tree that leads to some of its nodes: which nodes, and each path as places among them
    path = [ends]
    for _ in range(block_size - 1):
        path.append(parent[path[-1]])
    nodes, path = torch.unique(torch.stack(path), return_inverse=True)  # (n,), (T, B)
    nodes = nodes[nodes < len(last)]  # without what is above the first character
    above = torch.searchsorted(nodes, parent[nodes])
    above[depth[nodes] == 1] = 0
    return (last[nodes], above, depth[nodes]), nodes, path
""".strip().splitlines()

FOLLOWS_TREE = [
    "",
    "# what follows each beginning in train, as a distribution: all of it is the target, not only what one word has",
    "at = torch.tensor([place[x] for x in Xtr])",
    "follows = torch.zeros(len(last), vocab_size).index_put_((at, torch.tensor(Ytr)), torch.ones(len(Ytr)), True)",
    "follows /= follows.sum(1, keepdim=True).clamp(min=1)",
]


def batches(trained: Trained) -> str:
    """``batch()``: what one update sees, drawn by a generator of its own."""
    train = trained.config.train
    start = [
        f"batch_size = {train.batch_size}",
        f"g_batch = torch.Generator().manual_seed({generator_seed(train.seed, 'batches')})",
    ]
    if isinstance(trained.config.model, SequenceConfig):
        return "\n".join([*TREE, "", *start, *_tree_batches(trained)])
    return "\n".join([*start, *{"examples": EXAMPLES, "contexts": CONTEXTS}[train.sampler]])


EXAMPLES = """
def batch():
    ix = torch.randint(0, Xtr.shape[0], (batch_size,), generator=g_batch)  # minibatch construct, as in the lecture
    return Xtr[ix], Ytr[ix]
""".rstrip().splitlines()

SYSTEMATIC = """
# batch_size equally spaced places from one random offset: contexts in proportion to how often they occur
spacing = len(owner) / batch_size
points = torch.arange(batch_size, dtype=torch.float64) * spacing

def draw():
    offset = torch.rand(1, generator=g_batch, dtype=torch.float64) * spacing
    return owner[(points + offset).long().clamp(max=len(owner) - 1)]
""".rstrip().splitlines()

CONTEXTS = (
    """
# the distinct contexts, and what follows each in train as a distribution: the lecture draws one of its examples instead
contexts, which = torch.unique(Xtr, dim=0, return_inverse=True)
follows = torch.zeros(len(contexts), vocab_size).index_put_((which, Ytr), torch.ones(len(Ytr)), accumulate=True)
follows /= follows.sum(1, keepdim=True)
owner = which.sort().values  # of each example its context
""".strip().splitlines()
    + SYSTEMATIC
    + """
def batch():
    ix = draw()
    return contexts[ix], follows[ix]
""".rstrip().splitlines()
)


def _tree_batches(trained: Trained) -> list[str]:
    sampler = trained.config.train.sampler
    if sampler == "examples":
        return TREE_EXAMPLES
    if sampler == "contexts":
        return FOLLOWS_TREE + TREE_CONTEXTS
    longest = max(map(trained.artifact.vocab.cutting.count, trained.dataset.train.words))
    return FOLLOWS_TREE + (TREE_WORDS_LONG if longest >= trained.config.model.context_size else TREE_WORDS)


TREE_EXAMPLES = """
at = torch.tensor([place[x] for x in Xtr])
targets = torch.tensor(Ytr)

def batch():
    ix = torch.randint(0, len(at), (batch_size,), generator=g_batch)  # minibatch construct, as in the lecture
    part, _, path = read(at[ix])
    return part, path[0], targets[ix], None
""".rstrip().splitlines()

TREE_CONTEXTS = (
    """
# the distinct contexts in the order of the alphabet, each as often as it occurs
padded = {x: (0,) * (block_size - len(x)) + x for x in set(Xtr)}
owner = torch.tensor([place[x] for x in sorted(Xtr, key=padded.get)])
""".rstrip().splitlines()
    + SYSTEMATIC
    + """
def batch():
    part, nodes, path = read(draw())
    return part, path[0], follows[nodes][path[0]], None
""".rstrip().splitlines()
)

TREE_WORDS = """
# whole words, those that begin alike as neighbours: one is drawn from each of batch_size equal parts of the list
whole = sorted(((0, *(stoi[ch] for ch in w))[:block_size] for w in words[:n1]), key=lambda x: (x + (0, 0))[:3])
rows = torch.tensor([place[x] for x in whole])
spacing = len(rows) / batch_size
points = torch.arange(batch_size, dtype=torch.float64) * spacing

def batch():
    offsets = torch.rand(batch_size, generator=g_batch, dtype=torch.float64) * spacing
    part, nodes, path = read(rows[(points + offsets).long().clamp(max=len(rows) - 1)])
    weight = torch.bincount(path.flatten(), minlength=len(nodes))[: len(nodes)]  # how many of the words begin so
    return part, slice(None), follows[nodes], weight
""".rstrip().splitlines()

TREE_WORDS_LONG = """
# whole words, those that begin alike as neighbours: one is drawn from each of batch_size equal parts of the list;
# what of a word does not fit into the context is drawn by itself, for the character at its end only
whole = sorted(((0, *(stoi[ch] for ch in w))[:block_size] for w in words[:n1]), key=lambda x: (x + (0, 0))[:3])
beyond = [x for x in Xtr if x[0] != 0]
rows = torch.tensor([place[x] for x in whole + beyond])
spacing = len(rows) / batch_size
points = torch.arange(batch_size, dtype=torch.float64) * spacing

def batch():
    offsets = torch.rand(batch_size, generator=g_batch, dtype=torch.float64) * spacing
    drawn = (points + offsets).long().clamp(max=len(rows) - 1)
    part, nodes, path = read(rows[drawn])
    predicted = torch.ones_like(path, dtype=torch.bool)
    predicted[1:, drawn >= len(whole)] = False
    weight = torch.bincount(path[predicted], minlength=len(nodes))[: len(nodes)]  # how many of the words begin so
    return part, slice(None), follows[nodes], weight
""".rstrip().splitlines()
