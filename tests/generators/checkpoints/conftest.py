"""The modules of NVIDIA's repositories that pickles name."""

import sys
import types

import pytest


@pytest.fixture
def nvidia_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two modules of NVIDIA's repository that pickles name, here only to write such pickles."""
    for name, members in {
        "torch_utils.persistence": ["_reconstruct_persistent_obj"],
        "dnnlib.util": ["EasyDict"],
    }.items():
        module = types.ModuleType(name)
        for member in members:
            never_run = eval("lambda meta: 1 / 0")  # noqa: S307  # needs a name of its own for every member
            made = type(member, (dict,), {"__module__": name}) if member == "EasyDict" else never_run
            made.__module__, made.__qualname__ = name, member
            setattr(module, member, made)
        monkeypatch.setitem(sys.modules, name, module)
        monkeypatch.setitem(
            sys.modules, name.split(".", maxsplit=1)[0], types.ModuleType(name.split(".", maxsplit=1)[0])
        )
