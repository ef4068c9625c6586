"""Pages as single HTML files: a template of this folder, filled in, with the stylesheet all pages share."""

from importlib.resources import files

from jinja2 import Environment
from markupsafe import Markup


def render(template: str, **values: object) -> bytes:
    """A page that needs nothing else; texts are escaped.

    Args:
        template: its file here, such as page.html.
        values: what it shows.
    """
    folder = files("handsoff.report")
    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        folder.joinpath(template).read_text("utf-8")
    )
    style = Markup(folder.joinpath("style.css").read_text("utf-8"))  # noqa: S704  # a file of this package
    return page.render(style=style, **values).encode()
