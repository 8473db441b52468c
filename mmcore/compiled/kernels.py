"""Updates in compiled functions: a batch of contexts; gradients of MLPs, recurrent networks, transformers; AdamW.

The formulas are those of :mod:`mmcore.backprop` and :mod:`mmcore.tree_backprop`. Loops run over arrays as they lie in
memory, float32 and C-contiguous; Numba makes vector instructions of them, and matrix products are the linear algebra
library's. A number that is not finite stays so on its way to the loss: that is how training sees that it has diverged.
Sums may be taken in another order than as written, which the last bits show.

Nothing here checks an index. All is in one file, because Numba keeps what it has compiled until the file changes that a
function is in, whatever happens to those it calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import scipy.linalg.cython_blas  # noqa: F401 (where Numba finds matrix products)
from numba import njit
from numpy.typing import NDArray

from ..contexts import Ids

Result = TypeVar("Result")
Floats = NDArray[np.float32]
Continued = tuple[Ids, Ids, Ids]
"""What :func:`continued` finds."""
f32 = np.float32
# Not "fast" altogether: that would also take for granted that nothing overflows.
QUICK = {"reassoc", "contract", "arcp", "nsz"}
compiled: Callable[[Callable[..., Result]], Callable[..., Result]] = njit(
    cache=True, nogil=True, error_model="numpy", fastmath=QUICK
)


@compiled
def draw(
    ends: Ids, points: NDArray[np.float64], contexts: Ids, shares: Floats, ids: Ids, q: Floats, offset: float
) -> None:
    """A systematic sample: the contexts ``ids`` (B, T) at evenly spaced places, and what follows each, ``q`` (V, B).

    ``ends`` (M,) are where the places of each context end.
    """
    V, B = q.shape
    for b in range(B):
        row = min(int(np.searchsorted(ends, int(points[b] + offset), side="right")), len(ends) - 1)
        for t in range(ids.shape[1]):
            ids[b, t] = contexts[row, t]
        for v in range(V):
            q[v, b] = shares[row, v]


@compiled
def draw_words(
    offsets: NDArray[np.float64],
    points: NDArray[np.float64],
    spacing: float,
    words: int,
    paths: NDArray[np.int32],
    starts: Ids,
    tree: NDArray[np.int32],
    shares: Floats,
) -> tuple[Ids, Ids, Ids, Floats]:
    """Every prefix of some rows, in the order of the tree: M nodes.

    Parameters
    ----------
    offsets, points, spacing : (B,), the place of each row drawn is ``point + offset · spacing``
    words : of rows from there on only the ends are predicted
    paths : (R, T), the nodes of each row, the last first, and N behind them
    starts : of the tree's levels
    tree : (N + 1, 4), of each node its parent, 0 for what is counted here, its last character, its row of ``shares``;
        the last node is above the first level. What belongs to a node lies together: it is far from all that is at hand

    Returns
    -------
    The last character of each node (M,), the row of the state that it continues (M,), how many nodes each level has,
    all as in a :class:`Tree`; and what follows each node, (V, M), times how often it is predicted, 1 on average.
    """
    (R, T), N, M, total = paths.shape, len(tree) - 1, 0, 0
    room = np.empty(len(offsets) * T, np.int64)
    for b in range(len(offsets)):
        row = min(int(points[b] + offsets[b] * spacing), R - 1)
        predicted, next_ones = 1, 1 if row < words else 0
        for place in range(T):
            node = paths[row, place]
            if node == N:
                break
            mark = tree[node, 1]
            room[M] = node
            M += 0 if mark else 1  # no branch, as whether it is new is hard to foresee
            tree[node, 1] = (mark | 1) + 2 * predicted  # 1: it is there; 2 more each time that it is predicted
            total += predicted
            predicted = next_ones
    nodes = np.sort(room[:M])
    V, characters, parents = shares.shape[1], np.empty(M, np.int64), np.empty(M, np.int64)
    q = np.empty((V, M), f32)
    for m in range(M):
        of = tree[nodes[m]]
        scale, row = f32(of[1] // 2 * M / total), of[3]
        for v in range(V):
            q[v, m] = shares[row, v] * scale
        characters[m], parents[m] = of[2], tree[of[0], 1]
        of[1] = m + 1  # the row of its state
    for m in range(M):
        tree[nodes[m], 1] = 0
    ends = np.searchsorted(nodes, starts[1:])
    levels = np.searchsorted(ends, M) + 1
    sizes = ends[:levels].copy()
    for level in range(1, levels):
        sizes[level] -= ends[level - 1]
    return characters, parents, sizes, q


@compiled
def one_tanh(x: np.float32) -> np.float32:
    """An odd polynomial over an even one, fitted between ±7.9, and ±1 beyond: within 3e-7 of tanh.

    Coefficients as in Eigen's and Cephes' single-precision functions.
    """
    most = f32(7.90531110763549805)
    s = x * x
    p = f32(-2.76076847742355e-16)
    p = p * s + f32(2.00018790482477e-13)
    p = p * s + f32(-8.60467152213735e-11)
    p = p * s + f32(5.12229709037114e-08)
    p = p * s + f32(1.48572235717979e-05)
    p = p * s + f32(6.37261928875436e-04)
    p = p * s + f32(4.89352455891786e-03)
    q = f32(1.19825839466702e-06)
    q = q * s + f32(1.18534705686654e-04)
    q = q * s + f32(2.26843463243900e-03)
    q = q * s + f32(4.89352518554385e-03)
    return f32(1) if x > most else f32(-1) if x < -most else x * p / q


@compiled
def tanh(z: Floats) -> None:
    """In place."""
    flat = z.reshape(-1)
    for i in range(len(flat)):
        flat[i] = one_tanh(flat[i])


@compiled
def activate_backward(h: Floats, dh: Floats, db: Floats, relu: bool) -> None:
    """In place: ``dh`` (B, H) becomes dz = dh ⊙ (1 − h²), for ReLU dh ⊙ (h > 0); ``db`` (H,) its sum over the rows."""
    B, H = h.shape
    db[:] = 0
    for b in range(B):
        for k in range(H):
            d = dh[b, k] * (f32(h[b, k] > 0) if relu else f32(1) - h[b, k] * h[b, k])
            dh[b, k] = d
            db[k] += d


@compiled
def _largest(z: Floats) -> Floats:
    """Of each column of ``z`` (V, B)."""
    V, B = z.shape
    largest = z[0].copy()
    for v in range(1, V):
        for b in range(B):
            largest[b] = z[v, b] if z[v, b] > largest[b] else largest[b]
    return largest


@compiled
def _exp(z: Floats, largest: Floats) -> NDArray[np.float64]:
    """``z`` (V, B) becomes exp(z − largest of its column); returns the sums of the columns, in float64.

    exp(x) = 2ⁿ · exp(r) with n whole and |r| ≤ ln 2 / 2; exp(r) by Cephes' polynomial, 2ⁿ by its bits.
    """
    V, B = z.shape
    total, bits = np.zeros(B, np.float64), np.empty(B, np.int32)
    power = bits.view(np.float32)
    for v in range(V):
        for b in range(B):
            x = (z[v, b] - largest[b]) * f32(1.44269504)
            n = np.floor((x if x > f32(-126) else f32(-126)) + f32(0.5))
            r = f32(0) if x < f32(-126) else (x - n) * f32(0.69314718)
            y = f32(1.9875691500e-4)
            y = y * r + f32(1.3981999507e-3)
            y = y * r + f32(8.3334519073e-3)
            y = y * r + f32(4.1665795894e-2)
            y = y * r + f32(1.6666665459e-1)
            y = y * r + f32(5.0000001201e-1)
            z[v, b] = y * r * r + r + f32(1)
            bits[b] = (np.int32(n) + np.int32(127)) << np.int32(23)
        for b in range(B):
            z[v, b] *= power[b]
        for b in range(B):
            total[b] += z[v, b]
    return total


@compiled
def loss_of_shares(z: Floats, q: Floats, db: Floats) -> float:
    """The mean loss of logits ``z`` (V, B), which become its gradient ``(Σ_v q_v · p − q) / B``.

    ``q`` (V, B) are distributions, each times how often it counts; ``db`` (V,) becomes the sum of the gradient's rows.
    Sums over symbols are in float64: over thousands of symbols with equal shares rounding adds up.
    """
    V, B = z.shape
    largest, picked, weight = _largest(z), np.zeros(B, np.float64), np.zeros(B, np.float64)
    for v in range(V):
        for b in range(B):
            picked[b] += q[v, b] * (z[v, b] - largest[b])
        for b in range(B):
            weight[b] += q[v, b]
    total, scale, loss = _exp(z, largest), np.empty(B, f32), 0.0
    for b in range(B):
        loss += weight[b] * np.log(total[b]) - picked[b]
        scale[b] = weight[b] / (total[b] * B)
    for v in range(V):
        row, each = f32(0), f32(1) / f32(B)
        for b in range(B):
            d = z[v, b] * scale[b] - q[v, b] * each
            z[v, b] = d
            row += d
        db[v] = row
    return loss / B


@compiled
def loss_of_ids(z: Floats, ids: Ids, db: Floats) -> float:
    """The same for targets ``ids`` (B,): q is 1 for one symbol and 0 for the others."""
    V, B = z.shape
    largest, picked = _largest(z), np.empty(B, np.float64)
    for b in range(B):
        picked[b] = z[ids[b], b] - largest[b]
    total, scale, loss = _exp(z, largest), np.empty(B, f32), 0.0
    for b in range(B):
        loss += np.log(total[b]) - picked[b]
        scale[b] = 1 / (total[b] * B)
    for v in range(V):
        for b in range(B):
            z[v, b] *= scale[b]
    for b in range(B):
        z[ids[b], b] -= f32(1) / f32(B)
    for v in range(V):
        row = f32(0)
        for b in range(B):
            row += z[v, b]
        db[v] = row
    return loss / B


@compiled
def _matrix(numbers: Floats, begin: int, rows: int, columns: int) -> Floats:
    return numbers[begin : begin + rows * columns].reshape(rows, columns)


@compiled
def _table(numbers: Floats, begin: int, T: int, rows: int, columns: int) -> Floats:
    return numbers[begin : begin + T * rows * columns].reshape(T, rows, columns)


@compiled
def gradient(
    flat: Floats,
    g: Floats,
    at: Ids,
    sizes: Ids,
    T: int,
    relu: bool,
    ids: Ids,
    targets: Ids,
    q: Floats,
    masks: Floats,
    h: Floats,
    read: Floats,
    dh: Floats,
    F: Floats,
    dF: Floats,
    z: Floats,
) -> float:
    """The mean loss of an MLP on a batch; ``g`` becomes its derivatives with respect to ``flat``.

    Parameters
    ----------
    at : (2 + 2 · layers,), where C, W and b of each layer, and W of direct connections begin in flat; -1: there is none
    sizes : (2 + layers,), V, D and how many units each layer has, the output's V last
    ids : (B, T), the contexts
    targets, q : (B,) ids, or none of them and (V, B) distributions
    masks : of dropout, (B, H) of each hidden layer one after another; or none
    h, read, dh : room for activations, for what the next layer reads of them, and for gradients, likewise
    F, dF : room for the largest table (T · V · K) and its gradient
    z : (V, B), room for the logits
    """
    V, b = sizes[0], at[-2]
    _logits(flat, at, sizes, T, relu, ids, masks, h, read, F, z)
    loss = loss_of_ids(z, targets, g[b : b + V]) if len(targets) else loss_of_shares(z, q, g[b : b + V])
    _backward(flat, g, at, sizes, T, relu, ids, masks, h, read if len(masks) else h, dh, dF, z)
    return loss


@compiled
def _logits(
    flat: Floats,
    at: Ids,
    sizes: Ids,
    T: int,
    relu: bool,
    ids: Ids,
    masks: Floats,
    h: Floats,
    read: Floats,
    F: Floats,
    z: Floats,
) -> None:
    """The first layer, and direct connections, are sums of table rows."""
    B, V, D, hidden = len(ids), sizes[0], sizes[1], sizes[2:-1]
    C, direct = _matrix(flat, at[0], V, D), at[-1]
    begin, x = 0, C
    for layer, K in enumerate(hidden):
        W, b = at[1 + 2 * layer], at[2 + 2 * layer]
        out = _matrix(h, begin, B, K)
        if layer == 0:
            _gather(_products(C, _table(flat, W, T, D, K), F), ids, flat[b : b + K], out)
        else:
            np.dot(x, _matrix(flat, W, x.shape[1], K), out)
            out += flat[b : b + K]
        if relu:
            np.maximum(out, f32(0), out)
        else:
            tanh(out)
        x = out
        if len(masks):
            x = _matrix(read, begin, B, K)
            x[:] = out * _matrix(masks, begin, B, K)
        begin += B * K
    W, b = at[-3], at[-2]
    if len(hidden):
        np.dot(_matrix(flat, W, x.shape[1], V).T, x.T, z)
    else:
        z[:] = 0
    for v in range(V):
        z[v] += flat[b + v]
    if direct >= 0:
        added = np.empty((B, V), f32)
        _gather(_products(C, _table(flat, direct, T, D, V), F), ids, np.zeros(V, f32), added)
        z += added.T


@compiled
def _backward(
    flat: Floats,
    g: Floats,
    at: Ids,
    sizes: Ids,
    T: int,
    relu: bool,
    ids: Ids,
    masks: Floats,
    h: Floats,
    read: Floats,
    dh: Floats,
    dF: Floats,
    dz: Floats,
) -> None:
    """From the logits' gradient ``dz`` (V, B); that of the output's bias is there already."""
    B, V, D, hidden = len(ids), sizes[0], sizes[1], sizes[2:-1]
    C, dC, direct = _matrix(flat, at[0], V, D), _matrix(g, at[0], V, D), at[-1]
    dC[:] = 0
    if direct >= 0:
        _scatter(dz.T, ids, dF, V)
        _products_backward(C, _table(flat, direct, T, D, V), dF, dC, _table(g, direct, T, D, V))
    begin, W = B * hidden.sum(), at[-3]
    if len(hidden):
        K = hidden[-1]
        begin -= B * K
        _matrix(g, W, K, V)[:] = np.dot(dz, _matrix(read, begin, B, K)).T
        np.dot(dz.T, _matrix(flat, W, K, V).T, _matrix(dh, begin, B, K))
    for layer in range(len(hidden) - 1, -1, -1):
        W, b, K = at[1 + 2 * layer], at[2 + 2 * layer], hidden[layer]
        d = _matrix(dh, begin, B, K)
        if len(masks):
            d *= _matrix(masks, begin, B, K)
        activate_backward(_matrix(h, begin, B, K), d, g[b : b + K], relu)
        if layer == 0:
            _scatter(d, ids, dF, V)
            _products_backward(C, _table(flat, W, T, D, K), dF, dC, _table(g, W, T, D, K))
        else:
            before = hidden[layer - 1]
            begin -= B * before
            np.dot(_matrix(read, begin, B, before).T, d, _matrix(g, W, before, K))
            np.dot(d, _matrix(flat, W, before, K).T, _matrix(dh, begin, B, before))


@compiled
def _products(C: Floats, W: Floats, room: Floats) -> Floats:
    """The table ``F_t = C · W_t`` (T, V, K), in a part of ``room``."""
    F = _table(room, 0, len(W), len(C), W.shape[2])
    for t in range(len(W)):
        np.dot(C, W[t], F[t])
    return F


@compiled
def _products_backward(C: Floats, W: Floats, room: Floats, dC: Floats, dW: Floats) -> None:
    """From the table's gradient in ``room``: writes dW (T, D, K), adds to dC (V, D)."""
    dF, part = _table(room, 0, len(W), len(C), W.shape[2]), np.empty_like(dC)
    for t in range(len(W)):
        np.dot(C.T, dF[t], dW[t])
        np.dot(dF[t], W[t].T, part)
        dC += part


