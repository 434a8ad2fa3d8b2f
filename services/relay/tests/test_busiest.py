"""A bounded number of names has labels: the busiest, and those change with the mail."""

from varco_relay.busiest import OTHER, Busiest


def test_names_beyond_the_size_share_a_label():
    busiest = Busiest(2)
    assert [busiest.count(name, 1) for name in "abcabc"] == [
        ("a", ""),
        ("b", ""),
        (OTHER, ""),
        ("a", ""),
        ("b", ""),
        (OTHER, ""),
    ]


def test_a_name_that_becomes_twice_as_busy_takes_the_place_of_the_quietest():
    busiest = Busiest(2)
    busiest.count("a", 10)
    busiest.count("b", 3)
    assert busiest.count("c", 6) == (OTHER, "")
    assert busiest.count("c", 1) == ("c", "b")
    assert busiest.count("b", 1) == (OTHER, "")


def test_what_was_busy_long_ago_gives_way():
    busiest = Busiest(1)
    busiest.count("old", 19_999)
    labels = [busiest.count("new", 1)[0] for _ in range(30_000)]
    assert labels[0] == OTHER
    assert labels[-1] == "new"


def test_very_many_names_take_a_bounded_memory():
    busiest = Busiest(2)
    for number in range(25_000):
        busiest.count(f"host{number}", 1)
    assert len(busiest._recent) <= 10_001
