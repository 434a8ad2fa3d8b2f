"""One replay, started by a running service: `python -m varco_common.eventsourcing.replay <module>`.

The module is the service's replay.py. It offers SETTINGS, the class of the service's settings, and
`voter(settings)`, `settings_view(settings)` or both.
"""

import sys
from importlib import import_module
from types import ModuleType

import uvloop

from varco_common.base import child_process, log
from varco_common.base.imports import without_collector
from varco_common.bus import Bus
from varco_common.bus.settings import WithBus
from varco_common.eventsourcing.replay.frames import AnyReplayQuestion, ReplayFailed, decode_question
from varco_common.eventsourcing.replay.perform import perform
from varco_common.eventsourcing.replay.result_stream import ReceiverGone, ResultStream
from varco_common.eventsourcing.replay.server import ReplayStart

_log = log.get(__name__)


def main() -> None:
    """Exit codes: 0 all results were sent, or the receiver is gone; 1 the replay failed."""
    start = child_process.begin(ReplayStart)
    with without_collector():
        module = import_module(sys.argv[1])
    settings: WithBus = module.SETTINGS(**start.settings)
    log.configure(settings.log_level)
    uvloop.run(_replay(start.service, module, settings, decode_question(bytes(start.question))))


async def _replay(service: str, module: ModuleType, settings: WithBus, question: AnyReplayQuestion) -> None:
    async with Bus.connect(settings.bus, service) as bus:
        results = ResultStream(bus, question.frames, service)
        voter = module.voter(settings) if hasattr(module, "voter") else None
        view = module.settings_view(settings) if hasattr(module, "settings_view") else None
        try:
            await perform(bus, question, results, voter=voter, view=view)
        except ReceiverGone as error:
            _log.info("the receiver of the replay is gone", why=str(error))
        except Exception as error:
            await results.send(ReplayFailed(why=f"the replay failed: {error!r}"))
            raise


if __name__ == "__main__":
    main()
