"""Updates in compiled functions: a batch of contexts, the loss and gradients of MLPs and recurrent networks, AdamW.

The formulas are those of :mod:`mmcore.backprop` and :mod:`mmcore.tree_backprop`. Loops run over arrays as they lie in
memory, float32 and C-contiguous; Numba makes vector instructions of them, and matrix products are the linear algebra
library's. A number that is not finite stays so on its way to the loss: that is how training sees that it has diverged.
Sums may be taken in another order than as written, which the last bits show.

Nothing here checks an index. All is in one file, because Numba keeps what it has compiled until the file changes that a
function is in, whatever happens to those it calls.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg.cython_blas  # noqa: F401 (where Numba finds matrix products)
from numba import njit

f32 = np.float32
# Not "fast" altogether: that would also take for granted that nothing overflows.
compiled: Any = njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "arcp", "nsz"})


@compiled
def draw(owner, points, contexts, shares, ids, q, offset):  # type: ignore[no-untyped-def]
    """A systematic sample: the contexts ``ids`` (B, T) at evenly spaced places, and what follows each, ``q`` (V, B)."""
    V, B = q.shape
    for b in range(B):
        row = owner[min(np.int64(points[b] + offset), len(owner) - 1)]
        for t in range(ids.shape[1]):
            ids[b, t] = contexts[row, t]
        for v in range(V):
            q[v, b] = shares[row, v]


@compiled
def one_tanh(x):  # type: ignore[no-untyped-def]
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
def tanh(z):  # type: ignore[no-untyped-def]
    """In place."""
    flat = z.reshape(-1)
    for i in range(len(flat)):
        flat[i] = one_tanh(flat[i])


@compiled
def activate_backward(h, dh, db, relu):  # type: ignore[no-untyped-def]
    """In place: ``dh`` (B, H) becomes dz = dh ⊙ (1 − h²), for ReLU dh ⊙ (h > 0); ``db`` (H,) its sum over the rows."""
    B, H = h.shape
    db[:] = 0
    for b in range(B):
        for k in range(H):
            d = dh[b, k] * (f32(h[b, k] > 0) if relu else f32(1) - h[b, k] * h[b, k])
            dh[b, k] = d
            db[k] += d


@compiled
def _largest(z):  # type: ignore[no-untyped-def]
    """Of each column of ``z`` (V, B)."""
    V, B = z.shape
    largest = z[0].copy()
    for v in range(1, V):
        for b in range(B):
            largest[b] = z[v, b] if z[v, b] > largest[b] else largest[b]
    return largest


@compiled
def _exp(z, largest):  # type: ignore[no-untyped-def]
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
def loss_of_shares(z, q, db):  # type: ignore[no-untyped-def]
    """The mean loss of logits ``z`` (V, B), which become its gradient ``(Σ_v q_v · p − q) / B``.

    ``q`` (V, B) are distributions, each times how often it counts; ``db`` (V,) becomes the sum of the gradient's rows.
    Sums are in float64: over thousands of symbols with equal shares rounding adds up.
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
def loss_of_ids(z, ids, db):  # type: ignore[no-untyped-def]
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
def _matrix(numbers, begin, rows, columns):  # type: ignore[no-untyped-def]
    return numbers[begin : begin + rows * columns].reshape(rows, columns)


@compiled
def _table(numbers, begin, T, rows, columns):  # type: ignore[no-untyped-def]
    return numbers[begin : begin + T * rows * columns].reshape(T, rows, columns)


