"""Of several processes one leads; when it falls silent another takes over."""

from varco_audit.retention.leader_lease import LeaderLease
from varco_common.testing.waiting import eventually


async def test_one_of_two_leads_and_keeps_the_lead_while_it_renews(bus):
    first, second = LeaderLease(bus, "task", 60), LeaderLease(bus, "task", 60)
    for _ in range(3):
        assert await first.acquire()
        assert not await second.acquire()


async def test_after_a_lapse_without_a_renewal_the_other_leads(bus):
    first, second = LeaderLease(bus, "task", 0.05), LeaderLease(bus, "task", 0.05)
    assert await first.acquire()
    assert not await second.acquire()
    await eventually(second.acquire)


async def test_tasks_have_their_own_leases(bus):
    assert await LeaderLease(bus, "one", 60).acquire()
    assert await LeaderLease(bus, "other", 60).acquire()
