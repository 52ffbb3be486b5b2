"""An exercise on the page: its question, what it gives, the score, and the window behind a mistake. HTML with SVG."""

from __future__ import annotations

from markupsafe import Markup

from explorer.convolution.display import window_at
from explorer.convolution.page.matrix import draw_matrix, figure, row_of, stack_channels
from explorer.convolution.page.windows import draw_input, draw_terms
from explorer.convolution.views import MatrixView
from explorer.practice.exercises import CellMark, Exercise, Marking
from explorer.practice.words import bias_text, correction, empty_text, score_sentence, slip_text

_NOTE = Markup('<p class="note">{}</p>')


def draw_question(exercise: Exercise) -> Markup:
    """The task in one sentence."""
    return _NOTE.format(Markup("<b>{}</b>").format(exercise.question))


def draw_given(exercise: Exercise) -> Markup:
    """The exercise's input and kernel."""
    conv = exercise.convolution
    several = len(conv.channels) > 1

    def drawn(name: str) -> Markup:
        matrices = conv.channels if name == "Input" else conv.kernels[0]
        return stack_channels([draw_matrix(MatrixView(plane, name), small=several) for plane in matrices])

    return row_of(
        [figure(drawn("Input"), "Input"), figure(drawn("Kernel"), f"Kernel, {bias_text(exercise)}")]
    )


def draw_score(marking: Marking) -> Markup:
    """How many cells are right, and what is left to do."""
    left = [empty_text(marking)]
    if marking.mistakes:
        left.insert(0, f"{len(marking.mistakes)} to look at again; choose one to see its window.")
    score = Markup('<p class="cv-score" role="status">{}</p>').format(score_sentence(marking))
    return score + _NOTE.format(" ".join(sentence for sentence in left if sentence))


def draw_mistake(marking: Marking, cell: CellMark) -> Markup:
    """One wrong cell: what was entered, what is right, and the window that shows why."""
    conv, words = marking.exercise.convolution, correction(cell)
    said = _NOTE.format(Markup("<b>{}.</b>{}").format(f"{words[:1].upper()}{words[1:]}", slip_text(cell)))
    if marking.exercise.window(cell.row, cell.column) is None:
        return said
    window = window_at(conv, 0, cell.row, cell.column)
    return said + row_of(
        [
            figure(draw_input(conv, window), "The window behind this cell."),
            figure(draw_terms(window), "Its products and their sum."),
        ]
    )
