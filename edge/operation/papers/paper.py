"""A printed page as plain blocks, and how it becomes Markdown or a page for the printer.

Made by the other modules of this room; rendered by `storebox privacy documents`. It knows nothing
of what is said.
"""

from collections.abc import Iterable
from html import escape

from msgspec import Struct

STYLE = """
@page { size: A4; margin: 18mm }
body { font: 11pt/1.4 sans-serif; max-width: 180mm; margin: auto }
section { break-after: page }
section.sign { font-size: 15pt }
table { border-collapse: collapse; width: 100% }
td, th { border: 1px solid #888; padding: 2mm; text-align: left; vertical-align: top }
"""


class Both(Struct, frozen=True):
    """The same in Russian and in English."""

    ru: str
    en: str

    def said(self, language: str) -> str:
        """In one of the two."""
        return self.ru if language == "ru" else self.en


class Bullets(Struct, frozen=True):
    """Lines one below the other."""

    lines: tuple[str, ...]


class Table(Struct, frozen=True):
    """Rows under their headings."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Block = str | Bullets | Table


class Paper(Struct, frozen=True):
    """One page: `kind` is for its looks (`sign`, `table`, `sheet`), a str block a paragraph."""

    kind: str
    language: str
    title: str
    blocks: tuple[Block, ...]


def markdown(papers: Iterable[Paper]) -> str:
    """All pages as one Markdown text."""
    return "\n\n".join(
        "\n\n".join([f"# {_line(paper.title)}", *map(_as_markdown, paper.blocks)])
        for paper in papers
    )


def _as_markdown(block: Block) -> str:
    match block:
        case Bullets(lines=lines):
            return "\n".join(f"- {_line(line)}" for line in lines)
        case Table(heads=heads, rows=rows):
            written = [heads, tuple("---" for _ in heads), *rows]
            return "\n".join(f"| {' | '.join(map(_cell, row))} |" for row in written)
    return _line(block)


def _line(text: str) -> str:
    """One line; a name out of the configuration makes no markup."""
    return " ".join(text.replace("<", "&lt;").split())


def _cell(text: str) -> str:
    return _line(text).replace("\\", "\\\\").replace("|", "\\|")


def page(papers: Iterable[Paper]) -> str:
    """All pages as one HTML document, each on a sheet of its own."""
    sections = "\n".join(
        f'<section class="{paper.kind}" lang="{paper.language}">\n<h1>{escape(paper.title)}</h1>\n'
        + "\n".join(map(_as_html, paper.blocks))
        + "\n</section>"
        for paper in papers
    )
    return (
        '<!doctype html>\n<meta charset="utf-8">\n<title>storebox</title>\n'
        f"<style>{STYLE}</style>\n{sections}\n"
    )


def _as_html(block: Block) -> str:
    match block:
        case Bullets(lines=lines):
            return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"
        case Table(heads=heads, rows=rows):
            head = "".join(f"<th>{escape(cell)}</th>" for cell in heads)
            body = "".join(
                "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
                for row in rows
            )
            return f"<table><tr>{head}</tr>{body}</table>"
    return f"<p>{escape(block)}</p>"
