"""A trained model as files that live without us: which formats there are."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ..fields import require

if TYPE_CHECKING:
    from ..config import RunConfig
    from .trained import Trained

Files = Mapping[str, bytes]
"""Contents by name, with ``/`` between folders."""


def _fits_all(config: RunConfig) -> str | None:
    return None


@dataclass(frozen=True, kw_only=True)
class Format:
    """A kind of file that a trained model can be written as."""

    title: str  # on screen
    group: str  # under which it is listed
    use: str  # what opens it, in a sentence
    endings: tuple[str, ...]  # of its files' names, the usual one first
    media_type: str
    files: Callable[[Trained], Files]  # several become a zip
    package: str = ""  # that writing it needs, of the extra [export]
    refusal: Callable[[RunConfig], str | None] = _fits_all  # why a run has no such file, if it has none

    def missing(self, config: RunConfig) -> str | None:
        """Why it cannot be written here, or for this run, in a sentence; None where it can."""
        if self.package and find_spec(self.package) is None:
            return f"It needs the package {self.package}: install makemore-lab[export]."
        return self.refusal(config)

    def write(self, trained: Trained) -> bytes:
        """The file; ``ValueError`` with the reason where there can be none."""
        require_format(self, trained.config)
        files = self.files(trained)
        if len(files) == 1 and not self.endings[0].endswith(".zip"):
            return next(iter(files.values()))
        from .archive import zipped

        return zipped(files)


def require_format(known: Format, config: RunConfig) -> None:
    """``ValueError`` where a run cannot be written in a format, with the reason."""
    if why := known.missing(config):
        raise ValueError(f"format must be one that can be written, got {known.title}: {why}")


def _no_embeddings(config: RunConfig) -> str | None:
    has = "C" in config.model.shapes(2)
    return None if has else f"A {config.model.title.lower()} has no embedding table."


def _weights(trained: Trained) -> Files:
    return {"weights.safetensors": trained.artifact.with_words(trained.dataset.splits).to_bytes()}


def _state_dict(trained: Trained) -> Files:
    from .arrays import state_dict_bytes

    return {"state_dict.pt": state_dict_bytes(trained.artifact.model)}


def _npz(trained: Trained) -> Files:
    from .arrays import npz_bytes

    return {"weights.npz": npz_bytes(trained.artifact)}


def _curve(trained: Trained) -> Files:
    from .tables import curve_csv

    return {"curve.csv": curve_csv(trained.curve)}


def _embeddings(trained: Trained) -> Files:
    from .tables import embeddings_csv

    return {"embeddings.csv": embeddings_csv(trained.artifact)}


def _projector(trained: Trained) -> Files:
    from .tables import projector_files

    return projector_files(trained)


def _samples(trained: Trained) -> Files:
    from .tables import samples_text

    return {"samples.txt": samples_text(trained.artifact)}


def _settings(trained: Trained) -> Files:
    from .tables import settings_json

    return {"settings.json": settings_json(trained.config)}


def _script(trained: Trained) -> Files:
    from .script import script_files

    return script_files(trained)


def _notebook(trained: Trained) -> Files:
    from .script import notebook_files

    return notebook_files(trained)


def _no_script(config: RunConfig) -> str | None:
    from .script_model import FORWARD

    if config.origin:
        return "A branch begins with another run's weights, which a script does not have."
    return _unknown(config, FORWARD)


def _no_onnx(config: RunConfig) -> str | None:
    from .onnx_graph import BUILD

    return _unknown(config, BUILD)


def _unknown(config: RunConfig, known: Container[str]) -> str | None:
    return (
        None
        if config.model.architecture in known
        else f"It is not written for the architecture {config.model.title} yet."
    )


def _onnx(trained: Trained) -> Files:
    from .onnx_graph import onnx_bytes

    return {"model.onnx": onnx_bytes(trained.artifact)}


def _tensorboard(trained: Trained) -> Files:
    from .tensorboard_log import event_files

    return event_files(trained)


def _lab_page(trained: Trained) -> Files:
    from .lab_page import lab_page

    return {"lab.html": lab_page(trained)}


def _card(trained: Trained) -> Files:
    from .card import model_card

    return {"MODEL_CARD.md": model_card(trained).encode()}


def _report(trained: Trained) -> Files:
    from .report import report_files

    return report_files(trained)


def _everything(trained: Trained) -> Files:
    from .archive import everything

    return everything(trained, {key: known for key, known in FORMATS.items() if key != "everything"})


BYTES, CSV = "application/octet-stream", "text/csv"
FORMATS: dict[str, Format] = {
    "everything": Format(
        title="Everything",
        group="All of it",
        use="Every file below that this run has, in one zip, with a text that says what each is.",
        endings=("everything.zip",),
        media_type="application/zip",
        files=_everything,
    ),
    "weights": Format(
        title="Weights",
        group="Weights",
        use="Everything in one file, tensors and settings; opens here again, and in plain torch.",
        endings=(".safetensors",),
        media_type=BYTES,
        files=_weights,
    ),
    "state_dict": Format(
        title="State dict",
        group="Weights",
        use="PyTorch's own: `torch.load(path, weights_only=True)`.",
        endings=(".pt", ".pth"),
        media_type=BYTES,
        files=_state_dict,
    ),
    "npz": Format(
        title="NumPy arrays",
        group="Weights",
        use="Tensors and vocabulary: `numpy.load(path)`.",
        endings=(".npz",),
        media_type=BYTES,
        files=_npz,
    ),
    "curve": Format(
        title="Curve",
        group="Tables and text",
        use="The losses along the way, for a spreadsheet or pandas.",
        endings=("curve.csv",),
        media_type=CSV,
        files=_curve,
    ),
    "embeddings": Format(
        title="Embeddings",
        group="Tables and text",
        use="A row a symbol: its vector of C.",
        endings=("embeddings.csv",),
        media_type=CSV,
        files=_embeddings,
        refusal=_no_embeddings,
    ),
    "projector": Format(
        title="Embedding Projector",
        group="Tables and text",
        use="`vectors.tsv` and `metadata.tsv`, the two files that the Embedding Projector's Load asks for.",
        endings=("projector.zip",),
        media_type="application/zip",
        files=_projector,
        refusal=_no_embeddings,
    ),
    "samples": Format(
        title="Samples",
        group="Tables and text",
        use="1,000 words drawn from the model, one a line.",
        endings=("samples.txt",),
        media_type="text/plain",
        files=_samples,
    ),
    "settings": Format(
        title="Settings",
        group="Tables and text",
        use="Every setting and the corpus's sha256, as JSON.",
        endings=("settings.json",),
        media_type="application/json",
        files=_settings,
    ),
    "script": Format(
        title="PyTorch script",
        group="Code",
        use="Data, model and training of this run in plain PyTorch, as in the lecture, with its words beside it.",
        endings=("script.zip",),
        media_type="application/zip",
        files=_script,
        refusal=_no_script,
    ),
    "notebook": Format(
        title="Notebook",
        group="Code",
        use="The same for Jupyter, a cell a step.",
        endings=("notebook.zip",),
        media_type="application/zip",
        files=_notebook,
        refusal=_no_script,
    ),
    "lab": Format(
        title="Lab page",
        group="To show a friend",
        use="One web page, offline, also on a phone: samples, bars, scores, the film, training from scratch.",
        endings=("lab.html",),
        media_type="text/html",
        files=_lab_page,
    ),
    "card": Format(
        title="Model card",
        group="To show a friend",
        use="Data, losses with intervals, samples, settings, and how to load it, as Markdown.",
        endings=("model_card.md",),
        media_type="text/markdown",
        files=_card,
    ),
    "report": Format(
        title="Lab report",
        group="To show a friend",
        use="The run to read, and its figures: `makemore-lab verify report.json` trains it again and compares.",
        endings=("report.zip",),
        media_type="application/zip",
        files=_report,
    ),
    "onnx": Format(
        title="ONNX",
        group="Other programs",
        use="Contexts to logits, for onnxruntime and whatever else reads ONNX.",
        endings=(".onnx",),
        media_type=BYTES,
        files=_onnx,
        package="onnx",
        refusal=_no_onnx,
    ),
    "tensorboard": Format(
        title="TensorBoard",
        group="Other programs",
        use="The curve as event files: unpack, then `tensorboard --logdir FOLDER`.",
        endings=("tensorboard.zip",),
        media_type="application/zip",
        files=_tensorboard,
        package="tensorboard",
    ),
}
ENDINGS = tuple(ending for known in FORMATS.values() for ending in known.endings)


def file_name(run_id: str, known: Format) -> str:
    """What a run's file of a format is called."""
    ending = known.endings[0]
    return f"makemore-{run_id}{ending if ending.startswith('.') else '-' + ending}"


def format_of(path: Path) -> Format:
    """The format that a file's name asks for, whatever its case; ``ValueError`` with those there are."""
    name = path.name.lower()
    found = [known for known in FORMATS.values() if name.endswith(known.endings)]
    require(bool(found), "out", "a file ending in " + ", ".join(ENDINGS), str(path))
    return found[0]
