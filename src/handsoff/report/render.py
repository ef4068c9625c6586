"""Pages as single HTML files: a template of this folder, filled in, with the stylesheet all pages share."""

import re
from importlib.resources import files
from itertools import count

from jinja2 import Environment, PackageLoader
from markupsafe import Markup, escape

HEADING = re.compile(r'<h2 id="([^"]+)">(.*?)</h2>', re.DOTALL)


def render(template: str, **values: object) -> bytes:
    """A page that needs nothing else; texts are escaped.

    Args:
        template: its file here, such as page.html; it extends frame.html.
        values: what it shows.
    """
    environment = Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, loader=PackageLoader("handsoff", "report")
    )
    environment.filters |= {"prose": prose, "headings": headings}
    environment.globals["number"] = count(1).__next__  # for ids
    style = Markup(files("handsoff.report").joinpath("style.css").read_text("utf-8"))  # noqa: S704  # a file of this package
    return environment.get_template(template).render(style=style, **values).encode()


def prose(text: str) -> Markup:
    """A sentence with its `code` set as code.

    >>> prose("Run `handsoff demo`, 1 < 2.")
    Markup('Run <code>handsoff demo</code>, 1 &lt; 2.')
    """
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704  # escaped


def headings(page: str) -> list[tuple[str, Markup]]:
    """(id, title) of the page's sections, for its contents."""
    return [(name, Markup(text)) for name, text in HEADING.findall(page)]  # noqa: S704  # of the page itself
