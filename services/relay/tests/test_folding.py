"""Routes and the queue fold to one state: live, restarted, rebuilt, and as of any sequence."""

from hypothesis import given

from varco_common.testing.folding import folds_alike, histories
from varco_relay.model import account_route, queue
from varco_relay.model.account_route import AccountRoute


@given(histories(*account_route.PROJECTION.filters))
def test_routes_fold_alike(history):
    folds_alike(history, apply=account_route.apply, state=AccountRoute)


@given(histories(*queue.PROJECTION.filters))
def test_the_queue_folds_alike(history):
    folds_alike(history, apply=queue.apply, state=queue.QueuedMail, key=queue.key)
