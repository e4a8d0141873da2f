"""Our metrics for Prometheus, beside Dask's own at the address /metrics of the scheduler.

The driver sends its counts to the scheduler, which may be another process. Every survey has a label
of its own there, since several may share a scheduler.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from weakref import ref

if TYPE_CHECKING:
    from distributed import Client

MOST_RUNS = 20
"""A scheduler that lives long keeps the counts of so many surveys."""


@dataclass(frozen=True)
class Metric:
    """One metric: its values by the value of its label.

    Names are as Prometheus has them, without the "_total" of counters.
    """

    name: str
    help: str
    kind: Literal["counter", "gauge"]
    label: str
    values: Mapping[str, float]


_runs: dict[str, tuple[Metric, ...]] = {}
_registered: list[_Collector] = []


def publish_metrics(client: Client, run: str, metrics: Sequence[Metric]) -> None:
    """Put the metrics of a run in the place of its earlier ones."""
    client.run_on_scheduler(_take, run, tuple(metrics))


def _take(run: str, metrics: tuple[Metric, ...], dask_scheduler: Any = None) -> None:
    """Runs on the scheduler; without the library for Prometheus there is no address to serve."""
    try:
        from prometheus_client import REGISTRY
    except ImportError:
        return
    if _registered and _registered[0].scheduler() is not dask_scheduler:
        _runs.clear()  # Of an earlier scheduler in this process.
    _runs.pop(run, None)
    _runs[run] = metrics
    while len(_runs) > MOST_RUNS:
        del _runs[next(iter(_runs))]
    if not _registered:
        _registered.append(_Collector())
        REGISTRY.register(_registered[0])
    _registered[0].scheduler = ref(dask_scheduler)


class _Collector:
    """Gives the metrics of all runs when Prometheus asks."""

    scheduler: Callable[[], Any] = staticmethod(lambda: None)

    def describe(self) -> list[Any]:
        """Nothing is collected to register it."""
        return []

    def collect(self) -> Iterator[Any]:
        """One family for every name."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        families: dict[str, Any] = {}
        for run, metrics in list(_runs.items()):
            for metric in metrics:
                kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
                family = families.setdefault(
                    metric.name, kind(metric.name, metric.help, labels=["run", metric.label])
                )
                for value, number in metric.values.items():
                    family.add_metric([run, value], number)
        yield from families.values()
