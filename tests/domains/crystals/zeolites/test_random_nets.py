"""Random search for 4-connected nets."""

from invdesign.domains.crystals.zeolites.random_nets import generate_random_nets
from invdesign.domains.crystals.zeolites.silica import framework_residual, one_net
from invdesign.domains.crystals.zeolites.topology import topology_of


def test_random_nets_are_four_connected_distinct_and_reproducible() -> None:
    nets = generate_random_nets(n=2, seed=1)
    assert generate_random_nets(n=1, seed=1) == nets[:1]
    assert len({topology_of(net).key for net in nets}) == 2
    assert all(check.passed for check in one_net(nets))
    assert all(check.passed for check in framework_residual(nets, max=0.02))


def test_progress_is_reported_after_each_net() -> None:
    calls = []
    generate_random_nets(n=1, seed=1, progress=lambda *call: calls.append(call))
    assert calls == [("searching nets", 1, 1)]
