"""Writes llms.txt, what the documentation holds with a line a page, and llms-full.txt, its pages one after the other.

    python tools/write_llms_txt.py build/site
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"
HEAD = """# Longbow

> A vector database in which every byte in and out is Apache Arrow: a C++ server, a Python package and a command line in one
> wheel. `pip install` of the wheel is all that is needed; `longbow.connect("./data")` starts a server for a directory.
"""


def navigation() -> list[str]:
    """The pages that mkdocs.yml names, in order."""
    text = (DOCS.parent / "mkdocs.yml").read_text()
    return re.findall(r"([\w/-]+\.md)\s*$", text[text.index("\nnav:") :], re.M)


def first_sentence(text: str) -> str:
    """The first paragraph after the title, to its first full stop."""
    text = re.sub(r"```.*?```", "", text, flags=re.S)
    paragraphs = [p.strip() for p in text.split("\n\n")[1:] if p.strip() and p.strip()[0] not in "#`|!:-<"]
    plain = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", " ".join(paragraphs[0].split())) if paragraphs else ""
    return plain.split(". ")[0].rstrip(".:")


def main() -> int:
    out = Path(sys.argv[1])
    short, full = [HEAD, "## Pages\n"], [HEAD]
    for name in navigation():
        text = (DOCS / name).read_text()
        title = text.splitlines()[0].lstrip("# ")
        place = name.removesuffix("index.md").removesuffix("README.md").removesuffix(".md")
        sentence = first_sentence(text)
        short.append(f"- [{title}]({place or './'}{'/' if place and not place.endswith('/') else ''})" + (f": {sentence}" if sentence else ""))
        if not name.startswith("reference/"):
            full.append(text)
    (out / "llms.txt").write_text("\n".join(short) + "\n")
    (out / "llms-full.txt").write_text("\n\n".join(full))
    return 0


if __name__ == "__main__":
    sys.exit(main())