@compiled
def gradient(flat, g, at, sizes, T, relu, ids, targets, q, masks, h, read, dh, F, dF, z):  # type: ignore[no-untyped-def]
    """The mean loss of a batch; ``g`` becomes its derivatives with respect to ``flat``.

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
    B, V, D, hidden = len(ids), sizes[0], sizes[1], sizes[2:-1]
    C, dC, direct = _matrix(flat, at[0], V, D), _matrix(g, at[0], V, D), at[-1]
    dC[:] = 0

    # Forward. The first layer, and direct connections, are sums of table rows.
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

    # Loss. The logits become its gradient.
    loss = loss_of_ids(z, targets, g[b : b + V]) if len(targets) else loss_of_shares(z, q, g[b : b + V])

    # Backward.
    if direct >= 0:
        _scatter(z.T, ids, dF, V)
        _products_backward(C, _table(flat, direct, T, D, V), dF, dC, _table(g, direct, T, D, V))
    if len(hidden):
        K = hidden[-1]
        begin -= B * K
        _matrix(g, W, K, V)[:] = np.dot(z, x).T
        np.dot(z.T, _matrix(flat, W, K, V).T, _matrix(dh, begin, B, K))
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
            np.dot(_matrix(read if len(masks) else h, begin, B, before).T, d, _matrix(g, W, before, K))
            np.dot(d, _matrix(flat, W, before, K).T, _matrix(dh, begin, B, before))
    return loss


@compiled
def _products(C, W, room):  # type: ignore[no-untyped-def]
    """The table ``F_t = C · W_t`` (T, V, K), in a part of ``room``."""
    F = _table(room, 0, len(W), len(C), W.shape[2])
    for t in range(len(W)):
        np.dot(C, W[t], F[t])
    return F


@compiled
def _products_backward(C, W, room, dC, dW):  # type: ignore[no-untyped-def]
    """From the table's gradient in ``room``: writes dW (T, D, K), adds to dC (V, D)."""
    dF, part = _table(room, 0, len(W), len(C), W.shape[2]), np.empty_like(dC)
    for t in range(len(W)):
        np.dot(C.T, dF[t], dW[t])
        np.dot(dF[t], W[t].T, part)
        dC += part


@compiled
def _gather(table, ids, bias, out):  # type: ignore[no-untyped-def]
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
def _scatter(d, ids, room, V):  # type: ignore[no-untyped-def]
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
def adamw(flat, gradient, moments, decayed, keep, beta1, beta2, root, epsilon, rate):  # type: ignore[no-untyped-def]
    """One update of all parameters (P,) and their moments (2, P): weights, the first ``decayed``, times ``keep``; then

    ``flat −= rate · mean / (√square · root + epsilon)``.
    """
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
# that one first. ``gates`` has a part of H columns for each gate of the architecture. Loops write one array each: with
# more the compiler makes no vector instructions of them.

RNN, GRU, LSTM = range(3)


