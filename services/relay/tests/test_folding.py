"""Routes and the queue fold to the same state live, after a restart, after a rebuild, and as of any sequence."""

from hypothesis import given

from varco_common.testing.folding import folds_alike, histories
from varco_relay import queue, routes
from varco_relay.routes import AccountRoute


@given(histories(*routes.FILTERS))
def test_routes_fold_alike(history):
    folds_alike(history, apply=routes.apply, state=AccountRoute)


@given(histories(*queue.FILTERS))
def test_the_queue_folds_alike(history):
    folds_alike(history, apply=queue.apply, state=queue.Waiting, key=queue.key)
