"""audit as a service: it comes up on its own."""


async def test_it_is_ready_with_a_bus_and_an_empty_database(gate):
    async with gate.audit() as http:
        assert (await http.get("/readyz")).json()["ready"]
