"""Every link of every page leads somewhere."""

import html
import re
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter

# Pages of one kind, the same path but for names and numbers, are alike: so many of each are opened.
OF_A_KIND = 15
FEWEST_PAGES = 150
_LINK = re.compile(r'(?:href|src)="([^"]*)"')


def kind_of(path):
    """The path without its names, and the words of its query."""
    parts = urllib.parse.urlsplit(path)
    first, *rest = parts.path.strip("/").split("/")
    kept = (*rest[:1], len(rest)) if first in ("q", "api", "static") else (rest[-1:] == ["log"], len(rest))
    return (first, *kept, *sorted(urllib.parse.parse_qs(parts.query)))


def opened(base, path):
    """Status, and the body of a page; anything else than a page gives an empty one."""
    try:
        with urllib.request.urlopen(base + path, timeout=60) as answer:
            is_page = answer.headers.get_content_type() == "text/html"
            return answer.status, answer.read().decode() if is_page else ""
    except urllib.error.HTTPError as refused:
        return refused.code, ""


def test_every_link_of_every_page_leads_to_a_page(served, places):
    waiting, seen, counted, broken = [*places.values()], set(), Counter(), []
    while waiting:
        path = waiting.pop(0).partition("#")[0]
        if path in seen or counted[kind_of(path)] >= OF_A_KIND:
            continue
        seen.add(path)
        counted[kind_of(path)] += 1
        status, text = opened(f"http://{served.ops}", path)
        if status != 200:
            broken.append((status, path))
        links = [urllib.parse.urljoin(path, html.unescape(link)) for link in _LINK.findall(text)]
        assert all(link.startswith("/") for link in links), links
        waiting += links
    assert broken == []
    assert len(seen) >= FEWEST_PAGES
