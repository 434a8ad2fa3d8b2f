"""Which accounts have declared a domain."""

from hypothesis import given
from hypothesis import strategies as st

from varco_policy.domain_index import DomainIndex

domains = st.sampled_from(["acme.example", "mail.acme.example", "x.mail.acme.example", "notacme.example", "example"])
patterns = st.builds(lambda local, domain: f"{local}@{domain}", st.sampled_from(["", "a", "b"]), domains)
put = st.lists(st.tuples(patterns, st.sampled_from(["one", "two"])), unique=True)


def related(one, other):
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")


@given(put, st.data(), domains)
def test_who_declared_a_domain_is_who_has_a_sender_at_it_above_it_or_below_it(everything, data, asked):
    index = DomainIndex()
    for pattern, account in everything:
        index.add(pattern, account)
    dropped = data.draw(st.lists(st.sampled_from(everything), unique=True)) if everything else []
    for pattern, account in dropped:
        index.discard(pattern, account)
    left = set(everything) - set(dropped)
    assert index.accounts_claiming_domain(f"@{asked}") == {
        account for p, account in left if related(p.partition("@")[2], asked)
    }


def test_subdomains_alone_are_declared_by_their_domain():
    index = DomainIndex()
    index.add("@.acme.example", "one")
    assert index.accounts_claiming_domain("x@mail.acme.example") == {"one"}
