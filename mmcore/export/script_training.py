"""The last part of the plain PyTorch script: the loop, the losses, samples. As text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..architectures.interface import is_statistic
from ..architectures.sequence import SequenceConfig
from ..config import TrainConfig
from ..optimizer import BETA1, BETA2, EPSILON
from ..sample import MAX_LENGTH
from ..schedules import STEP_AT, STEP_FACTOR, WARM_UP
from .script_model import has_modes

if TYPE_CHECKING:
    from .trained import Trained


def learning_rate(config: TrainConfig) -> str:
    """The line that gives the learning rate ``lr`` of update ``i``."""
    rate, steps = config.learning_rate, config.max_steps
    if config.schedule == "step":
        return f"lr = {rate} if i / {steps} < {STEP_AT} else {rate} * {STEP_FACTOR}  # step learning rate decay"
    if config.schedule == "inverse-time":
        return f"lr = {rate} / (1 + {config.decay_rate} * i)  # as in Bengio et al. (2003)"
    if config.schedule == "one-cycle":
        climb = f"(i + 1) / max(1, {WARM_UP} * {steps})"
        return f"lr = {rate} * min(1.0, {climb}, (1 - i / {steps}) / (1 - {WARM_UP}))  # climb, then fall to 0"
    if config.schedule == "linear":
        return f"lr = {rate} * (1 - i / {steps})  # fall to 0"
    return f"lr = {rate}"


def loop(trained: Trained) -> str:
    """Minibatch, forward pass, backward pass, update; again and again."""
    config, step = trained.config.train, trained.artifact.step
    patient = config.patience > 0 and (step >= config.max_steps or step % config.check_every == 0)  # not by hand
    steps = f"range({config.max_steps}):" if patient else f"range({step}):"
    if not patient and step < config.max_steps:
        steps += f"  # the run was stopped here, of {config.max_steps} updates"
    sequence = isinstance(trained.config.model, SequenceConfig)
    mode = ", training=True" if has_modes(trained.config.model) else ""
    batch = ["part, ends, Yb, weight = batch()"] if sequence else ["Xb, Yb = batch()"]
    logits = f"forward(part, ends{mode})" if sequence else f"forward(Xb{mode})"
    if sequence and config.sampler == "words":
        loss = [
            f"loss = F.cross_entropy({logits}, Yb, reduction='none')",
            "loss = (loss * weight).sum() / weight.sum()",
        ]
    else:
        loss = [f"loss = F.cross_entropy({logits}, Yb)"]
    body = [
        "# minibatch construct",
        *batch,
        "",
        "# forward pass",
        *loss,
        "",
        "# backward pass",
        "for q in parameters:",
        "    q.grad = None",
        "loss.backward()",
        "",
        "# update",
        learning_rate(config),
        *_update(config),
        "",
        "# track stats",
        "lossi.append(loss.item())",
        "if i % 1000 == 0:  # print every once in a while",
        f"    print(f'{{i:7d}}/{config.max_steps:7d}: {{loss.item():.4f}}')",
        *(_early_stopping(config) if patient else []),
    ]
    lines = ["lossi = []", *_optimizer(config), *(_before_stopping(trained) if patient else [])]
    lines += [f"for i in {steps}", *(f"    {line}" if line else "" for line in body)]
    if patient:
        lines += ["if best is not None:", "    for q, b in zip(kept, best):", "        q.data.copy_(b)"]
    return "\n".join(lines)


def _optimizer(config: TrainConfig) -> list[str]:
    if config.optimizer == "sgd":
        return []
    return [
        "# AdamW instead of the lecture's p.data += -lr * p.grad; vectors such as biases do not decay",
        "matrices, vectors = [q for q in parameters if q.ndim > 1], [q for q in parameters if q.ndim == 1]",
        "groups = [{'params': matrices, 'weight_decay': "
        f"{config.weight_decay}}}, {{'params': vectors, 'weight_decay': 0.0}}]",
        "groups = [group for group in groups if group['params']]",
        f"optimizer = torch.optim.AdamW(groups, betas=({BETA1}, {BETA2}), eps={EPSILON})",
    ]


def _update(config: TrainConfig) -> list[str]:
    if config.optimizer == "adamw":
        return ["for group in optimizer.param_groups:", "    group['lr'] = lr", "optimizer.step()"]
    lines = ["for q in parameters:"]
    if config.weight_decay:
        lines += ["    if q.ndim > 1:", f"        q.data *= 1 - lr * {config.weight_decay}"]
    return [*lines, "    q.data += -lr * q.grad"]


def _before_stopping(trained: Trained) -> list[str]:
    shapes = trained.config.model.shapes(2)
    statistics = "".join(f", {name}" for name in shapes if is_statistic(name))
    return [f"kept = [*parameters{statistics}]", "best, best_loss, since = None, float('inf'), 0"]


def _early_stopping(config: TrainConfig) -> list[str]:
    return [
        f"if (i + 1) % {config.check_every} == 0 or i + 1 == {config.max_steps}:  # early stopping",
        "    dev_loss = split_loss(Xdev, Ydev)",
        "    since += 1",
        "    if dev_loss < best_loss:",
        "        best, best_loss, since = [q.data.clone() for q in kept], dev_loss, 0",
        f"    if since >= {config.patience}:",
        "        break",
    ]


def losses(trained: Trained) -> str:
    """The losses of train and validation, and what they were in the run."""
    known = trained.artifact.losses
    said = ", ".join(
        f"{name} {known[key]:.4f}" for name, key in (("train", "train_loss"), ("dev", "val_loss")) if key in known
    )
    return "\n".join(
        [
            "train_loss, dev_loss = split_loss(Xtr, Ytr), split_loss(Xdev, Ydev)",
            "print(f'train {train_loss:.4f}, dev {dev_loss:.4f}')" + (f"  # in the run: {said}" if said else ""),
        ]
    )


def sampling(trained: Trained) -> str:
    """Twenty words, as in the lecture."""
    sequence = isinstance(trained.config.model, SequenceConfig)
    start = "0" if sequence else "[0] * block_size"
    read = (
        [
            "_, last, parent, depth = build_tree({tuple(context)})",
            "parent = parent[:-1].where(depth > 1, 0)",
            "logits = forward((last, parent, depth), torch.tensor([len(last) - 1]))",
        ]
        if sequence
        else ["logits = forward(torch.tensor([context]))"]
    )
    crop = "context = (context + [ix])[-block_size:]" if sequence else "context = context[1:] + [ix]"
    return "\n".join(
        [
            "g = torch.Generator().manual_seed(2147483647 + 10)",
            "for _ in range(20):",
            f"    out, context = [], {'[0]' if sequence else start}  # initialize with all ...",
            f"    for _ in range({MAX_LENGTH}):",
            *(f"        {line}" for line in read),
            "        probs = F.softmax(logits, dim=1)",
            "        ix = torch.multinomial(probs, num_samples=1, generator=g).item()",
            "        if ix == 0:",
            "            break",
            f"        {crop}",
            "        out.append(itos[ix])",
            f"    print({trained.artifact.vocab.cutting.between!r}.join(out))",
        ]
    )
