import time
import pytest
from tests.faults.scenes import SCENES, begun
@pytest.mark.parametrize("name", sorted(SCENES))
def test_plain(ground, name):
    t=time.perf_counter()
    s = begun(name, ground)
    t1=time.perf_counter()
    s.call()
    t2=time.perf_counter()
    print(name, s.last, f"prep {t1-t:.3f} call {t2-t1:.3f}", ground.effects.seen)
    assert s.done(), s.last
    assert s.reason() is None