@compiled
def _gather(table: Floats, ids: Ids, bias: Floats, out: Floats) -> None:
    """``out`` (B, K) = bias + Σ_t of the rows of ``table`` (T, V, K) that the contexts name."""
    B, K = out.shape
    for b in range(B):
        for k in range(K):
            out[b, k] = bias[k]
        for t in range(len(table)):
            c = ids[b, t]
            for k in range(K):
                out[b, k] += table[t, c, k]


@compiled
def _scatter(d: Floats, ids: Ids, room: Floats, V: int) -> None:
    """The way back: ``room`` becomes the sums (T, V, K) of those rows of ``d`` (B, K) with a character at a place."""
    T, K = ids.shape[1], d.shape[1]
    dF = _table(room, 0, T, V, K)
    dF[:] = 0
    for row in range(len(d)):
        for t in range(T):
            c = ids[row, t]
            for k in range(K):
                dF[t, c, k] += d[row, k]


@compiled
def adamw(
    flat: Floats,
    gradient: Floats,
    moments: Floats,
    decayed: int,
    numbers: tuple[float, float, float, float, float, float],
) -> None:
    """One update of all parameters (P,) and their moments (2, P): weights, the first ``decayed``, times ``keep``; then

    ``flat −= rate · mean / (√square · root + epsilon)``.
    """
    keep, beta1, beta2, root, epsilon, rate = [f32(number) for number in numbers]
    if keep != f32(1):
        for i in range(decayed):
            flat[i] *= keep
    for i in range(len(flat)):
        g = gradient[i]
        m = moments[0, i] + (g - moments[0, i]) * (f32(1) - beta1)
        s = moments[1, i] * beta2 + g * g * (f32(1) - beta2)
        moments[0, i], moments[1, i] = m, s
        flat[i] -= rate * m / (np.sqrt(s) * root + epsilon)