@compiled
def recurrent(kind, p, g, characters, parents, sizes, q, seen, dropped):  # type: ignore[no-untyped-def]
    """The mean loss of a batch; ``g`` become its derivatives with respect to ``p``.

    Parameters
    ----------
    p, g : C, W_ih, W_hh, W_lm_head as matrices, then b_ih, b_hh, b_lm_head as rows
    characters, parents : (M,), the last of each prefix, and the row of the state that it continues
    sizes : how many prefixes each level has
    q : (V, M), what follows each prefix, times how often it counts
    seen, dropped : (M, H), masks of dropout of what the head reads, and inside the cell; or no rows
    """
    (C, W_ih, W_hh, W_out, b_ih, b_hh, b_out), M = p, len(characters)
    dC, dW_ih, dW_hh, dW_out, db_ih, db_hh, db_out = g
    H, columns, V = len(W_hh), W_hh.shape[1], len(C)
    table = np.dot(C, W_ih)
    for v in range(V):
        table[v] += b_ih[0]
    if kind == GRU:
        table[:, : 2 * H] += b_hh[0, : 2 * H]  # that of the candidate is multiplied by r
    elif kind == LSTM:
        table[:, H : 2 * H] += f32(1)
    states, cells = np.zeros((M + 1, H), f32), np.zeros((M + 1 if kind == LSTM else 1, H), f32)
    gates, inner, kept = np.empty((M, columns), f32), np.empty((M, H), f32), np.empty((M, H), f32)
    read, products = np.empty((M, H), f32), np.empty((M, columns), f32)
    continued, above, firsts = np.empty(M, np.int64), np.empty(M, np.int64), np.empty(len(sizes) + 1, np.int64)

    begin, K = 0, 0
    for level in range(len(sizes)):
        end, firsts[level] = begin + sizes[level], K
        for i in range(begin, end):  # those that continue the same prefix are neighbours
            if i == begin or parents[i] != parents[i - 1]:
                continued[K] = parents[i]
                read[K] = states[parents[i]]
                K += 1
            above[i] = K - 1
        np.dot(read[firsts[level] : K], W_hh, products[firsts[level] : K])
        for i in range(begin, end):
            if kind == GRU:
                _gru(i, table[characters[i]], products[above[i]], b_hh[0], gates, inner, kept, dropped)
                _towards(i, gates, kept, states[parents[i]], states[i + 1])
            elif kind == LSTM:
                _lstm(i, table[characters[i]], products[above[i]], gates, kept, dropped)
                _to_cell(i, gates, kept, cells[parents[i]], cells[i + 1], inner, states[i + 1])
            else:
                _rnn(table[characters[i]], products[above[i]], states[i + 1])
        begin = end
    firsts[len(sizes)] = K

    h = states[1:] * seen if len(seen) else states[1:]
    z = np.dot(W_out.T, h.T)
    for v in range(V):
        z[v] += b_out[0, v]
    loss = loss_of_shares(z, q, db_out[0])
    dW_out[:] = np.dot(z, h).T
    dh, dc = np.zeros((M + 1, H), f32), np.zeros_like(cells)
    np.dot(z.T, W_out.T, dh[1:])
    if len(seen):
        dh[1:] *= seen

    dgates, da = np.empty_like(gates), np.empty((M, H), f32)
    dproducts, dtable, dcandidate = np.zeros((K, columns), f32), np.zeros((V, columns), f32), np.zeros((V, H), f32)
    for level in range(len(sizes) - 1, -1, -1):
        end = begin
        begin = end - sizes[level]
        for i in range(begin, end):
            parent = parents[i]
            if kind == GRU:
                _gru_backward(i, dh[i + 1], states[parent], gates, inner, kept, dropped, dgates, da)
                _through(dh[parent], dh[i + 1], gates[i, H : 2 * H])
                dcandidate[characters[i]] += da[i]
            elif kind == LSTM:
                _lstm_backward(i, dh[i + 1], dc[i + 1], cells[parent], gates, inner, kept, dropped, dgates)
                _through(dc[parent], dc[i + 1], gates[i, H : 2 * H])
            else:
                _rnn_backward(dh[i + 1], states[i + 1], dgates[i])
            dproducts[above[i]] += dgates[i]
            dtable[characters[i]] += dgates[i]
        first, last = firsts[level], firsts[level + 1]
        back = np.dot(dproducts[first:last], W_hh.T)
        for k in range(first, last):
            dh[continued[k]] += back[k - first]
    np.dot(read[:K].T, dproducts, dW_hh)
    db_hh[0] = dtable.sum(0)
    if kind == GRU:
        dtable[:, 2 * H :] = dcandidate
    np.dot(C.T, dtable, dW_ih)
    db_ih[0] = dtable.sum(0)
    np.dot(dtable, W_ih.T, dC)
    return loss


@compiled
def _through(d, from_, gate):  # type: ignore[no-untyped-def]
    for k in range(len(d)):
        d[k] += from_[k] * gate[k]


@compiled
def _sigmoid(x):  # type: ignore[no-untyped-def]
    return f32(0.5) + f32(0.5) * one_tanh(f32(0.5) * x)


# ---- RNN


@compiled
def _rnn(x, m, state):  # type: ignore[no-untyped-def]
    for k in range(len(state)):
        state[k] = one_tanh(x[k] + m[k])


@compiled
def _rnn_backward(d, state, dgate):  # type: ignore[no-untyped-def]
    for k in range(len(d)):
        dgate[k] = d[k] * (f32(1) - state[k] * state[k])


