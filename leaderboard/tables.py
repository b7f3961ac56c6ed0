"""A page as text for a terminal, as Markdown and as LaTeX; tabulate sets the tables."""

import re
import textwrap
from collections.abc import Iterable

from tabulate import LATEX_ESCAPE_RULES, tabulate

from .page import BASELINE, Page, Section

WIDTH = 118
NARROWEST_NAME = 20
TABLES_BETWEEN_BREAKS = 12  # LaTeX holds no more than 52 floats that it has not placed


def to_text(page: Page) -> str:
    """Return the page for a terminal of 120 columns: the tasks first, so that the summary is what stays in view."""
    blocks = [_text_section(section) for section in (*page.tasks, *page.details, *page.summaries)]
    below = [page.legend, *(f"Note: {note}" for note in page.notes)]
    return _join([*blocks, "\n".join(map(_filled, below))])


def to_markdown(page: Page) -> str:
    """Return the page with pipe tables, as GitHub reads them."""
    blocks = [_markdown_section(section) for section in (*page.summaries, *page.details, *page.tasks)]
    return _join([*blocks, page.legend, *_bullets(page.notes)])


def to_latex(page: Page) -> str:
    r"""Return the page as LaTeX, one ``table`` a section; it needs ``\usepackage{booktabs}``."""
    blocks = [_latex_section(section) for section in (*page.summaries, *page.details, *page.tasks)]
    for position in range(TABLES_BETWEEN_BREAKS, len(blocks), TABLES_BETWEEN_BREAKS):
        blocks[position] = "\\clearpage\n" + blocks[position]
    return _join([*blocks, *(_latex(line) for line in (page.legend, *page.notes))])


def _join(blocks: Iterable[str]) -> str:
    return "\n\n".join(blocks) + "\n"


def _text_section(section: Section) -> str:
    return "\n".join([section.title, "", text_table(section), *(_filled(f"  {line}") for line in section.footnotes)])


def text_table(section: Section) -> str:
    """Set a table as tabulate does in its format "simple", which takes five times as long, and break long names."""
    room = _room_for_names(section)
    rows = section.rows
    if any(len(row[section.name_column]) > room for row in rows):
        rows = [line for row in rows for line in _lines(row, section.name_column, room)]
    lines = [section.headers, *rows]
    widths = [max([len(header) + 2, *map(len, texts)]) for header, *texts in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    sides = ["<" if i == section.name_column else ">" for i in range(len(widths))]
    template = "  ".join(f"{{:{side}{width}}}" for side, width in zip(sides, widths, strict=True))
    return "\n".join(template.format(*line).rstrip() for line in lines)


def _lines(row: list[str], name_column: int, room: int) -> list[list[str]]:
    """Return a row as one line, or as several where its name is broken."""
    first, *others = _broken(row[name_column], room)
    blank = [""] * len(row)
    return [[*line[:name_column], name, *line[name_column + 1 :]]
            for line, name in ((row, first), *((blank, name) for name in others))]  # fmt: skip


def _filled(line: str) -> str:
    return textwrap.fill(line, WIDTH, subsequent_indent="    ", break_on_hyphens=False)


def _room_for_names(section: Section) -> int:
    columns = list(zip(section.headers, *section.rows, strict=True))
    others = [column for i, column in enumerate(columns) if i != section.name_column]
    taken = sum(2 + max(len(column[0]) + 2, *map(len, column[1:])) for column in others)
    return max(WIDTH - taken, NARROWEST_NAME)


def _broken(spec: str, room: int) -> list[str]:
    """Break a spec that is longer than `room` after brackets and commas."""
    if len(spec) <= room:
        return [spec]
    lines = [""]
    for piece in re.findall(r".+?(?:[(,] *|(?= \()|$)", spec):
        if lines[-1] and len((lines[-1] + piece).rstrip()) > room:
            lines.append(piece.lstrip())
        else:
            lines[-1] += piece
    return [line.rstrip() for line in lines]


def _markdown_section(section: Section) -> str:
    rows = [[_markdown_cell(text, i == section.name_column) for i, text in enumerate(row)] for row in section.rows]
    table = tabulate(rows, section.headers, "pipe", disable_numparse=True, colalign=_aligned(section))
    return "\n\n".join([f"### {_markdown(section.title)}", table, *_bullets(section.footnotes)])


def _markdown_cell(text: str, is_name: bool) -> str:
    if not is_name:
        return _markdown(text)
    spec = text.removesuffix(BASELINE)
    return _markdown_code(spec) + text[len(spec) :]


def _markdown_code(text: str) -> str:
    """Return text as code in a pipe table, between more backticks than it holds in a row."""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{text.replace('|', chr(92) + '|')}{pad}{fence}"


def _markdown(text: str) -> str:
    return re.sub(r"[\\`*_|<>]|(?<=\])\(", r"\\\g<0>", text)


def _bullets(lines: Iterable[str]) -> list[str]:
    listed = "\n".join(f"- {_markdown(line)}" for line in lines)
    return [listed] if listed else []


def _latex_section(section: Section) -> str:
    table = tabulate(section.rows, section.headers, "latex_booktabs", disable_numparse=True, colalign=_aligned(section))
    below = [rf"\par\footnotesize {_latex(line)}" for line in section.footnotes]
    above = [r"\begin{table}", r"\centering", rf"\caption{{{_latex(section.title)}}}"]
    return "\n".join([*above, _latex_signs(table), *below, r"\end{table}"])


def _latex(text: str) -> str:
    return _latex_signs("".join(LATEX_ESCAPE_RULES.get(char, char) for char in text))


def _latex_signs(escaped: str) -> str:
    for sign, command in {"±": r"$\pm$", "×": r"$\times$", "–": "--", "…": r"\dots{}"}.items():
        escaped = escaped.replace(sign, command)
    return re.sub(r"(?<![\w.)-])-(?=\d)", "$-$", escaped)


def _aligned(section: Section) -> list[str]:
    return ["left" if i == section.name_column else "right" for i in range(len(section.headers))]