# ---- recurrent networks, level by level over a batch's prefix tree
#
# M prefixes lie level by level; a state belongs to each, and one to what is before the first character: M + 1 rows,
# that one first. ``gates`` (G, M, H) are those of the architecture. Loops go over a level's numbers as one row where
# none of another level is read; else by indices that are read before, as a view of each row would take as long. They
# write one array each. Otherwise the compiler makes no vector instructions of them.

RNN, GRU, LSTM = range(3)


@compiled
def recurrent(
    kind: int,
    p: tuple[Floats, ...],
    g: tuple[Floats, ...],
    characters: Ids,
    parents: Ids,
    sizes: Ids,
    q: Floats,
    seen: Floats,
    dropped: Floats,
) -> float:
    """The mean loss of a recurrent network on a batch; ``g`` become its derivatives with respect to ``p``.

    Parameters
    ----------
    p, g : C, W_ih, W_hh, W_lm_head as matrices, then b_ih, b_hh, b_lm_head as rows
    characters, parents : (M,), the last of each prefix, and the row of the state that it continues
    sizes : how many prefixes each level has
    q : (V, M), what follows each prefix, times how often it counts
    seen, dropped : (M, H), masks of dropout of what the head reads, and inside the cell; or no rows
    """
    (C, W_ih, W_hh, W_out, b_ih, b_hh, b_out), M, H = p, len(characters), len(p[2])
    dC, dW_ih, dW_hh, dW_out, db_ih, db_hh, db_out = g
    table, G = np.dot(C, W_ih), W_hh.shape[1] // H
    for v in range(len(C)):
        table[v] += b_ih[0]
    if kind == GRU:
        table[:, : 2 * H] += b_hh[0, : 2 * H]  # that of the candidate is multiplied by r
    elif kind == LSTM:
        table[:, H : 2 * H] += f32(1)
    states, cells = np.empty((M + 1, H), f32), np.empty((M + 1 if kind == LSTM else 1, H), f32)
    states[0], cells[0] = 0, 0
    gates, inner = np.empty((G, M, H), f32), np.empty((M if kind != RNN else 0, H), f32)
    kept = np.empty((M, H), f32) if len(dropped) else gates[G - 1]
    rows = continued(parents, sizes)
    read = _down(
        kind, table, W_hh, b_hh[0], characters, parents, sizes, rows, states, cells, gates, inner, kept, dropped
    )

    h = states[1:] * seen if len(seen) else states[1:]
    z = np.dot(W_out.T, h.T)
    for v in range(len(C)):
        z[v] += b_out[0, v]
    loss = loss_of_shares(z, q, db_out[0])
    dW_out[:] = np.dot(z, h).T
    dh = np.empty((M + 1, H), f32)
    dh[0] = 0
    np.dot(z.T, W_out.T, dh[1:])
    if len(seen):
        dh[1:] *= seen

    dtable = np.zeros_like(table)
    dproducts = _up(
        kind, W_hh, characters, parents, sizes, rows, states, cells, gates, inner, kept, dropped, dh, dtable
    )
    np.dot(read.T, dproducts, dW_hh)
    np.dot(C.T, dtable, dW_ih)
    db_ih[0] = dtable.sum(0)
    db_hh[0] = db_ih[0]
    if kind == GRU:
        db_hh[0, 2 * H :] = dproducts[:, 2 * H :].sum(0)
    np.dot(dtable, W_ih.T, dC)
    return loss


