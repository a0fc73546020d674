"""Hooks of MkDocs: subscripts in mathematics, links out of docs/ and into the API, nothing from other hosts."""

import posixpath
import re
from pathlib import Path
from typing import Any

REPOSITORY = "https://github.com/alphabar/alphabar"
EQUATIONS = ("paper_to_code.md", "ddpm.md", "ddpm_bound.md", "improved_ddpm.md")
"""The pages whose names of functions become links into the API."""
LINK = re.compile(r"(\]\()([^)\s#]+)([^)]*\))")
LOADED = re.compile(r"<(?:script|img|iframe|source|video|audio)\b[^>]*\bsrc=[\"']?(?:https?:)?//[^>]*>", re.I)
LINKED = re.compile(r"<link\b[^>]*\brel=[\"']?(?:stylesheet|icon|preload|preconnect|modulepreload)\b[^>]*>", re.I)
ELSEWHERE = re.compile(r"\bhref=[\"']?(?:https?:)?//", re.I)
FORMULA = re.compile(r'<div class="language-text highlight">.*?<code>(.*?)</code></pre></div>', re.S)
TAG = re.compile(r"(<[^>]+>)")
SYMBOL = r"d?[A-Za-z\u0391-\u03c9ᾱ][\u0300-\u036f]*"
SUBSCRIPT = re.compile(
    rf"(?<![A-Za-z_\u0391-\u03c9])({SYMBOL})_(?:\{{([^{{}}]+)\}}|(simple|vlb|hybrid|[A-Za-z0-9θ]))(?![A-Za-z0-9_])"
)
LARGE = re.compile(r"([∏Σ∫])_\{([^{}]+)\}|(Σ)_([a-z])\b")
POWER = re.compile(r"(?<=[\w>)])\^(?:\{([^{}]+)\}|([0-9]+|[a-z])\b)")


def subscripts(text: str) -> str:
    """`x_{t−1}`, `β_t`, `Σ_{t>1}` and `x^i` of a text, as HTML."""
    text = LARGE.sub(lambda m: f"{m[1] or m[3]}<sub>{subscripts(m[2] or m[4])}</sub>", text)
    text = SUBSCRIPT.sub(lambda m: f"{m[1]}<sub>{subscripts(m[2] or m[3])}</sub>", text)
    return POWER.sub(lambda m: f"<sup>{m[1] or m[2]}</sup>", text)


def with_mathematics(html: str) -> str:
    """The HTML of a page with subscripts in its text, and in its formulas (```text), but not in code."""
    html = FORMULA.sub(lambda m: f'<div class="formula">{re.sub("<[^>]+>", "", m[1])}</div>', html)
    depth, parts = 0, []
    for part in TAG.split(html):
        if TAG.fullmatch(part):
            kind = re.match(r"</?(\w*)", part)
            if kind and kind[1] in ("code", "pre", "script", "style", "svg"):
                depth += -1 if part.startswith("</") else 1
        parts.append(part if depth or TAG.fullmatch(part) else subscripts(part))
    return "".join(parts)


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


def places(pages: dict[str, str]) -> dict[str, str]:
    """{URL of a page: its HTML} -> {name: URL}, by every ending of a documented name that is no other's."""
    found: dict[str, set[str]] = {}
    for url, html in pages.items():
        for full in re.findall(r'id="(alphabar\.[\w.]+)"', html):
            words = full.split(".")
            for first in range(len(words)):
                found.setdefault(".".join(words[first:]), set()).add(f"{url}#{full}")
    return {name: urls.pop() for name, urls in found.items() if len(urls) == 1}


def linked(html: str, url: str, names: dict[str, str]) -> str:
    """The HTML of the page at `url`, whose `<code>name</code>` that are documented are links."""

    def rewritten(match: re.Match[str]) -> str:
        name = match[1].partition("(")[0]
        if name not in names:
            return match[0]
        return f'<a href="{posixpath.relpath(names[name], posixpath.dirname(url) or ".")}">{match[0]}</a>'

    return re.sub(r"<code>([\w.]+(?:\([^<]*\))?)</code>(?!</a>)", rewritten, html)


def from_other_hosts(html: str) -> list[str]:
    """The tags of a page that make a browser load something from another host."""
    return LOADED.findall(html) + [tag for tag in LINKED.findall(html) if ELSEWHERE.search(tag)]


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    docs = Path(config.docs_dir)
    return to_repository(markdown, docs / page.file.src_uri, docs)


def on_page_content(html: str, *, page: Any, config: Any, files: Any) -> str:
    return with_mathematics(html)


def on_env(env: Any, *, config: Any, files: Any) -> None:
    pages = [file.page for file in files.documentation_pages() if file.page]
    names = places({page.url: page.content for page in pages if page.file.src_uri.startswith("api/")})
    for page in pages:
        if page.file.src_uri in EQUATIONS:
            page.content = linked(page.content, page.url, names)


def on_post_build(*, config: Any) -> None:
    for page in sorted(Path(config.site_dir).rglob("*.html")):
        if tags := from_other_hosts(page.read_text(encoding="utf-8")):
            raise SystemExit(f"{page} loads something from another host: {tags[0]}")
