"""Where the REST door listens, and what is said where it cannot."""

import pytest

from limner.core.errors import LimnerError
from limner.server import listen


def test_a_port_that_is_taken_and_an_address_that_is_none() -> None:
    with listen("127.0.0.1", 0) as held:
        held.listen()
        port = held.getsockname()[1]
        assert port > 0
        with pytest.raises(LimnerError, match=f"127.0.0.1:{port} .*another --port"):
            listen("127.0.0.1", port)
    with pytest.raises(LimnerError, match="another --host"):
        listen("1.2.3.4.5", 0)