@compiled
def continued(parents: Ids, sizes: Ids) -> Continued:
    """The K states that are continued, each once a level; which of them is each prefix's; where a level's begin."""
    found, above = np.empty(len(parents), np.int64), np.empty(len(parents), np.int64)
    firsts, begin, K = np.empty(len(sizes) + 1, np.int64), 0, 0
    for level in range(len(sizes)):
        end, firsts[level] = begin + sizes[level], K
        for i in range(begin, end):  # those that continue the same prefix are neighbours
            if i == begin or parents[i] != parents[i - 1]:
                found[K] = parents[i]
                K += 1
            above[i] = K - 1
        begin = end
    firsts[len(sizes)] = K
    return found[:K], above, firsts


@compiled
def _down(
    kind: int,
    table: Floats,
    W_hh: Floats,
    b_hh: Floats,
    characters: Ids,
    parents: Ids,
    sizes: Ids,
    rows: Continued,
    states: Floats,
    cells: Floats,
    gates: Floats,
    inner: Floats,
    kept: Floats,
    dropped: Floats,
) -> Floats:
    """Fill in states, cells and gates; returns the K states that are read, as rows."""
    found, which, firsts = rows
    G, _, H = gates.shape
    read, products = np.empty((len(found), H), f32), np.empty((len(found), G * H), f32)
    of_character, of_state, begin = table.reshape(-1, G, H), products.reshape(-1, G, H), 0
    for level in range(len(sizes)):
        end, first, last = begin + sizes[level], firsts[level], firsts[level + 1]
        for row in range(first, last):
            state = found[row]
            for k in range(H):
                read[row, k] = states[state, k]
        np.dot(read[first:last], W_hh, products[first:last])
        for i in range(begin, end):
            c, above = characters[i], which[i]
            for gate in range(2 if kind == GRU else G):
                for k in range(H):
                    gates[gate, i, k] = of_character[c, gate, k] + of_state[above, gate, k]
        if kind == GRU:
            for i in range(begin, end):
                c, above = characters[i], which[i]
                for k in range(H):
                    gates[2, i, k] = of_character[c, 2, k]
                for k in range(H):
                    inner[i, k] = of_state[above, 2, k] + b_hh[2 * H + k]
            _gru(begin, end, parents, states, gates, inner, kept, dropped)
        elif kind == LSTM:
            _lstm(begin, end, parents, states, cells, gates, inner, kept, dropped)
        else:
            _rnn(begin, end, states, gates)
        begin = end
    return read


@compiled
def _up(
    kind: int,
    W_hh: Floats,
    characters: Ids,
    parents: Ids,
    sizes: Ids,
    rows: Continued,
    states: Floats,
    cells: Floats,
    gates: Floats,
    inner: Floats,
    kept: Floats,
    dropped: Floats,
    dh: Floats,
    dtable: Floats,
) -> Floats:
    """From the states' gradients: adds to the table's, returns that of the products (K, columns)."""
    found, which, firsts = rows
    G, _, H = gates.shape
    dproducts, dc = np.zeros((len(found), G * H), f32), np.zeros_like(cells)
    dgates = np.empty((G + 1, sizes.max(), H), f32)  # of one level; the last is that of the GRU's candidate alone
    of_character, of_state, begin = dtable.reshape(-1, G, H), dproducts.reshape(-1, G, H), len(parents)
    for level in range(len(sizes) - 1, -1, -1):
        end, first, last = begin, firsts[level], firsts[level + 1]
        begin = end - sizes[level]
        if kind == GRU:
            _gru_backward(begin, end, parents, states, gates, inner, kept, dropped, dh, dgates)
        elif kind == LSTM:
            _lstm_backward(begin, end, parents, cells, gates, inner, kept, dropped, dh, dc, dgates)
        else:
            _rnn_backward(begin, end, states, dh, dgates)
        for i in range(begin, end):
            c, above = characters[i], which[i]
            for gate in range(G):
                for k in range(H):
                    of_state[above, gate, k] += dgates[gate, i - begin, k]
                own = 3 if kind == GRU and gate == 2 else gate
                for k in range(H):
                    of_character[c, gate, k] += dgates[own, i - begin, k]
        if kind != RNN:
            _through(begin, end, parents, dh if kind == GRU else dc, gates[1])
        back = np.dot(dproducts[first:last], W_hh.T)
        for row in range(first, last):
            state = found[row]
            for k in range(H):
                dh[state, k] += back[row - first, k]
    return dproducts


