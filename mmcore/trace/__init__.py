"""One example through the model and back, every number on the way kept, and views of it."""

from __future__ import annotations

from .changes import shifted as shifted
from .changes import stable_softmax_demo as stable_softmax_demo
from .changes import without_unit as without_unit
from .example import Trace as Trace
from .example import TraceStep as TraceStep
from .example import backward_trace as backward_trace
from .example import can_trace as can_trace
from .example import forward_trace as forward_trace
from .example import perceptron as perceptron
from .gradient_check import gradient_check as gradient_check
from .neurons import DECADES as DECADES
from .neurons import SATURATED as SATURATED
from .neurons import Histograms as Histograms
from .neurons import NeuronHistory as NeuronHistory
from .neurons import Neurons as Neurons
from .neurons import gradient_history as gradient_history
from .neurons import neuron_history as neuron_history
from .neurons import neuron_report as neuron_report
from .updates import Update as Update
from .updates import losses_along_gradient as losses_along_gradient
from .updates import one_update as one_update
from .updates import update_ratios as update_ratios