# ---- GRU: r, z, n


@compiled
def _gru(i, x, m, bias, gates, inner, kept, dropped):  # type: ignore[no-untyped-def]
    H = kept.shape[1]
    for k in range(2 * H):
        gates[i, k] = _sigmoid(x[k] + m[k])
    for k in range(H):
        inner[i, k] = m[2 * H + k] + bias[2 * H + k]
    for k in range(H):
        gates[i, 2 * H + k] = one_tanh(x[2 * H + k] + gates[i, k] * inner[i, k])
    for k in range(H):
        kept[i, k] = gates[i, 2 * H + k]
    if len(dropped):
        for k in range(H):
            kept[i, k] *= dropped[i, k]


@compiled
def _towards(i, gates, kept, before, state):  # type: ignore[no-untyped-def]
    H = len(state)
    for k in range(H):
        state[k] = kept[i, k] + gates[i, H + k] * (before[k] - kept[i, k])


@compiled
def _gru_backward(i, d, before, gates, inner, kept, dropped, dgates, da):  # type: ignore[no-untyped-def]
    H = len(d)
    for k in range(H):
        da[i, k] = d[k] * (f32(1) - gates[i, H + k]) * (f32(1) - gates[i, 2 * H + k] * gates[i, 2 * H + k])
    if len(dropped):
        for k in range(H):
            da[i, k] *= dropped[i, k]
    for k in range(H):
        dgates[i, H + k] = d[k] * (before[k] - kept[i, k]) * gates[i, H + k] * (f32(1) - gates[i, H + k])
    for k in range(H):
        dgates[i, k] = da[i, k] * inner[i, k] * gates[i, k] * (f32(1) - gates[i, k])
    for k in range(H):
        dgates[i, 2 * H + k] = da[i, k] * gates[i, k]


# ---- LSTM: i, f, o, g


@compiled
def _lstm(i, x, m, gates, kept, dropped):  # type: ignore[no-untyped-def]
    H = kept.shape[1]
    for k in range(3 * H):
        gates[i, k] = _sigmoid(x[k] + m[k])
    for k in range(3 * H, 4 * H):
        gates[i, k] = one_tanh(x[k] + m[k])
    for k in range(H):
        kept[i, k] = gates[i, 3 * H + k]
    if len(dropped):
        for k in range(H):
            kept[i, k] *= dropped[i, k]


@compiled
def _to_cell(i, gates, kept, before, cell, bent, state):  # type: ignore[no-untyped-def]
    H = len(cell)
    for k in range(H):
        cell[k] = gates[i, k] * kept[i, k] + gates[i, H + k] * before[k]
    for k in range(H):
        bent[i, k] = one_tanh(cell[k])
    for k in range(H):
        state[k] = gates[i, 2 * H + k] * bent[i, k]


@compiled
def _lstm_backward(i, d, dcell, before, gates, bent, kept, dropped, dgates):  # type: ignore[no-untyped-def]
    H = len(d)
    for k in range(H):
        o = gates[i, 2 * H + k]
        dgates[i, 2 * H + k] = d[k] * bent[i, k] * o * (f32(1) - o)
    for k in range(H):
        dcell[k] += d[k] * gates[i, 2 * H + k] * (f32(1) - bent[i, k] * bent[i, k])
    for k in range(H):
        dgates[i, k] = dcell[k] * kept[i, k] * gates[i, k] * (f32(1) - gates[i, k])
    for k in range(H):
        dgates[i, H + k] = dcell[k] * before[k] * gates[i, H + k] * (f32(1) - gates[i, H + k])
    for k in range(H):
        dgates[i, 3 * H + k] = dcell[k] * gates[i, k] * (f32(1) - gates[i, 3 * H + k] * gates[i, 3 * H + k])
    if len(dropped):
        for k in range(H):
            dgates[i, 3 * H + k] *= dropped[i, k]