@compiled
def _by_character(d: Floats, characters: Ids, V: int) -> Floats:
    """Sums (V, K) of the rows of ``d`` (M, K) whose prefix ends in the same character."""
    total = np.zeros((V, d.shape[1]), f32)
    for i in range(len(d)):
        c = characters[i]
        for k in range(d.shape[1]):
            total[c, k] += d[i, k]
    return total


@compiled
def _through(begin: int, end: int, parents: Ids, d: Floats, gate: Floats) -> None:
    """What a state's gradient gives the one that it continues, by a gate."""
    for i in range(begin, end):
        parent = parents[i]
        for k in range(d.shape[1]):
            d[parent, k] += d[i + 1, k] * gate[i, k]


@compiled
def _row(numbers: Floats, begin: int, end: int) -> Floats:
    """Some rows of (M, H), as one."""
    return numbers[begin:end].reshape(-1)


@compiled
def _sigmoid(z: Floats) -> None:
    """In place."""
    for k in range(len(z)):
        z[k] = f32(0.5) + f32(0.5) * one_tanh(f32(0.5) * z[k])


@compiled
def _keep(candidate: Floats, begin: int, end: int, kept: Floats, dropped: Floats) -> None:
    """What dropout leaves of it; without, ``kept`` is where the candidates are."""
    if len(dropped):
        out, mask = _row(kept, begin, end), _row(dropped, begin, end)
        for k in range(len(out)):
            out[k] = candidate[k] * mask[k]


@compiled
def _drop(d: Floats, begin: int, end: int, dropped: Floats) -> None:
    """The way back, in place."""
    if len(dropped):
        mask = _row(dropped, begin, end)
        for k in range(len(d)):
            d[k] *= mask[k]


# ---- RNN


@compiled
def _rnn(begin: int, end: int, states: Floats, gates: Floats) -> None:
    h, a = _row(states, begin + 1, end + 1), _row(gates[0], begin, end)
    for k in range(len(h)):
        h[k] = one_tanh(a[k])


@compiled
def _rnn_backward(begin: int, end: int, states: Floats, dh: Floats, dgates: Floats) -> None:
    h, d, out = _row(states, begin + 1, end + 1), _row(dh, begin + 1, end + 1), _row(dgates[0], 0, end - begin)
    for k in range(len(d)):
        out[k] = d[k] * (f32(1) - h[k] * h[k])


# ---- GRU: r, z, n


@compiled
def _gru(
    begin: int,
    end: int,
    parents: Ids,
    states: Floats,
    gates: Floats,
    inner: Floats,
    kept: Floats,
    dropped: Floats,
) -> None:
    r, z, n = _row(gates[0], begin, end), _row(gates[1], begin, end), _row(gates[2], begin, end)
    a = _row(inner, begin, end)
    _sigmoid(r)
    _sigmoid(z)
    for k in range(len(n)):
        n[k] = one_tanh(n[k] + r[k] * a[k])
    _keep(n, begin, end, kept, dropped)
    for i in range(begin, end):
        parent = parents[i]
        for k in range(states.shape[1]):
            states[i + 1, k] = kept[i, k] + gates[1, i, k] * (states[parent, k] - kept[i, k])


@compiled
def _gru_backward(
    begin: int,
    end: int,
    parents: Ids,
    states: Floats,
    gates: Floats,
    inner: Floats,
    kept: Floats,
    dropped: Floats,
    dh: Floats,
    dgates: Floats,
) -> None:
    r, z, n = _row(gates[0], begin, end), _row(gates[1], begin, end), _row(gates[2], begin, end)
    a, d, size = _row(inner, begin, end), _row(dh, begin + 1, end + 1), end - begin
    dr, dn, da = _row(dgates[0], 0, size), _row(dgates[2], 0, size), _row(dgates[3], 0, size)
    for k in range(len(d)):
        da[k] = d[k] * (f32(1) - z[k]) * (f32(1) - n[k] * n[k])
    _drop(da, begin, end, dropped)
    for k in range(len(d)):
        dr[k] = da[k] * a[k] * r[k] * (f32(1) - r[k])
    for k in range(len(d)):
        dn[k] = da[k] * r[k]
    for i in range(begin, end):
        parent = parents[i]
        for k in range(states.shape[1]):
            toward = states[parent, k] - kept[i, k]
            dgates[1, i - begin, k] = dh[i + 1, k] * toward * gates[1, i, k] * (f32(1) - gates[1, i, k])


# ---- LSTM: i, f, o, g


@compiled
def _lstm(
    begin: int,
    end: int,
    parents: Ids,
    states: Floats,
    cells: Floats,
    gates: Floats,
    bent: Floats,
    kept: Floats,
    dropped: Floats,
) -> None:
    for gate in range(3):
        _sigmoid(_row(gates[gate], begin, end))
    g = _row(gates[3], begin, end)
    tanh(g)
    _keep(g, begin, end, kept, dropped)
    for i in range(begin, end):
        parent = parents[i]
        for k in range(cells.shape[1]):
            cells[i + 1, k] = gates[0, i, k] * kept[i, k] + gates[1, i, k] * cells[parent, k]
    h, o = _row(states, begin + 1, end + 1), _row(gates[2], begin, end)
    c, b = _row(cells, begin + 1, end + 1), _row(bent, begin, end)
    for k in range(len(c)):
        b[k] = one_tanh(c[k])
    for k in range(len(h)):
        h[k] = o[k] * b[k]


@compiled
def _lstm_backward(
    begin: int,
    end: int,
    parents: Ids,
    cells: Floats,
    gates: Floats,
    bent: Floats,
    kept: Floats,
    dropped: Floats,
    dh: Floats,
    dcells: Floats,
    dgates: Floats,
) -> None:
    i, o, g = _row(gates[0], begin, end), _row(gates[2], begin, end), _row(gates[3], begin, end)
    b, candidate, size = _row(bent, begin, end), _row(kept, begin, end), end - begin
    d, dc = _row(dh, begin + 1, end + 1), _row(dcells, begin + 1, end + 1)
    di, do, dg = _row(dgates[0], 0, size), _row(dgates[2], 0, size), _row(dgates[3], 0, size)
    for k in range(len(d)):
        do[k] = d[k] * b[k] * o[k] * (f32(1) - o[k])
    for k in range(len(d)):
        dc[k] += d[k] * o[k] * (f32(1) - b[k] * b[k])
    for k in range(len(d)):
        di[k] = dc[k] * candidate[k] * i[k] * (f32(1) - i[k])
    for k in range(len(d)):
        dg[k] = dc[k] * i[k] * (f32(1) - g[k] * g[k])
    _drop(dg, begin, end, dropped)
    for row in range(begin, end):
        parent = parents[row]
        for k in range(cells.shape[1]):
            f = gates[1, row, k]
            dgates[1, row - begin, k] = dcells[row + 1, k] * cells[parent, k] * f * (f32(1) - f)


