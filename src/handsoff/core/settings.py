"""What all settings have in common."""

from collections.abc import Iterable

from pydantic import BaseModel


def stated(settings: BaseModel, names: Iterable[str]) -> list[str]:
    """Those of some settings that are not as they are by default."""
    fields = type(settings).model_fields
    return [name for name in names if getattr(settings, name) != fields[name].default]
