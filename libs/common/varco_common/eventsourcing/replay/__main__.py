"""One replay, started by a running service: `python -m varco_common.eventsourcing.replay <module>`.

The module offers SETTINGS, the class of the service's settings, and `voter(settings)`, `shown(settings)` or both.
"""

import sys
from importlib import import_module
from types import ModuleType

import uvloop

from varco_common.base import child_process, log
from varco_common.bus import Bus
from varco_common.bus.settings import WithBus
from varco_common.eventsourcing.replay.frames import AnyReplayQuestion, ReplayFailed, decode_question
from varco_common.eventsourcing.replay.perform import perform
from varco_common.eventsourcing.replay.result_stream import ReceiverGone, ResultStream
from varco_common.eventsourcing.replay.serving import ReplayStart

_log = log.get(__name__)


def main() -> None:
    """Exit codes: 0 told to the end, or nobody listens any more; 1 it failed."""
    start = child_process.begin(ReplayStart)
    module = import_module(sys.argv[1])
    settings: WithBus = module.SETTINGS(**start.settings)
    log.configure(settings.log_level)
    uvloop.run(_carry_out(start.service, module, settings, decode_question(bytes(start.question))))


async def _carry_out(service: str, module: ModuleType, settings: WithBus, question: AnyReplayQuestion) -> None:
    async with Bus.connect(settings.bus, service) as bus:
        talk = ResultStream(bus, question.frames, service)
        voter = module.voter(settings) if hasattr(module, "voter") else None
        shown = module.shown(settings) if hasattr(module, "shown") else None
        try:
            await perform(bus, question, talk, voter=voter, shown=shown)
        except ReceiverGone as error:
            _log.info("nobody listens to the rehearsal any more", why=str(error))
        except Exception as error:
            await talk.ask(ReplayFailed(why=f"the rehearsal failed: {error!r}"))
            raise


if __name__ == "__main__":
    main()
