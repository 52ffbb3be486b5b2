"""Practice on paper: exercises, solutions and marked answers as Markdown, marks as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from explorer.practice.exercises import ASKED, Exercise, Marking
from explorer.practice.words import describe_mistake, given_matrices, number_texts, score_sentence
from explorer.text_table import markdown


def worksheet(
    exercises: Sequence[Exercise], *, solutions: bool = False, title: str = "Convolution by hand"
) -> str:
    """A Markdown page of exercises with empty answer grids, or with the solutions filled in."""
    heading = f"# {title}" + (" · solutions" if solutions else "")
    parts = [heading, *(_exercise(n, exercise, solutions) for n, exercise in enumerate(exercises, start=1))]
    return "\n\n".join(parts) + "\n"


def answer_sheet(marking: Marking) -> str:
    """A Markdown page of one marked answer: the score, every cell, and the arithmetic behind each mistake."""
    exercise = marking.exercise
    parts = [
        f"# Convolution by hand · seed {exercise.seed}, level {exercise.level}",
        _given(exercise),
        f"**Asked:** {ASKED[exercise.asked]}.",
        f"**Score:** {score_sentence(marking)}",
        "Answer:",
        _table([[_escape(cell.entry) for cell in row] for row in marking.grid]),
        "Solution:",
        _table(number_texts(exercise.solution)),
    ]
    if marking.mistakes:
        parts += [
            "## Cells to look at again",
            "\n".join(f"- {describe_mistake(marking, c, _escape(c.entry))}" for c in marking.mistakes),
        ]
    return "\n\n".join(parts) + "\n"


def marks_csv(markings: Sequence[Marking]) -> str:
    """One line per cell: seed, level, what was asked, row, column, entry, expected, verdict, slip."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(("seed", "level", "asked", "row", "column", "entry", "expected", "verdict", "slip"))
    for marking in markings:
        exercise = marking.exercise
        for cell in marking.cells:
            writer.writerow(
                (
                    *(exercise.seed, exercise.level, exercise.asked, cell.row + 1, cell.column + 1),
                    *(_no_formula(cell.entry), repr(cell.expected), cell.verdict, cell.slip),
                )
            )
    return lines.getvalue()


def _exercise(number: int, exercise: Exercise, solutions: bool) -> str:
    solution = exercise.solution
    answer = number_texts(solution) if solutions else [["" for _ in row] for row in solution]
    return "\n\n".join(
        [
            f"## Exercise {number} (seed {exercise.seed}, level {exercise.level})",
            _given(exercise),
            f"**{ASKED[exercise.asked]}:**",
            _table(answer),
        ]
    )


def _given(exercise: Exercise) -> str:
    parts = [exercise.question]
    for name, matrix in given_matrices(exercise):
        parts += [f"{name}:", _table(number_texts(matrix))]
    return "\n\n".join(parts)


def _table(rows: Sequence[Sequence[str]]) -> str:
    # Markdown has no table without a head; its columns are numbered, as its rows are.
    head = ["", *(str(column) for column in range(1, len(rows[0]) + 1))]
    return markdown([head, *([f"**{number}**", *row] for number, row in enumerate(rows, start=1))])


def _escape(entry: str) -> str:
    """What a student typed, harmless inside a Markdown table."""
    entities = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
    plain = " ".join(entry.split())
    return "".join(entities.get(c, f"\\{c}" if c in r"\`*_{}[]()#+!|" else c) for c in plain)


def _no_formula(entry: str) -> str:
    # Spreadsheets run a cell that starts like a formula; "-1" and "+1" are numbers and stay.
    text = " ".join(entry.split())
    harmless = not text.startswith(("=", "@", "+", "-")) or text.lstrip("+-").replace(".", "", 1).isdigit()
    return text if harmless else f"'{text}"
