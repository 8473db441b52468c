"""The update of an RNN, GRU or LSTM in compiled functions, level by level over a batch's prefix tree.

The formulas are those of :mod:`mmcore.tree_backprop`, file by file. M prefixes lie level by level; a state belongs to
each, and one to what is before the first character: M + 1 rows, that one first. ``gates`` has a part of H columns for
each gate of the architecture. Loops write one array each: with more the compiler makes no vector instructions of them.
"""

from __future__ import annotations

import numpy as np

from .kernels import compiled, f32, loss_of_shares, one_tanh

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
