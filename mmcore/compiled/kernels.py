"""An MLP's update in compiled functions: a batch, its loss with all gradients, AdamW.

The formulas are those of :mod:`mmcore.backprop`. Loops run over arrays as they lie in memory, float32 and C-contiguous;
Numba makes vector instructions of them, and matrix products are the linear algebra library's. A number that is not
finite stays so on its way to the loss: that is how training sees that it has diverged. Sums may be taken in another
order than as written, which the last bits show.
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
    """An odd polynomial over an even one, fitted between ±7.9, beyond which float32 knows only ±1: within 3e-7 of tanh.

    Coefficients as in Eigen's and Cephes' single-precision functions.
    """
    most = f32(7.90531110763549805)
    x = most if x > most else -most if x < -most else x
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
    return x * p / q


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
def _exp_minus_largest(z, largest, total, bits):  # type: ignore[no-untyped-def]
    """``z`` (V, B) becomes exp(z − largest of its column), ``total`` (B,) the sums of the columns.

    exp(x) = 2ⁿ · exp(r) with n whole and |r| ≤ ln 2 / 2; exp(r) by Cephes' polynomial, 2ⁿ by its bits.
    """
    V, B = z.shape
    power = bits.view(np.float32)
    largest[:] = z[0]
    for v in range(1, V):
        for b in range(B):
            largest[b] = z[v, b] if z[v, b] > largest[b] else largest[b]
    total[:] = 0
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
            total[b] += z[v, b]


@compiled
def loss_of_shares(z, q, db):  # type: ignore[no-untyped-def]
    """The mean loss of logits ``z`` (V, B), which become its gradient ``(Σ_v q_v · p − q) / B``.

    ``q`` (V, B) are distributions, each times how often it counts; ``db`` (V,) becomes the sum of the gradient's rows.
    """
    V, B = z.shape
    largest, total = np.empty(B, f32), np.empty(B, f32)
    picked, weight = np.zeros(B, f32), np.zeros(B, f32)
    for v in range(V):
        for b in range(B):
            picked[b] += q[v, b] * z[v, b]
        for b in range(B):
            weight[b] += q[v, b]
    _exp_minus_largest(z, largest, total, np.empty(B, np.int32))
    loss, each = 0.0, f32(1) / f32(B)
    for b in range(B):
        loss += weight[b] * (largest[b] + np.log(total[b])) - picked[b]
        total[b] = weight[b] * each / total[b]
    for v in range(V):
        row = f32(0)
        for b in range(B):
            d = z[v, b] * total[b] - q[v, b] * each
            z[v, b] = d
            row += d
        db[v] = row
    return loss / B


@compiled
def loss_of_ids(z, ids, db):  # type: ignore[no-untyped-def]
    """The same for targets ``ids`` (B,): q is 1 for one symbol and 0 for the others."""
    V, B = z.shape
    largest, total, picked = np.empty(B, f32), np.empty(B, f32), np.empty(B, f32)
    for b in range(B):
        picked[b] = z[ids[b], b]
    _exp_minus_largest(z, largest, total, np.empty(B, np.int32))
    loss, each = 0.0, f32(1) / f32(B)
    for b in range(B):
        loss += largest[b] + np.log(total[b]) - picked[b]
        total[b] = each / total[b]
    for v in range(V):
        for b in range(B):
            z[v, b] *= total[b]
    for b in range(B):
        z[ids[b], b] -= each
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
        table = _products(C, _table(flat, direct, T, D, V), F)
        for row in range(B):
            for t in range(T):
                z[:, row] += table[t, ids[row, t]]

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