# ---- transformers
#
# M prefixes, each of which looks at itself and at those that it continues: P pairs (i, j), those of a prefix one after
# the other. A layer adds twice to the stream ``s`` (M, D): what attention takes together, and what is bent.

TANH, RELU, GELU = range(3)
Kept = tuple[Floats, Floats, Floats, Floats, Floats, Floats, Floats]
"""For the way back. What the two normalisations of each layer make, and last that of the embeddings (RMS) or of what
the head reads: (2 · layers + 1, M, D); what they multiply by: (2 · layers + 1, M). Queries, keys and values
(layers, M, 3D); attention weights (layers, heads, P); what they take together (layers, M, D). Before the activation,
and after it: both (layers, M, 4D)."""


@compiled
def transformer(
    form: tuple[int, int, int, int, bool, int],
    flat: Floats,
    g: Floats,
    at: Ids,
    characters: Ids,
    parents: Ids,
    sizes: Ids,
    q: Floats,
    masks: Floats,
) -> float:
    """The mean loss of a transformer on a batch; ``g`` becomes its derivatives with respect to ``flat``.

    Parameters
    ----------
    form : V, T, D, how many heads, whether normalisation is by the mean square, and one of TANH, RELU, GELU
    at : (layers + 1, 12), where tensors begin in flat, -1 where there is none. Of each layer: gain and bias of the
        first normalisation, W and b of queries, keys and values, W and b after attention, gain and bias of the second
        normalisation, W and b up, W and b down. Last C, wpe, gain and bias of the last normalisation, W and b of the
        head
    characters, parents, sizes, q : as for :func:`recurrent`
    masks : (2 · layers, M, D), of dropout of what is added to the stream; or none
    """
    V, T, D, heads, rms, _ = form
    M, layers, last = len(characters), len(at) - 1, at[-1]
    pairs = attended(parents)
    kept: Kept = (
        np.empty((2 * layers + 1, M, D), f32),
        np.empty((2 * layers + 1, M), f32),
        np.empty((layers, M, 3 * D), f32),
        np.empty((layers, heads, len(pairs[1])), f32),
        np.empty((layers, M, D), f32),
        np.empty((layers, M, 4 * D), f32),
        np.empty((layers, M, 4 * D), f32),
    )
    s = _begun(_matrix(flat, last[0], V, D), _matrix(flat, last[1], T, D), characters, sizes)
    if rms:
        _normalise(s, rms, kept[0][-1], kept[1][-1])
        s[:] = kept[0][-1]
    for n in range(layers):
        _layer(form, flat, at[n], n, pairs, kept, masks, s)
    if not rms:
        _normalise(s, rms, kept[0][-1], kept[1][-1])
        _learned(flat, last[2:4], kept[0][-1], s)

    ds, d = np.zeros((M, D), f32), np.empty((M, D), f32)
    loss = _head(flat, g, last[4:6], s, q, d)
    if rms:
        ds[:] = d
    else:
        _learned_backward(flat, g, last[2:4], kept[0][-1], d)
        _normalise_backward(d, rms, kept[0][-1], kept[1][-1], ds)
    for n in range(layers - 1, -1, -1):
        _layer_backward(form, flat, g, at[n], n, pairs, kept, masks, ds)
    if rms:
        d[:] = 0
        _normalise_backward(ds, rms, kept[0][-1], kept[1][-1], d)
        ds[:] = d
    _matrix(g, last[0], V, D)[:] = _by_character(ds, characters, V)
    _by_place(ds, sizes, _matrix(g, last[1], T, D))
    return loss


@compiled
def attended(parents: Ids) -> tuple[Ids, Ids]:
    """Where the pairs of each prefix begin (M + 1,), and which prefix each of them looks at (P,), itself last."""
    M = len(parents)
    starts = np.zeros(M + 1, np.int64)
    for i in range(M):  # its parent is row i of the states, whose row 0 is before the first character
        above = parents[i]
        starts[i + 1] = starts[i] + 1 + (starts[above] - starts[above - 1] if above else 0)
    others = np.empty(starts[M], np.int64)
    for i in range(M):
        above, begin, end = parents[i], starts[i], starts[i + 1]
        if above:
            others[begin : end - 1] = others[starts[above - 1] : starts[above]]
        others[end - 1] = i
    return starts, others


@compiled
def _begun(C: Floats, wpe: Floats, characters: Ids, sizes: Ids) -> Floats:
    """The stream's first rows (M, D): characters and places."""
    s, begin = np.empty((len(characters), C.shape[1]), f32), 0
    for place in range(len(sizes)):
        for i in range(begin, begin + sizes[place]):
            c = characters[i]
            for k in range(C.shape[1]):
                s[i, k] = C[c, k] + wpe[place, k]
        begin += sizes[place]
    return s


@compiled
def _by_place(ds: Floats, sizes: Ids, dwpe: Floats) -> None:
    dwpe[:] = 0
    begin = 0
    for place in range(len(sizes)):
        for i in range(begin, begin + sizes[place]):
            dwpe[place] += ds[i]
        begin += sizes[place]


@compiled
def _layer(
    form: tuple[int, int, int, int, bool, int],
    flat: Floats,
    at: Ids,
    n: int,
    pairs: tuple[Ids, Ids],
    kept: Kept,
    masks: Floats,
    s: Floats,
) -> None:
    """Attention, then the feed-forward layer: each reads ``s`` normalised, and adds to it."""
    (_, _, _, _, rms, activation), (normal, inverse, qkv, weights, mixed, bent, up) = form, kept
    x, added = np.empty_like(s), np.empty_like(s)
    _normalise(s, rms, normal[2 * n], inverse[2 * n])
    _learned(flat, at[0:2], normal[2 * n], x)
    _linear(flat, at[2:4], x, qkv[n])
    _attend(qkv[n], pairs, weights[n], mixed[n])
    _linear(flat, at[4:6], mixed[n], added)
    _add(s, added, masks, 2 * n)
    _normalise(s, rms, normal[2 * n + 1], inverse[2 * n + 1])
    _learned(flat, at[6:8], normal[2 * n + 1], x)
    _linear(flat, at[8:10], x, bent[n])
    _bend(activation, bent[n], up[n])
    _linear(flat, at[10:12], up[n], added)
    _add(s, added, masks, 2 * n + 1)


