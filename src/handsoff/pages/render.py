"""Pages as single HTML files: a template of a room, filled in, with the frame and the stylesheet all pages share."""

import re
from importlib.resources import files
from itertools import count

from jinja2 import ChoiceLoader, Environment, PackageLoader
from markupsafe import Markup, escape

HEADING = re.compile(r'<h2 id="([^"]+)">(.*?)</h2>', re.DOTALL)


def render(room: str, template: str, **values: object) -> bytes:
    """A page that needs nothing else; texts are escaped.

    Args:
        room: the package that has the template, such as handsoff.report.
        template: its file there, such as page.html; it extends frame.html.
        values: what it shows.
    """
    loader = ChoiceLoader([PackageLoader(room, ""), PackageLoader("handsoff.pages", "")])
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, loader=loader)
    environment.filters |= {"prose": prose, "headings": headings}
    environment.globals["number"] = count(1).__next__  # for ids
    style = Markup(files("handsoff.pages").joinpath("style.css").read_text("utf-8"))  # noqa: S704  # a file of this package
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
