"""What is known of a job in the background."""

import asyncio

from varco_common.testing.waiting import eventually
from varco_console.web.background_jobs import BackgroundJobs
from varco_console.web.job_state import JobState


async def test_a_job_that_many_others_displace_ends_as_usual():
    jobs, go_on = BackgroundJobs(), asyncio.Event()

    async def lines():
        yield {"mails": 7}
        await go_on.wait()

    jobs.start("old", lines())
    await eventually(lambda: jobs.state("old") == JobState({"mails": 7}))
    for number in range(1_000):
        jobs.report(f"new {number}", JobState())
    assert jobs.state("old") is None
    go_on.set()
    await eventually(lambda: jobs.state("old") == JobState({"mails": 7}, done=True))
    await jobs.close()