@compiled
def _layer_backward(
    form: tuple[int, int, int, int, bool, int],
    flat: Floats,
    g: Floats,
    at: Ids,
    n: int,
    pairs: tuple[Ids, Ids],
    kept: Kept,
    masks: Floats,
    ds: Floats,
) -> None:
    """To the gradient of the stream before a layer, from the one after it in ``ds``; writes those of the tensors."""
    (_, _, _, _, rms, activation), (normal, inverse, qkv, weights, mixed, bent, up) = form, kept
    x, d, dup, dqkv = np.empty_like(ds), np.empty_like(ds), np.empty_like(up[n]), np.empty_like(qkv[n])
    _dropped(ds, masks, 2 * n + 1, d)
    _linear_backward(flat, g, at[10:12], up[n], d, dup)
    _bend_backward(activation, bent[n], up[n], dup)
    _learned(flat, at[6:8], normal[2 * n + 1], x)
    _linear_backward(flat, g, at[8:10], x, dup, d)
    _learned_backward(flat, g, at[6:8], normal[2 * n + 1], d)
    _normalise_backward(d, rms, normal[2 * n + 1], inverse[2 * n + 1], ds)
    _dropped(ds, masks, 2 * n, d)
    _linear_backward(flat, g, at[4:6], mixed[n], d, x)
    _attend_backward(qkv[n], pairs, weights[n], x, dqkv)
    _learned(flat, at[0:2], normal[2 * n], x)
    _linear_backward(flat, g, at[2:4], x, dqkv, d)
    _learned_backward(flat, g, at[0:2], normal[2 * n], d)
    _normalise_backward(d, rms, normal[2 * n], inverse[2 * n], ds)


@compiled
def _head(flat: Floats, g: Floats, at: Ids, h: Floats, q: Floats, dh: Floats) -> float:
    """The loss after what the head reads, and its gradient there; writes those of the head."""
    V, db = len(q), np.empty(len(q), f32)
    W = _matrix(flat, at[0], h.shape[1], V)
    z = np.dot(W.T, h.T)
    if at[1] >= 0:
        for v in range(V):
            z[v] += flat[at[1] + v]
    loss = loss_of_shares(z, q, db)
    if at[1] >= 0:
        g[at[1] : at[1] + V] = db
    _matrix(g, at[0], h.shape[1], V)[:] = np.dot(z, h).T
    np.dot(z.T, W.T, dh)
    return loss


@compiled
def _normalise(s: Floats, rms: bool, normal: Floats, inverse: Floats) -> None:
    """Rows of ``s`` to a mean square of 1; unless ``rms``, less their mean first."""
    M, D = s.shape
    for i in range(M):
        mean, square = f32(0), f32(0)
        if not rms:
            for k in range(D):
                mean += s[i, k]
            mean /= f32(D)
        for k in range(D):
            square += (s[i, k] - mean) * (s[i, k] - mean)
        scale = f32(1) / np.sqrt(square / f32(D) + f32(1e-5))
        for k in range(D):
            normal[i, k] = (s[i, k] - mean) * scale
        inverse[i] = scale


@compiled
def _normalise_backward(d: Floats, rms: bool, normal: Floats, inverse: Floats, ds: Floats) -> None:
    """Add to ``ds``: (d − mean(d) − normal ⊙ mean(d ⊙ normal)) · inverse, means over a row; RMS without the first."""
    M, D = d.shape
    for i in range(M):
        mean, along = f32(0), f32(0)
        if not rms:
            for k in range(D):
                mean += d[i, k]
            mean /= f32(D)
        for k in range(D):
            along += d[i, k] * normal[i, k]
        along /= f32(D)
        scale = inverse[i]
        for k in range(D):
            ds[i, k] += (d[i, k] - mean - normal[i, k] * along) * scale


@compiled
def _learned(flat: Floats, at: Ids, normal: Floats, x: Floats) -> None:
    """``x`` = normal ⊙ gain + bias, as far as there are those."""
    D = normal.shape[1]
    x[:] = normal
    if at[0] >= 0:
        _times(x, flat[at[0] : at[0] + D])
    if at[1] >= 0:
        _plus(x, flat[at[1] : at[1] + D])


@compiled
def _learned_backward(flat: Floats, g: Floats, at: Ids, normal: Floats, d: Floats) -> None:
    """In place: from the gradient of ``x`` to that of ``normal``."""
    M, D = normal.shape
    if at[1] >= 0:
        _sum_rows(d, g[at[1] : at[1] + D])
    if at[0] >= 0:
        gain, dgain = flat[at[0] : at[0] + D], g[at[0] : at[0] + D]
        dgain[:] = 0
        for i in range(M):
            for k in range(D):
                dgain[k] += d[i, k] * normal[i, k]
        _times(d, gain)


@compiled
def _sum_rows(d: Floats, total: Floats) -> None:
    M, K = d.shape
    total[:] = 0
    for i in range(M):
        for k in range(K):
            total[k] += d[i, k]


@compiled
def _plus(rows: Floats, row: Floats) -> None:
    M, K = rows.shape
    for i in range(M):
        for k in range(K):
            rows[i, k] += row[k]


@compiled
def _times(rows: Floats, row: Floats) -> None:
    M, K = rows.shape
    for i in range(M):
        for k in range(K):
            rows[i, k] *= row[k]


@compiled
def _linear(flat: Floats, at: Ids, x: Floats, y: Floats) -> None:
    """``y = x · W + b``, or without b."""
    K = y.shape[1]
    np.dot(x, _matrix(flat, at[0], x.shape[1], K), y)
    if at[1] >= 0:
        _plus(y, flat[at[1] : at[1] + K])


