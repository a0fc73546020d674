"""Hooks of MkDocs: links out of docs/ lead to the repository, and no page loads anything from another host."""

import re
from pathlib import Path
from typing import Any

REPOSITORY = "https://github.com/alphabar/alphabar"
LINK = re.compile(r"(\]\()([^)\s#]+)([^)]*\))")
LOADED = re.compile(r"<(?:script|img|iframe|source|video|audio)\b[^>]*\bsrc=[\"']?(?:https?:)?//[^>]*>", re.I)
LINKED = re.compile(r"<link\b[^>]*\brel=[\"']?(?:stylesheet|icon|preload|preconnect|modulepreload)\b[^>]*>", re.I)
ELSEWHERE = re.compile(r"\bhref=[\"']?(?:https?:)?//", re.I)


def to_repository(markdown: str, page: Path, docs: Path) -> str:
    """The links of a page at `page` that leave `docs`, `](../src/x)`, as links to the repository."""

    def rewritten(match: re.Match[str]) -> str:
        before, link, after = match.groups()
        target = (page.parent / link).resolve()
        root = docs.parent
        if "://" in link or target.is_relative_to(docs) or not target.is_relative_to(root) or not target.exists():
            return match[0]
        kind = "tree" if target.is_dir() else "blob"
        return f"{before}{REPOSITORY}/{kind}/main/{target.relative_to(root).as_posix()}{after}"

    return LINK.sub(rewritten, markdown)


def from_other_hosts(html: str) -> list[str]:
    """The tags of a page that make a browser load something from another host."""
    return LOADED.findall(html) + [tag for tag in LINKED.findall(html) if ELSEWHERE.search(tag)]


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    docs = Path(config.docs_dir)
    return to_repository(markdown, docs / page.file.src_uri, docs)


def on_post_build(*, config: Any) -> None:
    for page in sorted(Path(config.site_dir).rglob("*.html")):
        if tags := from_other_hosts(page.read_text(encoding="utf-8")):
            raise SystemExit(f"{page} loads something from another host: {tags[0]}")
