"""Which engine computes, and how it is told on the command line and in Python."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from handsoff.core.errors import InputError
from handsoff.engines.contract import Engine
from handsoff.engines.local import LOCAL


class EngineSettings(BaseModel):
    """Where shards are computed. What comes out does not depend on it, so it may change while a work goes on."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    engine: Literal["local", "processes", "ray"] = Field(
        "local", description="compute in this process, in processes of this machine, or on a cluster of Ray"
    )
    workers: int | None = Field(
        None, ge=1, description="so many at once; without it one per GPU or, where there is none, per core"
    )
    address: str | None = Field(
        None,
        description="of the Ray cluster, auto for the one that this machine belongs to; without it RAY_ADDRESS, "
        "or else this machine alone",
    )


@contextmanager
def opened(settings: EngineSettings) -> Iterator[Engine]:
    """The engine, as long as it is needed.

    Raises:
        InputError: something is set that the engine would not heed.
        HandsOffError: its library is not installed.
    """
    if settings.workers is not None and settings.engine == "local":
        raise InputError("A number of workers needs another engine than local: add --engine processes or --engine ray.")
    if settings.address is not None and settings.engine != "ray":
        raise InputError(f"The address {settings.address} is one of a Ray cluster: add --engine ray.")
    if settings.engine == "local":
        yield LOCAL
        return
    if settings.engine == "processes":
        from handsoff.engines.processes import ProcessEngine  # noqa: PLC0415  # brings torch along

        with closing(ProcessEngine(settings.workers)) as engine:
            yield engine
    else:
        from handsoff.engines.ray import RayEngine  # noqa: PLC0415  # brings torch along

        with closing(RayEngine(settings.workers, settings.address)) as cluster:
            yield cluster