@compiled
def _linear_backward(flat: Floats, g: Floats, at: Ids, x: Floats, dy: Floats, dx: Floats) -> None:
    """``dW = xᵀ · dy``, ``db = Σ_rows dy``, ``dx = dy · Wᵀ``."""
    J, K = x.shape[1], dy.shape[1]
    np.dot(x.T, dy, _matrix(g, at[0], J, K))
    if at[1] >= 0:
        _sum_rows(dy, g[at[1] : at[1] + K])
    np.dot(dy, _matrix(flat, at[0], J, K).T, dx)


@compiled
def _add(s: Floats, added: Floats, masks: Floats, which: int) -> None:
    if len(masks):
        added *= masks[which]
    s += added


@compiled
def _dropped(ds: Floats, masks: Floats, which: int, d: Floats) -> None:
    d[:] = ds
    if len(masks):
        d *= masks[which]


@compiled
def _attend(qkv: Floats, pairs: tuple[Ids, Ids], weights: Floats, mixed: Floats) -> None:
    """Weights (heads, P): of each head and prefix the softmax of q · k / √(D / heads); ``mixed``, sums of v by them."""
    starts, others = pairs
    (M, D), heads, P = mixed.shape, len(weights), len(others)
    size, most, largest = D // heads, np.empty(heads, f32), np.empty((heads, P), f32)
    of, out, scale = qkv.reshape(M, 3, heads, size), mixed.reshape(M, heads, size), f32(1) / np.sqrt(f32(size))
    for i in range(M):
        begin, end = starts[i], starts[i + 1]
        most[:] = -np.inf
        for p in range(begin, end):
            j = others[p]
            for h in range(heads):
                score = f32(0)
                for k in range(size):
                    score += of[i, 0, h, k] * of[j, 1, h, k]
                score *= scale
                weights[h, p] = score
                most[h] = max(most[h], score)
        for h in range(heads):
            largest[h, begin:end] = most[h]
    _exp(weights.reshape(1, heads * P), largest.reshape(heads * P))
    mixed[:] = 0
    for i in range(M):
        begin, end = starts[i], starts[i + 1]
        for h in range(heads):
            total = f32(0)
            for p in range(begin, end):
                total += weights[h, p]
            for p in range(begin, end):
                weights[h, p] /= total
        for p in range(begin, end):
            j = others[p]
            for h in range(heads):
                w = weights[h, p]
                for k in range(size):
                    out[i, h, k] += w * of[j, 2, h, k]


@compiled
def _attend_backward(qkv: Floats, pairs: tuple[Ids, Ids], weights: Floats, d: Floats, dqkv: Floats) -> None:
    """From the gradient ``d`` (M, D) of what attention takes together; formulas in ``tree_backprop/attention.py``."""
    starts, others = pairs
    (M, D), heads = d.shape, len(weights)
    size, dscores = D // heads, np.empty((heads, len(starts)), f32)
    of, dof, dout = qkv.reshape(M, 3, heads, size), dqkv.reshape(M, 3, heads, size), d.reshape(M, heads, size)
    scale = f32(1) / np.sqrt(f32(size))
    dqkv[:] = 0
    for i in range(M):
        begin, count = starts[i], starts[i + 1] - starts[i]
        for a in range(count):
            j = others[begin + a]
            for h in range(heads):
                dw = f32(0)
                for k in range(size):
                    dw += dout[i, h, k] * of[j, 2, h, k]
                dscores[h, a] = dw
        for h in range(heads):
            along = f32(0)
            for a in range(count):
                along += dscores[h, a] * weights[h, begin + a]
            for a in range(count):
                dscores[h, a] = weights[h, begin + a] * (dscores[h, a] - along) * scale
        for a in range(count):
            j = others[begin + a]
            for h in range(heads):
                w, dscore = weights[h, begin + a], dscores[h, a]
                for k in range(size):
                    dof[i, 0, h, k] += dscore * of[j, 1, h, k]
                for k in range(size):
                    dof[j, 1, h, k] += dscore * of[i, 0, h, k]
                for k in range(size):
                    dof[j, 2, h, k] += w * dout[i, h, k]


@compiled
def _one_erf(x: np.float32) -> np.float32:
    """An odd polynomial over an even one, between ±4, and ±1 beyond: within 3e-7 of erf. As in Eigen."""
    y = min(max(x, f32(-4)), f32(4))
    s = y * y
    p = f32(-2.72614225801306e-10)
    p = p * s + f32(2.77068142495902e-08)
    p = p * s + f32(-2.10102402082508e-06)
    p = p * s + f32(-5.69250639462346e-05)
    p = p * s + f32(-7.34990630326855e-04)
    p = p * s + f32(-2.95459980854025e-03)
    p = p * s + f32(-1.60960333262415e-02)
    q = f32(-1.45660718464996e-05)
    q = q * s + f32(-2.13374055278905e-04)
    q = q * s + f32(-1.68282697438203e-03)
    q = q * s + f32(-7.37332916720468e-03)
    q = q * s + f32(-1.42647390514189e-02)
    return y * p / q


@compiled
def _bend(kind: int, z: Floats, y: Floats) -> None:
    """The activation of ``z``."""
    a, b = z.reshape(-1), y.reshape(-1)
    if kind == TANH:
        b[:] = a
        tanh(y)
    elif kind == RELU:
        np.maximum(a, f32(0), b)
    else:
        for i in range(len(a)):
            b[i] = f32(0.5) * a[i] * (f32(1) + _one_erf(a[i] * f32(0.70710678)))


@compiled
def _bend_backward(kind: int, z: Floats, y: Floats, d: Floats) -> None:
    """In place: d ⊙ f'(z). Of GELU it is Φ(z) + z · φ(z), of the normal distribution and its density."""
    a, b, c = z.reshape(-1), y.reshape(-1), d.reshape(-1)
    if kind == TANH:
        for i in range(len(a)):
            c[i] *= f32(1) - b[i] * b[i]
    elif kind == RELU:
        for i in range(len(a)):
            c[i] *= f32(b[i] > 0)
    else:
        density, nothing = np.empty(1024, f32), np.zeros(1024, f32)  # of as many as stay in the fastest memory
        for begin in range(0, len(a), 1024):
            n = min(1024, len(a) - begin)
            x, d = a[begin : begin + n], c[begin : begin + n]
            for i in range(n):
                density[i] = f32(-0.5) * x[i] * x[i]
            _exp(density[:n].reshape(1, n), nothing)
            for i in range(n):
                d[i] *= f32(0.5) * (f32(1) + _one_erf(x[i] * f32(0.70710678))) + x[i] * f32(0.39894228) * density[i]
